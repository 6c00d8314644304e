/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cgroup of a test's own on the machine's cgroup2 hierarchy, for what a folder cannot stand for. Where none can be made (a build
 * without privileges) cgroup_mount_there() is false; the guests and CI have one.
 */
#ifndef AGENTCG_TESTS_UNIT_CGROUP_MOUNT_H
#define AGENTCG_TESTS_UNIT_CGROUP_MOUNT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/cgroupfs.h"

struct cgroup_mount {
	char *path;   /* of the cgroup, below the mount */
	char *within; /* the same within the mount */
	int dirfd;
};

static inline const char *cgroup_mount_point(void)
{
	static const char *const points[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (unsigned int i = 0; i < G_N_ELEMENTS(points); i++) {
		g_autofree char *procs = g_build_filename(points[i], "cgroup.procs", NULL);
		g_autofree char *controllers =
			g_build_filename(points[i], "cgroup.controllers", NULL);

		if (access(procs, W_OK) == 0 && access(controllers, F_OK) == 0)
			return points[i];
	}
	return NULL;
}

static inline struct cgroup_mount cgroup_mount_new(void)
{
	static unsigned int count;
	g_autofree char *name = g_strdup_printf("agentcg-test-%d-%u", getpid(), ++count);
	struct cgroup_mount mount = {
		.path = g_build_filename(cgroup_mount_point(), name, NULL),
		.dirfd = -1,
	};

	if (g_mkdir(mount.path, 0755) == 0)
		mount.dirfd = open(mount.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mount.within = g_strconcat("/", name, NULL);
	return mount;
}

static inline void cgroup_mount_free(struct cgroup_mount *mount)
{
	if (mount->dirfd >= 0) {
		close(mount->dirfd);
		assert_int_equal(g_rmdir(mount->path), 0);
	}
	g_free(mount->path);
	g_free(mount->within);
}

static inline bool cgroup_mount_there(void)
{
	struct cgroup_mount mount;
	bool there;

	if (!cgroup_mount_point()) {
		printf("no cgroup2 hierarchy can be written here: a part is left out\n");
		return false;
	}
	mount = cgroup_mount_new();
	there = mount.dirfd >= 0;
	cgroup_mount_free(&mount);
	return there;
}

/* A process that waits in the cgroup at `below`. */
static inline pid_t cgroup_mount_start(const struct cgroup_mount *mount, const char *below)
{
	g_autofree char *file = g_build_filename(below, "cgroup.procs", NULL);
	pid_t parent = getpid(), child = fork();

	if (child == 0) { /* it goes with the test, however that ends */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(acg_cgroup_write_u64(mount->dirfd, file, child, NULL), 0);
	return child;
}

#endif

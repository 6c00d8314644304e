/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's own cgroup; see the header. */
#include "fusefs/shelter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/procfs.h"

#define NAME	      "agentcgd"
#define USUAL_ROOT    "/sys/fs/cgroup/agentcg"
#define MEMORY_MIN    (32 * 1024 * 1024) /* bytes, and */
#define OOM_SCORE_ADJ "-900"		 /* both as tools/agentcg.service.in has them */
#define LEAVE_TRIES   50		 /* at 10 ms: workers that were killed are on their way out */

static bool by_systemd(void)
{
	const char *pid = g_getenv("SYSTEMD_EXEC_PID");

	return pid && atoi(pid) == getpid();
}

/* Where root has no CAP_SYS_RESOURCE the kernel says EACCES: then it stays what it is, and the memory is still to be had. */
static int spare_from_oom(GError **error)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0 || (write(fd, OOM_SCORE_ADJ, strlen(OOM_SCORE_ADJ)) < 0 && errno != EACCES))
		ret = acg_fail_errno(error, errno, "cannot set the daemon's oom_score_adj");
	if (fd >= 0)
		close(fd);
	return ret;
}

/* The directory of this process's cgroup. mount: where the file system of cgroups is mounted. */
static int open_own(const char *mount, GError **error)
{
	g_autofree char *within = NULL, *path = NULL;
	int ret = acg_proc_cgroup(getpid(), &within, error);
	int fd;

	if (ret)
		return ret;
	path = g_strconcat(mount, within, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? acg_fail_errno(error, errno, "cannot open %s", path) : fd;
}

static int make(const char *path, struct acg_shelter *shelter, GError **error)
{
	g_autofree char *within = NULL, *mount = NULL;
	int ret = acg_cgroup_open_root(path, &shelter->dirfd, &within, error);

	if (ret)
		return ret;
	shelter->parent = openat(shelter->dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!g_str_has_suffix(path, within)) /* a part of the file system is mounted there */
		return acg_fail(error, ENOTSUP, "%s is not where /proc/self/cgroup would have it", path);
	mount = g_strndup(path, strlen(path) - strlen(within));
	shelter->before = open_own(mount, error);
	if (shelter->before < 0)
		return shelter->before;
	acg_cgroup_write(shelter->parent, "cgroup.subtree_control", "+memory", NULL);
	ret = acg_cgroup_write_u64(shelter->dirfd, "memory.min", MEMORY_MIN, error);
	return ret ? ret : acg_cgroup_write(shelter->dirfd, "cgroup.procs", "0", error);
}

int acg_shelter_enter(const char *root, struct acg_shelter *ret_shelter, GError **error)
{
	g_autofree char *above = g_path_get_dirname(root ? root : USUAL_ROOT);
	g_autofree char *path = g_build_filename(above, NAME, NULL);
	int ret;

	*ret_shelter = ACG_SHELTER_NONE;
	if (by_systemd() || geteuid() != 0)
		return 0;
	ret = spare_from_oom(error);
	if (!ret)
		ret = make(path, ret_shelter, error);
	if (ret)
		acg_shelter_leave(ret_shelter);
	return ret;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void acg_shelter_leave(struct acg_shelter *shelter)
{
	if (shelter->before >= 0)
		acg_cgroup_write(shelter->before, "cgroup.procs", "0", NULL);
	for (int i = 0; shelter->parent >= 0 && i < LEAVE_TRIES; i++) {
		if (unlinkat(shelter->parent, NAME, AT_REMOVEDIR) == 0 || errno != EBUSY)
			break;
		g_usleep(10000);
	}
	close_if_open(shelter->before);
	close_if_open(shelter->parent);
	close_if_open(shelter->dirfd);
	*shelter = ACG_SHELTER_NONE;
}

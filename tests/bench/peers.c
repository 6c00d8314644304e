/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers; see the header. */
#include "tests/bench/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP2       "/sys/fs/cgroup/" /* where cgexec looks */
#define LXCFS_MEMINFO "/var/lib/lxcfs/proc/meminfo"

void peer_cgexec(const struct places *places)
{
	g_autofree char *group =
		g_strdup_printf("memory,cpu,pids:%s/by-cgexec", places->group + strlen(CGROUP2));

	run_quietly((const char *const[]){"cgcreate", "-g", group, NULL});
	run_quietly((const char *const[]){"cgexec", "-g", group, "true", NULL});
	run_quietly((const char *const[]){"cgdelete", "-g", group, NULL});
}

void peer_systemd_run(const struct places *places)
{
	(void)places;
	run_quietly((const char *const[]){"systemd-run", "--quiet", "--scope", "true", NULL});
}

void peer_wrapper(const struct places *places)
{
	g_autofree char *script = g_build_filename(places->scripts, "wrapper", NULL);

	run_quietly((const char *const[]){script, "-c", "true", NULL});
}

void peer_lxcfs(const struct places *places)
{
	static int fd = -1;
	char buf[4096];

	(void)places;
	if (fd < 0)
		fd = open(LXCFS_MEMINFO, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < READS; i++)
		if (pread(fd, buf, sizeof(buf), 0) <= 0)
			die("cannot read %s: %s", LXCFS_MEMINFO, g_strerror(errno));
}

void bare_true(const struct places *places)
{
	(void)places;
	run_quietly((const char *const[]){"true", NULL});
}

void bare_bash(const struct places *places)
{
	(void)places;
	run_quietly((const char *const[]){"/bin/bash", "-c", "true", NULL});
}

static bool is_program(const char *name)
{
	g_autofree char *path = g_find_program_in_path(name);

	return path;
}

const char *peer_missing(void (*peer)(const struct places *places))
{
	if (peer == peer_cgexec && (!is_program("cgexec") || access(CGROUP2 "cgroup.procs", F_OK)))
		return "skipped: no cgexec, or no cgroup v2 at " CGROUP2;
	if (peer == peer_systemd_run && access("/run/systemd/system", F_OK))
		return "skipped: systemd does not run here";
	if (peer == peer_wrapper && !getenv("WRAPPER_ROOT"))
		return "skipped: the wrapper was given no cgroup (WRAPPER_ROOT)";
	if (peer == peer_lxcfs && access(LXCFS_MEMINFO, R_OK))
		return "skipped: lxcfs does not run here";
	return NULL;
}

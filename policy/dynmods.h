/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * favordynmods, an option of the cgroup2 file system for the whole machine. Without it a write to cgroup.procs waits for an RCU
 * grace period, unless there was one a moment before (13 to 20 ms in guests, by tests/vm/long/dynmods-cost.sh); with it forks and
 * exits are said to cost more (Documentation/admin-guide/cgroup-v2.rst). Once it was on, newer kernels (7.3, not 6.12) keep a part
 * of it, a lock of each process's own, until the next boot (cgroup_favor_dynmods() in kernel/cgroup/cgroup.c).
 *
 * The kernel drops options that a change does not repeat, so all that are there are repeated, whatever they are.
 */
#ifndef AGENTCG_POLICY_DYNMODS_H
#define AGENTCG_POLICY_DYNMODS_H

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/error.h"

/*
 * What a text as /proc/self/mountinfo says of the file system with this device: where it is mounted, and the options of its
 * super block. Free both with g_strfreev. ENOENT: it is mounted nowhere.
 */
int acg_dynmods_parse(const char *mountinfo, dev_t device, char ***ret_points, char ***ret_options,
		      GError **error);

/* Of the cgroup2 file system that the directory is on. Returns 1: it is on; 0: it is off. */
int acg_dynmods_get(int dirfd, GError **error);

/*
 * Switches it. May wait for an RCU grace period. On failure all options are as they were. EPERM: the daemon may not, or is not in the
 * machine's own cgroup namespace, so that the kernel ignores it; EOPNOTSUPP: the kernel has no such option (before 6.0), or there is
 * another that cannot be repeated.
 */
int acg_dynmods_set(int dirfd, bool on, GError **error);

#endif

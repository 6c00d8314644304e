/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to the files of a cgroup by its directory's descriptor: no path is walked twice. Values are the kernel's text, numbers
 * parsed where asked. The kernel's errno is returned negative and unchanged.
 */
#ifndef AGENTCG_POLICY_CGROUPFS_H
#define AGENTCG_POLICY_CGROUPFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/error.h"

/* Writes text to the file in one write(2). Opens with O_NONBLOCK: kernels that know it then set a memory limit without
 * reclaiming in our context. */
int acg_cgroup_write(int dirfd, const char *file, const char *text, GError **error);
int acg_cgroup_write_u64(int dirfd, const char *file, uint64_t value,
			 GError **error); /* UINT64_MAX: "max" */

/* Reads at most size - 1 bytes and ends them with a NUL. Returns their number. */
ssize_t acg_cgroup_read(int dirfd, const char *file, char *buf, size_t size, GError **error);
int acg_cgroup_read_u64(int dirfd, const char *file, uint64_t *ret_value,
			GError **error); /* "max": UINT64_MAX */

/* The value behind `key` in a flat keyed text such as memory.events; false: not there. */
bool acg_cgroup_keyed(const char *text, const char *key, uint64_t *ret_value);

/* True if the directory has this file. */
bool acg_cgroup_has(int dirfd, const char *file);

/* True if a word of a blank-separated list, or of a file with one (cgroup.controllers), equals `word`. */
bool acg_cgroup_has_word(const char *text, const char *word);
bool acg_cgroup_lists(int dirfd, const char *file, const char *word);

/* Calls fn for each pid of cgroup.procs; stops early when it returns non-zero and returns that. */
int acg_cgroup_each_pid(int dirfd, int (*fn)(pid_t pid, void *data), void *data, GError **error);
/* The same for the ids in another file: cgroup.threads. */
int acg_cgroup_each_id(int dirfd, const char *name, int (*fn)(pid_t pid, void *data), void *data,
		       GError **error);

/* Calls fn for each cgroup below, by its directory's name. */
void acg_cgroup_each_child(int dirfd, void (*fn)(int dirfd, const char *name, void *data),
			   void *data);

/*
 * True if a process lives in the cgroup or below. Not what cgroup.events alone says: a process that was waited for still counts
 * there until it has left its CPU, but rmdir does not mind it (cgroup_destroy_locked of Linux 7.0 and later).
 */
bool acg_cgroup_populated(int dirfd);

/*
 * Sends signo to every process in the cgroup and below, SIGKILL by cgroup.kill where there is one. A pid that was reused
 * between the look and the signal is never hit: pidfds are opened first and membership is looked at again.
 */
int acg_cgroup_signal(int dirfd, int signo, GError **error);

/* Removes the cgroup `name` and empty ones below it. EBUSY: processes. */
int acg_cgroup_remove(int parent_dirfd, const char *name, GError **error);

/*
 * Opens the directory at `path`, making its last part if it is missing. It must lie on a cgroup2 file system (ENOTSUP, with
 * words, if not). *ret_mount_path (free with g_free) is its path within the cgroup2 mount, as /proc/PID/cgroup writes it.
 */
int acg_cgroup_open_root(const char *path, int *ret_dirfd, char **ret_mount_path, GError **error);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What /proc tells of a single process: who it is, where, and its memory. The texts are read by functions of
 * their own, since a process chooses its name, and with it a part of them.
 */
#ifndef AGENTCG_POLICY_PROCFS_H
#define AGENTCG_POLICY_PROCFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/error.h"

/* Bytes. */
struct acg_proc_memory {
	uint64_t anon;
	uint64_t shmem; /* mapped tmpfs and shared memory */
	uint64_t file;  /* mapped files */
	uint64_t peak;  /* the most that was resident since its execve or fork; 0: not known */
};

/*
 * Parsers of the texts of status and smaps_rollup. False: it is a kernel thread or a zombie (no
 * memory), or not such a text.
 */
bool acg_proc_parse_status(const char *text, struct acg_proc_memory *ret_memory);
bool acg_proc_parse_rollup(const char *text, struct acg_proc_memory *ret_memory);

/*
 * Memory as the process's counters have it (/proc/PID/status, Rss): what it shares with others
 * counts in full. Takes 10 us whatever its size. False: it is gone, or has none.
 */
bool acg_proc_rss(pid_t pid, struct acg_proc_memory *ret_memory);

/*
 * Memory with a page that n processes share counted as one nth (/proc/PID/smaps_rollup, Pss). The
 * kernel walks the page tables and holds the process's mmap lock for it: 20 us for a small process,
 * 2 ms for 1 GiB in 4 KiB pages.
 */
bool acg_proc_pss(pid_t pid, struct acg_proc_memory *ret_memory);

#define ACG_PID_LEVELS 33 /* MAX_PID_NS_LEVEL of the kernel, and the first namespace */

/* Who a process (or thread) is. */
struct acg_proc_ids {
	pid_t tgid;
	unsigned int threads;
	uid_t uid; /* (uid_t)-1: its real, effective and saved user differ (setuid programs) */
	unsigned int levels;        /* pid namespaces that it is in; 1: this process's own */
	pid_t pids[ACG_PID_LEVELS]; /* of its process, in each of them, outermost first */
};

/* From the text of status. False: not such a text. */
bool acg_proc_parse_ids(const char *text, struct acg_proc_ids *ret_ids);
bool acg_proc_ids(pid_t pid, struct acg_proc_ids *ret_ids); /* false: it is gone */

/* The first process of a nested pid namespace: its end is that of a whole sandbox. */
bool acg_proc_ns_init(const struct acg_proc_ids *ids);

/* The path of its cgroup within the cgroup2 mount; free with g_free. ESRCH: it is gone, or in none. */
int acg_proc_cgroup(pid_t pid, char **ret_path, GError **error);

/* Its command line, words that each end with a NUL, `size` bytes at most. Returns its length; 0: it is gone, or has none. */
size_t acg_proc_cmdline(pid_t pid, char *args, size_t size);

/* Appends the children (pid_t) of its first thread, until there are `most` in the array. */
void acg_proc_children(pid_t pid, GArray *pids, unsigned int most);

/* How long ago it was forked, usec, and its parent; false: it is gone. */
bool acg_proc_born(pid_t pid, int64_t *ret_age, pid_t *ret_parent);

/* True if it is there, and no zombie. */
bool acg_proc_alive(pid_t pid);

/* True if it may still do something: it is there, and neither stopped nor a zombie. */
bool acg_proc_active(pid_t pid);

/* Its oom_score_adj; 0, what a process has that nobody changed, if it is gone. */
int acg_proc_oom_score_adj(pid_t pid);

/* Sets it; one that is gone needs none. */
void acg_proc_set_oom_score_adj(pid_t pid, int value);

#endif

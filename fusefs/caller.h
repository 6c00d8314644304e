/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is asking. A FUSE request names the calling thread (in the pid namespace of whoever opened /dev/fuse; 0 if it is not
 * visible there) and its uid. The thread is blocked in its system call, so its /proc entry holds still while the
 * request is answered. Everything else is read from there: process, threads, pid namespace, cgroup, and so the agent.
 */
#ifndef AGENTCG_FUSEFS_CALLER_H
#define AGENTCG_FUSEFS_CALLER_H

#include "policy/registry.h"

struct acg_caller {
	pid_t tid; /* as in the request */
	uid_t uid;
	gid_t gid;
	/* the self or call it runs in (or a cgroup below that); NULL: outside every agent */
	struct acg_node *node;
	struct acg_agent *agent; /* node's; NULL: outside */
	/* of its process, once acg_caller_identify() was asked for them; few requests need them */
	pid_t tgid; /* 0: not asked yet */
	unsigned int threads;
	unsigned int pid_ns_level; /* 1: the daemon's own pid namespace */
	bool ns_init;              /* first process of a nested pid namespace */
};

/*
 * Asks the kernel for a thread's cgroup by its pidfd (PIDFD_GET_INFO, Linux 6.13), which is half the work of reading it from /proc, and
 * keeps the pidfd of the last one who was asked for: most callers come several times in a row. NULL: this kernel does not tell.
 */
struct acg_pidfd;
struct acg_pidfd *acg_pidfd_new(void);
void acg_pidfd_free(struct acg_pidfd *pidfd);

/*
 * Resolves a caller. Its cgroup, with by_pidfd (else NULL) and if it is a node's own, is known by its id; else it is the v2 line of
 * /proc/TID/cgroup; what lies below root_path (agentcg's root within the
 * cgroup2 mount, "/agentcg") is NAME/[agent-SUB/...](self|call-ID)[/...], looked up by name in the registry.
 * ESRCH: the thread is gone or not visible (tid 0).
 */
int acg_caller_resolve(const struct acg_registry *registry, const char *root_path, struct acg_pidfd *by_pidfd,
		       pid_t tid, uid_t uid, gid_t gid, struct acg_caller *ret_caller,
		       GError **error);

/* Fills in what concerns its process, unless that was done before. ESRCH: the thread is gone. */
int acg_caller_identify(struct acg_caller *caller, GError **error);

/* Root (uid 0) outside every agent: may do everything. */
bool acg_caller_is_operator(const struct acg_caller *caller);

/*
 * A pid (or thread id) as the (identified) caller writes it, to the process in the daemon's pid namespace; itself for 0. On
 * kernels that cannot translate (before 6.11) only the processes below agent_dirfd are looked at. ESRCH: no such process there.
 */
int acg_caller_pid(const struct acg_caller *caller, pid_t pid, int agent_dirfd, pid_t *ret_pid,
		   GError **error);

/* The pid namespace of a process, to be closed; -1: it is gone. */
int acg_caller_open_pid_ns(pid_t pid);

/*
 * A pid of the daemon's namespace as the (identified) caller would see it, ns being the caller's; 0: invisible to it (as the
 * kernel prints it).
 */
pid_t acg_caller_pid_seen(const struct acg_caller *caller, int ns, pid_t pid);

/* The same for a thread's id. Kernels before 6.11: 0 in another namespace. */
pid_t acg_caller_tid_seen(const struct acg_caller *caller, int ns, pid_t tid);

/* The user whose process it is; (uid_t)-1: it is gone, or its real, effective and saved user differ (setuid programs). */
uid_t acg_process_uid(pid_t pid);

/*
 * Puts the pids in a text of JSON (info, history, events) into the caller's pid namespace: "pid" becomes what the caller sees (or
 * null), and whom an OOM took is named without. In the daemon's own namespace nothing changes.
 */
void acg_caller_translate(const struct acg_caller *caller, GString *text);

/* The second half of that, where the caller is not at hand: "name (pid 12, 70M)" becomes "name (70M)". */
void acg_hide_victims_pid(GString *text);

/*
 * The node that a path of /proc/PID/cgroup lies in (it may go on with "/..." or end at a newline): a call, or the self for everything else
 * of an agent; NULL: outside every agent. Pure.
 */
struct acg_node *acg_caller_node_of_path(const struct acg_registry *registry, const char *root_path,
					 const char *path);

/* The self or call that a process is in, or NULL outside every agent; ESRCH: no such process. */
int acg_process_node(const struct acg_registry *registry, const char *root_path, struct acg_pidfd *by_pidfd,
		     pid_t pid, struct acg_node **ret_node, GError **error);

#endif

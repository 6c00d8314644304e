/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enforcers: what carries out the engine's actions. Each is a small table of functions; the manager asks them in turn
 * (cgroup, procfs, bpf; or fake alone in tests). An operation that an enforcer has no part in is NULL there.
 */
#ifndef AGENTCG_POLICY_ENFORCER_H
#define AGENTCG_POLICY_ENFORCER_H

#include "policy/registry.h"

/* A node's place in the kernel. Made by the enforcer whose `make` comes first (cgroup or fake), in node->group. */
struct acg_group {
	uint64_t id; /* cgroup id; unique for ever */
	int dirfd; /* the cgroup directory, O_PATH-less so that *at() calls and reads work; -1: none (fake) */
	char *name; /* its directory name */
};

/* One line of `status`. Strings are owned by the struct. */
struct acg_mechanism {
	const char *name;  /* memcg_bpf_ops, sched_ext, monitor, cgroup, procfs, favordynmods; policy */
	const char *state; /* on, off, degraded */
	char *reason;
};

/* The kernel's file behind a control: "memory.high". */
const char *acg_control_file(enum acg_control control);

struct acg_enforcer;
struct acg_bpf;

struct acg_enforcer_ops {
	const char *name;

	/* Makes the group below its parent's (a call's and a self's: the agent's; an agent's: the enclosing agent's or the
	 * root). Sets node->group; the caller registers group->id. EEXIST, ENOSPC, ... of the kernel pass through. */
	int (*make)(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
		    GError **error);
	/* The same for a group that exists already (after a restart). */
	int (*attach)(struct acg_enforcer *enforcer, struct acg_node *node, const char *name,
		      GError **error);
	/* Brings node->controls, which say what ought to be in force, to what the kernel has, which is the truth. For a group that was
	 * attached: whoever set its limits may have been killed then, or somebody else set them. */
	void (*read_back)(struct acg_enforcer *enforcer, struct acg_node *node);
	/* Removes it and frees node->group; EBUSY: it has processes (group kept). */
	int (*remove)(struct acg_enforcer *enforcer, struct acg_node *node, GError **error);
	/* Sets a limit; a control that this kernel does not have: 0. May return before the kernel has reclaimed. */
	int (*set)(struct acg_enforcer *enforcer, struct acg_node *node, enum acg_control control,
		   uint64_t value, GError **error);
	/* Moves a process (all its threads). ESRCH: it is gone. *ret_oom_score_adj (may be NULL) is what it had; it gets
	 * oom_score_adj, unless that is ACG_OOM_KEEP. */
	int (*move)(struct acg_enforcer *enforcer, struct acg_node *to, pid_t pid,
		    int oom_score_adj, int *ret_oom_score_adj, GError **error);
	int (*freeze)(struct acg_enforcer *enforcer, struct acg_node *node, bool frozen,
		      GError **error);
	/* Sends signo to every process in it; SIGKILL goes by cgroup.kill where there is one. */
	int (*signal)(struct acg_enforcer *enforcer, struct acg_node *node, int signo,
		      GError **error);
	/* Asks back so many bytes of what it uses, later and as far as it can be had. */
	int (*reclaim)(struct acg_enforcer *enforcer, struct acg_node *node, uint64_t bytes,
		       GError **error);
	/* What cgroup.events says of it: false, nobody is in it or below. measure looks closer. */
	bool (*populated)(struct acg_enforcer *enforcer, struct acg_node *node);
	/* Fills what it knows of *usage, leaves the rest. */
	int (*measure)(struct acg_enforcer *enforcer, struct acg_node *node,
		       struct acg_usage *usage, GError **error);
	/* Tells the kernel side what changed about the node (BPF map). Called after make and whenever a field changes. */
	int (*update)(struct acg_enforcer *enforcer, struct acg_node *node, GError **error);
	/* The policy in force; at the start and whenever it is replaced. */
	void (*policy)(struct acg_enforcer *enforcer, const struct acg_policy *policy);
	/* BPF was loaded beside the serving, or cannot be (bpf NULL, and why not); `policy` follows. */
	void (*loaded)(struct acg_enforcer *enforcer, struct acg_bpf *bpf, const char *why_not);
	/* Appends families of its own to `metrics`. */
	void (*metrics)(struct acg_enforcer *enforcer, GString *out);
	/* Appends its struct acg_mechanism lines. */
	void (*status)(struct acg_enforcer *enforcer, GArray *mechanisms);
	void (*free)(struct acg_enforcer *enforcer);
};

/* First member of each enforcer's own struct. */
struct acg_enforcer {
	const struct acg_enforcer_ops *ops;
	/* Set by the manager: something happened that belongs into `events`. text: words, NULL: none. */
	void (*event)(void *data, const char *event, const char *text);
	void *event_data;
};

#define ACG_OOM_KEEP (-2000) /* leave oom_score_adj as it is */
#define ACG_OOM_CALL 1000    /* of processes in calls: an OOM takes a call, never the agent */

/*
 * Each returns a new enforcer, to be freed by ops->free, or NULL with *error set when the host cannot do it at all.
 * cgroup: under `root`, an absolute path inside a cgroup2 mount; makes the last part of it if missing. One process at a time has it:
 * with `takes_over` it waits for the one before to end, else that is an error.
 */
struct acg_enforcer *acg_enforcer_cgroup_new(const char *root, bool takes_over, GError **error);
/* Of a cgroup enforcer: its root's directory and path within the cgroup2 mount ("/agentcg"), owned by it; true if it has the controller. */
int acg_enforcer_cgroup_dirfd(const struct acg_enforcer *enforcer);
const char *acg_enforcer_cgroup_path(const struct acg_enforcer *enforcer);
bool acg_enforcer_cgroup_has(const struct acg_enforcer *enforcer, const char *controller);
/*
 * A cgroup of others', by its path within the cgroup2 mount: a descriptor of its directory, and the limits that it has now.
 */
int acg_enforcer_cgroup_open(const struct acg_enforcer *enforcer, const char *path, int *ret_dirfd,
			     uint64_t ret_controls[ACG_N_CONTROLS], GError **error);
/* procfs: memory by process for hosts without a v2 memory controller; SIGSTOP and kill(2) where cgroup.freeze and cgroup.kill are missing. */
struct acg_enforcer *acg_enforcer_procfs_new(GError **error);
/* fake: groups are numbers, nothing happens in the kernel; for --dry-run and tests. The next operation named by fail_next ("move")
 * fails with fail_errno. */
struct acg_enforcer *acg_enforcer_fake_new(void);
void acg_enforcer_fake_fail(struct acg_enforcer *fake, const char *fail_next, int fail_errno);
/* bpf: keeps the map up to date, reads what the memory tier counts. `bpf` and `memory` are borrowed; NULL: none, and
 * `status` says why_not (copied). */
struct acg_memory_tier;
struct acg_enforcer *acg_enforcer_bpf_new(struct acg_bpf *bpf, struct acg_memory_tier *memory,
					  const char *why_not);
/* The memory tier, once it is loaded. Borrowed. */
void acg_enforcer_bpf_memory(struct acg_enforcer *enforcer, struct acg_memory_tier *memory);
/* sched: has the scheduler loaded as the policy wants it. `bpf` is borrowed; NULL: none, for the reason why_not. */
struct acg_enforcer *acg_enforcer_sched_new(struct acg_bpf *bpf, const char *why_not);
/* dynmods: has favordynmods on as the policy wants it, for the file system of this directory, the root of all agents. */
struct acg_enforcer *acg_enforcer_dynmods_new(int root_dirfd);

#endif

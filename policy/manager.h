/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager joins the pure engine to the world: it runs the engine's actions through the enforcers (undoing them in
 * reverse when one fails), watches cgroup.events, memory.events and PSI triggers and tells the engine, keeps
 * the event logs and the history, and arms one timer, only while the engine asks for it.
 *
 * All functions are called on one thread, the one that runs the manager's GMainContext. Nothing here waits for `populated`
 * or `frozen`. Who may do what is decided before (fusefs/rights.h); here nobody is refused for who he is.
 */
#ifndef AGENTCG_POLICY_MANAGER_H
#define AGENTCG_POLICY_MANAGER_H

#include "policy/engine.h"
#include "policy/eventlog.h"

struct acg_manager;

/* What changed, for who holds readers and poll handles. */
struct acg_listener {
	/* A line was appended to the log of this agent (NULL: the root's log). */
	void (*event)(void *data, struct acg_agent *agent);
	/* The kernel changed this file ("cgroup.events") of the node. */
	void (*file)(void *data, struct acg_node *node, const char *file);
	/* The node is about to be freed: forget what is kept about it. */
	void (*gone)(void *data, struct acg_node *node);
	void *data;
};

/*
 * How far an earlier daemon came with the last request that it took, which it may have been killed in. Of everything before, all is
 * done. request 0: nobody knows, and nobody waits for an answer.
 */
struct acg_last {
	uint64_t request;
	uint32_t steps; /* markers of it that were done */
	bool finished;  /* all, and it may have been answered */
};

struct acg_manager_options {
	const char *run_dir;  /* /run/agentcg: history lives there */
	bool dry_run;         /* decide and report, change nothing in the kernel */
	GPtrArray *enforcers; /* struct acg_enforcer, in order; the manager takes them over */
	void *events_memory;  /* outlives the process (eventring.h); NULL: none. Borrowed */
	size_t events_size;
	struct acg_bpf *bpf;  /* borrowed; NULL: none. Its ring buffer is read */
	struct acg_memory_tier *memory; /* borrowed; NULL: none */
	struct acg_last last;
	bool awaited; /* callers wait: whether restored limits are in force is looked at once they have answers */
	struct acg_listener listener;
	/* Structured log line (priority as syslog(3), then fields as g_log_structured would take): refusals, policy changes, ended
	 * calls. NULL: none. */
	void (*log)(int priority, const char *message, const char *agent_path, const char *call_id);
};

/* Takes a reference of policy. Finds agents and calls that are already in the cgroup root and goes on with them. */
int acg_manager_new(const struct acg_manager_options *options, struct acg_policy *policy,
		    struct acg_manager **ret_manager, GError **error);
/* BPF that was loaded beside the serving (borrowed; NULL: it cannot be, and why not): the enforcers go by it from now on. */
void acg_manager_set_bpf(struct acg_manager *manager, struct acg_bpf *bpf,
			 struct acg_memory_tier *memory, const char *why_not);
/* Leaves all cgroups and their limits as they are; but what the ladder holds back is let go. */
void acg_manager_free(struct acg_manager *manager);

const struct acg_registry *acg_manager_registry(const struct acg_manager *manager);
struct acg_policy *acg_manager_policy(const struct acg_manager *manager); /* borrowed */
struct acg_time acg_manager_now(void);

/* The number of the FUSE request on whose behalf the next agent is made: kept with it. */
void acg_manager_set_request(struct acg_manager *manager, uint64_t request);
int acg_manager_agent_add(struct acg_manager *manager, struct acg_agent *parent, const char *name,
			  const char *namespace, const char *user, uid_t uid,
			  struct acg_agent **ret_agent, GError **error);
/*
 * Makes an agent of a cgroup that is there, at `path` within the cgroup2 mount: its processes go to `self`. Removing the agent gives
 * it back as it was, with its processes. namespace: what the policy's entries ask for; NULL: none. EBUSY: it has cgroups below it, or
 * lies within an agent; EINVAL: it is no cgroup for this, or a name is none.
 */
int acg_manager_adopt(struct acg_manager *manager, const char *name, const char *namespace,
		      const char *path, struct acg_agent **ret_agent, GError **error);
/* Something was to become an agent and did not: said in events and log. */
void acg_manager_not_adopted(struct acg_manager *manager, const char *why);
int acg_manager_agent_remove(struct acg_manager *manager, struct acg_agent *agent, GError **error);
int acg_manager_agent_priority(struct acg_manager *manager, struct acg_agent *agent,
			       enum acg_priority priority, GError **error);

/* Counts a marker, mkdir or rmdir of a call against what the agent may ask for. EAGAIN: too many. */
int acg_manager_marker(struct acg_agent *agent, GError **error);

/*
 * From now on begin and end leave what the caller need not wait for to acg_manager_settle(): the event of a begin; of an end its
 * measuring, its record, and the removal. What was answered by then is in the attributes and in struct acg_last, so that a
 * successor does the rest. Nothing else may be asked of the manager before it is settled.
 */
void acg_manager_defer(struct acg_manager *manager);
void acg_manager_settle(struct acg_manager *manager);

/* On failure nothing is left: the cgroup is gone again and the process is where it was. */
int acg_manager_begin(struct acg_manager *manager, struct acg_agent *agent,
		      const struct acg_begin *begin, struct acg_call **ret_call, GError **error);
/* exit -1: not said. writer 0: the writer is not inside the call, else it goes back to self. */
int acg_manager_end(struct acg_manager *manager, struct acg_call *call, int exit, pid_t writer,
		    GError **error);
/* Whoever began the call has `call` open (awaited), so that an `end` will come; or has closed it now. */
void acg_manager_await(struct acg_manager *manager, struct acg_call *call, bool awaited);
int acg_manager_hint(struct acg_manager *manager, struct acg_call *call,
		     const struct acg_hint *hint, GError **error);
/* rmdir of calls/ID: EBUSY with processes; a running one without ends, an ended one is forgotten. */
int acg_manager_call_remove(struct acg_manager *manager, struct acg_call *call, GError **error);
/*
 * A marker comes from inside a call that no marker began (a rule of `auto` did): its processes go back to `self`, and it is as if it had
 * never been. Any other call stays as it is.
 */
void acg_manager_yield(struct acg_manager *manager, struct acg_call *call);
/* Forgets the agent's ended calls that are too old: before calls/ is listed or looked up. */
void acg_manager_expire(struct acg_manager *manager, struct acg_agent *agent);
/* cgroup.procs: pid into a call, or into self (of an agent or a self node). */
int acg_manager_move(struct acg_manager *manager, struct acg_node *to, pid_t pid, GError **error);
/*
 * A write of `text` to one of the kernel's files of the node. From others than operators only those that an agent may write, of calls only
 * downwards: EPERM with words. The kernel's own errno passes through.
 */
int acg_manager_write(struct acg_manager *manager, struct acg_node *node, const char *file,
		      const char *text, bool operator, GError ** error);
/* The file of this node is polled by somebody: tell the listener when it changes, until the node goes. */
int acg_manager_watch(struct acg_manager *manager, struct acg_node *node, const char *file,
		      GError **error);
/* Reads what the kernel counts for the node (call, agent and its self) into its usage. */
void acg_manager_measure(struct acg_manager *manager, struct acg_node *node);

/* A marker was not handled at once, since its agent writes them without a pause: counted in `metrics`. */
void acg_manager_kept_back(struct acg_manager *manager);

/* A marker or write was refused: counted, in events, in call.error if it was a marker. */
void acg_manager_refused(struct acg_manager *manager, struct acg_agent *agent, bool marker,
			 const GError *why);

/* Swaps the policy, applies it to what runs. Takes a reference. */
void acg_manager_set_policy(struct acg_manager *manager, struct acg_policy *policy);
/* Remembers why a policy was refused, for policy.error. */
void acg_manager_policy_refused(struct acg_manager *manager, const GError *why);
/* The same for the policy file: `instead` (static words) is in force, which `status` says until there is another policy. */
void acg_manager_policy_fallback(struct acg_manager *manager, const GError *why,
				 const char *instead);
const char *acg_manager_policy_error(const struct acg_manager *manager);

/* The logs behind events and events_pipe. agent NULL: the root's. */
struct acg_eventlog *acg_manager_eventlog(struct acg_manager *manager, struct acg_agent *agent);

/* struct acg_mechanism of each enforcer, and of the policy if its file is bad; free with g_array_unref. */
GArray *acg_manager_mechanisms(struct acg_manager *manager);

/* Texts of the tree's files. Appended to out, each line with its newline. */
void acg_manager_status_text(struct acg_manager *manager, GString *out);
void acg_manager_metrics_text(struct acg_manager *manager, GString *out);
int acg_manager_history_text(struct acg_manager *manager, struct acg_agent *agent, GString *out,
			     GError **error);
void acg_manager_info_text(struct acg_manager *manager, struct acg_node *node,
			   GString *out); /* measures first */

#endif

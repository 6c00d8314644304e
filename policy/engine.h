/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: every rule of agentcg, pure. It is told what happened and when, changes the registry, and says what is
 * to be done as a list of actions. No I/O, no clock of its own; the same input gives the same output, so each rule is
 * tested with plain values (tests/unit/test_engine.c).
 *
 * A begin is in two steps, because the kernel may refuse: acg_engine_begin() checks and decides, the manager
 * carries the actions out, then acg_engine_begun() or acg_engine_begin_failed() says how it went.
 */
#ifndef AGENTCG_POLICY_ENGINE_H
#define AGENTCG_POLICY_ENGINE_H

#include "policy/enforcer.h"

#define ACG_ENDED_KEPT 64                         /* ended calls readable in each agent */
#define ACG_ENDED_AGE  (10 * 60 * G_USEC_PER_SEC) /* for so long */

/*
 * A call whose last process is gone waits this long (usec) for the `end` marker that knows the exit status. Whoever writes it is
 * woken by the same exit, but under the same memory pressure: his line of history should not miss it.
 */
#define ACG_END_GRACE (500 * 1000)
/* The same while whoever began it has `call` open still, as agentcg run has. */
#define ACG_END_AWAITED (10 * G_USEC_PER_SEC)

/*
 * What a persistent shell (keep=yes) has started is looked for this long (usec) after the call began, then each time after twice as long,
 * at least once a second; under pressure at once, but not more often than this.
 */
#define ACG_SPARE_FIRST (50 * 1000)
#define ACG_SPARE_LAST  G_USEC_PER_SEC

/*
 * What one agent may ask of the daemon. Markers: a shell loop of nothing but tool calls makes some hundreds a second; the burst is
 * for whoever starts very many at once. Depth: sub-agents below each other.
 */
#define ACG_MARKERS_PER_SECOND 1000
#define ACG_MARKERS_BURST      10000
#define ACG_AGENT_DEPTH_MAX    8

/* Why something was done to a call. The order is that of the feedback table. */
enum acg_cause {
	ACG_CAUSE_NONE,
	ACG_CAUSE_OOM,       /* the kernel's OOM killer took it at its limit */
	ACG_CAUSE_OOM_AGENT, /* ... at the agent's limit */
	ACG_CAUSE_PRESSURE,  /* killed by the ladder: the agent's budget ran out */
	ACG_CAUSE_STALLED,   /* killed by the ladder: throttled without progress */
	ACG_CAUSE_THROTTLED,
	ACG_CAUSE_FROZEN,
	ACG_CAUSE_PIDS, /* forks were refused at pids.max */
	ACG_CAUSE_TIMEOUT,
	ACG_CAUSE_KILLED, /* somebody wrote cgroup.kill */
	ACG_CAUSE_GROWING, /* slowed down: it would have been at a limit soon */
	ACG_CAUSE_RETRY,   /* the same command again and again */
	ACG_CAUSE_EMPTY,  /* the writer left at once without a child: nothing was limited */
};

enum acg_action_type {
	ACG_DO_MAKE,   /* node, name */
	ACG_DO_ATTACH, /* node, name: it exists already */
	ACG_DO_SAVE,   /* node: write its attribute (state.h) */
	ACG_DO_SET,    /* node, control, value */
	ACG_DO_MOVE,   /* node, pid, oom_score_adj */
	ACG_DO_REMOVE, /* node; the engine is done with it once it is gone */
	ACG_DO_FREEZE, /* node */
	ACG_DO_THAW,   /* node */
	ACG_DO_SIGNAL, /* node, signo */
	ACG_DO_SPARE,  /* node: an OOM takes what a persistent shell runs before the shell (spare.h) */
	ACG_DO_UPDATE, /* node: tell the BPF side */
	ACG_DO_RECLAIM, /* node, value: bytes to be asked back from it, by and by */
	ACG_DO_EVENT,  /* node, event, cause, text: a line of `events` */
	ACG_DO_RECORD, /* node: a line of `history`; comes before ACG_DO_REMOVE */
};

struct acg_action {
	enum acg_action_type type;
	struct acg_node *node;
	enum acg_control control;
	uint64_t value;
	pid_t pid;
	int oom_score_adj;
	int signo;
	enum acg_cause cause;
	const char *
		name; /* MAKE: the cgroup's name; EVENT: the event's. Static or owned by the node */
	const char *text; /* EVENT: words, static or owned by the node; NULL: none */
};

struct acg_engine {
	const struct acg_policy *policy; /* a reference of its own */
	struct acg_registry *registry;
	bool kernel_delays;     /* memcg_bpf_ops is on: memory.high stays just below memory.max */
	bool delayed;           /* a call is throttled by it */
	int64_t deadline;       /* CLOCK_MONOTONIC usec when acg_engine_tick() is due; 0: not */
	unsigned int n_pressed; /* agents under pressure */
};

/* What a `begin` marker, or mkdir in calls/, asks. Borrowed for the call. */
struct acg_begin {
	const char *id;      /* NULL: a fresh one */
	const char *command; /* NULL: none */
	struct acg_hint hint;
	pid_t pid;    /* moved into it; 0: nobody */
	pid_t ns_pid; /* the same as a caller in a nested pid namespace sees it; 0: he is in none */
	pid_t caller; /* who asked */
	bool keep;
	bool by_mkdir;
	bool by_rule; /* no marker: a rule of `auto` in the policy */
	struct acg_time start; /* when it began; mono 0: now */
	int oom_score_adj; /* that pid has */
	uint64_t request;  /* the FUSE request, and which marker of it: kept with the call */
	uint32_t request_step;
};

/* Takes a reference of the policy. */
struct acg_engine *acg_engine_new(struct acg_policy *policy);
void acg_engine_free(struct acg_engine *engine);

/*
 * Makes an agent (mkdir). EINVAL: the name; EEXIST; EAGAIN: an enclosing agent, or the user, has its number of them. Actions: make, limits,
 * self with its protection. On failure of an action call acg_engine_agent_failed(), else acg_engine_agent_made().
 */
int acg_engine_agent_add(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			 const char *namespace, const char *user, uid_t uid, struct acg_time now,
			 GArray *actions, struct acg_agent **ret_agent, GError **error);
/* Between the two: the agent's cgroup is one that is there already, at `path`, with these limits. Its actions are made anew. */
void acg_engine_agent_adopts(struct acg_engine *engine, struct acg_agent *agent, const char *path,
			     const uint64_t controls[ACG_N_CONTROLS], GArray *actions);
void acg_engine_agent_made(struct acg_engine *engine, struct acg_agent *agent, GArray *actions);
void acg_engine_agent_failed(struct acg_engine *engine, struct acg_agent *agent);
/* rmdir. EBUSY: it has calls alive or sub-agents (or processes: the kernel says so). Ended calls go with it. */
int acg_engine_agent_remove(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			    GArray *actions, GError **error);
/* After the actions succeeded: the agent is freed. */
void acg_engine_agent_removed(struct acg_engine *engine, struct acg_agent *agent);
int acg_engine_agent_priority(struct acg_engine *engine, struct acg_agent *agent,
			      enum acg_priority priority, struct acg_time now, GArray *actions);

/* Counts a marker, or a mkdir or rmdir of a call. EAGAIN: this agent has written too many. */
int acg_engine_marker(struct acg_agent *agent, struct acg_time now, GError **error);

/*
 * Begins a call. EINVAL: the id; EEXIST: a running one has it; EAGAIN: the agent is full. *ret_call is in state STARTING, owned by the registry.
 */
int acg_engine_begin(struct acg_engine *engine, struct acg_agent *agent,
		     const struct acg_begin *begin, struct acg_time now, GArray *actions,
		     struct acg_call **ret_call, GError **error);
void acg_engine_begun(struct acg_engine *engine, struct acg_call *call, GArray *actions);
void acg_engine_begin_failed(struct acg_engine *engine, struct acg_call *call);

/*
 * `end`: the writer (0: not inside) goes back to self. Then, when it is known whether processes remain in it, acg_engine_vacated().
 * On an ended call: only the exit status is recorded, and told by an event, since its line of history is written.
 */
int acg_engine_end(struct acg_engine *engine, struct acg_call *call, int exit, pid_t writer,
		   GArray *actions, GError **error);
/* What is left after `end`, or when cgroup.events said populated 0 (by_itself): detached, or recorded and removed. The call must have
 * been measured just before. */
void acg_engine_vacated(struct acg_engine *engine, struct acg_call *call, bool populated,
			bool by_itself, struct acg_time now, GArray *actions);
/* After ACG_DO_REMOVE of a call: it is kept, ended, without a cgroup. */
void acg_engine_call_removed(struct acg_engine *engine, struct acg_call *call, struct acg_time now);
/* rmdir of an ended call, or age: forgets it. */
void acg_engine_forget(struct acg_engine *engine, struct acg_call *call);

/* `hint`: cut, never refused. */
void acg_engine_hint(struct acg_engine *engine, struct acg_call *call, const struct acg_hint *hint,
		     struct acg_time now, GArray *actions);

/*
 * A write to one of the kernel's files of a call that the ladder or the grant also sets. From the agent (`operator` false): EPERM
 * if it is above what the policy granted.
 */
int acg_engine_lower(struct acg_engine *engine, struct acg_call *call, enum acg_control control,
		     uint64_t value, bool operator, GArray * actions, GError **error);

/* The same for one of an agent's own limits, by an operator or, for a sub-agent, by the enclosing agent: it becomes the budget. */
void acg_engine_agent_limit(struct acg_engine *engine, struct acg_agent *agent,
			    enum acg_control control, uint64_t value, GArray *actions);

/* cgroup.freeze or cgroup.kill of a call was written by a person or the agent. */
void acg_engine_freeze(struct acg_engine *engine, struct acg_call *call, bool frozen,
		       struct acg_time now, GArray *actions);
void acg_engine_kill(struct acg_engine *engine, struct acg_call *call, GArray *actions);

/* Whoever began the call has `call` open (awaited), or has closed it: the end is waited for accordingly. */
void acg_engine_await(struct acg_engine *engine, struct acg_call *call, bool awaited,
		      struct acg_time now);

/* The daemon stops: what the ladder holds back is let go, since nobody will be there to do it later. */
void acg_engine_stop(struct acg_engine *engine, struct acg_time now, GArray *actions);

/* Between the engine's files: acg_engine_tick() is due at `when` (CLOCK_MONOTONIC usec; 0: nothing). */
void acg_engine_due(struct acg_engine *engine, int64_t when);

/* A process was moved into a call or back to self (marker or cgroup.procs), with the oom_score_adj that it had. */
void acg_engine_moved(struct acg_engine *engine, struct acg_node *to, pid_t pid, int oom_score_adj);

/* --- after a restart ---------------------------------------------------------------------------------------- */

/*
 * An agent or call that is in the kernel already: registered, with what the policy says. The caller attaches it and fills
 * in what was kept of it (state.h), then says so with _restored(): limits are set as far as the kernel has others, clocks go on.
 * What the ladder had done is taken back: if memory is short it will do it again. EINVAL, EEXIST: not a name of ours.
 */
int acg_engine_agent_found(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			   struct acg_time now, struct acg_agent **ret_agent);
void acg_engine_agent_restored(struct acg_engine *engine, struct acg_agent *agent, GArray *actions);
int acg_engine_call_found(struct acg_engine *engine, struct acg_agent *agent, const char *id,
			  struct acg_time now, struct acg_call **ret_call);
/* told false: it may have been killed before it could say that the call has begun. */
void acg_engine_call_restored(struct acg_engine *engine, struct acg_call *call, bool told,
			      struct acg_time now, GArray *actions);
/* The limits of a call, or of an agent and its self, as they ought to be: those that its node's controls do not have are set. */
void acg_engine_limits(struct acg_engine *engine, struct acg_node *node, GArray *actions);
/* An ended call that history knows; to be filled in. Newest first. NULL: the agent has a later one with this ID. */
struct acg_call *acg_engine_call_past(struct acg_engine *engine, struct acg_agent *agent,
				      const char *id);
/* An ended call is forgotten, but nobody removed it by hand. */
void acg_engine_forget_past(struct acg_engine *engine, struct acg_call *call);
/* It is filled in, node.id too. */
void acg_engine_call_past_known(struct acg_engine *engine, struct acg_call *call);

/* --- signs from the kernel ---------------------------------------------------------------------------------- */

/* memory.events or pids.events of the node changed; `usage` is what it reads now. */
void acg_engine_usage(struct acg_engine *engine, struct acg_node *node,
		      const struct acg_usage *usage, struct acg_time now, GArray *actions);
/* A PSI trigger fired on the agent's cgroup; it has been measured since. */
void acg_engine_pressure(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			 GArray *actions);
/*
 * memcg_bpf_ops found the agent's budget short (`outside`: something beyond the agent) while somebody charged; `spent`: it is
 * as good as used up.
 */
void acg_engine_short(struct acg_engine *engine, struct acg_agent *agent, bool outside, bool spent,
		      struct acg_time now, GArray *actions);
/* memcg_bpf_ops begins to delay the call or self, or has stopped. */
void acg_engine_delay(struct acg_engine *engine, struct acg_node *node, bool begins,
		      struct acg_time now, GArray *actions);
/* memcg_bpf_ops is on from now on, or off: limits follow. */
void acg_engine_kernel_delays(struct acg_engine *engine, bool on, GArray *actions);
/* The same for an agent that was adopted: its cgroup lies elsewhere and has a link of its own, or has none. */
void acg_engine_agent_delayed(struct acg_engine *engine, struct acg_agent *agent, bool on,
			      GArray *actions);
/* The kernel killed a process of this group (ring buffer): who, and its anonymous memory. */
void acg_engine_oom_victim(struct acg_engine *engine, struct acg_node *node, pid_t pid,
			   const char *comm, uint64_t anon_bytes, struct acg_time now,
			   GArray *actions);

/* The call's own process has exited with this status, as wait(2) gives it (ring buffer). over: when, if nobody else was in the call,
 * which ends at that time then, however late we hear of it; else 0. */
void acg_engine_exited(struct acg_engine *engine, struct acg_call *call, int status,
		       struct acg_time over, struct acg_time now, GArray *actions);

/* At its pace (bytes a second) the call is at a limit soon, with `left` bytes to it; it has just been measured. */
void acg_engine_growth(struct acg_engine *engine, struct acg_call *call, uint64_t left,
		       uint64_t per_second, struct acg_time now, GArray *actions);

/* Time passed: timeouts and the ladder's steps. Sets engine->deadline anew. Agents under pressure (pressure_since) and the calls in
 * their reach should have been measured just before. */
void acg_engine_tick(struct acg_engine *engine, struct acg_time now, GArray *actions);

/* Forgets the agent's ended calls that are too old or too many. */
void acg_engine_expire(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now);

/* Swaps the policy and applies it to the agents and calls that run. Takes a reference. */
void acg_engine_set_policy(struct acg_engine *engine, struct acg_policy *policy,
			   struct acg_time now, GArray *actions);

/* The largest grant that a call of this agent could have now, bytes; ACG_MAX: nothing limited. `call` (may be NULL) is thought away. */
uint64_t acg_engine_largest_grant(const struct acg_agent *agent, const struct acg_call *call);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registry: agents and their calls, as plain data. Only the engine changes it; everyone else on the daemon's main thread reads.
 * Ownership: the registry owns the agents at the top, an agent its sub-agents and calls; strings belong to the
 * struct they are in. A `struct acg_group` (policy/enforcer.h) is what stands for the node in the kernel.
 */
#ifndef AGENTCG_POLICY_REGISTRY_H
#define AGENTCG_POLICY_REGISTRY_H

#include "policy/adapt.h"
#include "policy/policy.h"

#include "policy/rate.h"
#include "policy/retry.h"

struct acg_group;

/* Two clocks read at one moment, usec: CLOCK_MONOTONIC for durations, CLOCK_REALTIME for what people read. */
struct acg_time {
	int64_t mono;
	int64_t real;
};

/* The kernel's files that the engine sets. The first five are those an agent may lower for its calls. */
enum acg_control {
	ACG_CONTROL_MEMORY_HIGH,
	ACG_CONTROL_MEMORY_MAX,
	ACG_CONTROL_SWAP_MAX,
	ACG_CONTROL_PIDS_MAX,
	ACG_CONTROL_CPU_MAX, /* usec in each ACG_CPU_PERIOD */
	ACG_CONTROL_MEMORY_LOW,
	ACG_CONTROL_OOM_GROUP,
	ACG_CONTROL_CPU_WEIGHT,
	ACG_N_CONTROLS,
};
#define ACG_N_LOWERABLE 5

/* What stands for one cgroup: an agent, its self, or a call. First member of each of the three. */
struct acg_node {
	enum acg_kind kind;
	uint64_t id; /* cgroup id: never used again by the kernel, so neither by us; 0 until made */
	struct acg_group *group; /* the enforcers' handle; NULL until made and once removed */
	struct acg_agent *agent; /* an agent: itself */
	uint64_t controls[ACG_N_CONTROLS]; /* what the kernel's files hold, as far as we set them */
	bool unlisted;      /* the BPF programs' map had no room for it: the cgroup tier serves it */
	bool state_unknown; /* its attribute is another version's: never written over (state.h) */
};

enum acg_call_state {
	ACG_CALL_STARTING, /* being made; not listed yet */
	ACG_CALL_RUNNING,
	ACG_CALL_THROTTLED,
	ACG_CALL_FROZEN,
	ACG_CALL_DETACHED, /* ended, but processes live on in it */
	ACG_CALL_ENDED,    /* no cgroup any more */
};

/* What a group has used, as read from the kernel. */
struct acg_usage {
	uint64_t memory_current; /* bytes */
	uint64_t
		memory_held; /* of it what cannot be dropped: without page cache and reclaimable slab */
	uint64_t memory_peak;
	uint64_t cpu_usec;
	uint64_t wait_usec;    /* runnable but not running, where known */
	uint64_t slices;       /* times that it was given a CPU, where known */
	uint64_t preemptions;  /* of them those taken back early */
	uint64_t stalled_usec; /* memory.pressure, some, total: reclaim and delays */
	uint64_t oom_events;   /* OOMs at its own limit or below (memory.events oom) */
	uint64_t oom_kills;    /* processes killed in it (memory.events oom_kill) */
	uint64_t high_events;  /* memory.events.local high */
	uint64_t max_events;   /* memory.events.local max */
	uint64_t pids_refused; /* pids.events max: forks refused */
	/* by memcg_bpf_ops; 0 without it */
	uint64_t delays;
	uint64_t delayed_usec;
	int64_t delayed_until; /* CLOCK_MONOTONIC usec when the last delay ends */
	bool populated;
};

/* A process that was moved into a call and may go back to `self`. */
struct acg_moved {
	pid_t pid;
	int oom_score_adj; /* what it had before */
};

/* A process can be moved about for ever: of more than this many the oldest get the usual value when they go back. */
#define ACG_MOVED_KEPT 1024

struct acg_call {
	struct acg_node node;
	char *id;
	char *command;        /* as the policy lets it be kept */
	bool command_whole;   /* it lets all of it be kept */
	const char *class;    /* interned (g_intern_string); NULL: none */
	struct acg_hint hint; /* what was asked */
	struct acg_hint rule_hint; /* what the rule that its command matched says; kept when the command is not */
	uint64_t grant;       /* bytes; ACG_MAX: nothing limited */
	uint64_t memory_max;  /* bytes, in force; ACG_MAX: nothing limited */
	uint64_t lowered
		[ACG_N_LOWERABLE]; /* what its limits were lowered to, by enum acg_control; ACG_MAX: not */
	uint64_t timeout;          /* usec; 0: none */
	enum acg_cpu_class cpu;
	enum acg_call_state state;
	bool by_mkdir;        /* ends only by `end` or rmdir */
	bool by_rule;         /* no marker: a rule of `auto` in the policy */
	bool status_known;    /* its own process has exited ... */
	int status;           /* ... with this, as wait(2) gives it ... */
	struct acg_time over; /* ... and then, as the last one; 0: not so */
	uint64_t missed;      /* by_rule: bytes that its processes held when they were moved in */
	bool keep;            /* a persistent shell: it survives its command's OOM */
	bool inhabited;       /* a process was in it once: when the last one goes it ends */
	bool ending;          /* there was an `end`: when it is empty it is over */
	bool recorded;        /* its line of history is written */
	char *past_line;      /* of an earlier daemon's ended call: that line, until somebody asks for the call */
	bool operator_frozen; /* frozen by a write to cgroup.freeze, not by the ladder */
	bool awaited; /* whoever began it has `call` open still, and will say how it ended */
	pid_t pid;            /* the process that was moved in first; 0: none */
	uint64_t request;     /* the FUSE request that began it, and which marker of it */
	uint32_t request_step;
	uint64_t ordinal;     /* it is the agent's so manieth call */
	GArray *moved;        /* struct acg_moved, a process once; at most ACG_MOVED_KEPT, the newest */
	pid_t ns_pid;         /* the same as whoever began the call sees it, from a nested pid namespace; 0: from none */
	struct acg_time start;
	struct acg_time end;
	int exit;               /* -1: unknown */
	int signal;             /* 0: none known */
	struct acg_usage usage; /* as last measured */
	uint64_t delays;
	int64_t delayed; /* usec */
	int64_t frozen;  /* usec, up to the last thaw */
	char *victim;   /* whom the kernel's OOM killer chose: "name (pid N, SIZE)"; NULL: nobody */
	char *reason;   /* why it is throttled, frozen or was killed; NULL: nothing happened */
	char *feedback; /* in words; NULL: none */
	/* the ladder's and the timeout's clocks, CLOCK_MONOTONIC usec, 0: not running */
	bool slowed_by_grant; /* throttled for being above its grant alone (ladder.delay_ms) */
	int64_t throttled_since;
	int64_t frozen_since;
	int64_t thawed;        /* when the last freeze ended */
	int64_t minute_start;  /* of the window for freeze_percent */
	int64_t minute_frozen; /* usec frozen in that window */
	int64_t deadline;      /* of the timeout; moved on by each thaw */
	int64_t term_sent;     /* SIGTERM was sent then */
	int64_t vacant_since; /* its last process went; it ends after ACG_END_GRACE, or with `end` */
	int64_t grown;        /* its usage last changed then: no progress since */
	int64_t spare_due;    /* a persistent shell's: ACG_DO_SPARE is due then */
	int64_t spared;       /* ... was last done then */
	uint64_t oom_told;      /* usage.oom_kills when feedback last spoke of an OOM */
	unsigned int causes_told; /* bits of enum acg_cause: feedback once per cause */
	/* what is learnt from it and done for it in time (`adapt` in the policy) */
	const char *work;       /* its class, from a rule or by what it looks like; interned; NULL: nothing is learnt */
	uint64_t adapted;       /* the grant that its class has shown to need; 0: none */
	unsigned int retry_run; /* the so manieth in a row with the same command */
	uint64_t self_before;   /* bytes that `self` had when it began */
	uint64_t growth;        /* bytes a second when it was slowed down for that */
	uint64_t brake_limit;   /* bytes: the limit that it would have reached */
	int64_t braked_since;   /* CLOCK_MONOTONIC usec; 0: it is not slowed down for its growth */
	char *adapt_note;       /* the words of its last event of that kind; NULL: none */
	char *retry_note;
};

/* What happened to an agent's calls since it was made. */
struct acg_counters {
	uint64_t begun, ended, refused,
		denied; /* refused: markers; denied: writes without the right */
	uint64_t throttled, frozen, killed, oom_kills;
};

/* What finds the ended calls of an agent that an earlier daemon had, once, when somebody asks for one. */
struct acg_past {
	void (*find)(void *data, struct acg_agent *agent);
	void *data;
	unsigned int n_agents; /* whose are still to be found */
};

struct acg_agent {
	struct acg_node node;
	struct acg_node self;
	char *name;
	char *namespace; /* NULL: none */
	char *user;      /* who made it; NULL: an operator */
	uid_t uid;
	struct acg_agent *parent; /* NULL at the top */
	bool made;                /* wholly: what was to be done when it was made is done */
	/* A cgroup that somebody else made: where it lies within the cgroup2 mount ("/a/b"), and the limits that it came with. */
	char *adopted; /* NULL: its cgroup is our own */
	uint64_t adopted_controls[ACG_N_CONTROLS];
	bool undelayed; /* adopted, and memcg_bpf_ops is not on it: the cgroup tier serves it */
	enum acg_priority priority;
	bool priority_set;        /* written by an operator: a new policy does not change it */
	struct acg_budget budget; /* in force */
	unsigned int limits_set;  /* bits of enum acg_control: written by hand, not the policy's */
	struct acg_caps caps;
	struct acg_self self_policy;
	struct acg_hint hint; /* default of its calls */
	GHashTable *calls;    /* id -> struct acg_call, owned; alive and ended, of which acg_agent_calls() finds all */
	struct acg_past *past; /* borrowed; NULL: its ended calls are all there */
	GQueue ended;         /* struct acg_call, oldest first; owned by `calls` */
	GArray *forgotten;    /* uint64_t: cgroup ids of ended calls that were removed by hand, the last ones */
	unsigned int n_alive; /* calls not ended */
	GHashTable *agents;   /* name -> struct acg_agent, owned */
	struct acg_time start;
	struct acg_counters counters;
	struct acg_usage usage; /* as last measured */
	struct acg_usage self_usage;
	char *feedback;         /* the latest to this agent; NULL: none */
	char *call_error;       /* why the last marker was refused; NULL: it was not */
	uint64_t request;       /* the FUSE request that made it */
	uint64_t next_id;       /* for `begin -` */
	struct acg_rate markers;  /* of an agent at the top, for all below it */
	struct acg_rate refusals; /* those told in events and the log */
	int64_t pressure_since; /* CLOCK_MONOTONIC usec; 0: none */
	int64_t pressure_last;  /* last sign of pressure */
	int64_t harm_last;      /* last one from which somebody suffers, delays or not */
	struct acg_adapt adapt; /* what this session has shown, no other */
	struct acg_retry retry;
	bool pressure_outside;  /* not its own budget: lower-priority agents hold it back */
};

struct acg_registry {
	GHashTable *agents;    /* name -> struct acg_agent at the top, owned */
	GHashTable *nodes;     /* &id -> struct acg_node of all that have an id, ended calls too */
	struct acg_past *past; /* borrowed; NULL: there was no daemon before this one */
	unsigned int n_agents; /* all, sub-agents too */
	unsigned int n_alive;  /* calls alive, in all */
	unsigned int n_adopted; /* agents whose cgroup somebody else made */
};

struct acg_registry *acg_registry_new(void);
void acg_registry_free(struct acg_registry *registry);

/* The node with this cgroup id, or NULL. Valid until the agent or call is removed. By this and acg_agent_call() a call is asked for. */
struct acg_node *acg_registry_node(const struct acg_registry *registry, uint64_t id);
/* The same, where it may be a call that ended while an earlier daemon ran (struct acg_past): a caller's or a watched cgroup is none. */
struct acg_node *acg_registry_find(const struct acg_registry *registry, uint64_t id);

/* By name; NULL: no such. `parent` NULL: at the top. */
struct acg_agent *acg_registry_agent(const struct acg_registry *registry,
				     const struct acg_agent *parent, const char *name);
struct acg_call *acg_agent_call(struct acg_agent *agent, const char *id);
/* Its `calls`, all of them; nothing but the ID need be known of one that has ended. */
GHashTable *acg_agent_calls(struct acg_agent *agent);

/* Casts; the node's kind must fit (ACG_KIND_CALL, ACG_KIND_AGENT). */
struct acg_call *acg_node_call(struct acg_node *node);

/* 1 to 64 of A-Z a-z 0-9 . _ : -, not starting with a dot: the grammar of ID and NAME. EINVAL with words. */
int acg_name_check(const char *name, GError **error);

/* True if `agent` is `top` or lies below it. */
bool acg_agent_within(const struct acg_agent *agent, const struct acg_agent *top);

/* The agent at the top that it lies below, or itself. */
struct acg_agent *acg_agent_top(struct acg_agent *agent);
/* Calls alive in it and below; agents below it; how many agents lie above it. */
unsigned int acg_agent_calls_alive(const struct acg_agent *agent);
unsigned int acg_agent_agents_below(const struct acg_agent *agent);
unsigned int acg_agent_depth(const struct acg_agent *agent);

/* The agents of a table (struct acg_agent) and all below them, those inside before the one that they are in. Free with g_ptr_array_unref. */
GPtrArray *acg_agents_all(GHashTable *agents);

/* "NAME" or "NAME/SUB": the agent's name from the top. Free with g_free. */
char *acg_agent_path(const struct acg_agent *agent);

const char *acg_call_state_name(enum acg_call_state state);

/* Building and tearing down, for the engine (policy/engine*.c) alone. */
struct acg_agent *acg_registry_add_agent(struct acg_registry *registry, struct acg_agent *parent,
					 const char *name);
void acg_registry_remove_agent(struct acg_registry *registry,
			       struct acg_agent *agent); /* frees it and all below */
struct acg_call *acg_registry_add_call(struct acg_registry *registry, struct acg_agent *agent,
				       const char *id);
void acg_registry_remove_call(struct acg_registry *registry, struct acg_call *call); /* frees it */
/* The agent's cgroup is the one at `path` (copied), which somebody else made. */
void acg_registry_adopt(struct acg_registry *registry, struct acg_agent *agent, const char *path);
/* Gives a node its cgroup id. */
void acg_registry_set_id(struct acg_registry *registry, struct acg_node *node, uint64_t id);

#endif

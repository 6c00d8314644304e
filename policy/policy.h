/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The policy: what the operator wrote (libconfig syntax), as plain structs, validated and compiled. Immutable
 * once made and reference counted, so that a reader goes on with the one it has while a new one is swapped in.
 */
#ifndef AGENTCG_POLICY_POLICY_H
#define AGENTCG_POLICY_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

#include "policy/hint.h"

#define ACG_CGROUP_ROOT "/sys/fs/cgroup/agentcg"

/* What an agent as a whole may use. ACG_MAX: no limit. */
struct acg_budget {
	uint64_t memory;     /* bytes, its memory.max */
	uint64_t swap;       /* bytes, its memory.swap.max */
	uint64_t cpu_max;    /* usec of CPU time in each ACG_CPU_PERIOD */
	uint32_t cpu_weight; /* 1 to 10000; 100 is the kernel's default */
	uint64_t pids;
	uint64_t calls;      /* alive at once */
	uint64_t agents;     /* sub-agents alive at once */
};
#define ACG_CPU_PERIOD 100000 /* usec, the kernel's default period of cpu.max */

/* What one call may have at most, whatever it hints. ACG_MAX: no cap. */
struct acg_caps {
	uint64_t memory;  /* bytes, the most of its memory.max */
	uint64_t swap;    /* bytes, memory.swap.max */
	uint64_t cpu_max; /* usec in each ACG_CPU_PERIOD */
	uint64_t pids;
	uint64_t timeout; /* usec; also the default where nothing is hinted */
};

/* The agent's own processes. */
struct acg_self {
	uint64_t low;     /* bytes protected by memory.low; 0: none */
	uint64_t reserve; /* bytes of the budget that calls cannot take */
	uint64_t grant;   /* bytes that it may use before it is delayed like a call; ACG_MAX: no grant */
};

/* One entry of `agents`. */
struct acg_agent_rule {
	char *match;     /* glob on the agent's name; "*" if none was given */
	char *namespace; /* glob on its namespace; NULL: any */
	char *user;      /* name of the user who made it; NULL: any */
	enum acg_priority priority;
	struct acg_budget budget;
	struct acg_caps caps;
	struct acg_self self;
	struct acg_hint hint; /* where neither the marker nor a rule says more */
	unsigned int line;
};

/* One entry of `rules`: the first whose pattern matches the command says what it needs. */
struct acg_command_rule {
	char *match;          /* PCRE, as given */
	char *class;          /* test, install, git, files, build, other or the operator's own; NULL: none */
	struct acg_hint hint;
	unsigned int line;
	GRegex *regex;        /* compiled */
};

/* What is learnt within a session, and done in time. */
struct acg_adapting {
	bool enabled;
	uint64_t ahead;   /* usec: a call that would be at a limit sooner is slowed down */
	uint32_t retries; /* the same command so often in a row is a retry */
};

/*
 * One entry of `auto`: a process of an agent's own (in its `self`) that runs such a program begins a call by itself. Each pattern
 * that is there has to match; one of the three is.
 */
struct acg_auto_rule {
	char *run;      /* PCRE on the command line as it is run; NULL: any */
	char *command;  /* PCRE on the command that is in it when all wrapping is peeled off; NULL: any */
	char *parent;   /* PCRE on the command line of the process that started it; NULL: any */
	uint64_t after; /* usec: who is gone before is only recorded */
	unsigned int line;
	GRegex *run_regex, *command_regex, *parent_regex; /* compiled; NULL: any */
};

/* One entry of `users`: may make agents without being root. */
struct acg_user_rule {
	char *user;               /* name or number */
	char *match;              /* glob that the names of its agents follow */
	struct acg_budget budget; /* of all of them together; `agents` is how many */
	unsigned int line;
	uid_t uid;                /* resolved */
};

/* The ladder's figures. Times are usec, shares percent. */
struct acg_ladder {
	bool enabled;            /* false: no throttling, freezing or killing by agentcg */
	bool kill;               /* false: the last step is left to the kernel's OOM killer */
	uint64_t psi_stall;      /* stalled this long (`some`) ... */
	uint64_t psi_window;     /* ... within this: pressure; 500 ms to 10 s (Documentation/accounting/psi.rst) */
	uint32_t high_percent;   /* of the budget: above it the agent is under pressure */
	uint32_t low_percent;    /* of the budget: below it pressure is over */
	uint64_t calm;           /* pressure must be away this long before limits are taken back */
	uint64_t throttle_max;   /* longest step 1 before step 2 */
	uint64_t freeze_max;     /* longest single freeze */
	uint32_t freeze_percent; /* of any minute that a call may be frozen at most */
	uint64_t kill_after;     /* pressure this long in spite of steps 1 and 2: step 4 */
	uint64_t stall_max;      /* throttled without any progress this long: step 4, no livelock */
	uint64_t term_grace;     /* from SIGTERM to cgroup.kill at a timeout */
	uint32_t delay_max_ms;   /* the most that memcg_bpf_ops may delay one charge */
	uint32_t delay_ms;       /* ... a fixed delay for each charge over a grant; 0: graduated */
	uint64_t min_progress;   /* ... bytes a second that no delayed call falls below */
};

enum acg_commands_mode {
	ACG_COMMANDS_FULL,    /* keep the command as given */
	ACG_COMMANDS_PROGRAM, /* its first word only */
	ACG_COMMANDS_NONE,    /* nothing */
};

enum acg_switch { ACG_SWITCH_AUTO, ACG_SWITCH_ON, ACG_SWITCH_OFF };

struct acg_policy {
	char *root;                  /* cgroup directory under which agents live */
	enum acg_commands_mode commands;
	enum acg_switch sched;       /* the sched_ext scheduler */
	enum acg_switch favordynmods; /* the option of cgroup2 */
	uint64_t memory_low;         /* bytes meant by memory=low */
	uint64_t memory_medium;      /* bytes meant by memory=medium */
	uint64_t history_max;        /* bytes kept of each agent's history */
	struct acg_ladder ladder;
	struct acg_adapting adapt;
	struct acg_agent_rule *agents; /* [n_agents], first match wins; the built-in default follows the last */
	unsigned int n_agents;
	struct acg_command_rule *rules;
	unsigned int n_rules;
	struct acg_auto_rule *autos;
	unsigned int n_autos;
	struct acg_user_rule *users;
	unsigned int n_users;
	struct acg_agent_rule fallback; /* for an agent that no entry matches: nothing limited */
	bool limits;                 /* false without a policy file: measure and group only */
	char *text;                  /* what `policy` in the tree shows: the source, or the built-in one */
	int ref_count;
};

/* The policy without a file: nothing limited, low 256M, medium 1G, high the budget, ladder off. */
struct acg_policy *acg_policy_new_default(void);

/*
 * Parses and validates a policy; @include is relative to the file's folder. Every fault found is reported in the error, one
 * "FILE:LINE: what is wrong" a line; code EINVAL (ENOENT, EACCES ... if the file cannot be read).
 * *ret_policy is a new reference.
 */
int acg_policy_load_file(const char *path, struct acg_policy **ret_policy, GError **error);

/* The same from text (`name` stands for the file in messages); @include is refused. */
int acg_policy_load_text(const char *text, const char *name, struct acg_policy **ret_policy, GError **error);

struct acg_policy *acg_policy_ref(struct acg_policy *policy);
void acg_policy_unref(struct acg_policy *policy);

/* What a switch says: AUTO is on where the policy has agents or users. */
bool acg_policy_wants(const struct acg_policy *policy, enum acg_switch which);

/* The first entry of `agents` that matches, or the fallback. namespace may be NULL, user too. Never NULL; owned by policy. */
const struct acg_agent_rule *acg_policy_agent(const struct acg_policy *policy, const char *name, const char *namespace,
					      const char *user);

/* The first rule whose pattern matches the command, or NULL. */
const struct acg_command_rule *acg_policy_command(const struct acg_policy *policy, const char *command);

/*
 * The first rule of `auto` that fits, or NULL: `run` is the command line, `written` what acg_command_unwrap() left of it, `parent`
 * the command line of the parent ("": not known).
 */
const struct acg_auto_rule *acg_policy_auto(const struct acg_policy *policy, const char *run, const char *written,
					    const char *parent);

/* The entry of `users` for this uid, or NULL. */
const struct acg_user_rule *acg_policy_user(const struct acg_policy *policy, uid_t uid);

/* The command as this policy lets it be kept; free with g_free. */
char *acg_policy_kept_command(const struct acg_policy *policy, const char *command);

/*
 * The command that the model wrote, freed from a framework's wrapping (eval '...', bash -c, cd ... &&, trailing pwd) for
 * rules and classes to look at. Free with g_free. A leading AGENT_RESOURCE_HINT= is cut off and, if it
 * parses, merged into *hint (may be NULL).
 */
char *acg_command_unwrap(const char *command, struct acg_hint *hint);

#endif

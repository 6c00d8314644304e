/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the manager's files share: manager.c (operations), apply.c (actions), signs.c (what the kernel says), restore.c, texts.c. */
#ifndef AGENTCG_POLICY_MANAGER_PRIVATE_H
#define AGENTCG_POLICY_MANAGER_PRIVATE_H

#include "policy/eventring.h"
#include "policy/history.h"
#include "policy/manager.h"
#include "policy/watch.h"

struct acg_manager {
	struct acg_engine *engine; /* owns the registry */
	GPtrArray *enforcers;      /* struct acg_enforcer, in the order in which they are asked */
	struct acg_bpf *bpf;       /* borrowed; NULL: none */
	unsigned int ring_source;  /* GSource of its ring buffer; 0: none */
	struct acg_memory_tier *memory; /* borrowed; NULL: none */
	unsigned int memory_source; /* GSource of its link; 0: none */
	GHashTable *adopted_links;  /* struct acg_agent -> GSource of its own link */
	struct acg_watch *watch;
	struct acg_history *history; /* NULL: dry run */
	bool dry_run;
	char *run_dir;
	struct acg_listener listener;
	void (*log)(int priority, const char *message, const char *agent_path, const char *call_id);
	struct acg_eventlog events; /* the root's log */
	GHashTable *agent_events;   /* struct acg_agent -> struct acg_eventlog, owned */
	struct acg_rate refusals;   /* of callers outside every agent that were told */
	uint64_t event_seq;         /* of the last line of `events` */
	uint64_t events_set_aside;  /* no event has had a number above this one */
	struct acg_eventring event_ring; /* the last of them, for a successor */
	char *last_event;           /* while restoring: the last line of an earlier daemon; else NULL */
	char *state_error;          /* the first failure to keep an attribute; NULL: none yet */
	uint64_t request;           /* acg_manager_set_request() */
	struct acg_last last;       /* while restoring */
	struct acg_past past;       /* what ended before */
	GArray *unread;             /* uint64_t: of agents and calls whose limits were not read back yet */
	unsigned int unread_source; /* GSource that does it; 0: none */
	bool defers;                /* acg_manager_defer() */
	struct acg_call *begun;     /* its event is to come; NULL: none */
	struct acg_call *ending;    /* to be measured, recorded and removed; NULL: none */
	struct acg_time deferred;   /* when either was asked for */
	struct acg_policy *policy;  /* a reference */
	char *fallback;             /* what is in force because the policy file is bad; NULL: it is not */
	char *policy_error;         /* why the last written one was refused; NULL: it was not */
	struct acg_auto *autos;     /* who waits for a call without a marker */
	uint64_t lost;              /* of the monitor's events, up to the last look */
	int64_t looked;             /* CLOCK_MONOTONIC usec of that look */
	bool look_due;              /* more were lost since */
	unsigned int timer;         /* GSource id; 0: not armed */
	int64_t timer_at;           /* CLOCK_MONOTONIC usec that it is armed for */
	int64_t sample_at;          /* CLOCK_MONOTONIC usec: usage by process is sampled next */
	bool sampled; /* no memory controller: usage by process has to be sampled while calls are alive */
	uint64_t kept_back;     /* acg_manager_kept_back() */
	unsigned int unwatched; /* files that we know nothing of, since they could not be watched */
	char *watch_error;      /* why the last of them could not; NULL: none */
	uint64_t
		unapplied; /* actions that the kernel refused and nobody asked for: seen in `metrics` */
};

GArray *acg_actions_new(void);

/*
 * Carries the actions out in order. At the first failure those before it are undone in reverse and the error is returned; the
 * registry's record of controls is not rolled back (the node is removed, or the next change sets them).
 */
int acg_manager_apply(struct acg_manager *manager, GArray *actions, struct acg_time now,
		      GError **error);

/* The same where there is nobody to tell: each action is tried, failures are counted and logged. */
void acg_manager_apply_all(struct acg_manager *manager, GArray *actions, struct acg_time now);

/* The same, with nothing of it to be kept in attributes. */
void acg_manager_run_all(struct acg_manager *manager, GArray *actions, struct acg_time now);

/* An event that is not the engine's. node NULL: of the daemon itself. */
void acg_manager_event(struct acg_manager *manager, struct acg_node *node, const char *event,
		       const char *cause, const char *text, struct acg_time now);

/* Arms the timer for what the engine wants. After every operation. */
void acg_manager_arm(struct acg_manager *manager);

/* Callbacks of signs.c. */
void acg_manager_file_changed(void *data, uint64_t id, const char *file);
void acg_manager_psi(void *data, uint64_t id);
gboolean acg_manager_ring(int fd, GIOCondition condition, void *data);
gboolean acg_manager_memory_lost(int fd, GIOCondition condition, void *data);
gboolean acg_manager_timer(void *data);

/* Reads what the enforcers measure into a copy of the node's last usage. */
struct acg_usage acg_manager_read_usage(struct acg_manager *manager, struct acg_node *node);

/* Measures the call and tells the engine that nobody, or somebody, is left in it. */
void acg_manager_vacated(struct acg_manager *manager, struct acg_call *call, bool by_itself,
			 struct acg_time now);

/* What is watched of a node from the moment it exists. */
void acg_manager_watch_new(struct acg_manager *manager, struct acg_node *node);
/* What is watched of a call for a limit that it has. */
void acg_manager_watch_limit(struct acg_manager *manager, struct acg_node *node);

/* Removes a group that is empty, without a word: nothing was ever in it. */
void acg_manager_discard(struct acg_manager *manager, struct acg_node *node);

/* Drops the event log of an agent that is not to be. */
void acg_manager_forget_log(struct acg_manager *manager, struct acg_agent *agent);

/* keep.c: the attribute of an agent or call, and of the root: the numbers of events up to `events` are set aside. */
void acg_manager_save(struct acg_manager *manager, struct acg_node *node);
void acg_manager_save_root(struct acg_manager *manager, uint64_t events);
/* Takes up the events of an earlier daemon, when its agents are restored; their numbers go on. */
void acg_manager_restore_events(struct acg_manager *manager);

/*
 * adopt.c: memcg_bpf_ops on the cgroup of an adopted agent, which lies elsewhere; without it the cgroup tier serves the agent. Nothing
 * happens to other agents. And off again, before it is given back.
 */
void acg_manager_link_adopted(struct acg_manager *manager, struct acg_agent *agent);
void acg_manager_unlink_adopted(struct acg_manager *manager, const struct acg_agent *agent);

/* Writes down, and reads again, the cgroups that are others'. */
void acg_manager_save_adopted(struct acg_manager *manager);
typedef void (*acg_adopted_fn)(void *data, const char *name, const char *path, int dirfd,
			       const uint64_t controls[ACG_N_CONTROLS]);
void acg_manager_each_adopted(struct acg_manager *manager, acg_adopted_fn fn, void *data);
/* adopt_lost.c: where there is no such list, says which cgroups were adopted all the same. The first enforcer is the cgroups'. */
void acg_manager_find_lost(struct acg_manager *manager);

/* Finds the agents and calls that are in the cgroup root already. */
void acg_manager_restore(struct acg_manager *manager, struct acg_time now);
/* Then reads their limits back, now or later, a node in each turn of the main loop: what is not as it ought to be is set. */
void acg_manager_restore_limits(struct acg_manager *manager, bool later);

#endif

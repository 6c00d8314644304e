/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaying agents side by side through the mounted tree, as an operator. Everything that is made
 * is removed at the end. */
#ifndef AGENTCG_TOOLS_REPLAY_H
#define AGENTCG_TOOLS_REPLAY_H

#include <stdio.h>

#include "tools/replay_agent.h"

struct acg_replay {
	const char *root;  /* of the tree */
	const char *plain; /* a cgroup below which agents are plain cgroups instead; NULL: none */
	uint64_t limit;    /* memory.max of each plain one, bytes; ACG_MAX: none */
	bool unmarked;     /* `bash -c COMMAND` instead of markers */
	bool meet;         /* they meet at their peaks; all of them run together then */
	FILE *samples;     /* what each holds, many times a second; NULL: nobody asks */
	GPtrArray *agents; /* struct acg_replay_agent, owned */
	unsigned int at_once; /* that run together */
	GString *history;     /* the lines that the agents left, in the order in which they ended */
	bool progress;        /* a line on standard error that is written over */
	int64_t start, end;   /* CLOCK_MONOTONIC usec */
	int signo;            /* that stopped it; 0: none */
};

struct acg_replay *acg_replay_new(const char *root);
void acg_replay_free(struct acg_replay *replay);

/* The trace must outlive the replay. */
void acg_replay_add(struct acg_replay *replay, const struct acg_trace *trace, double scale,
		    double speed, enum acg_priority priority);

/* Runs all of them. On failure, and on SIGINT, SIGTERM or SIGHUP, those that run are killed and
 * removed. 0 or -errno. */
int acg_replay_run(struct acg_replay *replay, GError **error);

/* The figures of one agent's calls. */
struct acg_replay_figures {
	unsigned int calls, begun, survived; /* survived: the worker came to its end */
	uint64_t peak;                       /* bytes, of the agent */
	unsigned int growth_steps;
	uint32_t p50, p95, p99;  /* usec that a growth step took */
	int64_t delayed, frozen; /* msec, of all calls */
	int64_t total;           /* usec, without what it waited at the meeting */
};

void acg_replay_figures(const struct acg_replay_agent *agent, struct acg_replay_figures *ret);

/* A table for people, or one JSON object with every call. Appended to out. */
void acg_replay_table(const struct acg_replay *replay, GString *out);
void acg_replay_json(const struct acg_replay *replay, GString *out);

#endif

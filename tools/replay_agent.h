/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replayed agent, seen from inside: a process in the agent's `self` that holds the base and
 * starts a worker for each Bash call; the worker writes the marker, and so moves itself, and then
 * holds and burns what the plan says. The process that drives writes `end` with the worker's status
 * and notes what the tree says of the call. Results are in memory that the processes share.
 *
 * Agents may meet: each waits before the call that makes its peak until all others have come as far
 * or have ended. What they meet at is a pipe that nobody writes to: who has come closes his end for
 * writing and reads, until the last such end is closed, by its process or with it.
 */
#ifndef AGENTCG_TOOLS_REPLAY_AGENT_H
#define AGENTCG_TOOLS_REPLAY_AGENT_H

#include <stdbool.h>

#include "policy/hint.h"
#include "tools/replay_plan.h"

enum acg_replay_state { ACG_REPLAY_WAITING, ACG_REPLAY_RUNNING, ACG_REPLAY_DONE };

/* Of one call. */
struct acg_replay_result {
	enum acg_replay_state state;
	char id[72];       /* as the tree knows it; "": no call was begun */
	char refused[120]; /* why the marker was refused; "": it was not */
	char reason[24];   /* what history says: oom, timeout, ...; "" for none */
	int exit;          /* status of the worker; 128 + signal if one ended it */
	uint64_t touched;  /* bytes: the most that the worker held */
	uint64_t held;     /* bytes that it holds now */
	uint64_t peak;     /* bytes: memory_peak */
	int64_t duration;  /* msec, as the tree has it */
	int64_t delayed;   /* msec */
	int64_t frozen;    /* msec */
	uint32_t first;    /* its part of the growth steps' latencies */
	uint32_t n_steps;
};

/* What is shared. */
struct acg_replay_shared {
	int64_t start, end; /* CLOCK_MONOTONIC usec; end 0: it did not come to its end */
	int64_t waited;     /* usec: for the others, where they meet */
	uint64_t held;      /* bytes of the base now */
	uint32_t *steps;    /* usec, of all calls one after the other, in the same mapping */
	struct acg_replay_result results[]; /* one for each call of the plan */
};

struct acg_replay_agent {
	char *name;                    /* in the tree */
	char *dir;                     /* ROOT/agents/NAME */
	const struct acg_trace *trace; /* borrowed */
	struct acg_plan *plan;
	bool plain;     /* its cgroup is a plain one: no markers */
	int meeting[2]; /* a pipe, borrowed; -1: it meets nobody */
	enum acg_priority priority; /* ACG_PRIORITY_NORMAL unless asked for */
	double speed;
	struct acg_replay_shared *shared; /* NULL before it is started */
	size_t shared_size;
	pid_t pid; /* of the process that drives; 0: not started, or over */
	bool over, survived;
	int64_t start_real;    /* usec since the epoch */
	uint64_t peak;         /* of the whole agent, when it was over */
	uint64_t oom_kills;    /* processes of it that the kernel killed */
	unsigned int recorded; /* lines of history since start_real */
};

/* Starts the process. The agent's directory is there. 0 or -errno. */
int acg_replay_agent_start(struct acg_replay_agent *agent, GError **error);

#endif

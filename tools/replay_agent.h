/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One replayed agent, seen from inside: a process in the agent's `self` that holds the base and
 * starts a worker for each Bash call; the worker writes the marker, and so moves itself, and then
 * holds and burns what the plan says. The process that drives writes `end` with the worker's status
 * and notes what the tree says of the call. What a worker is to do, and results, are in memory that
 * the processes share.
 *
 * Without markers a worker becomes `bash -c COMMAND`, as if a framework ran it. BASH_ENV, which bash
 * reads first, has it run `agentcg replay --worker` instead of the command: the rules of `auto` see
 * the command, and the process does what the plan says.
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

/* What a worker is to do. */
struct acg_replay_task {
	uint64_t peak;                  /* bytes */
	uint32_t first_step, n_steps;   /* of the shared struct acg_step */
	uint32_t first_growth, growths; /* room for latencies of growth steps */
};

/* Of one call. */
struct acg_replay_result {
	struct acg_replay_task task;
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
	pid_t pid;         /* of the worker */
	int64_t begun;     /* usec since the epoch: just before the marker, or before bash is run ... */
	int64_t ended;     /* ... and when its status was known; 0: not yet */
	uint32_t n_growths;
};

/* What is shared, by mappings that need not be at the same address. */
struct acg_replay_shared {
	size_t size;        /* bytes, of all */
	double speed;
	int64_t start, end; /* CLOCK_MONOTONIC usec; end 0: it did not come to its end */
	int64_t waited;     /* usec: for the others, where they meet */
	uint64_t held;      /* bytes of the base now */
	uint32_t n_calls;
	uint32_t n_steps; /* of all calls one after the other */
	struct acg_replay_result results[]; /* one for each call of the plan */
	/* struct acg_step steps[n_steps]; uint32_t latencies[]: usec that growth steps took */
};

struct acg_step *acg_replay_steps(const struct acg_replay_shared *shared);
uint32_t *acg_replay_latencies(const struct acg_replay_shared *shared);

struct acg_replay_agent {
	char *name;                    /* in the tree */
	char *dir;                     /* ROOT/agents/NAME */
	const struct acg_trace *trace; /* borrowed */
	struct acg_plan *plan;
	bool plain;     /* its cgroup is a plain one: no markers */
	bool unmarked;  /* no markers either, but `bash -c COMMAND`, for rules of `auto` */
	int meeting[2]; /* a pipe, borrowed; -1: it meets nobody */
	enum acg_priority priority; /* ACG_PRIORITY_NORMAL unless asked for */
	double speed;
	struct acg_replay_shared *shared; /* NULL before it is started */
	int shared_fd; /* of the same, a memfd */
	pid_t pid; /* of the process that drives; 0: not started, or over */
	bool over, survived;
	int64_t start_real;    /* usec since the epoch */
	uint64_t peak;         /* of the whole agent, when it was over */
	uint64_t oom_kills;    /* processes of it that the kernel killed */
	unsigned int recorded; /* lines of history since start_real */
};

/* Starts the process. The agent's directory is there. 0 or -errno. */
int acg_replay_agent_start(struct acg_replay_agent *agent, GError **error);

/* What `bash -c COMMAND` runs instead of the command; what: "FD:CALL". Returns an exit status. */
int acg_replay_worker(const char *what);

#endif

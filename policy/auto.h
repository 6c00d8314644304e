/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls without markers: processes that fit a rule of `auto` in the policy and have not lived long enough yet to get a call.
 * Pure: told what happened and when. Times are CLOCK_MONOTONIC usec. What is done with them is in auto_begin.c.
 */
#ifndef AGENTCG_POLICY_AUTO_H
#define AGENTCG_POLICY_AUTO_H

#include <stddef.h>

#include "policy/registry.h"

#define ACG_AUTO_WAITING 4096 /* at most; whoever comes then gets no call */

/* A process that may get a call. */
struct acg_candidate {
	pid_t pid;
	uint64_t self;         /* cgroup id of the `self` that it ran in */
	struct acg_time start; /* when it ran the program */
	int64_t due;           /* when it has lived long enough */
	bool gone;             /* it was by then; who exited is still to be told */
	char *command;         /* what the model wrote */
};

struct acg_auto;

struct acg_auto *acg_auto_new(void);
void acg_auto_free(struct acg_auto *autos); /* NULL: nothing */

/* Takes over `candidate` (made with g_new). False, and it is freed: its pid waits already (the first program counts), or too many do. */
bool acg_auto_add(struct acg_auto *autos, struct acg_candidate *candidate);

/* The process has exited: what it waited for, or NULL. Free with acg_candidate_free(). */
struct acg_candidate *acg_auto_take(struct acg_auto *autos, pid_t pid);

/* One that has lived long enough, the one due first; NULL: none has. Free with acg_candidate_free(). */
struct acg_candidate *acg_auto_next(struct acg_auto *autos, int64_t now);

/* When the next one will have; 0: nobody waits. */
int64_t acg_auto_due(const struct acg_auto *autos);

void acg_candidate_free(struct acg_candidate *candidate);

/* A command line as one could type it, from its words, each ended by a NUL (the last may be cut). Free with g_free. Valid UTF-8. */
char *acg_auto_line(const char *args, size_t len);

#endif

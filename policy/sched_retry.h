/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a scheduler that the kernel took off is loaded again: after waits that grow fourfold, until
 * it has failed ACG_SCHED_TRIES times in a row; having run for ACG_SCHED_PROVEN clears its record.
 * Pure: times are passed in.
 */
#ifndef AGENTCG_POLICY_SCHED_RETRY_H
#define AGENTCG_POLICY_SCHED_RETRY_H

#include <stdint.h>

#define ACG_SCHED_TRIES  5
#define ACG_SCHED_WAIT   (1000 * 1000)             /* usec before the first new try */
#define ACG_SCHED_PROVEN (10 * 60 * 1000 * 1000LL) /* usec */

struct acg_sched_retry {
	unsigned int failures; /* in a row */
	int64_t loaded; /* CLOCK_MONOTONIC usec of the last success; 0: none since the last failure */
};

void acg_sched_retry_loaded(struct acg_sched_retry *retry, int64_t now);

/* It failed to load, or was taken off. Returns usec to wait before the next try; -1: give up. */
int64_t acg_sched_retry_failed(struct acg_sched_retry *retry, int64_t now);

#endif

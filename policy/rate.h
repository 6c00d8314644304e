/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How often something may happen: so many a second, and a burst before that counts (a token bucket). Pure; zeroed is full. */
#ifndef AGENTCG_POLICY_RATE_H
#define AGENTCG_POLICY_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct acg_rate {
	int64_t since;  /* CLOCK_MONOTONIC usec that `used` was counted at; 0: never */
	uint64_t used;  /* of the burst, in millionths */
};

/* True, and counted, if it may happen at `now` (CLOCK_MONOTONIC usec). per_second and burst are at least 1. */
bool acg_rate_take(struct acg_rate *rate, unsigned int per_second, unsigned int burst, int64_t now);

#endif

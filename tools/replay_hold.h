/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replayed process does to the machine: it holds memory that it has touched, and burns CPU
 * time. */
#ifndef AGENTCG_TOOLS_REPLAY_HOLD_H
#define AGENTCG_TOOLS_REPLAY_HOLD_H

#include <stdint.h>

#include "tools/replay_plan.h"

struct acg_hold {
	char *memory;   /* a private mapping of `size` bytes, in pages of the base size */
	uint64_t size;  /* bytes, whole pages */
	uint64_t held;  /* of them touched: the first so many */
	double cpu_due; /* seconds of CPU time that this process should have used by now */
	double speed;   /* trace seconds in a second */
	int64_t origin; /* CLOCK_MONOTONIC usec at which the trace's time 0 is, later if the process
			   is late */
	uint64_t *ret_peak; /* the most that was held, kept up to date; NULL: nobody asks */
	uint64_t *ret_held; /* what is held, in the same way */
	/* The latencies of whole growth steps in usec, as they come; NULL: nobody asks. Never more
	 * than `steps_room`. */
	uint32_t *steps;
	uint32_t *n_steps;
	uint32_t steps_room;
};

/* Room for so many bytes at most, which a fork does not copy. Begins the clock. 0 or -ENOMEM. */
int acg_hold_init(struct acg_hold *hold, uint64_t size, double speed);
void acg_hold_clear(struct acg_hold *hold);

/* Holds step->memory from now on and burns step->cpu, both at once. What comes after it waits if
 * that takes long. */
void acg_hold_step(struct acg_hold *hold, const struct acg_step *step);

/* usec from now until a time of the trace; 0: it is now, or it was, and then the clock is put back.
 */
int64_t acg_hold_until(struct acg_hold *hold, double time);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a trace asks of processes. The samples are of the whole sandbox; they are shared out so that
 * at each moment the processes together hold and burn what was recorded:
 *
 *	- outside of Bash calls all of it is the agent's own process, its base;
 *	- during calls the base stays what it was when the first of them began (or falls with the
 *	  samples); what is above it, and the CPU time, is the calls', in equal parts if several
 *	  run at once.
 *
 * A change between two samples happens at the beginning of the interval, at once: bursts are what
 * matters.
 */
#ifndef AGENTCG_TOOLS_REPLAY_PLAN_H
#define AGENTCG_TOOLS_REPLAY_PLAN_H

#include <stdint.h>

#include "tools/trace.h"

/* One growth step, of which the latency is taken. */
#define ACG_GROWTH_STEP (1024 * 1024)

struct acg_step {
	double end; /* trace seconds: of the base since its beginning, of a call since the call's */
	uint64_t memory; /* bytes held from the beginning of the step on */
	double cpu;      /* CPU seconds to burn in it */
};

struct acg_plan_call {
	const struct acg_trace_call *call; /* the trace's */
	GArray *steps;                     /* struct acg_step, at least one */
	uint64_t peak;                     /* the most memory of a step */
	unsigned int growth;               /* whole growth steps in it */
};

struct acg_plan {
	GArray *base;  /* struct acg_step */
	GArray *calls; /* struct acg_plan_call, by start: the Bash calls */
	double peak;   /* trace seconds: when the call begins that makes the peak; the peak, if none */
};

/* The trace must outlive the plan. scale multiplies all memory. */
struct acg_plan *acg_plan_new(const struct acg_trace *trace, double scale);
void acg_plan_free(struct acg_plan *plan);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an agent's use of the machine was like, in the figures of AgentCgroup's characterization
 * (arXiv 2602.09345). From a recorded trace all of them; from agentcg's own history, which has no
 * samples, those of the calls. Percentiles are by nearest rank. Sizes are bytes, times seconds.
 */
#ifndef AGENTCG_TOOLS_CHARACTERIZE_H
#define AGENTCG_TOOLS_CHARACTERIZE_H

#include <stdbool.h>

#include "policy/command_class.h"
#include "tools/trace.h"

/* A burst is a run of samples that are by so much above the baseline. */
#define ACG_BURST_FACTOR 1.25

/* The same command so many times in a row is a retry. */
#define ACG_RETRY_LEAST 3

/* A limit that would have been set once and for all. */
struct acg_static_limit {
	double limit;
	double wasted; /* share of it that was not used, on average; use above it counts as all of
			  it */
	double above;  /* share of samples above it: an agent that has any would have been killed */
};

enum { ACG_LIMIT_PEAK, ACG_LIMIT_P95, ACG_LIMIT_AVERAGE, ACG_N_LIMITS };

struct acg_character {
	char *name;
	unsigned int calls; /* of all tools */
	double duration;
	double in_tools; /* share of the duration in which at least one call ran */

	bool sampled; /* false: from history; all down to limits is 0 */
	double peak, average;
	double baseline;    /* median of the samples outside of calls; of all, if none is */
	double memory_rate; /* largest change between two samples, bytes in a second */
	double cpu_rate;    /* the same of CPUs */
	double correlation; /* of memory and CPU (Pearson); 0 if one of them never changes */
	GArray *bursts; /* double: how long each was, from its first sample to the one after it */
	struct acg_static_limit limits[ACG_N_LIMITS];

	/* double, of each process call: how far memory rose above what it was at the call's start;
	 * from history the call's own peak. */
	GArray *spikes[ACG_N_CLASSES];

	unsigned int retry_groups, retry_longest;
	double retry_time; /* in the calls of retries */
	double retry_left; /* memory that was not given back from a retry's start to its end */
};

struct acg_character *acg_characterize(const struct acg_trace *trace);

/*
 * From lines of history, one struct acg_character for each agent in them, appended to characters.
 * Lines that are no ended call are EINVAL, with the line's number. 0 or -errno.
 */
int acg_characterize_history(const char *text, GPtrArray *characters, GError **error);

void acg_character_free(struct acg_character *character);

/* The smallest that so many percent of the numbers (double, in any order) are not above; 0 of none.
 */
double acg_percentile(const GArray *numbers, unsigned int percent);

/* A table for people, or one JSON object. Appended to out. */
void acg_characterize_table(const GPtrArray *characters, GString *out);
void acg_characterize_json(const GPtrArray *characters, GString *out);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ways of doing the same thing, timed in turns over several rounds: percentiles of each round,
 * their median over the rounds, and the ratio of the two ways with its spread. Ratios within a
 * round are what survives a noisy machine.
 */
#ifndef AGENTCG_TESTS_BENCH_STATS_H
#define AGENTCG_TESTS_BENCH_STATS_H

#include <glib.h>

/*
 * Samples in usec, rounds * per_round of each way, in memory that is shared with the process that
 * measures.
 */
struct comparison {
	const char *name;
	const char *skipped; /* why there are no samples; NULL: there are */
	double aim;          /* for the ratio of the medians; 0: none */
	unsigned int rounds;
	unsigned int per_round;
	double *tree;
	double *direct;
};

/* Of one percentile, over the rounds. */
struct spread {
	double median, least, most;
};

struct outcome {
	struct spread tree, direct, ratio;
};

void comparison_init(struct comparison *comparison, const char *name, unsigned int rounds,
		     unsigned int per_round);
void comparison_clear(struct comparison *comparison);

/* percent: 50 or 99, by nearest rank. */
struct outcome comparison_outcome(const struct comparison *comparison, unsigned int percent);

/* An aligned table, a row each. */
void comparisons_print(const struct comparison *all, unsigned int n);

/* The same as one JSON object, with what `facts` (key, value, ..., NULL) says about the machine. */
char *comparisons_json(const struct comparison *all, unsigned int n, const char *const facts[]);

#endif

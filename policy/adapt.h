/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grants that learn, within one agent's session and from nothing else: by class of command, what the last call needed moves
 * the next one's grant. And braking: how soon a call that grows will be at its limit, and where to hold it before. Pure. Bytes.
 */
#ifndef AGENTCG_POLICY_ADAPT_H
#define AGENTCG_POLICY_ADAPT_H

#include <stdbool.h>
#include <stdint.h>

#define ACG_ADAPT_CLASSES                                                                          \
	16 /* kept of one agent; a class that comes later than these learns nothing */

/* What one class of command has shown so far. */
struct acg_adapt_class {
	const char *name;   /* interned */
	uint64_t grant;     /* of the next call; 0: nothing was learnt */
	unsigned int small; /* calls in a row that used less than a quarter of their grant */
	uint64_t largest;   /* the most that one of those used */
};

struct acg_adapt {
	struct acg_adapt_class classes[ACG_ADAPT_CLASSES];
	unsigned int n;
};

/* How a call went. */
struct acg_adapt_run {
	uint64_t grant; /* ACG_MAX: it had none, there is nothing to learn */
	uint64_t peak;
	bool killed; /* for memory */
};

/* The next grant of this class (interned), or 0: as hint and rules say. */
uint64_t acg_adapt_grant(const struct acg_adapt *adapt, const char *class);

/*
 * A call of this class ended. Killed: twice its grant next, or its peak and a quarter, if that is more; past its grant: its peak
 * and a quarter; two in a row that used less than a quarter: twice the most of them, at least ACG_ADAPT_LEAST. True if the next grant is another
 * one now; *ret_why (free with g_free) says in words from what to what, and why.
 */
bool acg_adapt_learn(struct acg_adapt *adapt, const char *class, const struct acg_adapt_run *run,
		     char **ret_why);
#define ACG_ADAPT_LEAST (64ull << 20)

/* A call that grows. */
struct acg_growth {
	uint64_t usage;
	uint64_t left;       /* to the nearest limit; what could be dropped counts as left */
	uint64_t per_second; /* bytes */
	uint64_t grant;      /* ACG_MAX: none */
};

/* True if it is at the limit in less than `ahead` usec. *ret_high: where it is to be slowed down: at its grant if that comes in time, else
 * halfway to the limit, and no nearer to it than an eighth of it. */
bool acg_growth_brake(const struct acg_growth *growth, uint64_t ahead, uint64_t *ret_high);

/* Held back long enough: halfway on from `usage`; ACG_MAX: so little is left that the limit itself may decide. */
uint64_t acg_growth_further(uint64_t usage, uint64_t limit);

#endif

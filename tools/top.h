/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `agentcg top` shows: agents and their calls as rows, sampled again and again so that rates and the last minute are known
 * (top_model.c), and as lines of text (top_text.c). The screen is verb_top.c's.
 */
#ifndef AGENTCG_TOOLS_TOP_H
#define AGENTCG_TOOLS_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#define ACG_TOP_SAMPLES 60

/* One agent or call. Sizes are bytes, UINT64_MAX: not limited. Strings are owned by the row. */
struct acg_top_row {
	char *key;   /* "AGENT/SUB" or "AGENT/SUB/CALL": as targets are named, and the same from sample to sample */
	char *name;  /* the last part */
	char *agent_dir; /* in the tree */
	bool is_call;
	unsigned int depth;
	uint64_t memory, peak, limit; /* limit: a call's grant, an agent's budget */
	double cpu;      /* of one CPU, in percent, since the last sample */
	double pressure; /* memory.pressure, some avg10, in percent; -1: not known */
	char *state;     /* a call's state; an agent's priority */
	char *command;
	char *reason;   /* why it is delayed; "" if it is not */
	char *feedback; /* "" if there is none */
	double seconds; /* so long it has been running */
	uint64_t cpu_usec;
	uint64_t samples[ACG_TOP_SAMPLES]; /* of memory, the newest last */
	unsigned int n_samples;
};

enum acg_top_sort { ACG_TOP_BY_NAME, ACG_TOP_BY_MEMORY, ACG_TOP_BY_CPU, ACG_TOP_BY_AGE, ACG_TOP_N_SORTS };

struct acg_top {
	char *root;
	GPtrArray *rows;    /* struct acg_top_row: agents by name, each with its calls and sub-agents below it */
	int64_t sampled;    /* CLOCK_MONOTONIC usec; 0: not yet */
	enum acg_top_sort sort; /* of the calls of an agent */
	char *filter;       /* NULL or "": all; else only rows with this in name, command or state, and their agents */
	char *agent;        /* NULL: all */
};

void acg_top_init(struct acg_top *top, const char *root);
void acg_top_clear(struct acg_top *top);
/* Reads the tree again. Rows are new; samples and rates go on by key. */
void acg_top_sample(struct acg_top *top);

/* The lines, to be freed with g_free; cut to `columns`. Without colour they say the same. */
char *acg_top_title(const struct acg_top *top, int columns);
char *acg_top_header(int columns);
char *acg_top_line(const struct acg_top_row *row, int columns);
/* The last minute of memory as a line of blocks, from 0 to the largest; ASCII where the locale has no UTF-8. */
char *acg_top_sparkline(const struct acg_top_row *row, bool utf8);
const char *acg_top_sort_name(enum acg_top_sort sort);

#endif

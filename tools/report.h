/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `agentcg report` tells: agents with their memory over time and their calls, from histories (the tree's, or files of JSON
 * Lines) or from recorded traces (tools/trace.h); and the page made of it.
 */
#ifndef AGENTCG_TOOLS_REPORT_H
#define AGENTCG_TOOLS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/error.h"

enum acg_outcome { ACG_WENT_WELL, ACG_WAS_THROTTLED, ACG_WAS_FROZEN, ACG_WAS_KILLED, ACG_N_OUTCOMES };

/* Times are seconds since the epoch, or since the start of a recording; sizes bytes. Strings are owned. */
struct acg_report_call {
	char *id, *command;
	double start, end;
	double grant; /* 0: none, or not known */
	double peak;
	double delayed, frozen; /* seconds */
	char *reason, *feedback; /* NULL: none */
	int exit;                /* -1: not known */
	enum acg_outcome outcome;
	unsigned int lane; /* calls in one lane do not overlap */
};

struct acg_report_point {
	double time, memory;
};

struct acg_report_agent {
	char *name;
	double budget;    /* 0: not limited, or not known */
	GArray *calls;    /* struct acg_report_call, by start */
	GArray *memory;   /* struct acg_report_point, by time */
	bool is_measured; /* memory was sampled; else it is the peaks of the calls that ran, added up: no less than there was */
	bool is_relative; /* times count from the start of a recording */
	double start, end;
	unsigned int n_lanes;
};

struct acg_report {
	GPtrArray *agents; /* struct acg_report_agent */
};

void acg_report_init(struct acg_report *report);
void acg_report_clear(struct acg_report *report);

/* All agents of a tree, sub-agents too; those without an ended call are left out. */
void acg_report_add_tree(struct acg_report *report, const char *root);
/* A history (*.jsonl: JSON Lines) or a trace (one JSON object). EINVAL: it is neither. */
int acg_report_add_file(struct acg_report *report, const char *path, GError **error);

/* One self-contained page, well-formed as XML too; free with g_free. */
char *acg_report_html(const struct acg_report *report, const char *title);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorded agent: what its sandbox used over time, and which tools it called. As JSON:
 *
 *	{"task": "dask__dask-11628", "model": "haiku",
 *	 "samples": [[SECONDS, MEGABYTES, CPU_PERCENT], ...],
 *	 "calls": [{"start": SECONDS, "end": SECONDS, "tool": "Bash", "id": "toolu_...",
 *		    "command": "ls"}, ...]}
 *
 * Seconds count from the start of the recording; a megabyte is 2^20 bytes, as `docker stats` and
 * the kernel's tools have it; 100 percent is one CPU. Only samples are needed. Members that are not
 * named here are ignored.
 */
#ifndef AGENTCG_TOOLS_TRACE_H
#define AGENTCG_TOOLS_TRACE_H

#include <stdbool.h>

#include "bpf/error.h"

#define ACG_TRACE_MEGABYTE (1024.0 * 1024.0)

struct acg_sample {
	double time;   /* seconds */
	double memory; /* bytes */
	double cpu;    /* CPUs: 1.0 is 100 percent */
};

struct acg_trace_call {
	double start, end; /* seconds, start <= end */
	char *tool;        /* never NULL */
	char *id;          /* NULL: none was given */
	char *command;     /* NULL: none was given */
};

struct acg_trace {
	char *task;      /* never NULL: the name of the file, if nothing else */
	char *model;     /* NULL: not said */
	GArray *samples; /* struct acg_sample, by time, at least one */
	GArray *calls;   /* struct acg_trace_call, by start */
};

/*
 * Reads JSON text. task is what the trace is called if it does not say. EINVAL with what is wrong
 * and where: no JSON, a member of another type, a time, size or share that is negative or beyond
 * all reason, a call that ends before it starts. A call without an end lasts until the last sample.
 * NULL on failure; free with acg_trace_free().
 */
struct acg_trace *acg_trace_parse(const char *text, const char *task, GError **error);
struct acg_trace *acg_trace_load(const char *path, GError **error);
void acg_trace_free(struct acg_trace *trace);

struct acg_trace *acg_trace_new(const char *task, const char *model);

/* The same JSON again; free with g_free. */
char *acg_trace_format(const struct acg_trace *trace);

/* Bash is the tool whose calls are processes of their own. */
bool acg_trace_is_process(const struct acg_trace_call *call);

/* The time of the last sample or the last end, whichever is later. */
double acg_trace_duration(const struct acg_trace *trace);

/* Memory in bytes at a time: between samples on the line that joins them, outside of them the
 * nearest. */
double acg_trace_memory(const struct acg_trace *trace, double time);
/* CPUs in use at a time: a sample says what was used until it was taken. */
double acg_trace_cpu(const struct acg_trace *trace, double time);

#endif

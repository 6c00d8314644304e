/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes on besides while something is measured: busy CPUs, an agent at its memory limit. */
#ifndef AGENTCG_TESTS_BENCH_LOAD_H
#define AGENTCG_TESTS_BENCH_LOAD_H

#include <glib.h>

/* Forks a child that dies with its parent. As fork(2). */
pid_t fork_child(void);

/* Writes "0", the writer itself, to a cgroup.procs. Exits with words on failure. */
void join_group(const char *procs);

/* Processes that belong to a load. */
struct load {
	GArray *pids;
	char *file; /* of the reader; NULL: none */
};

struct load *load_new(void);
/* Two busy loops for each CPU. */
void load_cpus(struct load *load);
/*
 * A process of the group whose cgroup.procs is `procs` that reads a file of `bytes` over and over.
 * Larger than the group's limit, this keeps the group there: each page that is read takes the place
 * of another.
 */
void load_page_cache(struct load *load, const char *procs, size_t bytes);
void load_free(struct load *load);

#endif

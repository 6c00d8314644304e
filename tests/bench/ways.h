/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The things that are timed, each in two ways: through the tree, and directly. They exit with words
 * when something fails: a time of something that did not happen is worth nothing.
 */
#ifndef AGENTCG_TESTS_BENCH_WAYS_H
#define AGENTCG_TESTS_BENCH_WAYS_H

#include <glib.h>

/*
 * What one sample of a read does so many times, to be timed as one: a single read takes about as
 * long as a look at the clock.
 */
#define READS 50

/* Paths, in the tree as the agent sees it and in the kernel. */
struct places {
	char *tree_procs; /* MOUNT/agents/AGENT/cgroup.procs */
	char *tree_max;   /* MOUNT/agents/AGENT/memory.max */
	char *call;       /* MOUNT/agents/AGENT/call */
	char *group;      /* CGROUP_ROOT/AGENT */
	char *group_new;  /* CGROUP_ROOT/AGENT/by-hand */
	char *new_procs;  /* ... its cgroup.procs */
	int group_fd;     /* CGROUP_ROOT/AGENT, once a process of the agent has opened it */
	char *self_procs; /* CGROUP_ROOT/AGENT/self/cgroup.procs */
	const char *file; /* what is read if a case names no file */
	char *tree_file;  /* the file to read, in both places */
	char *direct_file;
	int tree_fd, direct_fd; /* of it */
	char *tree_dir;         /* MOUNT/agents/AGENT */
	char *agentcg;          /* the program; NULL: not there */
	char *scripts;          /* the folder of shell, by-hand and wrapper */
};

void places_set(struct places *places, const char *mount, const char *agent, const char *root);
void places_clear(struct places *places);
/* By a process of the agent, before it reads. file NULL: places->file. */
void ways_open_files(struct places *places, const char *file);

/*
 * begin and end of the writer itself, on one open file, with the answer read; by hand: mkdir, in, out,
 * rmdir, or the same with the files that agentcg writes and reads for such a call
 */
void tree_call(const struct places *places);
void direct_call(const struct places *places);
void direct_call_files(const struct places *places);
/* the file, READS times, of a file that is open */
void tree_read(const struct places *places);
void direct_read(const struct places *places);
/* the same, opened and closed each time */
void tree_open_read(const struct places *places);
void direct_open_read(const struct places *places);
/* info, as tree_open_read() */
void tree_info(const struct places *places);
/* Removes what is kept of ended calls: a cgroup that is gone is not listed by hand either. */
void ways_forget_ended(const struct places *places);
/* `ls -R` of the agent's directory */
void tree_ls(const struct places *places);
void direct_ls(const struct places *places);
/* `agentcg run -- true` and the script by-hand */
void tree_run(const struct places *places);
void direct_run(const struct places *places);

/* Runs a program and waits for it; its output goes nowhere. It must succeed. */
void run_quietly(const char *const argv[]);

void write_or_die(const char *path, const char *text);
_Noreturn void die(const char *format, ...) G_GNUC_PRINTF(1, 2);

#endif

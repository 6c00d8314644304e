/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command as one tool call, for `agentcg run` and `agentcg shell`: the child begins the call and
 * becomes the command, this process stands in for it (tools/standin.h), shows the feedback
 * on standard error when it comes, and ends the call with the exit status. Whatever goes wrong with
 * the call, the command runs.
 */
#ifndef AGENTCG_TOOLS_CALL_H
#define AGENTCG_TOOLS_CALL_H

#include <stdbool.h>
#include <sys/types.h>

#include "policy/hint.h"

struct acg_run {
	/* set by the caller; strings are borrowed */
	const char *id;    /* NULL: a fresh one */
	const char *agent; /* in this agent, for operators; NULL: in the caller's own */
	const char *text;  /* what `command` of the call says */
	struct acg_hint hint;
	bool keep;  /* a persistent shell: it survives its command's OOM */
	bool quiet; /* say nothing but the feedback */
	bool wants_memory; /* memory_current is to be filled in */
	const char *path; /* what is executed; without a slash it is looked for in $PATH */
	char **argv;
	/* from here on by acg_run_*() */
	char *dir;   /* of the agent in the tree */
	int call_fd; /* of `call` there; -1: none */
	char *call;  /* the call's ID; NULL: there is none */
	pid_t pid;   /* of the child */
	int64_t start, end; /* CLOCK_REALTIME usec */
	uint64_t memory_current; /* bytes, when the child was gone and the call not yet ended */
	char *told;  /* the feedback that was shown last */
};

#define ACG_NOT_FOUND      127 /* exit status of a command that there is not, as in a shell */
#define ACG_NOT_EXECUTABLE 126

/*
 * Opens the `call` file. -ENOENT: no tree, or outside every agent; -ESRCH: no such agent (with
 * run->agent); else what open(2) said. The caller then just executes the command.
 */
int acg_run_open(struct acg_run *run, GError **error);

/* Runs it to its end, and returns its wait status. */
int acg_run_wait(struct acg_run *run);

/* Becomes the command without any of this. */
_Noreturn void acg_run_exec(const struct acg_run *run);

void acg_run_clear(struct acg_run *run);

#endif

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
#include <stdint.h>
#include <sys/types.h>

#include "tools/agentcg.h"

#define ACG_FEEDBACK_MAX 1024 /* bytes, with the NUL; it has less than 400 */

struct acg_run {
	/* set by the caller; strings are borrowed */
	const char *id;    /* NULL: a fresh one */
	const char *agent; /* in this agent, for operators; NULL: in the caller's own */
	const char *text;  /* what `command` of the call says */
	const char *hint_name; /* what a hint that is refused is called then; NULL: it is not told */
	bool keep;  /* a persistent shell: it survives its command's OOM */
	bool quiet; /* say nothing but the feedback, and that a hint was refused */
	bool wants_memory; /* memory_current is to be filled in */
	const char *path; /* what is executed; without a slash it is looked for in $PATH */
	char **argv;
	/* from here on by acg_run_*() */
	char *hints; /* what the call needs: " KEY=VALUE" for each; NULL: not said */
	char *dir;   /* of the agent in the tree */
	int call_fd; /* of `call` there; -1: none */
	bool begun;  /* there is a call */
	char call[AGENTCG_ANSWER_MAX]; /* its ID, once somebody asked (acg_run_call()) */
	pid_t pid;   /* of the child */
	int64_t start, end; /* CLOCK_REALTIME usec */
	uint64_t memory_current; /* bytes, when the child was gone and the call not yet ended */
	char told[ACG_FEEDBACK_MAX]; /* the feedback that was shown last */
};

#define ACG_NOT_FOUND      127 /* exit status of a command that there is not, as in a shell */
#define ACG_NOT_EXECUTABLE 126

/* Adds KEY=VALUE to what the call needs; whether it makes sense is for the tree to say. */
void acg_run_hint(struct acg_run *run, const char *key, const char *value);

/*
 * Opens the `call` file. -ENOENT: no tree, or outside every agent; -ESRCH: no such agent (with
 * run->agent); else what open(2) said. The caller then just executes the command.
 */
int acg_run_open(struct acg_run *run);

/* Why acg_run_open() returned this, in words, to ret_why. */
void acg_run_why(const struct acg_run *run, int ret, char *ret_why, size_t size);

/* Runs it to its end, and returns its wait status. */
int acg_run_wait(struct acg_run *run);

/* The ID of the call that it began; "" if it cannot be had. */
const char *acg_run_call(struct acg_run *run);

/* As wait(2) has it, to what a shell's $? says. */
int acg_run_exit(int status);

/* Becomes the command without any of this. */
_Noreturn void acg_run_exec(const struct acg_run *run);

void acg_run_clear(struct acg_run *run);

#endif

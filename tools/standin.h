/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parent that stands in for its only child: whoever started it sees what he would see of the
 * child itself. Signals sent to it go on to the child, once; it stops, goes on and dies as
 * the child does, and the child dies when it is killed. It reads and writes nothing meanwhile and
 * holds no descriptors but those that it was told to.
 *
 * What stays visible: the child's PPID is the stand-in's, and a SIGSTOP to the stand-in alone stops
 * the stand-in alone.
 */
#ifndef AGENTCG_TOOLS_STANDIN_H
#define AGENTCG_TOOLS_STANDIN_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#define ACG_WITNESS_STACK (16 * 1024)

struct acg_standin {
	sigset_t mask;           /* as it was */
	struct sigaction chld;   /* as it was */
	pid_t parent;            /* the stand-in */
	pid_t witness;           /* see standin.c; -1: none */
	int signal_fd;
	_Alignas(16) char witness_stack[ACG_WITNESS_STACK];
};

/* Something else to wait for. Each function may be NULL. */
struct acg_standin_watch {
	int delay_ms;             /* open is called after so long, if the child still runs */
	int (*open)(void *data);  /* returns a descriptor to poll for reading; -1: nothing */
	bool (*ready)(void *data); /* it can be read; false: do not ask again */
	void *data;
};

/* Before the fork: from here on signals wait. -errno: nothing was changed. */
int acg_standin_prepare(struct acg_standin *standin);

/* In the child, before exec: signals are as they were, and it dies with the stand-in. */
void acg_standin_child(const struct acg_standin *standin);

/*
 * In the parent: closes all descriptors from 0 on but standard error, keep (-1: none) and its own,
 * waits for the child and returns its wait status. Call it once. The witness is on its way out then;
 * acg_standin_clear() waits until it is gone.
 */
int acg_standin_wait(struct acg_standin *standin, pid_t child, int keep,
		     const struct acg_standin_watch *watch);
void acg_standin_clear(struct acg_standin *standin);

/* Ends this process as the child ended: by the same exit status or the same signal. */
_Noreturn void acg_standin_exit(int status);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor: mounts, keeps the descriptors that a mount and its open files live by, and has a worker serve them. It starts the
 * next worker when one dies (one is always kept waiting for that), hangs, or is to be replaced by a new binary, and does nothing else. After its start it
 * allocates nothing, and it reads nothing that a sandbox can write: signals, one byte at a time from its workers, and
 * two counters in the memory that it shares with them. Only at its very end does it look at other processes' mounts, to take the
 * views of sandboxes away (graft.h).
 */
#ifndef AGENTCG_FUSEFS_SUPERVISOR_H
#define AGENTCG_FUSEFS_SUPERVISOR_H

/* Where a worker finds what it is given. */
#define ACG_WORKER_FUSE    3 /* /dev/fuse, mounted */
#define ACG_WORKER_STATE   4 /* the memfd of shared.h */
#define ACG_WORKER_CONTROL 5 /* a socket to the supervisor */

/*
 * What is said there, each one byte: the worker that it could take over, the supervisor that it is its turn, the worker that it serves,
 * and the supervisor that it is alone. Who has its turn waits for the lock on the memfd (shared.h), which the kernel releases once no
 * thread of the one before can run any more; that one's descriptors may take it long to close (each PSI trigger an RCU grace period),
 * and only then is the next one alone.
 */
#define ACG_SAY_ABLE	   'a'
#define ACG_SAY_BAD_POLICY 'b' /* able, but not with the policy file: somebody must serve, a new binary need not */
#define ACG_SAY_GO	   'g'
#define ACG_SAY_GO_NEW	   'n' /* the same, to a new binary: with the policy of the file, whatever was written since */
#define ACG_SAY_SERVING	   's'
#define ACG_SAY_ALONE	   'l' /* what those before it held is closed: BPF programs may be attached */

struct acg_supervisor_options {
	const char *mountpoint;    /* absolute */
	char **worker;             /* its arguments, worker[0] the name; NULL-ended */
	void (*ready)(void *data); /* called once the tree answers */
	void *data;
};

/*
 * Supervises until SIGTERM or SIGINT, or until the tree is unmounted. SIGHUP and SIGUSR1 go to the worker; SIGUSR2
 * starts the binary that is installed now as the next worker, and leaves the old one serving if that one says no. Returns the
 * exit status: that of the first worker if it never served.
 */
int acg_supervise(const struct acg_supervisor_options *options);

#endif

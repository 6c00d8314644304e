/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few messages of the FUSE protocol (linux/fuse.h) that libfuse has no function for. */
#ifndef AGENTCG_FUSEFS_WIRE_H
#define AGENTCG_FUSEFS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a request says before libfuse has it. */
struct acg_wire {
	uint64_t id;     /* as the answer must give it */
	uint64_t unique; /* the same without the mark of a resent request */
	uint64_t poll;   /* FUSE_POLL: the kernel's handle, for acg_wire_wake(); else 0 */
	uint64_t read;   /* FUSE_READ: the node; else 0 */
	uint64_t write;  /* FUSE_WRITE: the same */
	uint64_t dir;    /* FUSE_MKDIR, FUSE_RMDIR: the directory in which; else 0 */
	pid_t tid;       /* of the calling thread */
	uid_t uid;
	gid_t gid;
	bool resent;     /* another worker was asked before us */
	bool init;       /* FUSE_INIT */
	bool silent;     /* nobody waits for an answer: the kernel puts these before all others */
};

struct acg_wire acg_wire_parse(const void *request, size_t size);

/* Asks for all requests again that were taken and not answered (kernel 6.9). 0 or -errno: EINVAL: this kernel cannot. */
int acg_wire_resend(int fd);

/* Wakes who sleeps in poll(2) on this handle, once. */
void acg_wire_wake(int fd, uint64_t poll);

/* Answers a request with an error (positive; 0 is a success without data). */
void acg_wire_fail(int fd, uint64_t id, int error);

/* Answers FUSE_INIT with an answer that was given before, header and all. */
void acg_wire_answer_again(int fd, uint64_t id, const void *answer, size_t size);

/* True if that answer agreed on passthrough. */
bool acg_wire_passthrough(const void *answer, size_t size);

#endif

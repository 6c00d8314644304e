/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What belongs to each open file, in one table of fixed-size records in a memfd, which another process that serves the same mount
 * can map. Nothing else about an open is needed to go on serving it: rendered texts, parked reads and poll
 * handles are made again when they are missing. The file handle given to the kernel is generation << 32 | slot.
 */
#ifndef AGENTCG_FUSEFS_OPENS_H
#define AGENTCG_FUSEFS_OPENS_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/error.h"

#define ACG_ANSWER_MAX 256

struct acg_open {
	uint32_t generation; /* counts the uses of this slot; odd: in use */
	uint32_t flags;      /* of open(2) */
	uint64_t ino;
	uint64_t agent; /* cgroup id of the agent that opened it; 0: from outside every agent */
	uint64_t
		position; /* events_pipe: next line; kernel files with poll: changes seen up to here */
	uint32_t answer_read; /* call: so much of the answer has been read */
	int32_t backing_id;   /* of passthrough; 0: none */
	uint8_t began; /* call: a begin came on this open; lines without a verb are ignored from then on */
	uint8_t watched;             /* a kernel file with poll */
	uint8_t changed;             /* kernel files with poll: changed since the last read */
	char answer[ACG_ANSWER_MAX]; /* call: what a read gives, NUL-ended */
};

struct acg_opens;

int acg_opens_new(struct acg_opens **ret_opens, GError **error);
void acg_opens_free(struct acg_opens *opens);

/* A fresh, zeroed record. ENFILE: `max` are open. *ret_fh names it for acg_opens_get(). Pointers hold until the next add. */
int acg_opens_add(struct acg_opens *opens, uint64_t *ret_fh, struct acg_open **ret_open);
/* NULL: not open (any more). */
struct acg_open *acg_opens_get(struct acg_opens *opens, uint64_t fh);
void acg_opens_remove(struct acg_opens *opens, uint64_t fh);

/* Calls fn for each open on this node id. */
void acg_opens_each(struct acg_opens *opens, uint64_t ino,
		    void (*fn)(uint64_t fh, struct acg_open *open, void *data), void *data);

/* Changes (0: only asks) how many this agent (cgroup id; 0: those outside) has open; acg_opens_remove() takes one off. */
unsigned int acg_opens_count(struct acg_opens *opens, uint64_t agent, int change);

#endif

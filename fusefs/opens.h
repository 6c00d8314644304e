/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What belongs to each open file, in one table of fixed-size records in the memfd that outlives a worker (shared.h). Nothing
 * else about an open is needed to go on serving it: rendered texts, parked reads and listings are made again when they
 * are missing. The file handle given to the kernel is generation << 32 | slot.
 */
#ifndef AGENTCG_FUSEFS_OPENS_H
#define AGENTCG_FUSEFS_OPENS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/error.h"

#define ACG_ANSWER_MAX 256

struct acg_open {
	uint32_t generation; /* counts the uses of this slot; odd: in use */
	uint32_t flags;      /* of open(2) */
	uint64_t ino;
	uint64_t owner;  /* who is charged for it, see acg_fs_owner() */
	uint64_t unique; /* of the request that opened it: one that is sent again finds it */
	uint64_t poll;   /* the kernel's handle of who sleeps in poll(2) on it; 0: nobody */
	uint64_t position; /* events_pipe: next line; call: so much of the answer has been read */
	/* A read that moves the position: where to, once its answer is known to have arrived (acg_open_settle()). */
	uint64_t read_unique, read_position;
	int32_t backing_id; /* of passthrough; 0: none */
	uint64_t call; /* call: node id of the call begun on this open last; 0: none */
	uint8_t began; /* call: a begin came on this open; lines without a verb are ignored from then on */
	uint8_t watched;             /* a kernel file with poll */
	uint8_t nested;              /* opened from a nested pid namespace */
	uint8_t changed;             /* kernel files with poll: changed since the last read */
	char answer[ACG_ANSWER_MAX]; /* call: what a read gives, NUL-ended */
};

struct acg_opens;

/* The table that begins at `offset` of the memfd, with the opens that are in it. The memfd is borrowed. */
int acg_opens_new(int memfd, off_t offset, struct acg_opens **ret_opens, GError **error);
void acg_opens_free(struct acg_opens *opens); /* the memfd keeps what is in it */

/* A record with the fields of `begin`. ENFILE: too many are open. *ret_fh names it for acg_opens_get(). Pointers hold until the next add. */
int acg_opens_add(struct acg_opens *opens, const struct acg_open *begin, uint64_t *ret_fh,
		  struct acg_open **ret_open);
/* NULL: not open (any more). */
struct acg_open *acg_opens_get(struct acg_opens *opens, uint64_t fh);
/* The open that this request made; NULL: none. */
struct acg_open *acg_opens_of_request(struct acg_opens *opens, uint64_t unique, uint64_t *ret_fh);
void acg_opens_remove(struct acg_opens *opens, uint64_t fh);

/* Calls fn for each open on this node id; 0: on any. */
void acg_opens_each(struct acg_opens *opens, uint64_t ino,
		    void (*fn)(uint64_t fh, struct acg_open *open, void *data), void *data);

/* How many this owner has open. */
unsigned int acg_opens_count(const struct acg_opens *opens, uint64_t owner);

/*
 * A read that moves the position is in two steps, since a worker may be killed between its answer and its note of it:
 * begin, answer, acg_open_read_done(). Whoever reads next settles first: had the last read's answer not arrived, that very
 * request (unique) would have been sent again.
 */
void acg_open_settle(struct acg_open *open, uint64_t unique);
void acg_open_read_begin(struct acg_open *open, uint64_t unique, uint64_t position);
void acg_open_read_done(struct acg_open *open, bool arrived);

#endif

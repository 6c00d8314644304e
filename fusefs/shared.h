/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What outlives a worker: one memfd that the supervisor keeps and every worker maps. Its first page is this header, then comes
 * the ring of the last events (policy/eventring.h), then the table of open files (opens.h), which grows.
 *
 * Only the worker that holds the lock on the memfd writes here, and every record is whole at any moment that the worker
 * may be killed. The supervisor reads two numbers and nothing else.
 */
#ifndef AGENTCG_FUSEFS_SHARED_H
#define AGENTCG_FUSEFS_SHARED_H

#include <stdint.h>

#define ACG_SHARED_VERSION     2 /* of all that is in the memfd, and of what is said to the supervisor: a worker with another one does not take over */
#define ACG_SHARED_HEADER_SIZE 4096
#define ACG_SHARED_EVENTS_SIZE (1280 * 1024)
#define ACG_SHARED_OPENS       (ACG_SHARED_HEADER_SIZE + ACG_SHARED_EVENTS_SIZE)

#define ACG_INIT_MAX 256

/* In `finished`: and what the caller need not wait for is done, or is still to be done. */
#define ACG_JOURNAL_SETTLED  1
#define ACG_JOURNAL_ANSWERED 2

/*
 * How far the request that changes something has come. There is never more than one: requests are answered in turn, each before the
 * next is begun.
 */
struct acg_journal {
	uint64_t unique;   /* of the request, without the mark of a resent one; 0: none yet */
	uint32_t step;     /* markers of the write that are done */
	uint32_t finished; /* not 0: all is done, only the answer may be missing */
	int32_t result;    /* of a finished one: 0 or -errno */
	char call[68];     /* ID of the call that the marker under way ends or changes; "": not known */
};

struct acg_shared {
	uint32_t version; /* 0: no worker was here yet */
	uint32_t deaths;  /* workers in a row that died while they handled `suspect` */
	uint64_t suspect;
	uint64_t progress; /* requests taken so far */
	uint64_t handling; /* unique of the request being handled; 0: none */
	uint32_t init_in_len, init_out_len;
	uint8_t init_in[ACG_INIT_MAX];  /* the FUSE_INIT of this mount */
	uint8_t init_out[ACG_INIT_MAX]; /* and what was answered: it holds for all workers */
	struct acg_journal journal;
	uint32_t over; /* the worker ended as it was told to: nobody is to take over */
};

_Static_assert(sizeof(struct acg_shared) <= ACG_SHARED_HEADER_SIZE, "the header is one page");

#endif

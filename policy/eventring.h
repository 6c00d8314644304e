/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last events in memory that outlives the process (mapped from a memfd by whoever calls): so that a successor goes on
 * with the numbers, and readers of events_pipe miss nothing. Whatever moment the writer is killed at, what is in it is whole.
 */
#ifndef AGENTCG_POLICY_EVENTRING_H
#define AGENTCG_POLICY_EVENTRING_H

#include <stddef.h>
#include <stdint.h>

/* Where a line stands in the log of one agent. */
struct acg_eventring_place {
	uint64_t agent; /* cgroup id */
	uint64_t position;
};

/* `memory`: size bytes, aligned to 8; all zero is an empty ring. */
struct acg_eventring {
	void *memory; /* NULL: there is none, and nothing is kept */
	size_t size;
};

/* Drops the oldest lines as far as there is no room. A line that is longer than a quarter of the ring is not kept. */
void acg_eventring_append(struct acg_eventring *ring, uint64_t seq, const char *line, size_t len,
			  const struct acg_eventring_place *places, unsigned int n_places);

/* Oldest first. `line` is not NUL-ended. */
void acg_eventring_each(const struct acg_eventring *ring,
			void (*fn)(uint64_t seq, const char *line, size_t len,
				   const struct acg_eventring_place *places, unsigned int n_places,
				   void *data),
			void *data);

#endif

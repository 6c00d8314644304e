/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of events; see the header.
 *
 * Two counters of bytes ever written bound what is in it: [tail, head). To append, tail is moved over the records that will be
 * overwritten, then the record is written, then head is moved over it. Records do not wrap: where one does not fit before
 * the end, a filler takes the rest.
 */
#include "policy/eventring.h"

#include <string.h>

struct ends {
	uint64_t tail, head;
};

struct record {
	uint32_t size; /* of all of it; a multiple of 8 */
	uint32_t len;  /* of the line; 0: a filler, which has no more than these two */
	uint64_t seq;
	uint64_t n_places;
	/* then the places, then the line */
};

#define FILLER_SIZE offsetof(struct record, seq)

static struct ends *ends_of(const struct acg_eventring *ring)
{
	return ring->memory;
}

static size_t room(const struct acg_eventring *ring)
{
	return (ring->size - sizeof(struct ends)) / 8 * 8;
}

static struct record *at(const struct acg_eventring *ring, uint64_t position)
{
	return (void *)((char *)ring->memory + sizeof(struct ends) + position % room(ring));
}

static size_t record_size(size_t len, unsigned int n_places)
{
	return (sizeof(struct record) + n_places * sizeof(struct acg_eventring_place) + len + 7) /
	       8 * 8;
}

static void make_room(struct acg_eventring *ring, size_t size)
{
	struct ends *ends = ends_of(ring);
	uint64_t tail = ends->tail;

	while (ends->head + size - tail > room(ring))
		tail += at(ring, tail)->size;
	__atomic_store_n(&ends->tail, tail, __ATOMIC_RELEASE);
}

static void publish(struct acg_eventring *ring, size_t size)
{
	__atomic_store_n(&ends_of(ring)->head, ends_of(ring)->head + size, __ATOMIC_RELEASE);
}

static void fill_to_end(struct acg_eventring *ring, size_t rest)
{
	struct record *filler;

	make_room(ring, rest);
	filler = at(ring, ends_of(ring)->head);
	filler->size = rest;
	filler->len = 0;
	publish(ring, rest);
}

void acg_eventring_append(struct acg_eventring *ring, uint64_t seq, const char *line, size_t len,
			  const struct acg_eventring_place *places, unsigned int n_places)
{
	size_t size = record_size(len, n_places), rest;
	struct record *record;
	char *body;

	if (!ring->memory || !len || size > room(ring) / 4)
		return;
	rest = room(ring) - ends_of(ring)->head % room(ring);
	if (size > rest)
		fill_to_end(ring, rest);
	make_room(ring, size);
	record = at(ring, ends_of(ring)->head);
	*record = (struct record){size, len, seq, n_places};
	body = (char *)(record + 1);
	memcpy(body, places, n_places * sizeof(*places));
	memcpy(body + n_places * sizeof(*places), line, len);
	publish(ring, size);
}

/* What somebody else wrote is not believed to be right: a ring that makes no sense is read no further. */
static int is_whole(const struct acg_eventring *ring, uint64_t position)
{
	const struct record *record = at(ring, position);
	size_t rest = room(ring) - position % room(ring);

	if (record->size < FILLER_SIZE || record->size % 8 || record->size > rest ||
	    record->size > ends_of(ring)->head - position)
		return 0;
	return !record->len || (record->n_places <= record->size &&
				record_size(record->len, record->n_places) == record->size);
}

void acg_eventring_each(const struct acg_eventring *ring,
			void (*fn)(uint64_t seq, const char *line, size_t len,
				   const struct acg_eventring_place *places, unsigned int n_places,
				   void *data),
			void *data)
{
	const struct record *record;

	if (!ring->memory || ends_of(ring)->tail % 8 || ends_of(ring)->head % 8 ||
	    ends_of(ring)->head - ends_of(ring)->tail > room(ring))
		return;
	for (uint64_t position = ends_of(ring)->tail; position < ends_of(ring)->head;
	     position += record->size) {
		const struct acg_eventring_place *places;

		if (!is_whole(ring, position))
			return;
		record = at(ring, position);
		places = (const void *)(record + 1);
		if (record->len)
			fn(record->seq, (const char *)(places + record->n_places), record->len,
			   places, record->n_places, data);
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of open files; see the header. */
#include "fusefs/opens.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SLOTS 256
#define SLOTS_MAX   (256 * 1024)

struct acg_opens {
	int memfd; /* borrowed */
	off_t offset;
	struct acg_open *slots; /* mapped from the memfd */
	uint32_t n_slots;
	GArray *free;         /* uint32_t: slots to use next */
	GHashTable *by_owner; /* owner -> number of opens */
};

static void count(struct acg_opens *opens, uint64_t owner, int change)
{
	unsigned int n = acg_opens_count(opens, owner) + change;

	if (n)
		g_hash_table_replace(opens->by_owner, g_memdup2(&owner, sizeof(owner)),
				     GUINT_TO_POINTER(n));
	else
		g_hash_table_remove(opens->by_owner, &owner);
}

/* Slots that have just been mapped: those in use were opened through an earlier worker. */
static void take_slots(struct acg_opens *opens, uint32_t from)
{
	for (uint32_t slot = opens->n_slots; slot-- > from;) {
		if (opens->slots[slot].generation & 1)
			count(opens, opens->slots[slot].owner, 1);
		else
			g_array_append_val(opens->free, slot);
	}
}

static int map(struct acg_opens *opens, uint32_t n_slots)
{
	size_t size = n_slots * sizeof(struct acg_open);
	uint32_t before = opens->n_slots;
	void *slots = opens->slots ? mremap(opens->slots, opens->n_slots * sizeof(struct acg_open),
					    size, MREMAP_MAYMOVE)
				   : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
					  opens->memfd, opens->offset);

	if (slots == MAP_FAILED)
		return -errno;
	opens->slots = slots;
	opens->n_slots = n_slots;
	take_slots(opens, before);
	return 0;
}

static int grow(struct acg_opens *opens, uint32_t n_slots)
{
	if (n_slots > SLOTS_MAX)
		return -ENFILE;
	if (ftruncate(opens->memfd, opens->offset + n_slots * sizeof(struct acg_open)) < 0)
		return -errno;
	return map(opens, n_slots);
}

static int map_first(struct acg_opens *opens)
{
	struct stat st;
	uint64_t n_slots;

	if (fstat(opens->memfd, &st) < 0)
		return -errno;
	n_slots = st.st_size > opens->offset
			  ? (st.st_size - opens->offset) / sizeof(struct acg_open)
			  : 0;
	return n_slots ? map(opens, MIN(n_slots, SLOTS_MAX)) : grow(opens, FIRST_SLOTS);
}

int acg_opens_new(int memfd, off_t offset, struct acg_opens **ret_opens, GError **error)
{
	struct acg_opens *opens = g_new0(struct acg_opens, 1);
	int ret;

	opens->memfd = memfd;
	opens->offset = offset;
	opens->free = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	opens->by_owner = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	ret = map_first(opens);
	if (ret) {
		acg_opens_free(opens);
		return acg_fail_errno(error, -ret, "cannot make the table of open files");
	}
	*ret_opens = opens;
	return 0;
}

void acg_opens_free(struct acg_opens *opens)
{
	if (!opens)
		return;
	if (opens->slots)
		munmap(opens->slots, opens->n_slots * sizeof(struct acg_open));
	g_array_unref(opens->free);
	g_hash_table_unref(opens->by_owner);
	g_free(opens);
}

static uint64_t handle_of(const struct acg_opens *opens, uint32_t slot)
{
	return (uint64_t)opens->slots[slot].generation << 32 | slot;
}

int acg_opens_add(struct acg_opens *opens, const struct acg_open *begin, uint64_t *ret_fh,
		  struct acg_open **ret_open)
{
	int ret = opens->free->len ? 0 : grow(opens, opens->n_slots * 2);
	struct acg_open *open;
	uint32_t slot, generation;

	if (ret)
		return ret;
	slot = g_array_index(opens->free, uint32_t, opens->free->len - 1);
	g_array_set_size(opens->free, opens->free->len - 1);
	open = &opens->slots[slot];
	generation = open->generation;
	*open = *begin;
	open->generation = generation;
	/* Whoever is killed before this line has opened nothing. */
	__atomic_store_n(&open->generation, generation + 1, __ATOMIC_RELEASE);
	count(opens, open->owner, 1);
	*ret_fh = handle_of(opens, slot);
	*ret_open = open;
	return 0;
}

struct acg_open *acg_opens_get(struct acg_opens *opens, uint64_t fh)
{
	uint32_t slot = fh;

	if (slot >= opens->n_slots || !(opens->slots[slot].generation & 1) ||
	    handle_of(opens, slot) != fh)
		return NULL;
	return &opens->slots[slot];
}

struct acg_open *acg_opens_of_request(struct acg_opens *opens, uint64_t unique, uint64_t *ret_fh)
{
	for (uint32_t slot = 0; slot < opens->n_slots; slot++) {
		struct acg_open *open = &opens->slots[slot];

		if (!(open->generation & 1) || open->unique != unique)
			continue;
		*ret_fh = handle_of(opens, slot);
		return open;
	}
	return NULL;
}

void acg_opens_remove(struct acg_opens *opens, uint64_t fh)
{
	struct acg_open *open = acg_opens_get(opens, fh);
	uint32_t slot = fh;

	if (!open)
		return;
	count(opens, open->owner, -1);
	__atomic_store_n(&open->generation, open->generation + 1, __ATOMIC_RELEASE);
	g_array_append_val(opens->free, slot);
}

void acg_opens_each(struct acg_opens *opens, uint64_t ino,
		    void (*fn)(uint64_t fh, struct acg_open *open, void *data), void *data)
{
	for (uint32_t slot = 0; slot < opens->n_slots; slot++)
		if ((opens->slots[slot].generation & 1) && (!ino || opens->slots[slot].ino == ino))
			fn(handle_of(opens, slot), &opens->slots[slot], data);
}

unsigned int acg_opens_count(const struct acg_opens *opens, uint64_t owner)
{
	return GPOINTER_TO_UINT(g_hash_table_lookup(opens->by_owner, &owner));
}

/* --- reads that move the position ---------------------------------------------------------------------------- */

void acg_open_settle(struct acg_open *open, uint64_t unique)
{
	acg_open_read_done(open, open->read_unique != unique);
}

void acg_open_read_begin(struct acg_open *open, uint64_t unique, uint64_t position)
{
	open->read_position = position;
	__atomic_store_n(&open->read_unique, unique, __ATOMIC_RELEASE);
}

void acg_open_read_done(struct acg_open *open, bool arrived)
{
	if (open->read_unique && arrived)
		open->position = open->read_position;
	__atomic_store_n(&open->read_unique, 0, __ATOMIC_RELEASE);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of open files; see the header. */
#include "fusefs/opens.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST_SLOTS 256
#define SLOTS_MAX   (256 * 1024)

struct acg_opens {
	int memfd;
	struct acg_open *slots; /* mapped from the memfd */
	uint32_t n_slots;
	GArray *free;         /* uint32_t: slots to use next */
	GHashTable *by_agent; /* cgroup id -> number of opens */
};

static int grow(struct acg_opens *opens, uint32_t n_slots)
{
	size_t size = n_slots * sizeof(struct acg_open);
	void *map;

	if (n_slots > SLOTS_MAX)
		return -ENFILE;
	if (ftruncate(opens->memfd, size) < 0)
		return -errno;
	map = opens->slots ? mremap(opens->slots, opens->n_slots * sizeof(struct acg_open), size,
				    MREMAP_MAYMOVE)
			   : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, opens->memfd, 0);
	if (map == MAP_FAILED)
		return -errno;
	opens->slots = map;
	for (uint32_t slot = n_slots; slot-- > opens->n_slots;)
		g_array_append_val(opens->free, slot);
	opens->n_slots = n_slots;
	return 0;
}

int acg_opens_new(struct acg_opens **ret_opens, GError **error)
{
	struct acg_opens *opens = g_new0(struct acg_opens, 1);
	int ret;

	opens->free = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	opens->by_agent = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	opens->memfd = memfd_create("agentcg-opens", MFD_CLOEXEC);
	ret = opens->memfd < 0 ? -errno : grow(opens, FIRST_SLOTS);
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
	if (opens->memfd >= 0)
		close(opens->memfd);
	g_array_unref(opens->free);
	g_hash_table_unref(opens->by_agent);
	g_free(opens);
}

static uint64_t handle_of(const struct acg_opens *opens, uint32_t slot)
{
	return (uint64_t)opens->slots[slot].generation << 32 | slot;
}

int acg_opens_add(struct acg_opens *opens, uint64_t *ret_fh, struct acg_open **ret_open)
{
	uint32_t slot, generation;
	int ret = opens->free->len ? 0 : grow(opens, opens->n_slots * 2);

	if (ret)
		return ret;
	slot = g_array_index(opens->free, uint32_t, opens->free->len - 1);
	g_array_set_size(opens->free, opens->free->len - 1);
	generation = opens->slots[slot].generation + 1;
	memset(&opens->slots[slot], 0, sizeof(opens->slots[slot]));
	opens->slots[slot].generation = generation;
	*ret_fh = handle_of(opens, slot);
	*ret_open = &opens->slots[slot];
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

void acg_opens_remove(struct acg_opens *opens, uint64_t fh)
{
	struct acg_open *open = acg_opens_get(opens, fh);
	uint32_t slot = fh;

	if (!open)
		return;
	acg_opens_count(opens, open->agent, -1);
	open->generation++;
	g_array_append_val(opens->free, slot);
}

void acg_opens_each(struct acg_opens *opens, uint64_t ino,
		    void (*fn)(uint64_t fh, struct acg_open *open, void *data), void *data)
{
	for (uint32_t slot = 0; slot < opens->n_slots; slot++)
		if ((opens->slots[slot].generation & 1) && opens->slots[slot].ino == ino)
			fn(handle_of(opens, slot), &opens->slots[slot], data);
}

unsigned int acg_opens_count(struct acg_opens *opens, uint64_t agent, int change)
{
	unsigned int count =
		GPOINTER_TO_UINT(g_hash_table_lookup(opens->by_agent, &agent)) + change;

	if (!change)
		return count;
	if (count)
		g_hash_table_replace(opens->by_agent, g_memdup2(&agent, sizeof(agent)),
				     GUINT_TO_POINTER(count));
	else
		g_hash_table_remove(opens->by_agent, &agent);
	return count;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rendered texts of open files; see the header. */
#include "fusefs/kept.h"

struct entry {
	uint64_t fh;
	uint64_t owner;
	GString *text;
};

/* What one owner has. */
struct share {
	uint64_t owner;
	size_t bytes;
	GQueue entries; /* struct entry, oldest first */
};

struct acg_kept {
	size_t max_bytes;
	GHashTable *by_fh;    /* &fh -> struct entry, owned */
	GHashTable *by_owner; /* &owner -> struct share, owned */
};

static void entry_free(void *data)
{
	struct entry *entry = data;

	g_string_free(entry->text, TRUE);
	g_free(entry);
}

static void share_free(void *data)
{
	struct share *share = data;

	g_queue_clear(&share->entries);
	g_free(share);
}

struct acg_kept *acg_kept_new(size_t max_bytes)
{
	struct acg_kept *kept = g_new0(struct acg_kept, 1);

	kept->max_bytes = max_bytes;
	kept->by_fh = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, entry_free);
	kept->by_owner = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, share_free);
	return kept;
}

void acg_kept_free(struct acg_kept *kept)
{
	g_hash_table_unref(kept->by_owner);
	g_hash_table_unref(kept->by_fh);
	g_free(kept);
}

GString *acg_kept_get(const struct acg_kept *kept, uint64_t fh)
{
	struct entry *entry = g_hash_table_lookup(kept->by_fh, &fh);

	return entry ? entry->text : NULL;
}

static struct share *share_of(struct acg_kept *kept, uint64_t owner)
{
	struct share *share = g_hash_table_lookup(kept->by_owner, &owner);

	if (share)
		return share;
	share = g_new0(struct share, 1);
	share->owner = owner;
	g_hash_table_insert(kept->by_owner, &share->owner, share);
	return share;
}

void acg_kept_drop(struct acg_kept *kept, uint64_t fh)
{
	struct entry *entry = g_hash_table_lookup(kept->by_fh, &fh);
	struct share *share;

	if (!entry)
		return;
	share = share_of(kept, entry->owner);
	share->bytes -= entry->text->allocated_len;
	g_queue_remove(&share->entries, entry);
	if (!share->entries.length)
		g_hash_table_remove(kept->by_owner, &share->owner);
	g_hash_table_remove(kept->by_fh, &fh);
}

void acg_kept_put(struct acg_kept *kept, uint64_t fh, uint64_t owner, GString *text)
{
	struct entry *entry = g_new(struct entry, 1);
	struct share *share;

	acg_kept_drop(kept, fh);
	*entry = (struct entry){fh, owner, text};
	share = share_of(kept, owner);
	share->bytes += text->allocated_len;
	g_queue_push_tail(&share->entries, entry);
	g_hash_table_insert(kept->by_fh, &entry->fh, entry);
	while (owner && share->bytes > kept->max_bytes && share->entries.length > 1)
		acg_kept_drop(kept, ((struct entry *)share->entries.head->data)->fh);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who marks without a pause, and how long that is kept back; see the header. */
#include "fusefs/pace.h"

#define THINK      500 /* usec; a shell needs longer from one marker to the next: it starts a program; */
#define PART       2      /* or this part of what its marker took, on a slow machine */
#define FREE       16     /* markers in a row without such a pause are no flood yet */
#define WORTH      8      /* a flood's marker waits for so many times what the one before took, */
#define WAIT_MAX   100000 /* usec; or for this */
#define REMEMBER   (2 * 1000000) /* usec; for so long after its last marker somebody is about */
#define KEPT_MAX   64            /* markers of an agent */
#define OWNERS_MAX 1024          /* then those who are not about are forgotten */

struct owner {
	uint64_t agent;
	int64_t last;     /* when its last marker was done */
	int64_t took;     /* how long that took */
	int64_t next;     /* not before this, if it floods */
	unsigned int row; /* markers without a pause before them */
	unsigned int kept;
};

struct kept {
	struct owner *owner;
	int64_t due;
	GBytes *request;
};

struct acg_pace {
	GHashTable *owners; /* &agent -> struct owner, owned */
	GQueue kept;        /* struct kept, by due */
	uint64_t recent;    /* whose marker was the last */
	/* The last two agents that marked, and did not flood. */
	uint64_t quiet, quiet_before;
	int64_t quiet_at, quiet_before_at;
};

static void kept_free(void *data)
{
	struct kept *kept = data;

	g_bytes_unref(kept->request);
	g_free(kept);
}

struct acg_pace *acg_pace_new(void)
{
	struct acg_pace *pace = g_new0(struct acg_pace, 1);

	pace->owners = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	g_queue_init(&pace->kept);
	return pace;
}

void acg_pace_free(struct acg_pace *pace)
{
	g_queue_clear_full(&pace->kept, kept_free);
	g_hash_table_unref(pace->owners);
	g_free(pace);
}

static gboolean is_gone(void *key, void *value, void *now)
{
	const struct owner *owner = value;

	(void)key;
	return !owner->kept && owner->last < *(int64_t *)now - REMEMBER;
}

static struct owner *owner_of(struct acg_pace *pace, uint64_t agent, int64_t now)
{
	struct owner *owner = g_hash_table_lookup(pace->owners, &agent);

	if (owner)
		return owner;
	if (g_hash_table_size(pace->owners) >= OWNERS_MAX)
		g_hash_table_foreach_remove(pace->owners, is_gone, &now);
	owner = g_new0(struct owner, 1);
	owner->agent = agent;
	g_hash_table_insert(pace->owners, &owner->agent, owner);
	return owner;
}

/* Is one about that marks with pauses, besides this one? */
static bool others_are_about(const struct acg_pace *pace, const struct owner *owner, int64_t now)
{
	int64_t at = pace->quiet == owner->agent ? pace->quiet_before_at : pace->quiet_at;

	return at && now < at + REMEMBER;
}

static gint by_due(gconstpointer a, gconstpointer b, gpointer data)
{
	(void)data;
	return ((const struct kept *)a)->due < ((const struct kept *)b)->due ? -1 : 1;
}

static int64_t wait_of(const struct owner *owner)
{
	return MIN(WORTH * owner->took, WAIT_MAX);
}

static void keep(struct acg_pace *pace, struct owner *owner, const void *request, size_t size)
{
	struct kept *kept = g_new(struct kept, 1);

	*kept = (struct kept){owner, owner->next, g_bytes_new(request, size)};
	owner->next += wait_of(owner);
	owner->kept++;
	g_queue_insert_sorted(&pace->kept, kept, by_due, NULL);
}

/* A request that waited for others' to be handled does not say whether there was a pause before it. */
static void count(const struct acg_pace *pace, struct owner *owner, int64_t free_since, int64_t now)
{
	int64_t think = MAX(THINK, owner->took / PART);
	int64_t since = pace->recent == owner->agent ? MAX(free_since, owner->last) : owner->last;

	if (owner->kept || now < since + think)
		owner->row++;
	else if (now >= free_since + think)
		owner->row = 0;
}

enum acg_pace_answer acg_pace_marker(struct acg_pace *pace, uint64_t agent, int64_t free_since,
				     int64_t now, const void *request, size_t size)
{
	struct owner *owner = owner_of(pace, agent, now);

	count(pace, owner, free_since, now);
	if (owner->row <= FREE || !others_are_about(pace, owner, now) ||
	    (owner->next <= now && !owner->kept))
		return ACG_PACE_NOW;
	if (owner->kept >= KEPT_MAX)
		return ACG_PACE_FULL;
	keep(pace, owner, request, size);
	return ACG_PACE_KEPT;
}

void acg_pace_handled(struct acg_pace *pace, uint64_t agent, int64_t start, int64_t end)
{
	struct owner *owner = owner_of(pace, agent, end);

	pace->recent = agent;
	owner->last = end;
	owner->took = end - start;
	owner->next = MAX(owner->next, end + wait_of(owner));
	if (owner->row > FREE)
		return;
	if (pace->quiet != agent) {
		pace->quiet_before = pace->quiet;
		pace->quiet_before_at = pace->quiet_at;
		pace->quiet = agent;
	}
	pace->quiet_at = end;
}

GBytes *acg_pace_due(struct acg_pace *pace, int64_t now, uint64_t *ret_agent)
{
	struct kept *kept = g_queue_peek_head(&pace->kept);
	GBytes *request;

	if (!kept || kept->due > now)
		return NULL;
	g_queue_pop_head(&pace->kept);
	kept->owner->kept--;
	request = g_bytes_ref(kept->request);
	*ret_agent = kept->owner->agent;
	kept_free(kept);
	return request;
}

int64_t acg_pace_next(const struct acg_pace *pace)
{
	const struct kept *kept = g_queue_peek_head((GQueue *)&pace->kept);

	return kept ? kept->due : -1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcg_bpf_ops on agentcg's root; see the header. */
#include "policy/memory_tier.h"

#include <sys/stat.h>

#include "bpf/memcg.h"

#define SHORTCOMINGS_MAX 1024 /* characters of `status` */

struct acg_memory_tier {
	struct acg_memcg_ops *ops; /* NULL: off */
	uint64_t root;             /* cgroup id */
	char *why_not;             /* why it is off */
	GHashTable *refused; /* &id of adopted cgroups that it is not on -> words; both owned */
};

static int attach_root(struct acg_memory_tier *tier, int root_dirfd, GError **error)
{
	struct stat st;
	int ret = acg_memcg_ops_attach(tier->ops, root_dirfd, error);

	if (!ret && fstat(root_dirfd, &st) == 0)
		tier->root = st.st_ino;
	return ret;
}

static void turn_off(struct acg_memory_tier *tier, const char *why_not)
{
	if (tier->ops)
		acg_memcg_ops_detach_all(tier->ops);
	acg_memcg_ops_free(tier->ops);
	tier->ops = NULL;
	g_free(tier->why_not);
	tier->why_not = g_strdup(why_not);
}

struct acg_memory_tier *acg_memory_tier_new(struct acg_bpf *bpf, const char *bpf_off,
					    int root_dirfd)
{
	struct acg_memory_tier *tier = g_new0(struct acg_memory_tier, 1);
	g_autoptr(GError) error = NULL;

	tier->refused = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	if (!bpf) {
		tier->why_not = g_strdup(bpf_off);
		return tier;
	}
	if (acg_memcg_ops_load(bpf, &tier->ops, &error) < 0)
		turn_off(tier, error->message);
	else if (attach_root(tier, root_dirfd, &error) < 0)
		turn_off(tier, error->message);
	return tier;
}

void acg_memory_tier_stop(struct acg_memory_tier *tier)
{
	if (tier)
		turn_off(tier, "the daemon is stopping");
}

void acg_memory_tier_free(struct acg_memory_tier *tier)
{
	if (!tier)
		return;
	turn_off(tier, NULL);
	g_hash_table_unref(tier->refused);
	g_free(tier->why_not);
	g_free(tier);
}

int64_t acg_memory_tier_gap(const struct acg_memory_tier *tier)
{
	return tier && tier->ops ? acg_memcg_ops_gap(tier->ops) : 0;
}

bool acg_memory_tier_delays(const struct acg_memory_tier *tier)
{
	return tier && tier->ops && acg_memcg_ops_delays(tier->ops);
}

int acg_memory_tier_fd(const struct acg_memory_tier *tier)
{
	return tier && tier->ops ? acg_memcg_ops_link_fd(tier->ops, tier->root) : -1;
}

void acg_memory_tier_lost(struct acg_memory_tier *tier)
{
	turn_off(tier, "somebody detached it while it ran; the cgroup tier has taken over");
}

static void refuse(struct acg_memory_tier *tier, guint64 cgroup_id, const char *words)
{
	g_hash_table_insert(tier->refused, g_memdup2(&cgroup_id, sizeof(cgroup_id)),
			    g_strdup(words));
}

int acg_memory_tier_adopt(struct acg_memory_tier *tier, uint64_t cgroup_id, int cgroup_dirfd,
			  int *ret_fd, GError **error)
{
	guint64 id = cgroup_id;
	GError *why = NULL;
	int ret = 0;

	*ret_fd = -1;
	if (!tier->ops)
		return 0;
	g_hash_table_remove(tier->refused, &id);
	if (acg_memcg_ops_link_fd(tier->ops, id) < 0)
		ret = acg_memcg_ops_attach(tier->ops, cgroup_dirfd, &why);
	if (ret < 0) {
		refuse(tier, id, why->message);
		g_propagate_error(error, why);
		return ret;
	}
	*ret_fd = acg_memcg_ops_link_fd(tier->ops, id);
	return 0;
}

void acg_memory_tier_drop(struct acg_memory_tier *tier, uint64_t cgroup_id)
{
	guint64 id = cgroup_id;

	g_hash_table_remove(tier->refused, &id);
	if (tier->ops) /* a link that is not there is what we want */
		acg_memcg_ops_detach(tier->ops, id, NULL);
}

void acg_memory_tier_adopted_lost(struct acg_memory_tier *tier, uint64_t cgroup_id)
{
	acg_memory_tier_drop(tier, cgroup_id);
	refuse(tier, cgroup_id, "somebody detached it while it ran");
}

void acg_memory_tier_figures(struct acg_memory_tier *tier, const struct acg_ladder *ladder)
{
	const struct acg_memory_figures figures = {
		.enabled = ladder->enabled,
		.low_percent = ladder->low_percent,
		.high_percent = ladder->high_percent,
		.delay_max_ms = ladder->delay_max_ms,
		.delay_ms = ladder->delay_ms,
		.min_progress = ladder->min_progress,
	};
	g_autoptr(GError) error = NULL;

	if (tier && tier->ops && acg_memcg_ops_figures(tier->ops, &figures, &error) < 0)
		turn_off(tier, error->message);
}

void acg_memory_tier_measure(struct acg_memory_tier *tier, const struct acg_node *node,
			     struct acg_usage *usage)
{
	struct acg_memory_state state;

	if (!tier || !tier->ops || acg_memcg_ops_state(tier->ops, node->id, &state, NULL) < 0)
		return;
	usage->delays = state.delays;
	usage->delayed_usec = state.delayed_ns / 1000;
	usage->delayed_until = state.delay_ns / 1000;
}

/* What is not as it should be; NULL: nothing. Free with g_free. */
static char *shortcomings(const struct acg_memory_tier *tier)
{
	uint64_t dropped = acg_memcg_ops_dropped(tier->ops);
	uint64_t unknown = acg_memcg_ops_unknown(tier->ops);
	g_autoptr(GString) words = g_string_new(NULL);
	GHashTableIter iter;
	void *id, *why;

	if (!acg_memcg_ops_delays(tier->ops))
		g_string_append(words, "; the cgroup tier does the delaying");
	if (dropped || unknown)
		g_string_append_printf(words,
				       "; %" G_GUINT64_FORMAT " events lost, %" G_GUINT64_FORMAT
				       " charges not judged",
				       dropped, unknown);
	g_hash_table_iter_init(&iter, tier->refused);
	while (g_hash_table_iter_next(&iter, &id, &why) && words->len < SHORTCOMINGS_MAX)
		g_string_append_printf(words, "; not on adopted cgroup %" G_GUINT64_FORMAT ": %s",
				       *(guint64 *)id, (const char *)why);
	return words->len ? g_string_free(g_steal_pointer(&words), FALSE) : NULL;
}

void acg_memory_tier_status(const struct acg_memory_tier *tier, GArray *mechanisms)
{
	struct acg_mechanism row = {.name = "memcg_bpf_ops", .state = "on"};
	g_autofree char *wrong = NULL;

	if (!tier->ops) {
		row.state = "off";
		row.reason = g_strdup(tier->why_not);
		g_array_append_val(mechanisms, row);
		return;
	}
	wrong = shortcomings(tier);
	row.reason = g_strconcat(acg_memcg_ops_words(tier->ops), wrong, NULL);
	if (wrong)
		row.state = "degraded";
	g_array_append_val(mechanisms, row);
}

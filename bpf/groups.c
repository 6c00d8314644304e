/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of the map `agentcg_groups`; see loader.h. */
#include <bpf/bpf.h>

#include "bpf/loader.h"

int acg_bpf_group_update(struct acg_bpf *bpf, uint64_t cgroup_id,
			 const struct acg_group_entry *entry, GError **error)
{
	int rc = bpf_map_update_elem(acg_bpf_groups_fd(bpf), &cgroup_id, entry, BPF_ANY);

	if (rc == -E2BIG)
		return acg_fail(error, E2BIG, "the map agentcg_groups is full: %d groups",
				ACG_GROUPS_MAX);
	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot set group %" G_GUINT64_FORMAT,
				      (guint64)cgroup_id);
	return 0;
}

int acg_bpf_group_get(struct acg_bpf *bpf, uint64_t cgroup_id, struct acg_group_entry *ret_entry,
		      GError **error)
{
	struct acg_group_entry entry;
	int rc = bpf_map_lookup_elem(acg_bpf_groups_fd(bpf), &cgroup_id, &entry);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "group %" G_GUINT64_FORMAT, (guint64)cgroup_id);
	*ret_entry = entry;
	return 0;
}

int acg_bpf_group_delete(struct acg_bpf *bpf, uint64_t cgroup_id, GError **error)
{
	int rc = bpf_map_delete_elem(acg_bpf_groups_fd(bpf), &cgroup_id);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "group %" G_GUINT64_FORMAT, (guint64)cgroup_id);
	return 0;
}

/* The keys first, then the deleting: a hash map's walk starts again when its place is deleted. */
static GArray *unwanted_groups(struct acg_bpf *bpf, acg_bpf_keep_fn keep, void *data)
{
	GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	uint64_t id, *previous = NULL;
	unsigned int seen;

	for (seen = 0; seen < ACG_GROUPS_MAX; seen++) {
		if (bpf_map_get_next_key(acg_bpf_groups_fd(bpf), previous, &id) < 0)
			break;
		if (!keep(id, data))
			g_array_append_val(ids, id);
		previous = &id;
	}
	return ids;
}

int acg_bpf_groups_prune(struct acg_bpf *bpf, acg_bpf_keep_fn keep, void *data, GError **error)
{
	g_autoptr(GArray) ids = unwanted_groups(bpf, keep, data);
	unsigned int i;
	int rc;

	for (i = 0; i < ids->len; i++) {
		rc = acg_bpf_group_delete(bpf, g_array_index(ids, uint64_t, i), error);
		if (rc < 0)
			return rc;
	}
	return ids->len;
}

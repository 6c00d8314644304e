/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Node ids to places and back; see the header. */
#include "fusefs/inode.h"

#include <string.h>

#include "policy/cgroupfs.h"
#include "policy/enforcer.h"

static enum acg_where where_of(const struct acg_place *place)
{
	return place->call ? ACG_IN_CALL : place->agent ? ACG_IN_AGENT : ACG_IN_ROOT;
}

int acg_inode_place(const struct acg_registry *registry, uint64_t ino, struct acg_place *ret_place)
{
	struct acg_place place = {.index = ino & ACG_INDEX_MASK};
	uint64_t id = ino >> 8;

	if (id) {
		place.node = acg_registry_find(registry, id);
		if (!place.node)
			return -ENOENT;
		place.agent = place.node->agent;
		place.call = acg_node_call(place.node);
	}
	if (place.index >= ACG_INDEX_FILES) {
		place.file = acg_file_at(place.index);
		if (!place.file || !(place.file->where & where_of(&place)))
			return -ENOENT;
	} else if (place.index == ACG_INDEX_CALLS && (!place.agent || place.call)) {
		return -ENOENT;
	} else if (place.index == ACG_INDEX_AGENTS && place.call) {
		return -ENOENT;
	}
	*ret_place = place;
	return 0;
}

static bool offered(const struct acg_place *parent, const struct acg_file *file)
{
	if (!(file->where & where_of(parent)))
		return false;
	if (!(file->flags & ACG_FILE_KERNEL))
		return true;
	return parent->node->group && parent->node->group->dirfd >= 0 &&
	       acg_cgroup_has(parent->node->group->dirfd, file->name);
}

static int lookup_in_directory(const struct acg_place *parent, const char *name, uint64_t *ret_ino)
{
	const struct acg_file *file;

	if (!parent->call && strcmp(name, "agents") == 0) {
		*ret_ino = acg_inode(parent->node, ACG_INDEX_AGENTS);
		return 0;
	}
	if (parent->agent && !parent->call && strcmp(name, "calls") == 0) {
		*ret_ino = acg_inode(parent->node, ACG_INDEX_CALLS);
		return 0;
	}
	file = acg_file_named(name);
	if (!file || !offered(parent, file))
		return -ENOENT;
	*ret_ino = acg_inode(parent->node, file->index);
	return 0;
}

int acg_inode_lookup(const struct acg_registry *registry, const struct acg_place *parent,
		     const char *name, uint64_t *ret_ino)
{
	const struct acg_agent *agent;
	const struct acg_call *call;

	switch (parent->index) {
	case ACG_INDEX_DIR:
		return lookup_in_directory(parent, name, ret_ino);
	case ACG_INDEX_AGENTS:
		agent = acg_registry_agent(registry, parent->agent, name);
		if (!agent || !agent->node.id)
			return -ENOENT;
		*ret_ino = acg_inode(&agent->node, ACG_INDEX_DIR);
		return 0;
	case ACG_INDEX_CALLS:
		call = acg_agent_call(parent->agent, name);
		if (!call || call->state == ACG_CALL_STARTING)
			return -ENOENT;
		*ret_ino = acg_inode(&call->node, ACG_INDEX_DIR);
		return 0;
	default:
		return -ENOTDIR;
	}
}

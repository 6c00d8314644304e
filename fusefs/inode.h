/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Node ids of the tree. They follow from the cgroup tree and the table of files alone: (cgroup id << 8) | index, where the
 * cgroup id is that of the agent or call (0: the root of the tree) and the index says which entry of its directory. The
 * kernel never uses a cgroup id twice, so a node id means the same to every process that serves the mount, and never
 * something else later.
 */
#ifndef AGENTCG_FUSEFS_INODE_H
#define AGENTCG_FUSEFS_INODE_H

#include "fusefs/files.h"

/* Indexes of directories; those of files are in files.h. */
#define ACG_INDEX_DIR                                                                              \
	1 /* the directory of the root, agent or call itself; of the root: FUSE_ROOT_ID */
#define ACG_INDEX_CALLS  2
#define ACG_INDEX_AGENTS 3

#define ACG_INDEX_MASK 0xff /* of a node id: the index */

/* Where a node id leads. */
struct acg_place {
	struct acg_node *node;       /* agent or call; NULL: the root */
	struct acg_agent *agent;     /* node's; NULL: the root */
	struct acg_call *call;       /* NULL: not in a call */
	const struct acg_file *file; /* NULL: a directory */
	unsigned int index;
};

static inline uint64_t acg_inode(const struct acg_node *node, unsigned int index)
{
	return (node ? node->id : 0) << 8 | index;
}

/* ENOENT: there is no such agent or call (any more), or no such entry in it. */
int acg_inode_place(const struct acg_registry *registry, uint64_t ino, struct acg_place *ret_place);

/* The node id of an entry by name. ENOENT: there is none. Kernel files are offered as far as the cgroup has them. */
int acg_inode_lookup(const struct acg_registry *registry, const struct acg_place *parent,
		     const char *name, uint64_t *ret_ino);

#endif

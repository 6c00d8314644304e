/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tree is. With nothing but libc, so that what stands in front of each command starts fast. */
#ifndef AGENTCG_TOOLS_TREE_FIND_H
#define AGENTCG_TOOLS_TREE_FIND_H

#include <stdbool.h>

#define ACG_TREE_PLACES 2

/* Where it may be, best first, the rest NULL: $AGENTCG_FS alone if that is set. Borrowed. */
void acg_tree_places(const char *ret_places[static ACG_TREE_PLACES]);

/*
 * $AGENTCG_FS, else whichever of /sys/fs/agentcg and /run/agentcg/fs opens for writing markers or
 * can be read. Static; NULL: there is none.
 */
const char *acg_tree_find(void);

/* False: NULL, or there is nothing like a tree at $AGENTCG_FS. */
bool acg_tree_is_there(const char *root);

#endif

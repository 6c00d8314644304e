/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tree is; see the header. */
#include "tools/tree_find.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *given(void)
{
	const char *root = getenv("AGENTCG_FS");

	return root && *root ? root : NULL;
}

void acg_tree_places(const char *ret_places[static ACG_TREE_PLACES])
{
	const char *root = given();

	ret_places[0] = root ? root : "/sys/fs/agentcg";
	ret_places[1] = root ? NULL : "/run/agentcg/fs";
}

static bool may(const char *root, const char *file, int mode)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", root, file) < (int)sizeof(path) &&
	       access(path, mode) == 0;
}

static bool usable(const char *root)
{
	return may(root, "self/call", W_OK) || may(root, "version", R_OK) ||
	       may(root, "call", W_OK); /* the view of a sandbox */
}

const char *acg_tree_find(void)
{
	const char *places[ACG_TREE_PLACES];

	if (given())
		return given();
	acg_tree_places(places);
	for (unsigned int i = 0; i < ACG_TREE_PLACES; i++)
		if (usable(places[i]))
			return places[i];
	return NULL;
}

bool acg_tree_is_there(const char *root)
{
	return root && usable(root);
}

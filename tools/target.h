/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How people name agents and calls on a command line: AGENT, AGENT/SUB, CALL (of one's own agent, or the only one of that ID),
 * AGENT/CALL.
 */
#ifndef AGENTCG_TOOLS_TARGET_H
#define AGENTCG_TOOLS_TARGET_H

#include "tools/tree_text.h"

struct acg_target {
	char *agent; /* its directory in the tree */
	char *call;  /* ID; NULL: the agent itself is meant */
};

/* ENOENT: no such; EEXIST: several, the words name them. Clear it with acg_target_clear(). */
int acg_target_find(const char *root, const char *name, struct acg_target *ret_target,
		    GError **error);
void acg_target_clear(struct acg_target *target);

/* Calls fn for the directory of each agent of the tree, sub-agents too, by name. */
void acg_target_each_agent(const char *root, void (*fn)(const char *dir, void *data), void *data);

#endif

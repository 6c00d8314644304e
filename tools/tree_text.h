/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree as its users see it: where it is, and its files as text. Without JSON (tools/tree.h), so
 * that what stands in front of each command starts fast.
 */
#ifndef AGENTCG_TOOLS_TREE_TEXT_H
#define AGENTCG_TOOLS_TREE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>

#include "bpf/error.h"

/*
 * $AGENTCG_FS, else whichever of /sys/fs/agentcg and /run/agentcg/fs opens for writing markers or
 * can be read. Static; NULL: there is none.
 */
const char *acg_tree_find(void);

/* False: NULL, or there is nothing like a tree at $AGENTCG_FS. */
bool acg_tree_is_there(const char *root);

/* Says on standard error that there is no tree, and what to do; returns the exit status for it. */
int acg_no_tree(const char *verb);
/* The same for a command line that makes no sense. */
int acg_bad_usage(const char *verb, const GError *error);

/*
 * The text of a file below the tree (path parts end with NULL); free with g_free. NULL with *error
 * set.
 */
char *acg_tree_read(GError **error, const char *root, ...) G_GNUC_NULL_TERMINATED;
char *acg_tree_vread(GError **error, const char *root, va_list parts);

/* Writes text to a file in one write(2). 0 or -errno. */
int acg_tree_write(const char *path, const char *text, GError **error);

/* The directory of an agent, "NAME" or "NAME/SUB": agents/NAME/agents/SUB; free with g_free. */
char *acg_tree_agent(const char *root, const char *agent);

/*
 * Sorted names in a directory below the tree, without files; free with g_ptr_array_unref. Never
 * NULL.
 */
GPtrArray *acg_tree_names(const char *root, const char *sub);

#endif

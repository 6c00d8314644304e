/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree's files as its users see them: as text. As JSON: tools/tree.h. */
#ifndef AGENTCG_TOOLS_TREE_TEXT_H
#define AGENTCG_TOOLS_TREE_TEXT_H

#include <stdarg.h>

#include "bpf/error.h"
#include "tools/tree_find.h"

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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree as its users see it: where it is, and its files as text or JSON. Used by the verbs of agentcg. */
#ifndef AGENTCG_TOOLS_TREE_H
#define AGENTCG_TOOLS_TREE_H

#include <json-glib/json-glib.h>

#include "bpf/error.h"

/* $AGENTCG_FS, else whichever of /sys/fs/agentcg and /run/agentcg/fs opens for writing markers or can be read. Static; NULL: there is none. */
const char *acg_tree_find(void);

/* The text of a file below the tree (path parts end with NULL); free with g_free. NULL with *error set. */
char *acg_tree_read(GError **error, const char *root, ...) G_GNUC_NULL_TERMINATED;

/* One JSON object from a file that holds nothing else; json_object_unref(). NULL with *error set. */
JsonObject *acg_tree_json(GError **error, const char *root, ...) G_GNUC_NULL_TERMINATED;

/* Writes text to a file in one write(2). 0 or -errno. */
int acg_tree_write(const char *path, const char *text, GError **error);

/* Sorted names in a directory below the tree, without files; free with g_ptr_array_unref. Never NULL. */
GPtrArray *acg_tree_names(const char *root, const char *sub);

/* A member that may be null: the fallback then. */
gint64 acg_tree_int(JsonObject *object, const char *member, gint64 fallback);
const char *acg_tree_string(JsonObject *object, const char *member, const char *fallback);

#endif

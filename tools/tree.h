/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree's files as JSON, on top of tools/tree_text.h. Used by the verbs of agentcg. */
#ifndef AGENTCG_TOOLS_TREE_H
#define AGENTCG_TOOLS_TREE_H

#include <json-glib/json-glib.h>

#include "tools/tree_text.h"

/* One JSON object from a file that holds nothing else; json_object_unref(). NULL with *error set. */
JsonObject *acg_tree_json(GError **error, const char *root, ...) G_GNUC_NULL_TERMINATED;

/* A member that may be null: the fallback then. */
gint64 acg_tree_int(JsonObject *object, const char *member, gint64 fallback);
const char *acg_tree_string(JsonObject *object, const char *member, const char *fallback);

#endif

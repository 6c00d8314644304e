/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree as JSON; see the header. */
#include "tools/tree.h"

JsonObject *acg_tree_json(GError **error, const char *root, ...)
{
	g_autofree char *text = NULL;
	g_autoptr(JsonNode) node = NULL;
	va_list parts;

	va_start(parts, root);
	text = acg_tree_vread(error, root, parts);
	va_end(parts);
	if (!text)
		return NULL;
	node = json_from_string(text, error);
	if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
		if (error && !*error)
			acg_fail(error, EINVAL, "no JSON object below %s", root);
		return NULL;
	}
	return json_node_dup_object(node);
}

gint64 acg_tree_int(JsonObject *object, const char *member, gint64 fallback)
{
	JsonNode *node = json_object_get_member(object, member);

	return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_int(node) : fallback;
}

const char *acg_tree_string(JsonObject *object, const char *member, const char *fallback)
{
	JsonNode *node = json_object_get_member(object, member);
	const char *text = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

	return text ? text : fallback;
}

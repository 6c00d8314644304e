/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree from outside; see the header. */
#include "tools/tree.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool usable(const char *root)
{
	g_autofree char *call = g_build_filename(root, "self", "call", NULL);
	g_autofree char *version = g_build_filename(root, "version", NULL);
	g_autofree char *own = g_build_filename(root, "call", NULL); /* the view of a sandbox */

	return access(call, W_OK) == 0 || access(version, R_OK) == 0 || access(own, W_OK) == 0;
}

const char *acg_tree_find(void)
{
	static const char *const places[] = {"/sys/fs/agentcg", "/run/agentcg/fs"};
	const char *given = g_getenv("AGENTCG_FS");

	if (given && *given)
		return given;
	for (unsigned int i = 0; i < G_N_ELEMENTS(places); i++)
		if (usable(places[i]))
			return places[i];
	return NULL;
}

static char *join(const char *root, va_list parts)
{
	GString *path = g_string_new(root);
	const char *part;

	while ((part = va_arg(parts, const char *)))
		g_string_append_printf(path, "/%s", part);
	return g_string_free(path, FALSE);
}

/* Sizes are 0 in the tree, as in cgroupfs: read to the end. */
static char *read_path(const char *path, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[64 * 1024];
	ssize_t n;
	int saved;

	if (fd < 0) {
		acg_fail_errno(error, errno, "%s", path);
		return NULL;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(text, buf, n);
	saved = errno;
	close(fd);
	if (n < 0) {
		acg_fail_errno(error, saved, "%s", path);
		return NULL;
	}
	return g_string_free(g_steal_pointer(&text), FALSE);
}

char *acg_tree_read(GError **error, const char *root, ...)
{
	g_autofree char *path = NULL;
	va_list parts;

	va_start(parts, root);
	path = join(root, parts);
	va_end(parts);
	return read_path(path, error);
}

JsonObject *acg_tree_json(GError **error, const char *root, ...)
{
	g_autofree char *path = NULL, *text = NULL;
	g_autoptr(JsonNode) node = NULL;
	va_list parts;

	va_start(parts, root);
	path = join(root, parts);
	va_end(parts);
	text = read_path(path, error);
	if (!text)
		return NULL;
	node = json_from_string(text, error);
	if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
		if (error && !*error)
			acg_fail(error, EINVAL, "%s holds no JSON object", path);
		return NULL;
	}
	return json_node_dup_object(node);
}

int acg_tree_write(const char *path, const char *text, GError **error)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int saved;

	if (fd < 0)
		return acg_fail_errno(error, errno, "%s", path);
	n = write(fd, text, strlen(text));
	saved = errno;
	close(fd);
	return n < 0 ? acg_fail_errno(error, saved, "%s", path) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *acg_tree_names(const char *root, const char *sub)
{
	g_autofree char *path = g_build_filename(root, sub, NULL);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		g_ptr_array_add(names, g_strdup(name));
	if (dir)
		g_dir_close(dir);
	g_ptr_array_sort(names, compare_names);
	return names;
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

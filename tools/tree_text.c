/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tree as text; see the header. */
#include "tools/tree_text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/verbs.h"

int acg_no_tree(const char *verb)
{
	const char *given = g_getenv("AGENTCG_FS");

	fprintf(stderr,
		"agentcg %s: no tree at %s%s: is agentcgd running? (agentcg doctor says more)\n",
		verb, given && *given ? given : "/sys/fs/agentcg or /run/agentcg/fs",
		given && *given ? ", which is $AGENTCG_FS" : "");
	return 1;
}

int acg_bad_usage(const char *verb, const GError *error)
{
	fprintf(stderr, "agentcg %s: %s; see agentcg %s --help\n", verb, error->message, verb);
	return ACG_EXIT_USAGE;
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

char *acg_tree_vread(GError **error, const char *root, va_list parts)
{
	g_autofree char *path = join(root, parts);

	return read_path(path, error);
}

char *acg_tree_read(GError **error, const char *root, ...)
{
	va_list parts;
	char *text;

	va_start(parts, root);
	text = acg_tree_vread(error, root, parts);
	va_end(parts);
	return text;
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

char *acg_tree_agent(const char *root, const char *agent)
{
	GString *path = g_string_new(root);
	g_auto(GStrv) names = g_strsplit(agent, "/", -1);

	for (unsigned int i = 0; names[i]; i++)
		g_string_append_printf(path, "/agents/%s", names[i]);
	return g_string_free(path, FALSE);
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

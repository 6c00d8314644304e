/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The record of tool calls that hooks saw; see the header. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/hook.h"

#define RECORD_MAX (512 * 1024) /* bytes of each of two files */

/* A directory of ours alone; NULL: somebody else was there first. */
static char *record_dir(bool make)
{
	const char *runtime = g_getenv("XDG_RUNTIME_DIR");
	g_autofree char *dir = runtime && *runtime
				       ? g_build_filename(runtime, "agentcg", NULL)
				       : g_strdup_printf("/tmp/agentcg-%u", (unsigned int)getuid());
	struct stat st;

	if (make && mkdir(dir, 0700) < 0 && errno != EEXIST)
		return NULL;
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
	    (st.st_mode & 022))
		return NULL;
	return g_steal_pointer(&dir);
}

void acg_hook_record(JsonObject *line)
{
	g_autofree char *dir = record_dir(true);
	g_autofree char *path = dir ? g_build_filename(dir, "hooks.jsonl", NULL) : NULL;
	g_autofree char *older = dir ? g_build_filename(dir, "hooks.jsonl.1", NULL) : NULL;
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), line);
	g_autofree char *text = json_to_string(node, FALSE);
	g_autofree char *whole = g_strconcat(text, "\n", NULL);
	struct stat st;
	int fd;

	if (!path)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	if (write(fd, whole, strlen(whole)) > 0 && fstat(fd, &st) == 0 && st.st_size > RECORD_MAX)
		rename(path, older);
	close(fd);
}

static void read_records(const char *dir, const char *name, GPtrArray *records)
{
	g_autofree char *path = g_build_filename(dir, name, NULL), *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		g_autoptr(JsonNode) node = **line ? json_from_string(*line, NULL) : NULL;

		if (node && JSON_NODE_HOLDS_OBJECT(node))
			g_ptr_array_add(records, json_node_dup_object(node));
	}
}

GPtrArray *acg_hook_records(void)
{
	GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
	g_autofree char *dir = record_dir(false);

	if (dir) {
		read_records(dir, "hooks.jsonl.1", records);
		read_records(dir, "hooks.jsonl", records);
	}
	return records;
}

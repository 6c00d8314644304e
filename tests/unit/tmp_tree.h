/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder of a test's own: files in it stand for those of a cgroup, or of /etc. */
#ifndef AGENTCG_TESTS_UNIT_TMP_TREE_H
#define AGENTCG_TESTS_UNIT_TMP_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static inline char *tmp_new(void)
{
	char *dir = g_dir_make_tmp("agentcg-test-XXXXXX", NULL);

	assert_non_null(dir);
	return dir;
}

static inline void tmp_write(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* What a file holds; "" if there is none. Free with g_free. */
static inline char *tmp_read(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

static inline void assert_file(const char *dir, const char *name, const char *text)
{
	g_autofree char *holds = tmp_read(dir, name);

	assert_string_equal(holds, text);
}

static inline void tmp_mkdir(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	assert_int_equal(g_mkdir(path, 0755), 0);
}

static inline int tmp_open(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* Removes the folder with all in it and frees its name. */
static inline void tmp_free(char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		char *below = g_build_filename(path, name, NULL);

		if (g_file_test(below, G_FILE_TEST_IS_DIR)) {
			tmp_free(below);
		} else {
			g_unlink(below);
			g_free(below);
		}
	}
	g_clear_pointer(&dir, g_dir_close);
	assert_int_equal(g_rmdir(path), 0);
	g_free(path);
}

#endif

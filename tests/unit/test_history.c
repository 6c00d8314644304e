/* SPDX-License-Identifier: GPL-2.0-or-later */
/* History files: rotation, bounds, torn lines, names that would like to be somebody else's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/history.h"

struct fixture {
	char *dir; /* RUN_DIR */
	struct acg_history *history;
};

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	g_autofree char *top = g_dir_make_tmp("agentcg-history-XXXXXX", NULL);

	f->dir = g_build_filename(top, "run", NULL); /* missing yet */
	*state = f;
	return acg_history_open(f->dir, &f->history, NULL);
}

static void remove_files(const char *path)
{
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *file = g_build_filename(path, name, NULL);

		unlink(file);
	}
	rmdir(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	g_autofree char *files = g_build_filename(f->dir, "history", NULL);
	g_autofree char *top = g_path_get_dirname(f->dir);

	acg_history_close(f->history);
	remove_files(files);
	remove_files(f->dir);
	remove_files(top);
	g_free(f->dir);
	g_free(f);
	return 0;
}

static char *path_of(const struct fixture *f, const char *name)
{
	return g_build_filename(f->dir, "history", name, NULL);
}

static off_t size_of(const struct fixture *f, const char *name)
{
	g_autofree char *path = path_of(f, name);
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void append(struct fixture *f, const char *agent, const char *line, uint64_t max)
{
	g_autoptr(GError) error = NULL;

	if (acg_history_append(f->history, agent, line, max, &error) != 0)
		fail_msg("%s", error->message);
}

static void assert_text(struct fixture *f, const char *agent, const char *expected)
{
	g_autoptr(GString) out = g_string_new("before:");

	assert_int_equal(acg_history_read(f->history, agent, out, NULL), 0);
	assert_string_equal(out->str + strlen("before:"), expected);
}

static void test_append_and_read(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = path_of(f, "alpha.jsonl");
	struct stat st;

	assert_text(f, "alpha", "");
	append(f, "alpha", "{\"id\":1}", UINT64_MAX);
	append(f, "alpha", "{\"id\":2}", 4096);
	append(f, "beta", "{\"id\":3}", 4096);
	assert_text(f, "alpha", "{\"id\":1}\n{\"id\":2}\n");
	assert_text(f, "beta", "{\"id\":3}\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	acg_history_remove(f->history, "alpha");
	assert_text(f, "alpha", "");
	assert_int_equal(size_of(f, "alpha.jsonl"), -1);
	assert_text(f, "beta", "{\"id\":3}\n");
}

static void test_opened_again(void **state)
{
	struct fixture *f = *state;

	append(f, "alpha", "one", 4096);
	acg_history_close(f->history);
	assert_int_equal(acg_history_open(f->dir, &f->history, NULL), 0);
	append(f, "alpha", "two", 4096);
	assert_text(f, "alpha", "one\ntwo\n");
}

static void test_rotation(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		char line[16];

		snprintf(line, sizeof(line), "line %04d", i); /* ten bytes with the newline */
		append(f, "alpha", line, 65);                 /* so three in a file */
		assert_true(size_of(f, "alpha.jsonl") <= 30);
		assert_true(size_of(f, "alpha.jsonl.1") <= 30);
	}
	assert_text(f, "alpha", "line 0096\nline 0097\nline 0098\nline 0099\n");
	acg_history_remove(f->history, "alpha");
	assert_text(f, "alpha", "");
	assert_int_equal(size_of(f, "alpha.jsonl.1"), -1);
}

static void test_bounds(void **state)
{
	struct fixture *f = *state;
	g_autofree char *long_line = g_strnfill(100000, 'x');
	g_autoptr(GError) error = NULL;

	append(f, "alpha", "nothing is kept", 0);
	assert_text(f, "alpha", "");
	append(f, "alpha", "kept", 10);
	assert_int_equal(acg_history_append(f->history, "alpha", "12345", 11, &error), -EFBIG);
	assert_int_equal(error->code, EFBIG);
	assert_int_equal(acg_history_append(f->history, "alpha", "", 1, NULL), -EFBIG);
	assert_int_equal(acg_history_append(f->history, "alpha", long_line, 200001, NULL), -EFBIG);
	assert_text(f, "alpha", "kept\n");
	append(f, "alpha", long_line, 200002);
	assert_int_equal(size_of(f, "alpha.jsonl"), 100001);
	append(f, "alpha", "after a bound was lowered", 60);
	assert_int_equal(size_of(f, "alpha.jsonl"), 26);
}

/* What a writer that was killed left behind: the next line does not go on where it stopped. */
static void test_torn_line(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = path_of(f, "alpha.jsonl");
	g_autofree char *torn = g_strconcat("{\"id\":1}\n{\"id\":2}\n", "{\"id\":3,\"comm", NULL);
	g_autofree char *very = g_strnfill(10000, 'x');

	assert_true(g_file_set_contents(path, torn, -1, NULL));
	assert_text(f, "alpha", "{\"id\":1}\n{\"id\":2}\n");
	append(f, "alpha", "{\"id\":4}", 4096);
	assert_text(f, "alpha", "{\"id\":1}\n{\"id\":2}\n{\"id\":4}\n");

	assert_true(g_file_set_contents(path, very, -1, NULL)); /* longer than one look back */
	assert_text(f, "alpha", "");
	append(f, "alpha", "{\"id\":5}", 40000);
	assert_text(f, "alpha", "{\"id\":5}\n");
	assert_int_equal(size_of(f, "alpha.jsonl"), 9);
}

/* A file system that is full in the middle of a line, as RLIMIT_FSIZE plays it. */
static void test_no_room(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, tight;
	g_autoptr(GError) error = NULL;
	int ret;

	append(f, "alpha", "first", 4096);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = (struct rlimit){.rlim_cur = 10, .rlim_max = old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
	ret = acg_history_append(f->history, "alpha", "second", 4096, &error);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(ret, -ENOSPC);
	assert_int_equal(error->code, ENOSPC);
	assert_int_equal(size_of(f, "alpha.jsonl"), 6);
	append(f, "alpha", "third", 4096);
	assert_text(f, "alpha", "first\nthird\n");
}

/* Agents whose names look like files of others, or are too long for a file. */
static void test_names(void **state)
{
	struct fixture *f = *state;
	g_autofree char *part = g_strnfill(64, 'n');
	g_autofree char *deep = g_strjoin("/", part, part, part, part, part, NULL);
	g_autofree char *deeper = g_strconcat(deep, "/x", NULL);
	const char *const names[] = {"a",       "a.1", "a.jsonl", "a.jsonl.1", "a/1",
				     "a/jsonl", "a:1", "a-1",     deep,        deeper};

	for (unsigned int round = 0; round < 3; round++) /* twice past rotation */
		for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
			char line[8];

			snprintf(line, sizeof(line), "%u.%u", i, round);
			append(f, names[i], line, 8);
		}
	for (unsigned int i = 0; i < G_N_ELEMENTS(names); i++) {
		char expected[16];

		snprintf(expected, sizeof(expected), "%u.1\n%u.2\n", i, i);
		assert_text(f, names[i], expected);
	}
	assert_int_equal(size_of(f, "a+1.jsonl"), 4);
}

static void test_no_link_is_followed(void **state)
{
	struct fixture *f = *state;
	g_autofree char *link = path_of(f, "alpha.jsonl");
	g_autofree char *target = path_of(f, "target");

	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(acg_history_append(f->history, "alpha", "line", 4096, NULL), -ELOOP);
	assert_int_equal(size_of(f, "target"), -1);
}

static void test_open_fails(void **state)
{
	struct acg_history *history = (void *)state;
	g_autoptr(GError) error = NULL;

	assert_int_equal(acg_history_open("/dev/null", &history, &error), -ENOTDIR);
	assert_int_equal(error->code, ENOTDIR);
	assert_ptr_equal(history, (void *)state);
}

/* What a restart reads: the last lines of both files, whole. */
static void the_tail(void **state)
{
	struct fixture *f = *state;
	g_autofree char *filler = g_strnfill(990, 'x');

	for (unsigned int i = 0; i < 500; i++) {
		g_autofree char *line = g_strdup_printf("%u %s", i, filler);

		assert_int_equal(acg_history_append(f->history, "a", line, 400 * 1024, NULL), 0);
	}
	for (unsigned int n = 0; n <= 64; n += 16) {
		g_autoptr(GString) out = g_string_new(NULL);
		g_auto(GStrv) lines = NULL;

		assert_int_equal(acg_history_tail(f->history, "a", n, out, NULL), 0);
		lines = g_strsplit(out->str, "\n", -1);
		assert_int_equal(g_strv_length(lines), n ? n + 1 : 0);
		for (unsigned int i = 0; i < n; i++)
			assert_int_equal(atoi(lines[i]), 500 - n + i);
	}
	{
		g_autoptr(GString) out = g_string_new(NULL);

		assert_int_equal(acg_history_tail(f->history, "nobody", 64, out, NULL), 0);
		assert_int_equal(out->len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_append_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_opened_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_link_is_followed, setup, teardown),
		cmocka_unit_test(test_open_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

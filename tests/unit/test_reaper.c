/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that removes ended calls' cgroups: all of them, in the end, and a small rest of page cache first. */
#include "tests/unit/tmp_tree.h"

#include "policy/reaper.h"

/* Takes `name` out of the folder in the background; its descriptor goes to the reaper. */
static void push(struct acg_reaper *reaper, const char *dir, int dirfd, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	acg_reaper_push(reaper, dirfd, tmp_open(path), name);
}

static bool is_there(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void all_go_without_being_waited_for(void **state)
{
	char *dir = tmp_new();
	int dirfd = tmp_open(dir);
	struct acg_reaper *reaper = acg_reaper_new(false);

	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("call-%u", i);

		tmp_mkdir(dir, name);
		push(reaper, dir, dirfd, name);
	}
	/* by itself, however long the machine takes */
	for (unsigned int i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("call-%u", i);

		while (is_there(dir, name))
			g_usleep(1000);
	}
	acg_reaper_free(reaper);
	close(dirfd);
	tmp_free(dir);
}

static void a_flush_and_the_end_remove_what_is_queued(void **state)
{
	char *dir = tmp_new();
	int dirfd = tmp_open(dir);

	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		struct acg_reaper *reaper = acg_reaper_new(i % 2);

		tmp_mkdir(dir, "call-a");
		tmp_mkdir(dir, "call-b");
		push(reaper, dir, dirfd, "call-a");
		acg_reaper_flush(reaper);
		assert_false(is_there(dir, "call-a")); /* its name can be used again */
		push(reaper, dir, dirfd, "call-b");
		acg_reaper_free(reaper);
		assert_false(is_there(dir, "call-b"));
	}
	close(dirfd);
	tmp_free(dir);
}

/* What is in a folder keeps it from being removed: here only the files that are read and written first matter. */
static void a_small_rest_is_reclaimed_and_a_large_one_left(void **state)
{
	static const struct {
		const char *current;
		const char *reclaimed;
	} table[] = {
		{"4096\n", "4096"},
		{"1048576\n", "1048576"},
		{"1048577\n", "-"},
		{"0\n", "-"},
	};
	char *dir = tmp_new();
	int dirfd = tmp_open(dir);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_reaper *reaper = acg_reaper_new(true);
		g_autofree char *name = g_strdup_printf("call-%u", i);
		g_autofree char *path = g_build_filename(dir, name, NULL);

		tmp_mkdir(dir, name);
		tmp_write(path, "memory.current", table[i].current);
		tmp_write(path, "memory.reclaim", "-");
		push(reaper, dir, dirfd, name);
		tmp_mkdir(dir, "next"); /* when this one is gone, the first was dealt with */
		push(reaper, dir, dirfd, "next");
		while (is_there(dir, "next"))
			g_usleep(1000);
		assert_file(path, "memory.reclaim", table[i].reclaimed);
		acg_reaper_free(reaper);
	}
	close(dirfd);
	tmp_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_go_without_being_waited_for),
		cmocka_unit_test(a_flush_and_the_end_remove_what_is_queued),
		cmocka_unit_test(a_small_rest_is_reclaimed_and_a_large_one_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

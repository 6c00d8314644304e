/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread that removes ended calls' cgroups: all of them, in the end. */
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
	struct acg_reaper *reaper = acg_reaper_new(dirfd, false);

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
		struct acg_reaper *reaper = acg_reaper_new(dirfd, i % 2);

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

/* An agent goes while another one's memory is still to be asked back. */
static void a_flush_drops_no_reclaim(void **state)
{
	char *dir = tmp_new();
	int dirfd = tmp_open(dir);
	g_autofree char *file = g_build_filename(dir, "memory.reclaim", NULL);
	struct acg_reaper *reaper = acg_reaper_new(dirfd, true);
	struct stat st = {0};

	(void)state;
	tmp_write(dir, "memory.reclaim", "");
	tmp_mkdir(dir, "call-a");
	acg_reaper_reclaim(reaper, dirfd, 4096);
	push(reaper, dir, dirfd, "call-a");
	acg_reaper_flush(reaper);
	assert_false(is_there(dir, "call-a"));
	for (unsigned int i = 0; i < 10000 && !st.st_size; i++) {
		assert_int_equal(stat(file, &st), 0);
		g_usleep(1000);
	}
	assert_int_equal(st.st_size, strlen("4096"));
	acg_reaper_free(reaper);
	close(dirfd);
	tmp_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_go_without_being_waited_for),
		cmocka_unit_test(a_flush_and_the_end_remove_what_is_queued),
		cmocka_unit_test(a_flush_drops_no_reclaim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of an ended call's page cache is asked back, and of what is dying. */
#include "tests/unit/tmp_tree.h"

#include "policy/reclaim.h"

#define MIB (1024 * 1024)

/* The last request that is seen is that for what eight MiB at a time leave. */
static void a_small_rest_goes_and_a_large_one_only_if_many_are_dying(void **state)
{
	static const struct {
		uint64_t file, shmem, dying;
		const char *last;
	} table[] = {
		{4096, 0, 0, "4096 swappiness=0"},
		{MIB, 4096, 0, "1044480 swappiness=0"},
		{MIB, MIB, 0, "-"},
		{4096, MIB, 0, "-"}, /* counters that lag behind */
		{0, 0, 100, "-"},
		{11 * MIB, 0, 63, "3145728 swappiness=0"},
		{16 * MIB, 0, 0, "8388608 swappiness=0"},
		{16 * MIB + 4096, 0, 63, "-"},
		{17 * MIB, 0, 64, "1048576 swappiness=0"},
		{256 * MIB, 0, 1000, "8388608 swappiness=0"},
		{256 * MIB + 4096, 0, 1000, "-"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *stat = g_strdup_printf("anon 5\nfile %" G_GUINT64_FORMAT
							"\nkernel 9\nshmem %" G_GUINT64_FORMAT "\n",
							table[i].file, table[i].shmem);
		char *dir = tmp_new();
		int dirfd = tmp_open(dir);

		tmp_write(dir, "memory.stat", stat);
		tmp_write(dir, "memory.reclaim", "-");
		acg_reclaim_rest(dirfd, table[i].dying);
		assert_file(dir, "memory.reclaim", table[i].last);
		close(dirfd);
		tmp_free(dir);
	}
}

static void little_is_asked_of_what_is_dying(void **state)
{
	static const struct {
		const char *stat, *request;
		uint64_t dying;
		unsigned int times;
	} table[] = {
		{"nr_descendants 3\nnr_dying_descendants 0\n", "-", 0, 1},
		{"nr_descendants 3\nnr_dying_descendants 1\n", "131072 swappiness=0", 1, 1},
		{"nr_descendants 3\nnr_dying_descendants 1\n", "524288 swappiness=0", 1, 4},
		{"nr_descendants 3\nnr_dying_descendants 100\n", "1638400 swappiness=0", 100, 1},
		{"nr_descendants 3\nnr_dying_descendants 100\n", "4194304 swappiness=0", 100, 64},
		{"nr_descendants 3\nnr_dying_descendants 90000\n", "4194304 swappiness=0", 90000, 1},
		{"nr_descendants 3\n", "-", 0, 1},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		char *dir = tmp_new();
		int dirfd = tmp_open(dir);

		tmp_write(dir, "cgroup.stat", table[i].stat);
		tmp_write(dir, "memory.reclaim", "-");
		assert_int_equal(acg_reclaim_dying(dirfd), table[i].dying);
		assert_false(acg_reclaim_scrape(dirfd, table[i].times)); /* a file does not die */
		assert_file(dir, "memory.reclaim", table[i].request);
		close(dirfd);
		tmp_free(dir);
	}
}

static void no_memory_controller_is_no_fault(void **state)
{
	char *dir = tmp_new();
	int dirfd = tmp_open(dir);

	(void)state;
	acg_reclaim_rest(dirfd, 0);
	assert_false(acg_reclaim_scrape(dirfd, 1));
	close(dirfd);
	tmp_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_rest_goes_and_a_large_one_only_if_many_are_dying),
		cmocka_unit_test(little_is_asked_of_what_is_dying),
		cmocka_unit_test(no_memory_controller_is_no_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

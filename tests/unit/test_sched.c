/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scheduler's user space, as far as it needs no kernel: sums over a cgroup's tree, names,
 * words, when it is tried again, and what `status` says without BPF. What it schedules is tested in
 * guests (tests/vm).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <glib/gstdio.h>
#include <string.h>

#include "bpf/sched.h"
#include "policy/enforcer.h"
#include "policy/sched_retry.h"

/*
 * root (0) -+- 2: agent -+- 3: call - 5: nested           4: was removed
 *           `- 6: another `- 7: self						1: the root's tasks
 */
static const struct acg_sched_place table[] = {
	[1] = {.cgroup = 1, .figures = {100, 100, 100, 100}},
	[2] = {.cgroup = 20, .parent = 0, .figures = {1, 2, 3, 4}},
	[3] = {.cgroup = 30, .parent = 2, .figures = {10, 20, 30, 40}},
	[4] = {.cgroup = 0, .parent = 2, .figures = {7, 7, 7, 7}},
	[5] = {.cgroup = 50, .parent = 3, .figures = {1000, 2000, 3000, 4000}},
	[6] = {.cgroup = 60, .parent = 0, .figures = {5, 5, 5, 5}},
	[7] = {.cgroup = 70, .parent = 2, .figures = {100000, 200000, 300000, 400000}},
};

static void test_sum_is_of_the_whole_tree(void **state)
{
	struct acg_sched_figures sum;

	(void)state;
	assert_true(acg_sched_sum(table, G_N_ELEMENTS(table), 20, &sum));
	assert_int_equal(sum.run_ns, 101011);
	assert_int_equal(sum.wait_ns, 202022);
	assert_int_equal(sum.slices, 303033);
	assert_int_equal(sum.preemptions, 404044);
	assert_true(acg_sched_sum(table, G_N_ELEMENTS(table), 30, &sum));
	assert_int_equal(sum.run_ns, 1010);
	assert_true(acg_sched_sum(table, G_N_ELEMENTS(table), 60, &sum));
	assert_int_equal(sum.run_ns, 5);
}

static void test_unknown_cgroup_leaves_the_output(void **state)
{
	struct acg_sched_figures sum = {.run_ns = 42};

	(void)state;
	assert_false(acg_sched_sum(table, G_N_ELEMENTS(table), 99, &sum));
	assert_false(acg_sched_sum(table, G_N_ELEMENTS(table), 0, &sum));
	assert_false(acg_sched_sum(table, 3, 50, &sum));
	assert_int_equal(sum.run_ns, 42);
}

/* The kernel changes the table while it is read. */
static void test_loop_in_the_table_ends(void **state)
{
	const struct acg_sched_place loop[] = {
		[1] = {.cgroup = 1, .parent = 2},
		[2] = {.cgroup = 2, .parent = 1},
		[3] = {.cgroup = 3, .parent = 7},
		[4] = {.cgroup = 4, .parent = 0, .figures = {1, 1, 1, 1}},
	};
	struct acg_sched_figures sum;

	(void)state;
	assert_true(acg_sched_sum(loop, G_N_ELEMENTS(loop), 4, &sum));
	assert_int_equal(sum.run_ns, 1);
}

static void test_every_counter_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ACG_SCHED_N_COUNTERS; i++) {
		assert_non_null(acg_sched_counter_name(i));
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(acg_sched_counter_name(i),
						acg_sched_counter_name(j));
	}
}

static void check_words(const char *reason, const char *message, const char *want)
{
	struct acg_sched_exit record = {0};
	g_autofree char *words = NULL;

	memcpy(record.reason, reason, strlen(reason));
	memcpy(record.message, message, strlen(message));
	words = acg_sched_exit_words(&record);
	assert_string_equal(words, want);
}

static void test_exit_words(void **state)
{
	char full[ACG_SCHED_WORDS];
	struct acg_sched_exit record = {0};
	g_autofree char *words = NULL;

	(void)state;
	check_words("runnable task stall", "sleep[4] failed to run for 30.1s",
		    "runnable task stall: sleep[4] failed to run for 30.1s");
	check_words("disabled by sysrq-S", "", "disabled by sysrq-S");
	check_words("", "", "no reason given");
	check_words("a\nb", "c\td", "a b: c d"); /* one line of `status` */
	check_words("\xff", "", "\xef\xbf\xbd");
	memset(full, 'x', sizeof(full)); /* without the byte that ends it */
	memcpy(record.reason, full, sizeof(full));
	words = acg_sched_exit_words(&record);
	assert_int_equal(strlen(words), ACG_SCHED_WORDS);
}

static void test_loaded_name(void **state)
{
	g_autofree char *dir = g_dir_make_tmp("agentcg-sched-XXXXXX", NULL);
	g_autofree char *root = g_build_filename(dir, "root", NULL);
	g_autofree char *ops = g_build_filename(root, "ops", NULL);
	g_autofree char *name = NULL;

	(void)state;
	assert_null(acg_sched_loaded_name(dir));
	assert_int_equal(g_mkdir(root, 0700), 0);
	assert_true(g_file_set_contents(ops, "flatcg\n", -1, NULL));
	name = acg_sched_loaded_name(dir);
	assert_string_equal(name, "flatcg");
	g_unlink(ops);
	g_rmdir(root);
	g_rmdir(dir);
}

static void test_uevents(void **state)
{
	static const char gone[] = "remove@/kernel/sched_ext/root\0ACTION=remove";
	static const char come[] = "add@/kernel/sched_ext/root\0ACTION=add";
	static const char other[] = "remove@/kernel/sched_ext/rooted\0ACTION=remove";

	(void)state;
	assert_true(acg_sched_is_leaving(gone, sizeof(gone)));
	assert_false(acg_sched_is_leaving(come, sizeof(come)));
	assert_false(acg_sched_is_leaving(other, sizeof(other)));
	assert_false(acg_sched_is_leaving(gone, 10));
}

static void test_waits_grow_and_end(void **state)
{
	struct acg_sched_retry retry = {0};
	int64_t second = G_USEC_PER_SEC;

	(void)state;
	assert_int_equal(acg_sched_retry_failed(&retry, 0), 1 * second);
	assert_int_equal(acg_sched_retry_failed(&retry, 0), 4 * second);
	assert_int_equal(acg_sched_retry_failed(&retry, 0), 16 * second);
	assert_int_equal(acg_sched_retry_failed(&retry, 0), 64 * second);
	assert_int_equal(acg_sched_retry_failed(&retry, 0), -1);
}

static void test_long_run_clears_the_record(void **state)
{
	struct acg_sched_retry retry = {0};
	int64_t second = G_USEC_PER_SEC;

	(void)state;
	acg_sched_retry_failed(&retry, 0);
	acg_sched_retry_loaded(&retry, second);
	/* it did not run for long: the second failure in a row */
	assert_int_equal(acg_sched_retry_failed(&retry, 2 * second), 4 * second);
	acg_sched_retry_loaded(&retry, 6 * second);
	assert_int_equal(acg_sched_retry_failed(&retry, 6 * second + ACG_SCHED_PROVEN), 1 * second);
}

static void check_status(enum acg_switch want, const char *state)
{
	struct acg_enforcer *enforcer = acg_enforcer_sched_new(NULL, "no BPF here");
	struct acg_policy *policy = acg_policy_new_default();
	g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(struct acg_mechanism));
	struct acg_mechanism *row;

	policy->sched = want;
	enforcer->ops->policy(enforcer, policy);
	enforcer->ops->status(enforcer, rows);
	assert_int_equal(rows->len, 1);
	row = &g_array_index(rows, struct acg_mechanism, 0);
	assert_string_equal(row->name, "sched_ext");
	assert_string_equal(row->state, state);
	assert_string_equal(row->reason, "no BPF here");
	g_free(row->reason);
	enforcer->ops->free(enforcer);
	acg_policy_unref(policy);
}

static void test_status_without_bpf(void **state)
{
	(void)state;
	check_status(ACG_SWITCH_AUTO, "off");
	check_status(ACG_SWITCH_OFF, "off");
	check_status(ACG_SWITCH_ON, "degraded"); /* asked for, and missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum_is_of_the_whole_tree),
		cmocka_unit_test(test_unknown_cgroup_leaves_the_output),
		cmocka_unit_test(test_loop_in_the_table_ends),
		cmocka_unit_test(test_every_counter_has_a_name_of_its_own),
		cmocka_unit_test(test_exit_words),
		cmocka_unit_test(test_loaded_name),
		cmocka_unit_test(test_uevents),
		cmocka_unit_test(test_waits_grow_and_end),
		cmocka_unit_test(test_long_run_clears_the_record),
		cmocka_unit_test(test_status_without_bpf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

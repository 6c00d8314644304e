/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory programs as far as they can be tested without a kernel that has memcg_bpf_ops: how long a charge is
 * delayed, and the value by which the struct_ops are attached.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "bpf/memcg_delay.h"

#define MIB (1024 * 1024ULL)

/* A call half a grant above its grant, in a budget of which 98 % are held, growing fast: the longest delay. */
static const struct acg_delay worst = {
	.usage = 150 * MIB,
	.grant = 100 * MIB,
	.growth = 1000 * MIB,
	.held = 980 * MIB,
	.limit = 1000 * MIB,
	.low_percent = 80,
	.high_percent = 90,
	.max_ms = 100,
};

static void test_none_while_memory_is_free(void **state)
{
	struct acg_delay in = worst;

	(void)state;
	in.held = 900 * MIB;
	assert_int_equal(acg_delay_wanted(&in), 0);
	in.held = 0;
	assert_int_equal(acg_delay_wanted(&in), 0);
	in.gap = 2;
	in.held = 800 * MIB;
	assert_int_equal(acg_delay_wanted(&in), 0);
	in.held = 801 * MIB;
	assert_true(acg_delay_wanted(&in) > 0);
	in.limit = ~0ULL;
	assert_int_equal(acg_delay_wanted(&in), 0);
}

static void test_worst_is_the_longest(void **state)
{
	struct acg_delay in = worst;

	(void)state;
	assert_int_equal(acg_delay_wanted(&in), 100 * ACG_NS_PER_MS);
	in.max_ms = 2000;
	assert_int_equal(acg_delay_wanted(&in), 2000 * ACG_NS_PER_MS);
	in.held = in.limit * 2;
	assert_int_equal(acg_delay_wanted(&in), 2000 * ACG_NS_PER_MS);
}

/* Each factor alone makes the delay longer. */
static void test_grows_with_each_factor(void **state)
{
	struct acg_delay less = worst, more = worst;

	(void)state;
	less.held = 930 * MIB;
	more.held = 960 * MIB;
	assert_true(acg_delay_wanted(&less) < acg_delay_wanted(&more));
	less = more = worst;
	less.usage = 90 * MIB;
	more.usage = 120 * MIB;
	assert_true(acg_delay_wanted(&less) > 0);
	assert_true(acg_delay_wanted(&less) < acg_delay_wanted(&more));
	less = more = worst;
	less.growth = 6 * MIB;
	more.growth = 12 * MIB;
	assert_true(acg_delay_wanted(&less) < acg_delay_wanted(&more));
	less = more = worst;
	less.usage = more.usage = 10 * MIB;
	assert_int_equal(acg_delay_wanted(&less), 0);
	more.gap = 1;
	assert_true(acg_delay_wanted(&more) > 0);
	less = more;
	more.gap = 2;
	assert_true(acg_delay_wanted(&less) < acg_delay_wanted(&more));
}

/* Beside a higher priority a delay must not end itself by working: what the others want counts, and little is enough. */
static void test_demand_of_the_higher_counts(void **state)
{
	struct acg_delay slow = worst, wanted = worst;

	(void)state;
	slow.gap = wanted.gap = 2;
	slow.held = wanted.held = 900 * MIB;
	slow.growth = wanted.growth = 1 * MIB;
	wanted.demand = 100 * MIB;
	assert_int_equal(acg_delay_wanted(&slow), 50 * ACG_NS_PER_MS);
	assert_int_equal(acg_delay_wanted(&wanted), 100 * ACG_NS_PER_MS);
	slow.gap = wanted.gap = 0;
	slow.held = wanted.held = 950 * MIB;
	assert_true(acg_delay_wanted(&slow) > 0);
	assert_int_equal(acg_delay_wanted(&slow), acg_delay_wanted(&wanted));
}

/* Who has lower ones beside it waits only when all but nothing is left. */
static void test_higher_yields_late(void **state)
{
	struct acg_delay in = worst;

	(void)state;
	in.yields = 1;
	assert_int_equal(acg_delay_wanted(&in), 0);
	in.held = 995 * MIB;
	assert_true(acg_delay_wanted(&in) > 0);
}

static void test_no_grant_no_share(void **state)
{
	struct acg_delay in = worst;

	(void)state;
	in.grant = ~0ULL;
	assert_int_equal(acg_delay_wanted(&in), 0);
	in.gap = 2;
	assert_int_equal(acg_delay_wanted(&in), 100 * ACG_NS_PER_MS);
}

/* Short delays are saved up until the kernel sleeps them: none is lost. */
static void test_short_delays_are_saved_up(void **state)
{
	__u64 owed = 0, credit = ACG_DELAY_CREDIT_NS, slept = 0;
	int i;

	(void)state;
	for (i = 0; i < 120; i++) {
		__u64 delay = acg_delay_take(ACG_NS_PER_MS, 100, &owed, &credit);

		assert_true(delay == 0 || delay >= ACG_DELAY_LEAST_NS);
		slept += delay;
	}
	assert_int_equal(slept + owed, 120 * ACG_NS_PER_MS);
	assert_true(owed < ACG_DELAY_LEAST_NS);
}

/* However much is wanted: the time slept is no more than the progress would have taken at the least pace. */
static void test_progress_is_kept(void **state)
{
	const __u64 steps[] = {4096, 64 * 1024, 256 * 1024, 2 * MIB};
	const __u64 pace = MIB;
	unsigned int i, j;

	(void)state;
	for (j = 0; j < sizeof(steps) / sizeof(steps[0]); j++) {
		__u64 owed = 0, credit = 0, slept = 0;

		for (i = 0; i < 1000; i++) {
			credit += acg_delay_earned(steps[j], pace);
			if (credit > ACG_DELAY_CREDIT_NS)
				credit = ACG_DELAY_CREDIT_NS;
			slept += acg_delay_take(2000 * ACG_NS_PER_MS, 2000, &owed, &credit);
		}
		assert_true(slept > 0);
		assert_true(slept / ACG_NS_PER_MS <= steps[j] * 1000 * 1000 / pace);
	}
}

static void test_delay_is_bounded(void **state)
{
	__u64 owed = 5000 * ACG_NS_PER_MS, credit = ACG_DELAY_CREDIT_NS;

	(void)state;
	assert_int_equal(acg_delay_take(1, 100, &owed, &credit), 100 * ACG_NS_PER_MS);
	assert_int_equal(owed, 0);
	credit = 5 * ACG_NS_PER_MS;
	assert_int_equal(acg_delay_take(50 * ACG_NS_PER_MS, 100, &owed, &credit), 0);
	assert_int_equal(acg_delay_take(0, 0, &owed, &credit), 0);
}

#ifdef HAVE_BPF

#include "bpf/struct_ops.h"

/* A kernel's BTF with struct memcg_bpf_ops of these members, in a wrapper with `data` at byte 64. */
static struct btf *make_btf(const char *const *members)
{
	struct btf *btf = btf__new_empty();
	int integer, pointer, ops, i;

	assert_non_null(btf);
	integer = btf__add_int(btf, "long", 8, BTF_INT_SIGNED);
	pointer = btf__add_ptr(btf, 0);
	ops = btf__add_struct(btf, "memcg_bpf_ops", 64);
	for (i = 0; members[i]; i++)
		btf__add_field(btf, members[i], pointer, i * 64, 0);
	btf__add_struct(btf, "bpf_struct_ops_memcg_bpf_ops", 128);
	btf__add_field(btf, "common", integer, 0, 0);
	btf__add_field(btf, "data", ops, 64 * 8, 0);
	return btf;
}

static __u64 word(const void *value, size_t offset)
{
	__u64 word;

	memcpy(&word, (const char *)value + offset, sizeof(word));
	return word;
}

static void test_value_has_each_program_in_its_place(void **state)
{
	/* Not the order in which we list them. */
	static const char *const kernel[] = {"below_low", "other", "get_high_delay_ms", NULL};
	static const struct acg_ops_member members[] = {
		{"get_high_delay_ms", 7}, {"below_low", 9}, {"memcg_charged", -1}};
	struct btf *btf = make_btf(kernel);
	g_autofree void *value = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(acg_struct_ops_value(btf, "memcg_bpf_ops", members, 3, &value, &size, NULL),
			 0);
	assert_int_equal(size, 128);
	assert_int_equal(word(value, 0), 0);
	assert_int_equal(word(value, 64), 9);
	assert_int_equal(word(value, 72), 0);
	assert_int_equal(word(value, 80), 7);
	btf__free(btf);
}

static void test_value_of_what_is_not_there(void **state)
{
	static const char *const kernel[] = {"below_low", NULL};
	static const struct acg_ops_member members[] = {{"get_high_delay_ms", 7}};
	struct btf *btf = make_btf(kernel);
	g_autoptr(GError) error = NULL;
	void *value = NULL;
	size_t size = 1;

	(void)state;
	assert_int_equal(
		acg_struct_ops_value(btf, "memcg_bpf_ops", members, 1, &value, &size, &error),
		-EINVAL);
	assert_non_null(strstr(error->message, "get_high_delay_ms"));
	g_clear_error(&error);
	assert_int_equal(
		acg_struct_ops_value(btf, "sched_ext_ops", members, 1, &value, &size, &error),
		-ENOENT);
	assert_null(value);
	assert_int_equal(size, 1);
	btf__free(btf);
}

/* A missing descriptor must never reach the kernel: some attach to the whole machine then. */
static void test_no_cgroup_no_link(void **state)
{
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_struct_ops_link(3, 0, &error), -EINVAL);
	g_clear_error(&error);
	assert_int_equal(acg_struct_ops_link(3, -1, &error), -EINVAL);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_while_memory_is_free),
		cmocka_unit_test(test_worst_is_the_longest),
		cmocka_unit_test(test_grows_with_each_factor),
		cmocka_unit_test(test_demand_of_the_higher_counts),
		cmocka_unit_test(test_higher_yields_late),
		cmocka_unit_test(test_no_grant_no_share),
		cmocka_unit_test(test_short_delays_are_saved_up),
		cmocka_unit_test(test_progress_is_kept),
		cmocka_unit_test(test_delay_is_bounded),
#ifdef HAVE_BPF
		cmocka_unit_test(test_value_has_each_program_in_its_place),
		cmocka_unit_test(test_value_of_what_is_not_there),
		cmocka_unit_test(test_no_cgroup_no_link),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

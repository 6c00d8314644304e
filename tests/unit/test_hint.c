/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hints: units, the paper's spelling, and that a refusal changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "policy/hint.h"

#define SECOND ((uint64_t)G_USEC_PER_SEC)

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t bytes;
	} table[] = {
		{"1", 0, 1},
		{"1048576", 0, 1 << 20},
		{"3k", 0, 3 << 10},
		{"512M", 0, 512ull << 20},
		{"2g", 0, 2ull << 30},
		{"1T", 0, 1ull << 40},
		{"8388607T", 0, 8388607ull << 40},
		{"8388608T", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"0", -EINVAL, 0},
		{"0M", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1MB", -EINVAL, 0},
		{"1.5G", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"max", -EINVAL, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autoptr(GError) error = NULL;
		uint64_t bytes = 77;

		assert_int_equal(acg_size_parse(table[i].text, &bytes, &error), table[i].ret);
		assert_int_equal(bytes, table[i].ret ? 77 : table[i].bytes);
		assert_int_equal(error ? -error->code : 0, table[i].ret);
	}
}

static void sizes_as_people_write_them(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} table[] = {
		{0, "0"},
		{1023, "1023"},
		{1024, "1K"},
		{512ull << 20, "512M"},
		{3ull << 29, "1.5G"},
		{1ull << 40, "1T"},
		{ACG_MAX, "max"},
		{ACG_MAX - 1, "15.9E"},
	};
	char buf[16];

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++)
		assert_string_equal(acg_size_format(table[i].bytes, buf), table[i].text);
}

static void seconds(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t usec;
	} table[] = {
		{"30", 0, 30 * SECOND},   {"2.5", 0, 2500000},    {"0.000001", 0, 1},
		{"0", -EINVAL, 0},	  {"0.0000001", -EINVAL, 0}, {"-1", -EINVAL, 0},
		{"1e3", -EINVAL, 0},	  {"1.2.3", -EINVAL, 0},  {"5s", -EINVAL, 0},
		{"", -EINVAL, 0},	  {"inf", -EINVAL, 0},    {"999999999999", -EINVAL, 0},
		{"316224000", 0, 316224000 * SECOND},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		uint64_t usec = 77;

		assert_int_equal(acg_seconds_parse(table[i].text, &usec, NULL), table[i].ret);
		assert_int_equal(usec, table[i].ret ? 77 : table[i].usec);
	}
}

static void in_the_papers_spelling(void **state)
{
	static const struct {
		const char *text;
		struct acg_hint hint;
	} table[] = {
		{"memory:high", {.memory = ACG_MEMORY_HIGH}},
		{"memory=high", {.memory = ACG_MEMORY_HIGH}},
		{"high", {.memory = ACG_MEMORY_HIGH}},
		{"low", {.memory = ACG_MEMORY_LOW}},
		{"2g", {.memory = ACG_MEMORY_SIZE, .memory_bytes = 2ull << 30}},
		{"memory:medium,cpu:batch", {.memory = ACG_MEMORY_MEDIUM, .cpu = ACG_CPU_BATCH}},
		{" cpu=latency  pids=9,timeout:2.5 ",
		 {.cpu = ACG_CPU_LATENCY, .pids = 9, .timeout = 2500000}},
		{"memory:low,memory:high", {.memory = ACG_MEMORY_HIGH}},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_hint hint;

		assert_int_equal(acg_hint_parse(table[i].text, &hint, NULL), 0);
		assert_int_equal(hint.memory, table[i].hint.memory);
		assert_int_equal(hint.memory_bytes, table[i].hint.memory_bytes);
		assert_int_equal(hint.cpu, table[i].hint.cpu);
		assert_int_equal(hint.pids, table[i].hint.pids);
		assert_int_equal(hint.timeout, table[i].hint.timeout);
	}
}

static void refused_with_words(void **state)
{
	static const struct {
		const char *text;
		int ret;
		const char *words;
	} table[] = {
		{"", -EINVAL, "empty hint"},
		{" , ", -EINVAL, "empty hint"},
		{"memory:huge", -EINVAL, "low, medium, high or a size"},
		{"memory:0", -EINVAL, "low, medium, high or a size"},
		{"memory:", -EINVAL, "low, medium, high or a size"},
		{"huge", -EINVAL, "low, medium, high or a size"},
		{"cpu:fast", -EINVAL, "latency, normal or batch"},
		{"pids:0", -EINVAL, "from 1 to 4194304"},
		{"pids:4194305", -EINVAL, "from 1 to 4194304"},
		{"timeout:never", -EINVAL, "write seconds"},
		{"disk:high", -ENOKEY, "memory, cpu, pids or timeout"},
		{"memory:high,disk:high", -ENOKEY, "memory, cpu, pids or timeout"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_hint hint = {.pids = 77};
		g_autoptr(GError) error = NULL;

		assert_int_equal(acg_hint_parse(table[i].text, &hint, &error), table[i].ret);
		assert_non_null(strstr(error->message, table[i].words));
		assert_int_equal(hint.pids, 77);
		assert_int_equal(hint.memory, ACG_MEMORY_UNSET);
	}
}

static void a_size_replaces_a_word_and_back(void **state)
{
	struct acg_hint hint = {0};

	(void)state;
	assert_int_equal(acg_hint_set(&hint, "memory", "512M", NULL), 0);
	assert_int_equal(acg_hint_set(&hint, "memory", "high", NULL), 0);
	assert_int_equal(hint.memory, ACG_MEMORY_HIGH);
	assert_int_equal(hint.memory_bytes, 0);
}

static void merging_takes_what_is_said(void **state)
{
	struct acg_hint hint = {.memory = ACG_MEMORY_SIZE, .memory_bytes = 5, .pids = 3};
	const struct acg_hint over = {
		.memory = ACG_MEMORY_LOW, .cpu = ACG_CPU_BATCH, .timeout = SECOND};

	(void)state;
	acg_hint_merge(&hint, &(struct acg_hint){0});
	assert_int_equal(hint.memory_bytes, 5);
	acg_hint_merge(&hint, &over);
	assert_int_equal(hint.memory, ACG_MEMORY_LOW);
	assert_int_equal(hint.memory_bytes, 0);
	assert_int_equal(hint.cpu, ACG_CPU_BATCH);
	assert_int_equal(hint.pids, 3);
	assert_int_equal(hint.timeout, SECOND);
}

static void what_is_written_reads_the_same(void **state)
{
	const struct acg_hint hint = {.memory = ACG_MEMORY_SIZE,
				      .memory_bytes = 1000,
				      .cpu = ACG_CPU_NORMAL,
				      .pids = 5,
				      .timeout = 1500000};
	g_autofree char *text = acg_hint_format(&hint), *empty = NULL;

	(void)state;
	assert_string_equal(text, "memory=1000 cpu=normal pids=5 timeout=1.500000");
	empty = acg_hint_format(&(struct acg_hint){0});
	assert_string_equal(empty, "");
}

static void words_for_classes_and_priorities(void **state)
{
	enum acg_cpu_class cpu = ACG_CPU_UNSET;
	enum acg_priority priority = ACG_PRIORITY_LOW;

	(void)state;
	assert_string_equal(acg_cpu_class_name(ACG_CPU_UNSET), "normal");
	assert_int_equal(acg_cpu_class_parse("batch", &cpu, NULL), 0);
	assert_int_equal(cpu, ACG_CPU_BATCH);
	assert_int_equal(acg_cpu_class_parse("Batch", &cpu, NULL), -EINVAL);
	assert_int_equal(cpu, ACG_CPU_BATCH);
	assert_int_equal(acg_priority_parse("high", &priority, NULL), 0);
	assert_int_equal(priority, ACG_PRIORITY_HIGH);
	assert_int_equal(acg_priority_parse("higher", &priority, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(sizes_as_people_write_them),
		cmocka_unit_test(seconds),
		cmocka_unit_test(in_the_papers_spelling),
		cmocka_unit_test(refused_with_words),
		cmocka_unit_test(a_size_replaces_a_word_and_back),
		cmocka_unit_test(merging_takes_what_is_said),
		cmocka_unit_test(what_is_written_reads_the_same),
		cmocka_unit_test(words_for_classes_and_priorities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bounded log of lines: bounds, sharing, readers that keep up, are overtaken, or have small
 * buffers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "policy/eventlog.h"

static void append(struct acg_eventlog *log, const char *text)
{
	char *line = g_ref_string_new(text);

	acg_eventlog_append(log, line);
	g_ref_string_release(line);
}

static void append_numbers(struct acg_eventlog *log, int from, int to)
{
	for (int i = from; i <= to; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", i);
		append(log, text);
	}
}

static void assert_dump(const struct acg_eventlog *log, const char *expected)
{
	g_autoptr(GString) out = g_string_new("before:");

	acg_eventlog_dump(log, out);
	assert_string_equal(out->str + strlen("before:"), expected);
}

static void assert_read(const struct acg_eventlog *log, uint64_t *position, size_t max,
			unsigned int lines, const char *expected)
{
	g_autoptr(GString) out = g_string_new("before:");

	assert_int_equal(acg_eventlog_read(log, position, max, out), lines);
	assert_string_equal(out->str + strlen("before:"), expected);
}

static void test_bound_of_lines(void **state)
{
	struct acg_eventlog log;

	(void)state;
	acg_eventlog_init(&log, 3, 1000);
	assert_dump(&log, "");
	append_numbers(&log, 1, 5);
	assert_dump(&log, "3\n4\n5\n");
	assert_int_equal(log.first, 2);
	assert_int_equal(log.next, 5);
	assert_int_equal(log.bytes, 6);
	acg_eventlog_clear(&log);
	assert_int_equal(log.bytes, 0);
	append_numbers(&log, 7, 7);
	assert_dump(&log, "7\n");
	acg_eventlog_clear(&log);
}

static void test_bound_of_bytes(void **state)
{
	struct acg_eventlog log;

	(void)state;
	acg_eventlog_init(&log, 100, 10);
	append(&log, "aaaa");
	append(&log, "bbbb");
	assert_dump(&log, "aaaa\nbbbb\n"); /* ten with the newlines */
	append(&log, "c");
	assert_dump(&log, "bbbb\nc\n");
	append(&log, "longer than all that is kept");
	assert_dump(&log, "");
	assert_int_equal(log.bytes, 0);
	assert_int_equal(log.first, log.next);
	acg_eventlog_clear(&log);
}

static void test_one_line_in_two_logs(void **state)
{
	struct acg_eventlog root, agent;
	char *line = g_ref_string_new("shared");

	(void)state;
	acg_eventlog_init(&root, 1, 100);
	acg_eventlog_init(&agent, 9, 100);
	acg_eventlog_append(&root, line);
	acg_eventlog_append(&agent, line);
	g_ref_string_release(line);
	append(&root, "next"); /* drops it from the one only */
	assert_dump(&root, "next\n");
	assert_dump(&agent, "shared\n");
	assert_ptr_equal(agent.lines.head->data, line);
	acg_eventlog_clear(&root);
	acg_eventlog_clear(&agent);
}

static void test_reader_keeps_up(void **state)
{
	struct acg_eventlog log;
	uint64_t a = 0, b = 0;

	(void)state;
	acg_eventlog_init(&log, 10, 1000);
	assert_read(&log, &a, 100, 0, "");
	append_numbers(&log, 1, 2);
	assert_read(&log, &a, 100, 2, "1\n2\n");
	assert_read(&log, &a, 100, 0, "");
	append_numbers(&log, 3, 3);
	assert_read(&log, &a, 100, 1, "3\n");
	assert_read(&log, &b, 100, 3, "1\n2\n3\n"); /* each reader sees every line */
	acg_eventlog_clear(&log);
}

static void test_reader_with_small_buffer(void **state)
{
	struct acg_eventlog log;
	uint64_t position = 0;

	(void)state;
	acg_eventlog_init(&log, 10, 1000);
	append(&log, "aaaa");
	append(&log, "bbbb");
	append(&log, "cccc");
	assert_read(&log, &position, 10, 2, "aaaa\nbbbb\n"); /* exactly full */
	position = 0;
	assert_read(&log, &position, 9, 1, "aaaa\n");
	assert_read(&log, &position, 1, 1, "bbbb\n"); /* a single one is given whole */
	assert_read(&log, &position, 0, 1, "cccc\n");
	assert_read(&log, &position, 0, 0, "");
	acg_eventlog_clear(&log);
}

static void test_reader_overtaken(void **state)
{
	struct acg_eventlog log;
	uint64_t position = 0;

	(void)state;
	acg_eventlog_init(&log, 2, 1000);
	append_numbers(&log, 1, 1);
	assert_read(&log, &position, 100, 1, "1\n");
	append_numbers(&log, 2, 9);
	assert_read(&log, &position, 100, 3, "{\"event\":\"lost\",\"lines\":6}\n8\n9\n");
	assert_read(&log, &position, 100, 0, "");
	append_numbers(&log, 10, 12);
	assert_read(&log, &position, 1, 1, "{\"event\":\"lost\",\"lines\":1}\n"); /* said once */
	assert_read(&log, &position, 100, 2, "11\n12\n");
	acg_eventlog_clear(&log);
}

static void test_position_of_another_log(void **state)
{
	struct acg_eventlog log;
	uint64_t position = 50;

	(void)state;
	acg_eventlog_init(&log, 2, 1000);
	append_numbers(&log, 1, 1);
	assert_read(&log, &position, 100, 0, "");
	append_numbers(&log, 2, 2);
	assert_read(&log, &position, 100, 1, "2\n");
	acg_eventlog_clear(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound_of_lines),
		cmocka_unit_test(test_bound_of_bytes),
		cmocka_unit_test(test_one_line_in_two_logs),
		cmocka_unit_test(test_reader_keeps_up),
		cmocka_unit_test(test_reader_with_small_buffer),
		cmocka_unit_test(test_reader_overtaken),
		cmocka_unit_test(test_position_of_another_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

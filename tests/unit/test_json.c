/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The JSON writer, read back with json-glib. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "policy/json.h"

static void test_layout(void **state)
{
	g_autoptr(GString) out = g_string_new(NULL);

	(void)state;
	acg_json_open(out, NULL, '{');
	acg_json_string(out, "a", "x");
	acg_json_unsigned(out, "b", UINT64_MAX - 1);
	acg_json_signed(out, "c", -5);
	acg_json_null(out, "d");
	acg_json_limit(out, "e", UINT64_MAX);
	acg_json_limit(out, "f", 0);
	acg_json_open(out, "g", '[');
	acg_json_open(out, NULL, '{');
	acg_json_close(out, '}');
	acg_json_string(out, NULL, NULL);
	acg_json_close(out, ']');
	acg_json_open(out, "h", '[');
	acg_json_close(out, ']');
	acg_json_string(out, "i", "{");
	acg_json_string(out, "j", "[");
	acg_json_close(out, '}');
	assert_string_equal(
		out->str,
		"{\"a\":\"x\",\"b\":18446744073709551614,\"c\":-5,\"d\":null,\"e\":null,\"f\":0,"
		"\"g\":[{},null],\"h\":[],\"i\":\"{\",\"j\":\"[\"}");
}

/* No noise: the digits are those of the microseconds. */
static void test_seconds(void **state)
{
	static const struct {
		int64_t usec;
		const char *text;
	} cases[] = {
		{1763885000100000, "1763885000.100000"},
		{1763885345123456, "1763885345.123456"},
		{1, "0.000001"},
		{0, "0.000000"},
		{-1500000, "-1.500000"},
		{INT64_MIN, "-9223372036854.775808"},
		{INT64_MAX, "9223372036854.775807"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GString) out = g_string_new(NULL);

		acg_json_seconds(out, NULL, cases[i].usec);
		assert_string_equal(out->str, cases[i].text);
	}
}

static char *read_back(const char *json)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(GError) error = NULL;

	if (!json_parser_load_from_data(parser, json, -1, &error))
		fail_msg("%s in %s", error->message, json);
	return g_strdup(json_object_get_string_member(
		json_node_get_object(json_parser_get_root(parser)), "s"));
}

static void assert_round_trip(const char *text, const char *expected)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autofree char *back = NULL;

	acg_json_open(out, NULL, '{');
	acg_json_string(out, "s", text);
	acg_json_close(out, '}');
	assert_true(g_utf8_validate(out->str, -1, NULL));
	for (const char *at = out->str; *at; at = g_utf8_next_char(at))
		assert_false(g_unichar_iscntrl(g_utf8_get_char(at)));
	back = read_back(out->str);
	assert_string_equal(back, expected);
}

static void test_strings(void **state)
{
	(void)state;
	assert_round_trip("", "");
	assert_round_trip("say \"hi\" \\ / \b\f\n\r\t \x01\x1f\x7f",
			  "say \"hi\" \\ / \b\f\n\r\t \x01\x1f\x7f");
	assert_round_trip("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\xa6\x80",
			  "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\xa6\x80");
	assert_round_trip("\xc2\x9b"
			  "2J",
			  "\xc2\x9b"
			  "2J"); /* CSI, as one character */
	assert_round_trip("bad \xff\xc3", "bad \xef\xbf\xbd\xef\xbf\xbd");
	assert_round_trip("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
}

/* Every single character that a command may hold. */
static void test_all_characters(void **state)
{
	(void)state;
	for (gunichar c = 1; c < 0x11000; c++) {
		char text[8] = {0};

		if (!g_unichar_validate(c))
			continue;
		g_unichar_to_utf8(c, text);
		assert_round_trip(text, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_all_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

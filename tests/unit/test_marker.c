/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The marker grammar: what is taken, and the one line of words for what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "fusefs/marker.h"

static void assert_same_hint(const struct acg_hint *a, const struct acg_hint *b)
{
	g_autofree char *said = acg_hint_format(a), *wanted = acg_hint_format(b);

	assert_string_equal(said, wanted);
}

static void taken(void **state)
{
	static const struct {
		const char *line;
		struct acg_marker marker;
	} table[] = {
		{"begin x", {.verb = ACG_VERB_BEGIN, .id = "x", .exit = -1}},
		{"begin -", {.verb = ACG_VERB_BEGIN, .exit = -1}},
		{"\tbegin   x\r", {.verb = ACG_VERB_BEGIN, .id = "x", .exit = -1}},
		{"begin x memory=high cpu=batch pids=5 timeout=1.5",
		 {.verb = ACG_VERB_BEGIN,
		  .id = "x",
		  .exit = -1,
		  .hint = {ACG_MEMORY_HIGH, 0, ACG_CPU_BATCH, 5, 1500000}}},
		{"begin x memory:2g",
		 {.verb = ACG_VERB_BEGIN,
		  .id = "x",
		  .exit = -1,
		  .hint = {.memory = ACG_MEMORY_SIZE, .memory_bytes = 2ull << 30}}},
		{"begin x hint=memory:2g,cpu:batch",
		 {.verb = ACG_VERB_BEGIN,
		  .id = "x",
		  .exit = -1,
		  .hint = {ACG_MEMORY_SIZE, 2ull << 30, ACG_CPU_BATCH, 0, 0}}},
		{"begin x hint=high pids=5 hint=pids:6",
		 {.verb = ACG_VERB_BEGIN,
		  .id = "x",
		  .exit = -1,
		  .hint = {ACG_MEMORY_HIGH, 0, ACG_CPU_UNSET, 6, 0}}},
		{"begin x pid=42 keep=yes",
		 {.verb = ACG_VERB_BEGIN, .id = "x", .exit = -1, .pid = 42, .keep = true}},
		{"begin x pid=none keep=no",
		 {.verb = ACG_VERB_BEGIN, .id = "x", .exit = -1, .pid = ACG_PID_NONE}},
		{"begin x -- pytest -q  -- a",
		 {.verb = ACG_VERB_BEGIN, .id = "x", .exit = -1, .command = "pytest -q  -- a"}},
		{"begin - --", {.verb = ACG_VERB_BEGIN, .exit = -1, .command = ""}},
		{"begin - -- a\tb\x1b[0m",
		 {.verb = ACG_VERB_BEGIN, .exit = -1, .command = "a b [0m"}},
		{"end x", {.verb = ACG_VERB_END, .id = "x", .exit = -1}},
		{"end - exit=0", {.verb = ACG_VERB_END}},
		{"end x exit=255", {.verb = ACG_VERB_END, .id = "x", .exit = 255}},
		{"hint - memory=low",
		 {.verb = ACG_VERB_HINT, .exit = -1, .hint = {.memory = ACG_MEMORY_LOW}}},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		const struct acg_marker *want = &table[i].marker;
		struct acg_marker got;
		g_autoptr(GError) error = NULL;

		if (acg_marker_parse(table[i].line, strlen(table[i].line), &got, &error) < 0)
			fail_msg("%s: %s", table[i].line, error->message);
		assert_int_equal(got.verb, want->verb);
		assert_string_equal(got.id, want->id);
		assert_int_equal(got.exit, want->exit);
		assert_int_equal(got.pid, want->pid);
		assert_int_equal(got.keep, want->keep);
		assert_same_hint(&got.hint, &want->hint);
		assert_int_equal(g_strcmp0(got.command, want->command), 0);
		acg_marker_clear(&got);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *line;
		const char *words;
	} table[] = {
		{"", "an empty marker"},
		{"   ", "an empty marker"},
		{"start x", "\"start\" is no marker"},
		{"Begin x", "\"Begin\" is no marker"},
		{"begin", "begin needs an ID, or - for a fresh one"},
		{"end", "end needs an ID, or - for the call that you are in"},
		{"begin -- ls", "begin needs an ID"},
		{"begin .x", "the ID: "},
		{"begin a/b", "the ID: "},
		{"begin x memory=0", "memory is low, medium, high or a size"},
		{"begin x memory=-1", "memory is low, medium, high or a size"},
		{"begin x memory", "begin does not know \"memory\""},
		{"begin x ls -l", "a command comes after --"},
		{"begin x disk=1", "begin does not know \"disk\""},
		{"begin x exit=1", "begin does not know \"exit\""},
		{"begin x hint=lots", "memory is low, medium, high or a size"},
		{"begin x hint=", "an empty hint"},
		{"begin x hint=memory:low,disk:1", "\"disk\" is no key of a hint"},
		{"begin x hint=memory:low,pid:1", "\"pid\" is no key of a hint"},
		{"end x hint=high", "end does not know \"hint\""},
		{"begin x pid=0", "pid is a process id, or none"},
		{"begin x pid=99999999999", "pid is a process id, or none"},
		{"begin x keep=1", "keep is yes or no"},
		{"begin x timeout=0", "more than zero"},
		{"end x memory=high", "end does not know \"memory\""},
		{"end x exit=256", "exit is a number from 0 to 255"},
		{"end x exit=-1", "exit is a number from 0 to 255"},
		{"end x -- ls", "end does not know \"--\""},
		{"hint x", "a hint needs at least one KEY=VALUE"},
		{"hint x pid=1", "hint does not know \"pid\""},
		{"begin x\001", "control characters"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_marker marker = {.exit = 77};
		g_autoptr(GError) error = NULL;

		assert_int_equal(acg_marker_parse(table[i].line, strlen(table[i].line), &marker,
						  &error),
				 -EINVAL);
		if (!strstr(error->message, table[i].words))
			fail_msg("%s: %s", table[i].line, error->message);
		assert_null(strchr(error->message, '\n'));
		assert_int_equal(marker.exit, 77); /* untouched */
	}
}

static void bytes_of_any_kind(void **state)
{
	static const char nul[] = "begin x\0 memory=high";
	static const char in_command[] = "begin x -- a\0b";
	struct acg_marker marker;

	(void)state;
	assert_int_equal(acg_marker_parse(nul, sizeof(nul) - 1, &marker, NULL), -EINVAL);
	assert_int_equal(acg_marker_parse("b\xff\xfe x", 5, &marker, NULL), -EINVAL);
	assert_int_equal(acg_marker_parse(in_command, sizeof(in_command) - 1, &marker, NULL), 0);
	assert_string_equal(marker.command, "a"); /* text ends there */
	acg_marker_clear(&marker);
	assert_int_equal(acg_marker_parse("begin x -- caf\xe9", 15, &marker, NULL), 0);
	assert_true(g_utf8_validate(marker.command, -1, NULL));
	acg_marker_clear(&marker);
}

/* The quote of eval's word closes behind what is kept of the command. */
static void a_hint_is_found_in_the_whole_command(void **state)
{
	g_autofree char *tail = g_strnfill(ACG_COMMAND_MAX, 'x');
	g_autofree char *line = g_strdup_printf(
		"begin x memory=low -- cd /w && eval 'AGENT_RESOURCE_HINT=memory:1g y %s'", tail);
	struct acg_marker marker;

	(void)state;
	assert_int_equal(acg_marker_parse(line, strlen(line), &marker, NULL), 0);
	assert_int_equal(marker.hint.memory, ACG_MEMORY_SIZE);
	assert_int_equal(marker.hint.memory_bytes, 1 << 30);
	assert_int_equal(strlen(marker.command), ACG_COMMAND_MAX);
	acg_marker_clear(&marker);
}

/* One byte on: the cut would fall into a character of two bytes. */
static void long_commands_are_cut_at_a_character(void **state)
{
	(void)state;
	for (unsigned int shift = 0; shift < 2; shift++) {
		GString *line = g_string_new("begin x -- ");
		struct acg_marker marker;

		g_string_append(line, shift ? "a" : "");
		for (unsigned int i = 0; i < ACG_COMMAND_MAX; i++)
			g_string_append(line, "\xc3\xa9");
		assert_int_equal(acg_marker_parse(line->str, line->len, &marker, NULL), 0);
		assert_int_equal(strlen(marker.command), ACG_COMMAND_MAX - shift);
		assert_true(g_utf8_validate(marker.command, -1, NULL));
		acg_marker_clear(&marker);
		g_string_free(line, TRUE);
	}
}

static void lengths_at_the_limits(void **state)
{
	g_autofree char *id = g_strnfill(ACG_ID_MAX, 'a'), *word = g_strnfill(200, 'a');
	g_autofree char *good = g_strconcat("begin ", id, NULL);
	g_autofree char *long_id = g_strconcat("begin ", id, "a", NULL);
	g_autofree char *long_word = g_strconcat("begin x memory=", word, NULL);
	struct acg_marker marker;

	(void)state;
	assert_int_equal(acg_marker_parse(good, strlen(good), &marker, NULL), 0);
	assert_string_equal(marker.id, id);
	assert_int_equal(acg_marker_parse(long_id, strlen(long_id), &marker, NULL), -EINVAL);
	assert_int_equal(acg_marker_parse(long_word, strlen(long_word), &marker, NULL), -EINVAL);
}

/* What tells the rest of a command of several lines from a marker. */
static void verbs_at_the_beginning_of_a_line(void **state)
{
	(void)state;
	assert_true(acg_marker_has_verb("end x", 5));
	assert_true(acg_marker_has_verb("  hint", 6));
	assert_false(acg_marker_has_verb("ending", 6));
	assert_false(acg_marker_has_verb("", 0));
	assert_false(acg_marker_has_verb("ls # end", 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(taken),
		cmocka_unit_test(refused),
		cmocka_unit_test(bytes_of_any_kind),
		cmocka_unit_test(a_hint_is_found_in_the_whole_command),
		cmocka_unit_test(long_commands_are_cut_at_a_character),
		cmocka_unit_test(lengths_at_the_limits),
		cmocka_unit_test(verbs_at_the_beginning_of_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

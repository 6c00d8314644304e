/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command that the model wrote, out of what frameworks make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "policy/policy.h"

static void wrapped_commands(void **state)
{
	static const struct {
		const char *given;
		const char *written;
	} table[] = {
		{"pytest -q", "pytest -q"},
		{"  make -j2 \n", "make -j2"},
		{"", ""},
		/* shells */
		{"bash -c 'pytest -q'", "pytest -q"},
		{"/bin/bash -lc \"npm test\"", "npm test"},
		{"sh -c 'echo \"a b\"; ls'", "echo \"a b\"; ls"},
		{"bash -c -l pytest -q tests", "pytest -q tests"},
		{"bash script.sh", "bash script.sh"},
		{"bash", "bash"},
		{"bash --rcfile x", "bash --rcfile x"},
		{"mybash -c 'ls'", "mybash -c 'ls'"},
		/* what frameworks put around */
		{"source /tmp/snap.sh && eval 'cargo build' < /dev/null && pwd -P >| /tmp/cwd",
		 "cargo build"},
		{"shopt -u extglob; eval 'ls -l'", "ls -l"},
		{"cd /testbed && python -m pytest", "python -m pytest"},
		{"cd '/a b'; make", "make"},
		{"source /venv/bin/activate && cd /src && make", "make"},
		{"source x.sh 2>/dev/null || true && make", "make"},
		{"pytest && pwd -P >| /tmp/cwd-1", "pytest"},
		{"bash -c 'cd /src && AGENT_RESOURCE_HINT=memory:high make -j8 && pwd'", "make -j8"},
		/* the model's own */
		{"cd /src", "cd /src"},
		{"cd /src || exit", "cd /src || exit"},
		{"A=1", "A=1"},
		{"1A=1 ls", "1A=1 ls"},
		{"FOO=bar make", "make"},
		{"echo 'unclosed", "echo 'unclosed"},
		{"pwd", "pwd"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *written = acg_command_unwrap(table[i].given, NULL);

		assert_string_equal(written, table[i].written);
	}
}

static void the_hint_in_front_counts(void **state)
{
	struct acg_hint hint = {.cpu = ACG_CPU_BATCH};
	g_autofree char *written = acg_command_unwrap(
		"bash -c 'AGENT_RESOURCE_HINT=memory:512m X=1 pytest -q'", &hint);

	(void)state;
	assert_string_equal(written, "pytest -q");
	assert_int_equal(hint.memory_bytes, 512ull << 20);
	assert_int_equal(hint.cpu, ACG_CPU_BATCH); /* what it does not say stays */
}

static void a_hint_that_cannot_be_read_is_cut_off_all_the_same(void **state)
{
	struct acg_hint hint = {0};
	g_autofree char *written = acg_command_unwrap("AGENT_RESOURCE_HINT=disk:9 pytest", &hint);

	(void)state;
	assert_string_equal(written, "pytest");
	assert_int_equal(hint.memory, ACG_MEMORY_UNSET);
}

static void only_a_leading_hint_counts(void **state)
{
	struct acg_hint hint = {0};
	g_autofree char *written = acg_command_unwrap("echo AGENT_RESOURCE_HINT=high x", &hint);

	(void)state;
	assert_string_equal(written, "echo AGENT_RESOURCE_HINT=high x");
	assert_int_equal(hint.memory, ACG_MEMORY_UNSET);
}

/* A command wrapped without end is the command itself at some depth, and costs no more than that. */
static void endless_wrapping_ends(void **state)
{
	GString *deep = g_string_new(NULL);
	g_autofree char *written = NULL;

	(void)state;
	for (unsigned int i = 0; i < 300; i++)
		g_string_append(deep, "cd a;");
	g_string_append(deep, "ls");
	written = acg_command_unwrap(deep->str, NULL);
	assert_true(g_str_has_prefix(written, "cd a;"));
	assert_true(strlen(written) < deep->len);
	g_string_free(deep, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrapped_commands),
		cmocka_unit_test(the_hint_in_front_counts),
		cmocka_unit_test(a_hint_that_cannot_be_read_is_cut_off_all_the_same),
		cmocka_unit_test(only_a_leading_hint_counts),
		cmocka_unit_test(endless_wrapping_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

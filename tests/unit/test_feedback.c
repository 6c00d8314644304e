/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feedback: the words of each cause, its length, and that what it suggests can be granted and
 * typed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "policy/feedback.h"

#define M      ((uint64_t)1 << 20)
#define G      ((uint64_t)1 << 30)
#define SECOND ((uint64_t)G_USEC_PER_SEC)

/* An agent with a budget of 2G, and its call that was granted 512M and used it. */
static struct acg_agent agent_of(void)
{
	struct acg_agent agent = {.name = (char *)"alpha", .pressure_since = 1};

	agent.budget = (struct acg_budget){.memory = 2 * G, .pids = ACG_MAX};
	agent.caps = (struct acg_caps){.memory = ACG_MAX, .pids = 1000, .timeout = 600 * SECOND};
	return agent;
}

static struct acg_call call_of(struct acg_agent *agent)
{
	struct acg_call call = {
		.id = (char *)"c1", .command = (char *)"pytest tests/a", .class = "test"};

	call.node.agent = agent;
	call.node.controls[ACG_CONTROL_PIDS_MAX] = 100;
	call.grant = call.memory_max = call.usage.memory_peak = 512 * M;
	call.timeout = 30 * SECOND;
	return call;
}

static void assert_words(const struct acg_call *call, enum acg_cause cause, uint64_t largest,
			 const char *expected)
{
	g_autofree char *text = acg_feedback_text(call, cause, largest);

	assert_string_equal(text, expected);
}

static void test_at_the_limit(void **state)
{
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	assert_words(&call, ACG_CAUSE_OOM, 812 * M,
		     "Killed at 512M, its limit; this agent has 300M more. Run fewer tests, or: "
		     "AGENT_RESOURCE_HINT=memory:800m pytest tests/a");
	assert_words(&call, ACG_CAUSE_OOM, ACG_MAX,
		     "Killed at 512M, its limit; this agent has more. Run fewer tests, or: "
		     "AGENT_RESOURCE_HINT=memory:1000m pytest tests/a");
	/* 40M more would not carry it further */
	assert_words(&call, ACG_CAUSE_OOM, 552 * M,
		     "Killed at 512M, its limit. Run fewer tests. Asking for more will not help.");
	assert_words(&call, ACG_CAUSE_OOM, 0,
		     "Killed at 512M, its limit. Run fewer tests. Asking for more will not help.");
	call.keep = true;
	call.class = NULL;
	assert_words(
		&call, ACG_CAUSE_OOM, 0,
		"The shell lives on; its command was killed at 512M, its limit. Do less at a time. "
		"Asking for more will not help.");
	call.keep = false;
	call.memory_max = call.grant = ACG_MAX;
	assert_words(&call, ACG_CAUSE_OOM, ACG_MAX,
		     "Killed at 512M: memory ran out. Do less at a time. Asking for more will not "
		     "help.");
}

static void test_at_the_budget(void **state)
{
	struct acg_agent agent = agent_of(), sub = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	call.usage.memory_peak = 1536 * M;
	assert_words(&call, ACG_CAUSE_OOM_AGENT, 1600 * M,
		     "Killed at 1.5G (its grant: 512M): this agent's budget of 2G was full. Run "
		     "fewer tests. "
		     "Asking for more will not help.");
	call.class = "build";
	assert_words(&call, ACG_CAUSE_PRESSURE, 1900 * M,
		     "Killed at 1.5G (its grant: 512M): this agent's budget of 2G runs short. Use "
		     "fewer jobs (-j1), or: "
		     "AGENT_RESOURCE_HINT=memory:1900m pytest tests/a");
	assert_words(&call, ACG_CAUSE_STALLED, 0,
		     "Killed at 1.5G (its grant: 512M): held back for memory, it made no progress. "
		     "Use fewer jobs (-j1). Asking for more will not help.");
	sub.parent = &agent;
	sub.budget.memory = ACG_MAX;
	sub.pressure_since = 0;
	call.node.agent = &sub;
	assert_words(
		&call, ACG_CAUSE_PRESSURE, 0,
		"Killed at 1.5G (its grant: 512M): the enclosing agent's budget of 2G runs short. "
		"Use fewer jobs (-j1). Asking for more will not help.");
	agent.pressure_outside = true;
	assert_words(&call, ACG_CAUSE_PRESSURE, 0,
		     "Killed at 1.5G (its grant: 512M): an agent of higher priority needs memory. "
		     "Use fewer jobs (-j1). Asking for more will not help.");
	agent.budget.memory = ACG_MAX;
	assert_words(&call, ACG_CAUSE_OOM_AGENT, 0,
		     "Killed at 1.5G (its grant: 512M): the machine's memory was full. "
		     "Use fewer jobs (-j1). Asking for more will not help.");
}

static void test_held_back(void **state)
{
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	call.usage.memory_peak = 700 * M;
	assert_words(&call, ACG_CAUSE_THROTTLED, 2 * G,
		     "Slowed down at 700M (its grant: 512M): this agent's budget of 2G runs short. "
		     "Run fewer tests, or: "
		     "AGENT_RESOURCE_HINT=memory:1400m pytest tests/a");
	assert_words(&call, ACG_CAUSE_FROZEN, 2 * G,
		     "Paused at 700M (its grant: 512M): this agent's budget of 2G runs short. It "
		     "goes on by itself. "
		     "Wait, do not retry; run one heavy command at a time.");
	call.usage.memory_peak = 0; /* nothing measured */
	agent.pressure_since = 0;
	assert_words(&call, ACG_CAUSE_FROZEN, 2 * G,
		     "Paused (its grant: 512M): an agent of higher priority needs memory. It goes "
		     "on by itself. "
		     "Wait, do not retry; run one heavy command at a time.");
}

static void test_not_memory(void **state)
{
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	assert_null(acg_feedback_text(&call, ACG_CAUSE_NONE, G));
	assert_words(
		&call, ACG_CAUSE_PIDS, G,
		"A fork was refused: this call may have 100 processes. Use fewer test workers, or: "
		"AGENT_RESOURCE_HINT=pids:200 pytest tests/a");
	agent.caps.pids = 105;
	assert_words(
		&call, ACG_CAUSE_PIDS, G,
		"A fork was refused: this call may have 100 processes. Use fewer test workers. "
		"Asking for more will not help.");
	call.node.controls[ACG_CONTROL_PIDS_MAX] = ACG_MAX;
	assert_words(&call, ACG_CAUSE_PIDS, G,
		     "A fork was refused: this agent has all the processes that it may have. Use "
		     "fewer test workers. "
		     "Asking for more will not help.");
	assert_words(&call, ACG_CAUSE_TIMEOUT, G,
		     "Stopped after 30 s, its timeout. Run fewer tests, or: "
		     "AGENT_RESOURCE_HINT=timeout:60 pytest tests/a");
	call.timeout = 600 * SECOND;
	assert_words(&call, ACG_CAUSE_TIMEOUT, G,
		     "Stopped after 600 s, its timeout. Run fewer tests. Asking for more will not "
		     "help.");
	call.timeout = 5 * SECOND / 2;
	agent.caps.timeout = 5 * SECOND / 2;
	assert_words(&call, ACG_CAUSE_TIMEOUT, G,
		     "Stopped after 2.5 s, its timeout. Run fewer tests. Asking for more will not "
		     "help.");
	assert_words(
		&call, ACG_CAUSE_KILLED, G,
		"Killed at 512M (its grant: 512M) by a write to cgroup.kill; no limit was reached. "
		"Somebody meant this: ask before you retry.");
	assert_words(
		&call, ACG_CAUSE_EMPTY, G,
		"This call was over at once: if its command ran elsewhere, nothing was limited. "
		"Begin it in the shell that then runs the command, or use: agentcg run -- COMMAND");
}

/* A command is quoted if it can be typed again with the hint in it, else it is named. */
static void test_quoted_commands(void **state)
{
#define HINT "AGENT_RESOURCE_HINT=memory:800m "
	static const char *const good[][2] = {
		{"pytest -q", HINT "pytest -q"},
		{"./run 'a b' \"c\"", HINT "./run 'a b' \"c\""},
		{"~/bin/x y", HINT "~/bin/x y"},
		{"ls \xc3\xa9t\xc3\xa9", HINT "ls \xc3\xa9t\xc3\xa9"},
		{"cd a && make -j4", "cd a && " HINT "make -j4"},
		{"cd a && make", "cd a && " HINT "make"},
		{"FOO=1 pytest x", "FOO=1 " HINT "pytest x"},
		{"AGENT_RESOURCE_HINT=memory:512m pytest x", HINT "pytest x"},
		{"AGENT_RESOURCE_HINT=low FOO=1 pytest x", "FOO=1 " HINT "pytest x"},
		{"cd a && AGENT_RESOURCE_HINT=low make all", "cd a && " HINT "make all"},
		{"bash -c 'pytest x'", HINT "pytest x"},
		{"source /tmp/s.sh && eval 'pytest x' < /dev/null && pwd -P >| /tmp/cwd",
		 HINT "pytest x"},
	};
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *text = NULL;
		g_autofree char *end = g_strconcat(", or: ", good[i][1], NULL);

		call.command = (char *)good[i][0];
		text = acg_feedback_text(&call, ACG_CAUSE_OOM, 812 * M);
		if (!g_str_has_suffix(text, end))
			fail_msg("%s", text);
	}
}

static void test_commands_not_quoted(void **state)
{
	static const char *const bad[] = {
		"make",                        /* perhaps all that is kept of it */
		"for i in 1 2; do make; done", /* an assignment is not taken there */
		"if true; then make; fi",
		"( cd a && make )",
		"cd a && (make all)",
		"{ make all; }",
		"! make all",
		"# only a comment",
		"[ -f a ] && make",
		"python3 - <<EOF import os EOF", /* its lines were joined */
		"echo 'open",                    /* cut, or joined */
		"echo \x1b[2J x",
		"echo \xe2\x80\xae x", /* turns the direction of writing */
		"echo \xff x",
		"",
		" ",
		NULL,
	};
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text = NULL;

		call.command = (char *)bad[i];
		text = acg_feedback_text(&call, ACG_CAUSE_OOM, 812 * M);
		if (!g_str_has_suffix(
			    text, ", or put AGENT_RESOURCE_HINT=memory:800m before the command."))
			fail_msg("%s", text);
	}
}

/* --- all causes, with figures and commands of all lengths ------------------------------------- */

static void assert_suggestion(const char *text, const struct acg_call *call, enum acg_cause cause,
			      uint64_t largest)
{
	const char *at = strstr(text, "AGENT_RESOURCE_HINT=");
	g_autofree char *value = NULL;
	struct acg_hint hint = {0};
	uint64_t had = cause == ACG_CAUSE_OOM ? call->memory_max : call->grant;

	if (!at)
		return;
	at += strlen("AGENT_RESOURCE_HINT=");
	value = g_strndup(at, strcspn(at, " "));
	assert_int_equal(acg_hint_parse(value, &hint, NULL), 0);
	if (hint.memory == ACG_MEMORY_SIZE) {
		assert_true(hint.memory_bytes <= largest);
		assert_true(hint.memory_bytes >= had + had / 8);
		assert_true(hint.memory_bytes >= call->usage.memory_peak);
	}
	if (hint.pids)
		assert_true(hint.pids <= call->node.agent->caps.pids &&
			    hint.pids > call->node.controls[ACG_CONTROL_PIDS_MAX]);
	if (hint.timeout)
		assert_true(hint.timeout <= call->node.agent->caps.timeout &&
			    hint.timeout > call->timeout);
}

static void assert_figures(const char *text, const struct acg_call *call, enum acg_cause cause)
{
	uint64_t figures[2] = {ACG_MAX, ACG_MAX};
	char size[16];

	if (cause == ACG_CAUSE_OOM && call->memory_max != ACG_MAX) {
		figures[0] = call->memory_max;
	} else if (cause <= ACG_CAUSE_FROZEN || cause == ACG_CAUSE_KILLED) {
		figures[0] = call->usage.memory_peak ? call->usage.memory_peak : ACG_MAX;
		figures[1] = call->grant;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(figures); i++)
		if (figures[i] != ACG_MAX && !strstr(text, acg_size_format(figures[i], size)))
			fail_msg("no %s in: %s", size, text);
}

static void check_text(struct acg_call *call, enum acg_cause cause, uint64_t largest)
{
	g_autofree char *text = acg_feedback_text(call, cause, largest);

	assert_true(strlen(text) < ACG_FEEDBACK_MAX);
	assert_true(g_utf8_validate(text, -1, NULL));
	for (const char *at = text; *at; at = g_utf8_next_char(at))
		assert_false(g_unichar_iscntrl(g_utf8_get_char(at)));
	assert_non_null(strchr(text, '.'));
	assert_null(strstr(text, "max"));
	assert_figures(text, call, cause);
	assert_suggestion(text, call, cause, largest);
}

static void check_commands(struct acg_call *call, uint64_t largest)
{
	for (unsigned int length = 0; length < 2048;
	     length = length < 420 ? length + 7 : length * 2) {
		g_autoptr(GString) command = g_string_new("x ");

		while (command->len < length)
			g_string_append(command, length % 2 ? "\xc3\xa9" : "a");
		call->command = command->str;
		for (enum acg_cause cause = ACG_CAUSE_OOM; cause <= ACG_CAUSE_EMPTY; cause++)
			check_text(call, cause, largest);
	}
}

static void test_every_cause(void **state)
{
	static const uint64_t sizes[] = {
		0, 1, 4096, 300 * M, 512 * M, 1000 * G, (uint64_t)1 << 62, ACG_MAX};
	static const char *const classes[] = {NULL,  "test",  "build", "install",
					      "git", "files", "other", "their own"};
	struct acg_agent agent = agent_of();
	struct acg_call call = call_of(&agent);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(sizes); i++)
		for (unsigned int j = 0; j < G_N_ELEMENTS(sizes); j++) {
			call.memory_max = sizes[i];
			call.grant = MIN(sizes[(i + j) % G_N_ELEMENTS(sizes)], sizes[i]);
			call.usage.memory_peak = sizes[i] == ACG_MAX ? 3 * G : sizes[i];
			call.timeout = MAX(sizes[i] / 1000, 1);
			call.node.controls[ACG_CONTROL_PIDS_MAX] = sizes[i];
			agent.budget.memory = sizes[j];
			agent.caps.timeout = agent.caps.pids = sizes[j];
			call.class = classes[(i + j) % G_N_ELEMENTS(classes)];
			call.keep = j & 1;
			check_commands(&call, sizes[j]);
		}
}

static void test_names(void **state)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

	(void)state;
	for (enum acg_cause cause = ACG_CAUSE_NONE; cause <= ACG_CAUSE_EMPTY; cause++) {
		const char *name = acg_cause_name(cause);

		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		assert_true(g_hash_table_add(seen, (char *)name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_the_limit),    cmocka_unit_test(test_at_the_budget),
		cmocka_unit_test(test_held_back),       cmocka_unit_test(test_not_memory),
		cmocka_unit_test(test_quoted_commands), cmocka_unit_test(test_commands_not_quoted),
		cmocka_unit_test(test_every_cause),     cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls without markers: who waits, for how long, and what of a command line the rules see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "policy/auto.h"
#include "tests/unit/engine_fixture.h"

static bool add(struct acg_auto *autos, pid_t pid, int64_t start, int64_t after)
{
	struct acg_candidate *candidate = g_new0(struct acg_candidate, 1);

	candidate->pid = pid;
	candidate->start.mono = start;
	candidate->due = start + after;
	candidate->command = g_strdup_printf("command %d", pid);
	return acg_auto_add(autos, candidate);
}

static pid_t next_pid(struct acg_auto *autos, int64_t now)
{
	struct acg_candidate *candidate = acg_auto_next(autos, now);
	pid_t pid = candidate ? candidate->pid : 0;

	acg_candidate_free(candidate);
	return pid;
}

static void each_waits_as_its_rule_says(void **state)
{
	struct acg_auto *autos = acg_auto_new();

	(void)state;
	assert_int_equal(acg_auto_due(autos), 0);
	assert_true(add(autos, 10, 1000, 5000));
	assert_true(add(autos, 11, 1001, 100));
	assert_true(add(autos, 12, 1002, 4998)); /* due with the first, but younger */
	assert_int_equal(acg_auto_due(autos), 1101);
	assert_int_equal(next_pid(autos, 1100), 0);
	assert_int_equal(next_pid(autos, 7000), 11);
	assert_int_equal(next_pid(autos, 5999), 0);
	assert_int_equal(next_pid(autos, 6000), 10);
	assert_int_equal(next_pid(autos, 6000), 12);
	assert_int_equal(acg_auto_due(autos), 0);
	acg_auto_free(autos);
}

static void who_exits_waits_no_more(void **state)
{
	struct acg_auto *autos = acg_auto_new();
	struct acg_candidate *gone;

	(void)state;
	add(autos, 10, 1000, 5000);
	assert_false(
		add(autos, 10, 1500, 10)); /* bash runs its only command itself: the first counts */
	assert_null(acg_auto_take(autos, 11));
	gone = acg_auto_take(autos, 10);
	assert_string_equal(gone->command, "command 10");
	acg_candidate_free(gone);
	assert_null(acg_auto_take(autos, 10));
	assert_int_equal(next_pid(autos, INT64_MAX), 0);
	add(autos, 12, 1000, 5000); /* freed with it */
	acg_auto_free(autos);
}

static void there_is_a_bound(void **state)
{
	struct acg_auto *autos = acg_auto_new();

	(void)state;
	for (pid_t pid = 1; pid <= ACG_AUTO_WAITING; pid++)
		assert_true(add(autos, pid, pid, 5000));
	assert_false(add(autos, ACG_AUTO_WAITING + 1, 1, 1));
	acg_auto_free(autos);
}

#define ARGS(text) text, sizeof(text)

static void command_lines(void **state)
{
	static const struct {
		const char *args;
		size_t len;
		const char *line, *written;
	} table[] = {
		{ARGS("bash\0-c\0pytest -q"), "bash -c 'pytest -q'", "pytest -q"},
		{ARGS("/bin/bash\0-c\0cd /src && eval 'make -j2' && pwd -P >| /tmp/x"), NULL,
		 "make -j2"},
		{ARGS("bash\0-lc\0echo \"it's\""), NULL, "echo \"it's\""},
		{ARGS("make\0-j2\0CFLAGS=-O2"), "make -j2 CFLAGS=-O2", "make -j2 CFLAGS=-O2"},
		{ARGS("touch\0a b\0"), "touch 'a b' ''", NULL},
		{"ls\0-la", 4, "ls -", NULL}, /* cut */
		{"", 0, "", ""},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *line = acg_auto_line(table[i].args, table[i].len);
		g_autofree char *written = acg_command_unwrap(line, NULL);

		if (table[i].line)
			assert_string_equal(line, table[i].line);
		if (table[i].written)
			assert_string_equal(written, table[i].written);
	}
}

/* A call of that process, as a rule begins it. */
static struct acg_call *begin_by_rule(struct fixture *fixture, bool by_rule)
{
	struct acg_begin begin = {.command = "make", .pid = 42, .by_rule = by_rule};
	struct acg_call *call;

	begin.start = fixture->now;
	begin.start.mono -= 5000;
	assert_int_equal(acg_engine_begin(fixture->engine, fixture->agent, &begin, fixture->now,
					  fixture->actions, &call, NULL),
			 0);
	call->node.id = 7;
	acg_engine_begun(fixture->engine, call, fixture->actions);
	call->inhabited = true;
	return call;
}

static void its_own_status_is_the_calls(void **state)
{
	static const struct {
		bool by_rule, status_first;
		int status, exit, signal;
	} table[] = {
		{true, true, 3 << 8, 3, 0},
		{true, false, 3 << 8, 3, 0},
		{true, true, SIGTERM, -1, SIGTERM},
		{false, false, 5 << 8, 5, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct fixture fixture = fixture_new(NULL);
		const struct acg_time over = {fixture.now.mono - 3000, fixture.now.real - 3000};
		struct acg_call *call;

		fixture.agent = add_agent(&fixture, NULL, "a");
		call = begin_by_rule(&fixture, table[i].by_rule);
		assert_int_equal(call->start.mono,
				 fixture.now.mono - 5000); /* when the program was run */
		if (table[i].status_first)
			acg_engine_exited(fixture.engine, call, table[i].status, over, fixture.now,
					  fixture.actions);
		acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
		if (!table[i].status_first)
			acg_engine_exited(fixture.engine, call, table[i].status, over, fixture.now,
					  fixture.actions);
		/* with a marker whoever wrote it may still say more: it has its grace */
		assert_int_equal(call->end.mono != 0, table[i].by_rule);
		if (!table[i].by_rule) {
			turn(&fixture, ACG_END_GRACE);
			acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
		}
		assert_int_equal(call->exit, table[i].exit);
		assert_int_equal(call->signal, table[i].signal);
		assert_int_equal(call->end.mono == over.mono, table[i].by_rule);
		fixture_free(&fixture);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_waits_as_its_rule_says),
		cmocka_unit_test(who_exits_waits_no_more),
		cmocka_unit_test(there_is_a_bound),
		cmocka_unit_test(command_lines),
		cmocka_unit_test(its_own_status_is_the_calls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

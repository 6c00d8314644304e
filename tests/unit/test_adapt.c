/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is learnt within a session: grants by class, calls that grow towards a limit, retries. By tables, then through the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "policy/adapt.h"
#include "policy/retry.h"
#include "tests/unit/engine_fixture.h"

#define GIB (1024 * MIB)

static void grants_follow_what_was_needed(void **state)
{
	/* Runs of one class, one after the other; `next` is the grant that then stands, MiB, 0: none. */
	static const struct {
		uint64_t grant, peak;
		bool killed;
		uint64_t next;
		const char *why; /* a part of it; NULL: nothing changes */
	} table[] = {
		{256, 200, false, 0, NULL}, /* fits */
		{256, 256, true, 512, "512M for the next, not 256M: this one was killed at 256M"},
		{512, 480, false, 512, NULL},
		{512, 800, false, 1000, "this one needed 800M"}, /* past a soft grant */
		{1000, 100, false, 1000, NULL},                  /* one small run says little */
		{1000, 120, false, 240, "2 in a row used no more than 120M"},
		{240, 50, false, 240, NULL},
		{240, 200, false, 240, NULL}, /* fits: the small ones before count no more */
		{240, 50, false, 240, NULL},
		{240, 5, false, 100, "2 in a row used no more than 50M"},
		{100, 2, false, 100, NULL},
		{100, 2, false, 64, "64M"}, /* never less */
		{64, 2, false, 64, NULL},
		{64, 2, false, 64, NULL},
		{64, 63, true, 128, "killed"},
	};
	const char *class = g_intern_string("test");
	struct acg_adapt adapt = {0};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		const struct acg_adapt_run run = {table[i].grant * MIB, table[i].peak * MIB,
						  table[i].killed};
		g_autofree char *why = NULL;
		bool changed = acg_adapt_learn(&adapt, class, &run, &why);

		if (changed != (table[i].why != NULL) || (why && !strstr(why, table[i].why)))
			fail_msg("row %u: %s", i, why ? why : "(nothing)");
		assert_int_equal(acg_adapt_grant(&adapt, class), table[i].next * MIB);
	}
	assert_int_equal(acg_adapt_grant(&adapt, g_intern_string("build")), 0);
}

static void classes_are_bounded(void **state)
{
	const struct acg_adapt_run run = {MIB, 2 * MIB, true};
	struct acg_adapt adapt = {0};

	(void)state;
	for (int i = 0; i < ACG_ADAPT_CLASSES; i++) {
		g_autofree char *name = g_strdup_printf("class-%d", i), *why = NULL;

		assert_true(acg_adapt_learn(&adapt, g_intern_string(name), &run, &why));
	}
	assert_false(acg_adapt_learn(&adapt, g_intern_string("one-more"), &run, NULL));
}

static void without_a_grant_nothing_is_learnt(void **state)
{
	const struct acg_adapt_run run = {ACG_MAX, 2 * GIB, true};
	struct acg_adapt adapt = {0};

	(void)state;
	assert_false(acg_adapt_learn(&adapt, g_intern_string("test"), &run, NULL));
}

static void braking(void **state)
{
	static const struct {
		uint64_t usage, left, per_second, grant; /* MiB; grant 0: none */
		bool brake;
		uint64_t high;
	} table[] = {
		{100, 400, 1000, 0, true, 300},   /* 0.4 s: halfway */
		{100, 400, 1000, 200, true, 200}, /* the grant comes first */
		{100, 400, 1000, 50, true, 300},  /* it is past its grant already */
		{100, 400, 1000, 400, true, 300}, /* the grant would be late */
		{100, 600, 1000, 0, false, 0},    /* 0.6 s */
		{100, 400, 0, 0, false, 0},       {104, 0, 1, 0, true, 91},
		{100, 12, 25, 0, true, 98}, /* slow, but near: an eighth of the limit is left */
		{100, 12, 23, 0, false, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		const struct acg_growth growth = {table[i].usage * MIB, table[i].left * MIB,
						  table[i].per_second * MIB,
						  table[i].grant ? table[i].grant * MIB : ACG_MAX};
		uint64_t high = 0;
		bool brake = acg_growth_brake(&growth, SECOND / 2, &high);

		if (brake != table[i].brake || high != table[i].high * MIB)
			fail_msg("row %u: %d at %" G_GUINT64_FORMAT, i, brake,
				 (uint64_t)(high / MIB));
	}
	assert_int_equal(acg_growth_further(100 * MIB, 200 * MIB), 150 * MIB);
	assert_int_equal(acg_growth_further(198 * MIB, 200 * MIB), ACG_MAX);
	assert_int_equal(acg_growth_further(300 * MIB, 200 * MIB), ACG_MAX);
}

static void rows_of_the_same_command(void **state)
{
	static const struct {
		const char *command;
		unsigned int run;
	} table[] = {
		{"pytest -q", 1},
		{"cd /src && pytest  -q", 2}, /* wrapping and blanks mean nothing */
		{"bash -c 'pytest -q'", 3},
		{"pytest", 1},
		{"pytest -q", 1},
		{NULL, 1},
		{NULL, 1}, /* nobody knows what these were */
		{"", 1},
		{"", 1},
	};
	struct acg_retry retry = {0};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++)
		assert_int_equal(acg_retry_begin(&retry, table[i].command), table[i].run);
	acg_retry_begin(&retry, "make");
	acg_retry_end(&retry, 1, 25 * MIB, false);
	acg_retry_begin(&retry, "make");
	acg_retry_end(&retry, 2, 25 * MIB, false);
	acg_retry_begin(&retry, "make");
	acg_retry_end(&retry, 3, 25 * MIB, true); /* that was got back */
	assert_int_equal(retry.left, 50 * MIB);
	acg_retry_begin(&retry, "ls");
	acg_retry_end(&retry, 3, 25 * MIB, false); /* of the row before */
	assert_int_equal(retry.left, 0);
	acg_retry_clear(&retry);
}

/* --- through the engine ------------------------------------------------------------------------------------- */

static const char policy_text[] =
	"agents = ( { budget = { memory = \"2G\"; }; caps = { memory = \"1G\"; };\n"
	"             hint = { memory = \"256M\"; }; } );\n"
	"ladder = { throttle_max = 3.0; };\n"
	"adapt = { enabled = true; };\n";

static struct acg_call *begin_call(struct fixture *fixture, const char *command, const char *memory)
{
	struct acg_begin what = {.command = command, .pid = 42};
	struct acg_call *call;

	if (memory)
		assert_int_equal(acg_hint_set(&what.hint, "memory", memory, NULL), 0);
	g_array_set_size(fixture->actions, 0);
	assert_int_equal(acg_engine_begin(fixture->engine, fixture->agent, &what, fixture->now,
					  fixture->actions, &call, NULL),
			 0);
	acg_engine_begun(fixture->engine, call, fixture->actions);
	return call;
}

/* It ends by a marker, having used `peak` and leaving `left` behind. MiB. */
static void end(struct fixture *fixture, struct acg_call *call, uint64_t peak, uint64_t left,
		uint64_t oom_kills)
{
	g_array_set_size(fixture->actions, 0);
	call->exit = 1;
	call->usage.memory_peak = peak * MIB;
	call->usage.memory_current = left * MIB;
	call->usage.oom_kills = call->usage.oom_events = oom_kills;
	acg_engine_vacated(fixture->engine, call, false, false, fixture->now, fixture->actions);
	acg_engine_call_removed(fixture->engine, call, fixture->now);
}

static void the_next_grant_of_its_class(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_call *call;

	(void)state;
	fixture.agent = add_agent(&fixture, NULL, "a");
	call = begin_call(&fixture, "pytest tests/a", NULL);
	assert_int_equal(call->grant, 256 * MIB);
	end(&fixture, call, 256, 0, 1);
	assert_non_null(find_event(&fixture, "adapted"));
	call = begin_call(&fixture, "pytest tests/b", NULL);
	assert_int_equal(call->grant, 512 * MIB);
	assert_string_equal(find_event(&fixture, "adapted")->text,
			    "its grant is 512M, as calls of class test have shown");
	end(&fixture, call, 512, 0, 1);
	end(&fixture, begin_call(&fixture, "pytest tests/c", NULL), 1024, 0, 1);
	call = begin_call(&fixture, "pytest tests/d", NULL); /* 2 GiB by then: cut to the cap */
	assert_int_equal(call->grant, GIB);
	end(&fixture, call, 900, 0, 0);
	call = begin_call(&fixture, "pytest tests/e",
			  "300M"); /* who says what he needs gets that */
	assert_int_equal(call->grant, 300 * MIB);
	end(&fixture, call, 290, 0, 0);
	call = begin_call(&fixture, "make", NULL); /* of another class nothing is known */
	assert_int_equal(call->grant, 256 * MIB);
	fixture_free(&fixture);
}

static void without_the_policy_nothing_is_learnt(void **state)
{
	struct fixture fixture = fixture_new(
		"agents = ( { budget = { memory = \"2G\"; }; hint = { memory = \"256M\"; }; } );");
	struct acg_call *call;

	(void)state;
	fixture.agent = add_agent(&fixture, NULL, "a");
	for (int i = 0; i < 4; i++) {
		call = begin_call(&fixture, "pytest", NULL);
		assert_int_equal(call->grant, 256 * MIB);
		assert_null(find_event(&fixture, "retry"));
		acg_engine_growth(fixture.engine, call, MIB, GIB, fixture.now, fixture.actions);
		assert_int_equal(call->state, ACG_CALL_RUNNING);
		end(&fixture, call, 256, 25, 1);
		assert_null(find_action(&fixture, ACG_DO_RECLAIM, &call->node));
	}
	fixture_free(&fixture);
}

static void a_retry_is_told_and_cleaned_up_after(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_call *call;

	(void)state;
	fixture.agent = add_agent(&fixture, NULL, "a");
	for (unsigned int run = 1; run <= 5; run++) {
		const struct acg_action *told, *reclaim;

		fixture.agent->self_usage.memory_current = 100 * MIB;
		call = begin_call(&fixture, "npm test", NULL);
		told = find_event(&fixture, "retry");
		assert_int_equal(told != NULL, run >= 3);
		if (told) {
			assert_non_null(strstr(call->feedback, "of the same command in a row"));
			assert_non_null(strstr(call->feedback, "those before left 60M of memory"));
		}
		fixture.agent->self_usage.memory_current = 105 * MIB;
		end(&fixture, call, 50, 25, 0);
		reclaim = find_action(&fixture, ACG_DO_RECLAIM, &call->node);
		assert_int_equal(reclaim != NULL, run >= 3);
		if (!reclaim)
			continue;
		assert_ptr_equal(reclaim[0].node, &call->node);
		assert_int_equal(reclaim[0].value, 25 * MIB);
		assert_ptr_equal(reclaim[1].node, &fixture.agent->self);
		assert_int_equal(reclaim[1].value, 5 * MIB);
	}
	fixture_free(&fixture);
}

static void a_call_that_grows_is_held_before_its_limit(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_call *call;

	(void)state;
	fixture.agent = add_agent(&fixture, NULL, "a");
	call = begin_call(&fixture, "make", "1G"); /* its grant is its limit */
	call->usage.memory_current = call->usage.memory_held = 600 * MIB;
	acg_engine_growth(fixture.engine, call, 424 * MIB, 500 * MIB, fixture.now,
			  fixture.actions); /* 0.85 s */
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	call->usage.memory_held = 100 * MIB; /* page cache is no need */
	acg_engine_growth(fixture.engine, call, 424 * MIB, GIB, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	call->usage.memory_held = 600 * MIB;
	acg_engine_growth(fixture.engine, call, 424 * MIB, GIB, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], 812 * MIB);
	assert_non_null(find_event(&fixture, "growing"));
	assert_non_null(strstr(call->feedback, "it grew by 1G a second, towards a limit at 1G"));

	call->usage.memory_current = 820 * MIB; /* it presses on: half of the rest, each time */
	turn(&fixture, 3 * SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], 922 * MIB);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + 3 * SECOND);
	call->usage.memory_current = 700 * MIB; /* it does not: let go */
	turn(&fixture, 3 * SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	fixture_free(&fixture);
}

static void at_the_very_end_the_limit_decides(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_call *call;
	unsigned int steps = 0;

	(void)state;
	fixture.agent = add_agent(&fixture, NULL, "a");
	call = begin_call(&fixture, "make", "1G");
	call->usage.memory_current = call->usage.memory_held = 600 * MIB;
	acg_engine_growth(fixture.engine, call, 424 * MIB, GIB, fixture.now, fixture.actions);
	while (call->state == ACG_CALL_THROTTLED && steps < 100) {
		call->usage.memory_current = call->node.controls[ACG_CONTROL_MEMORY_HIGH];
		turn(&fixture, 3 * SECOND);
		acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
		steps++;
	}
	assert_in_range(steps, 4, 8); /* slower and slower, but not for ever */
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_follow_what_was_needed),
		cmocka_unit_test(classes_are_bounded),
		cmocka_unit_test(without_a_grant_nothing_is_learnt),
		cmocka_unit_test(braking),
		cmocka_unit_test(rows_of_the_same_command),
		cmocka_unit_test(the_next_grant_of_its_class),
		cmocka_unit_test(without_the_policy_nothing_is_learnt),
		cmocka_unit_test(a_retry_is_told_and_cleaned_up_after),
		cmocka_unit_test(a_call_that_grows_is_held_before_its_limit),
		cmocka_unit_test(at_the_very_end_the_limit_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

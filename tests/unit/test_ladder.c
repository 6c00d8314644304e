/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ladder, step by step: who is throttled, frozen, killed, in which order, and the way back. */
#include "tests/unit/engine_fixture.h"

#include <signal.h>

#include "policy/ladder.h"

static const char policy_text[] =
	"memory = { low = \"100M\"; medium = \"400M\"; };"
	"ladder = { throttle_max = 3.0; freeze_max = 5.0; freeze_percent = 50; kill_after = 30.0; "
	"stall_max = 20.0; calm = 2.0;"
	"           high_percent = 90; low_percent = 75; };"
	"agents = ({ match = \"high\"; priority = \"high\"; budget = { memory = \"1G\"; }; },"
	"          { match = \"low*\"; priority = \"low\"; budget = { memory = \"1G\"; }; },"
	"          { match = \"*\"; budget = { memory = \"1G\"; }; self = { reserve = \"24M\"; "
	"grant = \"200M\"; }; });";

static const struct acg_hint low = {.memory = ACG_MEMORY_LOW};
static const struct acg_hint medium = {.memory = ACG_MEMORY_MEDIUM};

static void uses(struct acg_call *call, uint64_t bytes)
{
	call->usage.memory_current = bytes;
}

static void agent_runs_short(struct fixture *fixture, struct acg_agent *agent)
{
	struct acg_usage usage = agent->usage;

	usage.memory_current = usage.memory_held = 950 * MIB;
	usage.high_events++;
	clear_actions(fixture);
	acg_engine_usage(fixture->engine, &agent->node, &usage, fixture->now, fixture->actions);
}

/* Time passes, with a sign of pressure at each look. */
static void press_on(struct fixture *fixture, struct acg_agent *agent, int64_t usec)
{
	for (int64_t end = fixture->now.mono + usec; fixture->now.mono < end;) {
		turn(fixture, ACG_LADDER_TICK);
		agent->pressure_last = fixture->now.mono;
		clear_actions(fixture);
		acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
	}
}

/* One call, above its grant of 100M. */
static struct acg_call *one_call_runs_short(struct fixture *fixture, uint64_t bytes)
{
	struct acg_call *call = begin(fixture, fixture->agent, "x", "make", &low);

	uses(call, bytes);
	agent_runs_short(fixture, fixture->agent);
	return call;
}

/* x is 400M above its grant, y within it. */
static void two_calls_run_short(struct fixture *fixture, struct acg_call **ret_x,
				struct acg_call **ret_y)
{
	*ret_x = begin(fixture, fixture->agent, "x", "make", &low);
	*ret_y = begin(fixture, fixture->agent, "y", "make", &medium);
	uses(*ret_x, 500 * MIB);
	uses(*ret_y, 300 * MIB);
	agent_runs_short(fixture, fixture->agent);
}

static int set_up(void **state)
{
	struct fixture *fixture = g_new(struct fixture, 1);

	*fixture = fixture_new(policy_text);
	fixture->agent = add_agent(fixture, NULL, "a");
	*state = fixture;
	return 0;
}

static int take_down(void **state)
{
	fixture_free(*state);
	g_free(*state);
	return 0;
}

static void page_cache_is_no_pressure(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_usage usage = {
		.memory_current = 1000 * MIB, .memory_held = 300 * MIB, .high_events = 5};

	begin(fixture, agent, "x", "make", &low);
	clear_actions(fixture);
	acg_engine_usage(fixture->engine, &agent->node, &usage, fixture->now, fixture->actions);
	assert_int_equal(agent->pressure_since, 0);
	assert_int_equal(fixture->actions->len, 0);
}

static void over_its_grant_is_throttled_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *over = begin(fixture, agent, "over", "make", &low);
	struct acg_call *within = begin(fixture, agent, "within", "make", &medium);

	uses(over, 300 * MIB);
	uses(within, 300 * MIB);
	agent_runs_short(fixture, agent);
	assert_int_equal(value_set(fixture, &over->node, ACG_CONTROL_MEMORY_HIGH), 100 * MIB);
	assert_int_equal(over->state, ACG_CALL_THROTTLED);
	assert_non_null(find_action(fixture, ACG_DO_UPDATE, &over->node)); /* the scheduler hears of it */
	assert_null(find_action(fixture, ACG_DO_UPDATE, &within->node));
	assert_int_equal(within->state, ACG_CALL_RUNNING);
	assert_int_equal(value_set(fixture, &within->node, ACG_CONTROL_MEMORY_HIGH), -1);
	/* the tripwire must not throttle `self`, which is held at its own grant */
	assert_int_equal((uint64_t)value_set(fixture, &agent->node, ACG_CONTROL_MEMORY_HIGH),
			 ACG_MAX);
	assert_int_equal(value_set(fixture, &agent->self, ACG_CONTROL_MEMORY_HIGH), 200 * MIB);
	assert_non_null(over->feedback);
	assert_null(within->feedback);
	assert_int_equal(fixture->engine->deadline, fixture->now.mono + ACG_LADDER_TICK);
}

static void nobody_over_holds_the_next_victim(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *old = begin(fixture, agent, "old", "make", &medium), *young;

	turn(fixture, SECOND);
	young = begin(fixture, agent, "young", "make", &medium);
	uses(old, 350 * MIB);
	uses(young, 350 * MIB);
	agent_runs_short(fixture, agent);
	assert_int_equal(old->state, ACG_CALL_RUNNING);
	assert_int_equal(young->state, ACG_CALL_THROTTLED);
	assert_int_equal(value_set(fixture, &young->node, ACG_CONTROL_MEMORY_HIGH), 350 * MIB);
}

static void a_learnt_grant_says_who_is_first_not_where(void **state)
{
	struct fixture *fixture = *state;
	struct acg_call *little = begin(fixture, fixture->agent, "little", "make", &low);
	struct acg_call *most = begin(fixture, fixture->agent, "most", "make", &low);

	little->adapted = most->adapted = 100 * MIB;
	uses(little, 200 * MIB);
	uses(most, 500 * MIB);
	agent_runs_short(fixture, fixture->agent);
	assert_int_equal(little->state, ACG_CALL_RUNNING);
	assert_int_equal(most->state, ACG_CALL_THROTTLED);
	assert_int_equal(value_set(fixture, &most->node, ACG_CONTROL_MEMORY_HIGH), 500 * MIB);
}

static void the_way_back(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = one_call_runs_short(fixture, 300 * MIB);
	struct acg_usage calm = {.memory_held = 100 * MIB};

	calm.high_events = agent->usage.high_events;
	acg_engine_usage(fixture->engine, &agent->node, &calm, fixture->now, fixture->actions);
	turn(fixture, SECOND);
	clear_actions(fixture);
	acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
	assert_int_equal(call->state, ACG_CALL_THROTTLED); /* hysteresis: calm has to last */
	turn(fixture, SECOND);
	acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal((uint64_t)value_set(fixture, &call->node, ACG_CONTROL_MEMORY_HIGH),
			 ACG_MAX);
	assert_int_equal(agent->pressure_since, 0);
	assert_int_equal(fixture->engine->n_pressed, 0);
	assert_true(agent->node.controls[ACG_CONTROL_MEMORY_HIGH] <
		    1024 * MIB);                       /* the tripwire is set again */
	assert_int_equal(fixture->engine->deadline, 0); /* no timer ticks without cause */
}

/* The call wants to grow while its agent holds so much. */
static void wants_more(struct fixture *fixture, struct acg_call *call, uint64_t agent_holds)
{
	struct acg_usage usage = call->usage;

	turn(fixture, SECOND);
	call->node.agent->usage.memory_held = agent_holds;
	usage.high_events++;
	clear_actions(fixture);
	acg_engine_usage(fixture->engine, &call->node, &usage, fixture->now, fixture->actions);
}

static void between_the_marks_there_is_room(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	uint64_t mark = agent->budget.memory / 100 * 90;
	struct acg_call *call = begin(fixture, agent, "x", "make", &medium);
	int64_t short_last;

	uses(call, 350 * MIB);
	agent_runs_short(fixture, agent);
	short_last = agent->pressure_last;
	wants_more(fixture, call, 800 * MIB);
	assert_int_equal(value_set(fixture, &call->node, ACG_CONTROL_MEMORY_HIGH),
			 350 * MIB + (mark - 800 * MIB) / 2);
	assert_int_equal(agent->pressure_last, short_last); /* no sign, or it would be killed for it */
	wants_more(fixture, call, mark - 2 * MIB);
	assert_int_equal(agent->pressure_last, fixture->now.mono);
}

static void above_its_grant_there_is_none(void **state)
{
	struct fixture *fixture = *state;
	struct acg_call *call = one_call_runs_short(fixture, 300 * MIB);

	wants_more(fixture, call, 800 * MIB);
	assert_int_equal(value_set(fixture, &call->node, ACG_CONTROL_MEMORY_HIGH), -1);
	assert_int_equal(fixture->agent->pressure_last, fixture->now.mono);
}

static void throttling_does_not_keep_itself_going(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = one_call_runs_short(fixture, 300 * MIB);
	struct acg_usage usage = {.memory_current = 300 * MIB};
	int64_t last;

	last = agent->pressure_last;
	turn(fixture, SECOND);
	usage.high_events++; /* it wants to grow, and the budget is short: a sign */
	acg_engine_usage(fixture->engine, &call->node, &usage, fixture->now, fixture->actions);
	assert_true(agent->pressure_last > last);
	last = agent->pressure_last;
	turn(fixture, SECOND);
	agent->usage.memory_held = 400 * MIB; /* it still wants to, but there is room */
	usage.high_events++;
	acg_engine_usage(fixture->engine, &call->node, &usage, fixture->now, fixture->actions);
	assert_int_equal(agent->pressure_last, last);
}

static void freezes_one_and_thaws_it(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *x, *y;

	two_calls_run_short(fixture, &x, &y);
	press_on(fixture, agent, 2 * SECOND);
	assert_int_equal(x->state, ACG_CALL_THROTTLED);
	press_on(fixture, agent, SECOND);
	assert_int_equal(x->state, ACG_CALL_FROZEN); /* the one furthest above its grant */
	assert_int_equal(y->state, ACG_CALL_RUNNING);
	press_on(fixture, agent, 5 * SECOND);
	assert_int_not_equal(x->state, ACG_CALL_FROZEN);
	assert_int_equal(x->frozen, 5 * SECOND);
	assert_int_equal(y->state, ACG_CALL_FROZEN); /* then somebody else's turn */
}

static void an_only_call_is_not_frozen_for_its_own_budget(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = one_call_runs_short(fixture, 800 * MIB);

	press_on(fixture, agent, 10 * SECOND);
	assert_int_equal(call->frozen_since, 0);
	assert_int_equal(call->frozen, 0);
}

static void frozen_at_most_half_of_a_minute(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *high = add_agent(fixture, NULL, "high"),
			 *lower = add_agent(fixture, NULL, "low1");
	struct acg_call *call = begin(fixture, lower, "x", "make", &low);

	uses(call, 300 * MIB);
	for (int i = 0; i < 240; i++) { /* a minute */
		turn(fixture, ACG_LADDER_TICK);
		acg_ladder_sign(fixture->engine, high, true, fixture->now, fixture->actions);
		high->pressure_since =
			MAX(high->pressure_since,
			    fixture->now.mono - 10 * SECOND); /* never as far as a kill */
		acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
		clear_actions(fixture);
	}
	assert_true(call->frozen > 10 * SECOND);
	assert_true(call->frozen <= 30 * SECOND);
}

static void kills_one_call_never_more(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *x, *y;
	unsigned int kills = 0;

	two_calls_run_short(fixture, &x, &y);
	for (int i = 0; i < 31 * 4; i++) {
		press_on(fixture, agent, ACG_LADDER_TICK);
		x->grown = y->grown = fixture->now.mono;
		if (find_action(fixture, ACG_DO_SIGNAL, &x->node)) {
			kills++;
			/* the words come before the signal */
			assert_true(find_event(fixture, "feedback") <
				    find_action(fixture, ACG_DO_SIGNAL, &x->node));
		}
		assert_null(find_action(fixture, ACG_DO_SIGNAL, &y->node));
		assert_null(find_action(fixture, ACG_DO_SIGNAL, &agent->self));
	}
	assert_int_equal(kills, 1);
	assert_int_equal(x->signal, SIGKILL);
	assert_non_null(x->feedback);
}

static void no_call_dies_because_self_grew(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = begin(fixture, agent, "x", "make", &medium);

	uses(call, 300 * MIB);
	agent->self_usage.memory_current = 650 * MIB; /* its grant is 200M */
	agent_runs_short(fixture, agent);
	for (int i = 0; i < 40 * 4; i++) {
		press_on(fixture, agent, ACG_LADDER_TICK);
		call->grown = fixture->now.mono;
		assert_null(find_action(fixture, ACG_DO_SIGNAL, &call->node));
	}
	agent->self_usage.memory_current = 220 * MIB; /* not that */
	press_on(fixture, agent, ACG_LADDER_TICK);
	assert_non_null(find_action(fixture, ACG_DO_SIGNAL, &call->node));
}

static void goes_on_in_time_when_the_pressed_agent_is_gone(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *high = add_agent(fixture, NULL, "high"),
			 *lower = add_agent(fixture, NULL, "low1");
	struct acg_call *call = begin(fixture, lower, "x", "make", &low);

	uses(call, 300 * MIB);
	acg_ladder_sign(fixture->engine, high, true, fixture->now, fixture->actions);
	acg_ladder_freeze(call, fixture->now, fixture->actions);
	assert_int_not_equal(call->throttled_since, 0);
	clear_actions(fixture);
	assert_int_equal(acg_engine_agent_remove(fixture->engine, high, fixture->now,
						 fixture->actions, NULL),
			 0);
	assert_non_null(find_action(fixture, ACG_DO_THAW, &call->node));
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal((uint64_t)value_set(fixture, &call->node, ACG_CONTROL_MEMORY_HIGH), ACG_MAX);
}

static void out_of_reach_a_freeze_still_ends(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = begin(fixture, agent, "x", "make", &low);

	acg_ladder_freeze(call, fixture->now, fixture->actions);
	acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
	assert_int_equal(fixture->engine->deadline, fixture->now.mono + 5 * SECOND);
	turn(fixture, 5 * SECOND);
	acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
}

static void nothing_stays_held_back_when_the_daemon_stops(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *x = begin(fixture, agent, "x", "make", &low),
			*y = begin(fixture, agent, "y", "make", &low);

	uses(x, 800 * MIB);
	agent_runs_short(fixture, agent);
	acg_ladder_freeze(x, fixture->now, fixture->actions);
	acg_engine_freeze(fixture->engine, y, true, fixture->now, fixture->actions);
	clear_actions(fixture);
	acg_engine_stop(fixture->engine, fixture->now, fixture->actions);
	assert_non_null(find_action(fixture, ACG_DO_THAW, &x->node));
	assert_int_equal((uint64_t)value_set(fixture, &x->node, ACG_CONTROL_MEMORY_HIGH), ACG_MAX);
	assert_null(find_action(fixture, ACG_DO_THAW, &y->node)); /* a person's freeze */
}

static void a_livelock_ends(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	struct acg_call *call = one_call_runs_short(fixture, 300 * MIB);
	struct acg_usage usage = {.memory_current = 300 * MIB};
	bool killed = false;

	for (int i = 0; i < 22 * 4; i++) {
		usage.stalled_usec += ACG_LADDER_TICK; /* it does nothing but reclaim */
		acg_engine_usage(fixture->engine, &call->node, &usage, fixture->now, fixture->actions);
		press_on(fixture, agent, ACG_LADDER_TICK);
		killed |= find_action(fixture, ACG_DO_SIGNAL, &call->node) != NULL;
		if (i < 18 * 4)
			assert_false(killed);
	}
	assert_true(killed);
}

static void outside_pressure_reaches_lower_priorities_only(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *high = add_agent(fixture, NULL, "high");
	struct acg_agent *lower = add_agent(fixture, NULL, "low1");
	struct acg_agent *other = add_agent(fixture, NULL, "normal");
	struct acg_call *mine = begin(fixture, high, "x", "make", &low);
	struct acg_call *theirs = begin(fixture, lower, "x", "make", &low);
	struct acg_call *normal = begin(fixture, other, "x", "make", &low);

	uses(mine, 300 * MIB);
	uses(theirs, 300 * MIB);
	uses(normal, 50 * MIB);
	clear_actions(fixture);
	acg_engine_pressure(fixture->engine, high, fixture->now, fixture->actions);
	assert_int_equal(theirs->state, ACG_CALL_THROTTLED);
	assert_int_equal(mine->state, ACG_CALL_RUNNING);
	assert_int_equal(normal->state, ACG_CALL_RUNNING);
	/* the other way round there is nobody to slow down */
	acg_engine_pressure(fixture->engine, lower, fixture->now, fixture->actions);
	assert_int_equal(mine->state, ACG_CALL_RUNNING);
}

static void our_own_delays_are_no_pressure(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *agent = fixture->agent;
	int64_t last;

	one_call_runs_short(fixture, 300 * MIB);
	last = agent->pressure_last;
	turn(fixture, SECOND);
	acg_engine_pressure(fixture->engine, agent, fixture->now, fixture->actions);
	assert_int_equal(agent->pressure_last, last);
}

static void nor_are_they_where_a_sub_agent_feels_them(void **state)
{
	struct fixture *fixture = *state;
	struct acg_agent *sub = add_agent(fixture, fixture->agent, "sub");
	struct acg_call *call = begin(fixture, sub, "x", "make", &low);
	int64_t last;

	uses(call, 300 * MIB);
	agent_runs_short(fixture, fixture->agent);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	last = fixture->agent->pressure_last;
	turn(fixture, SECOND);
	acg_engine_pressure(fixture->engine, fixture->agent, fixture->now, fixture->actions);
	assert_int_equal(fixture->agent->pressure_last, last);
}

static void no_ladder_without_a_policy(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);

	(void)state;
	uses(call, 500 * MIB);
	clear_actions(&fixture);
	agent->usage.memory_held = 1ull << 40;
	acg_engine_pressure(fixture.engine, agent, fixture.now, fixture.actions);
	assert_int_equal(fixture.actions->len, 0);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	fixture_free(&fixture);
}

#define LADDER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, take_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LADDER_TEST(page_cache_is_no_pressure),
		LADDER_TEST(over_its_grant_is_throttled_at_once),
		LADDER_TEST(nobody_over_holds_the_next_victim),
		LADDER_TEST(a_learnt_grant_says_who_is_first_not_where),
		LADDER_TEST(the_way_back),
		LADDER_TEST(between_the_marks_there_is_room),
		LADDER_TEST(above_its_grant_there_is_none),
		LADDER_TEST(throttling_does_not_keep_itself_going),
		LADDER_TEST(freezes_one_and_thaws_it),
		LADDER_TEST(an_only_call_is_not_frozen_for_its_own_budget),
		LADDER_TEST(frozen_at_most_half_of_a_minute),
		LADDER_TEST(kills_one_call_never_more),
		LADDER_TEST(no_call_dies_because_self_grew),
		LADDER_TEST(goes_on_in_time_when_the_pressed_agent_is_gone),
		LADDER_TEST(out_of_reach_a_freeze_still_ends),
		LADDER_TEST(nothing_stays_held_back_when_the_daemon_stops),
		LADDER_TEST(a_livelock_ends),
		LADDER_TEST(outside_pressure_reaches_lower_priorities_only),
		LADDER_TEST(our_own_delays_are_no_pressure),
		LADDER_TEST(nor_are_they_where_a_sub_agent_feels_them),
		cmocka_unit_test(no_ladder_without_a_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

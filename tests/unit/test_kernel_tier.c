/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine while memcg_bpf_ops is on: limits that leave the delaying to the kernel, and the steps that its signs start. */
#include <signal.h>

#include "tests/unit/engine_fixture.h"

#include "policy/ladder.h"

static const char policy_text[] = "memory = { low = \"100M\"; medium = \"400M\"; };"
				  "ladder = { throttle_max = 3.0; freeze_max = 5.0; kill_after = "
				  "30.0; stall_max = 20.0; calm = 2.0; };"
				  "agents = ({ match = \"*\"; budget = { memory = \"1G\"; }; caps "
				  "= { memory = \"640M\"; }; });";

static const struct acg_hint low = {.memory = ACG_MEMORY_LOW};

static struct fixture kernel_fixture(void)
{
	struct fixture fixture = fixture_new(policy_text);

	fixture.engine->kernel_delays = true;
	return fixture;
}

static void delay(struct fixture *fixture, struct acg_node *node, bool begins)
{
	clear_actions(fixture);
	acg_engine_delay(fixture->engine, node, begins, fixture->now, fixture->actions);
}

static void tick_when_due(struct fixture *fixture)
{
	fixture->now.mono = MAX(fixture->engine->deadline, fixture->now.mono + 1);
	clear_actions(fixture);
	acg_engine_tick(fixture->engine, fixture->now, fixture->actions);
}

/* memory.high is no wall at the grant, and no tripwire: the kernel takes the larger of its own delay and ours. */
static void memory_high_is_just_below_max(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call;

	(void)state;
	assert_int_equal(agent->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	call = begin(&fixture, agent, "x", "make", &low);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], 630 * MIB);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_MAX], 640 * MIB);
	fixture_free(&fixture);
}

static void first_delay_is_told_once(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);

	(void)state;
	call->usage.memory_current = 200 * MIB;
	delay(&fixture, &call->node, true);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	assert_non_null(find_event(&fixture, "feedback"));
	assert_non_null(find_action(&fixture, ACG_DO_UPDATE, &call->node));
	assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_MEMORY_HIGH), -1);
	delay(&fixture, &call->node, false);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	delay(&fixture, &call->node, true);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	assert_null(find_event(&fixture, "feedback"));
	fixture_free(&fixture);
}

/* The state falls back by itself when a call is not delayed any more because it does not charge. */
static void a_quiet_call_is_released(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);
	struct acg_usage usage = {
		.delays = 7, .delayed_usec = 350000, .delayed_until = fixture.now.mono + 50000};

	(void)state;
	delay(&fixture, &call->node, true);
	acg_engine_usage(fixture.engine, &call->node, &usage, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	assert_int_equal(call->delays, 7);
	assert_int_equal(call->delayed, 350000);
	while (call->state == ACG_CALL_THROTTLED &&
	       fixture.now.mono < usage.delayed_until + 10 * SECOND) {
		tick_when_due(&fixture);
		acg_engine_usage(fixture.engine, &call->node, &usage, fixture.now, fixture.actions);
	}
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_true(fixture.now.mono >= usage.delayed_until + 2 * SECOND);
	fixture_free(&fixture);
}

/* The kernel's signs start the ladder's later steps; nothing is looked at in between. */
static void signs_lead_to_a_freeze(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);
	unsigned int ticks = 0;
	int64_t start = fixture.now.mono;

	(void)state;
	begin(&fixture, agent, "y", "make", &low);
	call->usage.memory_current = 300 * MIB;
	acg_engine_short(fixture.engine, agent, false, false, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING); /* the kernel delays, and tells of it */
	while (!call->frozen_since && fixture.now.mono < start + 20 * SECOND) {
		tick_when_due(&fixture);
		ticks++;
		acg_engine_short(fixture.engine, agent, false, false, fixture.now, fixture.actions);
	}
	assert_true(call->frozen_since >= start + 3 * SECOND);
	assert_true(ticks < 20);
	fixture_free(&fixture);
}

/* Delayed for a minute, with memory left: nobody is killed; then it is used up, and one is. */
static void kills_only_when_memory_is_spent(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);
	int64_t start = fixture.now.mono;

	(void)state;
	call->usage.memory_current = 300 * MIB;
	acg_engine_short(fixture.engine, agent, false, false, fixture.now, fixture.actions);
	while (fixture.now.mono < start + 60 * SECOND) {
		tick_when_due(&fixture);
		acg_engine_short(fixture.engine, agent, false, false, fixture.now, fixture.actions);
		assert_int_equal(call->signal, 0);
	}
	acg_engine_short(fixture.engine, agent, false, true, fixture.now, fixture.actions);
	tick_when_due(&fixture);
	assert_int_equal(call->signal, SIGKILL);
	fixture_free(&fixture);
}

static void without_signs_it_is_over(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	int64_t start = fixture.now.mono;

	(void)state;
	begin(&fixture, agent, "x", "make", &low);
	acg_engine_short(fixture.engine, agent, true, false, fixture.now, fixture.actions);
	assert_true(agent->pressure_outside);
	while (agent->pressure_since && fixture.now.mono < start + 20 * SECOND)
		tick_when_due(&fixture);
	assert_int_equal(agent->pressure_since, 0);
	assert_true(fixture.now.mono < start + 3 * SECOND);
	assert_int_equal(fixture.engine->deadline, 0);
	fixture_free(&fixture);
}

static void a_fixed_delay_is_put_down_to_the_grant(void **state)
{
	struct fixture fixture = fixture_new("ladder = { delay_ms = 50; };");
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);

	(void)state;
	fixture.engine->kernel_delays = true;
	delay(&fixture, &call->node, true);
	assert_non_null(strstr(call->feedback, "above its grant"));
	fixture_free(&fixture);
}

/* Detached by somebody: limits as on the cgroup tier from then on, and back. */
static void losing_it_puts_limits_back(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", &low);

	(void)state;
	delay(&fixture, &call->node, true);
	clear_actions(&fixture);
	acg_engine_kernel_delays(fixture.engine, false, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	assert_true(agent->node.controls[ACG_CONTROL_MEMORY_HIGH] < 1024 * MIB);
	acg_engine_kernel_delays(fixture.engine, true, fixture.actions);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_HIGH], 630 * MIB);
	assert_int_equal(agent->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	fixture_free(&fixture);
}

/* The programs' map was full: that call is slowed down by its memory.high, and the one beside it by the kernel. */
static void a_call_that_is_not_listed_has_limits(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *listed = begin(&fixture, agent, "x", "make", &low);
	struct acg_call *call = begin(&fixture, agent, "y", "make", &low);

	(void)state;
	call->node.unlisted = true;
	listed->usage.memory_current = call->usage.memory_current = 300 * MIB;
	clear_actions(&fixture);
	acg_engine_short(fixture.engine, agent, false, false, fixture.now, fixture.actions);
	assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_MEMORY_HIGH), 100 * MIB);
	assert_int_equal(value_set(&fixture, &listed->node, ACG_CONTROL_MEMORY_HIGH), -1);
	assert_int_equal(call->state, ACG_CALL_THROTTLED);
	assert_int_equal(listed->state, ACG_CALL_RUNNING);
	fixture_free(&fixture);
}

/* An adopted agent that it cannot be attached to has the limits of the cgroup tier, the others do not; and back. */
static void an_agent_without_it_has_limits(void **state)
{
	struct fixture fixture = kernel_fixture();
	struct acg_agent *served = add_agent(&fixture, NULL, "a");
	struct acg_agent *not_served = add_agent(&fixture, NULL, "b");
	struct acg_call *one = begin(&fixture, served, "x", "make", &low);
	struct acg_call *two = begin(&fixture, not_served, "x", "make", &low);

	(void)state;
	clear_actions(&fixture);
	acg_engine_agent_delayed(fixture.engine, not_served, false, fixture.actions);
	assert_int_equal(one->node.controls[ACG_CONTROL_MEMORY_HIGH], 630 * MIB);
	assert_int_equal(served->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	assert_int_equal(two->node.controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX);
	assert_true(not_served->node.controls[ACG_CONTROL_MEMORY_HIGH] < 1024 * MIB);

	two->usage.memory_current = 200 * MIB;
	not_served->usage.memory_held = 1000 * MIB;
	acg_ladder_sign(fixture.engine, not_served, false, fixture.now, fixture.actions);
	assert_int_equal(two->state, ACG_CALL_THROTTLED);
	assert_int_equal(two->node.controls[ACG_CONTROL_MEMORY_HIGH], 100 * MIB);

	acg_engine_agent_delayed(fixture.engine, not_served, true, fixture.actions);
	assert_int_equal(two->state, ACG_CALL_RUNNING);
	assert_int_equal(two->node.controls[ACG_CONTROL_MEMORY_HIGH], 630 * MIB);
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_high_is_just_below_max),
		cmocka_unit_test(first_delay_is_told_once),
		cmocka_unit_test(a_quiet_call_is_released),
		cmocka_unit_test(signs_lead_to_a_freeze),
		cmocka_unit_test(kills_only_when_memory_is_spent),
		cmocka_unit_test(without_signs_it_is_over),
		cmocka_unit_test(a_fixed_delay_is_put_down_to_the_grant),
		cmocka_unit_test(a_call_that_is_not_listed_has_limits),
		cmocka_unit_test(losing_it_puts_limits_back),
		cmocka_unit_test(an_agent_without_it_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

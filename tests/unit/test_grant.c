/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a group gets, by table: hint, rule, agent's default, caps, budgets, and what is left of them. */
#include "tests/unit/engine_fixture.h"

#include "policy/grant.h"

static const char policy_text[] =
	"memory = { low = \"100M\"; medium = \"400M\"; };\n"
	"ladder = { high_percent = 80; low_percent = 60; };\n"
	"agents = (\n"
	"  { match = \"capped\"; budget = { memory = \"1000M\"; swap = 0; cpu_max = \"200%\"; cpu_weight = 200;\n"
	"                                pids = 50; };\n"
	"    caps = { memory = \"500M\"; swap = \"10M\"; cpu_max = \"50%\"; pids = 20; timeout = 60; };\n"
	"    self = { low = \"64M\"; }; },\n"
	"  { match = \"reserved\"; budget = { memory = \"1000M\"; }; self = { reserve = \"200M\"; };\n"
	"    hint = { memory = \"low\"; cpu = \"batch\"; pids = 5; }; priority = \"low\"; },\n"
	"  { match = \"open\"; } );\n"
	"rules = ( { match = \"^make\"; class = \"build\"; memory = \"medium\"; cpu = \"latency\"; timeout = 30; } );\n";

struct case_of {
	const char *agent;
	const char *command;
	struct acg_hint hint;
	uint64_t grant, memory_max; /* MiB; 0: unlimited */
	enum acg_cpu_class cpu;
	uint64_t pids; /* 0: unlimited */
	int64_t timeout;
};

static uint64_t mib(uint64_t n)
{
	return n ? n * MIB : ACG_MAX;
}

static void calls(void **state)
{
	static const struct case_of table[] = {
		/* nothing said: all there is */
		{"open", "ls", {0}, 0, 0, ACG_CPU_NORMAL, 0, 0},
		{"capped", "ls", {0}, 500, 500, ACG_CPU_NORMAL, 20, 60 * SECOND},
		/* the words */
		{"open", "ls", {.memory = ACG_MEMORY_LOW}, 100, 0, ACG_CPU_NORMAL, 0, 0},
		{"open", "ls", {.memory = ACG_MEMORY_MEDIUM}, 400, 0, ACG_CPU_NORMAL, 0, 0},
		{"open", "ls", {.memory = ACG_MEMORY_HIGH}, 0, 0, ACG_CPU_NORMAL, 0, 0},
		{"capped", "ls", {.memory = ACG_MEMORY_HIGH}, 500, 500, ACG_CPU_NORMAL, 20,
		 60 * SECOND},
		/* too much is cut */
		{"capped",
		 "ls",
		 {.memory = ACG_MEMORY_SIZE, .memory_bytes = 800 * MIB, .pids = 99,
		  .timeout = 90 * SECOND},
		 500, 500, ACG_CPU_NORMAL, 20, 60 * SECOND},
		{"capped",
		 "ls",
		 {.memory = ACG_MEMORY_SIZE, .memory_bytes = 300 * MIB, .pids = 9,
		  .timeout = 9 * SECOND},
		 300, 500, ACG_CPU_NORMAL, 9, 9 * SECOND},
		/* the rule where the hint is silent, the hint where it is not */
		{"open", "make -j2", {0}, 400, 0, ACG_CPU_LATENCY, 0, 30 * SECOND},
		{"open", "make -j2", {.memory = ACG_MEMORY_LOW}, 100, 0, ACG_CPU_LATENCY, 0,
		 30 * SECOND},
		{"open", "make -j2", {.cpu = ACG_CPU_BATCH}, 400, 0, ACG_CPU_BATCH, 0,
		 30 * SECOND},
		/* the agent's default where both are silent; what is reserved for self is not to be had */
		{"reserved", "ls", {0}, 100, 800, ACG_CPU_BATCH, 5, 0},
		{"reserved", "make", {0}, 400, 800, ACG_CPU_LATENCY, 5, 30 * SECOND},
		{"reserved", "ls", {.memory = ACG_MEMORY_HIGH}, 800, 800, ACG_CPU_BATCH, 5, 0},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct fixture fixture = fixture_new(policy_text);
		struct acg_agent *agent = add_agent(&fixture, NULL, table[i].agent);
		struct acg_call *call =
			begin(&fixture, agent, "x", table[i].command, &table[i].hint);

		if (call->grant != mib(table[i].grant) ||
		    call->memory_max != mib(table[i].memory_max) || call->cpu != table[i].cpu ||
		    (int64_t)call->timeout != table[i].timeout ||
		    call->node.controls[ACG_CONTROL_PIDS_MAX] !=
			    (table[i].pids ? table[i].pids : ACG_MAX))
			fail_msg("case %u", i);
		fixture_free(&fixture);
	}
}

static void caps_reach_the_kernels_files(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_agent *agent = add_agent(&fixture, NULL, "capped");
	struct acg_call *call = begin(&fixture, agent, "x", "ls", NULL);
	const uint64_t *controls = call->node.controls;

	(void)state;
	assert_int_equal(controls[ACG_CONTROL_MEMORY_MAX], 500 * MIB);
	assert_int_equal(controls[ACG_CONTROL_SWAP_MAX], 10 * MIB);
	assert_int_equal(controls[ACG_CONTROL_CPU_MAX], ACG_CPU_PERIOD / 2);
	assert_int_equal(controls[ACG_CONTROL_MEMORY_HIGH], ACG_MAX); /* without pressure */
	assert_int_equal(controls[ACG_CONTROL_OOM_GROUP], 1);
	fixture_free(&fixture);
}

static void budgets_reach_the_kernels_files(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_agent *agent = add_agent(&fixture, NULL, "capped");
	const uint64_t *controls = agent->node.controls;

	(void)state;
	assert_int_equal(controls[ACG_CONTROL_MEMORY_MAX], 1000 * MIB);
	assert_int_equal(controls[ACG_CONTROL_MEMORY_HIGH], 800 * MIB); /* the tripwire */
	assert_int_equal(acg_grant_tripwire(fixture.engine, agent), 800 * MIB);
	assert_int_equal(controls[ACG_CONTROL_SWAP_MAX], 0);
	assert_int_equal(controls[ACG_CONTROL_CPU_MAX], 2 * ACG_CPU_PERIOD);
	assert_int_equal(controls[ACG_CONTROL_PIDS_MAX], 50);
	assert_int_equal(controls[ACG_CONTROL_CPU_WEIGHT], 200);
	assert_int_equal(agent->self.controls[ACG_CONTROL_MEMORY_LOW], 64 * MIB);
	assert_int_equal(controls[ACG_CONTROL_OOM_GROUP], 0); /* an OOM takes a call, not the agent */
	fixture_free(&fixture);
}

static void priorities_weigh(void **state)
{
	static const struct {
		enum acg_priority priority;
		uint64_t weight; /* of a budget with 200 */
	} table[] = {
		{ACG_PRIORITY_LOW, 50}, {ACG_PRIORITY_NORMAL, 200}, {ACG_PRIORITY_HIGH, 800}};
	struct fixture fixture = fixture_new(policy_text);
	struct acg_agent *agent = add_agent(&fixture, NULL, "capped");

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		acg_engine_agent_priority(fixture.engine, agent, table[i].priority, fixture.now,
					  fixture.actions);
		assert_int_equal(agent->node.controls[ACG_CONTROL_CPU_WEIGHT], table[i].weight);
	}
	fixture_free(&fixture);
}

static void a_sub_agent_lives_within_its_agents_bounds(void **state)
{
	struct fixture fixture = fixture_new(policy_text);
	struct acg_agent *agent = add_agent(&fixture, NULL, "reserved");
	struct acg_agent *sub = add_agent(&fixture, agent, "open");
	struct acg_call *call = begin(&fixture, sub, "x", "ls", NULL);

	(void)state;
	assert_int_equal(acg_grant_ceiling(sub), 800 * MIB);
	assert_int_equal(call->memory_max, 800 * MIB);
	assert_int_equal(call->grant, 100 * MIB); /* its agent's default hint */
	assert_int_equal(sub->priority, ACG_PRIORITY_LOW);
	acg_engine_agent_limit(fixture.engine, sub, ACG_CONTROL_MEMORY_MAX, 50 * MIB,
			       fixture.actions);
	assert_int_equal(acg_grant_ceiling(sub), 50 * MIB);
	assert_int_equal(call->memory_max, 50 * MIB);
	assert_int_equal(call->grant, 50 * MIB);
	fixture_free(&fixture);
}

static void without_a_policy_nothing_is_set(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);

	(void)state;
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		assert_int_equal(agent->node.controls[i], acg_control_defaults[i]);
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		if (i != ACG_CONTROL_OOM_GROUP)
			assert_int_equal(call->node.controls[i], acg_control_defaults[i]);
	assert_int_equal(call->grant, ACG_MAX);
	assert_int_equal(acg_grant_tripwire(fixture.engine, agent), ACG_MAX);
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),
		cmocka_unit_test(caps_reach_the_kernels_files),
		cmocka_unit_test(budgets_reach_the_kernels_files),
		cmocka_unit_test(priorities_weigh),
		cmocka_unit_test(a_sub_agent_lives_within_its_agents_bounds),
		cmocka_unit_test(without_a_policy_nothing_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine as a whole: its policy, who does the delaying, and its stop. Agents are in engine_agent.c, calls in engine_call.c, what
 * the kernel and the clock say in engine_signs.c; the grant's arithmetic is in grant.c, pressure in ladder.c. */
#include "policy/engine_private.h"

#include "policy/actions.h"
#include "policy/grant.h"
#include "policy/ladder.h"

struct acg_engine *acg_engine_new(struct acg_policy *policy)
{
	struct acg_engine *engine = g_new0(struct acg_engine, 1);

	engine->policy = acg_policy_ref(policy);
	engine->registry = acg_registry_new();
	return engine;
}

void acg_engine_free(struct acg_engine *engine)
{
	if (!engine)
		return;
	acg_registry_free(engine->registry);
	acg_policy_unref((struct acg_policy *)engine->policy);
	g_free(engine);
}

void acg_engine_due(struct acg_engine *engine, int64_t when)
{
	if (when && (!engine->deadline || when < engine->deadline))
		engine->deadline = when;
}

/* With the new policy's rules, where the command is known whole; else what the old ones said of it stays. */
static void redo_rules(struct acg_engine *engine, struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->command_whole && call->state != ACG_CALL_ENDED)
			acg_engine_apply_rule(engine, call, call->command, NULL);
	}
}

/* The grant of an agent and of all below. */
static void regrant(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	acg_grant_agent(engine, agent);
	acg_engine_agent_limits(engine, agent, actions);
	redo_rules(engine, agent);
	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		regrant(engine, value, actions);
}

void acg_engine_set_policy(struct acg_engine *engine, struct acg_policy *policy,
			   struct acg_time now, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	(void)now;
	acg_policy_unref((struct acg_policy *)engine->policy);
	engine->policy = acg_policy_ref(policy);
	g_hash_table_iter_init(&iter, engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		((struct acg_agent *)value)->limits_set = 0;
		regrant(engine, value, actions);
		acg_engine_redo_calls(engine, value, actions);
	}
}

uint64_t acg_engine_largest_grant(const struct acg_agent *agent, const struct acg_call *call)
{
	uint64_t largest = acg_grant_ceiling(agent);
	uint64_t own = call && call->state != ACG_CALL_ENDED ? call->usage.memory_current : 0;

	for (; agent; agent = agent->parent) {
		uint64_t held = agent->usage.memory_held > own ? agent->usage.memory_held - own : 0;

		if (agent->budget.memory != ACG_MAX)
			largest =
				MIN(largest,
				    agent->budget.memory > held ? agent->budget.memory - held : 0);
	}
	return largest;
}

/* The limits of all agents and calls follow from who does the delaying; budgets stay as they are. */
static void redo_limits(struct acg_engine *engine, GHashTable *agents, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		acg_engine_agent_limits(engine, agent, actions);
		if (!agent->parent)
			acg_engine_redo_calls(engine, agent, actions);
		redo_limits(engine, agent->agents, actions);
	}
}

static void release_all(struct acg_engine *engine, GHashTable *agents, GArray *actions);

static void release_calls(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	GHashTableIter iter;
	void *call;

	release_all(engine, agent->agents, actions);
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &call))
		acg_ladder_release(engine, call, actions);
}

static void release_all(struct acg_engine *engine, GHashTable *agents, GArray *actions)
{
	GHashTableIter iter;
	void *agent;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &agent))
		release_calls(engine, agent, actions);
}

void acg_engine_kernel_delays(struct acg_engine *engine, bool on, GArray *actions)
{
	if (engine->kernel_delays == on)
		return;
	release_all(engine, engine->registry->agents, actions);
	engine->kernel_delays = on;
	redo_limits(engine, engine->registry->agents, actions);
}

void acg_engine_agent_delayed(struct acg_engine *engine, struct acg_agent *agent, bool on,
			      GArray *actions)
{
	if (agent->undelayed == !on)
		return;
	release_calls(engine, agent, actions);
	agent->undelayed = !on;
	acg_engine_agent_limits(engine, agent, actions);
	acg_engine_redo_calls(engine, agent, actions);
	redo_limits(engine, agent->agents, actions);
}

static void let_all_go(struct acg_engine *engine, GHashTable *agents, struct acg_time now,
		       GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		acg_ladder_relieve(engine, agent, now, actions);
		acg_engine_let_calls_go(engine, agent, now, actions);
		let_all_go(engine, agent->agents, now, actions);
	}
}

void acg_engine_stop(struct acg_engine *engine, struct acg_time now, GArray *actions)
{
	let_all_go(engine, engine->registry->agents, now, actions);
}

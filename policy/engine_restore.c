/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: agents and calls that were there before the daemon. */
#include "policy/engine_private.h"

#include "policy/actions.h"
#include "policy/grant.h"
#include "policy/ladder.h"

int acg_engine_agent_found(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			   struct acg_time now, struct acg_agent **ret_agent)
{
	struct acg_agent *agent;

	if (acg_name_check(name, NULL) < 0)
		return -EINVAL;
	if (acg_registry_agent(engine->registry, parent, name))
		return -EEXIST;
	agent = acg_registry_add_agent(engine->registry, parent, name);
	agent->start = now;
	agent->made = true;
	acg_grant_agent(engine, agent);
	*ret_agent = agent;
	return 0;
}

void acg_engine_agent_restored(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	acg_engine_agent_limits(engine, agent, actions);
	if (!agent->made)
		acg_engine_agent_made(engine, agent, actions);
}

int acg_engine_call_found(struct acg_engine *engine, struct acg_agent *agent, const char *id,
			  struct acg_time now, struct acg_call **ret_call)
{
	struct acg_call *old = acg_agent_call(agent, id);

	if (acg_name_check(id, NULL) < 0)
		return -EINVAL;
	if (old && old->state != ACG_CALL_ENDED)
		return -EEXIST;
	if (old)
		acg_registry_remove_call(engine->registry, old);
	*ret_call = acg_registry_add_call(engine->registry, agent, id);
	(*ret_call)->start = now;
	(*ret_call)->command = g_strdup("");
	(*ret_call)->inhabited = true;
	(*ret_call)->state = ACG_CALL_RUNNING;
	return 0;
}

/* The number in an ID that fresh_id() made; 0: it did not. */
static uint64_t fresh_number(const char *id)
{
	uint64_t number = 0;

	if (id[0] == 'c')
		g_ascii_string_to_unsigned(id + 1, 10, 1, INT64_MAX, &number, NULL);
	return number;
}

static void go_on_counting(struct acg_agent *agent, const struct acg_call *call)
{
	agent->counters.begun = MAX(agent->counters.begun, call->ordinal);
	agent->next_id = MAX(agent->next_id, fresh_number(call->id));
}

void acg_engine_call_restored(struct acg_engine *engine, struct acg_call *call, bool told,
			      struct acg_time now, GArray *actions)
{
	call->command_whole = engine->policy->commands == ACG_COMMANDS_FULL;
	if (call->command_whole) /* else what the rule said was saved */
		acg_engine_apply_rule(engine, call, call->command, NULL);
	go_on_counting(call->node.agent, call);
	if (!told)
		acg_do_event(actions, &call->node, "begin", ACG_CAUSE_NONE, call->command);
	if (call->moved->len)
		call->inhabited = true;
	acg_engine_call_limits(engine, call, actions);
	if (call->frozen_since && call->state != ACG_CALL_DETACHED)
		call->state = ACG_CALL_FROZEN;
	if (call->frozen_since && !call->operator_frozen)
		acg_ladder_thaw(engine, call, now, actions);
	if (call->deadline)
		acg_engine_due(engine, MAX(call->deadline, now.mono));
	if (call->keep)
		call->spare_due = now.mono + ACG_SPARE_FIRST;
	acg_engine_due(engine, call->spare_due);
}

void acg_engine_limits(struct acg_engine *engine, struct acg_node *node, GArray *actions)
{
	struct acg_call *call = acg_node_call(node);

	if (call)
		acg_engine_call_limits(engine, call, actions);
	else
		acg_engine_agent_limits(engine, node->agent, actions);
}

struct acg_call *acg_engine_call_past(struct acg_engine *engine, struct acg_agent *agent,
				      const char *id)
{
	struct acg_call *call;

	if (g_hash_table_contains(agent->calls, id))
		return NULL;
	call = acg_registry_add_call(engine->registry, agent, id);
	call->recorded = true;
	return call;
}

void acg_engine_forget_past(struct acg_engine *engine, struct acg_call *call)
{
	acg_registry_remove_call(engine->registry, call);
}

void acg_engine_call_past_known(struct acg_engine *engine, struct acg_call *call)
{
	struct acg_agent *agent = call->node.agent;
	uint64_t id = call->node.id;

	agent->next_id = MAX(agent->next_id, fresh_number(call->id));
	call->node.id = 0; /* it was not registered under it yet */
	acg_registry_set_id(engine->registry, &call->node, id);
	call->state = ACG_CALL_ENDED;
	agent->n_alive--;
	engine->registry->n_alive--;
	g_queue_push_head(&agent->ended, call);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: agents, and the limits of their calls. */
#include "policy/engine_private.h"

#include <string.h>

#include "policy/actions.h"
#include "policy/grant.h"
#include "policy/ladder.h"

/* --- agents -------------------------------------------------------------------------------------------------- */

void acg_engine_make_node(GArray *actions, struct acg_node *node, const char *name)
{
	memcpy(node->controls, acg_control_defaults, sizeof(acg_control_defaults));
	acg_do(actions, ACG_DO_MAKE, node)->name = name;
}

void acg_engine_agent_limits(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	uint64_t want[ACG_N_CONTROLS];

	acg_grant_agent_controls(engine, agent, want);
	acg_do_controls(actions, &agent->node, want);
	acg_grant_self_controls(agent, want);
	acg_do_controls(actions, &agent->self, want);
	acg_do(actions, ACG_DO_UPDATE, &agent->node);
	acg_do(actions, ACG_DO_UPDATE, &agent->self);
}

static int check_parent(const struct acg_agent *parent, GError **error)
{
	if (parent && acg_agent_depth(parent) + 1 >= ACG_AGENT_DEPTH_MAX)
		return acg_fail(error, EAGAIN, "sub-agents go no deeper than %d levels",
				ACG_AGENT_DEPTH_MAX);
	for (; parent; parent = parent->parent)
		if (acg_agent_agents_below(parent) >= parent->budget.agents)
			return acg_fail(error, EAGAIN,
					"agent %s has its %" G_GUINT64_FORMAT
					" sub-agents already: remove one first",
					parent->name, parent->budget.agents);
	return 0;
}

static int check_user(const struct acg_engine *engine, const char *user, uid_t uid, GError **error)
{
	const struct acg_user_rule *rule = user ? acg_policy_user(engine->policy, uid) : NULL;
	unsigned int n = 0;
	GHashTableIter iter;
	void *value;

	if (!rule)
		return 0;
	g_hash_table_iter_init(&iter, engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;

		n += agent->user && agent->uid == uid;
	}
	if (n >= rule->budget.agents)
		return acg_fail(error, EAGAIN,
				"you have %u agents, all that the policy allows: remove one first",
				n);
	return 0;
}

int acg_engine_agent_add(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			 const char *namespace, const char *user, uid_t uid, struct acg_time now,
			 GArray *actions, struct acg_agent **ret_agent, GError **error)
{
	struct acg_agent *agent;
	int ret = acg_name_check(name, error);

	if (ret)
		return ret;
	if (acg_registry_agent(engine->registry, parent, name))
		return acg_fail(error, EEXIST, "there is an agent %s already", name);
	ret = parent ? check_parent(parent, error) : check_user(engine, user, uid, error);
	if (ret)
		return ret;
	agent = acg_registry_add_agent(engine->registry, parent, name);
	agent->namespace = g_strdup(namespace);
	agent->user = g_strdup(user);
	agent->uid = uid;
	agent->start = now;
	acg_grant_agent(engine, agent);
	acg_engine_make_node(actions, &agent->node, agent->name);
	acg_do(actions, ACG_DO_SAVE, &agent->node);
	acg_engine_make_node(actions, &agent->self, "self");
	acg_engine_agent_limits(engine, agent, actions);
	*ret_agent = agent;
	return 0;
}

void acg_engine_agent_adopts(struct acg_engine *engine, struct acg_agent *agent, const char *path,
			     const uint64_t controls[ACG_N_CONTROLS], GArray *actions)
{
	acg_registry_adopt(engine->registry, agent, path);
	memcpy(agent->adopted_controls, controls, sizeof(agent->adopted_controls));
	acg_grant_agent(engine, agent);
	g_array_set_size(actions, 0);
	acg_engine_make_node(actions, &agent->node, agent->name);
	memcpy(agent->node.controls, controls, sizeof(agent->node.controls));
	acg_engine_make_node(actions, &agent->self, "self");
	acg_engine_agent_limits(engine, agent, actions);
}

void acg_engine_agent_made(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	(void)engine;
	agent->made = true;
	acg_do_event(actions, &agent->node, "agent_made", ACG_CAUSE_NONE, NULL);
}

static void drop_agent(struct acg_engine *engine, struct acg_agent *agent)
{
	if (agent->pressure_since)
		engine->n_pressed--;
	acg_registry_remove_agent(engine->registry, agent);
}

void acg_engine_agent_failed(struct acg_engine *engine, struct acg_agent *agent)
{
	drop_agent(engine, agent);
}

int acg_engine_agent_remove(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			    GArray *actions, GError **error)
{
	if (agent->n_alive)
		return acg_fail(
			error, EBUSY,
			"agent %s has %u calls alive: end them, or write 1 to its cgroup.kill",
			agent->name, agent->n_alive);
	if (g_hash_table_size(agent->agents))
		return acg_fail(error, EBUSY, "agent %s has sub-agents: remove them first",
				agent->name);
	acg_ladder_relieve(engine, agent, now, actions);
	acg_do(actions, ACG_DO_REMOVE, &agent->self);
	acg_do(actions, ACG_DO_REMOVE, &agent->node);
	acg_do_event(actions, &agent->node, "agent_removed", ACG_CAUSE_NONE, NULL);
	return 0;
}

void acg_engine_agent_removed(struct acg_engine *engine, struct acg_agent *agent)
{
	drop_agent(engine, agent);
}

/* --- limits of calls ----------------------------------------------------------------------------------------- */

/* Class and hint of the rule that the command matches; a leading AGENT_RESOURCE_HINT= in it goes to *hint (may be NULL). */
void acg_engine_apply_rule(struct acg_engine *engine, struct acg_call *call, const char *command,
			   struct acg_hint *hint)
{
	g_autofree char *written = command ? acg_command_unwrap(command, hint) : NULL;
	const struct acg_command_rule *rule =
		written ? acg_policy_command(engine->policy, written) : NULL;

	call->class = rule && rule->class ? g_intern_string(rule->class) : NULL;
	call->rule_hint = rule ? rule->hint : (struct acg_hint){0};
}

/* Applies the grant as it follows from policy, hint and what was lowered. memory.high of a throttled call stays with the ladder. */
void acg_engine_call_limits(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	uint64_t want[ACG_N_CONTROLS];

	acg_grant_call(engine, call, want);
	if (call->throttled_since)
		want[ACG_CONTROL_MEMORY_HIGH] = MIN(call->node.controls[ACG_CONTROL_MEMORY_HIGH],
						    want[ACG_CONTROL_MEMORY_HIGH]);
	acg_do_controls(actions, &call->node, want);
	acg_do(actions, ACG_DO_UPDATE, &call->node);
}

void acg_engine_redo_calls(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->state != ACG_CALL_ENDED && call->state != ACG_CALL_STARTING)
			acg_engine_call_limits(engine, call, actions);
	}
	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *sub = value;

		sub->caps = agent->caps;
		acg_engine_redo_calls(engine, sub, actions);
	}
}

/* What was done to its calls for their old priority is taken back: the ladder comes again if it has to. */
void acg_engine_let_calls_go(struct acg_engine *engine, struct acg_agent *agent,
			     struct acg_time now, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((struct acg_call *)value)->state != ACG_CALL_ENDED)
			acg_ladder_let_go(engine, value, now, actions);
}

/* A sub-agent never counts for more than what it is part of, or an agent would raise itself by making one. */
static void cap_priorities(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			   GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *sub = value;

		sub->priority =
			sub->priority_set ? MIN(sub->priority, agent->priority) : agent->priority;
		acg_engine_let_calls_go(engine, sub, now, actions);
		acg_engine_agent_limits(engine, sub, actions);
		cap_priorities(engine, sub, now, actions);
	}
}

int acg_engine_agent_priority(struct acg_engine *engine, struct acg_agent *agent,
			      enum acg_priority priority, struct acg_time now, GArray *actions)
{
	agent->priority = agent->parent ? MIN(priority, agent->parent->priority) : priority;
	agent->priority_set = true;
	acg_engine_let_calls_go(engine, agent, now, actions);
	acg_engine_agent_limits(engine, agent, actions);
	cap_priorities(engine, agent, now, actions);
	acg_engine_redo_calls(engine, agent, actions);
	acg_do_event(actions, &agent->node, "priority", ACG_CAUSE_NONE,
		     acg_priority_name(agent->priority));
	return 0;
}

void acg_engine_agent_limit(struct acg_engine *engine, struct acg_agent *agent,
			    enum acg_control control, uint64_t value, GArray *actions)
{
	uint64_t *limit = acg_grant_limit(&agent->budget, control);

	if (!limit) { /* the kernel has it; nothing of ours follows from it */
		acg_do_control(actions, &agent->node, control, value);
		return;
	}
	*limit = value;
	agent->limits_set |= 1u << control;
	acg_engine_agent_limits(engine, agent, actions);
	acg_engine_redo_calls(engine, agent, actions);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a group gets; see the header. */
#include "policy/grant.h"

#include <string.h>

const uint64_t acg_control_defaults[ACG_N_CONTROLS] = {
	[ACG_CONTROL_MEMORY_HIGH] = ACG_MAX, [ACG_CONTROL_MEMORY_MAX] = ACG_MAX,
	[ACG_CONTROL_SWAP_MAX] = ACG_MAX,    [ACG_CONTROL_PIDS_MAX] = ACG_MAX,
	[ACG_CONTROL_CPU_MAX] = ACG_MAX,     [ACG_CONTROL_MEMORY_LOW] = 0,
	[ACG_CONTROL_OOM_GROUP] = 0,         [ACG_CONTROL_CPU_WEIGHT] = 100,
};

/*
 * cpu.weight of the classes where no scheduler of ours tells them apart: a latency call gets four times the CPU of a normal one
 * when they compete, a batch call a quarter. The priorities of agents stand to each other in the same way.
 */
static const uint32_t class_weight[] = {
	[ACG_CPU_UNSET] = 100,
	[ACG_CPU_LATENCY] = 400,
	[ACG_CPU_NORMAL] = 100,
	[ACG_CPU_BATCH] = 25,
};
static const uint32_t priority_percent[] = {
	[ACG_PRIORITY_LOW] = 25,
	[ACG_PRIORITY_NORMAL] = 100,
	[ACG_PRIORITY_HIGH] = 400,
};

static uint64_t less(uint64_t from, uint64_t amount)
{
	if (from == ACG_MAX)
		return ACG_MAX;
	return from > amount ? from - amount : 0;
}

/* Where the kernel slows a call down before its memory.max, when BPF does so before that: the last sixty-fourth. */
static uint64_t just_below(uint64_t max)
{
	return max == ACG_MAX ? ACG_MAX : max - max / 64;
}

bool acg_grant_by_kernel(const struct acg_engine *engine, const struct acg_node *node)
{
	const struct acg_agent *agent = node->agent;

	while (agent->parent)
		agent = agent->parent;
	return engine->kernel_delays && !agent->undelayed && !node->unlisted;
}

uint64_t acg_grant_ceiling(const struct acg_agent *agent)
{
	uint64_t ceiling = agent->caps.memory;

	for (; agent; agent = agent->parent)
		ceiling = MIN(ceiling, less(agent->budget.memory, agent->self_policy.reserve));
	return ceiling;
}

static uint64_t memory_asked(const struct acg_policy *policy, const struct acg_hint *hint,
			     const struct acg_call *call)
{
	if (call->adapted && call->hint.memory == ACG_MEMORY_UNSET)
		return call->adapted;
	switch (hint->memory) {
	case ACG_MEMORY_LOW:
		return policy->memory_low;
	case ACG_MEMORY_MEDIUM:
		return policy->memory_medium;
	case ACG_MEMORY_SIZE:
		return hint->memory_bytes;
	case ACG_MEMORY_HIGH:
	case ACG_MEMORY_UNSET:
		break;
	}
	return ACG_MAX;
}

void acg_grant_call(const struct acg_engine *engine, struct acg_call *call,
		    uint64_t want[ACG_N_CONTROLS])
{
	const struct acg_agent *agent = call->node.agent;
	const struct acg_caps *caps = &agent->caps;
	struct acg_hint hint = agent->hint;

	acg_hint_merge(&hint, &call->rule_hint);
	acg_hint_merge(&hint, &call->hint);

	memcpy(want, acg_control_defaults, sizeof(acg_control_defaults));
	want[ACG_CONTROL_MEMORY_MAX] =
		MIN(acg_grant_ceiling(agent), call->lowered[ACG_CONTROL_MEMORY_MAX]);
	want[ACG_CONTROL_MEMORY_HIGH] = call->lowered[ACG_CONTROL_MEMORY_HIGH];
	if (acg_grant_by_kernel(engine, &call->node))
		want[ACG_CONTROL_MEMORY_HIGH] = MIN(want[ACG_CONTROL_MEMORY_HIGH],
						    just_below(want[ACG_CONTROL_MEMORY_MAX]));
	want[ACG_CONTROL_SWAP_MAX] = MIN(caps->swap, call->lowered[ACG_CONTROL_SWAP_MAX]);
	want[ACG_CONTROL_CPU_MAX] = MIN(caps->cpu_max, call->lowered[ACG_CONTROL_CPU_MAX]);
	want[ACG_CONTROL_PIDS_MAX] = MIN(hint.pids ? MIN(hint.pids, caps->pids) : caps->pids,
					 call->lowered[ACG_CONTROL_PIDS_MAX]);
	want[ACG_CONTROL_OOM_GROUP] = !call->keep;
	want[ACG_CONTROL_CPU_WEIGHT] = class_weight[hint.cpu];

	call->memory_max = want[ACG_CONTROL_MEMORY_MAX];
	call->grant = MIN(memory_asked(engine->policy, &hint, call), call->memory_max);
	call->cpu = hint.cpu == ACG_CPU_UNSET ? ACG_CPU_NORMAL : hint.cpu;
	call->timeout = hint.timeout ? MIN(hint.timeout, caps->timeout) : caps->timeout;
	if (call->timeout == ACG_MAX)
		call->timeout = 0;
}

static const struct acg_budget unbounded = {
	.memory = ACG_MAX,
	.swap = ACG_MAX,
	.cpu_max = ACG_MAX,
	.cpu_weight = 100,
	.pids = ACG_MAX,
};

static uint64_t part(uint64_t budget, uint64_t whole, uint64_t parts)
{
	return whole == ACG_MAX ? budget : MIN(budget, MAX(whole / parts, 1));
}

/* The budget in `users` is for all agents of the user together: each gets at most an equal part of it. */
static void cut_to_user(const struct acg_engine *engine, struct acg_agent *agent)
{
	const struct acg_user_rule *rule = acg_policy_user(engine->policy, agent->uid);
	const struct acg_budget *whole;
	uint64_t parts;

	if (!rule)
		return;
	whole = &rule->budget;
	parts = CLAMP(whole->agents, 1, ACG_MAX - 1);
	agent->budget.memory = part(agent->budget.memory, whole->memory, parts);
	agent->budget.swap = part(agent->budget.swap, whole->swap, parts);
	agent->budget.cpu_max = part(agent->budget.cpu_max, whole->cpu_max, parts);
	agent->budget.pids = part(agent->budget.pids, whole->pids, parts);
	agent->budget.calls = part(agent->budget.calls, whole->calls, parts);
}

uint64_t *acg_grant_limit(struct acg_budget *budget, enum acg_control control)
{
	switch (control) {
	case ACG_CONTROL_MEMORY_MAX:
		return &budget->memory;
	case ACG_CONTROL_SWAP_MAX:
		return &budget->swap;
	case ACG_CONTROL_PIDS_MAX:
		return &budget->pids;
	case ACG_CONTROL_CPU_MAX:
		return &budget->cpu_max;
	default:
		return NULL;
	}
}

/* An adopted cgroup keeps what it came with: the policy can only make it less. */
static void cut_to_own(struct acg_agent *agent)
{
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++) {
		uint64_t *limit = acg_grant_limit(&agent->budget, i);

		if (limit)
			*limit = MIN(*limit, agent->adopted_controls[i]);
	}
}

/* No policy speaks of a sub-agent: only what was written by hand limits it, whatever the policy, and stays. */
static void lift_limits(struct acg_agent *agent)
{
	struct acg_budget before = agent->budget;

	agent->budget = unbounded;
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++) {
		uint64_t *limit = acg_grant_limit(&agent->budget, i);

		if (limit && (agent->limits_set & 1u << i))
			*limit = *acg_grant_limit(&before, i);
	}
}

void acg_grant_agent(const struct acg_engine *engine, struct acg_agent *agent)
{
	const struct acg_agent_rule *rule;

	if (agent->parent) {
		lift_limits(agent);
		agent->budget.calls = agent->parent->budget.calls;
		agent->budget.agents = agent->parent->budget.agents;
		agent->caps = agent->parent->caps;
		agent->hint = agent->parent->hint;
		agent->self_policy = (struct acg_self){.grant = ACG_MAX};
		if (!agent->priority_set)
			agent->priority = agent->parent->priority;
		agent->priority = MIN(agent->priority, agent->parent->priority);
		return;
	}
	rule = acg_policy_agent(engine->policy, agent->name, agent->namespace, agent->user);
	agent->budget = rule->budget;
	agent->caps = rule->caps;
	agent->hint = rule->hint;
	agent->self_policy = rule->self;
	if (agent->user)
		cut_to_user(engine, agent);
	if (agent->adopted)
		cut_to_own(agent);
	if (!agent->priority_set)
		agent->priority = rule->priority;
}

uint64_t acg_grant_tripwire(const struct acg_engine *engine, const struct acg_agent *agent)
{
	const struct acg_ladder *ladder = &engine->policy->ladder;

	if (!ladder->enabled || acg_grant_by_kernel(engine, &agent->node) ||
	    agent->budget.memory == ACG_MAX)
		return ACG_MAX;
	return agent->budget.memory / 100 * ladder->high_percent;
}

void acg_grant_agent_controls(const struct acg_engine *engine, const struct acg_agent *agent,
			      uint64_t want[ACG_N_CONTROLS])
{
	uint64_t weight =
		(uint64_t)agent->budget.cpu_weight * priority_percent[agent->priority] / 100;

	memcpy(want, acg_control_defaults, sizeof(acg_control_defaults));
	want[ACG_CONTROL_MEMORY_MAX] = agent->budget.memory;
	want[ACG_CONTROL_MEMORY_HIGH] =
		agent->pressure_since ? ACG_MAX : acg_grant_tripwire(engine, agent);
	want[ACG_CONTROL_SWAP_MAX] = agent->budget.swap;
	want[ACG_CONTROL_PIDS_MAX] = agent->budget.pids;
	want[ACG_CONTROL_CPU_MAX] = agent->budget.cpu_max;
	want[ACG_CONTROL_CPU_WEIGHT] = CLAMP(weight, 1, 10000);
	want[ACG_CONTROL_MEMORY_LOW] = agent->self_policy.low;
}

void acg_grant_self_controls(const struct acg_agent *agent, uint64_t want[ACG_N_CONTROLS])
{
	memcpy(want, acg_control_defaults, sizeof(acg_control_defaults));
	want[ACG_CONTROL_MEMORY_LOW] = agent->self_policy.low;
	want[ACG_CONTROL_CPU_WEIGHT] = class_weight[ACG_CPU_LATENCY];
}

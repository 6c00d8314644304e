/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may do what; see the header. */
#include "fusefs/rights.h"

/* A user named in the policy, outside every agent, on an agent that he made. */
static bool made_by(const struct acg_caller *caller, const struct acg_agent *agent)
{
	while (agent && agent->parent)
		agent = agent->parent;
	return agent && agent->user && agent->uid == caller->uid && !caller->agent;
}

static int not_yours(GError **error)
{
	return acg_fail(error, EACCES, "this belongs to another agent");
}

static int check_inside(const struct acg_caller *caller, const struct acg_agent *agent,
			enum acg_right right, GError **error)
{
	bool own = agent && acg_agent_within(agent, caller->agent);
	bool below = own && agent != caller->agent;

	switch (right) {
	case ACG_RIGHT_READ:
	case ACG_RIGHT_READ_PRIVATE:
		return own || !agent ? 0 : not_yours(error);
	case ACG_RIGHT_MARK:
	case ACG_RIGHT_CALL_FILE:
	case ACG_RIGHT_SUBAGENT:
		return own ? 0 : not_yours(error);
	case ACG_RIGHT_OPERATE:
		if (below) /* a sub-agent is its agent's to limit, inside its own budget */
			return 0;
		if (!own && agent)
			return not_yours(error);
		return acg_fail(
			error, EPERM,
			"an agent cannot change its own limits, its priority or the policy");
	case ACG_RIGHT_AGENT:
		return acg_fail(error, EPERM,
				"an agent makes sub-agents, in its own agents/, and no others");
	}
	return acg_fail(error, EPERM, "not allowed");
}

/* Whoever made an agent has what the agent itself has, and may remove it; its budget and priority are the policy's. */
static int check_outside(const struct acg_policy *policy, const struct acg_caller *caller,
			 const struct acg_agent *agent, enum acg_right right, GError **error)
{
	if (right == ACG_RIGHT_READ)
		return 0;
	if (!agent && right == ACG_RIGHT_AGENT && acg_policy_user(policy, caller->uid))
		return 0;
	if (!made_by(caller, agent))
		return acg_fail(error, EACCES,
				"only root, the agent itself, or a user that the policy names may "
				"do this");
	if (right == ACG_RIGHT_OPERATE && !agent->parent)
		return acg_fail(error, EPERM,
				"the limits and the priority of your agents are the policy's");
	return 0;
}

int acg_rights_check(const struct acg_policy *policy, const struct acg_caller *caller,
		     const struct acg_agent *agent, enum acg_right right, GError **error)
{
	if (acg_caller_is_operator(caller))
		return 0;
	if (caller->agent)
		return check_inside(caller, agent, right, error);
	return check_outside(policy, caller, agent, right, error);
}

bool acg_rights_sees(const struct acg_caller *caller, const struct acg_agent *agent)
{
	return !caller->agent || acg_agent_within(agent, caller->agent) ||
	       acg_agent_within(caller->agent, agent);
}

static bool may_take(const struct acg_caller *caller, const struct acg_moving *moving)
{
	if (caller->agent)
		return moving->from && acg_agent_within(moving->from->agent, caller->agent);
	return moving->from ? made_by(caller, moving->from->agent) : moving->uid == caller->uid;
}

int acg_rights_move(const struct acg_caller *caller, const struct acg_moving *moving,
		    const struct acg_node *to, GError **error)
{
	if (acg_caller_is_operator(caller))
		return 0;
	if (caller->agent ? !acg_agent_within(to->agent, caller->agent)
			  : !made_by(caller, to->agent))
		return not_yours(error);
	if (!may_take(caller, moving))
		return acg_fail(error, EPERM, "this process does not belong to your agent");
	if (moving->from && moving->from->kind == ACG_KIND_CALL && moving->from != to)
		return acg_fail(error, EPERM, "a process leaves a call only by that call's `end`");
	return 0;
}

int acg_rights_begin_self(const struct acg_caller *caller, GError **error)
{
	if (caller->node && caller->node->kind == ACG_KIND_CALL)
		return acg_fail(error, EBUSY,
				"you are in call %s already: end it first, or make a sub-agent",
				((const struct acg_call *)caller->node)->id);
	if (caller->ns_init)
		return acg_fail(
			error, EPERM,
			"the first process of a sandbox cannot go into a call that may be killed: "
			"use pid= or agentcg run");
	if (caller->threads > 1)
		return acg_fail(
			error, EPERM,
			"a process with %u threads cannot go into a call that may be killed: "
			"use pid= or agentcg run",
			caller->threads);
	return 0;
}

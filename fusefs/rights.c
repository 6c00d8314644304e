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

int acg_rights_check(const struct acg_policy *policy, const struct acg_caller *caller,
		     const struct acg_agent *agent, enum acg_right right, GError **error)
{
	if (acg_caller_is_operator(caller))
		return 0;
	if (caller->agent)
		return check_inside(caller, agent, right, error);
	if (right == ACG_RIGHT_READ || made_by(caller, agent))
		return 0;
	if (right == ACG_RIGHT_AGENT && acg_policy_user(policy, caller->uid))
		return 0;
	return acg_fail(error, EACCES,
			"only root, the agent itself, or a user that the policy names may do this");
}

int acg_rights_move(const struct acg_caller *caller, const struct acg_node *from,
		    const struct acg_node *to, GError **error)
{
	if (acg_caller_is_operator(caller))
		return 0;
	if (!caller->agent) {
		if (!made_by(caller, to->agent))
			return acg_fail(error, EACCES,
					"only root or the agent itself may move processes here");
		return 0;
	}
	if (!acg_agent_within(to->agent, caller->agent))
		return not_yours(error);
	if (!from || !acg_agent_within(from->agent, caller->agent))
		return acg_fail(error, EPERM, "this process does not belong to your agent");
	if (from->kind == ACG_KIND_CALL && from != to)
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

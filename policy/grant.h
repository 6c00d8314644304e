/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From hints, rules, caps and budgets to what a group gets: plain arithmetic on the policy and the registry, for the engine.
 */
#ifndef AGENTCG_POLICY_GRANT_H
#define AGENTCG_POLICY_GRANT_H

#include "policy/engine.h"

/* The values that a new cgroup of the kernel starts with. */
extern const uint64_t acg_control_defaults[ACG_N_CONTROLS];

/* The most memory that a call of this agent may get: caps, and of each enclosing agent the budget less its self's reserve. */
uint64_t acg_grant_ceiling(const struct acg_agent *agent);

/*
 * Decides grant, memory_max, cpu and timeout of the call from its hint, that of the rule that its command matches, and the agent; `want`
 * gets the value of each control without pressure.
 */
void acg_grant_call(const struct acg_engine *engine, struct acg_call *call,
		    uint64_t want[ACG_N_CONTROLS]);

/* What the budget says of this control; NULL: nothing. */
uint64_t *acg_grant_limit(struct acg_budget *budget, enum acg_control control);

/* Takes over the policy's figures for an agent (a sub-agent: its parent's, with a budget that only the kernel's hierarchy bounds). */
void acg_grant_agent(const struct acg_engine *engine, struct acg_agent *agent);

/* The controls of an agent's cgroup, and of its self. */
void acg_grant_agent_controls(const struct acg_engine *engine, const struct acg_agent *agent,
			      uint64_t want[ACG_N_CONTROLS]);
void acg_grant_self_controls(const struct acg_agent *agent, uint64_t want[ACG_N_CONTROLS]);

/*
 * True if memcg_bpf_ops delays what charges in this group. Not where it could not be attached to an adopted cgroup, and not for a group
 * that found no room in the programs' map.
 */
bool acg_grant_by_kernel(const struct acg_engine *engine, const struct acg_node *node);

/*
 * memory.high of an agent with nobody throttled: a tripwire that tells when the budget runs short, below its memory.max. None where the
 * kernel tells by itself (kernel_delays).
 */
uint64_t acg_grant_tripwire(const struct acg_engine *engine, const struct acg_agent *agent);

#endif

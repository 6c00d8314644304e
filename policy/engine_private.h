/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine's files share. Pure, as engine.h says. */
#ifndef AGENTCG_POLICY_ENGINE_PRIVATE_H
#define AGENTCG_POLICY_ENGINE_PRIVATE_H

#include "policy/engine.h"

/* engine_agent.c */

/* A cgroup of this name is to be made, with the limits that the kernel gives a new one. */
void acg_engine_make_node(GArray *actions, struct acg_node *node, const char *name);

/* The limits of the agent and of its `self` as they follow from budget, priority and policy. */
void acg_engine_agent_limits(struct acg_engine *engine, struct acg_agent *agent, GArray *actions);

/* Class and hint of the rule that the command matches; a leading AGENT_RESOURCE_HINT= in it goes to *hint (may be NULL). */
void acg_engine_apply_rule(struct acg_engine *engine, struct acg_call *call, const char *command,
			   struct acg_hint *hint);

/* The grant as it follows from policy, hint and what was lowered. memory.high of a throttled call stays with the ladder. */
void acg_engine_call_limits(struct acg_engine *engine, struct acg_call *call, GArray *actions);

/* The same for all running calls of the agent and below. */
void acg_engine_redo_calls(struct acg_engine *engine, struct acg_agent *agent, GArray *actions);

/* What the ladder did to its calls is taken back: it comes again if it has to. */
void acg_engine_let_calls_go(struct acg_engine *engine, struct acg_agent *agent,
			     struct acg_time now, GArray *actions);

/* engine_call.c */

/* Says so when the kernel's OOM killer was in the call, from its counters: once, or for a persistent shell each time. */
bool acg_engine_explain_oom(struct acg_call *call, GArray *actions);

/* The call's last process is gone: recorded and removed. */
void acg_engine_finish(struct acg_engine *engine, struct acg_call *call, bool by_itself,
		       struct acg_time now, GArray *actions);

/* When a call without processes ends, if nobody says before how it went. */
int64_t acg_engine_end_due(const struct acg_call *call);

/* engine_adapt.c: nothing of it without `adapt` in the policy. */

/* The call is to begin: its class, the grant that this has learnt, and whether it is a retry. Then, once it has begun, that is said. */
void acg_engine_adapt_begin(struct acg_engine *engine, struct acg_call *call, const char *command);
void acg_engine_adapt_begun(struct acg_engine *engine, struct acg_call *call, GArray *actions);

/* It ended, measured: what is learnt from it, and what it left behind. Before its cgroup goes. */
void acg_engine_adapt_end(struct acg_engine *engine, struct acg_call *call, GArray *actions);

/* A call that is slowed down for its growth: further, or let go. */
void acg_engine_step_braked(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			    GArray *actions);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ladder: what is done to calls while memory is short, step by step, each with its own time limit and a way back.
 * Pure; a part of the engine (policy/engine.h). ladder.c opens with the rules.
 */
#ifndef AGENTCG_POLICY_LADDER_H
#define AGENTCG_POLICY_LADDER_H

#include "policy/engine.h"

/* A sign that memory holds the agent back: `outside` when its own budget is not what is short. */
void acg_ladder_sign(struct acg_engine *engine, struct acg_agent *agent, bool outside,
		     struct acg_time now, GArray *actions);

/* Next steps, thaws and the way back of an agent under pressure. */
void acg_ladder_step(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
		     GArray *actions);

/* Freezing and thawing with their clocks; the state follows. */
void acg_ladder_freeze(struct acg_call *call, struct acg_time now, GArray *actions);
void acg_ladder_thaw(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		     GArray *actions);

/* Kills the call whole, after saying why. */
void acg_ladder_kill(struct acg_call *call, enum acg_cause cause, GArray *actions);

/* True if what the agent holds is above its budget's high mark. */
bool acg_ladder_budget_short(const struct acg_engine *engine, const struct acg_agent *agent);

/* True while it has not fallen below the low mark again: between the two marks pressure that began goes on. */
bool acg_ladder_still_short(const struct acg_engine *engine, const struct acg_agent *agent);

/*
 * A throttled call that keeps to its grant wants more, and the agent's budget has some left below its high mark: memory.high of the call
 * goes up by half of that. False: nothing worth it is left, or the call is to stay where it is.
 */
bool acg_ladder_give_room(const struct acg_engine *engine, const struct acg_agent *agent,
			  struct acg_call *call, GArray *actions);

/* Takes back what was done to the call: a freeze that is not an operator's, then the throttling. */
void acg_ladder_let_go(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		       GArray *actions);

/* The pressure of this agent is over: all calls in its reach are let go. */
void acg_ladder_relieve(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			GArray *actions);
/* memcg_bpf_ops delays the call: it counts as throttled from now on. */
void acg_ladder_delayed(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			GArray *actions);

/* The call would soon be at a limit: slowed down from memory.high = `high` on. */
void acg_ladder_brake(struct acg_engine *engine, struct acg_call *call, uint64_t high,
		      struct acg_time now, GArray *actions);

/* Takes back what was done to a call: memory.high, throttled. */
void acg_ladder_release(struct acg_engine *engine, struct acg_call *call, GArray *actions);

/* Where the kernel tells of each sign, time matters only when one of the ladder's runs out: the next such moment. */
int64_t acg_ladder_due(struct acg_engine *engine, const struct acg_agent *agent,
		       struct acg_time now);

/* A freeze that has lasted its time. */
bool acg_ladder_thaw_due(const struct acg_engine *engine, const struct acg_call *call,
			 struct acg_time now);

#define ACG_LADDER_TICK                                                                            \
	(250 * 1000) /* usec between looks at agents under pressure; none otherwise */

#endif

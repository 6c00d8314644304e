/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: what the kernel and the clock say. */
#include "policy/engine_private.h"

#include <signal.h>

#include "policy/actions.h"
#include "policy/grant.h"
#include "policy/ladder.h"

/* --- signs from the kernel ----------------------------------------------------------------------------------- */

/*
 * A throttled call tried to grow on. That alone is no sign of pressure, or throttling would keep itself going: only while the budget
 * that it was throttled for is still short, and has nothing left for it.
 */
static void grows_on(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		     GArray *actions)
{
	struct acg_agent *agent = call->node.agent;

	while (agent && !agent->pressure_since)
		agent = agent->parent;
	if (agent && !agent->pressure_outside && acg_ladder_still_short(engine, agent) &&
	    !acg_ladder_give_room(engine, agent, call, actions))
		acg_ladder_sign(engine, agent, false, now, actions);
}

static void spare(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		  GArray *actions)
{
	call->spared = now.mono;
	call->spare_due =
		now.mono + CLAMP(now.mono - call->start.mono, ACG_SPARE_FIRST, ACG_SPARE_LAST);
	acg_engine_due(engine, call->spare_due);
	acg_do(actions, ACG_DO_SPARE, &call->node);
}

/* What the shell has started since the last time is to be chosen before it, too. */
static bool shell_in_danger(const struct acg_call *call, const struct acg_usage *before,
			    struct acg_time now)
{
	return call->keep && call->state != ACG_CALL_ENDED &&
	       (call->usage.max_events > before->max_events ||
		call->usage.high_events > before->high_events) &&
	       now.mono - call->spared >= ACG_SPARE_FIRST;
}

static void call_usage(struct acg_engine *engine, struct acg_call *call,
		       const struct acg_usage *before, struct acg_time now, GArray *actions)
{
	const struct acg_usage *usage = &call->usage;

	if (usage->memory_current != before->memory_current ||
	    usage->stalled_usec == before->stalled_usec)
		call->grown = now.mono;
	if (usage->pids_refused > before->pids_refused)
		acg_do_feedback(actions, call, ACG_CAUSE_PIDS, NULL, false);
	acg_engine_explain_oom(call, actions);
	if (shell_in_danger(call, before, now))
		spare(engine, call, now, actions);
	/* Only where nothing in the kernel holds it: by process (procfs). A kernel with memory.max never lets it get there. */
	if (usage->memory_current > call->memory_max && !call->signal &&
	    engine->policy->ladder.enabled && engine->policy->ladder.kill)
		acg_ladder_kill(call, ACG_CAUSE_OOM, actions);
	if (usage->delays) {
		call->delays = usage->delays;
		call->delayed = usage->delayed_usec;
	}
	if (acg_grant_by_kernel(engine, &call->node) && call->throttled_since &&
	    now.mono >= usage->delayed_until + (int64_t)engine->policy->ladder.calm)
		acg_ladder_release(engine, call, actions);
	if (call->throttled_since && usage->high_events > before->high_events)
		grows_on(engine, call, now, actions);
}

static void agent_usage(struct acg_engine *engine, struct acg_agent *agent,
			const struct acg_usage *before, struct acg_time now, GArray *actions)
{
	const struct acg_usage *usage = &agent->usage;

	if (usage->max_events > before->max_events) {
		agent->harm_last = now.mono;
		acg_ladder_sign(engine, agent, false, now, actions);
	} else if (usage->high_events > before->high_events &&
		   acg_ladder_budget_short(engine, agent)) {
		acg_ladder_sign(engine, agent, false, now, actions);
	}
}

void acg_engine_usage(struct acg_engine *engine, struct acg_node *node,
		      const struct acg_usage *usage, struct acg_time now, GArray *actions)
{
	struct acg_usage before;

	switch (node->kind) {
	case ACG_KIND_CALL: {
		struct acg_call *call = acg_node_call(node);

		before = call->usage;
		call->usage = *usage;
		call_usage(engine, call, &before, now, actions);
		return;
	}
	case ACG_KIND_AGENT:
		before = node->agent->usage;
		node->agent->usage = *usage;
		agent_usage(engine, node->agent, &before, now, actions);
		return;
	default:
		node->agent->self_usage = *usage;
	}
}

/* Anybody of the agent's or below it, all of whom its PSI counts. */
static bool holds_back_own(const struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (holds_back_own(value))
			return true;
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_call *call = value;

		if (call->throttled_since || call->frozen_since)
			return true;
	}
	return false;
}

void acg_engine_pressure(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			 GArray *actions)
{
	if (holds_back_own(agent))
		return;
	agent->harm_last = now.mono;
	acg_ladder_sign(engine, agent, !acg_ladder_budget_short(engine, agent), now, actions);
}

void acg_engine_short(struct acg_engine *engine, struct acg_agent *agent, bool outside, bool spent,
		      struct acg_time now, GArray *actions)
{
	if (spent)
		agent->harm_last = now.mono;
	acg_ladder_sign(engine, agent, outside, now, actions);
}

void acg_engine_delay(struct acg_engine *engine, struct acg_node *node, bool begins,
		      struct acg_time now, GArray *actions)
{
	struct acg_call *call = acg_node_call(node);

	if (!call)
		acg_do_event(actions, node, begins ? "throttled" : "released", ACG_CAUSE_THROTTLED,
			     NULL);
	else if (begins)
		acg_ladder_delayed(engine, call, now, actions);
	else
		acg_ladder_release(engine, call, actions);
}

void acg_engine_oom_victim(struct acg_engine *engine, struct acg_node *node, pid_t pid,
			   const char *comm, uint64_t anon_bytes, struct acg_time now,
			   GArray *actions)
{
	struct acg_call *call = acg_node_call(node);
	char size[16];

	(void)engine;
	(void)now;
	if (!call) {
		acg_do_event(actions, node, "oom_kill", ACG_CAUSE_OOM_AGENT, NULL);
		return;
	}
	if (call->victim)
		return; /* the first one is whom the kernel chose; the rest go with the group */
	call->victim =
		g_strdup_printf("%s (pid %d, %s)", comm, pid, acg_size_format(anon_bytes, size));
	acg_do_event(actions, node, "oom_kill", ACG_CAUSE_OOM, call->victim);
}

/* --- time ---------------------------------------------------------------------------------------------------- */

static void step_vacant(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			GArray *actions)
{
	if (now.mono >= acg_engine_end_due(call))
		acg_engine_finish(engine, call, true, now, actions);
	else
		acg_engine_due(engine, acg_engine_end_due(call));
}

/* Whatever has become of the pressure that it was frozen for: out of its reach, too, a call goes on in time. */
static void step_frozen(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			GArray *actions)
{
	if (!call->frozen_since || call->operator_frozen)
		return;
	if (acg_ladder_thaw_due(engine, call, now))
		acg_ladder_thaw(engine, call, now, actions);
	else
		acg_engine_due(engine, call->frozen_since + engine->policy->ladder.freeze_max);
}

static void step_timeout(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			 GArray *actions)
{
	int64_t grace = engine->policy->ladder.term_grace;

	if (!call->deadline || call->frozen_since)
		return;
	if (!call->term_sent && now.mono >= call->deadline) {
		call->term_sent = now.mono;
		acg_do_feedback(actions, call, ACG_CAUSE_TIMEOUT, NULL, true);
		acg_do_event(actions, &call->node, "timeout", ACG_CAUSE_TIMEOUT, call->feedback);
		acg_do(actions, ACG_DO_SIGNAL, &call->node)->signo = SIGTERM;
		call->signal = SIGTERM;
	} else if (call->term_sent && now.mono >= call->term_sent + grace &&
		   call->signal != SIGKILL) {
		acg_ladder_kill(call, ACG_CAUSE_TIMEOUT, actions);
	}
	if (!call->term_sent)
		acg_engine_due(engine, call->deadline);
	else if (call->signal != SIGKILL)
		acg_engine_due(engine, call->term_sent + grace);
}

static void step_spare(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		       GArray *actions)
{
	if (!call->spare_due)
		return;
	if (now.mono >= call->spare_due)
		spare(engine, call, now, actions);
	else
		acg_engine_due(engine, call->spare_due);
}

/* The moment when a delayed call has not been delayed for long enough. */
static void step_delayed(struct acg_engine *engine, const struct acg_call *call,
			 struct acg_time now)
{
	int64_t calm = engine->policy->ladder.calm;

	if (!acg_grant_by_kernel(engine, &call->node) || !call->throttled_since)
		return;
	engine->delayed = true;
	acg_engine_due(engine, MAX(call->usage.delayed_until + calm, now.mono + ACG_LADDER_TICK));
}

static void tick_call(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		      GArray *actions)
{
	if (call->state == ACG_CALL_ENDED)
		return;
	step_frozen(engine, call, now, actions);
	if (call->vacant_since)
		step_vacant(engine, call, now, actions);
	else
		step_timeout(engine, call, now, actions);
	step_delayed(engine, call, now);
	step_spare(engine, call, now, actions);
	acg_engine_step_braked(engine, call, now, actions);
}

static void tick_agent(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
		       GArray *actions)
{
	GHashTableIter calls;
	void *call;

	if (agent->pressure_since)
		acg_ladder_step(engine, agent, now, actions);
	if (agent->pressure_since)
		acg_engine_due(engine, acg_grant_by_kernel(engine, &agent->node)
					       ? acg_ladder_due(engine, agent, now)
					       : now.mono + ACG_LADDER_TICK);
	if (!agent->n_alive)
		return;
	g_hash_table_iter_init(&calls, agent->calls);
	while (g_hash_table_iter_next(&calls, NULL, &call))
		tick_call(engine, call, now, actions);
}

void acg_engine_tick(struct acg_engine *engine, struct acg_time now, GArray *actions)
{
	g_autoptr(GPtrArray) agents = acg_agents_all(engine->registry->agents);

	engine->deadline = 0;
	engine->delayed = false;
	for (unsigned int i = 0; i < agents->len; i++)
		tick_agent(engine, agents->pdata[i], now, actions);
}

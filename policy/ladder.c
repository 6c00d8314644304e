/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ladder.
 *
 * On the cgroup tier:
 *
 * A sign of pressure on agent A is one of: A's memory.high, set below its budget as a tripwire, was crossed while what A
 * holds (page cache aside) is above the high mark; A ran into its memory.max; a throttled call of A tried to grow on while A still
 * holds more than the low mark; a PSI trigger on A while no call in it or below is throttled or frozen by us (a delay that we cause counts
 * as pressure, and must not feed itself). If A's own budget is not short, the pressure comes from outside, and the ladder is for calls of agents
 * with a lower priority than A; otherwise for A's own calls and those of its sub-agents.
 *
 *   1. throttle   at once: memory.high of each call in reach that is above its grant goes down to the grant, and that of `self`
 *                 to its own grant; if none is above, the next victim is held at what it uses now, and may have half of what
 *                 is left below the high mark each time that it wants more.
 *   2. freeze     after throttle_max: the next victim, for at most freeze_max at a time and freeze_percent of a minute, if that
 *                 lets somebody else make progress.
 *   3. feedback   with each step, once per cause; always before a kill.
 *   4. kill       after kill_after with signs still coming: the one next victim, whole. The clock then starts again. Not where
 *                 the budget is short only by what `self` holds above its grant: it is `self` that is held back then.
 *
 * The next victim is the call of the agent with the lowest priority; among those the one furthest above its grant; among those
 * the youngest, which has the least to lose. A call throttled for stall_max without its usage changing is killed too: no
 * livelock in reclaim. Without a sign for `calm`, everything is taken back.
 *
 * With memcg_bpf_ops step 1 is done by the kernel, charge by charge (bpf/memcg.bpf.c): it tells who is delayed, and, as signs of
 * pressure, which budget runs short while somebody charges. Steps 2 to 4 follow from these signs in the same way, without looking at
 * anything in between; but no call is killed while delays alone keep what is left of the memory, and nobody waits for it whom we do
 * not hold back.
 */
#include "policy/ladder.h"

#include <signal.h>

#include "policy/actions.h"
#include "policy/grant.h"

#define ROOM_LEAST 1 /* percent of the budget: less is not worth giving */

struct reach {
	const struct acg_agent *agent; /* under pressure */
	bool outside;
	GPtrArray *calls; /* struct acg_call, alive */
};

static void collect_calls(GHashTable *agents, struct reach *reach);

static bool in_reach(const struct acg_agent *agent, const struct reach *reach)
{
	if (!reach->outside)
		return acg_agent_within(agent, reach->agent);
	return agent->priority < reach->agent->priority && !acg_agent_within(reach->agent, agent);
}

static void collect_agent(const struct acg_agent *agent, struct reach *reach)
{
	GHashTableIter iter;
	void *value;

	collect_calls(agent->agents, reach);
	if (!in_reach(agent, reach))
		return;
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->state != ACG_CALL_ENDED && call->state != ACG_CALL_STARTING)
			g_ptr_array_add(reach->calls, call);
	}
}

static void collect_calls(GHashTable *agents, struct reach *reach)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		collect_agent(value, reach);
}

static uint64_t above_grant(const struct acg_call *call)
{
	uint64_t used = call->usage.memory_current;

	return used > call->grant ? used - call->grant : 0;
}

/* Next victims first. */
static int compare_victims(const void *a, const void *b)
{
	const struct acg_call *x = *(struct acg_call *const *)a, *y = *(struct acg_call *const *)b;
	enum acg_priority px = x->node.agent->priority, py = y->node.agent->priority;

	if (px != py)
		return px < py ? -1 : 1;
	if (above_grant(x) != above_grant(y))
		return above_grant(x) > above_grant(y) ? -1 : 1;
	if (x->start.mono != y->start.mono)
		return x->start.mono > y->start.mono ? -1 : 1;
	return g_strcmp0(x->id, y->id);
}

static GPtrArray *victims(struct acg_engine *engine, const struct acg_agent *agent)
{
	struct reach reach = {agent, agent->pressure_outside, g_ptr_array_new()};

	if (reach.outside)
		collect_calls(engine->registry->agents, &reach);
	else
		collect_agent(agent, &reach);
	g_ptr_array_sort(reach.calls, compare_victims);
	return reach.calls;
}

static bool holds_percent(const struct acg_agent *agent, uint32_t percent)
{
	return agent->budget.memory != ACG_MAX &&
	       agent->usage.memory_held >= agent->budget.memory / 100 * percent;
}

bool acg_ladder_budget_short(const struct acg_engine *engine, const struct acg_agent *agent)
{
	return holds_percent(agent, engine->policy->ladder.high_percent);
}

bool acg_ladder_still_short(const struct acg_engine *engine, const struct acg_agent *agent)
{
	return holds_percent(agent, engine->policy->ladder.low_percent);
}

/*
 * Many agents in one budget hold it between the two marks for long, by what they have outside their calls. Whoever was held where he was
 * would wait for all that time, and be killed for it in the end, with memory left. By halves, since others may want some, too.
 */
bool acg_ladder_give_room(const struct acg_engine *engine, const struct acg_agent *agent,
			  struct acg_call *call, GArray *actions)
{
	uint64_t percent = agent->budget.memory / 100;
	uint64_t mark = percent * engine->policy->ladder.high_percent;
	uint64_t room = mark - MIN(mark, agent->usage.memory_held);

	if (room / 2 < percent * ROOM_LEAST || call->braked_since ||
	    (above_grant(call) && !call->adapted) || acg_grant_by_kernel(engine, &call->node))
		return false;
	acg_do_control(actions, &call->node, ACG_CONTROL_MEMORY_HIGH,
		       MIN(call->usage.memory_current + room / 2,
			   call->lowered[ACG_CONTROL_MEMORY_HIGH]));
	return true;
}

/* memory.high at `bytes`, but never under what the agent itself lowered it to. ACG_MAX: it stays, BPF does the delaying. */
static void throttle(struct acg_call *call, uint64_t bytes, struct acg_time now, GArray *actions)
{
	enum acg_cause cause = call->braked_since ? ACG_CAUSE_GROWING : ACG_CAUSE_THROTTLED;

	if (call->state == ACG_CALL_RUNNING) {
		call->state = ACG_CALL_THROTTLED;
		call->node.agent->counters.throttled++;
		call->delays++;
		acg_do_event(actions, &call->node, "throttled", cause, NULL);
	}
	if (!call->throttled_since) {
		call->throttled_since = now.mono;
		call->grown = now.mono;
		acg_do(actions, ACG_DO_UPDATE, &call->node);
	}
	if (bytes != ACG_MAX)
		acg_do_control(actions, &call->node, ACG_CONTROL_MEMORY_HIGH,
			       MIN(bytes, call->lowered[ACG_CONTROL_MEMORY_HIGH]));
	acg_do_feedback(actions, call, cause, NULL, false);
}

/*
 * Step 1: all that are above what was granted to them, down to that. A grant that was only learnt is a guess: it says who is held first if
 * nobody else is, and then where he is, not whom to push below what he has. A detached call is throttled too, but stays `detached`.
 */
static void throttle_reach(GPtrArray *calls, struct acg_time now, GArray *actions)
{
	bool any = false;

	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_call *call = calls->pdata[i];

		any |= call->throttled_since != 0;
		if (call->throttled_since || call->adapted || !above_grant(call))
			continue;
		throttle(call, call->grant, now, actions);
		any = true;
	}
	if (!any && calls->len) {
		struct acg_call *call = calls->pdata[0];

		throttle(call, call->usage.memory_current, now, actions);
	}
}

static void throttle_self(const struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	if (!agent->pressure_outside && agent->self_policy.grant != ACG_MAX &&
	    !acg_grant_by_kernel(engine, &agent->self))
		acg_do_control(actions, &agent->self, ACG_CONTROL_MEMORY_HIGH,
			       agent->self_policy.grant);
}

/* Those that the kernel delays by itself need no limit from here. */
static void leave_to_kernel(const struct acg_engine *engine, GPtrArray *calls)
{
	for (unsigned int i = calls->len; i-- > 0;) {
		const struct acg_call *call = calls->pdata[i];

		if (acg_grant_by_kernel(engine, &call->node))
			g_ptr_array_remove_index(calls, i);
	}
}

void acg_ladder_sign(struct acg_engine *engine, struct acg_agent *agent, bool outside,
		     struct acg_time now, GArray *actions)
{
	g_autoptr(GPtrArray) calls = NULL;

	if (!engine->policy->ladder.enabled)
		return;
	agent->pressure_last = now.mono;
	if (!agent->pressure_since) {
		agent->pressure_since = now.mono;
		agent->pressure_outside = outside;
		engine->n_pressed++;
		acg_do_event(actions, &agent->node, "pressure", ACG_CAUSE_NONE,
			     outside ? "other agents hold it back" : "its budget runs short");
		if (!outside)
			acg_do_control(actions, &agent->node, ACG_CONTROL_MEMORY_HIGH, ACG_MAX);
	}
	calls = victims(engine, agent);
	leave_to_kernel(engine, calls);
	throttle_reach(calls, now, actions);
	throttle_self(engine, agent, actions);
	if (!engine->deadline || engine->deadline > now.mono + ACG_LADDER_TICK)
		engine->deadline = now.mono + ACG_LADDER_TICK;
}

void acg_ladder_freeze(struct acg_call *call, struct acg_time now, GArray *actions)
{
	if (call->frozen_since)
		return;
	call->frozen_since = now.mono;
	call->node.agent->counters.frozen++;
	if (call->state != ACG_CALL_DETACHED)
		call->state = ACG_CALL_FROZEN;
	acg_do(actions, ACG_DO_FREEZE, &call->node);
	acg_do_event(actions, &call->node, "frozen",
		     call->operator_frozen ? ACG_CAUSE_NONE : ACG_CAUSE_FROZEN, NULL);
}

/* Frozen time counts neither for the timeout nor for the grace after its SIGTERM, which nobody could act on. */
void acg_ladder_thaw(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		     GArray *actions)
{
	int64_t lasted = now.mono - call->frozen_since;

	if (!call->frozen_since)
		return;
	call->frozen += lasted;
	call->minute_frozen += lasted;
	if (call->deadline) {
		call->deadline += lasted;
		acg_engine_due(engine, call->deadline);
	}
	if (call->term_sent) {
		call->term_sent += lasted;
		acg_engine_due(engine, call->term_sent + engine->policy->ladder.term_grace);
	}
	if (call->throttled_since)
		call->grown = now.mono;
	call->frozen_since = 0;
	call->thawed = now.mono;
	if (call->state == ACG_CALL_FROZEN)
		call->state = call->throttled_since ? ACG_CALL_THROTTLED : ACG_CALL_RUNNING;
	acg_do(actions, ACG_DO_THAW, &call->node);
	acg_do_event(actions, &call->node, "thawed", ACG_CAUSE_NONE, NULL);
}

/* usec that the call may still be frozen in the current minute. */
static int64_t freeze_left(const struct acg_ladder *ladder, struct acg_call *call,
			   struct acg_time now)
{
	const int64_t minute = 60 * G_USEC_PER_SEC;

	if (now.mono - call->minute_start >= minute) {
		call->minute_start = now.mono;
		call->minute_frozen = 0;
	}
	return minute / 100 * ladder->freeze_percent - call->minute_frozen;
}

bool acg_ladder_thaw_due(const struct acg_engine *engine, const struct acg_call *call,
			 struct acg_time now)
{
	return call->frozen_since && !call->operator_frozen &&
	       now.mono - call->frozen_since >= (int64_t)engine->policy->ladder.freeze_max;
}

/* Step 2: only one call at a time, and only if somebody else gains by it. */
static void freeze_next(struct acg_engine *engine, struct acg_agent *agent, GPtrArray *calls,
			struct acg_time now, GArray *actions)
{
	const struct acg_ladder *ladder = &engine->policy->ladder;

	for (unsigned int i = 0; i < calls->len; i++)
		if (((struct acg_call *)calls->pdata[i])->frozen_since)
			return;
	if (!agent->pressure_outside && calls->len < 2)
		return;
	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_call *call = calls->pdata[i];

		if (call->thawed && now.mono - call->thawed < (int64_t)ladder->freeze_max)
			continue; /* its turn to run */
		if (freeze_left(ladder, call, now) < (int64_t)ladder->freeze_max)
			continue;
		acg_ladder_freeze(call, now, actions);
		acg_do_feedback(actions, call, ACG_CAUSE_FROZEN, NULL, false);
		return;
	}
}

void acg_ladder_kill(struct acg_call *call, enum acg_cause cause, GArray *actions)
{
	struct acg_action *action;

	call->node.agent->counters.killed++;
	acg_do_feedback(actions, call, cause, NULL, true);
	if (call->keep)
		for (unsigned int i = 0; i < call->moved->len; i++) {
			const struct acg_moved *moved =
				&g_array_index(call->moved, struct acg_moved, i);

			action = acg_do(actions, ACG_DO_MOVE, &call->node.agent->self);
			action->pid = moved->pid;
			action->oom_score_adj = moved->oom_score_adj;
		}
	acg_do_event(actions, &call->node, "kill", cause, call->feedback);
	action = acg_do(actions, ACG_DO_SIGNAL, &call->node);
	action->signo = SIGKILL;
	call->signal = SIGKILL;
}

void acg_ladder_delayed(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			GArray *actions)
{
	if (call->state == ACG_CALL_ENDED || call->state == ACG_CALL_STARTING)
		return;
	engine->delayed = true;
	call->slowed_by_grant = engine->policy->ladder.delay_ms != 0;
	throttle(call, ACG_MAX, now, actions);
	if (!engine->deadline || engine->deadline > now.mono + ACG_LADDER_TICK)
		engine->deadline = now.mono + ACG_LADDER_TICK;
}

void acg_ladder_brake(struct acg_engine *engine, struct acg_call *call, uint64_t high,
		      struct acg_time now, GArray *actions)
{
	call->braked_since = now.mono;
	engine->delayed = true;
	throttle(call, high, now, actions);
	acg_engine_due(engine, now.mono + (int64_t)engine->policy->ladder.throttle_max);
}

void acg_ladder_release(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	if (!call->throttled_since)
		return;
	call->throttled_since = 0;
	if (call->state == ACG_CALL_THROTTLED)
		call->state = ACG_CALL_RUNNING;
	if (!acg_grant_by_kernel(engine, &call->node))
		acg_do_control(actions, &call->node, ACG_CONTROL_MEMORY_HIGH,
			       call->lowered[ACG_CONTROL_MEMORY_HIGH]);
	acg_do(actions, ACG_DO_UPDATE, &call->node);
	acg_do_event(actions, &call->node, "released", ACG_CAUSE_NONE, NULL);
}

void acg_ladder_let_go(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
		       GArray *actions)
{
	if (call->frozen_since && !call->operator_frozen)
		acg_ladder_thaw(engine, call, now, actions);
	acg_ladder_release(engine, call, actions);
}

static void relieve(struct acg_engine *engine, struct acg_agent *agent, GPtrArray *calls,
		    struct acg_time now, GArray *actions)
{
	agent->pressure_since = 0;
	engine->n_pressed--;
	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_call *call = calls->pdata[i];

		acg_ladder_let_go(engine, call, now, actions);
	}
	acg_do_control(actions, &agent->self, ACG_CONTROL_MEMORY_HIGH, ACG_MAX);
	if (!acg_ladder_budget_short(engine, agent))
		acg_do_control(actions, &agent->node, ACG_CONTROL_MEMORY_HIGH,
			       acg_grant_tripwire(engine, agent));
	acg_do_event(actions, &agent->node, "relieved", ACG_CAUSE_NONE, NULL);
}

/* A call that is throttled and does not move: kill it rather than let it spin in reclaim for ever. */
static bool kill_stalled(const struct acg_ladder *ladder, GPtrArray *calls, struct acg_time now,
			 GArray *actions)
{
	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_call *call = calls->pdata[i];

		if (call->signal || call->frozen_since || !call->throttled_since)
			continue;
		if (now.mono - call->grown < (int64_t)ladder->stall_max)
			continue;
		acg_ladder_kill(call, ACG_CAUSE_STALLED, actions);
		return true;
	}
	return false;
}

/*
 * True if the budget would not be short, had `self` kept to its grant: then no call is to blame, and none is killed. `self` is being
 * held back at its grant meanwhile. Without a grant it may have what it has.
 */
static bool self_is_to_blame(const struct acg_engine *engine, const struct acg_agent *agent)
{
	uint64_t self = agent->self_usage.memory_current, grant = agent->self_policy.grant;
	uint64_t mark = agent->budget.memory / 100 * engine->policy->ladder.high_percent;

	return !agent->pressure_outside && self > grant &&
	       agent->usage.memory_held < mark + (self - grant);
}

/*
 * Where the kernel delays charge by charge, a budget can stay short for long with everybody moving on: it harms somebody only when it is
 * as good as used up, or when tasks wait for memory that we do not hold back.
 */
static bool is_harmed(const struct acg_engine *engine, const struct acg_agent *agent,
		      struct acg_time now)
{
	if (!acg_grant_by_kernel(engine, &agent->node))
		return true;
	return agent->harm_last &&
	       now.mono - agent->harm_last < (int64_t)engine->policy->ladder.calm;
}

static bool kill_next(GPtrArray *calls, GArray *actions)
{
	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_call *call = calls->pdata[i];

		if (call->signal)
			continue;
		acg_ladder_kill(call, ACG_CAUSE_PRESSURE, actions);
		return true;
	}
	return false;
}

void acg_ladder_relieve(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			GArray *actions)
{
	g_autoptr(GPtrArray) calls = NULL;

	if (!agent->pressure_since)
		return;
	calls = victims(engine, agent);
	relieve(engine, agent, calls, now, actions);
}

void acg_ladder_step(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
		     GArray *actions)
{
	const struct acg_ladder *ladder = &engine->policy->ladder;
	g_autoptr(GPtrArray) calls = victims(engine, agent);
	int64_t pressed = now.mono - agent->pressure_since;

	for (unsigned int i = 0; i < calls->len; i++)
		if (acg_ladder_thaw_due(engine, calls->pdata[i], now))
			acg_ladder_thaw(engine, calls->pdata[i], now, actions);
	if (now.mono - agent->pressure_last >= (int64_t)ladder->calm) {
		relieve(engine, agent, calls, now, actions);
		return;
	}
	if (ladder->kill &&
	    (kill_stalled(ladder, calls, now, actions) ||
	     (pressed >= (int64_t)ladder->kill_after && is_harmed(engine, agent, now) &&
	      !self_is_to_blame(engine, agent) && kill_next(calls, actions)))) {
		agent->pressure_since = now.mono;
		return;
	}
	if (pressed >= (int64_t)ladder->throttle_max)
		freeze_next(engine, agent, calls, now, actions);
}

static void sooner(int64_t *due, int64_t when, struct acg_time now)
{
	if (when > now.mono && when < *due)
		*due = when;
}

int64_t acg_ladder_due(struct acg_engine *engine, const struct acg_agent *agent,
		       struct acg_time now)
{
	const struct acg_ladder *ladder = &engine->policy->ladder;
	g_autoptr(GPtrArray) calls = victims(engine, agent);
	int64_t due = MAX(agent->pressure_last + (int64_t)ladder->calm, now.mono);

	sooner(&due, agent->pressure_since + ladder->throttle_max, now);
	sooner(&due, agent->pressure_since + ladder->kill_after, now);
	for (unsigned int i = 0; i < calls->len; i++) {
		const struct acg_call *call = calls->pdata[i];

		if (call->frozen_since)
			sooner(&due, call->frozen_since + ladder->freeze_max, now);
		else if (call->thawed)
			sooner(&due, call->thawed + ladder->freeze_max, now);
		if (call->throttled_since)
			sooner(&due, call->grown + ladder->stall_max, now);
	}
	return MAX(due, now.mono + ACG_LADDER_TICK);
}

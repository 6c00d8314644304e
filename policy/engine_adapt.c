/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: grants that learn, retries, and calls that grow towards a limit. The arithmetic is in adapt.c and retry.c. */
#include "policy/engine_private.h"

#include "policy/actions.h"
#include "policy/adapt.h"
#include "policy/command_class.h"
#include "policy/ladder.h"
#include "policy/retry.h"

static const char *class_of(const struct acg_call *call, const char *command)
{
	if (call->class)
		return call->class;
	return g_intern_static_string(acg_command_class_name(acg_command_class(command)));
}

static void say(char **note, char *text)
{
	g_free(*note);
	*note = text;
}

/* --- begin ---------------------------------------------------------------------------------------------------- */

void acg_engine_adapt_begin(struct acg_engine *engine, struct acg_call *call, const char *command)
{
	struct acg_agent *agent = call->node.agent;

	if (!engine->policy->adapt.enabled)
		return;
	call->work = class_of(call, command);
	if (call->hint.memory == ACG_MEMORY_UNSET)
		call->adapted = acg_adapt_grant(&agent->adapt, call->work);
	call->retry_run = acg_retry_begin(&agent->retry, command);
	call->self_before = agent->self_usage.memory_current;
}

static bool is_retry(const struct acg_engine *engine, const struct acg_call *call)
{
	return engine->policy->adapt.enabled && call->retry_run >= engine->policy->adapt.retries;
}

void acg_engine_adapt_begun(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	char size[16];

	if (call->adapted) {
		say(&call->adapt_note,
		    g_strdup_printf("its grant is %s, as calls of class %s have shown",
				    acg_size_format(call->grant, size), call->work));
		acg_do_event(actions, &call->node, "adapted", ACG_CAUSE_NONE, call->adapt_note);
	}
	if (!is_retry(engine, call))
		return;
	say(&call->retry_note,
	    g_strdup_printf("run %u of the same command in a row; those before left %s behind",
			    call->retry_run, acg_size_format(call->node.agent->retry.left, size)));
	acg_do_event(actions, &call->node, "retry", ACG_CAUSE_RETRY, call->retry_note);
	acg_do_feedback(actions, call, ACG_CAUSE_RETRY, NULL, false);
}

/* --- end ------------------------------------------------------------------------------------------------------ */

static bool was_killed(const struct acg_call *call)
{
	const unsigned int causes = 1U << ACG_CAUSE_OOM | 1U << ACG_CAUSE_OOM_AGENT |
				    1U << ACG_CAUSE_PRESSURE | 1U << ACG_CAUSE_STALLED;

	return call->causes_told & causes;
}

/* Asks back what the run left in its own cgroup, and what `self` has grown by meanwhile. */
static void reclaim_left(struct acg_call *call, uint64_t own, uint64_t in_self, GArray *actions)
{
	char size[16], other[16];

	if (own)
		acg_do(actions, ACG_DO_RECLAIM, &call->node)->value = own;
	if (in_self)
		acg_do(actions, ACG_DO_RECLAIM, &call->node.agent->self)->value = in_self;
	if (!own && !in_self)
		return;
	say(&call->retry_note,
	    g_strdup_printf("asked back: %s that this run left in its cgroup, %s by which the "
			    "agent's own processes grew meanwhile",
			    acg_size_format(own, size), acg_size_format(in_self, other)));
	acg_do_event(actions, &call->node, "reclaimed", ACG_CAUSE_RETRY, call->retry_note);
}

static void account_retry(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	struct acg_agent *agent = call->node.agent;
	uint64_t own = call->usage.memory_current, self = agent->self_usage.memory_current;
	uint64_t in_self = self > call->self_before ? self - call->self_before : 0;
	bool retry = is_retry(engine, call);

	if (retry)
		reclaim_left(call, own, in_self, actions);
	acg_retry_end(&agent->retry, call->retry_run, own + in_self, retry);
}

void acg_engine_adapt_end(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	const struct acg_adapt_run run = {
		.grant = call->grant,
		.peak = call->usage.memory_peak,
		.killed = was_killed(call),
	};
	char *why = NULL;

	if (!engine->policy->adapt.enabled || !call->work)
		return;
	if (acg_adapt_learn(&call->node.agent->adapt, call->work, &run, &why)) {
		say(&call->adapt_note, why);
		acg_do_event(actions, &call->node, "adapted", ACG_CAUSE_NONE, call->adapt_note);
	}
	account_retry(engine, call, actions);
}

/* --- growth ---------------------------------------------------------------------------------------------------- */

static char *describe_growth(const struct acg_growth *growth)
{
	char rate[16], left[16];

	return g_strdup_printf("it grows by %s a second and is at a limit in %.2f s: %s are left",
			       acg_size_format(growth->per_second, rate),
			       (double)growth->left / growth->per_second,
			       acg_size_format(growth->left, left));
}

void acg_engine_growth(struct acg_engine *engine, struct acg_call *call, uint64_t left,
		       uint64_t per_second, struct acg_time now, GArray *actions)
{
	const struct acg_usage *usage = &call->usage;
	const struct acg_growth growth = {
		.usage = usage->memory_current,
		.left = left + usage->memory_current -
			MIN(usage->memory_held, usage->memory_current),
		.per_second = per_second,
		.grant = call->grant,
	};
	uint64_t high;

	if (!engine->policy->adapt.enabled || !engine->policy->ladder.enabled ||
	    call->state != ACG_CALL_RUNNING || call->throttled_since ||
	    !acg_growth_brake(&growth, engine->policy->adapt.ahead, &high))
		return;
	say(&call->adapt_note, describe_growth(&growth));
	acg_do_event(actions, &call->node, "growing", ACG_CAUSE_NONE, call->adapt_note);
	if (engine->kernel_delays) /* it is delayed already, charge by charge */
		return;
	call->growth = per_second;
	call->brake_limit = growth.usage + growth.left;
	acg_ladder_brake(engine, call, high, now, actions);
}

void acg_engine_step_braked(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			    GArray *actions)
{
	uint64_t high = call->node.controls[ACG_CONTROL_MEMORY_HIGH], further;
	int64_t due = call->braked_since + (int64_t)engine->policy->ladder.throttle_max;

	if (!call->braked_since)
		return;
	if (!call->throttled_since) { /* somebody else has let it go */
		call->braked_since = 0;
		return;
	}
	engine->delayed = true; /* measured meanwhile */
	if (now.mono < due) {
		acg_engine_due(engine, due);
		return;
	}
	further = acg_growth_further(call->usage.memory_current,
				     MIN(call->memory_max, call->brake_limit));
	if (call->usage.memory_current < high - high / 16 || further == ACG_MAX) {
		call->braked_since = 0;
		acg_ladder_release(engine, call, actions);
		return;
	}
	acg_do_control(actions, &call->node, ACG_CONTROL_MEMORY_HIGH,
		       MIN(further, call->lowered[ACG_CONTROL_MEMORY_HIGH]));
	call->braked_since = now.mono;
	acg_engine_due(engine, now.mono + (int64_t)engine->policy->ladder.throttle_max);
}

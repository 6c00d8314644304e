/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: a call from its begin to its end. */
#include "policy/engine_private.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "policy/actions.h"
#include "policy/grant.h"
#include "policy/ladder.h"

/* --- begin --------------------------------------------------------------------------------------------------- */

static char *fresh_id(struct acg_agent *agent)
{
	char id[32];

	do
		snprintf(id, sizeof(id), "c%" G_GUINT64_FORMAT, ++agent->next_id);
	while (g_hash_table_contains(agent->calls, id));
	return g_strdup(id);
}

static int check_begin(struct acg_agent *agent, const char *id, GError **error)
{
	struct acg_call *old;
	int ret = id ? acg_name_check(id, error) : 0;

	if (ret)
		return ret;
	old = id ? acg_agent_call(agent, id) : NULL;
	if (old && old->state != ACG_CALL_ENDED)
		return acg_fail(
			error, EEXIST,
			"call %s is running already: choose another id, or - for a fresh one", id);
	for (; agent; agent = agent->parent)
		if (acg_agent_calls_alive(agent) >= agent->budget.calls)
			return acg_fail(error, EAGAIN,
					"agent %s has %" G_GUINT64_FORMAT
					" calls alive, all that its policy allows: end one first",
					agent->name, agent->budget.calls);
	return 0;
}

int acg_engine_marker(struct acg_agent *agent, struct acg_time now, GError **error)
{
	struct acg_agent *top = acg_agent_top(agent);

	if (acg_rate_take(&top->markers, ACG_MARKERS_PER_SECOND, ACG_MARKERS_BURST, now.mono))
		return 0;
	return acg_fail(error, EAGAIN, "agent %s writes more than %d markers a second", top->name,
			ACG_MARKERS_PER_SECOND);
}

/* What a process had when it first came counts; that of one that is moved within the call is ours already. */
static void remember_moved(GArray *moved, pid_t pid, int oom_score_adj)
{
	struct acg_moved entry = {pid, oom_score_adj};

	for (unsigned int i = 0; i < moved->len; i++) {
		struct acg_moved *known = &g_array_index(moved, struct acg_moved, i);

		if (known->pid != pid)
			continue;
		if (oom_score_adj != ACG_OOM_CALL)
			known->oom_score_adj = oom_score_adj;
		return;
	}
	if (moved->len == ACG_MOVED_KEPT)
		g_array_remove_index(moved, 0);
	g_array_append_val(moved, entry);
}

int acg_engine_begin(struct acg_engine *engine, struct acg_agent *agent,
		     const struct acg_begin *begin, struct acg_time now, GArray *actions,
		     struct acg_call **ret_call, GError **error)
{
	g_autofree char *id = NULL;
	struct acg_hint inline_hint = {0};
	struct acg_call *call, *old;
	int ret = check_begin(agent, begin->id, error);

	if (ret)
		return ret;
	acg_engine_expire(engine, agent, now);
	id = begin->id ? g_strdup(begin->id) : fresh_id(agent);
	old = g_hash_table_lookup(agent->calls, id);
	if (old)
		acg_registry_remove_call(engine->registry, old);
	call = acg_registry_add_call(engine->registry, agent, id);
	call->command =
		acg_policy_kept_command(engine->policy, begin->command ? begin->command : "");
	call->command_whole = engine->policy->commands == ACG_COMMANDS_FULL;
	acg_engine_apply_rule(engine, call, begin->command, &inline_hint);
	call->hint = begin->hint;
	acg_hint_merge(&call->hint, &inline_hint);
	call->keep = begin->keep;
	call->by_mkdir = begin->by_mkdir;
	call->by_rule = begin->by_rule;
	call->pid = begin->pid;
	call->request = begin->request;
	call->request_step = begin->request_step;
	call->ns_pid = begin->ns_pid;
	call->ordinal = agent->counters.begun + 1;
	call->start = begin->start.mono ? begin->start : now;

	acg_engine_adapt_begin(engine, call, begin->command);
	acg_engine_make_node(actions, &call->node, call->id);
	if (begin->pid)
		remember_moved(call->moved, begin->pid, begin->oom_score_adj);
	acg_do(actions, ACG_DO_SAVE, &call->node);
	acg_engine_call_limits(engine, call, actions);
	if (call->timeout)
		call->deadline = now.mono + call->timeout;
	if (begin->pid) {
		struct acg_action *move = acg_do(actions, ACG_DO_MOVE, &call->node);

		move->pid = begin->pid;
		move->oom_score_adj = call->keep ? ACG_OOM_KEEP : ACG_OOM_CALL;
		if (call->keep)
			call->spare_due = now.mono + ACG_SPARE_FIRST;
	}
	*ret_call = call;
	return 0;
}

void acg_engine_begun(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	call->state = ACG_CALL_RUNNING;
	call->node.agent->counters.begun++;
	acg_engine_due(engine, call->deadline);
	acg_engine_due(engine, call->spare_due);
	acg_do_event(actions, &call->node, "begin", ACG_CAUSE_NONE, call->command);
	acg_engine_adapt_begun(engine, call, actions);
}

void acg_engine_begin_failed(struct acg_engine *engine, struct acg_call *call)
{
	acg_registry_remove_call(engine->registry, call);
}

void acg_engine_moved(struct acg_engine *engine, struct acg_node *to, pid_t pid, int oom_score_adj)
{
	struct acg_call *call = acg_node_call(to);

	(void)engine;
	if (!call)
		return;
	remember_moved(call->moved, pid, oom_score_adj);
	call->vacant_since = call->over.mono = 0;
	call->inhabited = true;
	if (!call->pid)
		call->pid = pid;
}

/* --- end ----------------------------------------------------------------------------------------------------- */

static int old_oom_score_adj(const struct acg_call *call, pid_t pid)
{
	for (unsigned int i = call->moved->len; i-- > 0;) {
		const struct acg_moved *moved = &g_array_index(call->moved, struct acg_moved, i);

		if (moved->pid == pid)
			return moved->oom_score_adj;
	}
	return 0; /* forked in the call: the value of a process that nobody changed */
}

/* Its line of history is written and stays as it is: who reads along learns of it by an event. */
static void exit_comes_late(struct acg_call *call, int exit, GArray *actions)
{
	g_autofree char *text = g_strdup_printf("%d", exit);

	acg_do_event(actions, &call->node, "exit", ACG_CAUSE_NONE, g_intern_string(text));
}

int acg_engine_end(struct acg_engine *engine, struct acg_call *call, int exit, pid_t writer,
		   GArray *actions, GError **error)
{
	struct acg_action *move;

	(void)engine;
	(void)error;
	if (exit >= 0 && call->state == ACG_CALL_ENDED && exit != call->exit)
		exit_comes_late(call, exit, actions);
	if (exit >= 0)
		call->exit = exit;
	if (call->state == ACG_CALL_ENDED || !writer)
		return 0;
	move = acg_do(actions, ACG_DO_MOVE, &call->node.agent->self);
	move->pid = writer;
	move->oom_score_adj = old_oom_score_adj(call, writer);
	return 0;
}

static bool empty_begin(const struct acg_call *call, bool by_itself, struct acg_time now)
{
	int64_t left = call->vacant_since ? call->vacant_since : now.mono;

	/* A begin by a process that is gone within a tenth of a second, hardly having run: an echo in a shell of its own. */
	return by_itself && !call->by_mkdir && !call->by_rule && call->exit < 0 && !call->signal &&
	       left - call->start.mono < G_USEC_PER_SEC / 10 && call->usage.cpu_usec < 20000;
}

/* Says so when the kernel's OOM killer was in the call, from its counters: once, or for a persistent shell each time. */
bool acg_engine_explain_oom(struct acg_call *call, GArray *actions)
{
	bool own_limit = call->usage.oom_events > 0;

	if (call->usage.oom_kills <= call->oom_told || (call->oom_told && !call->keep))
		return call->oom_told > 0;
	call->oom_told = call->usage.oom_kills;
	if (!call->keep)
		call->signal = SIGKILL;
	acg_do_feedback(actions, call, own_limit ? ACG_CAUSE_OOM : ACG_CAUSE_OOM_AGENT, NULL, true);
	return true;
}

static void explain_end(struct acg_call *call, bool by_itself, struct acg_time now, GArray *actions)
{
	if (!acg_engine_explain_oom(call, actions) && empty_begin(call, by_itself, now))
		acg_do_feedback(actions, call, ACG_CAUSE_EMPTY, NULL, false);
}

static void detach(struct acg_call *call, GArray *actions)
{
	if (call->state == ACG_CALL_DETACHED)
		return;
	acg_engine_explain_oom(
		call,
		actions); /* whoever ended it reads the feedback now, with victims still on their way out */
	call->state = ACG_CALL_DETACHED;
	call->by_mkdir = false; /* ends when it is empty */
	call->inhabited = true;
	acg_do_event(actions, &call->node, "detached", ACG_CAUSE_NONE, NULL);
}

/* How its own process went is how the call went, if nobody said so. */
static void take_status(struct acg_call *call)
{
	if (!call->status_known || call->exit >= 0 || call->signal)
		return;
	if (WIFSIGNALED(call->status))
		call->signal = WTERMSIG(call->status);
	else
		call->exit = WEXITSTATUS(call->status);
}

void acg_engine_exited(struct acg_engine *engine, struct acg_call *call, int status,
		       struct acg_time over, struct acg_time now, GArray *actions)
{
	if (call->state == ACG_CALL_ENDED)
		return;
	call->status = status;
	call->status_known = true;
	call->over = over;
	if (call->vacant_since && call->by_rule) /* nobody else will say more */
		acg_engine_finish(engine, call, true, now, actions);
}

void acg_engine_finish(struct acg_engine *engine, struct acg_call *call, bool by_itself,
		       struct acg_time now, GArray *actions)
{
	call->end = call->by_rule && call->over.mono ? call->over : now;
	if (call->frozen_since) {
		call->frozen += now.mono - call->frozen_since;
		call->frozen_since = 0;
	}
	if (call->delays && !call->usage.delays)
		call->delayed = call->usage.stalled_usec;
	explain_end(call, by_itself, now, actions);
	take_status(call);
	acg_engine_adapt_end(engine, call, actions);
	acg_do_event(actions, &call->node, "end", ACG_CAUSE_NONE, call->reason);
	acg_do(actions, ACG_DO_RECORD, &call->node);
	acg_do(actions, ACG_DO_REMOVE, &call->node);
}

/* When a call without processes ends, if nobody says before how it went. */
int64_t acg_engine_end_due(const struct acg_call *call)
{
	return call->vacant_since + (call->awaited ? ACG_END_AWAITED : ACG_END_GRACE);
}

void acg_engine_await(struct acg_engine *engine, struct acg_call *call, bool awaited,
		      struct acg_time now)
{
	call->awaited = awaited;
	if (call->vacant_since && !awaited)
		acg_engine_due(engine, MAX(acg_engine_end_due(call), now.mono));
}

void acg_engine_vacated(struct acg_engine *engine, struct acg_call *call, bool populated,
			bool by_itself, struct acg_time now, GArray *actions)
{
	if (call->state == ACG_CALL_ENDED)
		return;
	if (populated) {
		detach(call, actions);
	} else if (by_itself && call->exit < 0 && call->state != ACG_CALL_DETACHED &&
		   !(call->by_rule && call->status_known)) {
		call->vacant_since = now.mono;
		acg_engine_due(engine, acg_engine_end_due(call));
	} else {
		acg_engine_finish(engine, call, by_itself, now, actions);
	}
}

void acg_engine_call_removed(struct acg_engine *engine, struct acg_call *call, struct acg_time now)
{
	struct acg_agent *agent = call->node.agent;

	call->state = ACG_CALL_ENDED;
	call->throttled_since = call->deadline = call->term_sent = 0;
	agent->n_alive--;
	engine->registry->n_alive--;
	agent->counters.ended++;
	agent->counters.oom_kills += call->usage.oom_kills;
	g_queue_push_tail(&agent->ended, call);
	acg_engine_expire(engine, agent, now);
}

void acg_engine_forget(struct acg_engine *engine, struct acg_call *call)
{
	GArray *forgotten = call->node.agent->forgotten;

	if (forgotten->len == ACG_ENDED_KEPT)
		g_array_remove_index(forgotten, 0);
	g_array_append_val(forgotten, call->node.id);
	acg_registry_remove_call(engine->registry, call);
}

void acg_engine_expire(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now)
{
	struct acg_call *oldest;

	while ((oldest = g_queue_peek_head(&agent->ended)) &&
	       (agent->ended.length > ACG_ENDED_KEPT ||
		now.mono - oldest->end.mono > ACG_ENDED_AGE))
		acg_registry_remove_call(engine->registry, oldest);
}

/* --- while it runs ------------------------------------------------------------------------------------------- */

/* However often it is asked for: the cap on the timeout counts from the call's begin. */
static int64_t last_deadline(const struct acg_call *call)
{
	uint64_t cap = call->node.agent->caps.timeout;

	return cap == ACG_MAX ? INT64_MAX : call->start.mono + call->frozen + (int64_t)cap;
}

void acg_engine_hint(struct acg_engine *engine, struct acg_call *call, const struct acg_hint *hint,
		     struct acg_time now, GArray *actions)
{
	acg_hint_merge(&call->hint, hint);
	if (call->state == ACG_CALL_ENDED)
		return;
	acg_engine_call_limits(engine, call, actions);
	if (hint->timeout) {
		call->deadline = MIN(now.mono + (int64_t)call->timeout, last_deadline(call));
		acg_engine_due(engine, call->deadline);
	}
	acg_do_event(actions, &call->node, "hint", ACG_CAUSE_NONE, NULL);
}

int acg_engine_lower(struct acg_engine *engine, struct acg_call *call, enum acg_control control,
		     uint64_t value, bool operator, GArray * actions, GError **error)
{
	uint64_t granted[ACG_N_CONTROLS];
	uint64_t before = call->lowered[control];

	call->lowered[control] = ACG_MAX;
	acg_grant_call(engine, call, granted);
	if (!operator&& value> granted[control]) {
		call->lowered[control] = before;
		acg_grant_call(engine, call, granted);
		return acg_fail(
			error, EPERM,
			"an agent can lower a call's limits, not raise them above the grant");
	}
	call->lowered[control] = value;
	acg_engine_call_limits(engine, call, actions);
	if (operator&& value> granted[control]) {
		acg_do_control(actions, &call->node, control, value);
		if (control == ACG_CONTROL_MEMORY_MAX)
			call->memory_max = value;
	}
	return 0;
}

void acg_engine_freeze(struct acg_engine *engine, struct acg_call *call, bool frozen,
		       struct acg_time now, GArray *actions)
{
	call->operator_frozen = frozen;
	if (frozen)
		acg_ladder_freeze(call, now, actions);
	else
		acg_ladder_thaw(engine, call, now, actions);
}

void acg_engine_kill(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	(void)engine;
	acg_ladder_kill(call, ACG_CAUSE_KILLED, actions);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine: agents, calls and their ends. The grant's arithmetic is in grant.c, pressure in ladder.c. */
#include "policy/engine.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "policy/actions.h"
#include "policy/feedback.h"
#include "policy/grant.h"
#include "policy/ladder.h"

struct acg_engine *acg_engine_new(struct acg_policy *policy)
{
	struct acg_engine *engine = g_new0(struct acg_engine, 1);

	engine->policy = acg_policy_ref(policy);
	engine->registry = acg_registry_new();
	return engine;
}

void acg_engine_free(struct acg_engine *engine)
{
	if (!engine)
		return;
	acg_registry_free(engine->registry);
	acg_policy_unref((struct acg_policy *)engine->policy);
	g_free(engine);
}

void acg_engine_due(struct acg_engine *engine, int64_t when)
{
	if (when && (!engine->deadline || when < engine->deadline))
		engine->deadline = when;
}

/* --- agents ------------------------------------------------------------------------------------------------- */

static void make_node(GArray *actions, struct acg_node *node, const char *name)
{
	memcpy(node->controls, acg_control_defaults, sizeof(acg_control_defaults));
	acg_do(actions, ACG_DO_MAKE, node)->name = name;
}

static void do_agent_limits(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	uint64_t want[ACG_N_CONTROLS];

	acg_grant_agent_controls(engine, agent, want);
	acg_do_controls(actions, &agent->node, want);
	acg_grant_self_controls(agent, want);
	acg_do_controls(actions, &agent->self, want);
	acg_do(actions, ACG_DO_UPDATE, &agent->node);
	acg_do(actions, ACG_DO_UPDATE, &agent->self);
}

static int check_parent(const struct acg_agent *parent, GError **error)
{
	if (parent && acg_agent_depth(parent) + 1 >= ACG_AGENT_DEPTH_MAX)
		return acg_fail(error, EAGAIN, "sub-agents go no deeper than %d levels",
				ACG_AGENT_DEPTH_MAX);
	for (; parent; parent = parent->parent)
		if (acg_agent_agents_below(parent) >= parent->budget.agents)
			return acg_fail(error, EAGAIN,
					"agent %s has its %" G_GUINT64_FORMAT
					" sub-agents already: remove one first",
					parent->name, parent->budget.agents);
	return 0;
}

static int check_user(const struct acg_engine *engine, const char *user, uid_t uid, GError **error)
{
	const struct acg_user_rule *rule = user ? acg_policy_user(engine->policy, uid) : NULL;
	unsigned int n = 0;
	GHashTableIter iter;
	void *value;

	if (!rule)
		return 0;
	g_hash_table_iter_init(&iter, engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;

		n += agent->user && agent->uid == uid;
	}
	if (n >= rule->budget.agents)
		return acg_fail(error, EAGAIN,
				"you have %u agents, all that the policy allows: remove one first",
				n);
	return 0;
}

int acg_engine_agent_add(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			 const char *namespace, const char *user, uid_t uid, struct acg_time now,
			 GArray *actions, struct acg_agent **ret_agent, GError **error)
{
	struct acg_agent *agent;
	int ret = acg_name_check(name, error);

	if (ret)
		return ret;
	if (acg_registry_agent(engine->registry, parent, name))
		return acg_fail(error, EEXIST, "there is an agent %s already", name);
	ret = parent ? check_parent(parent, error) : check_user(engine, user, uid, error);
	if (ret)
		return ret;
	agent = acg_registry_add_agent(engine->registry, parent, name);
	agent->namespace = g_strdup(namespace);
	agent->user = g_strdup(user);
	agent->uid = uid;
	agent->start = now;
	acg_grant_agent(engine, agent);
	make_node(actions, &agent->node, agent->name);
	acg_do(actions, ACG_DO_SAVE, &agent->node);
	make_node(actions, &agent->self, "self");
	do_agent_limits(engine, agent, actions);
	*ret_agent = agent;
	return 0;
}

void acg_engine_agent_adopts(struct acg_engine *engine, struct acg_agent *agent, const char *path,
			     const uint64_t controls[ACG_N_CONTROLS], GArray *actions)
{
	agent->adopted = g_strdup(path);
	memcpy(agent->adopted_controls, controls, sizeof(agent->adopted_controls));
	acg_grant_agent(engine, agent);
	g_array_set_size(actions, 0);
	make_node(actions, &agent->node, agent->name);
	memcpy(agent->node.controls, controls, sizeof(agent->node.controls));
	make_node(actions, &agent->self, "self");
	do_agent_limits(engine, agent, actions);
}

void acg_engine_agent_made(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	(void)engine;
	agent->made = true;
	acg_do_event(actions, &agent->node, "agent_made", ACG_CAUSE_NONE, NULL);
}

static void drop_agent(struct acg_engine *engine, struct acg_agent *agent)
{
	if (agent->pressure_since)
		engine->n_pressed--;
	acg_registry_remove_agent(engine->registry, agent);
}

void acg_engine_agent_failed(struct acg_engine *engine, struct acg_agent *agent)
{
	drop_agent(engine, agent);
}

int acg_engine_agent_remove(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			    GArray *actions, GError **error)
{
	if (agent->n_alive)
		return acg_fail(
			error, EBUSY,
			"agent %s has %u calls alive: end them, or write 1 to its cgroup.kill",
			agent->name, agent->n_alive);
	if (g_hash_table_size(agent->agents))
		return acg_fail(error, EBUSY, "agent %s has sub-agents: remove them first",
				agent->name);
	acg_ladder_relieve(engine, agent, now, actions);
	acg_do(actions, ACG_DO_REMOVE, &agent->self);
	acg_do(actions, ACG_DO_REMOVE, &agent->node);
	acg_do_event(actions, &agent->node, "agent_removed", ACG_CAUSE_NONE, NULL);
	return 0;
}

void acg_engine_agent_removed(struct acg_engine *engine, struct acg_agent *agent)
{
	drop_agent(engine, agent);
}

/* --- limits of calls ---------------------------------------------------------------------------------------- */

/* Class and hint of the rule that the command matches; a leading AGENT_RESOURCE_HINT= in it goes to *hint (may be NULL). */
static void apply_rule(struct acg_engine *engine, struct acg_call *call, const char *command,
		       struct acg_hint *hint)
{
	g_autofree char *written = command ? acg_command_unwrap(command, hint) : NULL;
	const struct acg_command_rule *rule =
		written ? acg_policy_command(engine->policy, written) : NULL;

	call->class = rule && rule->class ? g_intern_string(rule->class) : NULL;
	call->rule_hint = rule ? rule->hint : (struct acg_hint){0};
}

/* Applies the grant as it follows from policy, hint and what was lowered. memory.high of a throttled call stays with the ladder. */
static void do_call_limits(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	uint64_t want[ACG_N_CONTROLS];

	acg_grant_call(engine, call, want);
	if (call->throttled_since)
		want[ACG_CONTROL_MEMORY_HIGH] = MIN(call->node.controls[ACG_CONTROL_MEMORY_HIGH],
						    want[ACG_CONTROL_MEMORY_HIGH]);
	acg_do_controls(actions, &call->node, want);
	acg_do(actions, ACG_DO_UPDATE, &call->node);
}

static void redo_calls(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->state != ACG_CALL_ENDED && call->state != ACG_CALL_STARTING)
			do_call_limits(engine, call, actions);
	}
	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *sub = value;

		sub->caps = agent->caps;
		redo_calls(engine, sub, actions);
	}
}

/* What was done to its calls for their old priority is taken back: the ladder comes again if it has to. */
static void let_calls_go(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			 GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((struct acg_call *)value)->state != ACG_CALL_ENDED)
			acg_ladder_let_go(engine, value, now, actions);
}

/* A sub-agent never counts for more than what it is part of, or an agent would raise itself by making one. */
static void cap_priorities(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
			   GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *sub = value;

		sub->priority =
			sub->priority_set ? MIN(sub->priority, agent->priority) : agent->priority;
		let_calls_go(engine, sub, now, actions);
		do_agent_limits(engine, sub, actions);
		cap_priorities(engine, sub, now, actions);
	}
}

int acg_engine_agent_priority(struct acg_engine *engine, struct acg_agent *agent,
			      enum acg_priority priority, struct acg_time now, GArray *actions)
{
	agent->priority = agent->parent ? MIN(priority, agent->parent->priority) : priority;
	agent->priority_set = true;
	let_calls_go(engine, agent, now, actions);
	do_agent_limits(engine, agent, actions);
	cap_priorities(engine, agent, now, actions);
	redo_calls(engine, agent, actions);
	acg_do_event(actions, &agent->node, "priority", ACG_CAUSE_NONE,
		     acg_priority_name(agent->priority));
	return 0;
}

void acg_engine_agent_limit(struct acg_engine *engine, struct acg_agent *agent,
			    enum acg_control control, uint64_t value, GArray *actions)
{
	switch (control) {
	case ACG_CONTROL_MEMORY_MAX:
		agent->budget.memory = value;
		break;
	case ACG_CONTROL_SWAP_MAX:
		agent->budget.swap = value;
		break;
	case ACG_CONTROL_PIDS_MAX:
		agent->budget.pids = value;
		break;
	case ACG_CONTROL_CPU_MAX:
		agent->budget.cpu_max = value;
		break;
	default: /* the kernel has it; nothing of ours follows from it */
		acg_do_control(actions, &agent->node, control, value);
		return;
	}
	agent->limits_set |= 1u << control;
	do_agent_limits(engine, agent, actions);
	redo_calls(engine, agent, actions);
}

/* --- begin -------------------------------------------------------------------------------------------------- */

static char *fresh_id(struct acg_agent *agent)
{
	char id[32];

	do
		snprintf(id, sizeof(id), "c%" G_GUINT64_FORMAT, ++agent->next_id);
	while (acg_agent_call(agent, id));
	return g_strdup(id);
}

static int check_begin(const struct acg_agent *agent, const char *id, GError **error)
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
	old = acg_agent_call(agent, id);
	if (old)
		acg_registry_remove_call(engine->registry, old);
	call = acg_registry_add_call(engine->registry, agent, id);
	call->command =
		acg_policy_kept_command(engine->policy, begin->command ? begin->command : "");
	call->command_whole = engine->policy->commands == ACG_COMMANDS_FULL;
	apply_rule(engine, call, begin->command, &inline_hint);
	call->hint = begin->hint;
	acg_hint_merge(&call->hint, &inline_hint);
	call->keep = begin->keep;
	call->by_mkdir = begin->by_mkdir;
	call->pid = begin->pid;
	call->request = begin->request;
	call->request_step = begin->request_step;
	call->ns_pid = begin->ns_pid;
	call->ordinal = agent->counters.begun + 1;
	call->start = now;

	make_node(actions, &call->node, call->id);
	if (begin->pid)
		remember_moved(call->moved, begin->pid, begin->oom_score_adj);
	acg_do(actions, ACG_DO_SAVE, &call->node);
	do_call_limits(engine, call, actions);
	if (call->timeout)
		call->deadline = now.mono + call->timeout;
	if (begin->pid) {
		struct acg_action *move = acg_do(actions, ACG_DO_MOVE, &call->node);

		move->pid = begin->pid;
		move->oom_score_adj = ACG_OOM_CALL;
	}
	*ret_call = call;
	return 0;
}

void acg_engine_begun(struct acg_engine *engine, struct acg_call *call, GArray *actions)
{
	call->state = ACG_CALL_RUNNING;
	call->node.agent->counters.begun++;
	acg_engine_due(engine, call->deadline);
	acg_do_event(actions, &call->node, "begin", ACG_CAUSE_NONE, call->command);
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
	call->vacant_since = 0;
	call->inhabited = true;
	if (!call->pid)
		call->pid = pid;
}

/* --- end ---------------------------------------------------------------------------------------------------- */

static int old_oom_score_adj(const struct acg_call *call, pid_t pid)
{
	for (unsigned int i = call->moved->len; i-- > 0;) {
		const struct acg_moved *moved = &g_array_index(call->moved, struct acg_moved, i);

		if (moved->pid == pid)
			return moved->oom_score_adj;
	}
	return 0; /* forked in the call: the value of a process that nobody changed */
}

int acg_engine_end(struct acg_engine *engine, struct acg_call *call, int exit, pid_t writer,
		   GArray *actions, GError **error)
{
	struct acg_action *move;

	(void)engine;
	(void)error;
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
	return by_itself && !call->by_mkdir && call->exit < 0 && !call->signal &&
	       left - call->start.mono < G_USEC_PER_SEC / 10 && call->usage.cpu_usec < 20000;
}

/* Says so when the kernel's OOM killer was in the call, from its counters: once, or for a persistent shell each time. */
static bool explain_oom(struct acg_call *call, GArray *actions)
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
	if (!explain_oom(call, actions) && empty_begin(call, by_itself, now))
		acg_do_feedback(actions, call, ACG_CAUSE_EMPTY, NULL, false);
}

static void detach(struct acg_call *call, GArray *actions)
{
	if (call->state == ACG_CALL_DETACHED)
		return;
	explain_oom(
		call,
		actions); /* whoever ended it reads the feedback now, with victims still on their way out */
	call->state = ACG_CALL_DETACHED;
	call->by_mkdir = false; /* ends when it is empty */
	call->inhabited = true;
	acg_do_event(actions, &call->node, "detached", ACG_CAUSE_NONE, NULL);
}

static void finish(struct acg_call *call, bool by_itself, struct acg_time now, GArray *actions)
{
	call->end = now;
	if (call->frozen_since) {
		call->frozen += now.mono - call->frozen_since;
		call->frozen_since = 0;
	}
	if (call->delays && !call->usage.delays)
		call->delayed = call->usage.stalled_usec;
	explain_end(call, by_itself, now, actions);
	acg_do_event(actions, &call->node, "end", ACG_CAUSE_NONE, call->reason);
	acg_do(actions, ACG_DO_RECORD, &call->node);
	acg_do(actions, ACG_DO_REMOVE, &call->node);
}

/* When a call without processes ends, if nobody says before how it went. */
static int64_t end_due(const struct acg_call *call)
{
	return call->vacant_since + (call->awaited ? ACG_END_AWAITED : ACG_END_GRACE);
}

void acg_engine_await(struct acg_engine *engine, struct acg_call *call, bool awaited,
		      struct acg_time now)
{
	call->awaited = awaited;
	if (call->vacant_since && !awaited)
		acg_engine_due(engine, MAX(end_due(call), now.mono));
}

void acg_engine_vacated(struct acg_engine *engine, struct acg_call *call, bool populated,
			bool by_itself, struct acg_time now, GArray *actions)
{
	if (call->state == ACG_CALL_ENDED)
		return;
	if (populated) {
		detach(call, actions);
	} else if (by_itself && call->exit < 0 && call->state != ACG_CALL_DETACHED) {
		call->vacant_since = now.mono;
		acg_engine_due(engine, end_due(call));
	} else {
		finish(call, by_itself, now, actions);
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

/* --- while it runs ------------------------------------------------------------------------------------------ */

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
	do_call_limits(engine, call, actions);
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
	do_call_limits(engine, call, actions);
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

/* --- after a restart ---------------------------------------------------------------------------------------- */

int acg_engine_agent_found(struct acg_engine *engine, struct acg_agent *parent, const char *name,
			   struct acg_time now, struct acg_agent **ret_agent)
{
	struct acg_agent *agent;

	if (acg_name_check(name, NULL) < 0)
		return -EINVAL;
	if (acg_registry_agent(engine->registry, parent, name))
		return -EEXIST;
	agent = acg_registry_add_agent(engine->registry, parent, name);
	agent->start = now;
	agent->made = true;
	acg_grant_agent(engine, agent);
	*ret_agent = agent;
	return 0;
}

void acg_engine_agent_restored(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	do_agent_limits(engine, agent, actions);
	if (!agent->made)
		acg_engine_agent_made(engine, agent, actions);
}

int acg_engine_call_found(struct acg_engine *engine, struct acg_agent *agent, const char *id,
			  struct acg_time now, struct acg_call **ret_call)
{
	struct acg_call *old = acg_agent_call(agent, id);

	if (acg_name_check(id, NULL) < 0)
		return -EINVAL;
	if (old && old->state != ACG_CALL_ENDED)
		return -EEXIST;
	if (old)
		acg_registry_remove_call(engine->registry, old);
	*ret_call = acg_registry_add_call(engine->registry, agent, id);
	(*ret_call)->start = now;
	(*ret_call)->command = g_strdup("");
	(*ret_call)->inhabited = true;
	(*ret_call)->state = ACG_CALL_RUNNING;
	return 0;
}

/* The number in an ID that fresh_id() made; 0: it did not. */
static uint64_t fresh_number(const char *id)
{
	uint64_t number = 0;

	if (id[0] == 'c')
		g_ascii_string_to_unsigned(id + 1, 10, 1, INT64_MAX, &number, NULL);
	return number;
}

static void go_on_counting(struct acg_agent *agent, const struct acg_call *call)
{
	agent->counters.begun = MAX(agent->counters.begun, call->ordinal);
	agent->next_id = MAX(agent->next_id, fresh_number(call->id));
}

void acg_engine_call_restored(struct acg_engine *engine, struct acg_call *call, bool committed,
			      struct acg_time now, GArray *actions)
{
	call->command_whole = engine->policy->commands == ACG_COMMANDS_FULL;
	if (call->command_whole) /* else what the rule said was saved */
		apply_rule(engine, call, call->command, NULL);
	go_on_counting(call->node.agent, call);
	if (!committed) {
		call->inhabited = true;
		acg_do_event(actions, &call->node, "begin", ACG_CAUSE_NONE, call->command);
	}
	do_call_limits(engine, call, actions);
	if (call->frozen_since && call->state != ACG_CALL_DETACHED)
		call->state = ACG_CALL_FROZEN;
	if (call->frozen_since && !call->operator_frozen)
		acg_ladder_thaw(engine, call, now, actions);
	if (call->deadline)
		acg_engine_due(engine, MAX(call->deadline, now.mono));
}

struct acg_call *acg_engine_call_past(struct acg_engine *engine, struct acg_agent *agent,
				      const char *id)
{
	struct acg_call *call;

	if (acg_agent_call(agent, id))
		return NULL;
	call = acg_registry_add_call(engine->registry, agent, id);
	call->recorded = true;
	return call;
}

void acg_engine_forget_past(struct acg_engine *engine, struct acg_call *call)
{
	acg_registry_remove_call(engine->registry, call);
}

void acg_engine_call_past_known(struct acg_engine *engine, struct acg_call *call)
{
	struct acg_agent *agent = call->node.agent;
	uint64_t id = call->node.id;

	agent->next_id = MAX(agent->next_id, fresh_number(call->id));
	call->node.id = 0; /* it was not registered under it yet */
	acg_registry_set_id(engine->registry, &call->node, id);
	call->state = ACG_CALL_ENDED;
	agent->n_alive--;
	engine->registry->n_alive--;
	g_queue_push_tail(&agent->ended, call);
}

/* --- signs from the kernel ---------------------------------------------------------------------------------- */

/*
 * A throttled call tried to grow on. That alone is no sign of pressure, or throttling would keep itself going: only while the budget
 * that it was throttled for is still short.
 */
static void grows_on(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now,
		     GArray *actions)
{
	while (agent && !agent->pressure_since)
		agent = agent->parent;
	if (agent && !agent->pressure_outside && acg_ladder_still_short(engine, agent))
		acg_ladder_sign(engine, agent, false, now, actions);
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
	explain_oom(call, actions);
	/* Only where nothing in the kernel holds it: by process (procfs). A kernel with memory.max never lets it get there. */
	if (usage->memory_current > call->memory_max && !call->signal &&
	    engine->policy->ladder.enabled && engine->policy->ladder.kill)
		acg_ladder_kill(call, ACG_CAUSE_OOM, actions);
	if (usage->delays) {
		call->delays = usage->delays;
		call->delayed = usage->delayed_usec;
	}
	if (engine->kernel_delays && call->throttled_since &&
	    now.mono >= usage->delayed_until + (int64_t)engine->policy->ladder.calm)
		acg_ladder_release(engine, call, actions);
	if (call->throttled_since && usage->high_events > before->high_events)
		grows_on(engine, call->node.agent, now, actions);
}

static void agent_usage(struct acg_engine *engine, struct acg_agent *agent,
			const struct acg_usage *before, struct acg_time now, GArray *actions)
{
	const struct acg_usage *usage = &agent->usage;

	if (usage->max_events > before->max_events ||
	    (usage->high_events > before->high_events && acg_ladder_budget_short(engine, agent)))
		acg_ladder_sign(engine, agent, false, now, actions);
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

static bool holds_back_own(const struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

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
	if (!holds_back_own(agent))
		acg_ladder_sign(engine, agent, !acg_ladder_budget_short(engine, agent), now,
				actions);
}

void acg_engine_short(struct acg_engine *engine, struct acg_agent *agent, bool outside,
		      struct acg_time now, GArray *actions)
{
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

/* The limits of all agents and calls follow from who does the delaying; budgets stay as they are. */
static void redo_limits(struct acg_engine *engine, GHashTable *agents, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		do_agent_limits(engine, agent, actions);
		if (!agent->parent)
			redo_calls(engine, agent, actions);
		redo_limits(engine, agent->agents, actions);
	}
}

static void release_calls(struct acg_engine *engine, GHashTable *agents, GArray *actions)
{
	GHashTableIter iter, calls;
	void *value, *call;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		release_calls(engine, agent->agents, actions);
		g_hash_table_iter_init(&calls, agent->calls);
		while (g_hash_table_iter_next(&calls, NULL, &call))
			acg_ladder_release(engine, call, actions);
	}
}

void acg_engine_kernel_delays(struct acg_engine *engine, bool on, GArray *actions)
{
	if (engine->kernel_delays == on)
		return;
	release_calls(engine, engine->registry->agents, actions);
	engine->kernel_delays = on;
	redo_limits(engine, engine->registry->agents, actions);
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

/* --- time --------------------------------------------------------------------------------------------------- */

static void step_vacant(struct acg_engine *engine, struct acg_call *call, struct acg_time now,
			GArray *actions)
{
	if (now.mono >= end_due(call))
		finish(call, true, now, actions);
	else
		acg_engine_due(engine, end_due(call));
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

/* The moment when a delayed call has not been delayed for long enough. */
static void step_delayed(struct acg_engine *engine, const struct acg_call *call,
			 struct acg_time now)
{
	int64_t calm = engine->policy->ladder.calm;

	if (!engine->kernel_delays || !call->throttled_since)
		return;
	engine->delayed = true;
	acg_engine_due(engine, MAX(call->usage.delayed_until + calm, now.mono + ACG_LADDER_TICK));
}

static void tick_agents(struct acg_engine *engine, GHashTable *agents, struct acg_time now,
			GArray *actions)
{
	GHashTableIter iter, calls;
	void *value, *child;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		tick_agents(engine, agent->agents, now, actions);
		if (agent->pressure_since)
			acg_ladder_step(engine, agent, now, actions);
		if (agent->pressure_since && engine->kernel_delays)
			acg_engine_due(engine, acg_ladder_due(engine, agent, now));
		if (!agent->n_alive)
			continue;
		g_hash_table_iter_init(&calls, agent->calls);
		while (g_hash_table_iter_next(&calls, NULL, &child)) {
			struct acg_call *call = child;

			if (call->state == ACG_CALL_ENDED)
				continue;
			step_frozen(engine, call, now, actions);
			if (call->vacant_since)
				step_vacant(engine, call, now, actions);
			else
				step_timeout(engine, call, now, actions);
			step_delayed(engine, call, now);
		}
	}
}

static void let_all_go(struct acg_engine *engine, GHashTable *agents, struct acg_time now,
		       GArray *actions)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_agent *agent = value;

		acg_ladder_relieve(engine, agent, now, actions);
		let_calls_go(engine, agent, now, actions);
		let_all_go(engine, agent->agents, now, actions);
	}
}

void acg_engine_stop(struct acg_engine *engine, struct acg_time now, GArray *actions)
{
	let_all_go(engine, engine->registry->agents, now, actions);
}

void acg_engine_tick(struct acg_engine *engine, struct acg_time now, GArray *actions)
{
	engine->deadline = 0;
	engine->delayed = false;
	tick_agents(engine, engine->registry->agents, now, actions);
	if (engine->n_pressed && !engine->kernel_delays)
		acg_engine_due(engine, now.mono + ACG_LADDER_TICK);
}

/* --- policy ------------------------------------------------------------------------------------------------- */

/* With the new policy's rules, where the command is known whole; else what the old ones said of it stays. */
static void redo_rules(struct acg_engine *engine, struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_call *call = value;

		if (call->command_whole && call->state != ACG_CALL_ENDED)
			apply_rule(engine, call, call->command, NULL);
	}
}

/* The grant of an agent and of all below. */
static void regrant(struct acg_engine *engine, struct acg_agent *agent, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	acg_grant_agent(engine, agent);
	do_agent_limits(engine, agent, actions);
	redo_rules(engine, agent);
	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		regrant(engine, value, actions);
}

void acg_engine_set_policy(struct acg_engine *engine, struct acg_policy *policy,
			   struct acg_time now, GArray *actions)
{
	GHashTableIter iter;
	void *value;

	(void)now;
	acg_policy_unref((struct acg_policy *)engine->policy);
	engine->policy = acg_policy_ref(policy);
	g_hash_table_iter_init(&iter, engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		((struct acg_agent *)value)->limits_set = 0;
		regrant(engine, value, actions);
		redo_calls(engine, value, actions);
	}
}

uint64_t acg_engine_largest_grant(const struct acg_agent *agent, const struct acg_call *call)
{
	uint64_t largest = acg_grant_ceiling(agent);
	uint64_t own = call && call->state != ACG_CALL_ENDED ? call->usage.memory_current : 0;

	for (; agent; agent = agent->parent) {
		uint64_t held = agent->usage.memory_held > own ? agent->usage.memory_held - own : 0;

		if (agent->budget.memory != ACG_MAX)
			largest =
				MIN(largest,
				    agent->budget.memory > held ? agent->budget.memory - held : 0);
	}
	return largest;
}

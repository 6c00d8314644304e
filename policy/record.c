/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents, calls and events as JSON; see the header. */
#include "policy/record.h"

#include "policy/json.h"

static bool has_ended(const struct acg_call *call)
{
	return call->state == ACG_CALL_ENDED ||
	       call->end.real; /* it has an end before its cgroup is gone */
}

static void number_or_null(GString *out, const char *key, int64_t value, bool known)
{
	if (known)
		acg_json_signed(out, key, value);
	else
		acg_json_null(out, key);
}

static void append_times(GString *out, const struct acg_call *call, struct acg_time now)
{
	const struct acg_time *end = has_ended(call) ? &call->end : &now;

	acg_json_seconds(out, "start", call->start.real);
	if (has_ended(call))
		acg_json_seconds(out, "end", call->end.real);
	else
		acg_json_null(out, "end");
	acg_json_signed(out, "duration_ms", (end->mono - call->start.mono) / 1000);
}

static void append_waits(GString *out, const struct acg_call *call, struct acg_time now)
{
	int64_t delayed = call->delayed;
	int64_t frozen = call->frozen;

	if (!has_ended(call) && call->delays && !call->usage.delays)
		delayed = MAX(delayed, (int64_t)call->usage.stalled_usec);
	if (call->frozen_since)
		frozen += now.mono - call->frozen_since;
	acg_json_unsigned(out, "wait_usec", call->usage.wait_usec);
	acg_json_unsigned(out, "delays", call->delays);
	acg_json_signed(out, "delayed_ms", delayed / 1000);
	acg_json_signed(out, "frozen_ms", frozen / 1000);
}

static void append_call(GString *out, const struct acg_call *call, struct acg_time now)
{
	g_autofree char *agent = acg_agent_path(call->node.agent);
	g_autofree char *hint = acg_hint_format(&call->hint);

	acg_json_open(out, NULL, '{');
	acg_json_string(out, "id", call->id);
	acg_json_string(out, "agent", agent);
	acg_json_string(out, "command", call->command);
	acg_json_string(out, "hint", hint);
	acg_json_limit(out, "grant", call->grant);
	acg_json_string(out, "cpu", acg_cpu_class_name(call->cpu));
	acg_json_string(out, "state",
			acg_call_state_name(has_ended(call) ? ACG_CALL_ENDED : call->state));
	number_or_null(out, "pid", call->pid, call->pid > 0);
	if (call->ns_pid)
		acg_json_signed(out, "ns_pid", call->ns_pid);
	append_times(out, call, now);
	number_or_null(out, "exit", call->exit, call->exit >= 0);
	number_or_null(out, "signal", call->signal, call->signal > 0);
	acg_json_unsigned(out, "memory_peak", call->usage.memory_peak);
	acg_json_unsigned(out, "cpu_usec", call->usage.cpu_usec);
	append_waits(out, call, now);
	acg_json_unsigned(out, "slices", call->usage.slices);
	acg_json_unsigned(out, "preemptions", call->usage.preemptions);
	acg_json_unsigned(out, "oom_kills", call->usage.oom_kills);
	acg_json_string(out, "reason", call->reason);
	acg_json_string(out, "feedback", call->feedback);
	acg_json_limit(out, "memory_max", call->memory_max);
	acg_json_string(out, "victim", call->victim);
	if (call->by_rule)
		acg_json_unsigned(out, "memory_missed", call->missed);
	if (call->node.id)
		acg_json_unsigned(out, "cgroup", call->node.id);
	if (!has_ended(call))
		acg_json_unsigned(out, "memory_current", call->usage.memory_current);
	acg_json_close(out, '}');
}

char *acg_record_call(const struct acg_call *call, struct acg_time now)
{
	GString *out = g_string_sized_new(1024);

	append_call(out, call, now);
	return g_string_free(out, FALSE);
}

static void append_counters(GString *out, const struct acg_counters *counters)
{
	acg_json_open(out, "counters", '{');
	acg_json_unsigned(out, "begun", counters->begun);
	acg_json_unsigned(out, "ended", counters->ended);
	acg_json_unsigned(out, "refused", counters->refused);
	acg_json_unsigned(out, "denied", counters->denied);
	acg_json_unsigned(out, "throttled", counters->throttled);
	acg_json_unsigned(out, "frozen", counters->frozen);
	acg_json_unsigned(out, "killed", counters->killed);
	acg_json_unsigned(out, "oom_kills", counters->oom_kills);
	acg_json_close(out, '}');
}

/* All but the closing brace. */
static void append_agent(GString *out, const struct acg_agent *agent, uint64_t largest_grant)
{
	g_autofree char *path = acg_agent_path(agent);

	acg_json_open(out, NULL, '{');
	acg_json_string(out, "name", path);
	if (agent->namespace)
		acg_json_string(out, "namespace", agent->namespace);
	acg_json_string(out, "priority", acg_priority_name(agent->priority));
	acg_json_limit(out, "budget", agent->budget.memory);
	acg_json_unsigned(out, "used", agent->usage.memory_current);
	acg_json_unsigned(out, "peak", agent->usage.memory_peak);
	acg_json_limit(out, "largest_grant", largest_grant);
	acg_json_unsigned(out, "calls", agent->n_alive);
	append_counters(out, &agent->counters);
	acg_json_seconds(out, "start", agent->start.real);
}

char *acg_record_agent(const struct acg_agent *agent, uint64_t largest_grant)
{
	GString *out = g_string_sized_new(512);

	append_agent(out, agent, largest_grant);
	acg_json_close(out, '}');
	return g_string_free(out, FALSE);
}

char *acg_record_event(uint64_t seq, struct acg_time now, const char *event, const char *agent_path,
		       const char *call_id, const char *cause, const char *text)
{
	GString *out = g_string_sized_new(256);

	acg_json_open(out, NULL, '{');
	acg_json_unsigned(out, "seq", seq);
	acg_json_seconds(out, "time", now.real);
	acg_json_string(out, "event", event);
	if (agent_path)
		acg_json_string(out, "agent", agent_path);
	if (call_id)
		acg_json_string(out, "call", call_id);
	if (cause)
		acg_json_string(out, "cause", cause);
	if (text)
		acg_json_string(out, "text", text);
	acg_json_close(out, '}');
	return g_string_free(out, FALSE);
}

/* --- all of it -------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
	return g_strcmp0(a, b);
}

static GList *sorted_names(GHashTable *table)
{
	return g_list_sort(g_hash_table_get_keys(table), compare_names);
}

static void append_agents(GString *out, GHashTable *agents, struct acg_time now)
{
	g_autoptr(GList) names = sorted_names(agents);

	acg_json_open(out, "agents", '[');
	for (GList *name = names; name; name = name->next) {
		struct acg_agent *agent = g_hash_table_lookup(agents, name->data);
		g_autoptr(GList) ids = sorted_names(acg_agent_calls(agent));

		append_agent(out, agent, acg_engine_largest_grant(agent, NULL));
		acg_json_open(out, "all_calls", '[');
		for (GList *id = ids; id; id = id->next)
			append_call(out, acg_agent_call(agent, id->data), now);
		acg_json_close(out, ']');
		append_agents(out, agent->agents, now);
		acg_json_close(out, '}');
	}
	acg_json_close(out, ']');
}

char *acg_record_state(const struct acg_registry *registry, struct acg_time now)
{
	GString *out = g_string_sized_new(4096);

	acg_json_open(out, NULL, '{');
	acg_json_seconds(out, "time", now.real);
	append_agents(out, registry->agents, now);
	acg_json_close(out, '}');
	return g_string_free(out, FALSE);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenMetrics text from the registry: one table, a row a family; see the header. */
#include "policy/metrics.h"

#include <inttypes.h>

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_SECONDS /* the figure is usec */ };

/*
 * A family of one series an agent. By OpenMetrics its name ends in the unit, and a counter's
 * samples in _total.
 */
struct family {
	const char *name; /* after "agentcg_agent_", without unit and _total */
	bool counter;
	enum unit unit;
	const char *help;
	uint64_t (*value)(const struct acg_agent *agent); /* ACG_MAX of a gauge: +Inf */
};

/* --- the figures ------------------------------------------------------------------------------ */

static uint64_t memory_current(const struct acg_agent *agent)
{
	return agent->usage.memory_current;
}

static uint64_t memory_peak(const struct acg_agent *agent)
{
	return agent->usage.memory_peak;
}

static uint64_t memory_budget(const struct acg_agent *agent)
{
	return agent->budget.memory;
}

static uint64_t calls_alive(const struct acg_agent *agent)
{
	return agent->n_alive;
}

static uint64_t calls_begun(const struct acg_agent *agent)
{
	return agent->counters.begun;
}

static uint64_t calls_ended(const struct acg_agent *agent)
{
	return agent->counters.ended;
}

static uint64_t calls_throttled(const struct acg_agent *agent)
{
	return agent->counters.throttled;
}

static uint64_t calls_frozen(const struct acg_agent *agent)
{
	return agent->counters.frozen;
}

static uint64_t calls_killed(const struct acg_agent *agent)
{
	return agent->counters.killed;
}

/* The counter takes a call's kills over when it ends; until then they are counted from the call. */
static uint64_t oom_kills(const struct acg_agent *agent)
{
	uint64_t kills = agent->counters.oom_kills;
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_call *call = value;

		if (call->state != ACG_CALL_ENDED)
			kills += call->usage.oom_kills;
	}
	return kills;
}

static uint64_t markers_refused(const struct acg_agent *agent)
{
	return agent->counters.refused;
}

static uint64_t writes_denied(const struct acg_agent *agent)
{
	return agent->counters.denied;
}

static uint64_t cpu(const struct acg_agent *agent)
{
	return agent->usage.cpu_usec;
}

static uint64_t cpu_wait(const struct acg_agent *agent)
{
	return agent->usage.wait_usec;
}

static uint64_t cpu_slices(const struct acg_agent *agent)
{
	return agent->usage.slices;
}

static uint64_t cpu_preemptions(const struct acg_agent *agent)
{
	return agent->usage.preemptions;
}

static uint64_t delayed(const struct acg_agent *agent)
{
	return agent->usage.stalled_usec;
}

static const struct family families[] = {
	{"memory_current", false, UNIT_BYTES, "Memory that the agent uses now.", memory_current},
	{"memory_peak", false, UNIT_BYTES, "The most memory that the agent used at once.",
	 memory_peak},
	{"memory_budget", false, UNIT_BYTES, "Memory that the agent may use.", memory_budget},
	{"calls_alive", false, UNIT_NONE, "Calls that have begun and not ended.", calls_alive},
	{"calls_begun", true, UNIT_NONE, "Calls begun.", calls_begun},
	{"calls_ended", true, UNIT_NONE, "Calls ended.", calls_ended},
	{"calls_throttled", true, UNIT_NONE, "Times that a call was slowed down for memory.",
	 calls_throttled},
	{"calls_frozen", true, UNIT_NONE, "Times that a call was frozen.", calls_frozen},
	{"calls_killed", true, UNIT_NONE, "Calls killed by agentcg or through cgroup.kill.",
	 calls_killed},
	{"oom_kills", true, UNIT_NONE, "Processes of calls killed by the kernel's OOM killer.",
	 oom_kills},
	{"markers_refused", true, UNIT_NONE, "Markers refused.", markers_refused},
	{"writes_denied", true, UNIT_NONE, "Writes refused for want of the right.", writes_denied},
	{"cpu", true, UNIT_SECONDS, "CPU time used.", cpu},
	{"cpu_wait", true, UNIT_SECONDS, "Time that tasks were ready but not running (sched_ext).",
	 cpu_wait},
	{"cpu_slices", true, UNIT_NONE, "Times that a task was given a CPU (sched_ext).",
	 cpu_slices},
	{"cpu_preemptions", true, UNIT_NONE,
	 "Times that it was taken back before the slice was used (sched_ext).", cpu_preemptions},
	{"memory_delayed", true, UNIT_SECONDS,
	 "Time in which some process of the agent waited for memory.", delayed},
};

/* --- the text --------------------------------------------------------------------------------- */

static void append_header(GString *out, const char *name, bool counter, const char *unit,
			  const char *help)
{
	g_string_append_printf(out, "# TYPE %s %s\n", name, counter ? "counter" : "gauge");
	if (*unit)
		g_string_append_printf(out, "# UNIT %s %s\n", name, unit);
	g_string_append_printf(out, "# HELP %s %s\n", name, help);
}

static void append_value(GString *out, const struct family *family, uint64_t value)
{
	if (!family->counter && value == ACG_MAX)
		g_string_append(out, "+Inf\n");
	else if (family->unit == UNIT_SECONDS)
		g_string_append_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", value / G_USEC_PER_SEC,
				       value % G_USEC_PER_SEC);
	else
		g_string_append_printf(out, "%" PRIu64 "\n", value);
}

struct labelled {
	char *path; /* by acg_name_check() it has nothing that a label would have to escape */
	const struct acg_agent *agent;
};

static void append_family(GString *out, const struct family *family, const GArray *agents)
{
	static const char *const units[] = {
		[UNIT_NONE] = "", [UNIT_BYTES] = "bytes", [UNIT_SECONDS] = "seconds"};
	const char *unit = units[family->unit];
	g_autofree char *name =
		g_strconcat("agentcg_agent_", family->name, *unit ? "_" : "", unit, NULL);

	append_header(out, name, family->counter, unit, family->help);
	for (unsigned int i = 0; i < agents->len; i++) {
		const struct labelled *at = &g_array_index(agents, struct labelled, i);

		g_string_append_printf(out, "%s%s{agent=\"%s\"} ", name,
				       family->counter ? "_total" : "", at->path);
		append_value(out, family, family->value(at->agent));
	}
}

static void collect(GHashTable *agents, GArray *into)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct labelled labelled = {acg_agent_path(value), value};

		g_array_append_val(into, labelled);
		collect(labelled.agent->agents, into);
	}
}

static int compare_paths(const void *a, const void *b)
{
	return g_strcmp0(((const struct labelled *)a)->path, ((const struct labelled *)b)->path);
}

static void clear_labelled(void *data)
{
	g_free(((struct labelled *)data)->path);
}

static void append_counter(GString *out, const char *name, const char *help, uint64_t value)
{
	append_header(out, name, true, "", help);
	g_string_append_printf(out, "%s_total %" PRIu64 "\n", name, value);
}

void acg_metrics_text(const struct acg_registry *registry, uint64_t unapplied, uint64_t kept_back,
		      GString *out)
{
	g_autoptr(GArray) agents = g_array_new(FALSE, FALSE, sizeof(struct labelled));

	g_array_set_clear_func(agents, clear_labelled);
	collect(registry->agents, agents);
	g_array_sort(agents, compare_paths);

	append_header(out, "agentcg_agents", false, "", "Agents and sub-agents.");
	g_string_append_printf(out, "agentcg_agents %u\n", agents->len);
	append_counter(out, "agentcg_unapplied_actions",
		       "Actions that the kernel refused, with nobody to tell.", unapplied);
	append_counter(out, "agentcg_markers_kept_back",
		       "Markers that waited, since their agent writes them without a pause.",
		       kept_back);
	for (unsigned int i = 0; i < G_N_ELEMENTS(families); i++)
		append_family(out, &families[i], agents);
	g_string_append(out, "# EOF\n");
}

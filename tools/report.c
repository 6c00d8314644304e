/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading histories and traces for a report; see the header. */
#include "tools/report.h"

#include <errno.h>
#include <string.h>

#include "tools/target.h"
#include "tools/trace.h"
#include "tools/tree.h"

static void clear_call(void *data)
{
	struct acg_report_call *call = data;

	g_free(call->id);
	g_free(call->command);
	g_free(call->reason);
	g_free(call->feedback);
}

static void free_agent(void *data)
{
	struct acg_report_agent *agent = data;

	g_free(agent->name);
	g_array_unref(agent->calls);
	g_array_unref(agent->memory);
	g_free(agent);
}

static struct acg_report_agent *new_agent(const char *name)
{
	struct acg_report_agent *agent = g_new0(struct acg_report_agent, 1);

	agent->name = g_strdup(name);
	agent->calls = g_array_new(FALSE, TRUE, sizeof(struct acg_report_call));
	g_array_set_clear_func(agent->calls, clear_call);
	agent->memory = g_array_new(FALSE, TRUE, sizeof(struct acg_report_point));
	return agent;
}

void acg_report_init(struct acg_report *report)
{
	*report = (struct acg_report){.agents = g_ptr_array_new_with_free_func(free_agent)};
}

void acg_report_clear(struct acg_report *report)
{
	g_ptr_array_unref(report->agents);
}

/* --- one line of history ------------------------------------------------------------------------------------ */

static double number(JsonObject *object, const char *member, double fallback)
{
	JsonNode *node = json_object_get_member(object, member);

	return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : fallback;
}

static enum acg_outcome outcome_of(JsonObject *object)
{
	static const char *const killed[] = {"oom",    "oom_agent", "pressure", "stalled",
					     "killed", "timeout",   NULL};
	const char *reason = acg_tree_string(object, "reason", "");

	if (g_strv_contains(killed, reason) || number(object, "oom_kills", 0) > 0)
		return ACG_WAS_KILLED;
	if (number(object, "frozen_ms", 0) > 0)
		return ACG_WAS_FROZEN;
	return number(object, "delays", 0) > 0 || number(object, "delayed_ms", 0) > 0
		       ? ACG_WAS_THROTTLED
		       : ACG_WENT_WELL;
}

static void add_line(struct acg_report_agent *agent, JsonObject *object)
{
	double start = number(object, "start", 0);
	struct acg_report_call call = {
		.start = start,
		.end = number(object, "end", start),
		.grant = number(object, "grant", 0),
		.peak = number(object, "memory_peak", 0),
		.delayed = number(object, "delayed_ms", 0) / 1000,
		.frozen = number(object, "frozen_ms", 0) / 1000,
		.exit = acg_tree_int(object, "exit", -1),
		.outcome = outcome_of(object),
	};

	if (!acg_tree_string(object, "id", NULL) || start <= 0 || call.end < start)
		return; /* not a line of ours */
	call.id = g_strdup(acg_tree_string(object, "id", ""));
	call.command = g_strdup(acg_tree_string(object, "command", ""));
	call.reason = g_strdup(acg_tree_string(object, "reason", NULL));
	call.feedback = g_strdup(acg_tree_string(object, "feedback", NULL));
	g_array_append_val(agent->calls, call);
}

static void add_lines(struct acg_report_agent *agent, const char *text)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line; line++) {
		g_autoptr(JsonNode) node = **line ? json_from_string(*line, NULL) : NULL;

		if (node && JSON_NODE_HOLDS_OBJECT(node))
			add_line(agent, json_node_get_object(node));
	}
}

/* --- what follows from the calls ---------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct acg_report_call *one = a, *two = b;

	return (one->start > two->start) - (one->start < two->start);
}

/* Each call in the first lane that is free by then. */
static void assign_lanes(struct acg_report_agent *agent)
{
	g_autoptr(GArray) ends = g_array_new(FALSE, TRUE, sizeof(double));

	for (unsigned int i = 0; i < agent->calls->len; i++) {
		struct acg_report_call *call =
			&g_array_index(agent->calls, struct acg_report_call, i);
		unsigned int lane = 0;

		while (lane < ends->len && g_array_index(ends, double, lane) > call->start)
			lane++;
		if (lane == ends->len)
			g_array_append_val(ends, call->end);
		else
			g_array_index(ends, double, lane) = call->end;
		call->lane = lane;
	}
	agent->n_lanes = ends->len;
}

static int by_time(const void *a, const void *b)
{
	const struct acg_report_point *one = a, *two = b;

	return (one->time > two->time) - (one->time < two->time);
}

/* Steps: up by a call's peak where it starts, down where it ends. */
static void add_up_peaks(struct acg_report_agent *agent)
{
	double sum = 0;

	for (unsigned int i = 0; i < agent->calls->len; i++) {
		const struct acg_report_call *call =
			&g_array_index(agent->calls, struct acg_report_call, i);
		struct acg_report_point up = {call->start, call->peak},
					down = {call->end, -call->peak};

		g_array_append_val(agent->memory, up);
		g_array_append_val(agent->memory, down);
	}
	g_array_sort(agent->memory, by_time);
	for (unsigned int i = 0; i < agent->memory->len; i++) {
		struct acg_report_point *point =
			&g_array_index(agent->memory, struct acg_report_point, i);

		sum += point->memory;
		point->memory = MAX(sum, 0);
	}
}

/* Takes the agent, into the report or, if it did nothing, nowhere. */
static void finish_agent(struct acg_report *report, struct acg_report_agent *agent)
{
	if (!agent->calls->len && !agent->memory->len) {
		free_agent(agent);
		return;
	}
	g_array_sort(agent->calls, by_start);
	assign_lanes(agent);
	if (!agent->memory->len)
		add_up_peaks(agent);
	else
		agent->is_measured = true;
	agent->start = g_array_index(agent->memory, struct acg_report_point, 0).time;
	agent->end =
		g_array_index(agent->memory, struct acg_report_point, agent->memory->len - 1).time;
	for (unsigned int i = 0; i < agent->calls->len; i++) {
		agent->start = MIN(agent->start,
				   g_array_index(agent->calls, struct acg_report_call, i).start);
		agent->end =
			MAX(agent->end, g_array_index(agent->calls, struct acg_report_call, i).end);
	}
	if (agent->end <= agent->start)
		agent->end = agent->start + 1;
	g_ptr_array_add(report->agents, agent);
}

/* --- where it comes from ------------------------------------------------------------------------------------ */

static void add_agent_of_tree(const char *dir, void *data)
{
	g_autofree char *history = acg_tree_read(NULL, dir, "history", NULL);
	g_autoptr(JsonObject) info = acg_tree_json(NULL, dir, "info", NULL);
	struct acg_report_agent *agent;

	if (!history || !info)
		return;
	agent = new_agent(acg_tree_string(info, "name", "?"));
	agent->budget = number(info, "budget", 0);
	add_lines(agent, history);
	finish_agent(data, agent);
}

void acg_report_add_tree(struct acg_report *report, const char *root)
{
	acg_target_each_agent(root, add_agent_of_tree, report);
}

static void add_trace(struct acg_report *report, const struct acg_trace *trace)
{
	struct acg_report_agent *agent = new_agent(trace->task);

	for (unsigned int i = 0; i < trace->samples->len; i++) {
		const struct acg_sample *sample =
			&g_array_index(trace->samples, struct acg_sample, i);
		struct acg_report_point point = {sample->time, sample->memory};

		g_array_append_val(agent->memory, point);
	}
	for (unsigned int i = 0; i < trace->calls->len; i++) {
		const struct acg_trace_call *said =
			&g_array_index(trace->calls, struct acg_trace_call, i);
		struct acg_report_call call = {
			.id = g_strdup(said->id ? said->id : said->tool),
			.command = g_strdup(said->command ? said->command : said->tool),
			.start = said->start,
			.end = said->end,
			.exit = -1,
		};

		for (unsigned int s = 0; s < trace->samples->len; s++) {
			const struct acg_sample *sample =
				&g_array_index(trace->samples, struct acg_sample, s);

			if (sample->time >= said->start && sample->time <= said->end)
				call.peak = MAX(call.peak, sample->memory);
		}
		g_array_append_val(agent->calls, call);
	}
	agent->is_relative = true;
	finish_agent(report, agent);
}

/* NAME+SUB.jsonl, as the daemon calls it. */
static char *agent_of_file(const char *path)
{
	char *name = g_path_get_basename(path);
	char *suffix = strstr(name, ".jsonl");

	if (suffix)
		*suffix = '\0';
	return g_strdelimit(name, "+", '/');
}

int acg_report_add_file(struct acg_report *report, const char *path, GError **error)
{
	g_autofree char *text = NULL, *name = agent_of_file(path);
	struct acg_report_agent *agent;
	struct acg_trace *trace;
	unsigned int before = report->agents->len;

	if (!g_file_get_contents(path, &text, NULL, error))
		return -EIO;
	trace = acg_trace_parse(text, name, NULL);
	if (trace) {
		add_trace(report, trace);
		acg_trace_free(trace);
		return 0;
	}
	agent = new_agent(name);
	add_lines(agent, text);
	finish_agent(report, agent);
	return report->agents->len > before
		       ? 0
		       : acg_fail(error, EINVAL,
				  "%s is neither a history with an ended call nor a trace", path);
}

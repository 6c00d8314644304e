/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a replay showed, as a table and as JSON. */
#include <stdlib.h>
#include <string.h>

#include "policy/json.h"
#include "tools/replay.h"

static int compare_usec(const void *a, const void *b)
{
	uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;

	return (one > two) - (one < two);
}

/* The smallest that so many percent are not above. */
static uint32_t percentile(const GArray *sorted, unsigned int percent)
{
	unsigned int rank = ((uint64_t)sorted->len * percent + 99) / 100;

	return sorted->len ? g_array_index(sorted, uint32_t, MAX(rank, 1) - 1) : 0;
}

void acg_replay_figures(const struct acg_replay_agent *agent, struct acg_replay_figures *ret)
{
	const struct acg_replay_shared *shared = agent->shared;
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	struct acg_replay_figures figures = {.calls = agent->plan->calls->len, .peak = agent->peak};

	for (unsigned int i = 0; shared && i < figures.calls; i++) {
		const struct acg_replay_result *result = &shared->results[i];

		figures.begun += result->id[0] != '\0';
		figures.survived += result->state == ACG_REPLAY_DONE && result->exit == 0;
		figures.delayed += result->delayed;
		figures.frozen += result->frozen;
		g_array_append_vals(steps, acg_replay_latencies(shared) + result->task.first_growth,
				    result->n_growths);
	}
	g_array_sort(steps, compare_usec);
	figures.growth_steps = steps->len;
	figures.p50 = percentile(steps, 50);
	figures.p95 = percentile(steps, 95);
	figures.p99 = percentile(steps, 99);
	figures.total = shared ? shared->end - shared->start - shared->waited : 0;
	*ret = figures;
}

/* --- the table -------------------------------------------------------------------------------- */

static const char *outcome(const struct acg_replay_agent *agent)
{
	if (!agent->shared)
		return "not run";
	return agent->survived ? "" : "stopped";
}

static void table_row(const struct acg_replay_agent *agent, GString *out)
{
	const char *name = agent->name ? agent->name : agent->trace->task;
	struct acg_replay_figures figures;
	char peak[16];

	acg_replay_figures(agent, &figures);
	g_string_append_printf(
		out, "%-40.40s %-7s %5u %8u %7s %8.1f %8.1f %8.1f %9.1fs %8.1fs %s\n", name,
		acg_priority_name(agent->priority), figures.calls, figures.survived,
		acg_size_format(figures.peak, peak), figures.p50 / 1000.0, figures.p95 / 1000.0,
		figures.p99 / 1000.0, (figures.delayed + figures.frozen) / 1000.0,
		figures.total / (double)G_USEC_PER_SEC, outcome(agent));
}

void acg_replay_table(const struct acg_replay *replay, GString *out)
{
	g_string_append_printf(out, "%-40s %-7s %5s %8s %7s %8s %8s %8s %10s %9s\n", "AGENT",
			       "PRIO", "CALLS", "SURVIVED", "PEAK", "p50 ms", "p95 ms", "p99 ms",
			       "THROTTLED", "TOTAL");
	for (unsigned int i = 0; i < replay->agents->len; i++)
		table_row(replay->agents->pdata[i], out);
	g_string_append_printf(out,
			       "p50, p95 and p99: how long a call took to touch one MiB more; "
			       "all in %.1f s\n",
			       (replay->end - replay->start) / (double)G_USEC_PER_SEC);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void text_or_null(GString *out, const char *key, const char *text)
{
	acg_json_string(out, key, text && *text ? text : NULL);
}

static void call_object(const struct acg_replay_agent *agent, unsigned int i, GString *out)
{
	const struct acg_replay_result *result = &agent->shared->results[i];
	const struct acg_plan_call *planned =
		&g_array_index(agent->plan->calls, struct acg_plan_call, i);

	acg_json_open(out, NULL, '{');
	text_or_null(out, "id", result->id);
	acg_json_string(out, "command", planned->call->command);
	acg_json_seconds(out, "trace_start", (int64_t)(planned->call->start * G_USEC_PER_SEC));
	if (result->state == ACG_REPLAY_DONE)
		acg_json_signed(out, "exit", result->exit);
	else
		acg_json_null(out, "exit");
	acg_json_unsigned(out, "touched", result->touched);
	acg_json_unsigned(out, "memory_peak", result->peak);
	acg_json_signed(out, "pid", result->pid);
	acg_json_seconds(out, "begin", result->begun);
	acg_json_seconds(out, "end", result->ended);
	acg_json_signed(out, "duration_ms", result->duration);
	acg_json_signed(out, "delayed_ms", result->delayed);
	acg_json_signed(out, "frozen_ms", result->frozen);
	text_or_null(out, "reason", result->reason);
	text_or_null(out, "refused", result->refused);
	acg_json_close(out, '}');
}

static void growth_object(const struct acg_replay_figures *figures, GString *out)
{
	acg_json_open(out, "growth", '{');
	acg_json_unsigned(out, "steps", figures->growth_steps);
	acg_json_unsigned(out, "step_bytes", ACG_GROWTH_STEP);
	acg_json_unsigned(out, "p50_usec", figures->p50);
	acg_json_unsigned(out, "p95_usec", figures->p95);
	acg_json_unsigned(out, "p99_usec", figures->p99);
	acg_json_close(out, '}');
}

static void agent_object(const struct acg_replay_agent *agent, GString *out)
{
	struct acg_replay_figures figures;

	acg_replay_figures(agent, &figures);
	acg_json_open(out, NULL, '{');
	acg_json_string(out, "agent", agent->name);
	acg_json_string(out, "task", agent->trace->task);
	acg_json_string(out, "priority", acg_priority_name(agent->priority));
	acg_json_string(out, "outcome",
			!agent->shared    ? "not_run"
			: agent->survived ? "survived"
					  : "stopped");
	acg_json_unsigned(out, "calls", figures.calls);
	acg_json_unsigned(out, "calls_begun", figures.begun);
	acg_json_unsigned(out, "calls_survived", figures.survived);
	acg_json_unsigned(out, "history", agent->recorded);
	acg_json_unsigned(out, "peak", figures.peak);
	acg_json_unsigned(out, "oom_kills", agent->oom_kills);
	growth_object(&figures, out);
	acg_json_signed(out, "delayed_ms", figures.delayed);
	acg_json_signed(out, "frozen_ms", figures.frozen);
	acg_json_signed(out, "total_ms", figures.total / 1000);
	acg_json_signed(out, "waited_ms", agent->shared ? agent->shared->waited / 1000 : 0);
	acg_json_open(out, "each_call", '[');
	for (unsigned int i = 0; agent->shared && i < figures.calls; i++)
		call_object(agent, i, out);
	acg_json_close(out, ']');
	acg_json_close(out, '}');
}

void acg_replay_json(const struct acg_replay *replay, GString *out)
{
	acg_json_open(out, NULL, '{');
	acg_json_open(out, "agents", '[');
	for (unsigned int i = 0; i < replay->agents->len; i++)
		agent_object(replay->agents->pdata[i], out);
	acg_json_close(out, ']');
	acg_json_signed(out, "total_ms", (replay->end - replay->start) / 1000);
	acg_json_close(out, '}');
	g_string_append_c(out, '\n');
}

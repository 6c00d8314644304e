/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The figures of an agent; see the header. */
#include "tools/characterize.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

static struct acg_character *new_character(const char *name)
{
	struct acg_character *character = g_new0(struct acg_character, 1);

	character->name = g_strdup(name);
	character->bursts = g_array_new(FALSE, FALSE, sizeof(double));
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++)
		character->spikes[i] = g_array_new(FALSE, FALSE, sizeof(double));
	return character;
}

void acg_character_free(struct acg_character *character)
{
	g_free(character->name);
	g_array_unref(character->bursts);
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++)
		g_array_unref(character->spikes[i]);
	g_free(character);
}

static int compare_doubles(const void *a, const void *b)
{
	double one = *(const double *)a, two = *(const double *)b;

	return (one > two) - (one < two);
}

double acg_percentile(const GArray *numbers, unsigned int percent)
{
	g_autoptr(GArray) sorted = g_array_new(FALSE, FALSE, sizeof(double));
	unsigned int rank = ((uint64_t)numbers->len * percent + 99) / 100;

	if (!numbers->len)
		return 0;
	g_array_append_vals(sorted, numbers->data, numbers->len);
	g_array_sort(sorted, compare_doubles);
	return g_array_index(sorted, double, MAX(rank, 1) - 1);
}

/* --- calls ------------------------------------------------------------------------------------ */

static const struct acg_trace_call *call_at(const GArray *calls, unsigned int i)
{
	return &g_array_index(calls, struct acg_trace_call, i);
}

/* Calls are sorted by start. */
static double time_in_calls(const GArray *calls)
{
	double sum = 0, until = 0;

	for (unsigned int i = 0; i < calls->len; i++) {
		double start = MAX(call_at(calls, i)->start, until);

		sum += MAX(call_at(calls, i)->end - start, 0);
		until = MAX(until, call_at(calls, i)->end);
	}
	return sum;
}

/* A run of the same command, as it grows. */
struct run {
	const struct acg_trace_call *first, *last;
	unsigned int length;
	double time;
};

static void close_run(struct acg_character *character, const struct acg_trace *trace,
		      const struct run *run)
{
	if (run->length < ACG_RETRY_LEAST)
		return;
	character->retry_groups++;
	character->retry_longest = MAX(character->retry_longest, run->length);
	character->retry_time += run->time;
	if (trace->samples->len)
		character->retry_left += MAX(acg_trace_memory(trace, run->last->end) -
						     acg_trace_memory(trace, run->first->start),
					     0);
}

static void find_retries(struct acg_character *character, const struct acg_trace *trace)
{
	struct run run = {0};

	for (unsigned int i = 0; i < trace->calls->len; i++) {
		const struct acg_trace_call *call = call_at(trace->calls, i);

		if (!acg_trace_is_process(call))
			continue;
		if (!run.length || !call->command ||
		    g_strcmp0(run.first->command, call->command) != 0) {
			close_run(character, trace, &run);
			run = (struct run){.first = call};
		}
		run.last = call;
		run.length++;
		run.time += call->end - call->start;
	}
	close_run(character, trace, &run);
}

static double spike_of(const struct acg_trace *trace, const struct acg_trace_call *call)
{
	double start = acg_trace_memory(trace, call->start);
	double peak = MAX(start, acg_trace_memory(trace, call->end));

	for (unsigned int i = 0; i < trace->samples->len; i++) {
		const struct acg_sample *sample =
			&g_array_index(trace->samples, struct acg_sample, i);

		if (sample->time >= call->start && sample->time <= call->end)
			peak = MAX(peak, sample->memory);
	}
	return peak - start;
}

static void find_spikes(struct acg_character *character, const struct acg_trace *trace)
{
	for (unsigned int i = 0; i < trace->calls->len; i++) {
		const struct acg_trace_call *call = call_at(trace->calls, i);
		double spike;

		if (!acg_trace_is_process(call))
			continue;
		spike = spike_of(trace, call);
		g_array_append_val(character->spikes[acg_command_class(call->command)], spike);
	}
}

/* --- samples ---------------------------------------------------------------------------------- */

static const struct acg_sample *sample_at(const struct acg_trace *trace, unsigned int i)
{
	return &g_array_index(trace->samples, struct acg_sample, i);
}

static bool in_a_call(const GArray *calls, double time)
{
	for (unsigned int i = 0; i < calls->len; i++)
		if (call_at(calls, i)->start <= time && time <= call_at(calls, i)->end)
			return true;
	return false;
}

static double baseline_of(const struct acg_trace *trace, const GArray *all)
{
	g_autoptr(GArray) outside = g_array_new(FALSE, FALSE, sizeof(double));

	for (unsigned int i = 0; i < trace->samples->len; i++)
		if (!in_a_call(trace->calls, sample_at(trace, i)->time))
			g_array_append_val(outside, sample_at(trace, i)->memory);
	return acg_percentile(outside->len ? outside : all, 50);
}

static void find_rates(struct acg_character *character, const struct acg_trace *trace)
{
	for (unsigned int i = 1; i < trace->samples->len; i++) {
		const struct acg_sample *now = sample_at(trace, i), *before = now - 1;
		double time = now->time - before->time;

		if (time <= 0)
			continue;
		character->memory_rate =
			MAX(character->memory_rate, fabs(now->memory - before->memory) / time);
		character->cpu_rate = MAX(character->cpu_rate, fabs(now->cpu - before->cpu) / time);
	}
}

static void find_bursts(struct acg_character *character, const struct acg_trace *trace)
{
	double threshold = character->baseline * ACG_BURST_FACTOR;
	unsigned int n = trace->samples->len;

	for (unsigned int i = 0; i < n; i++) {
		double start = sample_at(trace, i)->time, length;

		if (sample_at(trace, i)->memory <= threshold)
			continue;
		while (i < n && sample_at(trace, i)->memory > threshold)
			i++;
		length = sample_at(trace, MIN(i, n - 1))->time - start;
		g_array_append_val(character->bursts, length);
	}
}

static double correlation_of(const struct acg_trace *trace, double average)
{
	double cpu = 0, both = 0, memory_square = 0, cpu_square = 0;

	for (unsigned int i = 0; i < trace->samples->len; i++)
		cpu += sample_at(trace, i)->cpu / trace->samples->len;
	for (unsigned int i = 0; i < trace->samples->len; i++) {
		double dm = sample_at(trace, i)->memory - average;
		double dc = sample_at(trace, i)->cpu - cpu;

		both += dm * dc;
		memory_square += dm * dm;
		cpu_square += dc * dc;
	}
	return memory_square > 0 && cpu_square > 0 ? both / sqrt(memory_square * cpu_square) : 0;
}

static struct acg_static_limit limit_of(const GArray *memory, double limit)
{
	struct acg_static_limit result = {.limit = limit};

	for (unsigned int i = 0; limit > 0 && i < memory->len; i++) {
		double used = g_array_index(memory, double, i);

		result.wasted += (1 - MIN(used, limit) / limit) / memory->len;
		result.above += (used > limit) / (double)memory->len;
	}
	return result;
}

static void find_memory(struct acg_character *character, const struct acg_trace *trace)
{
	g_autoptr(GArray) memory = g_array_new(FALSE, FALSE, sizeof(double));

	for (unsigned int i = 0; i < trace->samples->len; i++) {
		double used = sample_at(trace, i)->memory;

		g_array_append_val(memory, used);
		character->peak = MAX(character->peak, used);
		character->average += used / trace->samples->len;
	}
	character->baseline = baseline_of(trace, memory);
	character->limits[ACG_LIMIT_PEAK] = limit_of(memory, character->peak);
	character->limits[ACG_LIMIT_P95] = limit_of(memory, acg_percentile(memory, 95));
	character->limits[ACG_LIMIT_AVERAGE] = limit_of(memory, character->average);
}

struct acg_character *acg_characterize(const struct acg_trace *trace)
{
	struct acg_character *character = new_character(trace->task);

	character->sampled = true;
	character->calls = trace->calls->len;
	character->duration = acg_trace_duration(trace);
	if (character->duration > 0)
		character->in_tools = time_in_calls(trace->calls) / character->duration;
	find_memory(character, trace);
	find_rates(character, trace);
	find_bursts(character, trace);
	character->correlation = correlation_of(trace, character->average);
	find_spikes(character, trace);
	find_retries(character, trace);
	return character;
}

/* --- history ---------------------------------------------------------------------------------- */

/* The calls of one agent, as a trace without samples; peaks beside. */
struct past {
	struct acg_trace *trace;
	GArray *spikes[ACG_N_CLASSES];
};

static void past_free(void *data)
{
	struct past *past = data;

	acg_trace_free(past->trace);
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++)
		g_array_unref(past->spikes[i]);
	g_free(past);
}

static struct past *past_of(GHashTable *agents, const char *agent)
{
	struct past *past = g_hash_table_lookup(agents, agent);

	if (past)
		return past;
	past = g_new(struct past, 1);
	past->trace = acg_trace_new(agent, NULL);
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++)
		past->spikes[i] = g_array_new(FALSE, FALSE, sizeof(double));
	g_hash_table_insert(agents, past->trace->task, past);
	return past;
}

static int add_line(GHashTable *agents, const char *line, unsigned int number, GError **error)
{
	g_autoptr(JsonNode) node = json_from_string(line, NULL);
	JsonObject *object =
		node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	const char *agent, *command;
	struct acg_trace_call call = {0};
	struct past *past;
	double peak;

	if (!object || !json_object_has_member(object, "memory_peak") ||
	    !json_object_has_member(object, "start"))
		return acg_fail(error, EINVAL, "line %u is no call of a history", number);
	agent = json_object_get_string_member_with_default(object, "agent", "?");
	command = json_object_get_string_member_with_default(object, "command", NULL);
	peak = json_object_get_double_member_with_default(object, "memory_peak", 0);
	call.start = json_object_get_double_member_with_default(object, "start", 0);
	call.end = call.start +
		   json_object_get_double_member_with_default(object, "duration_ms", 0) / 1000;
	call.tool = g_strdup("Bash");
	call.command = g_strdup(command);
	past = past_of(agents, agent ? agent : "?");
	g_array_append_val(past->trace->calls, call);
	g_array_append_val(past->spikes[acg_command_class(command)], peak);
	return 0;
}

static int compare_calls(const void *a, const void *b)
{
	const struct acg_trace_call *one = a, *two = b;

	return (one->start > two->start) - (one->start < two->start);
}

static struct acg_character *characterize_past(const struct past *past)
{
	struct acg_character *character = new_character(past->trace->task);
	GArray *calls = past->trace->calls;
	double last = 0;

	g_array_sort(calls, compare_calls);
	for (unsigned int i = 0; i < calls->len; i++)
		last = MAX(last, call_at(calls, i)->end);
	character->calls = calls->len;
	character->duration = last - call_at(calls, 0)->start;
	if (character->duration > 0)
		character->in_tools = time_in_calls(calls) / character->duration;
	find_retries(character, past->trace);
	for (unsigned int i = 0; i < ACG_N_CLASSES; i++)
		g_array_append_vals(character->spikes[i], past->spikes[i]->data,
				    past->spikes[i]->len);
	return character;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

int acg_characterize_history(const char *text, GPtrArray *characters, GError **error)
{
	g_autoptr(GHashTable) agents =
		g_hash_table_new_full(g_str_hash, g_str_equal, NULL, past_free);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_autoptr(GList) names = NULL;

	for (unsigned int i = 0; lines[i]; i++) {
		int ret = *lines[i] ? add_line(agents, lines[i], i + 1, error) : 0;

		if (ret)
			return ret;
	}
	names = g_list_sort(g_hash_table_get_keys(agents), compare_names);
	for (GList *name = names; name; name = name->next)
		g_ptr_array_add(characters,
				characterize_past(g_hash_table_lookup(agents, name->data)));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recorded agents as JSON; see the header. */
#include "tools/trace.h"

#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#define LARGEST_FILE (256 * 1024 * 1024)
#define DEEPEST      64 /* brackets in brackets */
/* Beyond these it is no recording of an agent: ten years, a petabyte, a million CPUs. */
#define LONGEST_TIME 3.2e8
#define MOST_MEMORY  1e9 /* megabytes */
#define MOST_CPU     1e8 /* percent */

static void clear_call(void *data)
{
	struct acg_trace_call *call = data;

	g_free(call->tool);
	g_free(call->id);
	g_free(call->command);
}

struct acg_trace *acg_trace_new(const char *task, const char *model)
{
	struct acg_trace *trace = g_new0(struct acg_trace, 1);

	trace->task = g_strdup(task);
	trace->model = g_strdup(model);
	trace->samples = g_array_new(FALSE, FALSE, sizeof(struct acg_sample));
	trace->calls = g_array_new(FALSE, FALSE, sizeof(struct acg_trace_call));
	g_array_set_clear_func(trace->calls, clear_call);
	return trace;
}

void acg_trace_free(struct acg_trace *trace)
{
	if (!trace)
		return;
	g_free(trace->task);
	g_free(trace->model);
	g_array_unref(trace->samples);
	g_array_unref(trace->calls);
	g_free(trace);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_number(JsonNode *node)
{
	GType type = node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : 0;

	return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

/* A number from 0 to most. */
static bool get_number(JsonNode *node, double most, double *ret_value)
{
	double value;

	if (!is_number(node))
		return false;
	value = json_node_get_double(node);
	if (!isfinite(value) || value < 0 || value > most)
		return false;
	*ret_value = value;
	return true;
}

/* A text member without NULs; NULL if it is missing, null or something else. */
static char *dup_text(JsonObject *object, const char *member)
{
	JsonNode *node = json_object_get_member(object, member);

	if (!node || !JSON_NODE_HOLDS_VALUE(node) ||
	    json_node_get_value_type(node) != G_TYPE_STRING)
		return NULL;
	return json_node_dup_string(node);
}

static int parse_sample(JsonNode *node, unsigned int i, struct acg_sample *ret_sample,
			GError **error)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
	unsigned int n = array ? json_array_get_length(array) : 0;
	double time, memory, cpu = 0;

	if (n < 2 || !get_number(json_array_get_element(array, 0), LONGEST_TIME, &time) ||
	    !get_number(json_array_get_element(array, 1), MOST_MEMORY, &memory) ||
	    (n > 2 && !get_number(json_array_get_element(array, 2), MOST_CPU, &cpu)))
		return acg_fail(error, EINVAL,
				"samples[%u] is not [SECONDS, MEGABYTES, CPU_PERCENT]", i);
	*ret_sample = (struct acg_sample){time, memory * ACG_TRACE_MEGABYTE, cpu / 100};
	return 0;
}

static int compare_samples(const void *a, const void *b)
{
	const struct acg_sample *one = a, *two = b;

	return (one->time > two->time) - (one->time < two->time);
}

/* A member that must be an array if it is there. *ret_array NULL: it is not. */
static int get_array(JsonObject *root, const char *member, JsonArray **ret_array, GError **error)
{
	JsonNode *node = json_object_get_member(root, member);

	if (node && !JSON_NODE_HOLDS_ARRAY(node))
		return acg_fail(error, EINVAL, "%s is no array", member);
	*ret_array = node ? json_node_get_array(node) : NULL;
	return 0;
}

static int parse_samples(struct acg_trace *trace, JsonObject *root, GError **error)
{
	JsonArray *array;
	int ret = get_array(root, "samples", &array, error);

	for (unsigned int i = 0; !ret && array && i < json_array_get_length(array); i++) {
		struct acg_sample sample;

		ret = parse_sample(json_array_get_element(array, i), i, &sample, error);
		if (!ret)
			g_array_append_val(trace->samples, sample);
	}
	if (ret)
		return ret;
	if (!trace->samples->len)
		return acg_fail(error, EINVAL, "there are no samples");
	g_array_sort(trace->samples, compare_samples);
	return 0;
}

static int parse_call(const struct acg_trace *trace, JsonNode *node, unsigned int i,
		      struct acg_trace_call *ret_call, GError **error)
{
	JsonObject *object = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	JsonNode *end_node = object ? json_object_get_member(object, "end") : NULL;
	double start, end;
	char *tool;

	if (!object || !get_number(json_object_get_member(object, "start"), LONGEST_TIME, &start))
		return acg_fail(error, EINVAL, "calls[%u] has no start in seconds", i);
	end = MAX(start, acg_trace_duration(trace));
	if (end_node && !JSON_NODE_HOLDS_NULL(end_node) &&
	    (!get_number(end_node, LONGEST_TIME, &end) || end < start))
		return acg_fail(error, EINVAL, "calls[%u] has no end in seconds after its start",
				i);
	tool = dup_text(object, "tool");
	if (!tool)
		return acg_fail(error, EINVAL, "calls[%u] does not name its tool", i);
	*ret_call = (struct acg_trace_call){start, end, tool, dup_text(object, "id"),
					    dup_text(object, "command")};
	return 0;
}

static int compare_calls(const void *a, const void *b)
{
	const struct acg_trace_call *one = a, *two = b;

	return (one->start > two->start) - (one->start < two->start);
}

static int parse_calls(struct acg_trace *trace, JsonObject *root, GError **error)
{
	g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(struct acg_trace_call));
	JsonArray *array;
	int ret = get_array(root, "calls", &array, error);

	for (unsigned int i = 0; !ret && array && i < json_array_get_length(array); i++) {
		struct acg_trace_call call;

		ret = parse_call(trace, json_array_get_element(array, i), i, &call, error);
		if (!ret)
			g_array_append_val(calls, call);
	}
	/* Only now: until here the trace's duration is that of the samples. */
	if (calls->len)
		g_array_append_vals(trace->calls, calls->data, calls->len);
	g_array_sort(trace->calls, compare_calls);
	return ret;
}

/* json-glib calls itself for each level: a file of a million brackets must not take the stack. */
static bool too_deep(const char *text)
{
	unsigned int depth = 0;
	bool quoted = false;

	for (; *text; text++) {
		if (quoted && *text == '\\' && text[1])
			text++;
		else if (*text == '"')
			quoted = !quoted;
		else if (!quoted && (*text == '[' || *text == '{') && ++depth > DEEPEST)
			return true;
		else if (!quoted && (*text == ']' || *text == '}') && depth)
			depth--;
	}
	return false;
}

static struct acg_trace *parse_root(JsonObject *root, const char *task, GError **error)
{
	g_autofree char *said = dup_text(root, "task");
	g_autofree char *model = dup_text(root, "model");
	struct acg_trace *trace = acg_trace_new(said && *said ? said : task, model);

	if (parse_samples(trace, root, error) < 0 || parse_calls(trace, root, error) < 0) {
		acg_trace_free(trace);
		return NULL;
	}
	return trace;
}

struct acg_trace *acg_trace_parse(const char *text, const char *task, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(GError) why = NULL;
	JsonNode *root;

	if (!g_utf8_validate(text, -1, NULL)) {
		acg_fail(error, EINVAL, "this is not UTF-8");
		return NULL;
	}
	if (too_deep(text)) {
		acg_fail(error, EINVAL, "this is nested too deeply");
		return NULL;
	}
	if (!json_parser_load_from_data(parser, text, -1, &why)) {
		acg_fail(error, EINVAL, "this is no JSON: %s", why->message);
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		acg_fail(error, EINVAL, "this is no JSON object");
		return NULL;
	}
	return parse_root(json_node_get_object(root), task, error);
}

/* "/x/local-foo.json": "local-foo" */
static char *name_of(const char *path)
{
	char *name = g_path_get_basename(path);

	if (g_str_has_suffix(name, ".json") && strlen(name) > strlen(".json"))
		name[strlen(name) - strlen(".json")] = '\0';
	return name;
}

struct acg_trace *acg_trace_load(const char *path, GError **error)
{
	g_autofree char *task = name_of(path), *text = NULL;
	g_autoptr(GError) why = NULL;
	struct acg_trace *trace = NULL;
	size_t length;

	if (!g_file_get_contents(path, &text, &length, &why))
		acg_fail(error, EIO, "%s", why->message);
	else if (length > LARGEST_FILE || length != strlen(text))
		acg_fail(error, EINVAL, "%s: this is no text of less than 256 MiB", path);
	else if (!(trace = acg_trace_parse(text, task, &why)))
		acg_fail(error, EINVAL, "%s: %s", path, why->message);
	return trace;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void add_rounded(JsonBuilder *builder, double value)
{
	json_builder_add_double_value(builder, round(value * 1000) / 1000);
}

static void add_text(JsonBuilder *builder, const char *member, const char *text)
{
	if (!text)
		return;
	json_builder_set_member_name(builder, member);
	json_builder_add_string_value(builder, text);
}

static void add_sample(JsonBuilder *builder, const struct acg_sample *sample)
{
	json_builder_begin_array(builder);
	add_rounded(builder, sample->time);
	add_rounded(builder, sample->memory / ACG_TRACE_MEGABYTE);
	add_rounded(builder, sample->cpu * 100);
	json_builder_end_array(builder);
}

static void add_call(JsonBuilder *builder, const struct acg_trace_call *call)
{
	json_builder_begin_object(builder);
	json_builder_set_member_name(builder, "start");
	add_rounded(builder, call->start);
	json_builder_set_member_name(builder, "end");
	add_rounded(builder, call->end);
	add_text(builder, "tool", call->tool);
	add_text(builder, "id", call->id);
	add_text(builder, "command", call->command);
	json_builder_end_object(builder);
}

char *acg_trace_format(const struct acg_trace *trace)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autoptr(JsonNode) root = NULL;

	json_builder_begin_object(builder);
	add_text(builder, "task", trace->task);
	add_text(builder, "model", trace->model);
	json_builder_set_member_name(builder, "samples");
	json_builder_begin_array(builder);
	for (unsigned int i = 0; i < trace->samples->len; i++)
		add_sample(builder, &g_array_index(trace->samples, struct acg_sample, i));
	json_builder_end_array(builder);
	json_builder_set_member_name(builder, "calls");
	json_builder_begin_array(builder);
	for (unsigned int i = 0; i < trace->calls->len; i++)
		add_call(builder, &g_array_index(trace->calls, struct acg_trace_call, i));
	json_builder_end_array(builder);
	json_builder_end_object(builder);
	root = json_builder_get_root(builder);
	return json_to_string(root, FALSE);
}

/* --- looking ---------------------------------------------------------------------------------- */

bool acg_trace_is_process(const struct acg_trace_call *call)
{
	return strcmp(call->tool, "Bash") == 0;
}

double acg_trace_duration(const struct acg_trace *trace)
{
	double last =
		g_array_index(trace->samples, struct acg_sample, trace->samples->len - 1).time;

	for (unsigned int i = 0; i < trace->calls->len; i++)
		last = MAX(last, g_array_index(trace->calls, struct acg_trace_call, i).end);
	return last;
}

/* The first sample at or after a time; the last one if there is none. */
static unsigned int sample_at(const struct acg_trace *trace, double time)
{
	unsigned int low = 0, high = trace->samples->len - 1;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (g_array_index(trace->samples, struct acg_sample, middle).time < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

double acg_trace_memory(const struct acg_trace *trace, double time)
{
	unsigned int i = sample_at(trace, time);
	const struct acg_sample *after = &g_array_index(trace->samples, struct acg_sample, i);
	const struct acg_sample *before = after - 1;

	if (i == 0 || time >= after->time)
		return after->memory;
	return before->memory + (after->memory - before->memory) * (time - before->time) /
					(after->time - before->time);
}

double acg_trace_cpu(const struct acg_trace *trace, double time)
{
	return g_array_index(trace->samples, struct acg_sample, sample_at(trace, time)).cpu;
}

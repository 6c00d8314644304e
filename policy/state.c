/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The attribute `trusted.agentcg`: one table for each object, for both ways; see the header. */
#include "policy/state.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/xattr.h>

#include "policy/grant.h"
#include "policy/json.h"

#define TEXT_MAX   (64 * 1024) /* the kernel's bound for an attribute */
#define TEXT_USUAL 4096	       /* the kernel clears as much as is asked for */

enum type { TYPE_U64, TYPE_U32, TYPE_I64, TYPE_INT, TYPE_BOOL, TYPE_STRING };

struct field {
	const char *name;
	enum type type;
	size_t offset;
};

/* The offset of a field, which must be as large as its type has it. */
#define SIZE_TYPE_U64	 sizeof(uint64_t)
#define SIZE_TYPE_U32	 sizeof(uint32_t)
#define SIZE_TYPE_I64	 sizeof(int64_t)
#define SIZE_TYPE_INT	 sizeof(int)
#define SIZE_TYPE_BOOL	 sizeof(bool)
#define SIZE_TYPE_STRING sizeof(char *)
#define OFFSET(type, struct_, field)                                                               \
	(offsetof(struct struct_, field) +                                                         \
	 0 * sizeof(char[sizeof(((struct struct_ *)0)->field) == SIZE_##type ? 1 : -1]))

#define CALL(type, field)                                                                          \
	{                                                                                          \
#field, type, OFFSET(type, acg_call, field)                                        \
	}
#define AGENT(type, field)                                                                         \
	{                                                                                          \
#field, type, OFFSET(type, acg_agent, field)                                       \
	}
#define COUNTER(field)                                                                             \
	{                                                                                          \
#field, TYPE_U64, offsetof(struct acg_agent, counters.field)                       \
	}
#define TIME(struct_, name)                                                                        \
	{#name "_mono", TYPE_I64, offsetof(struct struct_, name.mono)},                            \
	{                                                                                          \
#name "_real", TYPE_I64, offsetof(struct struct_, name.real)                       \
	}

static const struct field call_fields[] = {
	CALL(TYPE_U64, request),      CALL(TYPE_U32, request_step),
	CALL(TYPE_U64, ordinal),      CALL(TYPE_STRING, command),
	TIME(acg_call, start),        CALL(TYPE_INT, pid),
	CALL(TYPE_INT, ns_pid),       CALL(TYPE_INT, exit),
	CALL(TYPE_INT, signal),       CALL(TYPE_BOOL, by_mkdir),
	CALL(TYPE_BOOL, by_rule),     CALL(TYPE_U64, missed),
	CALL(TYPE_BOOL, keep),        CALL(TYPE_BOOL, inhabited),
	CALL(TYPE_BOOL, recorded),    CALL(TYPE_BOOL, operator_frozen),
	CALL(TYPE_BOOL, ending),
	CALL(TYPE_U64, delays),       CALL(TYPE_I64, delayed),
	CALL(TYPE_I64, frozen),       CALL(TYPE_STRING, victim),
	CALL(TYPE_STRING, reason),    CALL(TYPE_STRING, feedback),
	CALL(TYPE_I64, frozen_since), CALL(TYPE_I64, thawed),
	CALL(TYPE_I64, minute_start), CALL(TYPE_I64, minute_frozen),
	CALL(TYPE_I64, deadline),     CALL(TYPE_I64, term_sent),
	CALL(TYPE_U64, oom_told),     CALL(TYPE_U32, causes_told),
};

/* In the order in which "limits" of an agent has them. */
static const enum acg_control agent_limits[] = {ACG_CONTROL_MEMORY_MAX, ACG_CONTROL_SWAP_MAX,
						ACG_CONTROL_PIDS_MAX, ACG_CONTROL_CPU_MAX};

static const struct field agent_fields[] = {
	AGENT(TYPE_STRING, namespace),
	AGENT(TYPE_STRING, user),
	AGENT(TYPE_U32, uid),
	AGENT(TYPE_U64, request),
	AGENT(TYPE_BOOL, made),
	TIME(acg_agent, start),
	AGENT(TYPE_BOOL, priority_set),
	AGENT(TYPE_U32, priority),
	AGENT(TYPE_U32, limits_set),
	AGENT(TYPE_U64, next_id),
	AGENT(TYPE_STRING, feedback),
	AGENT(TYPE_STRING, call_error),
	COUNTER(begun),
	COUNTER(ended),
	COUNTER(refused),
	COUNTER(denied),
	COUNTER(throttled),
	COUNTER(frozen),
	COUNTER(killed),
	COUNTER(oom_kills),
};

/* Of an ended call, as record.c writes it; the ID, times and limits are read apart. */
static const struct field past_fields[] = {
	CALL(TYPE_STRING, command),
	CALL(TYPE_INT, pid),
	CALL(TYPE_INT, ns_pid),
	CALL(TYPE_INT, exit),
	CALL(TYPE_INT, signal),
	{"memory_peak", TYPE_U64, offsetof(struct acg_call, usage.memory_peak)},
	{"cpu_usec", TYPE_U64, offsetof(struct acg_call, usage.cpu_usec)},
	{"wait_usec", TYPE_U64, offsetof(struct acg_call, usage.wait_usec)},
	{"oom_kills", TYPE_U64, offsetof(struct acg_call, usage.oom_kills)},
	CALL(TYPE_U64, delays),
	CALL(TYPE_STRING, victim),
	CALL(TYPE_STRING, reason),
	CALL(TYPE_STRING, feedback),
};

/* --- writing ------------------------------------------------------------------------------------------------ */

static void write_field(GString *out, const struct field *field, const void *value)
{
	switch (field->type) {
	case TYPE_U64:
		acg_json_unsigned(out, field->name, *(const uint64_t *)value);
		break;
	case TYPE_U32:
		acg_json_unsigned(out, field->name, *(const uint32_t *)value);
		break;
	case TYPE_I64:
		acg_json_signed(out, field->name, *(const int64_t *)value);
		break;
	case TYPE_INT:
		acg_json_signed(out, field->name, *(const int *)value);
		break;
	case TYPE_BOOL:
		acg_json_unsigned(out, field->name, *(const bool *)value);
		break;
	case TYPE_STRING:
		acg_json_string(out, field->name, *(char *const *)value);
		break;
	}
}

static void write_fields(GString *out, const struct field *fields, unsigned int n, const void *of)
{
	for (unsigned int i = 0; i < n; i++)
		write_field(out, &fields[i], (const char *)of + fields[i].offset);
}

static GString *begin_text(void)
{
	GString *out = g_string_sized_new(1024);

	acg_json_open(out, NULL, '{');
	acg_json_unsigned(out, "v", ACG_STATE_VERSION);
	return out;
}

static char *end_text(GString *out)
{
	acg_json_close(out, '}');
	return g_string_free(out, FALSE);
}

static void write_limits(GString *out, const char *key, const uint64_t *limits, unsigned int n)
{
	acg_json_open(out, key, '[');
	for (unsigned int i = 0; i < n; i++)
		acg_json_limit(out, NULL, limits[i]);
	acg_json_close(out, ']');
}

/* Pairs of pid and oom_score_adj. */
static void write_moved(GString *out, const GArray *moved)
{
	acg_json_open(out, "moved", '[');
	for (unsigned int i = 0; i < moved->len; i++) {
		const struct acg_moved *one = &g_array_index(moved, struct acg_moved, i);

		acg_json_signed(out, NULL, one->pid);
		acg_json_signed(out, NULL, one->oom_score_adj);
	}
	acg_json_close(out, ']');
}

char *acg_state_call(const struct acg_call *call)
{
	g_autofree char *hint = acg_hint_format(&call->hint);
	g_autofree char *rule_hint = acg_hint_format(&call->rule_hint);
	GString *out = begin_text();

	acg_json_unsigned(out, "detached", call->state == ACG_CALL_DETACHED);
	acg_json_string(out, "hint", hint);
	acg_json_string(out, "rule_hint", rule_hint);
	write_fields(out, call_fields, G_N_ELEMENTS(call_fields), call);
	write_limits(out, "lowered", call->lowered, ACG_N_LOWERABLE);
	write_moved(out, call->moved);
	return end_text(out);
}

static void limits_of(struct acg_budget budget, uint64_t limits[static G_N_ELEMENTS(agent_limits)])
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(agent_limits); i++)
		limits[i] = *acg_grant_limit(&budget, agent_limits[i]);
}

char *acg_state_agent(const struct acg_agent *agent, uint64_t events)
{
	uint64_t limits[G_N_ELEMENTS(agent_limits)];
	GString *out = begin_text();

	write_fields(out, agent_fields, G_N_ELEMENTS(agent_fields), agent);
	acg_json_string(out, "adopted", agent->adopted); /* only read by acg_state_is_adopted() */
	limits_of(agent->budget, limits);
	write_limits(out, "limits", limits, G_N_ELEMENTS(limits));
	write_limits(out, "forgotten", (const uint64_t *)(void *)agent->forgotten->data,
		     agent->forgotten->len);
	acg_json_unsigned(out, "events", events);
	return end_text(out);
}

char *acg_state_root(uint64_t events)
{
	GString *out = begin_text();

	acg_json_unsigned(out, "events", events);
	return end_text(out);
}

/* --- reading ------------------------------------------------------------------------------------------------ */

static JsonNode *value_of(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

static int64_t int_of(JsonObject *object, const char *name)
{
	JsonNode *node = value_of(object, name);

	return node && json_node_get_value_type(node) != G_TYPE_STRING ? json_node_get_int(node)
								       : 0;
}

static double double_of(JsonObject *object, const char *name)
{
	JsonNode *node = value_of(object, name);

	return node && json_node_get_value_type(node) != G_TYPE_STRING ? json_node_get_double(node)
								       : 0;
}

static const char *string_of(JsonObject *object, const char *name)
{
	JsonNode *node = value_of(object, name);

	return node ? json_node_get_string(node) : NULL;
}

/* null, as acg_json_limit() writes what is not limited, and what is not there. */
static uint64_t limit_of(JsonNode *node)
{
	return node && JSON_NODE_HOLDS_VALUE(node) ? (uint64_t)json_node_get_int(node) : ACG_MAX;
}

static void read_field(JsonObject *object, const struct field *field, void *value)
{
	if (field->type == TYPE_STRING) {
		g_free(*(char **)value);
		*(char **)value = g_strdup(string_of(object, field->name));
		return;
	}
	if (!value_of(object, field->name))
		return; /* null or missing: what it is without us */
	switch (field->type) {
	case TYPE_U64:
	case TYPE_I64:
		*(int64_t *)value = int_of(object, field->name);
		break;
	case TYPE_U32:
	case TYPE_INT:
		*(int *)value = int_of(object, field->name);
		break;
	default:
		*(bool *)value = int_of(object, field->name);
	}
}

static void read_fields(JsonObject *object, const struct field *fields, unsigned int n, void *of)
{
	for (unsigned int i = 0; i < n; i++)
		read_field(object, &fields[i], (char *)of + fields[i].offset);
}

/* NULL: no JSON object. */
static JsonNode *parse(const char *text)
{
	JsonNode *node = json_from_string(text, NULL);

	if (node && JSON_NODE_HOLDS_OBJECT(node))
		return node;
	if (node)
		json_node_unref(node);
	return NULL;
}

static int open_text(const char *text, JsonNode **ret_node, GError **error)
{
	JsonNode *node = parse(text);
	int64_t version = node ? int_of(json_node_get_object(node), "v") : 0;

	if (version == ACG_STATE_VERSION) {
		*ret_node = node;
		return 0;
	}
	if (node)
		json_node_unref(node);
	return acg_fail(error, EPROTO,
			"its attribute " ACG_STATE_ATTRIBUTE " is of version %" G_GINT64_FORMAT
			", not %d: it is left as it is",
			version, ACG_STATE_VERSION);
}

static JsonArray *array_of(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static void read_limits(JsonObject *object, const char *name, uint64_t *limits, unsigned int n)
{
	JsonArray *array = array_of(object, name);

	for (unsigned int i = 0; array && i < n && i < json_array_get_length(array); i++)
		limits[i] = limit_of(json_array_get_element(array, i));
}

static void read_moved(JsonObject *object, GArray *moved)
{
	JsonArray *array = array_of(object, "moved");

	for (unsigned int i = 0; array && i + 1 < json_array_get_length(array); i += 2) {
		struct acg_moved one = {limit_of(json_array_get_element(array, i)),
					limit_of(json_array_get_element(array, i + 1))};

		g_array_append_val(moved, one);
	}
}

static void read_hint(JsonObject *object, const char *member, struct acg_hint *hint)
{
	const char *text = string_of(object, member);

	if (text && *text)
		acg_hint_parse(text, hint, NULL);
}

int acg_state_read_call(const char *text, struct acg_call *call, GError **error)
{
	g_autoptr(JsonNode) node = NULL;
	JsonObject *object;
	int ret = open_text(text, &node, error);

	if (ret)
		return ret;
	object = json_node_get_object(node);
	read_fields(object, call_fields, G_N_ELEMENTS(call_fields), call);
	read_hint(object, "hint", &call->hint);
	read_hint(object, "rule_hint", &call->rule_hint);
	read_limits(object, "lowered", call->lowered, ACG_N_LOWERABLE);
	read_moved(object, call->moved);
	call->state = int_of(object, "detached") ? ACG_CALL_DETACHED : ACG_CALL_RUNNING;
	return 0;
}

/* Those that were written by hand. */
static void read_budget(JsonObject *object, struct acg_agent *agent)
{
	uint64_t limits[G_N_ELEMENTS(agent_limits)];

	limits_of(agent->budget, limits);
	read_limits(object, "limits", limits, G_N_ELEMENTS(limits));
	for (unsigned int i = 0; i < G_N_ELEMENTS(limits); i++)
		if (agent->limits_set & (1u << agent_limits[i]))
			*acg_grant_limit(&agent->budget, agent_limits[i]) = limits[i];
}

int acg_state_read_agent(const char *text, const struct acg_engine *engine, struct acg_agent *agent,
			 uint64_t *ret_events, GError **error)
{
	g_autoptr(JsonNode) node = NULL;
	JsonObject *object;
	JsonArray *forgotten;
	int ret = open_text(text, &node, error);

	if (ret)
		return ret;
	object = json_node_get_object(node);
	read_fields(object, agent_fields, G_N_ELEMENTS(agent_fields), agent);
	if (agent->priority > ACG_PRIORITY_HIGH)
		agent->priority_set = false;
	acg_grant_agent(engine, agent); /* whose it is is known now */
	read_budget(object, agent);
	forgotten = array_of(object, "forgotten");
	for (unsigned int i = 0; forgotten && i < json_array_get_length(forgotten); i++) {
		uint64_t id = limit_of(json_array_get_element(forgotten, i));

		g_array_append_val(agent->forgotten, id);
	}
	*ret_events = int_of(object, "events");
	return 0;
}

int acg_state_read_root(const char *text, uint64_t *ret_events, GError **error)
{
	g_autoptr(JsonNode) node = NULL;
	int ret = open_text(text, &node, error);

	if (!ret)
		*ret_events = int_of(json_node_get_object(node), "events");
	return ret;
}

/* --- lines of history and events ----------------------------------------------------------------------------- */

static struct acg_time past_time(JsonObject *object, const char *name, struct acg_time now)
{
	int64_t real = double_of(object, name) * G_USEC_PER_SEC + 0.5;

	return (struct acg_time){now.mono - (now.real - real), real};
}

/* The text behind "KEY": in a line of ours. In its strings quotes are escaped, so it is found there only. */
static const char *scan_key(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? at + strlen(key) : NULL;
}

int acg_state_scan_past(const char *line, struct acg_time now, struct acg_state_past *ret_past,
			GError **error)
{
	const char *id = scan_key(line, "{\"id\":\""), *end = scan_key(line, "\"end\":"),
		   *cgroup = scan_key(line, "\"cgroup\":");
	size_t len = id ? strcspn(id, "\"") : 0;
	struct acg_state_past past = {0};

	if (!end || !cgroup || !len || len >= sizeof(past.id))
		return acg_fail(error, EPROTO, "this is no line of history");
	memcpy(past.id, id, len);
	past.cgroup = g_ascii_strtoull(cgroup, NULL, 10);
	past.end.real = g_ascii_strtod(end, NULL) * G_USEC_PER_SEC + 0.5;
	past.end.mono = now.mono - (now.real - past.end.real);
	if (!past.cgroup || acg_name_check(past.id, NULL) < 0)
		return acg_fail(error, EPROTO, "this is no line of history");
	*ret_past = past;
	return 0;
}

void acg_state_read_past(const char *line, struct acg_time now, struct acg_call *call)
{
	g_autoptr(JsonNode) node = parse(line);
	JsonObject *object = node ? json_node_get_object(node) : NULL;

	if (!object)
		return;
	read_fields(object, past_fields, G_N_ELEMENTS(past_fields), call);
	read_hint(object, "hint", &call->hint);
	if (string_of(object, "cpu"))
		acg_cpu_class_parse(string_of(object, "cpu"), &call->cpu, NULL);
	call->grant = limit_of(json_object_get_member(object, "grant"));
	call->memory_max = limit_of(json_object_get_member(object, "memory_max"));
	call->delayed = int_of(object, "delayed_ms") * 1000;
	call->frozen = int_of(object, "frozen_ms") * 1000;
	call->start = past_time(object, "start", now);
}

bool acg_state_is_adopted(const char *text)
{
	g_autoptr(JsonNode) node = parse(text);
	JsonObject *object = node ? json_node_get_object(node) : NULL;

	return object && string_of(object, "adopted");
}

bool acg_state_is_event(const char *line, const char *event, const char *agent, const char *call)
{
	g_autoptr(JsonNode) node = parse(line);
	JsonObject *object = node ? json_node_get_object(node) : NULL;

	return object && g_strcmp0(string_of(object, "event"), event) == 0 &&
	       g_strcmp0(string_of(object, "agent"), agent) == 0 &&
	       g_strcmp0(string_of(object, "call"), call) == 0;
}

/* --- the attribute ------------------------------------------------------------------------------------------ */

char *acg_state_get(int dirfd, GError **error)
{
	char usual[TEXT_USUAL];
	g_autofree char *large = NULL;
	char *text = usual;
	ssize_t n = fgetxattr(dirfd, ACG_STATE_ATTRIBUTE, text, TEXT_USUAL);

	if (n < 0 && errno == ERANGE) {
		text = large = g_malloc(TEXT_MAX);
		n = fgetxattr(dirfd, ACG_STATE_ATTRIBUTE, text, TEXT_MAX);
	}
	if (n >= 0)
		return g_strndup(text, n);
	if (errno != ENODATA)
		acg_fail_errno(error, errno, "cannot read " ACG_STATE_ATTRIBUTE);
	return NULL;
}

int acg_state_put(int dirfd, const char *text, GError **error)
{
	if (fsetxattr(dirfd, ACG_STATE_ATTRIBUTE, text, strlen(text), 0) < 0)
		return acg_fail_errno(error, errno, "cannot write " ACG_STATE_ATTRIBUTE);
	return 0;
}

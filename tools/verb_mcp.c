/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg mcp: a server of the Model Context Protocol on standard input and output (JSON-RPC 2.0, a message a line), so that an
 * agent can look before it leaps: read its limits and feedback, and ask for more for a call that runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hint.h"
#include "policy/registry.h"
#include "tools/tree.h"
#include "tools/verbs.h"

#define PROTOCOL "2025-06-18"

enum { PARSE_ERROR = -32700, INVALID_REQUEST = -32600, NO_METHOD = -32601, BAD_PARAMS = -32602 };

static const char tools_json[] =
	"[{\"name\":\"read_limits\",\"title\":\"Memory and CPU limits\",\"description\":\"What "
	"this agent "
	"may use: memory budget, what is used now, the largest grant that one command can get, "
	"and the calls that run. Look here before starting something heavy.\",\"inputSchema\":"
	"{\"type\":\"object\",\"properties\":{}},\"annotations\":{\"readOnlyHint\":true}},"
	"{\"name\":\"read_feedback\",\"title\":\"Resource feedback\",\"description\":\"What the "
	"system said "
	"about a command (why it was slowed down, frozen or killed, and what to do), or the latest "
	"it said to this agent.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"call\":{"
	"\"type\":\"string\",\"description\":\"ID of a call; none: the "
	"latest\"}}},\"annotations\":{"
	"\"readOnlyHint\":true}},"
	"{\"name\":\"hint\",\"title\":\"Say what a call needs\",\"description\":\"Changes what a "
	"running "
	"command says that it needs, for instance more memory; it is granted as far as the budget "
	"allows. For a command that is still to be run, begin it with "
	"AGENT_RESOURCE_HINT=memory:2g "
	"instead.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"call\":{\"type\":"
	"\"string\"},"
	"\"memory\":{\"type\":\"string\",\"description\":\"low, medium, high, or a size: 512m, "
	"2g\"},"
	"\"cpu\":{\"type\":\"string\",\"enum\":[\"latency\",\"normal\",\"batch\"]},\"timeout\":{"
	"\"type\":"
	"\"string\",\"description\":\"seconds\"}},\"required\":[\"call\"]}}]";

/* --- the tools: each returns its text, or NULL with *error set ----------------------------------------------- */

static char *no_agent(GError **error)
{
	acg_fail(error, ENOENT,
		 "This process is in no agent of agentcg: nothing is limited or measured here.");
	return NULL;
}

static char *read_limits(const char *root, JsonObject *arguments, GError **error)
{
	g_autofree char *info = acg_tree_read(NULL, root, "self", "info", NULL);
	g_autofree char *self = g_build_filename(root, "self", NULL);
	g_autoptr(GPtrArray) calls = acg_tree_names(self, "calls");
	g_autoptr(GString) text = g_string_new(NULL);

	(void)arguments;
	if (!info)
		return no_agent(error);
	g_string_append_printf(text, "{\"agent\":%s,\"running\":[", g_strchomp(info));
	for (unsigned int i = 0, n = 0; i < calls->len; i++) {
		g_autofree char *call =
			acg_tree_read(NULL, self, "calls", calls->pdata[i], "info", NULL);

		if (call && !strstr(call, "\"state\":\"ended\""))
			g_string_append_printf(text, "%s%s", n++ ? "," : "", g_strchomp(call));
	}
	g_string_append(text, "]}");
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *read_feedback(const char *root, JsonObject *arguments, GError **error)
{
	const char *call = acg_tree_string(arguments, "call", NULL);
	g_autofree char *text = NULL;

	if (call && acg_name_check(call, error) < 0)
		return NULL;
	text = call ? acg_tree_read(error, root, "self", "calls", call, "feedback", NULL)
		    : acg_tree_read(NULL, root, "self", "feedback", NULL);
	if (!text)
		return call ? NULL : no_agent(error);
	return *text ? g_strdup(g_strchomp(text)) : g_strdup("Nothing: all went as asked.");
}

static bool append_keys(GString *marker, JsonObject *arguments, GError **error)
{
	static const char *const keys[] = {"memory", "cpu", "timeout"};
	struct acg_hint hint = {0};
	bool any = false;

	for (unsigned int i = 0; i < G_N_ELEMENTS(keys); i++) {
		const char *value = acg_tree_string(arguments, keys[i], NULL);

		if (!value)
			continue;
		if (acg_hint_set(&hint, keys[i], value, error) < 0)
			return false;
		g_string_append_printf(marker, " %s=%s", keys[i], value);
		any = true;
	}
	return any || acg_fail(error, EINVAL, "Say memory, cpu or timeout.") == 0;
}

static char *set_hint(const char *root, JsonObject *arguments, GError **error)
{
	const char *call = acg_tree_string(arguments, "call", NULL);
	g_autofree char *path = g_build_filename(root, "self", "call", NULL);
	g_autoptr(GString) marker = g_string_new(NULL);
	g_autoptr(JsonObject) info = NULL;
	char grant[16];

	if (!call || acg_name_check(call, error) < 0) {
		if (!call)
			acg_fail(error, EINVAL,
				 "Say which call; read_limits lists those that run.");
		return NULL;
	}
	g_string_append_printf(marker, "hint %s", call);
	if (!append_keys(marker, arguments, error))
		return NULL;
	g_string_append_c(marker, '\n');
	if (acg_tree_write(path, marker->str, error) < 0)
		return NULL;
	info = acg_tree_json(error, root, "self", "calls", call, "info", NULL);
	if (!info)
		return NULL;
	return g_strdup_printf("Its grant is %s now.",
			       acg_tree_int(info, "grant", -1) < 0
				       ? "not limited"
				       : acg_size_format(acg_tree_int(info, "grant", 0), grant));
}

static const struct tool {
	const char *name;
	char *(*run)(const char *root, JsonObject *arguments, GError **error);
} tools[] = {
	{"read_limits", read_limits},
	{"read_feedback", read_feedback},
	{"hint", set_hint},
};

/* --- JSON-RPC ------------------------------------------------------------------------------------------------ */

static JsonObject *object_of(JsonObject *parent, const char *member)
{
	JsonNode *node = parent ? json_object_get_member(parent, member) : NULL;

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* Sends {"jsonrpc", "id", MEMBER: value}; takes the value. */
static void reply(JsonNode *id, const char *member, JsonNode *value)
{
	JsonObject *message = json_object_new();
	g_autoptr(JsonNode) node = json_node_alloc();
	g_autofree char *text = NULL;

	json_object_set_string_member(message, "jsonrpc", "2.0");
	json_object_set_member(message, "id",
			       id ? json_node_copy(id) : json_node_new(JSON_NODE_NULL));
	json_object_set_member(message, member, value);
	json_node_init_object(node, message);
	json_object_unref(message);
	text = json_to_string(node, FALSE);
	printf("%s\n", text);
	fflush(stdout);
}

static void reply_error(JsonNode *id, int code, const char *text)
{
	JsonObject *object = json_object_new();
	JsonNode *node = json_node_init_object(json_node_alloc(), object);

	json_object_set_int_member(object, "code", code);
	json_object_set_string_member(object, "message", text);
	json_object_unref(object);
	reply(id, "error", node);
}

static JsonNode *parsed(const char *json)
{
	return json_from_string(json, NULL);
}

static JsonNode *initialized(JsonObject *params)
{
	g_autofree char *text = g_strdup_printf(
		"{\"protocolVersion\":\"" PROTOCOL
		"\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{"
		"\"name\":\"agentcg\",\"version\":\"%s\"},\"instructions\":\"Memory and CPU of "
		"this agent's "
		"commands: read_limits before something heavy, read_feedback after something was "
		"slowed down or killed.\"}",
		PACKAGE_VERSION);

	(void)params;
	return parsed(text);
}

/* What went wrong is the tool's result, for the model to read. */
static JsonNode *tool_result(const char *text, bool failed)
{
	JsonObject *result = json_object_new(), *part = json_object_new();
	JsonArray *content = json_array_new();
	JsonNode *node = json_node_init_object(json_node_alloc(), result);

	json_object_set_string_member(part, "type", "text");
	json_object_set_string_member(part, "text", text);
	json_array_add_object_element(content, part);
	json_object_set_array_member(result, "content", content);
	json_object_set_boolean_member(result, "isError", failed);
	json_object_unref(result);
	return node;
}

static void call_tool(JsonNode *id, JsonObject *params)
{
	const char *name = params ? acg_tree_string(params, "name", "") : "";
	g_autoptr(JsonObject) none = json_object_new();
	JsonObject *arguments = object_of(params, "arguments");
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;

	for (unsigned int i = 0; i < G_N_ELEMENTS(tools); i++) {
		if (strcmp(tools[i].name, name) != 0)
			continue;
		text = root ? tools[i].run(root, arguments ? arguments : none, &error)
			    : no_agent(&error);
		reply(id, "result", tool_result(text ? text : error->message, !text));
		return;
	}
	reply_error(id, BAD_PARAMS, "there is no such tool");
}

static void take_request(JsonObject *request)
{
	JsonNode *id = json_object_get_member(request, "id");
	const char *method = acg_tree_string(request, "method", NULL);
	JsonObject *params = object_of(request, "params");

	if (!method) {
		if (!json_object_has_member(request, "result") &&
		    !json_object_has_member(request, "error"))
			reply_error(id, INVALID_REQUEST, "no method");
		return;
	}
	if (!id)
		return; /* a notification wants no answer */
	if (strcmp(method, "initialize") == 0)
		reply(id, "result", initialized(params));
	else if (strcmp(method, "ping") == 0)
		reply(id, "result", parsed("{}"));
	else if (strcmp(method, "tools/list") == 0) {
		g_autofree char *list = g_strdup_printf("{\"tools\":%s}", tools_json);

		reply(id, "result", parsed(list));
	} else if (strcmp(method, "tools/call") == 0)
		call_tool(id, params);
	else
		reply_error(id, NO_METHOD, "no such method");
}

int acg_verb_mcp(int argc, char **argv)
{
	g_autofree char *line = NULL; /* by getline(), which uses malloc as glib does */
	size_t room = 0;

	if (argc > 1) {
		fprintf(strcmp(argv[1], "--help") == 0 ? stdout : stderr,
			"usage: agentcg mcp\nA server of the Model Context Protocol on standard "
			"input "
			"and output; add it to an agent as the command \"agentcg mcp\".\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : ACG_EXIT_USAGE;
	}
	while (getline(&line, &room, stdin) > 0) {
		g_autoptr(JsonNode) node = json_from_string(line, NULL);

		if (node && JSON_NODE_HOLDS_OBJECT(node))
			take_request(json_node_get_object(node));
		else if (*g_strchomp(line))
			reply_error(NULL, PARSE_ERROR, "a line is one JSON object");
	}
	return 0;
}

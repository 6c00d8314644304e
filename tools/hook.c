/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hooks: one event in, one answer out; see the header. A call is found by its time and its command, since what runs
 * it (the framework's shell) and what tells of it (its hook) know nothing of each other.
 */
#include "tools/hook.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/hint.h"
#include "policy/policy.h"
#include "policy/registry.h"
#include "tools/tree.h"

static const struct acg_framework frameworks[] = {
	{"claude-code",
	 "Bash",
	 ".claude/settings.json",
	 {"SessionStart", "PreToolUse", "PostToolUse", "PostToolUseFailure", NULL},
	 true,
	 false},
	{"codex",
	 "Bash",
	 ".codex/hooks.json",
	 {"SessionStart", "PreToolUse", "PostToolUse", NULL},
	 false,
	 false},
	{"gemini",
	 "run_shell_command",
	 ".gemini/settings.json",
	 {"SessionStart", "BeforeTool", "AfterTool", NULL},
	 false,
	 false},
	{"openhands",
	 "terminal",
	 "./.openhands/hooks.json",
	 {"SessionStart", "PreToolUse", "PostToolUse", NULL},
	 false,
	 true},
};

const struct acg_framework *acg_framework_find(const char *name)
{
	for (unsigned int i = 0; i < G_N_ELEMENTS(frameworks); i++)
		if (strcmp(frameworks[i].name, name) == 0)
			return &frameworks[i];
	return NULL;
}

const char *acg_framework_names(void)
{
	return "claude-code, codex, gemini or openhands";
}

/* --- reading an event --------------------------------------------------------------------------- */

static const char *text_of(JsonObject *object, const char *member)
{
	return acg_tree_string(object, member, NULL);
}

static const char *event_name(JsonObject *event)
{
	const char *name = text_of(event, "hook_event_name");

	return name ? name : text_of(event, "event_type");
}

static JsonObject *tool_input(JsonObject *event)
{
	JsonNode *node = json_object_get_member(event, "tool_input");

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* The command of an event of the shell tool; NULL: it is of another tool. */
static const char *command_of(const struct acg_framework *framework, JsonObject *event)
{
	JsonObject *input = tool_input(event);

	if (!input || g_strcmp0(text_of(event, "tool_name"), framework->tool) != 0)
		return NULL;
	return text_of(input, "command");
}

/* --- answers ------------------------------------------------------------------------------------ */

static JsonObject *answer_with(const struct acg_framework *framework, JsonObject *event,
			       JsonObject *specific)
{
	JsonObject *answer = json_object_new();

	if (framework->flat_answer)
		return json_object_unref(answer), specific;
	json_object_set_string_member(specific, "hookEventName", event_name(event));
	json_object_set_object_member(answer, "hookSpecificOutput", specific);
	return answer;
}

static JsonObject *answer_text(const struct acg_framework *framework, JsonObject *event,
			       const char *text)
{
	JsonObject *specific = json_object_new();

	json_object_set_string_member(specific, "additionalContext", text);
	return answer_with(framework, event, specific);
}

/* Unlimited is null in info. */
static const char *size_or(JsonObject *info, const char *member, const char *unlimited,
			   char buf[static 16])
{
	gint64 bytes = acg_tree_int(info, member, -1);

	return bytes < 0 ? unlimited : acg_size_format(bytes, buf);
}

static JsonObject *session_start(const struct acg_framework *framework, JsonObject *event,
				 const char *root)
{
	g_autoptr(JsonObject) info = acg_tree_json(NULL, root, "self", "info", NULL);
	char budget[16], used[16], largest[16];
	g_autofree char *text = NULL;

	if (!info)
		return NULL;
	text = g_strdup_printf(
		"Each of your shell commands runs in a cgroup of its own (agentcg). Memory budget: "
		"%s, used now: %s, the most that one command can get now: %s.\n"
		"Say what a heavy or a light command needs at its beginning: "
		"AGENT_RESOURCE_HINT=memory:2g pytest -q (low, medium, high or a size).\n"
		"When memory runs short, a command above its grant is slowed down, then frozen, "
		"then killed; you and your other commands go on.\n"
		"What happened and what to do about it is told after the command, on a line that "
		"starts with \"agentcg:\". Run fewer heavy commands at once, or smaller parts.\n"
		"Figures at any time: cat %s/self/info",
		size_or(info, "budget", "not limited", budget), size_or(info, "used", "?", used),
		size_or(info, "largest_grant", "not limited", largest), root);
	return answer_text(framework, event, text);
}

/* --- before a tool: note it, wrap it if that was asked for --------------------------------------- */

static JsonObject *record_of(JsonObject *event, const char *command)
{
	static const char *const members[] = {"session_id", "tool_use_id", "agent_id"};
	JsonObject *record = json_object_new();

	json_object_set_double_member(record, "time", g_get_real_time() / 1e6);
	for (unsigned int i = 0; i < G_N_ELEMENTS(members); i++)
		if (text_of(event, members[i]))
			json_object_set_string_member(record, members[i],
						      text_of(event, members[i]));
	json_object_set_string_member(record, "command", command);
	return record;
}

/*
 * A sub-agent of the framework is one of ours, inside this agent's budget. Returns the command that takes a shell into it, "" if there
 * is none; free with g_free.
 */
static char *enter_sub_agent(JsonObject *event, const char *root)
{
	const char *name = text_of(event, "agent_id");
	g_autofree char *dir = NULL;
	g_autofree char *quoted = NULL, *procs = NULL;

	if (!name || acg_name_check(name, NULL) < 0)
		return g_strdup("");
	dir = g_build_filename(root, "self", "agents", name, NULL);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return g_strdup("");
	procs = g_build_filename(dir, "cgroup.procs", NULL);
	quoted = g_shell_quote(procs);
	return g_strdup_printf("{ echo $$ > %s; } 2>/dev/null; ", quoted);
}

/* No permission is given with it: who may run what is decided as if we were not there. */
static JsonObject *wrap(const struct acg_framework *framework, JsonObject *event,
			const char *command, const char *root)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), tool_input(event));
	g_autoptr(JsonNode) copy = json_node_copy(node);
	JsonObject *input = json_object_ref(json_node_get_object(copy));
	JsonObject *specific = json_object_new();
	g_autofree char *enter = enter_sub_agent(event, root);
	g_autofree char *quoted = g_shell_quote(command);
	g_autofree char *wrapped = g_strdup_printf("%sagentcg-shell -c %s", enter, quoted);

	json_object_set_string_member(input, "command", wrapped);
	json_object_set_object_member(specific, "updatedInput", input);
	return answer_with(framework, event, specific);
}

static JsonObject *before_tool(const struct acg_framework *framework, JsonObject *event,
			       const char *command, const char *root, bool rewrite)
{
	g_autoptr(JsonObject) record = record_of(event, command);
	g_autofree char *self = g_build_filename(root, "self", NULL);

	if (access(self, F_OK) < 0)
		return NULL; /* outside every agent */
	acg_hook_record(record);
	return rewrite ? wrap(framework, event, command, root) : NULL;
}

/* --- after a tool: find its call ----------------------------------------------------------------- */

static double time_of(JsonObject *record)
{
	return json_object_get_double_member_with_default(record, "time", 0);
}

/* When the same tool use began; by its id, or by its command where the framework has none. */
static double began(JsonObject *event, const char *command)
{
	g_autoptr(GPtrArray) records = acg_hook_records();
	const char *id = text_of(event, "tool_use_id");

	for (unsigned int i = records->len; i-- > 0;) {
		JsonObject *record = records->pdata[i];

		if (json_object_has_member(record, "ended"))
			continue;
		if (id ? g_strcmp0(text_of(record, "tool_use_id"), id) == 0
		       : g_strcmp0(text_of(record, "command"), command) == 0)
			return time_of(record);
	}
	return 0;
}

/* What the model wrote, without the hint and the framework's wrapping, and as long as both sides keep it. */
static bool same_command(const char *of_call, const char *of_event)
{
	g_autofree char *call = acg_command_unwrap(of_call, NULL);
	g_autofree char *event = acg_command_unwrap(of_event, NULL);

	g_strdelimit(event, "\n\t", ' ');
	g_strdelimit(call, "\n\t", ' ');
	return strcmp(call, event) == 0 || (strlen(call) > 1000 && g_str_has_prefix(event, call));
}

/* The newest call with this command since then, in the agent's directory and, below, its sub-agents'. */
static JsonObject *find_call(const char *dir, double since, const char *command)
{
	g_autoptr(GPtrArray) calls = acg_tree_names(dir, "calls");
	g_autoptr(GPtrArray) agents = acg_tree_names(dir, "agents");
	JsonObject *found = NULL;

	for (unsigned int i = 0; i < calls->len; i++) {
		g_autoptr(JsonObject) info =
			acg_tree_json(NULL, dir, "calls", calls->pdata[i], "info", NULL);
		double start =
			info ? json_object_get_double_member_with_default(info, "start", 0) : 0;

		if (start < since || !same_command(acg_tree_string(info, "command", ""), command))
			continue;
		since = start;
		g_clear_pointer(&found, json_object_unref);
		found = g_steal_pointer(&info);
	}
	for (unsigned int i = 0; i < agents->len && !found; i++) {
		g_autofree char *below = g_build_filename(dir, "agents", agents->pdata[i], NULL);

		found = find_call(below, since, command);
	}
	return found;
}

/* What stood on the command's standard error is in the event already: the model need not read it twice. */
static bool told_already(JsonObject *event, const char *feedback)
{
	static const char *const members[] = {"tool_response", "error"};
	g_autofree char *start = g_strndup(feedback, strcspn(feedback, "\"\\"));

	for (unsigned int i = 0; i < G_N_ELEMENTS(members); i++) {
		JsonNode *node = json_object_get_member(event, members[i]);
		g_autofree char *text = node ? json_to_string(node, FALSE) : NULL;

		if (text && strstr(text, start))
			return true;
	}
	return false;
}

static JsonObject *after_tool(const struct acg_framework *framework, JsonObject *event,
			      const char *command, const char *root)
{
	g_autofree char *self = g_build_filename(root, "self", NULL);
	double since = began(event, command);
	g_autoptr(JsonObject) call = find_call(self, since, command);
	g_autoptr(JsonObject) record = record_of(event, command);
	g_autofree char *text = NULL;
	const char *feedback;

	if (access(self, F_OK) < 0)
		return NULL;
	json_object_set_boolean_member(record, "ended", TRUE);
	if (call)
		json_object_set_string_member(record, "call", acg_tree_string(call, "id", ""));
	acg_hook_record(record);
	feedback = call ? acg_tree_string(call, "feedback", NULL) : NULL;
	if (!feedback || told_already(event, feedback))
		return NULL;
	text = g_strdup_printf("agentcg: %s", feedback);
	return answer_text(framework, event, text);
}

/* --- the event ---------------------------------------------------------------------------------- */

/* A sub-agent that stopped gives its cgroup back; if something runs on in it, it stays. */
static void leave_sub_agent(JsonObject *event, const char *root)
{
	const char *name = text_of(event, "agent_id");
	g_autofree char *dir = NULL;

	if (!name || acg_name_check(name, NULL) < 0)
		return;
	dir = g_build_filename(root, "self", "agents", name, NULL);
	rmdir(dir);
}

JsonObject *acg_hook_answer(const struct acg_framework *framework, JsonObject *event, bool rewrite)
{
	const char *name = event_name(event), *command, *root = acg_tree_find();

	if (!name || !root)
		return NULL;
	if (strcmp(name, "SessionStart") == 0)
		return session_start(framework, event, root);
	if (strcmp(name, "SubagentStop") == 0)
		return leave_sub_agent(event, root), NULL;
	command = command_of(framework, event);
	if (!command)
		return NULL;
	if (strcmp(name, "PreToolUse") == 0 || strcmp(name, "BeforeTool") == 0)
		return before_tool(framework, event, command, root, rewrite);
	if (g_str_has_prefix(name, "PostToolUse") || strcmp(name, "AfterTool") == 0)
		return after_tool(framework, event, command, root);
	return NULL;
}

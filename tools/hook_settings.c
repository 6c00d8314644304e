/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our hooks in a framework's settings file; see the header. What is there already stays, in its order. */
#include <errno.h>
#include <string.h>

#include "tools/hook.h"
#include "tools/tree.h"

#define PREFIX_VARIABLE "CLAUDE_CODE_SHELL_PREFIX"

static char *our_command(const struct acg_framework *framework)
{
	return g_strdup_printf("agentcg hook %s", framework->name);
}

/* The member as an object; made if it is missing and `make`. NULL: it is not there, or something else. */
static JsonObject *object_in(JsonObject *parent, const char *member, bool make)
{
	JsonNode *node = json_object_get_member(parent, member);

	if (!node && make)
		json_object_set_object_member(parent, member, json_object_new());
	node = json_object_get_member(parent, member);
	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonArray *array_in(JsonObject *parent, const char *member, bool make)
{
	JsonNode *node = json_object_get_member(parent, member);

	if (!node && make)
		json_object_set_array_member(parent, member, json_array_new());
	node = json_object_get_member(parent, member);
	return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *element_object(JsonArray *array, guint at)
{
	JsonNode *node = json_array_get_element(array, at);

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* --- one event's hooks --------------------------------------------------------------------------- */

/* Takes our command out of one matcher's hooks; true if nothing else is in it. */
static bool take_out(JsonObject *group, const char *command)
{
	JsonArray *hooks = array_in(group, "hooks", false);
	bool removed = false;

	for (guint i = hooks ? json_array_get_length(hooks) : 0; i-- > 0;) {
		JsonObject *hook = element_object(hooks, i);
		const char *said = hook ? acg_tree_string(hook, "command", "") : "";

		if (g_str_has_prefix(said, command)) {
			json_array_remove_element(hooks, i);
			removed = true;
		}
	}
	return removed && json_array_get_length(hooks) == 0;
}

static void take_out_of_event(JsonObject *hooks, const char *event, const char *command)
{
	JsonArray *groups = array_in(hooks, event, false);

	for (guint i = groups ? json_array_get_length(groups) : 0; i-- > 0;) {
		JsonObject *group = element_object(groups, i);

		if (group && take_out(group, command))
			json_array_remove_element(groups, i);
	}
	if (groups && json_array_get_length(groups) == 0)
		json_object_remove_member(hooks, event);
}

static int put_into_event(const struct acg_framework *framework, JsonObject *hooks,
			  const char *event, const char *command, GError **error)
{
	JsonArray *groups = array_in(hooks, event, true);
	JsonObject *group, *hook;
	JsonArray *list;

	if (!groups)
		return acg_fail(error, EINVAL, "hooks.%s is not an array", event);
	group = json_object_new();
	if (strcmp(event, framework->events[0]) != 0) /* sessions have no tool */
		json_object_set_string_member(group, "matcher", framework->tool);
	hook = json_object_new();
	json_object_set_string_member(hook, "type", "command");
	json_object_set_string_member(hook, "command", command);
	list = json_array_new();
	json_array_add_object_element(list, hook);
	json_object_set_array_member(group, "hooks", list);
	json_array_add_object_element(groups, group);
	return 0;
}

static int change_hooks(const struct acg_framework *framework, JsonObject *root, bool install,
			GError **error)
{
	JsonObject *hooks = object_in(root, "hooks", install);
	g_autofree char *command = our_command(framework);
	int ret = 0;

	if (!hooks && install)
		return acg_fail(error, EINVAL, "its \"hooks\" is not an object");
	for (unsigned int i = 0; hooks && framework->events[i] && !ret; i++) {
		take_out_of_event(hooks, framework->events[i], command); /* never twice */
		if (install)
			ret = put_into_event(framework, hooks, framework->events[i], command,
					     error);
	}
	if (hooks && !install && json_object_get_size(hooks) == 0)
		json_object_remove_member(root, "hooks");
	return ret;
}

/* --- what puts us before commands ---------------------------------------------------------------- */

static void change_prefix(JsonObject *root, bool install, GString *note)
{
	JsonObject *env = object_in(root, "env", install);
	const char *said = env ? acg_tree_string(env, PREFIX_VARIABLE, NULL) : NULL;
	bool ours = said && g_str_has_suffix(said, "agentcg-shell");

	if (!env)
		return;
	if (said && !ours) {
		g_string_append_printf(note,
				       PREFIX_VARIABLE
				       " is %s already and stays: commands get no cgroup unless "
				       "that runs them by agentcg-shell.\n",
				       said);
	} else if (install) {
		json_object_set_string_member(env, PREFIX_VARIABLE, ACG_BINDIR "/agentcg-shell");
	} else if (ours) {
		json_object_remove_member(env, PREFIX_VARIABLE);
		if (json_object_get_size(env) == 0)
			json_object_remove_member(root, "env");
	}
}

/* Where the framework has a sandbox of its own, markers must get through it. */
static void change_sandbox(JsonObject *root, const char *tree, bool install)
{
	JsonObject *sandbox = object_in(root, "sandbox", false);
	JsonObject *filesystem = sandbox ? object_in(sandbox, "filesystem", install) : NULL;
	JsonArray *writable = filesystem ? array_in(filesystem, "allowWrite", install) : NULL;

	for (guint i = writable ? json_array_get_length(writable) : 0; i-- > 0;) {
		JsonNode *node = json_array_get_element(writable, i);

		if (JSON_NODE_HOLDS_VALUE(node) && g_strcmp0(json_node_get_string(node), tree) == 0)
			json_array_remove_element(writable, i);
	}
	if (writable && install)
		json_array_add_string_element(writable, tree);
}

int acg_hook_settings(const struct acg_framework *framework, const char *text, const char *tree,
		      bool install, char **ret_text, char **ret_note, GError **error)
{
	g_autoptr(JsonNode) node = json_from_string(*text ? text : "{}", error);
	g_autoptr(GString) note = g_string_new(NULL);
	g_autofree char *changed = NULL;
	JsonObject *root;
	int ret;

	if (!node)
		return error && *error ? -EINVAL : acg_fail(error, EINVAL, "it holds no JSON");
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return acg_fail(error, EINVAL, "it does not hold a JSON object");
	root = json_node_get_object(node);
	ret = change_hooks(framework, root, install, error);
	if (ret)
		return ret;
	if (framework->shell_prefix)
		change_prefix(root, install, note);
	change_sandbox(root, tree, install);
	changed = json_to_string(node, TRUE);
	*ret_text = g_strconcat(changed, "\n", NULL);
	if (ret_note)
		*ret_note = note->len ? g_strdup(note->str) : NULL;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg characterize: what recorded agents, or those in a history, used. */
#include <stdio.h>
#include <string.h>

#include "tools/characterize.h"
#include "tools/tree.h"
#include "tools/verbs.h"

static void free_character(void *character)
{
	acg_character_free(character);
}

/* A history has an object for each line; a trace is one object, with samples. */
static bool is_history(const char *text)
{
	const char *end = strchr(text, '\n');
	g_autofree char *line = end ? g_strndup(text, end - text) : g_strdup(text);
	g_autoptr(JsonNode) node = json_from_string(line, NULL);

	return node && JSON_NODE_HOLDS_OBJECT(node) &&
	       json_object_has_member(json_node_get_object(node), "memory_peak");
}

static int add_file(const char *path, GPtrArray *characters, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) why = NULL;
	struct acg_trace *trace;
	int ret;

	if (!g_file_get_contents(path, &text, NULL, &why))
		return acg_fail(error, EIO, "%s", why->message);
	if (is_history(text)) {
		ret = acg_characterize_history(text, characters, &why);
		return ret ? acg_fail(error, -ret, "%s: %s", path, why->message) : 0;
	}
	trace = acg_trace_load(path, error);
	if (!trace)
		return -EINVAL;
	g_ptr_array_add(characters, acg_characterize(trace));
	acg_trace_free(trace);
	return 0;
}

/* Without files: the history of every agent in the tree, so far. */
static int add_tree(GPtrArray *characters, GError **error)
{
	const char *root = acg_tree_find();
	g_autoptr(GPtrArray) names = NULL;
	int ret = 0;

	if (!root)
		return acg_fail(error, ENOENT, "give traces or histories: there is no tree here");
	names = acg_tree_names(root, "agents");
	for (unsigned int i = 0; !ret && i < names->len; i++) {
		g_autofree char *text =
			acg_tree_read(NULL, root, "agents", names->pdata[i], "history", NULL);

		ret = text && *text ? acg_characterize_history(text, characters, error) : 0;
	}
	return ret;
}

int acg_verb_characterize(int argc, char **argv)
{
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		{"json", 0, 0, G_OPTION_ARG_NONE, &json, "one JSON object, with all figures", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("[TRACE|HISTORY...]");
	g_autoptr(GPtrArray) characters = g_ptr_array_new_with_free_func(free_character);
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	int ret = 0;

	g_option_context_set_summary(context,
				     "What recorded agents used: memory, bursts, retries.\n"
				     "Without a file: the history of the agents in the tree.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("characterize", error);
	if (argc < 2)
		ret = add_tree(characters, &error);
	for (int i = 1; i < argc && !ret; i++)
		ret = add_file(argv[i], characters, &error);
	if (ret) {
		fprintf(stderr, "agentcg characterize: %s\n", error->message);
		return 1;
	}
	if (json)
		acg_characterize_json(characters, out);
	else
		acg_characterize_table(characters, out);
	fputs(out->str, stdout);
	return 0;
}

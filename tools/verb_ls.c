/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg ls: a tree of agents and their calls with memory, peak, state and command. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "policy/hint.h"
#include "tools/tree.h"
#include "tools/verbs.h"

struct listing {
	int columns;       /* of the terminal; 0: no limit */
	gboolean all;      /* ended calls too */
	JsonBuilder *json; /* NULL: a table */
};

static const char *size_text(gint64 bytes, char buf[static 16])
{
	return bytes < 0 ? "-" : acg_size_format(bytes, buf);
}

/* Cuts a line at a character so that it fits into so many columns. */
static void print_cut(const struct listing *listing, const char *line)
{
	if (listing->columns && g_utf8_strlen(line, -1) > listing->columns) {
		g_autofree char *cut = g_utf8_substring(line, 0, listing->columns - 1);

		printf("%s>\n", cut);
	} else {
		printf("%s\n", line);
	}
}

static void list_call(struct listing *listing, JsonObject *info, int depth)
{
	char now[16], peak[16], grant[16];
	g_autofree char *name = NULL, *line = NULL;

	if (listing->json) {
		json_builder_add_value(listing->json,
				       json_node_init_object(json_node_alloc(), info));
		return;
	}
	name = g_strdup_printf("%*s%s", depth * 2, "", acg_tree_string(info, "id", "?"));
	line = g_strdup_printf("%-24s %7s %7s %7s  %-9s %6.1fs  %s", name,
			       size_text(acg_tree_int(info, "memory_current", -1), now),
			       size_text(acg_tree_int(info, "memory_peak", -1), peak),
			       size_text(acg_tree_int(info, "grant", -1), grant),
			       acg_tree_string(info, "state", "?"),
			       acg_tree_int(info, "duration_ms", 0) / 1000.0,
			       acg_tree_string(info, "command", ""));
	print_cut(listing, line);
}

/* What has outlived its call's end, a server that a tool left behind: not to be taken for work that goes on. */
static bool is_detached(JsonObject *info)
{
	return strcmp(acg_tree_string(info, "state", "?"), "detached") == 0;
}

/* The infos of the agent's calls that are to be listed. */
static GPtrArray *read_calls(const struct listing *listing, const char *dir)
{
	g_autoptr(GPtrArray) ids = acg_tree_names(dir, "calls");
	GPtrArray *calls = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);

	for (unsigned int i = 0; i < ids->len; i++) {
		JsonObject *info =
			acg_tree_json(NULL, dir, "calls", ids->pdata[i], "info", NULL);

		if (!info)
			continue; /* gone between the listing and the look */
		if (listing->all || strcmp(acg_tree_string(info, "state", "?"), "ended") != 0)
			g_ptr_array_add(calls, info);
		else
			json_object_unref(info);
	}
	return calls;
}

/* Those that are detached, or the others: each in an array, or below a line, of their own. */
static void list_calls(struct listing *listing, const GPtrArray *calls, bool detached, int depth)
{
	bool first = true;

	if (listing->json) {
		json_builder_set_member_name(listing->json, detached ? "detached" : "calls");
		json_builder_begin_array(listing->json);
	}
	for (unsigned int i = 0; i < calls->len; i++) {
		if (is_detached(calls->pdata[i]) != detached)
			continue;
		if (first && detached && !listing->json)
			printf("%*sdetached:\n", depth * 2, "");
		first = false;
		list_call(listing, calls->pdata[i], depth + detached);
	}
	if (listing->json)
		json_builder_end_array(listing->json);
}

static void list_agents(struct listing *listing, const char *dir, int depth);

static void list_agent(struct listing *listing, const char *dir, const char *name, int depth)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) info = acg_tree_json(&error, dir, "info", NULL);
	g_autoptr(GPtrArray) calls = NULL;
	char now[16], peak[16], budget[16];
	g_autofree char *indented = g_strdup_printf("%*s%s", depth * 2, "", name);

	if (!info) {
		if (error->code == EACCES && !listing->json)
			printf("%-24s (for root, and who made it, to see)\n", indented);
		return;
	}
	if (listing->json) {
		json_builder_begin_object(listing->json);
		json_builder_set_member_name(listing->json, "info");
		json_builder_add_value(listing->json,
				       json_node_init_object(json_node_alloc(), info));
	} else {
		printf("%-24s %7s %7s %7s  %s\n", indented,
		       size_text(acg_tree_int(info, "used", -1), now),
		       size_text(acg_tree_int(info, "peak", -1), peak),
		       size_text(acg_tree_int(info, "budget", -1), budget),
		       acg_tree_string(info, "priority", ""));
	}
	calls = read_calls(listing, dir);
	list_calls(listing, calls, false, depth + 1);
	list_calls(listing, calls, true, depth + 1);
	if (listing->json)
		json_builder_set_member_name(listing->json, "agents");
	list_agents(listing, dir, depth + 1);
	if (listing->json)
		json_builder_end_object(listing->json);
}

static void list_agents(struct listing *listing, const char *dir, int depth)
{
	g_autoptr(GPtrArray) agents = acg_tree_names(dir, "agents");

	if (listing->json)
		json_builder_begin_array(listing->json);
	for (unsigned int i = 0; i < agents->len; i++) {
		g_autofree char *below = g_build_filename(dir, "agents", agents->pdata[i], NULL);

		list_agent(listing, below, agents->pdata[i], depth);
	}
	if (listing->json)
		json_builder_end_array(listing->json);
}

static int terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static bool has_agent(const char *root, const char *name)
{
	g_autofree char *path = g_build_filename(root, "agents", name, NULL);

	return access(path, F_OK) == 0;
}

static void list_one(struct listing *listing, const char *dir, const char *name)
{
	g_autofree char *path = name ? g_build_filename(dir, "agents", name, NULL) : NULL;

	if (!listing->json)
		printf("%-24s %7s %7s %7s  %-9s %7s  %s\n", "AGENT / CALL", "NOW", "PEAK", "GRANT",
		       "STATE", "AGE", "COMMAND");
	if (path)
		list_agent(listing, path, name, 0);
	else
		list_agents(listing, dir, 0);
}

int acg_verb_ls(int argc, char **argv)
{
	struct listing listing = {.columns = terminal_columns()};
	gboolean json = FALSE;
	const GOptionEntry entries[] = {
		{"all", 'a', 0, G_OPTION_ARG_NONE, &listing.all,
		 "ended calls that can still be read, too", NULL},
		{"json", 0, 0, G_OPTION_ARG_NONE, &json, "JSON", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("[AGENT]");
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("ls", error);
	if (!acg_tree_is_there(root))
		return acg_no_tree("ls");
	if (argc > 1 && !has_agent(root, argv[1])) {
		fprintf(stderr, "agentcg ls: there is no agent %s; agentcg ls has them all\n",
			argv[1]);
		return 1;
	}
	listing.json = json ? json_builder_new() : NULL;
	list_one(&listing, root, argc > 1 ? argv[1] : NULL);
	if (json) {
		g_autoptr(JsonNode) node = json_builder_get_root(listing.json);
		g_autofree char *text = json_to_string(node, FALSE);

		printf("%s\n", text);
		g_object_unref(listing.json);
	}
	return 0;
}

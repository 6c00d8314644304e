/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg status: the mechanisms in a table. */
#include <stdio.h>
#include <string.h>

#include "tools/tree.h"
#include "tools/verbs.h"

static void print_table(char **lines)
{
	for (; *lines && **lines; lines++) {
		g_auto(GStrv) words = g_strsplit(*lines, " ", 3);

		if (g_strv_length(words) == 3)
			printf("%-14s %-9s %s\n", words[0], words[1], words[2]);
	}
}

/* The scheduler's counters, which are in `metrics`: one row for each. */
static void print_counters(const char *metrics)
{
	static const char prefix[] = "agentcg_sched_events_total{event=\"";
	g_auto(GStrv) lines = g_strsplit(metrics, "\n", -1);

	for (char **at = lines; *at; at++) {
		g_auto(GStrv) words = NULL;

		if (!g_str_has_prefix(*at, prefix))
			continue;
		words = g_strsplit_set(*at + strlen(prefix), "\"} ", -1);
		if (g_strv_length(words) == 4)
			printf("  %-14s %s\n", words[0], words[3]);
	}
}

static int print_verbose(const char *root)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *metrics = acg_tree_read(&error, root, "metrics", NULL);

	if (!metrics) {
		fprintf(stderr, "agentcg status: %s\n", error->message);
		return 1;
	}
	printf("\nscheduler, since it was loaded\n");
	print_counters(metrics);
	return 0;
}

static void print_json(char **lines)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autoptr(JsonNode) root = NULL;
	g_autofree char *text = NULL;

	json_builder_begin_array(builder);
	for (; *lines && **lines; lines++) {
		g_auto(GStrv) words = g_strsplit(*lines, " ", 3);

		if (g_strv_length(words) != 3)
			continue;
		json_builder_begin_object(builder);
		json_builder_set_member_name(builder, "mechanism");
		json_builder_add_string_value(builder, words[0]);
		json_builder_set_member_name(builder, "state");
		json_builder_add_string_value(builder, words[1]);
		json_builder_set_member_name(builder, "reason");
		json_builder_add_string_value(builder, words[2]);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
	root = json_builder_get_root(builder);
	text = json_to_string(root, FALSE);
	printf("%s\n", text);
}

int acg_verb_status(int argc, char **argv)
{
	gboolean json = FALSE, verbose = FALSE;
	const GOptionEntry entries[] = {
		{"json", 0, 0, G_OPTION_ARG_NONE, &json, "one JSON array", NULL},
		{"verbose", 0, 0, G_OPTION_ARG_NONE, &verbose, "the scheduler's counters too",
		 NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("status", error);
	if (!acg_tree_is_there(root))
		return acg_no_tree("status");
	text = acg_tree_read(&error, root, "status", NULL);
	if (!text) {
		fprintf(stderr, "agentcg status: %s\n", error->message);
		return 1;
	}
	lines = g_strsplit(text, "\n", -1);
	if (json)
		print_json(lines);
	else
		print_table(lines);
	return verbose && !json ? print_verbose(root) : 0;
}

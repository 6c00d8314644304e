/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg report: one HTML page of what agents did, from the tree, from history files, or from recorded traces. */
#include <stdio.h>

#include "tools/report.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

static int collect(struct acg_report *report, int argc, char **argv, GError **error)
{
	int ret = 0;

	for (int i = 1; i < argc && !ret; i++)
		ret = acg_report_add_file(report, argv[i], error);
	if (argc == 1)
		acg_report_add_tree(report, acg_tree_find());
	return ret;
}

static int write_page(const char *path, const char *html)
{
	g_autoptr(GError) error = NULL;

	if (!path)
		return fputs(html, stdout) < 0 || fflush(stdout) ? 1 : 0;
	if (g_file_set_contents(path, html, -1, &error))
		return 0;
	fprintf(stderr, "agentcg report: %s\n", error->message);
	return 1;
}

int acg_verb_report(int argc, char **argv)
{
	g_autofree char *output = NULL, *title = NULL;
	const GOptionEntry entries[] = {
		{"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "instead of standard output",
		 "FILE"},
		{"title", 't', 0, G_OPTION_ARG_STRING, &title, "of the page", "TEXT"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("[HISTORY.jsonl|TRACE.json...]");
	g_autoptr(GError) error = NULL;
	g_autofree char *html = NULL;
	struct acg_report report;
	int ret;

	g_option_context_set_summary(
		context, "One self-contained HTML page: memory over time, calls, and what "
			 "happened to them. Without files: of all agents in the tree.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("report", error);
	if (argc == 1 && !acg_tree_is_there(acg_tree_find()))
		return acg_no_tree("report");
	acg_report_init(&report);
	ret = collect(&report, argc, argv, &error);
	if (ret)
		fprintf(stderr, "agentcg report: %s\n", error->message);
	html = ret ? NULL : acg_report_html(&report, title ? title : "agentcg report");
	acg_report_clear(&report);
	return html ? write_page(output, html) : 1;
}

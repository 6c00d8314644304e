/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg run: one command as one tool call (tools/call.h), with options for what it needs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/call.h"
#include "tools/standin.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

static int parse_hints(char **pairs, const char *timeout, const char *cpu, struct acg_hint *hint,
		       GError **error)
{
	int ret = 0;

	for (; pairs && *pairs && !ret; pairs++) {
		struct acg_hint said;

		ret = acg_hint_parse(*pairs, &said, error);
		if (!ret)
			acg_hint_merge(hint, &said);
	}
	if (!ret && cpu)
		ret = acg_hint_set(hint, "cpu", cpu, error);
	if (!ret && timeout)
		ret = acg_hint_set(hint, "timeout", timeout, error);
	return ret;
}

static int run_command(struct acg_run *run)
{
	g_autofree char *text = g_strjoinv(" ", run->argv); /* as a person would type it */
	g_autoptr(GError) error = NULL;
	int ret, status;

	run->text = text;
	run->path = run->argv[0];
	ret = acg_run_open(run, &error);
	if (ret == -ESRCH || (ret && run->agent)) {
		fprintf(stderr, "agentcg run: %s\n", error->message);
		return 1;
	}
	if (ret) {
		if (!run->quiet)
			fprintf(stderr, "agentcg: %s: the command runs without a call of its own\n",
				error->message);
		acg_run_exec(run);
	}
	status = acg_run_wait(run);
	acg_run_clear(run);
	acg_standin_exit(status);
}

int acg_verb_run(int argc, char **argv)
{
	g_autofree char *id = NULL, *agent = NULL, *timeout = NULL, *cpu = NULL;
	g_auto(GStrv) hints = NULL;
	gboolean keep = FALSE, quiet = FALSE;
	const GOptionEntry entries[] = {
		{"id", 'i', 0, G_OPTION_ARG_STRING, &id, "ID of the call (default: a fresh one)",
		 "ID"},
		{"hint", 'H', 0, G_OPTION_ARG_STRING_ARRAY, &hints,
		 "what it needs: memory:high, memory:512m, ...", "HINT"},
		{"cpu", 0, 0, G_OPTION_ARG_STRING, &cpu, "latency, normal or batch", "CLASS"},
		{"timeout", 't', 0, G_OPTION_ARG_STRING, &timeout,
		 "SIGTERM after so long, then kill", "SECONDS"},
		{"agent", 'a', 0, G_OPTION_ARG_STRING, &agent, "in this agent (operators)",
		 "AGENT"},
		{"keep", 0, 0, G_OPTION_ARG_NONE, &keep,
		 "a persistent shell: it survives its command's OOM", NULL},
		{"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "say nothing but the feedback", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("-- COMMAND [ARGUMENT...]");
	g_autoptr(GError) error = NULL;
	struct acg_run run = {0};

	g_option_context_set_strict_posix(context, TRUE);
	g_option_context_set_summary(
		context, "Runs COMMAND as a tool call of its own and returns its exit status.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) ||
	    parse_hints(hints, timeout, cpu, &run.hint, &error) < 0)
		return acg_bad_usage("run", error);
	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		argv++;
		argc--;
	}
	if (argc < 2) {
		fprintf(stderr, "agentcg run: give a command: agentcg run [OPTION...] -- COMMAND "
				"[ARGUMENT...]\n");
		return ACG_EXIT_USAGE;
	}
	run.id = id;
	run.agent = agent;
	run.keep = keep;
	run.quiet = quiet;
	run.argv = argv + 1;
	return run_command(&run);
}

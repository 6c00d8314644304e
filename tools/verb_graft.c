/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg graft and ungraft: an agent's view into the mount namespace of a running process, and out again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fusefs/graft.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

/* Root in a view without being in its agent would be an operator there. */
static int check_inside(const char *directory, const char *agent, pid_t pid, GError **error)
{
	g_autofree char *pids = acg_tree_read(error, directory, "cgroup.procs", NULL);
	g_auto(GStrv) lines = pids ? g_strsplit(pids, "\n", -1) : NULL;
	g_autofree char *wanted = g_strdup_printf("%d", pid);

	if (!pids)
		return *error ? -(*error)->code : -EIO;
	if (g_strv_contains((const char *const *)lines, wanted))
		return 0;
	return acg_fail(error, EPERM,
			"process %d is not in agent %s: first write %d to %s/cgroup.procs, or adopt its cgroup",
			pid, agent, pid, directory);
}

static int graft(const char *tree, const char *agent, const struct acg_sandbox *sandbox, GError **error)
{
	g_autofree char *directory = acg_tree_agent(tree, agent);
	g_autofree char *note = NULL;
	struct acg_view view;
	int ret = acg_view_open(directory, &view, error);

	if (ret)
		return ret;
	ret = check_inside(directory, agent, sandbox->pid, error);
	if (!ret)
		ret = acg_graft_into(&view, sandbox, &note, error);
	acg_view_close(&view);
	if (note)
		fprintf(stderr, "agentcg graft: the view is %s\n", note);
	return ret;
}

int acg_verb_graft(int argc, char **argv)
{
	int pid = 0;
	gboolean force = FALSE;
	const GOptionEntry entries[] = {
		{"pid", 'p', 0, G_OPTION_ARG_INT, &pid, "a process in that mount namespace", "PID"},
		{"force", 'f', 0, G_OPTION_ARG_NONE, &force,
		 "even if it has a cgroupfs that it can write", NULL},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("AGENT");
	struct acg_sandbox sandbox = {0};
	g_autoptr(GError) error = NULL;
	const char *tree;

	g_option_context_set_summary(context, "Shows AGENT's own directory at " ACG_VIEW_SYS " and " ACG_VIEW_RUN
					      " of a running\nprocess and all that share its mounts.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("graft", error);
	if (argc != 2 || pid <= 0) {
		fprintf(stderr, "agentcg graft: give a process and an agent: agentcg graft --pid PID AGENT\n");
		return ACG_EXIT_USAGE;
	}
	sandbox.pid = pid;
	sandbox.force = force;
	tree = acg_tree_find();
	if (!acg_tree_is_there(tree))
		return acg_no_tree("graft");
	if (graft(tree, argv[1], &sandbox, &error) < 0) {
		fprintf(stderr, "agentcg graft: %s\n", error->message);
		return 1;
	}
	return 0;
}

int acg_verb_ungraft(int argc, char **argv)
{
	int pid = 0;
	const GOptionEntry entries[] = {
		{"pid", 'p', 0, G_OPTION_ARG_INT, &pid, "only where this process is", "PID"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;
	int n;

	g_option_context_set_summary(context, "Takes the views of agents out of every mount namespace.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("ungraft", error);
	if (argc != 1 || pid < 0) {
		fprintf(stderr, "usage: agentcg ungraft [--pid PID]\n");
		return ACG_EXIT_USAGE;
	}
	n = acg_ungraft(pid, 0, &error);
	if (n < 0) {
		fprintf(stderr, "agentcg ungraft: %s\n", error->message);
		return 1;
	}
	printf("taken out of %d mount namespaces\n", n);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg enter: runs a command as a process of an agent, in a mount namespace that shows the agent's own directory as the whole
 * tree. Cgroup mounts are read-only in it. It is no sandbox by itself: root in it can mount what it likes; use --user, or a container
 * and agentcg graft.
 */
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "fusefs/graft.h"
#include "tools/tree_text.h"
#include "tools/verbs.h"

static int become(const char *name, GError **error)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		return acg_fail(error, ENOENT, "there is no user %s", name);
	if (initgroups(user->pw_name, user->pw_gid) < 0 ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return acg_fail_errno(error, errno, "cannot become %s", name);
	g_setenv("HOME", user->pw_dir, TRUE);
	g_setenv("USER", user->pw_name, TRUE);
	return 0;
}

static int go_in(const char *tree, const char *agent, GError **error)
{
	g_autofree char *directory = acg_tree_agent(tree, agent);
	g_autofree char *procs = g_build_filename(directory, "cgroup.procs", NULL);
	g_autofree char *note = NULL;
	struct acg_view view;
	int ret = acg_view_open(directory, &view, error);

	if (ret)
		return ret;
	ret = acg_tree_write(procs, "0", error);
	if (!ret && unshare(CLONE_NEWNS) < 0)
		ret = acg_fail_errno(error, errno, "cannot make a mount namespace");
	if (!ret && mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		ret = acg_fail_errno(error, errno, "cannot detach the mounts from the host's");
	if (!ret)
		ret = acg_graft_here(&view, &note, error);
	if (!ret)
		ret = acg_graft_protect_cgroups(error);
	acg_view_close(&view);
	if (note)
		fprintf(stderr, "agentcg enter: the view is %s\n", note);
	g_unsetenv("AGENTCG_FS");
	return ret;
}

static int exec_command(char **command)
{
	int saved;

	execvp(command[0], command);
	saved = errno;
	fprintf(stderr, "agentcg: %s: %s\n", command[0], strerror(saved));
	return saved == ENOENT ? 127 : 126;
}

int acg_verb_enter(int argc, char **argv)
{
	g_autofree char *user = NULL;
	const GOptionEntry entries[] = {
		{"user", 'u', 0, G_OPTION_ARG_STRING, &user, "as this user", "USER"},
		{NULL, 0, 0, 0, NULL, NULL, NULL},
	};
	g_autoptr(GOptionContext) context = g_option_context_new("AGENT [--] COMMAND [ARGUMENT...]");
	g_autoptr(GError) error = NULL;
	const char *tree;

	g_option_context_set_strict_posix(context, TRUE);
	g_option_context_set_summary(context, "Runs COMMAND as a process of AGENT that sees the agent's own "
					      "directory as the whole tree.");
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error))
		return acg_bad_usage("enter", error);
	if (argc > 2 && strcmp(argv[2], "--") == 0) {
		argv[2] = argv[1];
		argv++;
		argc--;
	}
	if (argc < 3) {
		fprintf(stderr, "agentcg enter: give an agent and a command: agentcg enter AGENT -- COMMAND\n");
		return ACG_EXIT_USAGE;
	}
	tree = acg_tree_find();
	if (!acg_tree_is_there(tree))
		return acg_no_tree("enter");
	if (go_in(tree, argv[1], &error) < 0 || (user && become(user, &error) < 0)) {
		fprintf(stderr, "agentcg enter: %s\n", error->message);
		return 1;
	}
	return exec_command(argv + 2);
}

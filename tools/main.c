/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg, as it is started: what stands in front of commands (run, shell) is in this small program, which is ready in the time
 * that a shell takes; everything else is in agentcg-verbs, which loads more libraries, and which it becomes. Called by the name of
 * a shell, or as agentcg-shell, it is `agentcg shell`.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "tools/shell_args.h"
#include "tools/verbs.h"

#define ALL_VERBS "agentcg-verbs"

/* Beside this program (where it was built), else where it is installed. */
static void become_all_verbs(char **argv)
{
	g_autofree char *own = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *directory = own ? g_path_get_dirname(own) : NULL;
	g_autofree char *beside = directory ? g_build_filename(directory, ALL_VERBS, NULL) : NULL;

	if (beside)
		execv(beside, argv);
	execv(ACG_LIBEXECDIR "/" ALL_VERBS, argv);
	fprintf(stderr, "agentcg: %s: %s\n", ACG_LIBEXECDIR "/" ALL_VERBS, strerror(errno));
}

int main(int argc, char **argv)
{
	g_autofree char *base = argc > 0 ? g_path_get_basename(argv[0]) : NULL;

	if (argc < 1)
		return ACG_EXIT_USAGE;
	if (acg_shell_name(argv[0]) || strcmp(base, "agentcg-shell") == 0)
		return acg_verb_shell(argc, argv);
	if (argc > 1 && strcmp(argv[1], "shell") == 0)
		return acg_verb_shell(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "run") == 0) {
		g_set_prgname("agentcg run");
		if (argc > 2 && strcmp(argv[2], "--help") == 0)
			setlocale(LC_ALL, ""); /* nothing else depends on it */
		return acg_verb_run(argc - 1, argv + 1);
	}
	become_all_verbs(argv);
	return 1;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * agentcg, as it is started (tools/front.h). Called by the name of a shell, or as agentcg-shell, it is `agentcg shell`.
 */
#include <stdbool.h>
#include <string.h>

#include "tools/front.h"
#include "tools/shell_args.h"

static bool called_as_shell(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	return acg_shell_name(argv0) || strcmp(slash ? slash + 1 : argv0, "agentcg-shell") == 0;
}

int main(int argc, char **argv)
{
	if (argc < 1)
		return ACG_EXIT_USAGE;
	if (called_as_shell(argv[0]))
		return acg_verb_shell(argc, argv);
	if (argc > 1 && strcmp(argv[1], "shell") == 0)
		return acg_verb_shell(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "run") == 0)
		return acg_verb_run(argc - 1, argv + 1);
	acg_become_verbs(argv);
	return 1;
}

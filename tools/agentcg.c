/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of verbs. The first two are in tools/main.c, and never get here; what has no summary is for agentcg itself. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "tools/verbs.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{"run", NULL, "run a command as a tool call of its own"},
	{"shell", NULL, "in the place of bash: each `-c COMMAND` a tool call"},
	{"adopt", acg_verb_adopt, "make an agent of a container's or a unit's cgroup"},
	{"characterize", acg_verb_characterize, "what recorded agents used"},
	{"doctor", acg_verb_doctor, "what is missing on this host, and how to get it"},
	{"enter", acg_verb_enter, "run a command in an agent that sees only its own directory"},
	{"explain", acg_verb_explain, "why a call got its grant, and what happened to it"},
	{"freeze", acg_verb_freeze, "stop calls, until thaw"},
	{"graft", acg_verb_graft, "show an agent's directory to a running container"},
	{"hook", acg_verb_hook, "answer the hooks of agent frameworks, and install them"},
	{"kill", acg_verb_kill, "kill calls, whole"},
	{"ls", acg_verb_ls, "agents and their calls, with memory and state"},
	{"mcp", acg_verb_mcp, "a server of the Model Context Protocol, for agents"},
	{"oci-hook", acg_verb_oci_hook, "for container engines: a container becomes an agent"},
	{"replay", acg_verb_replay, "recorded agents as real processes"},
	{"report", acg_verb_report, "an HTML page of what agents did"},
	{"set", acg_verb_set, "hints of a call, limits and priority of an agent"},
	{"shell-log", acg_verb_shell_log, NULL},
	{"status", acg_verb_status, "what this host enforces, and why something is off"},
	{"thaw", acg_verb_thaw, "let frozen calls go on"},
	{"top", acg_verb_top, "agents and calls, live in the terminal"},
	{"ungraft", acg_verb_ungraft, "take what graft did back"},
};

static int run(const struct verb *verb, int argc, char **argv)
{
	g_autofree char *program = g_strdup_printf("agentcg %s", verb->name);

	g_set_prgname(program); /* what --help calls it */
	return verb->run(argc, argv);
}

static void usage(FILE *out)
{
	fprintf(out, "usage: agentcg VERB [OPTION...] [ARGUMENT...]\n\n");
	for (unsigned int i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (verbs[i].summary)
			fprintf(out, "  %-12s %s\n", verbs[i].name, verbs[i].summary);
	fprintf(out, "\nagentcg VERB --help says more. The tree is $AGENTCG_FS, else "
		     "/sys/fs/agentcg, else\n"
		     "/run/agentcg/fs. Manual pages: agentcg(1), agentcg(7).\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	setlocale(LC_ALL, "");
	if (!name) {
		usage(stderr);
		return ACG_EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(name, "--version") == 0) {
		printf("agentcg %s\n", PACKAGE_VERSION);
		return 0;
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (verbs[i].run && strcmp(verbs[i].name, name) == 0)
			return run(&verbs[i], argc - 1, argv + 1);
	fprintf(stderr, "agentcg: there is no verb \"%s\"; try agentcg --help\n", name);
	return ACG_EXIT_USAGE;
}

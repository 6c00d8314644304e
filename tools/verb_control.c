/* SPDX-License-Identifier: GPL-2.0-or-later */
/* agentcg freeze, thaw, kill, set: one write to the tree for each, with its refusals in words. An agent's name means all its calls. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/target.h"
#include "tools/verbs.h"

static int write_call(const struct acg_target *target, const char *file, const char *text,
		      GError **error)
{
	g_autofree char *path = g_build_filename(target->agent, target->call ? "calls" : file,
						 target->call, target->call ? file : NULL, NULL);

	return acg_tree_write(path, text, error);
}

static bool is_alive(const char *agent, const char *call)
{
	g_autofree char *state = acg_tree_read(NULL, agent, "calls", call, "state", NULL);

	return state && !g_str_has_prefix(state, "ended");
}

/* The same to each running call of an agent; calls that end meanwhile are no fault. Returns the number of faults. */
static unsigned int write_all(const char *agent, const char *file, const char *text)
{
	g_autoptr(GPtrArray) calls = acg_tree_names(agent, "calls");
	unsigned int faults = 0;

	for (unsigned int i = 0; i < calls->len; i++) {
		struct acg_target target = {(char *)agent, calls->pdata[i]};
		g_autoptr(GError) error = NULL;

		if (!is_alive(agent, calls->pdata[i]) ||
		    write_call(&target, file, text, &error) == 0 ||
		    !is_alive(agent, calls->pdata[i]))
			continue;
		fprintf(stderr, "agentcg: %s\n", error->message);
		faults++;
	}
	return faults;
}

static int control(int argc, char **argv, const char *file, const char *text)
{
	const char *root = acg_tree_find();
	unsigned int faults = 0;

	if (argc < 2 || argv[1][0] == '-') {
		fprintf(argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr,
			"usage: agentcg %s CALL|AGENT/CALL|AGENT...\nAn agent's name means all its "
			"calls; the agent itself goes on.\n",
			argv[0]);
		return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : ACG_EXIT_USAGE;
	}
	if (!acg_tree_is_there(root))
		return acg_no_tree(argv[0]);
	for (int i = 1; i < argc; i++) {
		g_autoptr(GError) error = NULL;
		struct acg_target target;

		if (acg_target_find(root, argv[i], &target, &error) < 0 ||
		    (target.call && write_call(&target, file, text, &error) < 0)) {
			fprintf(stderr, "agentcg %s: %s\n", argv[0], error->message);
			faults++;
		} else if (!target.call) {
			faults += write_all(target.agent, file, text);
		}
		acg_target_clear(&target);
	}
	return faults > 0;
}

int acg_verb_freeze(int argc, char **argv)
{
	return control(argc, argv, "cgroup.freeze", "1\n");
}

int acg_verb_thaw(int argc, char **argv)
{
	return control(argc, argv, "cgroup.freeze", "0\n");
}

int acg_verb_kill(int argc, char **argv)
{
	return control(argc, argv, "cgroup.kill", "1\n");
}

/* --- set ---------------------------------------------------------------------------------------------------- */

/* memory.max=512M is the kernel's file of that name, priority=high the agent's, everything else a hint. */
static int set_one(const struct acg_target *target, const char *pair, GError **error)
{
	const char *equals = strchr(pair, '=');
	g_autofree char *key = equals ? g_strndup(pair, equals - pair) : NULL;
	g_autofree char *path = NULL, *marker = NULL, *line = NULL;

	if (!equals || strchr(pair, '\n') || strchr(key, '/'))
		return acg_fail(error, EINVAL, "\"%s\" is not KEY=VALUE", pair);
	line = g_strconcat(equals + 1, "\n", NULL);
	if (strchr(key, '.') || (!target->call && strcmp(key, "priority") == 0))
		return write_call(target, key, line, error);
	if (!target->call)
		return acg_fail(error, EINVAL,
				"an agent has priority=high|normal|low and the kernel's limits "
				"(memory.max=2G), not \"%s\"",
				pair);
	path = g_build_filename(target->agent, "call", NULL);
	marker = g_strdup_printf("hint %s %s\n", target->call, pair);
	return acg_tree_write(path, marker, error);
}

int acg_verb_set(int argc, char **argv)
{
	const char *root = acg_tree_find();
	g_autoptr(GError) error = NULL;
	struct acg_target target;
	int ret;

	if (argc < 3 || argv[1][0] == '-') {
		fprintf(stderr,
			"usage: agentcg set CALL|AGENT/CALL memory=SIZE|low|medium|high "
			"cpu=CLASS timeout=SECONDS pids=N\n"
			"       agentcg set AGENT priority=high|normal|low memory.max=SIZE ...\n"
			"A key with a dot is the kernel's file of that name.\n");
		return ACG_EXIT_USAGE;
	}
	if (!acg_tree_is_there(root))
		return acg_no_tree(argv[0]);
	ret = acg_target_find(root, argv[1], &target, &error);
	for (int i = 2; i < argc && !ret; i++)
		ret = set_one(&target, argv[i], &error);
	if (ret)
		fprintf(stderr, "agentcg set: %s\n", error->message);
	acg_target_clear(&target);
	return ret ? 1 : 0;
}

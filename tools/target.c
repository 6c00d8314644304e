/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents and calls by name; see the header. */
#include "tools/target.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

void acg_target_each_agent(const char *root, void (*fn)(const char *dir, void *data), void *data)
{
	g_autoptr(GPtrArray) names = acg_tree_names(root, "agents");

	for (unsigned int i = 0; i < names->len; i++) {
		g_autofree char *dir = g_build_filename(root, "agents", names->pdata[i], NULL);

		fn(dir, data);
		acg_target_each_agent(dir, fn, data);
	}
}

static bool has_call(const char *agent, const char *call)
{
	g_autofree char *path = g_build_filename(agent, "calls", call, "state", NULL);

	return access(path, F_OK) == 0;
}

/* "A/B/C": agent A, its sub-agent B, and C, a sub-agent or a call of B's. */
static bool walk(const char *root, char **parts, struct acg_target *ret_target)
{
	g_autofree char *dir = g_strdup(root);

	for (; *parts; parts++) {
		g_autofree char *below = g_build_filename(dir, "agents", *parts, NULL);

		if (access(below, F_OK) == 0) {
			g_free(dir);
			dir = g_steal_pointer(&below);
			continue;
		}
		if (parts[1] || !has_call(dir, *parts))
			return false;
		ret_target->call = g_strdup(*parts);
	}
	ret_target->agent = g_steal_pointer(&dir);
	return true;
}

struct search {
	const char *call;
	GPtrArray *agents; /* directories that have it */
};

static void look_into(const char *dir, void *data)
{
	struct search *search = data;

	if (has_call(dir, search->call))
		g_ptr_array_add(search->agents, g_strdup(dir));
}

static int find_everywhere(const char *root, const char *call, struct acg_target *ret_target,
			   GError **error)
{
	g_autoptr(GPtrArray) agents = g_ptr_array_new_with_free_func(g_free);
	struct search search = {call, agents};

	acg_target_each_agent(root, look_into, &search);
	if (agents->len == 0)
		return acg_fail(error, ENOENT,
				"there is no agent and no call %s: see agentcg ls --all", call);
	if (agents->len > 1)
		return acg_fail(error, EEXIST, "several agents have a call %s: say AGENT/%s", call,
				call);
	ret_target->agent = g_strdup(agents->pdata[0]);
	ret_target->call = g_strdup(call);
	return 0;
}

int acg_target_find(const char *root, const char *name, struct acg_target *ret_target,
		    GError **error)
{
	g_auto(GStrv) parts = g_strsplit(name, "/", -1);
	g_autofree char *self = g_build_filename(root, "self", NULL);

	*ret_target = (struct acg_target){0};
	for (char **part = parts; *part; part++)
		if (!**part || **part == '.')
			return acg_fail(error, EINVAL, "\"%s\" is no name of an agent or call",
					name);
	if (*parts && !parts[1] && has_call(self, name)) {
		ret_target->agent = g_steal_pointer(&self);
		ret_target->call = g_strdup(name);
		return 0;
	}
	if (walk(root, parts, ret_target))
		return 0;
	if (parts[0] && parts[1])
		return acg_fail(error, ENOENT, "there is no %s: see agentcg ls --all", name);
	return find_everywhere(root, name, ret_target, error);
}

void acg_target_clear(struct acg_target *target)
{
	g_free(target->agent);
	g_free(target->call);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cgroups that others made: a container's, a unit's. They are asked for by a write to `adopt`, since a cgroup's path does not fit into
 * the name of a directory that mkdir could make; `agentcg adopt` and the OCI hook write there. What is adopted is written down by
 * cgroup id, which the kernel uses once only: a restart finds it, or knows that it is gone.
 */
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/manager_private.h"
#include "policy/memory_tier.h"

static void count_child(int dirfd, const char *name, void *data)
{
	(void)dirfd;
	(void)name;
	++*(unsigned int *)data;
}

static int check_place(struct acg_manager *manager, const char *path, int dirfd, GError **error)
{
	const char *root = acg_enforcer_cgroup_path(manager->enforcers->pdata[0]);
	size_t len = strlen(root);
	unsigned int children = 0;

	if (strncmp(path, root, len) == 0 && (path[len] == '/' || !path[len]))
		return acg_fail(error, EBUSY, "%s is agentcg's own", path);
	for (const char *at = root; (at = strchr(at + 1, '/'));)
		if (strncmp(path, root, at - root) == 0 && !path[at - root])
			return acg_fail(error, EBUSY, "agentcg lives in %s", path);
	acg_cgroup_each_child(dirfd, count_child, &children);
	if (children)
		return acg_fail(error, EBUSY,
				"%s has cgroups below it, which somebody else manages", path);
	return 0;
}

static int check_adopted(struct acg_manager *manager, const char *path, GError **error)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, manager->engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;
		size_t len = agent->adopted ? strlen(agent->adopted) : 0;

		if (len && strncmp(path, agent->adopted, len) == 0 &&
		    (path[len] == '/' || !path[len]))
			return acg_fail(error, EBUSY, "%s is agent %s's already", path,
					agent->name);
	}
	return 0;
}

/* "/a/b": absolute, with nothing in it that leads elsewhere. */
static int check_path(const char *path, GError **error)
{
	g_autofree char *canonical = g_canonicalize_filename(path, "/");

	if (path[0] != '/' || strcmp(canonical, path) != 0 || strcmp(path, "/") == 0)
		return acg_fail(error, EINVAL, "\"%s\" is no cgroup's path as in /proc/PID/cgroup",
				path);
	return 0;
}

static bool has_cgroups(const struct acg_manager *manager)
{
	const struct acg_enforcer *first =
		manager->enforcers->len ? manager->enforcers->pdata[0] : NULL;

	return first && strcmp(first->ops->name, "cgroup") == 0;
}

static int add(struct acg_manager *manager, const char *name, const char *namespace,
	       const char *path, const uint64_t controls[ACG_N_CONTROLS],
	       struct acg_agent **ret_agent, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	struct acg_agent *agent;
	int ret = acg_engine_agent_add(manager->engine, NULL, name, namespace, NULL, 0, now,
				       actions, &agent, error);

	if (ret)
		return ret;
	acg_engine_agent_adopts(manager->engine, agent, path, controls, actions);
	ret = acg_manager_apply(manager, actions, now, error);
	if (ret) {
		acg_engine_agent_failed(manager->engine, agent);
		return ret;
	}
	*ret_agent = agent;
	return 0;
}

/* --- memcg_bpf_ops ------------------------------------------------------------------------------------------ */

struct adopted_link {
	struct acg_manager *manager;
	uint64_t id; /* of the agent's cgroup */
};

static void say_delayed(struct acg_manager *manager, struct acg_agent *agent, bool on,
			const char *why_not)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();

	acg_engine_agent_delayed(manager->engine, agent, on, actions);
	acg_manager_apply_all(manager, actions, now);
	if (why_not)
		acg_manager_event(manager, &agent->node, "memcg_bpf_ops_lost", NULL, why_not, now);
}

static gboolean on_link_lost(int fd, GIOCondition condition, void *data)
{
	const struct adopted_link *link = data;
	struct acg_manager *manager = link->manager;
	struct acg_node *node = acg_registry_node(manager->engine->registry, link->id);

	(void)fd;
	(void)condition;
	acg_memory_tier_adopted_lost(manager->memory, link->id);
	if (!node)
		return G_SOURCE_REMOVE;
	g_hash_table_remove(manager->adopted_links, node->agent);
	say_delayed(manager, node->agent, false, "somebody detached its programs");
	return G_SOURCE_REMOVE;
}

void acg_manager_link_adopted(struct acg_manager *manager, struct acg_agent *agent)
{
	g_autoptr(GError) error = NULL;
	struct adopted_link *link;
	unsigned int source;
	int fd;

	if (!agent->adopted || !agent->node.group || !manager->memory ||
	    g_hash_table_contains(manager->adopted_links, agent))
		return;
	acg_memory_tier_adopt(manager->memory, agent->node.id, agent->node.group->dirfd, &fd,
			      &error);
	say_delayed(manager, agent, !error, error ? error->message : NULL);
	if (fd < 0)
		return;
	link = g_new(struct adopted_link, 1);
	*link = (struct adopted_link){manager, agent->node.id};
	source = g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, G_IO_HUP, on_link_lost, link, g_free);
	g_hash_table_insert(manager->adopted_links, agent, GUINT_TO_POINTER(source));
}

void acg_manager_unlink_adopted(struct acg_manager *manager, const struct acg_agent *agent)
{
	if (!agent->adopted || !manager->memory)
		return;
	g_hash_table_remove(manager->adopted_links, agent);
	acg_memory_tier_drop(manager->memory, agent->node.id);
}

/* --- adopting ----------------------------------------------------------------------------------------------- */

int acg_manager_adopt(struct acg_manager *manager, const char *name, const char *namespace,
		      const char *path, struct acg_agent **ret_agent, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	uint64_t controls[ACG_N_CONTROLS];
	int dirfd, ret;

	if (!has_cgroups(manager))
		return acg_fail(error, ENOTSUP, "there are no cgroups in a dry run");
	ret = namespace ? acg_name_check(namespace, error) : 0;
	if (!ret)
		ret = check_path(path, error);
	if (!ret)
		ret = check_adopted(manager, path, error);
	if (!ret)
		ret = acg_enforcer_cgroup_open(manager->enforcers->pdata[0], path, &dirfd, controls,
					       error);
	if (ret)
		return ret;
	ret = check_place(manager, path, dirfd, error);
	close(dirfd);
	if (!ret)
		ret = add(manager, name, namespace, path, controls, ret_agent, error);
	if (ret)
		return ret;
	acg_manager_link_adopted(manager, *ret_agent);
	acg_engine_agent_made(manager->engine, *ret_agent, actions);
	acg_manager_apply_all(manager, actions, acg_manager_now());
	acg_manager_save_adopted(manager);
	return 0;
}

/* --- across restarts ---------------------------------------------------------------------------------------- */

/* A line each: cgroup id, the limits that it came with, name, path. */
void acg_manager_save_adopted(struct acg_manager *manager)
{
	g_autofree char *file = g_build_filename(manager->run_dir, "adopted", NULL);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) error = NULL;
	GHashTableIter iter;
	void *value;

	if (manager->dry_run)
		return;
	g_hash_table_iter_init(&iter, manager->engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_agent *agent = value;

		if (!agent->adopted)
			continue;
		g_string_append_printf(text, "%" G_GUINT64_FORMAT, agent->node.id);
		for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
			g_string_append_printf(text, " %" G_GUINT64_FORMAT,
					       agent->adopted_controls[i]);
		g_string_append_printf(text, " %s %s\n", agent->name, agent->adopted);
	}
	if (!g_file_set_contents(file, text->str, text->len, &error))
		manager->log(LOG_ERR, error->message, NULL, NULL);
}

static void read_line(struct acg_manager *manager, const char *line, acg_adopted_fn fn, void *data)
{
	g_auto(GStrv) words = g_strsplit(line, " ", ACG_N_CONTROLS + 3);
	uint64_t was[ACG_N_CONTROLS], is[ACG_N_CONTROLS];
	const char *path;
	struct stat st;
	int dirfd;

	if (g_strv_length(words) != ACG_N_CONTROLS + 3)
		return;
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		was[i] = g_ascii_strtoull(words[1 + i], NULL, 10);
	path = words[ACG_N_CONTROLS + 2];
	if (acg_enforcer_cgroup_open(manager->enforcers->pdata[0], path, &dirfd, is, NULL) < 0)
		return; /* it has ended meanwhile */
	if (fstat(dirfd, &st) == 0 && st.st_ino == g_ascii_strtoull(words[0], NULL, 10))
		fn(data, words[ACG_N_CONTROLS + 1], path, dirfd, was);
	close(dirfd);
}

void acg_manager_each_adopted(struct acg_manager *manager, acg_adopted_fn fn, void *data)
{
	g_autofree char *file = g_build_filename(manager->run_dir, "adopted", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!has_cgroups(manager) || !g_file_get_contents(file, &text, NULL, NULL))
		return;
	lines = g_strsplit(text, "\n", -1);
	for (unsigned int i = 0; lines[i]; i++)
		read_line(manager, lines[i], fn, data);
}

void acg_manager_not_adopted(struct acg_manager *manager, const char *why)
{
	acg_manager_event(manager, NULL, "not_adopted", NULL, why, acg_manager_now());
	manager->log(LOG_NOTICE, why, NULL, NULL);
}

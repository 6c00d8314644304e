/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart: what lies in the cgroup root already becomes the registry. An agent is a directory with `self` in it, a
 * call is call-ID, a sub-agent agent-SUB; anything else is not ours and left alone.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/grant.h"
#include "policy/manager_private.h"

static void restore_agent(struct acg_manager *manager, struct acg_agent *parent, const char *name,
			  struct acg_time now);

static int attach(struct acg_manager *manager, struct acg_node *node, const char *name,
		  struct acg_time now)
{
	struct acg_action action = {.type = ACG_DO_ATTACH, .node = node, .name = name};
	g_autoptr(GArray) actions = acg_actions_new();
	g_autoptr(GError) error = NULL;
	int ret;

	memcpy(node->controls, acg_control_defaults, sizeof(acg_control_defaults));
	g_array_append_val(actions, action);
	ret = acg_manager_apply(manager, actions, now, &error);
	if (ret)
		manager->log(LOG_WARNING, error->message, NULL, NULL);
	return ret;
}

static void restore_call(struct acg_manager *manager, struct acg_agent *agent, const char *id,
			 struct acg_time now)
{
	struct acg_begin begin = {.id = id};
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_call *call;

	if (acg_engine_begin(manager->engine, agent, &begin, now, actions, &call, NULL) < 0)
		return;
	g_array_index(actions, struct acg_action, 0).type = ACG_DO_ATTACH;
	call->inhabited = true;
	if (acg_manager_apply(manager, actions, now, NULL) < 0) {
		acg_engine_begin_failed(manager->engine, call);
		return;
	}
	g_array_set_size(actions, 0);
	acg_engine_begun(manager->engine, call, actions);
	acg_manager_apply_all(manager, actions, now);
	if (!acg_manager_read_usage(manager, &call->node).populated)
		acg_manager_vacated(manager, call, false, now);
}

static void each_directory(int dirfd,
			   void (*fn)(struct acg_manager *, struct acg_agent *, const char *,
				      struct acg_time),
			   struct acg_manager *manager, struct acg_agent *agent, const char *prefix,
			   struct acg_time now)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && g_str_has_prefix(entry->d_name, prefix) &&
		    acg_name_check(entry->d_name + strlen(prefix), NULL) == 0)
			fn(manager, agent, entry->d_name + strlen(prefix), now);
	closedir(dir);
}

static void restore_agent(struct acg_manager *manager, struct acg_agent *parent, const char *name,
			  struct acg_time now)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_agent *agent;

	if (acg_engine_agent_add(manager->engine, parent, name, NULL, NULL, 0, now, actions, &agent,
				 NULL) < 0)
		return;
	if (attach(manager, &agent->node, agent->name, now) ||
	    attach(manager, &agent->self, "self", now)) {
		acg_engine_agent_failed(manager->engine, agent);
		return;
	}
	g_array_remove_range(actions, 0, 2); /* the two that make what is there already */
	acg_manager_apply_all(manager, actions, now);
	each_directory(agent->node.group->dirfd, restore_call, manager, agent, "call-", now);
	each_directory(agent->node.group->dirfd, restore_agent, manager, agent, "agent-", now);
}

static void restore_top(struct acg_manager *manager, struct acg_agent *none, const char *name,
			struct acg_time now)
{
	int root = acg_enforcer_cgroup_dirfd(manager->enforcers->pdata[0]);
	g_autofree char *self = g_strconcat(name, "/self", NULL);

	if (faccessat(root, self, F_OK, 0) == 0)
		restore_agent(manager, none, name, now);
}

void acg_manager_restore(struct acg_manager *manager, struct acg_time now)
{
	const struct acg_enforcer *first =
		manager->enforcers->len ? manager->enforcers->pdata[0] : NULL;

	if (!first || strcmp(first->ops->name, "cgroup") != 0)
		return;
	each_directory(acg_enforcer_cgroup_dirfd(first), restore_top, manager, NULL, "", now);
}

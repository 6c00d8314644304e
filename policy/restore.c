/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a restart: what lies in the cgroup root already becomes the registry. An agent is a directory with `self` in it, a
 * call is call-ID, a sub-agent agent-SUB; anything else is not ours and left alone. What the kernel does not know itself is in
 * their attributes (state.h), ended calls are in the history.
 *
 * First everything is found, then events are taken up, which belong to agents, then each is gone on with: what was half begun is
 * finished or removed, what has no process any more ends. Callers may be waiting meanwhile, so limits, which are in force as a rule,
 * are left for later: then the kernel's files are read, and what is not as it ought to be is set.
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/cgroupfs.h"
#include "policy/grant.h"
#include "policy/manager_private.h"
#include "policy/state.h"

/* A call that was found, to be gone on with. */
struct found {
	struct acg_call *call;
	bool told;      /* that it has begun */
	bool populated; /* whoever leaves later is heard of */
};

struct restore {
	struct acg_manager *manager;
	struct acg_time now;
	GPtrArray *agents; /* struct acg_agent, enclosing ones first */
	GArray *calls;     /* struct found */
};

static void find_agent(struct restore *restore, struct acg_agent *parent, int dirfd,
		       const char *name);

static void report(struct restore *restore, struct acg_node *node, const GError *error)
{
	g_autofree char *path = acg_agent_path(node->agent);
	const struct acg_call *call = acg_node_call(node);

	restore->manager->log(LOG_WARNING, error->message, path, call ? call->id : NULL);
}

static int attach(struct restore *restore, struct acg_node *node, const char *name)
{
	struct acg_action action = {.type = ACG_DO_ATTACH, .node = node, .name = name};
	g_autoptr(GArray) actions = acg_actions_new();
	g_autoptr(GError) error = NULL;
	int ret;

	memcpy(node->controls, acg_control_defaults, sizeof(acg_control_defaults));
	g_array_append_val(actions, action);
	ret = acg_manager_apply(restore->manager, actions, restore->now, &error);
	if (ret)
		report(restore, node, error);
	return ret;
}

/* The text of the node's attribute, NULL if there is none; one that cannot be read is left alone. */
static char *attribute_of(struct restore *restore, struct acg_node *node)
{
	g_autoptr(GError) error = NULL;
	char *text = acg_state_get(node->group->dirfd, &error);

	if (error)
		report(restore, node, error);
	return text;
}

static void state_is_unknown(struct restore *restore, struct acg_node *node, const GError *error)
{
	node->state_unknown = true;
	report(restore, node, error);
}

/* --- ended calls -------------------------------------------------------------------------------------------- */

static bool was_forgotten(const struct acg_agent *agent, uint64_t id)
{
	for (unsigned int i = 0; i < agent->forgotten->len; i++)
		if (g_array_index(agent->forgotten, uint64_t, i) == id)
			return true;
	return false;
}

/* What else is in the line is read when somebody asks for the call. */
static void find_past(struct acg_engine *engine, struct acg_agent *agent, const char *line,
		      struct acg_time now)
{
	struct acg_state_past past;
	struct acg_call *call;

	if (acg_state_scan_past(line, now, &past, NULL) < 0)
		return;
	call = acg_engine_call_past(engine, agent, past.id);
	if (!call)
		return;
	call->node.id = past.cgroup;
	call->start = call->end = past.end;
	call->past_line = g_strdup(line);
	acg_engine_call_past_known(engine, call);
}

/* Those that somebody removed, or that are too old, were there only to tell that they are recorded. */
static void drop_forgotten(struct acg_engine *engine, struct acg_agent *agent, struct acg_time now)
{
	g_autoptr(GList) calls = g_hash_table_get_values(agent->calls);

	for (GList *at = calls; at; at = at->next) {
		struct acg_call *call = at->data;

		if (call->state == ACG_CALL_ENDED && was_forgotten(agent, call->node.id))
			acg_engine_forget_past(engine, call);
	}
	acg_engine_expire(engine, agent, now);
}

/* The last lines of the agent's history, as many as ended calls are kept; those from after the restart are known already. */
static void find_ended(void *data, struct acg_agent *agent)
{
	struct acg_manager *manager = data;
	struct acg_time now = acg_manager_now();
	g_autofree char *path = acg_agent_path(agent);
	g_autoptr(GString) text = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;

	if (acg_history_tail(manager->history, path, ACG_ENDED_KEPT, text, NULL) < 0)
		return;
	lines = g_strsplit(text->str, "\n", -1);
	for (unsigned int i = g_strv_length(lines); i-- > 0;)
		find_past(manager->engine, agent, lines[i], now);
	drop_forgotten(manager->engine, agent, now);
}

/* --- calls -------------------------------------------------------------------------------------------------- */

/* False: the daemon was killed while it began the call, and nobody came in. */
static bool read_call(struct restore *restore, struct found *found)
{
	const struct acg_last *last = &restore->manager->last;
	struct acg_call *call = found->call;
	g_autofree char *text = attribute_of(restore, &call->node);
	g_autoptr(GError) error = NULL;
	bool asked;

	if (text && acg_state_read_call(text, call, &error) < 0)
		state_is_unknown(restore, &call->node, error);
	asked = last->request && call->request == last->request;
	found->told = !asked || call->request_step + 1 < last->steps;
	if (found->populated)
		return true;
	return text && (!asked || last->finished || call->request_step < last->steps);
}

/* An empty cgroup may be of a call that is in the history already: the daemon was killed before it was removed. */
static bool is_past(struct acg_manager *manager, const struct found *found)
{
	const struct acg_node *node = &found->call->node;
	g_autofree char *cgroup = g_strdup_printf("\"cgroup\":%" G_GUINT64_FORMAT "}", node->id);
	g_autofree char *path = acg_agent_path(node->agent);
	g_autoptr(GString) text = g_string_new(NULL);

	if (found->populated || found->call->recorded || !manager->history)
		return found->call->recorded;
	acg_history_tail(manager->history, path, ACG_ENDED_KEPT, text, NULL);
	return strstr(text->str, cgroup);
}

static void find_call(struct restore *restore, struct acg_agent *agent, const char *id)
{
	struct acg_manager *manager = restore->manager;
	struct found found;
	bool begun, past;

	if (acg_engine_call_found(manager->engine, agent, id, restore->now, &found.call) < 0)
		return;
	if (attach(restore, &found.call->node, found.call->id) < 0) {
		acg_engine_begin_failed(manager->engine, found.call);
		return;
	}
	found.populated = acg_cgroup_populated(found.call->node.group->dirfd);
	begun = read_call(restore, &found);
	past = begun && is_past(manager, &found);
	if (begun && !past) {
		g_array_append_val(restore->calls, found);
		return;
	}
	/* As if it had never been. The marker of one that is half begun is sent again. */
	acg_manager_discard(manager, &found.call->node);
	acg_engine_begin_failed(manager->engine, found.call);
	if (past) /* its ID may not have been counted yet */
		find_ended(manager, agent);
}

/* Its limits are taken to be in force. */
static void leave_limits(struct restore *restore, const struct acg_node *node, GArray *actions)
{
	for (unsigned int i = actions->len; i-- > 0;)
		if (g_array_index(actions, struct acg_action, i).type == ACG_DO_SET)
			g_array_remove_index(actions, i);
	g_array_append_val(restore->manager->unread, node->id);
}

static void go_on_with_call(struct restore *restore, const struct found *found)
{
	struct acg_manager *manager = restore->manager;
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_call *call = found->call;

	acg_engine_call_restored(manager->engine, call, found->told, restore->now, actions);
	leave_limits(restore, &call->node, actions);
	acg_manager_apply_all(manager, actions, restore->now);
	if (call->ending)
		acg_manager_vacated(manager, call, false, restore->now);
	else if (call->inhabited && !call->by_mkdir && !found->populated)
		acg_manager_vacated(manager, call, true, restore->now);
}

/* --- agents ------------------------------------------------------------------------------------------------- */

static void each_directory(struct restore *restore, struct acg_agent *agent, int dirfd,
			   void (*fn)(struct restore *, struct acg_agent *, int, const char *))
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			fn(restore, agent, fd, entry->d_name);
	closedir(dir);
}

static void read_agent(struct restore *restore, struct acg_agent *agent)
{
	g_autofree char *text = attribute_of(restore, &agent->node);
	g_autoptr(GError) error = NULL;
	uint64_t events = 0;

	if (!text)
		return;
	if (acg_state_read_agent(text, restore->manager->engine, agent, &events, &error) < 0)
		state_is_unknown(restore, &agent->node, error);
	acg_eventlog_start(acg_manager_eventlog(restore->manager, agent), events);
}

/*
 * One without `self` that has our attribute: the daemon was killed while it made or removed it, or somebody removed what was empty, as
 * systemd does when the unit that it lies in stops. With processes in it it is gone on with.
 */
static bool is_whole_agent(int parent, int dirfd, const char *name)
{
	g_autofree char *text = NULL;

	if (acg_cgroup_has(dirfd, "self"))
		return true;
	text = acg_state_get(dirfd, NULL);
	if (!text)
		return false;
	if (acg_cgroup_populated(dirfd))
		return mkdirat(dirfd, "self", 0755) == 0;
	acg_cgroup_remove(parent, name, NULL); /* with the calls that had ended */
	return false;
}

static void find_directory(struct restore *restore, struct acg_agent *parent, int at,
			   const char *directory, const char *name)
{
	int dirfd = openat(at, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return;
	if (is_whole_agent(at, dirfd, directory))
		find_agent(restore, parent, dirfd, name);
	close(dirfd);
}

static void find_below(struct restore *restore, struct acg_agent *agent, int at, const char *name)
{
	if (g_str_has_prefix(name, "call-"))
		find_call(restore, agent, name + strlen("call-"));
	else if (g_str_has_prefix(name, "agent-"))
		find_directory(restore, agent, at, name, name + strlen("agent-"));
}

static void find_top(struct restore *restore, struct acg_agent *none, int at, const char *name)
{
	find_directory(restore, none, at, name, name);
}

static void take_agent(struct restore *restore, struct acg_agent *agent, int dirfd)
{
	struct acg_engine *engine = restore->manager->engine;

	if (attach(restore, &agent->node, agent->name) || attach(restore, &agent->self, "self")) {
		acg_manager_forget_log(restore->manager, agent);
		acg_engine_agent_failed(engine, agent);
		return;
	}
	read_agent(restore, agent);
	g_ptr_array_add(restore->agents, agent);
	each_directory(restore, agent, dirfd, find_below);
}

static void find_agent(struct restore *restore, struct acg_agent *parent, int dirfd,
		       const char *name)
{
	struct acg_agent *agent;

	if (acg_engine_agent_found(restore->manager->engine, parent, name, restore->now, &agent) ==
	    0)
		take_agent(restore, agent, dirfd);
}

static void find_adopted(void *data, const char *name, const char *path, int dirfd,
			 const uint64_t controls[ACG_N_CONTROLS])
{
	struct restore *restore = data;
	struct acg_agent *agent;

	if (!acg_cgroup_has(dirfd, "self") ||
	    acg_engine_agent_found(restore->manager->engine, NULL, name, restore->now, &agent) < 0)
		return;
	acg_registry_adopt(restore->manager->engine->registry, agent, path);
	memcpy(agent->adopted_controls, controls, sizeof(agent->adopted_controls));
	acg_grant_agent(restore->manager->engine, agent);
	take_agent(restore, agent, dirfd);
}

/* Somebody removed the folder where histories lie: that cannot be had back, but is not kept silent. */
static void say_what_is_lost(struct restore *restore, struct acg_agent *agent)
{
	struct acg_manager *manager = restore->manager;
	g_autofree char *path = acg_agent_path(agent);
	g_autoptr(GString) last = g_string_new(NULL);
	g_autofree char *text = NULL;

	if (manager->last_event || !agent->counters.ended || !manager->history ||
	    !manager->policy->history_max ||
	    acg_history_tail(manager->history, path, 1, last, NULL) < 0 || last->len)
		return;
	text = g_strdup_printf("the history of the %" G_GUINT64_FORMAT
			       " calls that have ended is gone from %s",
			       agent->counters.ended, manager->run_dir);
	acg_manager_event(manager, &agent->node, "history_lost", NULL, text, restore->now);
	manager->log(LOG_WARNING, text, path, NULL);
}

static void go_on_with_agent(struct restore *restore, struct acg_agent *agent)
{
	g_autoptr(GArray) actions = acg_actions_new();
	bool made = agent->made;

	acg_engine_agent_restored(restore->manager->engine, agent, actions);
	if (restore->manager->history) {
		agent->past = &restore->manager->past;
		agent->past->n_agents++;
	}
	if (made)
		leave_limits(restore, &agent->node, actions);
	acg_manager_apply_all(restore->manager, actions, restore->now);
	acg_manager_link_adopted(restore->manager, agent);
}

/* --- limits -------------------------------------------------------------------------------------------------- */

static void read_back(struct acg_manager *manager, struct acg_node *node)
{
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->read_back)
			enforcer->ops->read_back(enforcer, node);
	}
}

static void restore_limits_of(struct acg_manager *manager, struct acg_node *node)
{
	g_autoptr(GArray) actions = acg_actions_new();

	read_back(manager, node);
	if (node->kind == ACG_KIND_AGENT) {
		read_back(manager, &node->agent->self);
		acg_agent_calls(node->agent);
	}
	acg_engine_limits(manager->engine, node, actions);
	acg_manager_apply_all(manager, actions, acg_manager_now());
	acg_manager_watch_limit(manager, node);
}

static void restore_next_limits(struct acg_manager *manager)
{
	GArray *unread = manager->unread;
	struct acg_node *node = acg_registry_node(
		manager->engine->registry, g_array_index(unread, uint64_t, unread->len - 1));

	g_array_set_size(unread, unread->len - 1);
	if (node && node->group) /* else it has gone meanwhile */
		restore_limits_of(manager, node);
}

static gboolean on_unread(void *data)
{
	struct acg_manager *manager = data;

	restore_next_limits(manager);
	if (manager->unread->len)
		return G_SOURCE_CONTINUE;
	manager->unread_source = 0;
	return G_SOURCE_REMOVE;
}

void acg_manager_restore_limits(struct acg_manager *manager, bool later)
{
	while (manager->unread->len && !later)
		restore_next_limits(manager);
	if (manager->unread->len)
		manager->unread_source =
			g_idle_add_full(G_PRIORITY_DEFAULT, on_unread, manager, NULL);
}

/* A call either lives or has ended: what was counted before is made to fit what was found. */
static void count_ended(struct acg_agent *agent)
{
	agent->counters.begun = MAX(agent->counters.begun, agent->n_alive);
	agent->counters.ended = agent->counters.begun - agent->n_alive;
}

void acg_manager_restore(struct acg_manager *manager, struct acg_time now)
{
	const struct acg_enforcer *first =
		manager->enforcers->len ? manager->enforcers->pdata[0] : NULL;
	g_autoptr(GPtrArray) agents = g_ptr_array_new();
	g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(struct found));
	struct restore restore = {manager, now, agents, calls};

	manager->past = (struct acg_past){.find = find_ended, .data = manager};
	manager->engine->registry->past = &manager->past;
	if (first && strcmp(first->ops->name, "cgroup") == 0)
		each_directory(&restore, NULL, acg_enforcer_cgroup_dirfd(first), find_top);
	acg_manager_each_adopted(manager, find_adopted, &restore);
	acg_manager_restore_events(manager);
	for (unsigned int i = 0; i < agents->len; i++)
		go_on_with_agent(&restore, agents->pdata[i]);
	for (unsigned int i = 0; i < calls->len; i++)
		go_on_with_call(&restore, &g_array_index(calls, struct found, i));
	for (unsigned int i = 0; i < agents->len; i++) {
		count_ended(agents->pdata[i]);
		say_what_is_lost(&restore, agents->pdata[i]);
	}
	if (first && strcmp(first->ops->name, "cgroup") == 0)
		acg_manager_find_lost(manager);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a successor will need: attributes of the cgroups, and events with their numbers. */
#include <string.h>
#include <syslog.h>

#include "policy/manager_private.h"
#include "policy/record.h"
#include "policy/state.h"

/* Numbers of events are set aside in blocks, so that the root's attribute is written once a block. */
#define EVENTS_AHEAD  1000

#define ANCESTORS_MAX 64

static int root_dirfd(const struct acg_manager *manager)
{
	const struct acg_enforcer *first =
		manager->enforcers->len ? manager->enforcers->pdata[0] : NULL;

	return first && strcmp(first->ops->name, "cgroup") == 0 ? acg_enforcer_cgroup_dirfd(first)
								: -1;
}

static void put(struct acg_manager *manager, int dirfd, const char *text)
{
	g_autoptr(GError) error = NULL;

	if (acg_state_put(dirfd, text, &error) == 0 || manager->state_error)
		return;
	manager->state_error = g_strdup(error->message);
	manager->log(LOG_WARNING, error->message, NULL, NULL);
}

void acg_manager_save(struct acg_manager *manager, struct acg_node *node)
{
	g_autofree char *text = NULL;

	if (!node->group || node->group->dirfd < 0 || node->state_unknown)
		return;
	if (node->kind == ACG_KIND_CALL)
		text = acg_state_call(acg_node_call(node));
	else if (node->kind == ACG_KIND_AGENT)
		text = acg_state_agent(node->agent,
				       acg_manager_eventlog(manager, node->agent)->next);
	if (text)
		put(manager, node->group->dirfd, text);
}

void acg_manager_save_root(struct acg_manager *manager, uint64_t events)
{
	g_autofree char *text = acg_state_root(events);
	int dirfd = root_dirfd(manager);

	if (dirfd < 0)
		return;
	manager->events_set_aside = events;
	put(manager, dirfd, text);
}

/* --- events ------------------------------------------------------------------------------------------------- */

/* True if it is the last that an earlier daemon did before it was killed: not to be said twice. */
static bool said_before(const struct acg_manager *manager, const char *event,
			const char *agent_path, const struct acg_call *call)
{
	return manager->last_event &&
	       acg_state_is_event(manager->last_event, event, agent_path, call ? call->id : NULL);
}

static void keep_event(struct acg_manager *manager, struct acg_agent *agent, const char *line)
{
	struct acg_eventring_place places[ANCESTORS_MAX];
	unsigned int n = 0;

	for (; agent && n < ANCESTORS_MAX; agent = agent->parent)
		if (agent->node.id)
			places[n++] = (struct acg_eventring_place){
				agent->node.id, acg_manager_eventlog(manager, agent)->next};
	acg_eventring_append(&manager->event_ring, manager->event_seq, line, strlen(line), places,
			     n);
}

void acg_manager_event(struct acg_manager *manager, struct acg_node *node, const char *event,
		       const char *cause, const char *text, struct acg_time now)
{
	struct acg_agent *agent = node ? node->agent : NULL;
	const struct acg_call *call = node ? acg_node_call(node) : NULL;
	g_autofree char *path = agent ? acg_agent_path(agent) : NULL;
	g_autofree char *json = NULL;
	char *line;

	if (said_before(manager, event, path, call))
		return;
	if (manager->event_seq >= manager->events_set_aside)
		acg_manager_save_root(manager, manager->event_seq + EVENTS_AHEAD);
	json = acg_record_event(++manager->event_seq, now, event, path, call ? call->id : NULL,
				cause, text);
	keep_event(manager, agent, json);
	line = g_ref_string_new(json);
	acg_eventlog_append(&manager->events, line);
	manager->listener.event(manager->listener.data, NULL);
	for (; agent; agent = agent->parent) {
		acg_eventlog_append(acg_manager_eventlog(manager, agent), line);
		manager->listener.event(manager->listener.data, agent);
	}
	g_ref_string_release(line);
}

/* --- after a restart ---------------------------------------------------------------------------------------- */

static void append_kept(struct acg_eventlog *log, uint64_t position, char *line)
{
	if (!log->lines.length)
		acg_eventlog_start(log, position);
	acg_eventlog_append(log, line);
}

static void found_event(uint64_t seq, const char *text, size_t len,
			const struct acg_eventring_place *places, unsigned int n_places, void *data)
{
	struct acg_manager *manager = data;
	char *line = g_ref_string_new_len(text, len);

	manager->event_seq = seq;
	append_kept(&manager->events, seq - 1, line);
	for (unsigned int i = 0; i < n_places; i++) {
		struct acg_node *node =
			acg_registry_node(manager->engine->registry, places[i].agent);

		if (node && node->kind == ACG_KIND_AGENT)
			append_kept(acg_manager_eventlog(manager, node->agent), places[i].position,
				    line);
	}
	g_ref_string_release(line);
}

static void go_on_numbering(struct acg_manager *manager)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = NULL;
	int dirfd = root_dirfd(manager);

	if (dirfd < 0)
		return;
	text = acg_state_get(dirfd, &error);
	if (text && acg_state_read_root(text, &manager->events_set_aside, &error) == 0 &&
	    !manager->event_seq)
		manager->event_seq = manager->events_set_aside;
	if (error)
		manager->log(LOG_WARNING, error->message, NULL, NULL);
}

void acg_manager_restore_events(struct acg_manager *manager)
{
	acg_eventring_each(&manager->event_ring, found_event, manager);
	manager->last_event = g_strdup(g_queue_peek_tail(&manager->events.lines));
	go_on_numbering(manager);
	if (!manager->events.lines.length)
		acg_eventlog_start(&manager->events, manager->event_seq);
}

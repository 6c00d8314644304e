/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager's operations: decide (engine), do (apply.c), say how it went. */
#include <glib-unix.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "policy/auto.h"
#include "policy/cgroupfs.h"
#include "policy/manager_private.h"
#include "policy/memory_tier.h"
#include "policy/procfs.h"

#define REFUSALS_PER_SECOND                                                                        \
	2 /* of one agent that are told in events and the log; all are counted */
#define REFUSALS_BURST    50
#define EVENTS_KEPT       1000
#define ROOT_EVENTS_BYTES (1024 * 1024)
#define AGENT_EVENTS_BYTES                                                                         \
	(64 * 1024) /* an agent cannot make the daemon hold more than this of its doings */

struct acg_time acg_manager_now(void)
{
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	return (struct acg_time){g_get_monotonic_time(),
				 real.tv_sec * G_USEC_PER_SEC + real.tv_nsec / 1000};
}

static void eventlog_free(void *log)
{
	acg_eventlog_clear(log);
	g_free(log);
}

static void ignore_event(void *data, struct acg_agent *agent)
{
	(void)data;
	(void)agent;
}

static void ignore_file(void *data, struct acg_node *node, const char *file)
{
	(void)data;
	(void)node;
	(void)file;
}

static void ignore_gone(void *data, struct acg_node *node)
{
	(void)data;
	(void)node;
}

static void ignore_log(int priority, const char *message, const char *agent_path,
		       const char *call_id)
{
	(void)priority;
	(void)message;
	(void)agent_path;
	(void)call_id;
}

static bool has_memory(const struct acg_manager *manager)
{
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		const struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (strcmp(enforcer->ops->name, "cgroup") == 0)
			return acg_enforcer_cgroup_has(enforcer, "memory");
	}
	return true; /* fake */
}

static void set_policy(struct acg_manager *manager, struct acg_policy *policy)
{
	acg_policy_ref(policy);
	if (manager->policy)
		acg_policy_unref(manager->policy);
	manager->policy = policy;
	manager->sampled = !has_memory(manager);
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->policy)
			enforcer->ops->policy(enforcer, policy);
	}
	acg_memory_tier_figures(manager->memory, &policy->ladder);
}

/* --- from the enforcers ------------------------------------------------------------------------------------- */

static void on_enforcer_event(void *data, const char *event, const char *text)
{
	struct acg_manager *manager = data;

	acg_manager_event(manager, NULL, event, NULL, text, acg_manager_now());
	manager->log(LOG_NOTICE, text ? text : event, NULL, NULL);
}

static void listen_to_enforcer(void *data, void *manager)
{
	struct acg_enforcer *enforcer = data;

	enforcer->event = on_enforcer_event;
	enforcer->event_data = manager;
}

static void remove_source(void *source)
{
	g_source_remove(GPOINTER_TO_UINT(source));
}

static void link_all_adopted(struct acg_manager *manager)
{
	GHashTableIter iter;
	void *agent;

	g_hash_table_iter_init(&iter, manager->engine->registry->agents);
	while (g_hash_table_iter_next(&iter, NULL, &agent))
		acg_manager_link_adopted(manager, agent);
}

static void read_ring(struct acg_manager *manager)
{
	if (manager->bpf && acg_bpf_ring_fd(manager->bpf) >= 0)
		manager->ring_source = g_unix_fd_add(acg_bpf_ring_fd(manager->bpf), G_IO_IN,
						     acg_manager_ring, manager);
}

/* Somebody may detach the programs from the root. */
static void watch_memory(struct acg_manager *manager)
{
	int fd = acg_memory_tier_fd(manager->memory);

	if (fd >= 0)
		manager->memory_source =
			g_unix_fd_add(fd, G_IO_HUP, acg_manager_memory_lost, manager);
}

static bool is_known(uint64_t cgroup_id, void *data)
{
	const struct acg_node *node =
		acg_registry_node(((struct acg_manager *)data)->engine->registry, cgroup_id);

	return node && node->group;
}

/* What went while nobody kept the map. */
static void prune_groups(struct acg_manager *manager)
{
	if (manager->bpf)
		acg_bpf_groups_prune(manager->bpf, is_known, manager, NULL);
}

static void tell_memory_gap(struct acg_manager *manager)
{
	int64_t gap = acg_memory_tier_gap(manager->memory);
	g_autofree char *text = NULL;

	if (!gap)
		return;
	text = g_strdup_printf(
		"in the place of another build's; for %.1f ms memory.high alone held", gap / 1e3);
	on_enforcer_event(manager, "memcg_bpf_ops_replaced", text);
}

void acg_manager_set_bpf(struct acg_manager *manager, struct acg_bpf *bpf,
			 struct acg_memory_tier *memory, const char *why_not)
{
	g_autoptr(GArray) actions = acg_actions_new();
	GHashTableIter iter;
	void *value;

	manager->bpf = bpf;
	manager->memory = memory;
	read_ring(manager);
	watch_memory(manager);
	acg_memory_tier_figures(memory, &manager->policy->ladder);
	acg_engine_kernel_delays(manager->engine, acg_memory_tier_delays(memory), actions);
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (!enforcer->ops->loaded)
			continue;
		enforcer->ops->loaded(enforcer, bpf, why_not);
		if (enforcer->ops->policy)
			enforcer->ops->policy(enforcer, manager->policy);
	}
	g_hash_table_iter_init(&iter, manager->engine->registry->nodes);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_action update = {.type = ACG_DO_UPDATE, .node = value};

		if (update.node->group)
			g_array_append_val(actions, update);
	}
	acg_manager_apply_all(manager, actions, acg_manager_now());
	link_all_adopted(manager);
	prune_groups(manager);
	tell_memory_gap(manager);
}

int acg_manager_new(const struct acg_manager_options *options, struct acg_policy *policy,
		    struct acg_manager **ret_manager, GError **error)
{
	struct acg_manager *manager = g_new0(struct acg_manager, 1);
	const struct acg_watch_callbacks callbacks = {acg_manager_file_changed, acg_manager_psi,
						      manager};
	struct acg_time now = acg_manager_now();
	int ret = acg_watch_new(&callbacks, &manager->watch, error);

	if (!ret && !options->dry_run)
		ret = acg_history_open(options->run_dir, &manager->history, error);
	if (ret) {
		acg_watch_free(manager->watch);
		g_free(manager);
		return ret;
	}
	manager->enforcers = options->enforcers;
	manager->bpf = options->bpf;
	manager->memory = options->memory;
	manager->dry_run = options->dry_run;
	manager->run_dir = g_strdup(options->run_dir);
	manager->adopted_links =
		g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, remove_source);
	manager->event_ring = (struct acg_eventring){options->events_memory, options->events_size};
	manager->last = options->last;
	manager->listener = options->listener;
	if (!manager->listener.event)
		manager->listener.event = ignore_event;
	if (!manager->listener.file)
		manager->listener.file = ignore_file;
	if (!manager->listener.gone)
		manager->listener.gone = ignore_gone;
	manager->log = options->log ? options->log : ignore_log;
	set_policy(manager, policy);
	manager->engine = acg_engine_new(policy);
	acg_eventlog_init(&manager->events, EVENTS_KEPT, ROOT_EVENTS_BYTES);
	manager->agent_events =
		g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, eventlog_free);
	manager->autos = acg_auto_new();
	g_ptr_array_foreach(manager->enforcers, listen_to_enforcer, manager);
	read_ring(manager);
	manager->engine->kernel_delays = acg_memory_tier_delays(manager->memory);
	watch_memory(manager);
	manager->unread = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	acg_manager_restore(manager, now);
	acg_manager_restore_limits(manager, options->awaited);
	prune_groups(manager);
	acg_manager_event(manager, NULL, manager->last_event ? "took_over" : "started", NULL, NULL,
			  now);
	g_clear_pointer(&manager->last_event, g_free);
	tell_memory_gap(manager);
	acg_manager_arm(manager);
	*ret_manager = manager;
	return 0;
}

static void free_enforcer(void *data, void *user_data)
{
	struct acg_enforcer *enforcer = data;

	(void)user_data;
	enforcer->ops->free(enforcer);
}

/* The cgroups stay; what we hold of them goes. */
static void forget_groups(struct acg_manager *manager)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, manager->engine->registry->nodes);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_node *node = value;

		if (!node->group)
			continue;
		if (node->group->dirfd >= 0)
			close(node->group->dirfd);
		g_free(node->group->name);
		g_clear_pointer(&node->group, g_free);
	}
}

static void let_go(struct acg_manager *manager)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();

	acg_engine_stop(manager->engine, now, actions);
	acg_manager_apply_all(manager, actions, now);
}

void acg_manager_free(struct acg_manager *manager)
{
	if (!manager)
		return;
	acg_manager_settle(manager);
	let_go(manager);
	forget_groups(manager);
	if (manager->timer)
		g_source_remove(manager->timer);
	if (manager->ring_source)
		g_source_remove(manager->ring_source);
	acg_manager_save_root(manager, manager->event_seq);
	if (manager->memory_source)
		g_source_remove(manager->memory_source);
	if (manager->unread_source)
		g_source_remove(manager->unread_source);
	g_array_unref(manager->unread);
	g_hash_table_unref(manager->adopted_links);
	g_ptr_array_foreach(manager->enforcers, free_enforcer, NULL);
	g_ptr_array_unref(manager->enforcers);
	acg_watch_free(manager->watch);
	acg_history_close(manager->history);
	acg_engine_free(manager->engine);
	acg_auto_free(manager->autos);
	g_hash_table_unref(manager->agent_events);
	acg_eventlog_clear(&manager->events);
	acg_policy_unref(manager->policy);
	g_free(manager->policy_error);
	g_free(manager->fallback);
	g_free(manager->run_dir);
	g_free(manager->state_error);
	g_free(manager->watch_error);
	g_free(manager);
}

const struct acg_registry *acg_manager_registry(const struct acg_manager *manager)
{
	return manager->engine->registry;
}

struct acg_policy *acg_manager_policy(const struct acg_manager *manager)
{
	return manager->policy;
}

struct acg_eventlog *acg_manager_eventlog(struct acg_manager *manager, struct acg_agent *agent)
{
	struct acg_eventlog *log;

	if (!agent)
		return &manager->events;
	log = g_hash_table_lookup(manager->agent_events, agent);
	if (log)
		return log;
	log = g_new0(struct acg_eventlog, 1);
	acg_eventlog_init(log, EVENTS_KEPT, AGENT_EVENTS_BYTES);
	g_hash_table_insert(manager->agent_events, agent, log);
	return log;
}

void acg_manager_forget_log(struct acg_manager *manager, struct acg_agent *agent)
{
	g_hash_table_remove(manager->agent_events, agent);
}

/* --- agents ------------------------------------------------------------------------------------------------- */

void acg_manager_set_request(struct acg_manager *manager, uint64_t request)
{
	manager->request = request;
}

static void forget_history(struct acg_manager *manager, const struct acg_agent *agent)
{
	g_autofree char *path = acg_agent_path(agent);

	if (manager->history)
		acg_history_remove(manager->history, path);
}

int acg_manager_agent_add(struct acg_manager *manager, struct acg_agent *parent, const char *name,
			  const char *namespace, const char *user, uid_t uid,
			  struct acg_agent **ret_agent, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	struct acg_agent *agent;
	int ret = acg_engine_agent_add(manager->engine, parent, name, namespace, user, uid, now,
				       actions, &agent, error);

	if (ret)
		return ret;
	agent->request = manager->request;
	ret = acg_manager_apply(manager, actions, now, error);
	if (ret) {
		acg_manager_forget_log(manager, agent);
		acg_engine_agent_failed(manager->engine, agent);
		return ret;
	}
	forget_history(manager, agent); /* of one of the same name that went while nobody looked */
	g_array_set_size(actions, 0);
	acg_engine_agent_made(manager->engine, agent, actions);
	acg_manager_apply_all(manager, actions, now);
	*ret_agent = agent;
	return 0;
}

static void forget_agent(struct acg_manager *manager, struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	forget_history(manager, agent);
	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		manager->listener.gone(manager->listener.data, value);
	manager->listener.gone(manager->listener.data, &agent->self);
	manager->listener.gone(manager->listener.data, &agent->node);
	g_hash_table_remove(manager->agent_events, agent);
	acg_engine_agent_removed(manager->engine, agent);
}

static void finish_vacant(struct acg_manager *manager, struct acg_agent *agent, struct acg_time now)
{
	g_autoptr(GList) calls = g_hash_table_get_values(agent->calls);

	for (GList *at = calls; at; at = at->next) {
		struct acg_call *call = at->data;

		if (call->vacant_since && call->state != ACG_CALL_ENDED)
			acg_manager_vacated(manager, call, false, now);
	}
}

int acg_manager_agent_remove(struct acg_manager *manager, struct acg_agent *agent, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	bool adopted = agent->adopted;
	int ret;

	finish_vacant(manager, agent, now);
	if (!agent->adopted && acg_manager_read_usage(manager, &agent->node).populated)
		return acg_fail(error, EBUSY, "agent %s has processes", agent->name);
	ret = acg_engine_agent_remove(manager->engine, agent, now, actions, error);
	if (ret)
		return ret;
	acg_manager_unlink_adopted(manager, agent);
	ret = acg_manager_apply(manager, actions, now, error);
	if (ret) {
		acg_manager_link_adopted(manager, agent);
		return ret;
	}
	forget_agent(manager, agent);
	if (adopted)
		acg_manager_save_adopted(manager);
	acg_manager_arm(manager);
	return 0;
}

int acg_manager_agent_priority(struct acg_manager *manager, struct acg_agent *agent,
			       enum acg_priority priority, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	int ret;

	acg_engine_agent_priority(manager->engine, agent, priority, now, actions);
	ret = acg_manager_apply(manager, actions, now, error);
	acg_manager_arm(manager);
	return ret;
}

/* --- calls -------------------------------------------------------------------------------------------------- */

/* What `self` grows by while a call runs is told with the call. */
static void measure_self(struct acg_manager *manager, struct acg_agent *agent)
{
	if (manager->policy->adapt.enabled && agent->self.group)
		agent->self_usage = acg_manager_read_usage(manager, &agent->self);
}

int acg_manager_begin(struct acg_manager *manager, struct acg_agent *agent,
		      const struct acg_begin *begin, struct acg_call **ret_call, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	struct acg_call *call;
	struct acg_begin asked = *begin;
	int ret;

	acg_manager_settle(manager);
	call = begin->id ? acg_agent_call(agent, begin->id) : NULL;
	if ((call && call->vacant_since) || agent->n_alive >= agent->budget.calls)
		finish_vacant(manager, agent, now);
	measure_self(manager, agent);
	if (begin->pid)
		asked.oom_score_adj = acg_proc_oom_score_adj(begin->pid);
	ret = acg_engine_begin(manager->engine, agent, &asked, now, actions, &call, error);
	if (ret)
		return ret;
	ret = acg_manager_apply(manager, actions, now, error);
	if (ret) {
		acg_engine_begin_failed(manager->engine, call);
		return ret;
	}
	manager->begun = call;
	manager->deferred = now;
	if (!manager->defers)
		acg_manager_settle(manager);
	*ret_call = call;
	return 0;
}

void acg_manager_defer(struct acg_manager *manager)
{
	manager->defers = true;
}

/* The attribute that was written before the process moved in says it all; the agent's count follows from the call's number. */
static void settle_begun(struct acg_manager *manager)
{
	g_autoptr(GArray) actions = acg_actions_new();

	acg_engine_begun(manager->engine, g_steal_pointer(&manager->begun), actions);
	acg_manager_run_all(manager, actions, manager->deferred);
	acg_manager_arm(manager);
}

static void settle_ending(struct acg_manager *manager)
{
	acg_manager_vacated(manager, g_steal_pointer(&manager->ending), false, manager->deferred);
	acg_manager_arm(manager);
}

void acg_manager_settle(struct acg_manager *manager)
{
	if (manager->begun)
		settle_begun(manager);
	if (manager->ending)
		settle_ending(manager);
}

int acg_manager_marker(struct acg_agent *agent, GError **error)
{
	return acg_engine_marker(agent, acg_manager_now(), error);
}

int acg_manager_end(struct acg_manager *manager, struct acg_call *call, int exit, pid_t writer,
		    GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	int ret;

	acg_manager_settle(manager);
	ret = acg_engine_end(manager->engine, call, exit, writer, actions, error);
	if (!ret)
		ret = acg_manager_apply(manager, actions, now, error);
	if (ret || call->state == ACG_CALL_ENDED)
		return ret;
	call->ending = true;
	acg_manager_save(manager, &call->node); /* whoever goes on from here knows it */
	manager->ending = call;
	manager->deferred = now;
	if (!manager->defers)
		acg_manager_settle(manager);
	return 0;
}

void acg_manager_await(struct acg_manager *manager, struct acg_call *call, bool awaited)
{
	acg_engine_await(manager->engine, call, awaited, acg_manager_now());
	acg_manager_arm(manager);
}

int acg_manager_hint(struct acg_manager *manager, struct acg_call *call,
		     const struct acg_hint *hint, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	int ret;

	acg_manager_settle(manager);
	acg_engine_hint(manager->engine, call, hint, now, actions);
	ret = acg_manager_apply(manager, actions, now, error);
	acg_manager_arm(manager);
	return ret;
}

int acg_manager_call_remove(struct acg_manager *manager, struct acg_call *call, GError **error)
{
	struct acg_agent *agent;
	struct acg_time now = acg_manager_now();

	if (call->state != ACG_CALL_ENDED) {
		if (acg_manager_read_usage(manager, &call->node).populated)
			return acg_fail(
				error, EBUSY,
				"call %s has processes: end it, or write 1 to its cgroup.kill",
				call->id);
		acg_manager_vacated(manager, call, false, now);
	}
	if (call->state != ACG_CALL_ENDED)
		return acg_fail(error, EBUSY, "call %s could not be removed", call->id);
	manager->listener.gone(manager->listener.data, &call->node);
	agent = call->node.agent;
	acg_engine_forget(manager->engine, call);
	acg_manager_save(manager, &agent->node);
	acg_manager_arm(manager);
	return 0;
}

void acg_manager_expire(struct acg_manager *manager, struct acg_agent *agent)
{
	acg_engine_expire(manager->engine, agent, acg_manager_now());
}

/* What a process had before it was moved into a call of this agent; ACG_OOM_KEEP: it was not. */
static int oom_score_adj_before(const struct acg_agent *agent, pid_t pid)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->calls);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct acg_call *call = value;

		for (unsigned int i = 0; call->state != ACG_CALL_ENDED && i < call->moved->len; i++)
			if (g_array_index(call->moved, struct acg_moved, i).pid == pid)
				return g_array_index(call->moved, struct acg_moved, i)
					.oom_score_adj;
	}
	return ACG_OOM_KEEP;
}

int acg_manager_move(struct acg_manager *manager, struct acg_node *to, pid_t pid, GError **error)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_action action = {
		.type = ACG_DO_MOVE, .node = to, .pid = pid, .oom_score_adj = ACG_OOM_CALL};

	if (to->kind == ACG_KIND_AGENT)
		action.node = &to->agent->self;
	if (action.node->kind == ACG_KIND_SELF)
		action.oom_score_adj = oom_score_adj_before(to->agent, pid);
	if (!action.node->group)
		return acg_fail(error, ENODEV, "the call has ended");
	g_array_append_val(actions, action);
	return acg_manager_apply(manager, actions, acg_manager_now(), error);
}

int acg_manager_watch(struct acg_manager *manager, struct acg_node *node, const char *file,
		      GError **error)
{
	if (!node->group || node->group->dirfd < 0)
		return acg_fail(error, ENODEV, "the call has ended");
	return acg_watch_file(manager->watch, node, file, error);
}

/* --- refusals and policy ------------------------------------------------------------------------------------ */

void acg_manager_kept_back(struct acg_manager *manager)
{
	manager->kept_back++;
}

void acg_manager_refused(struct acg_manager *manager, struct acg_agent *agent, bool marker,
			 const GError *why)
{
	struct acg_rate *told = agent ? &acg_agent_top(agent)->refusals : &manager->refusals;
	struct acg_time now = acg_manager_now();
	g_autofree char *path = agent ? acg_agent_path(agent) : NULL;

	if (agent && marker) {
		agent->counters.refused++;
		g_free(agent->call_error);
		agent->call_error = g_strdup(why->message);
	} else if (agent) {
		agent->counters.denied++;
	}
	if (!acg_rate_take(told, REFUSALS_PER_SECOND, REFUSALS_BURST, now.mono))
		return; /* counted, but neither the log nor the others' events drown in it */
	acg_manager_event(manager, agent ? &agent->node : NULL, marker ? "refused" : "denied", NULL,
			  why->message, now);
	if (agent)
		acg_manager_save(manager, &agent->node);
	manager->log(LOG_NOTICE, why->message, path, NULL);
}

void acg_manager_set_policy(struct acg_manager *manager, struct acg_policy *policy)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();
	GHashTableIter iter;
	void *value;

	set_policy(manager, policy);
	g_clear_pointer(&manager->policy_error, g_free);
	g_clear_pointer(&manager->fallback, g_free);
	acg_engine_set_policy(manager->engine, policy, now, actions);
	acg_manager_apply_all(manager, actions, now);
	g_hash_table_iter_init(&iter, manager->engine->registry->nodes);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		if (((struct acg_node *)value)->group)
			acg_manager_watch_new(manager, value);
	acg_manager_event(manager, NULL, "policy", NULL, NULL, now);
	manager->log(LOG_NOTICE, "the policy was replaced", NULL, NULL);
	acg_manager_arm(manager);
}

void acg_manager_policy_refused(struct acg_manager *manager, const GError *why)
{
	g_free(manager->policy_error);
	manager->policy_error = g_strdup(why->message);
	acg_manager_event(manager, NULL, "policy_refused", NULL, why->message, acg_manager_now());
	manager->log(LOG_WARNING, why->message, NULL, NULL);
}

void acg_manager_policy_fallback(struct acg_manager *manager, const GError *why,
				 const char *instead)
{
	g_free(manager->fallback);
	manager->fallback =
		g_strdup_printf("its file is bad, %s is in force: %s", instead, why->message);
	g_strdelimit(manager->fallback, "\n", ' ');
	acg_manager_policy_refused(manager, why);
}

const char *acg_manager_policy_error(const struct acg_manager *manager)
{
	return manager->policy_error;
}

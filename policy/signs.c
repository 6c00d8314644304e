/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says, on its way to the engine: changed event files, PSI triggers, the ring buffer, and time. The node is measured
 * first, so that the engine decides on figures of now.
 */
#include <string.h>
#include <syslog.h>

#include "bpf/loader.h"
#include "bpf/memcg_delay.h"
#include "policy/auto.h"
#include "policy/auto_begin.h"
#include "policy/cgroupfs.h"
#include "policy/manager_private.h"
#include "policy/memory_tier.h"

#define LOOK_INTERVAL G_USEC_PER_SEC

struct acg_usage acg_manager_read_usage(struct acg_manager *manager, struct acg_node *node)
{
	struct acg_usage usage = node->kind == ACG_KIND_CALL    ? ((struct acg_call *)node)->usage
				 : node->kind == ACG_KIND_AGENT ? node->agent->usage
								: node->agent->self_usage;

	for (unsigned int i = 0; i < manager->enforcers->len && node->group; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->measure)
			enforcer->ops->measure(enforcer, node, &usage, NULL);
	}
	return usage;
}

static void tell_usage(struct acg_manager *manager, struct acg_node *node, struct acg_time now,
		       GArray *actions)
{
	struct acg_usage usage = acg_manager_read_usage(manager, node);

	acg_engine_usage(manager->engine, node, &usage, now, actions);
}

static void measure_agent(struct acg_manager *manager, struct acg_agent *agent, struct acg_time now,
			  GArray *actions)
{
	GHashTableIter calls;
	void *call;

	if (!agent->n_alive)
		return;
	if (agent->pressure_since || manager->sampled)
		tell_usage(manager, &agent->node, now, actions);
	if (agent->pressure_since && agent->self_policy.grant != ACG_MAX)
		tell_usage(manager, &agent->self, now, actions);
	g_hash_table_iter_init(&calls, agent->calls);
	while (g_hash_table_iter_next(&calls, NULL, &call))
		if (((struct acg_call *)call)->node.group)
			tell_usage(manager, call, now, actions);
}

/* The calls whose figures the ladder compares: those of the agent and below, or all if the pressure may come from others. */
static void measure_calls(struct acg_manager *manager, GHashTable *agents, struct acg_time now,
			  GArray *actions)
{
	g_autoptr(GPtrArray) all = acg_agents_all(agents);

	for (unsigned int i = 0; i < all->len; i++)
		measure_agent(manager, all->pdata[i], now, actions);
}

void acg_manager_measure(struct acg_manager *manager, struct acg_node *node)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();

	if (!node->group)
		return;
	tell_usage(manager, node, now, actions);
	acg_manager_apply_all(manager, actions, now);
	acg_manager_arm(manager);
}

void acg_manager_vacated(struct acg_manager *manager, struct acg_call *call, bool by_itself,
			 struct acg_time now)
{
	g_autoptr(GArray) actions = acg_actions_new();

	call->usage = acg_manager_read_usage(manager, &call->node);
	if (call->usage.oom_kills ||
	    call->signal) /* the words will quote what is left to the agent */
		call->node.agent->usage = acg_manager_read_usage(manager, &call->node.agent->node);
	if (manager->policy->adapt.enabled && call->node.agent->self.group)
		call->node.agent->self_usage =
			acg_manager_read_usage(manager, &call->node.agent->self);
	acg_engine_vacated(manager->engine, call, call->usage.populated, by_itself, now, actions);
	acg_manager_apply_all(manager, actions, now);
}

static void populated_changed(struct acg_manager *manager, struct acg_call *call,
			      struct acg_time now)
{
	struct acg_usage usage = {.populated = true};

	if (call->by_mkdir || call->state == ACG_CALL_ENDED || call->vacant_since)
		return;
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->populated)
			usage.populated = enforcer->ops->populated(enforcer, &call->node);
	}
	if (!call->inhabited) /* somebody may have been born in it (CLONE_INTO_CGROUP) and be gone by now */
		call->inhabited = usage.populated ||
				  acg_manager_read_usage(manager, &call->node).cpu_usec > 0;
	if (call->inhabited && !usage.populated)
		acg_manager_vacated(manager, call, true, now);
}

/* Somebody set memory.oom.group on an agent: an OOM at its limit would take `self` too. Calls have it, each its own. */
static void clear_oom_group(struct acg_manager *manager, struct acg_node *node, struct acg_time now)
{
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_action action = {
		.type = ACG_DO_SET, .node = node, .control = ACG_CONTROL_OOM_GROUP, .value = 0};
	uint64_t value = 0;

	acg_cgroup_read_u64(node->group->dirfd, "memory.oom.group", &value, NULL);
	if (!value)
		return; /* our own write */
	g_array_append_val(actions, action);
	acg_manager_apply_all(manager, actions, now);
	acg_manager_event(manager, node, "oom_group_cleared", NULL,
			  "an OOM at the agent's limit would have killed it whole", now);
}

void acg_manager_file_changed(void *data, uint64_t id, const char *file)
{
	struct acg_manager *manager = data;
	struct acg_node *node = acg_registry_node(manager->engine->registry, id);
	struct acg_time now = acg_manager_now();
	g_autoptr(GArray) actions = acg_actions_new();

	if (!node || !node->group)
		return;
	manager->listener.file(manager->listener.data, node, file);
	if (node->kind == ACG_KIND_AGENT && strcmp(file, "memory.oom.group") == 0) {
		clear_oom_group(manager, node, now);
		return;
	}
	if (node->kind == ACG_KIND_CALL && strcmp(file, "cgroup.events") == 0) {
		populated_changed(manager, acg_node_call(node), now);
	} else {
		tell_usage(manager, node, now, actions);
		if (node->kind == ACG_KIND_AGENT && node->agent->pressure_since)
			measure_calls(manager, node->agent->agents, now, actions);
		acg_manager_apply_all(manager, actions, now);
	}
	acg_manager_arm(manager);
}

void acg_manager_psi(void *data, uint64_t id)
{
	struct acg_manager *manager = data;
	struct acg_node *node = acg_registry_node(manager->engine->registry, id);
	struct acg_time now = acg_manager_now();
	g_autoptr(GArray) actions = acg_actions_new();

	if (!node || node->kind != ACG_KIND_AGENT || !node->group)
		return;
	tell_usage(manager, node, now, actions);
	measure_calls(manager, manager->engine->registry->agents, now, actions);
	acg_engine_pressure(manager->engine, node->agent, now, actions);
	acg_manager_apply_all(manager, actions, now);
	acg_manager_arm(manager);
}

/* Of ACG_BPF_PRESSURE and ..._BEYOND: as little is left as makes the kernel's delays the longest. */
static bool is_spent(const struct acg_bpf_event *event)
{
	return event->left <= event->limit / 1000 * (1000 - ACG_DELAY_FULL);
}

static void on_bpf_event(const struct acg_bpf_event *event, void *data)
{
	struct acg_manager *manager = data;
	struct acg_node *node = acg_registry_node(manager->engine->registry, event->cgroup);
	struct acg_time now = acg_manager_now();
	g_autoptr(GArray) actions = acg_actions_new();
	g_autofree char *comm = g_strndup(event->comm, ACG_COMM_LEN);
	g_autofree char *valid = g_utf8_make_valid(comm, -1);

	if (!node)
		return;
	switch (event->type) {
	case ACG_BPF_OOM_KILL:
		acg_engine_oom_victim(manager->engine, node, event->pid, valid,
				      event->anon_rss_kib * 1024, now, actions);
		break;
	case ACG_BPF_PRESSURE:
	case ACG_BPF_PRESSURE_BEYOND:
		tell_usage(manager, &node->agent->node, now, actions);
		acg_engine_short(manager->engine, node->agent,
				 event->type == ACG_BPF_PRESSURE_BEYOND, is_spent(event), now,
				 actions);
		break;
	case ACG_BPF_DELAY:
	case ACG_BPF_DELAY_END:
		tell_usage(manager, node, now, actions);
		acg_engine_delay(manager->engine, node, event->type == ACG_BPF_DELAY, now, actions);
		break;
	case ACG_BPF_EXEC:
		acg_auto_executed(manager, node, (const struct acg_bpf_exec *)event);
		break;
	case ACG_BPF_EXIT:
		acg_auto_exited(manager, node, event);
		break;
	case ACG_BPF_GROWTH:
		if (!node->group || node->kind != ACG_KIND_CALL)
			break;
		tell_usage(manager, node, now, actions);
		acg_engine_growth(manager->engine, acg_node_call(node), event->left,
				  event->per_second, now, actions);
		break;
	case ACG_BPF_HIGH:
	case ACG_BPF_MAX:
	case ACG_BPF_STALL:
		if (node->group)
			tell_usage(manager, node, now, actions);
		break;
	default:
		break;
	}
	acg_manager_apply_all(manager, actions, now);
}

/* Events were lost: what they would have said is looked up, once a second at most. */
static void look_again(struct acg_manager *manager, struct acg_time now)
{
	g_autoptr(GArray) actions = acg_actions_new();

	manager->look_due = now.mono < manager->looked + LOOK_INTERVAL;
	if (manager->look_due)
		return;
	manager->looked = now.mono;
	manager->lost = acg_bpf_lost(manager->bpf);
	acg_auto_look(manager, now);
	measure_calls(manager, manager->engine->registry->agents, now, actions);
	acg_manager_apply_all(manager, actions, now);
}

gboolean acg_manager_ring(int fd, GIOCondition condition, void *data)
{
	struct acg_manager *manager = data;

	(void)fd;
	(void)condition;
	acg_bpf_ring_consume(manager->bpf, on_bpf_event, manager, NULL);
	if (acg_bpf_lost(manager->bpf) != manager->lost)
		look_again(manager, acg_manager_now());
	acg_manager_arm(manager);
	return G_SOURCE_CONTINUE;
}

/* Somebody detached memcg_bpf_ops: the cgroup tier takes over. */
gboolean acg_manager_memory_lost(int fd, GIOCondition condition, void *data)
{
	struct acg_manager *manager = data;
	g_autoptr(GArray) actions = acg_actions_new();
	struct acg_time now = acg_manager_now();

	(void)fd;
	(void)condition;
	manager->memory_source = 0;
	g_hash_table_remove_all(manager->adopted_links);
	acg_memory_tier_lost(manager->memory);
	acg_engine_kernel_delays(manager->engine, false, actions);
	acg_manager_apply_all(manager, actions, now);
	acg_manager_event(manager, NULL, "memcg_bpf_ops_lost", NULL,
			  "delays are decided in user space from now on", now);
	acg_manager_arm(manager);
	return G_SOURCE_REMOVE;
}

/* --- time --------------------------------------------------------------------------------------------------- */

/* Usage by process, where no controller counts it: looked at this often while calls are alive. */
#define SAMPLE_INTERVAL (250 * 1000)
#define SAMPLE_REST 9 /* times what it took: with thousands of calls others have their time */

static bool sample_due(const struct acg_manager *manager, struct acg_time now)
{
	return manager->sampled && now.mono >= manager->sample_at;
}

/* Measured from `now` on, or not. */
static void rest_from_sampling(struct acg_manager *manager, struct acg_time now)
{
	int64_t done = g_get_monotonic_time();

	if (now.mono >= manager->sample_at)
		manager->sample_at = done + MAX(SAMPLE_INTERVAL, SAMPLE_REST * (done - now.mono));
}

gboolean acg_manager_timer(void *data)
{
	struct acg_manager *manager = data;
	struct acg_time now = acg_manager_now();
	g_autoptr(GArray) actions = acg_actions_new();

	manager->timer = 0;
	if (manager->engine->n_pressed || manager->engine->delayed || sample_due(manager, now))
		measure_calls(manager, manager->engine->registry->agents, now, actions);
	rest_from_sampling(manager, now);
	acg_auto_begin_due(manager, now);
	if (manager->look_due)
		look_again(manager, now);
	acg_engine_tick(manager->engine, now, actions);
	acg_manager_apply_all(manager, actions, now);
	acg_manager_arm(manager);
	return G_SOURCE_REMOVE;
}

static int64_t sooner(int64_t at, int64_t other)
{
	return !at || (other && other < at) ? other : at;
}

void acg_manager_arm(struct acg_manager *manager)
{
	int64_t at = sooner(manager->engine->deadline, acg_auto_due(manager->autos));
	int64_t now = g_get_monotonic_time();

	if (manager->look_due)
		at = sooner(at, manager->looked + LOOK_INTERVAL);

	if (manager->sampled && manager->engine->registry->n_alive &&
	    (!at || at > MAX(manager->sample_at, now)))
		at = MAX(manager->sample_at, now);
	if (manager->timer && at == manager->timer_at)
		return;
	if (manager->timer)
		g_source_remove(manager->timer);
	manager->timer = 0;
	manager->timer_at = at;
	if (at)
		manager->timer = g_timeout_add(at > now ? (at - now + 999) / 1000 : 0,
					       acg_manager_timer, manager);
}

/* What is not heard of is not known: that is told, in events once for all that follow. (A file that is not there has no controller.) */
static void watch_file(struct acg_manager *manager, struct acg_node *node, const char *file)
{
	g_autoptr(GError) error = NULL;
	int ret = acg_watch_file(manager->watch, node, file, &error);

	if (ret >= 0 || ret == -ENOENT)
		return;
	g_free(manager->watch_error);
	manager->watch_error = g_strdup(error->message);
	if (manager->unwatched++ == 0)
		acg_manager_event(manager, NULL, "unwatched", NULL, error->message,
				  acg_manager_now());
}

void acg_manager_watch_limit(struct acg_manager *manager, struct acg_node *node)
{
	if (node->kind == ACG_KIND_CALL && node->group && node->group->dirfd >= 0 &&
	    node->controls[ACG_CONTROL_PIDS_MAX] != ACG_MAX)
		watch_file(manager, node, "pids.events");
}

void acg_manager_watch_new(struct acg_manager *manager, struct acg_node *node)
{
	const struct acg_ladder *ladder = &manager->policy->ladder;
	const struct acg_call *call = acg_node_call(node);

	if (node->group->dirfd < 0) /* fake */
		return;
	if (node->kind == ACG_KIND_CALL) {
		watch_file(manager, node, "cgroup.events");
		if (ladder->enabled || call->keep)
			watch_file(manager, node, "memory.events");
		acg_manager_watch_limit(manager, node);
	} else if (node->kind == ACG_KIND_AGENT) {
		watch_file(manager, node, "memory.oom.group");
		if (ladder->enabled) {
			watch_file(manager, node, "memory.events.local");
			acg_watch_pressure(manager->watch, node, ladder->psi_stall,
					   ladder->psi_window);
		}
	}
}

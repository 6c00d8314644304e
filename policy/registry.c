/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Agents and calls as plain data; see the header. */
#include "policy/registry.h"

#include <string.h>

#include "policy/state.h"

static void call_free(void *data)
{
	struct acg_call *call = data;

	g_free(call->id);
	g_free(call->command);
	g_free(call->past_line);
	g_free(call->victim);
	g_free(call->adapt_note);
	g_free(call->retry_note);
	g_free(call->reason);
	g_free(call->feedback);
	g_array_unref(call->moved);
	g_free(call);
}

static void agent_free(void *data)
{
	struct acg_agent *agent = data;

	g_hash_table_unref(agent->agents);
	g_queue_clear(&agent->ended);
	g_array_unref(agent->forgotten);
	g_hash_table_unref(agent->calls);
	g_free(agent->name);
	g_free(agent->namespace);
	g_free(agent->user);
	g_free(agent->adopted);
	g_free(agent->feedback);
	acg_retry_clear(&agent->retry);
	g_free(agent->call_error);
	g_free(agent);
}

struct acg_registry *acg_registry_new(void)
{
	struct acg_registry *registry = g_new0(struct acg_registry, 1);

	registry->agents = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, agent_free);
	registry->nodes = g_hash_table_new(g_int64_hash, g_int64_equal);
	return registry;
}

void acg_registry_free(struct acg_registry *registry)
{
	if (!registry)
		return;
	g_hash_table_unref(registry->nodes);
	g_hash_table_unref(registry->agents);
	g_free(registry);
}

/* Its end is known from the scan; all times are read by the same two clocks. */
static struct acg_call *fill_in(struct acg_call *call)
{
	g_autofree char *line = call ? g_steal_pointer(&call->past_line) : NULL;

	if (line)
		acg_state_read_past(line, call->end, call);
	return call;
}

GHashTable *acg_agent_calls(struct acg_agent *agent)
{
	struct acg_past *past = g_steal_pointer(&agent->past);

	if (past) {
		past->n_agents--;
		past->find(past->data, agent);
	}
	return agent->calls;
}

static void find_all_past(GHashTable *agents)
{
	g_autoptr(GPtrArray) all = acg_agents_all(agents);

	for (unsigned int i = 0; i < all->len; i++)
		acg_agent_calls(all->pdata[i]);
}

struct acg_node *acg_registry_node(const struct acg_registry *registry, uint64_t id)
{
	struct acg_node *node = g_hash_table_lookup(registry->nodes, &id);

	if (node && node->kind == ACG_KIND_CALL)
		fill_in((struct acg_call *)node);
	return node;
}

struct acg_node *acg_registry_find(const struct acg_registry *registry, uint64_t id)
{
	struct acg_node *node = acg_registry_node(registry, id);

	if (node || !registry->past || !registry->past->n_agents)
		return node;
	find_all_past(registry->agents);
	return acg_registry_node(registry, id);
}

struct acg_agent *acg_registry_agent(const struct acg_registry *registry,
				     const struct acg_agent *parent, const char *name)
{
	return g_hash_table_lookup(parent ? parent->agents : registry->agents, name);
}

struct acg_call *acg_agent_call(struct acg_agent *agent, const char *id)
{
	struct acg_call *call = g_hash_table_lookup(agent->calls, id);

	return fill_in(call ? call : g_hash_table_lookup(acg_agent_calls(agent), id));
}

struct acg_call *acg_node_call(struct acg_node *node)
{
	return node->kind == ACG_KIND_CALL ? (struct acg_call *)node : NULL;
}

int acg_name_check(const char *name, GError **error)
{
	size_t len = strlen(name);

	if (len == 0 || len > 64)
		return acg_fail(error, EINVAL, "a name has 1 to 64 characters, this one has %zu",
				len);
	if (name[0] == '.')
		return acg_fail(error, EINVAL, "a name does not start with a dot");
	if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-") !=
	    len)
		return acg_fail(error, EINVAL, "a name is made of A-Z a-z 0-9 . _ : and -");
	return 0;
}

bool acg_agent_within(const struct acg_agent *agent, const struct acg_agent *top)
{
	for (; agent; agent = agent->parent)
		if (agent == top)
			return true;
	return false;
}

struct acg_agent *acg_agent_top(struct acg_agent *agent)
{
	while (agent->parent)
		agent = agent->parent;
	return agent;
}

unsigned int acg_agent_calls_alive(const struct acg_agent *agent)
{
	unsigned int n = agent->n_alive;
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		n += acg_agent_calls_alive(value);
	return n;
}

unsigned int acg_agent_agents_below(const struct acg_agent *agent)
{
	unsigned int n = g_hash_table_size(agent->agents);
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agent->agents);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		n += acg_agent_agents_below(value);
	return n;
}

unsigned int acg_agent_depth(const struct acg_agent *agent)
{
	unsigned int depth = 0;

	while ((agent = agent->parent))
		depth++;
	return depth;
}

static void append_all(GHashTable *agents, GPtrArray *all)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, agents);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		append_all(((struct acg_agent *)value)->agents, all);
		g_ptr_array_add(all, value);
	}
}

GPtrArray *acg_agents_all(GHashTable *agents)
{
	GPtrArray *all = g_ptr_array_new();

	append_all(agents, all);
	return all;
}

char *acg_agent_path(const struct acg_agent *agent)
{
	g_autofree char *above = NULL;

	if (!agent->parent)
		return g_strdup(agent->name);
	above = acg_agent_path(agent->parent);
	return g_strconcat(above, "/", agent->name, NULL);
}

const char *acg_call_state_name(enum acg_call_state state)
{
	static const char *const names[] = {
		[ACG_CALL_STARTING] = "starting",   [ACG_CALL_RUNNING] = "running",
		[ACG_CALL_THROTTLED] = "throttled", [ACG_CALL_FROZEN] = "frozen",
		[ACG_CALL_DETACHED] = "detached",   [ACG_CALL_ENDED] = "ended",
	};

	return names[state];
}

struct acg_agent *acg_registry_add_agent(struct acg_registry *registry, struct acg_agent *parent,
					 const char *name)
{
	struct acg_agent *agent = g_new0(struct acg_agent, 1);

	agent->node.kind = ACG_KIND_AGENT;
	agent->node.agent = agent;
	agent->self.kind = ACG_KIND_SELF;
	agent->self.agent = agent;
	agent->name = g_strdup(name);
	agent->parent = parent;
	agent->forgotten = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	agent->calls = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, call_free);
	agent->agents = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, agent_free);
	g_hash_table_insert(parent ? parent->agents : registry->agents, agent->name, agent);
	registry->n_agents++;
	return agent;
}

static void forget_id(struct acg_registry *registry, struct acg_node *node)
{
	if (node->id)
		g_hash_table_remove(registry->nodes, &node->id);
	node->id = 0;
}

void acg_registry_remove_call(struct acg_registry *registry, struct acg_call *call)
{
	struct acg_agent *agent = call->node.agent;

	forget_id(registry, &call->node);
	if (call->state == ACG_CALL_ENDED) {
		g_queue_remove(&agent->ended, call);
	} else {
		agent->n_alive--;
		registry->n_alive--;
	}
	g_hash_table_remove(agent->calls, call->id);
}

void acg_registry_remove_agent(struct acg_registry *registry, struct acg_agent *agent)
{
	GHashTableIter iter;
	void *value;

	while (g_hash_table_size(agent->agents)) {
		g_hash_table_iter_init(&iter, agent->agents);
		g_hash_table_iter_next(&iter, NULL, &value);
		acg_registry_remove_agent(registry, value);
	}
	while (g_hash_table_size(agent->calls)) {
		g_hash_table_iter_init(&iter, agent->calls);
		g_hash_table_iter_next(&iter, NULL, &value);
		acg_registry_remove_call(registry, value);
	}
	forget_id(registry, &agent->self);
	forget_id(registry, &agent->node);
	registry->n_agents--;
	if (agent->past)
		agent->past->n_agents--;
	registry->n_adopted -= agent->adopted != NULL;
	g_hash_table_remove(agent->parent ? agent->parent->agents : registry->agents, agent->name);
}

struct acg_call *acg_registry_add_call(struct acg_registry *registry, struct acg_agent *agent,
				       const char *id)
{
	struct acg_call *call = g_new0(struct acg_call, 1);

	call->node.kind = ACG_KIND_CALL;
	call->node.agent = agent;
	call->id = g_strdup(id);
	call->grant = call->memory_max = ACG_MAX;
	for (unsigned int i = 0; i < G_N_ELEMENTS(call->lowered); i++)
		call->lowered[i] = ACG_MAX;
	call->exit = -1;
	call->moved = g_array_new(FALSE, FALSE, sizeof(struct acg_moved));
	g_hash_table_insert(agent->calls, call->id, call);
	agent->n_alive++;
	registry->n_alive++;
	return call;
}

void acg_registry_adopt(struct acg_registry *registry, struct acg_agent *agent, const char *path)
{
	agent->adopted = g_strdup(path);
	registry->n_adopted++;
}

void acg_registry_set_id(struct acg_registry *registry, struct acg_node *node, uint64_t id)
{
	forget_id(registry, node);
	node->id = id;
	g_hash_table_insert(registry->nodes, &node->id, node);
}

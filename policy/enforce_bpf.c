/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bpf enforcer: the map that the programs in the kernel read holds what the registry says of each group alive. */
#include "bpf/loader.h"
#include "policy/enforcer.h"
#include "policy/memory_tier.h"

struct bpf_enforcer {
	struct acg_enforcer enforcer;
	struct acg_bpf *bpf;            /* borrowed; NULL: none */
	struct acg_memory_tier *memory; /* borrowed; NULL: none */
	unsigned int autos;             /* rules of `auto` in the policy */
	bool adapts;                    /* `adapt` of the policy */
	uint64_t unlisted;              /* updates that the full map refused */
	char *why_not;
};

static struct acg_group_entry entry_of(const struct acg_node *node)
{
	const struct acg_agent *agent = node->agent;
	struct acg_group_entry entry = {
		.agent = agent->node.id,
		.parent = agent->parent ? agent->parent->node.id : 0,
		.memory_grant = agent->budget.memory,
		.memory_max = node->controls[ACG_CONTROL_MEMORY_MAX],
		.kind = node->kind,
		.priority = agent->priority,
		.cpu_class = ACG_CPU_NORMAL,
		.cpu_weight = node->controls[ACG_CONTROL_CPU_WEIGHT],
	};

	if (node->kind == ACG_KIND_SELF) {
		entry.memory_grant = agent->self_policy.grant;
		entry.memory_low = agent->self_policy.low;
		entry.cpu_class = ACG_CPU_LATENCY;
	} else if (node->kind == ACG_KIND_CALL) {
		entry.memory_grant = ((const struct acg_call *)node)->grant;
		entry.cpu_class = ((const struct acg_call *)node)->cpu;
		entry.throttled = ((const struct acg_call *)node)->throttled_since != 0;
		entry.pid = ((const struct acg_call *)node)->pid;
	}
	return entry;
}

static int bpf_update(struct acg_enforcer *enforcer, struct acg_node *node, GError **error)
{
	struct bpf_enforcer *self = (struct bpf_enforcer *)enforcer;
	g_autoptr(GError) why = NULL;
	struct acg_group_entry entry;
	int ret;

	if (!self->bpf)
		return 0;
	entry = entry_of(node);
	ret = acg_bpf_group_update(self->bpf, node->id, &entry, &why);
	node->unlisted = ret == -E2BIG;
	if (node->unlisted) { /* it has its limits from the cgroup files all the same */
		self->unlisted++;
		return 0;
	}
	if (ret)
		g_propagate_error(error, g_steal_pointer(&why));
	return ret;
}

static int bpf_remove(struct acg_enforcer *enforcer, struct acg_node *node, GError **error)
{
	struct acg_bpf *bpf = ((struct bpf_enforcer *)enforcer)->bpf;

	(void)error; /* an entry that is not there is what we want */
	if (bpf)
		acg_bpf_group_delete(bpf, node->id, NULL);
	return 0;
}

static int bpf_measure(struct acg_enforcer *enforcer, struct acg_node *node,
		       struct acg_usage *usage, GError **error)
{
	(void)error;
	acg_memory_tier_measure(((struct bpf_enforcer *)enforcer)->memory, node, usage);
	return 0;
}

static void bpf_policy(struct acg_enforcer *enforcer, const struct acg_policy *policy)
{
	struct bpf_enforcer *self = (struct bpf_enforcer *)enforcer;
	const struct acg_monitor_figures figures = {
		.processes = policy->n_autos ? ACG_WATCH_EXECS | ACG_WATCH_EXITS : 0,
		.ahead_ms = policy->adapt.enabled ? policy->adapt.ahead / 1000 : 0,
	};

	self->autos = policy->n_autos;
	self->adapts = policy->adapt.enabled;
	if (self->bpf)
		acg_bpf_monitor(self->bpf, &figures);
}

/* What it sees, what the policy makes of that, what was lost. */
static char *describe_monitor(const struct bpf_enforcer *self)
{
	GString *words = g_string_new(acg_bpf_state(self->bpf));
	uint64_t lost = acg_bpf_lost(self->bpf);

	if (self->autos)
		g_string_append_printf(words, "; %u auto rules %s", self->autos,
				       acg_bpf_sees_processes(self->bpf) ? "begin calls"
									 : "are without effect");
	if (self->adapts && !acg_bpf_sees_growth(self->bpf))
		g_string_append(words, "; no call is slowed down ahead of a limit");
	if (lost)
		g_string_append_printf(words, "; %" G_GUINT64_FORMAT " events lost and looked up",
				       lost);
	if (self->unlisted)
		g_string_append_printf(words,
				       "; the map of %d groups was full %" G_GUINT64_FORMAT
				       " times: the cgroup tier alone served those",
				       ACG_GROUPS_MAX, self->unlisted);
	return g_string_free(words, FALSE);
}

static void bpf_status(struct acg_enforcer *enforcer, GArray *mechanisms)
{
	const struct bpf_enforcer *self = (const struct bpf_enforcer *)enforcer;
	struct acg_mechanism row = {.name = "monitor"};

	if (!self->bpf) {
		row.state = "off";
		row.reason = g_strdup(self->why_not);
	} else {
		row.state = acg_bpf_complete(self->bpf) ? "on" : "degraded";
		row.reason = describe_monitor(self);
	}
	g_array_append_val(mechanisms, row);
	if (self->memory) {
		acg_memory_tier_status(self->memory, mechanisms);
		return;
	}
	row = (struct acg_mechanism){"memcg_bpf_ops", "off", g_strdup(self->why_not)};
	g_array_append_val(mechanisms, row);
}

static void bpf_loaded(struct acg_enforcer *enforcer, struct acg_bpf *bpf, const char *why_not)
{
	struct bpf_enforcer *self = (struct bpf_enforcer *)enforcer;

	self->bpf = bpf;
	g_free(self->why_not);
	self->why_not = g_strdup(why_not);
}

void acg_enforcer_bpf_memory(struct acg_enforcer *enforcer, struct acg_memory_tier *memory)
{
	((struct bpf_enforcer *)enforcer)->memory = memory;
}

static void bpf_free(struct acg_enforcer *enforcer)
{
	g_free(((struct bpf_enforcer *)enforcer)->why_not);
	g_free(enforcer);
}

static const struct acg_enforcer_ops bpf_ops = {
	.name = "bpf",
	.update = bpf_update,
	.remove = bpf_remove,
	.loaded = bpf_loaded,
	.measure = bpf_measure,
	.policy = bpf_policy,
	.status = bpf_status,
	.free = bpf_free,
};

struct acg_enforcer *acg_enforcer_bpf_new(struct acg_bpf *bpf, struct acg_memory_tier *memory,
					  const char *why_not)
{
	struct bpf_enforcer *self = g_new0(struct bpf_enforcer, 1);

	self->enforcer.ops = &bpf_ops;
	self->bpf = bpf;
	self->memory = memory;
	self->why_not = g_strdup(why_not);
	return &self->enforcer;
}

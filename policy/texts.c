/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of the tree that come from the manager: status, metrics, history, info. */
#include "policy/manager_private.h"
#include "policy/metrics.h"
#include "policy/record.h"

static void clear_mechanism(void *data)
{
	g_free(((struct acg_mechanism *)data)->reason);
}

static void add_fallback(const struct acg_manager *manager, GArray *mechanisms)
{
	struct acg_mechanism row = {"policy", "degraded", g_strdup(manager->fallback)};

	if (row.reason)
		g_array_append_val(mechanisms, row);
}

static void add_unwatched(const struct acg_manager *manager, GArray *mechanisms)
{
	struct acg_mechanism row = {"watches", "degraded", NULL};

	if (!manager->unwatched)
		return;
	row.reason = g_strdup_printf("%u files could not be watched, so that ends of calls and "
				     "limits that were reached may go unnoticed: %s",
				     manager->unwatched, manager->watch_error);
	g_array_append_val(mechanisms, row);
}

GArray *acg_manager_mechanisms(struct acg_manager *manager)
{
	GArray *mechanisms = g_array_new(FALSE, TRUE, sizeof(struct acg_mechanism));

	g_array_set_clear_func(mechanisms, clear_mechanism);
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->status)
			enforcer->ops->status(enforcer, mechanisms);
	}
	add_fallback(manager, mechanisms);
	add_unwatched(manager, mechanisms);
	return mechanisms;
}

void acg_manager_status_text(struct acg_manager *manager, GString *out)
{
	g_autoptr(GArray) mechanisms = acg_manager_mechanisms(manager);

	for (unsigned int i = 0; i < mechanisms->len; i++) {
		const struct acg_mechanism *row =
			&g_array_index(mechanisms, struct acg_mechanism, i);

		g_string_append_printf(out, "%s %s %s\n", row->name, row->state, row->reason);
	}
}

void acg_manager_metrics_text(struct acg_manager *manager, GString *out)
{
	GHashTableIter iter;
	void *value;

	g_hash_table_iter_init(&iter, manager->engine->registry->nodes);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct acg_node *node = value;

		if (node->kind == ACG_KIND_AGENT && node->group)
			node->agent->usage = acg_manager_read_usage(manager, node);
	}
	for (unsigned int i = 0; i < manager->enforcers->len; i++) {
		struct acg_enforcer *enforcer = manager->enforcers->pdata[i];

		if (enforcer->ops->metrics)
			enforcer->ops->metrics(enforcer, out);
	}
	acg_metrics_text(manager->engine->registry, manager->unapplied, manager->kept_back, out);
}

int acg_manager_history_text(struct acg_manager *manager, struct acg_agent *agent, GString *out,
			     GError **error)
{
	g_autofree char *path = acg_agent_path(agent);

	return manager->history ? acg_history_read(manager->history, path, out, error) : 0;
}

void acg_manager_info_text(struct acg_manager *manager, struct acg_node *node, GString *out)
{
	struct acg_time now = acg_manager_now();
	g_autofree char *json = NULL;

	if (node->group)
		acg_manager_measure(manager, node);
	if (node->kind == ACG_KIND_CALL)
		json = acg_record_call(acg_node_call(node), now);
	else
		json = acg_record_agent(node->agent, acg_engine_largest_grant(node->agent, NULL));
	g_string_append(out, json);
	g_string_append_c(out, '\n');
}

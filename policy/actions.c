/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Appending actions; see the header. */
#include "policy/actions.h"

#include "policy/feedback.h"

struct acg_action *acg_do(GArray *actions, enum acg_action_type type, struct acg_node *node)
{
	struct acg_action action = {.type = type, .node = node};

	g_array_append_val(actions, action);
	return &g_array_index(actions, struct acg_action, actions->len - 1);
}

void acg_do_event(GArray *actions, struct acg_node *node, const char *event, enum acg_cause cause,
		  const char *text)
{
	struct acg_action *action = acg_do(actions, ACG_DO_EVENT, node);

	action->name = event;
	action->cause = cause;
	action->text = text;
}

void acg_do_control(GArray *actions, struct acg_node *node, enum acg_control control,
		    uint64_t value)
{
	struct acg_action *action;

	if (node->controls[control] == value)
		return;
	node->controls[control] = value;
	action = acg_do(actions, ACG_DO_SET, node);
	action->control = control;
	action->value = value;
}

void acg_do_controls(GArray *actions, struct acg_node *node, const uint64_t want[ACG_N_CONTROLS])
{
	for (unsigned int i = 0; i < ACG_N_CONTROLS; i++)
		acg_do_control(actions, node, i, want[i]);
}

void acg_do_feedback(GArray *actions, struct acg_call *call, enum acg_cause cause,
		     const char *reason, bool again)
{
	struct acg_agent *agent = call->node.agent;

	if ((call->causes_told & (1u << cause)) && !again)
		return;
	call->causes_told |= 1u << cause;
	g_free(call->reason);
	call->reason = g_strdup(reason ? reason : acg_cause_name(cause));
	g_free(call->feedback);
	call->feedback = acg_feedback_text(call, cause, acg_engine_largest_grant(agent, call));
	g_free(agent->feedback);
	agent->feedback = g_strdup_printf("%s: %s", call->id, call->feedback);
	acg_do_event(actions, &call->node, "feedback", cause, call->feedback);
}

/* --- in words ----------------------------------------------------------------------------------------------- */

static char *node_path(const struct acg_node *node)
{
	g_autofree char *agent = acg_agent_path(node->agent);

	switch (node->kind) {
	case ACG_KIND_CALL:
		return g_strconcat(agent, "/call-", ((const struct acg_call *)node)->id, NULL);
	case ACG_KIND_SELF:
		return g_strconcat(agent, "/self", NULL);
	default:
		return g_steal_pointer(&agent);
	}
}

char *acg_action_text(const struct acg_action *action)
{
	g_autofree char *path = node_path(action->node);

	switch (action->type) {
	case ACG_DO_MAKE:
		return g_strdup_printf("make cgroup %s", path);
	case ACG_DO_SET:
		if (action->value == ACG_MAX)
			return g_strdup_printf("set %s/%s to max", path,
					       acg_control_file(action->control));
		return g_strdup_printf("set %s/%s to %" G_GUINT64_FORMAT, path,
				       acg_control_file(action->control), action->value);
	case ACG_DO_MOVE:
		return g_strdup_printf("move process %d into %s", action->pid, path);
	case ACG_DO_REMOVE:
		return g_strdup_printf("remove cgroup %s", path);
	case ACG_DO_FREEZE:
		return g_strdup_printf("freeze %s", path);
	case ACG_DO_THAW:
		return g_strdup_printf("thaw %s", path);
	case ACG_DO_RECLAIM:
		return g_strdup_printf("reclaim %" G_GUINT64_FORMAT " bytes of %s", action->value,
				       path);
	case ACG_DO_SIGNAL:
		return g_strdup_printf("send signal %d to %s", action->signo, path);
	default:
		return NULL;
	}
}

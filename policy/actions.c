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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the engine's files append actions: one line each. */
#ifndef AGENTCG_POLICY_ACTIONS_H
#define AGENTCG_POLICY_ACTIONS_H

#include "policy/engine.h"

/* Appends an action of this type for the node and returns it for further fields; valid until the next one. */
struct acg_action *acg_do(GArray *actions, enum acg_action_type type, struct acg_node *node);
/* What an action does to the kernel, in words, for a dry run; NULL: nothing. Free with g_free. */
char *acg_action_text(const struct acg_action *action);

void acg_do_event(GArray *actions, struct acg_node *node, const char *event, enum acg_cause cause,
		  const char *text);
/* Sets each control whose value is not yet `want`, and remembers it in node->controls. */
void acg_do_controls(GArray *actions, struct acg_node *node, const uint64_t want[ACG_N_CONTROLS]);
void acg_do_control(GArray *actions, struct acg_node *node, enum acg_control control,
		    uint64_t value);

/*
 * Says in words what happened to a call: sets its and its agent's feedback and an event. Once per cause and call, unless
 * `again`. reason (may be NULL: the cause's name) is copied.
 */
void acg_do_feedback(GArray *actions, struct acg_call *call, enum acg_cause cause,
		     const char *reason, bool again);

#endif

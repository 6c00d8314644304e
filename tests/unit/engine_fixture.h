/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the engine share: a policy from text, an engine, an agent, and a clock that only they turn. */
#ifndef AGENTCG_TESTS_UNIT_ENGINE_FIXTURE_H
#define AGENTCG_TESTS_UNIT_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "policy/engine.h"

#define MIB    (1024ull * 1024)
#define SECOND ((int64_t)G_USEC_PER_SEC)

struct fixture {
	struct acg_engine *engine;
	struct acg_agent *agent;
	GArray *actions;
	struct acg_time now;
};

static inline void turn(struct fixture *fixture, int64_t usec)
{
	fixture->now.mono += usec;
	fixture->now.real += usec;
}

static inline struct fixture fixture_new(const char *policy_text)
{
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;
	struct fixture fixture = {
		.actions = g_array_new(FALSE, FALSE, sizeof(struct acg_action)),
		.now = {1000 * SECOND, 1700000000 * SECOND},
	};

	if (policy_text && acg_policy_load_text(policy_text, "test", &policy, &error) < 0)
		fail_msg("%s", error->message);
	if (!policy_text)
		policy = acg_policy_new_default();
	fixture.engine = acg_engine_new(policy);
	acg_policy_unref(policy);
	return fixture;
}

static inline struct acg_agent *add_agent(struct fixture *fixture, struct acg_agent *parent,
					  const char *name)
{
	struct acg_agent *agent;

	g_array_set_size(fixture->actions, 0);
	assert_int_equal(acg_engine_agent_add(fixture->engine, parent, name, NULL, NULL, 0,
					      fixture->now, fixture->actions, &agent, NULL),
			 0);
	return agent;
}

static inline struct acg_call *begin(struct fixture *fixture, struct acg_agent *agent,
				     const char *id, const char *command,
				     const struct acg_hint *hint)
{
	struct acg_begin request = {.id = id, .command = command, .pid = 4242, .caller = 4242};
	struct acg_call *call;

	if (hint)
		request.hint = *hint;
	g_array_set_size(fixture->actions, 0);
	assert_int_equal(acg_engine_begin(fixture->engine, agent, &request, fixture->now,
					  fixture->actions, &call, NULL),
			 0);
	acg_engine_begun(fixture->engine, call, fixture->actions);
	acg_engine_moved(fixture->engine, &call->node, 4242, 0);
	return call;
}

static inline void fixture_free(struct fixture *fixture)
{
	acg_engine_free(fixture->engine);
	g_array_unref(fixture->actions);
}

/* The first action of this type for the node from the index on, or NULL. */
static inline const struct acg_action *
find_action(const struct fixture *fixture, enum acg_action_type type, const struct acg_node *node)
{
	for (unsigned int i = 0; i < fixture->actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture->actions, struct acg_action, i);

		if (action->type == type && action->node == node)
			return action;
	}
	return NULL;
}

static inline const struct acg_action *find_event(const struct fixture *fixture, const char *name)
{
	for (unsigned int i = 0; i < fixture->actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture->actions, struct acg_action, i);

		if (action->type == ACG_DO_EVENT && strcmp(action->name, name) == 0)
			return action;
	}
	return NULL;
}

/* The value that is set, or -1 if the control is not touched. */
static inline int64_t value_set(const struct fixture *fixture, const struct acg_node *node,
				enum acg_control control)
{
	for (unsigned int i = 0; i < fixture->actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture->actions, struct acg_action, i);

		if (action->type == ACG_DO_SET && action->node == node &&
		    action->control == control)
			return action->value;
	}
	return -1;
}

static inline void clear_actions(struct fixture *fixture)
{
	g_array_set_size(fixture->actions, 0);
}

#endif

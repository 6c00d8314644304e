/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may do what: every kind of caller against every kind of place, as one table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "fusefs/rights.h"

#define USER 4711

/* Agents a (with the sub-agent sub) and b of operators, u of the user. */
struct world {
	struct acg_policy *policy;
	struct acg_registry *registry;
	struct acg_agent *a, *sub, *b, *u;
	struct acg_call *call;
};

static struct world world_new(void)
{
	struct world world = {.registry = acg_registry_new()};

	assert_int_equal(acg_policy_load_text("users = ( { user = \"4711\"; } );", "test",
					      &world.policy, NULL),
			 0);
	world.a = acg_registry_add_agent(world.registry, NULL, "a");
	world.sub = acg_registry_add_agent(world.registry, world.a, "sub");
	world.b = acg_registry_add_agent(world.registry, NULL, "b");
	world.u = acg_registry_add_agent(world.registry, NULL, "u");
	world.u->user = g_strdup("4711");
	world.u->uid = USER;
	world.call = acg_registry_add_call(world.registry, world.a, "x");
	return world;
}

static void world_free(struct world *world)
{
	acg_registry_free(world->registry);
	acg_policy_unref(world->policy);
}

enum who { OPERATOR, ROOT_IN_A, IN_SUB, NAMED_USER, STRANGER, N_CALLERS };

static struct acg_caller caller_of(const struct world *world, enum who who)
{
	struct acg_caller caller = {.tid = 9, .tgid = 9, .threads = 1, .pid_ns_level = 1};

	switch (who) {
	case OPERATOR:
		break;
	case ROOT_IN_A: /* root in a sandbox is no operator */
		caller.agent = world->a;
		break;
	case IN_SUB:
		caller.uid = 1000;
		caller.agent = world->sub;
		break;
	case NAMED_USER:
		caller.uid = USER;
		break;
	default:
		caller.uid = 1000;
		break;
	}
	if (caller.agent)
		caller.node = &caller.agent->self;
	return caller;
}

enum place { ROOT, A, SUB, B, U, N_PLACES };

static const struct acg_agent *agent_at(const struct world *world, enum place place)
{
	const struct acg_agent *agents[] = {NULL, world->a, world->sub, world->b, world->u};

	return agents[place];
}

#define N_RIGHTS (ACG_RIGHT_OPERATE + 1)

/* In each cell, by place from ROOT to U: '.' may, 'a' EACCES, 'p' EPERM. */
static const char table[N_CALLERS][N_RIGHTS][N_PLACES + 1] = {
	/*            READ     PRIVATE  MARK     CALL_FILE SUBAGENT AGENT    OPERATE */
	[OPERATOR] = {".....", ".....", ".....", ".....", ".....", ".....", "....."},
	[ROOT_IN_A] = {"...aa", "...aa", "a..aa", "a..aa", "a..aa", "ppppp", "pp.aa"},
	[IN_SUB] = {".a.aa", ".a.aa", "aa.aa", "aa.aa", "aa.aa", "ppppp", "papaa"},
	[NAMED_USER] = {".....", "aaaa.", "aaaa.", "aaaa.", "aaaa.", ".aaa.", "aaaap"},
	[STRANGER] = {".....", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa", "aaaaa"},
};

static void everybody_everywhere(void **state)
{
	struct world world = world_new();

	(void)state;
	for (enum who who = 0; who < N_CALLERS; who++) {
		struct acg_caller caller = caller_of(&world, who);

		for (enum acg_right right = 0; right < N_RIGHTS; right++)
			for (enum place place = 0; place < N_PLACES; place++) {
				char want = table[who][right][place];
				g_autoptr(GError) error = NULL;
				int ret = acg_rights_check(world.policy, &caller,
							   agent_at(&world, place), right, &error);

				if (ret != (want == '.' ? 0 : want == 'a' ? -EACCES : -EPERM))
					fail_msg("caller %d, right %d, place %d: %d", who, right,
						 place, ret);
				assert_int_equal(error != NULL, ret != 0); /* words for each refusal */
			}
	}
	world_free(&world);
}

static void what_is_seen(void **state)
{
	struct world world = world_new();
	struct acg_caller outside = caller_of(&world, STRANGER), a = caller_of(&world, ROOT_IN_A),
			  sub = caller_of(&world, IN_SUB);

	(void)state;
	assert_true(acg_rights_sees(&outside, world.b));
	assert_true(acg_rights_sees(&a, world.a));
	assert_true(acg_rights_sees(&a, world.sub));
	assert_false(acg_rights_sees(&a, world.b));
	assert_true(acg_rights_sees(&sub, world.a)); /* on the way to itself */
	assert_false(acg_rights_sees(&sub, world.b));
	world_free(&world);
}

static void moving_processes(void **state)
{
	struct world world = world_new();
	const struct {
		enum who who;
		struct acg_node *from; /* NULL: outside */
		uid_t uid;
		struct acg_node *to;
		int ret;
	} moves[] = {
		{OPERATOR, NULL, 0, &world.a->self, 0},
		{OPERATOR, &world.call->node, 0, &world.b->self, 0},
		/* an agent: its own, into its own */
		{ROOT_IN_A, &world.a->self, 0, &world.call->node, 0},
		{ROOT_IN_A, &world.sub->self, 0, &world.call->node, 0},
		{ROOT_IN_A, NULL, 0, &world.a->self, -EPERM},
		{ROOT_IN_A, &world.b->self, 0, &world.call->node, -EPERM},
		{ROOT_IN_A, &world.a->self, 0, &world.b->self, -EACCES},
		{IN_SUB, &world.sub->self, 0, &world.call->node, -EACCES},
		/* out of a call only by `end` */
		{ROOT_IN_A, &world.call->node, 0, &world.a->self, -EPERM},
		{ROOT_IN_A, &world.call->node, 0, &world.call->node, 0},
		/* a user: his own processes, into what he made */
		{NAMED_USER, NULL, USER, &world.u->self, 0},
		{NAMED_USER, &world.u->self, USER, &world.u->self, 0},
		{NAMED_USER, NULL, 0, &world.u->self, -EPERM},
		{NAMED_USER, NULL, (uid_t)-1, &world.u->self, -EPERM}, /* a setuid program */
		{NAMED_USER, &world.a->self, USER, &world.u->self, -EPERM},
		{NAMED_USER, NULL, USER, &world.a->self, -EACCES},
		{STRANGER, NULL, 1000, &world.u->self, -EACCES},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(moves); i++) {
		struct acg_caller caller = caller_of(&world, moves[i].who);
		struct acg_moving moving = {moves[i].from, moves[i].uid};

		if (acg_rights_move(&caller, &moving, moves[i].to, NULL) != moves[i].ret)
			fail_msg("move %u", i);
	}
	world_free(&world);
}

static void beginning_with_oneself(void **state)
{
	struct world world = world_new();
	struct acg_caller caller = caller_of(&world, ROOT_IN_A);
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_rights_begin_self(&caller, NULL), 0);
	caller.threads = 2;
	assert_int_equal(acg_rights_begin_self(&caller, &error), -EPERM);
	assert_non_null(strstr(error->message, "2 threads"));
	assert_non_null(strstr(error->message, "use pid= or agentcg run"));
	g_clear_error(&error);
	caller.threads = 1;
	caller.ns_init = true;
	assert_int_equal(acg_rights_begin_self(&caller, &error), -EPERM);
	assert_non_null(strstr(error->message, "use pid= or agentcg run"));
	g_clear_error(&error);
	caller.node = &world.call->node;
	assert_int_equal(acg_rights_begin_self(&caller, &error), -EBUSY);
	assert_non_null(strstr(error->message, "call x"));
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_everywhere),
		cmocka_unit_test(what_is_seen),
		cmocka_unit_test(moving_processes),
		cmocka_unit_test(beginning_with_oneself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

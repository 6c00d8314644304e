/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's rules: grants by table, the life of a call, what is refused and why. */
#include "tests/unit/engine_fixture.h"

#include <signal.h>

static const char small_policy[] =
	"memory = { low = \"100M\"; medium = \"400M\"; };"
	"agents = ({ match = \"small\";"
	"            budget = { memory = \"1G\"; pids = 300; calls = 3; agents = 1; };"
	"            caps = { memory = \"800M\"; pids = 100; timeout = 60; };"
	"            self = { low = \"64M\"; reserve = \"300M\"; };"
	"            hint = { memory = \"medium\"; }; });"
	"rules = ({ match = \"^pytest\"; class = \"test\"; memory = \"high\"; cpu = \"batch\"; },"
	"         { match = \"^git \"; memory = \"low\"; timeout = 30; });";

#define BUDGET  (1024 * MIB)
#define CEILING (724 * MIB) /* the budget less the reserve; below the cap */

static void grants(void **state)
{
	static const struct {
		const char *command;
		struct acg_hint hint;
		uint64_t grant;
		enum acg_cpu_class cpu;
		uint64_t timeout;
	} table[] = {
		/* the agent's default, a rule, the marker; each over the one before */
		{"make", {0}, 400 * MIB, ACG_CPU_NORMAL, 60 * SECOND},
		{"pytest -q", {0}, CEILING, ACG_CPU_BATCH, 60 * SECOND},
		{"git status", {0}, 100 * MIB, ACG_CPU_NORMAL, 30 * SECOND},
		{"git status",
		 {.memory = ACG_MEMORY_MEDIUM},
		 400 * MIB,
		 ACG_CPU_NORMAL,
		 30 * SECOND},
		{"pytest", {.cpu = ACG_CPU_LATENCY}, CEILING, ACG_CPU_LATENCY, 60 * SECOND},
		{NULL,
		 {.memory = ACG_MEMORY_SIZE, .memory_bytes = 50 * MIB},
		 50 * MIB,
		 ACG_CPU_NORMAL,
		 60 * SECOND},
		/* too much is cut, not refused */
		{NULL,
		 {.memory = ACG_MEMORY_SIZE, .memory_bytes = 900 * MIB},
		 CEILING,
		 ACG_CPU_NORMAL,
		 60 * SECOND},
		{NULL, {.timeout = 3600 * SECOND}, 400 * MIB, ACG_CPU_NORMAL, 60 * SECOND},
		/* a hint inside the command counts */
		{"AGENT_RESOURCE_HINT=memory:low make",
		 {0},
		 100 * MIB,
		 ACG_CPU_NORMAL,
		 60 * SECOND},
	};
	struct fixture fixture = fixture_new(small_policy);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_agent *agent = add_agent(&fixture, NULL, "small");
		struct acg_call *call =
			begin(&fixture, agent, "x", table[i].command, &table[i].hint);

		assert_int_equal(call->grant, table[i].grant);
		assert_int_equal(call->memory_max, CEILING);
		assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_MEMORY_MAX), CEILING);
		assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_MEMORY_HIGH),
				 -1); /* max without pressure */
		assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_PIDS_MAX), 100);
		assert_int_equal(value_set(&fixture, &call->node, ACG_CONTROL_OOM_GROUP), 1);
		assert_int_equal(call->cpu, table[i].cpu);
		assert_int_equal(call->timeout, table[i].timeout);
		acg_engine_agent_removed(fixture.engine, agent);
	}
	fixture_free(&fixture);
}

static void agent_gets_its_budget(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");

	(void)state;
	assert_int_equal(value_set(&fixture, &agent->node, ACG_CONTROL_MEMORY_MAX), BUDGET);
	assert_int_equal(value_set(&fixture, &agent->node, ACG_CONTROL_PIDS_MAX), 300);
	assert_int_equal(value_set(&fixture, &agent->self, ACG_CONTROL_MEMORY_LOW), 64 * MIB);
	/* the tripwire lies below the budget */
	assert_true(value_set(&fixture, &agent->node, ACG_CONTROL_MEMORY_HIGH) < (int64_t)BUDGET);
	assert_true(value_set(&fixture, &agent->node, ACG_CONTROL_MEMORY_HIGH) >
		    (int64_t)BUDGET / 2);
	fixture_free(&fixture);
}

static void without_a_policy_nothing_is_limited(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "any");
	struct acg_hint hint = {.memory = ACG_MEMORY_LOW};
	struct acg_call *call;

	(void)state;
	for (unsigned int i = 0; i < fixture.actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture.actions, struct acg_action, i);

		if (action->type == ACG_DO_SET) /* self's share of the CPU is no limit */
			assert_int_equal(action->control, ACG_CONTROL_CPU_WEIGHT);
	}
	call = begin(&fixture, agent, NULL, "pytest", &hint);
	for (unsigned int i = 0; i < fixture.actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture.actions, struct acg_action, i);

		if (action->type == ACG_DO_SET)
			assert_int_equal(action->control, ACG_CONTROL_OOM_GROUP);
	}
	assert_int_equal(call->grant, 256 * MIB); /* measured against, not enforced */
	assert_int_equal(call->memory_max, ACG_MAX);
	assert_int_equal(fixture.engine->deadline, 0);
	assert_int_equal(acg_engine_largest_grant(agent, NULL), ACG_MAX);
	fixture_free(&fixture);
}

static int try_begin(struct fixture *fixture, struct acg_agent *agent, const char *id,
		     GError **error)
{
	struct acg_begin request = {.id = id, .pid = 1};
	struct acg_call *call = NULL;
	int ret = acg_engine_begin(fixture->engine, agent, &request, fixture->now, fixture->actions,
				   &call, error);

	if (ret)
		assert_null(call);
	return ret;
}

static void refusals(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_call *call = begin(&fixture, agent, "a", "make", NULL);
	g_autoptr(GError) exists = NULL, full = NULL, name = NULL;

	(void)state;
	clear_actions(&fixture);
	assert_int_equal(try_begin(&fixture, agent, "a", &exists), -EEXIST);
	assert_non_null(strstr(exists->message, "choose another id"));
	assert_int_equal(try_begin(&fixture, agent, ".a", &name), -EINVAL);
	assert_int_equal(fixture.actions->len, 0); /* nothing half made */
	begin(&fixture, agent, "b", NULL, NULL);
	begin(&fixture, agent, "c", NULL, NULL);
	assert_int_equal(try_begin(&fixture, agent, "d", &full), -EAGAIN);
	assert_int_equal(agent->n_alive, 3);
	/* an ended one's id may be used again */
	acg_engine_vacated(fixture.engine, call, false, false, fixture.now, fixture.actions);
	acg_engine_call_removed(fixture.engine, call, fixture.now);
	assert_int_equal(try_begin(&fixture, agent, "a", NULL), 0);
	fixture_free(&fixture);
}

static void failed_begin_leaves_nothing(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_begin request = {.id = "x", .pid = 1};
	struct acg_call *call;

	(void)state;
	assert_int_equal(acg_engine_begin(fixture.engine, agent, &request, fixture.now,
					  fixture.actions, &call, NULL),
			 0);
	assert_int_equal(call->state, ACG_CALL_STARTING);
	acg_engine_begin_failed(fixture.engine, call);
	assert_null(acg_agent_call(agent, "x"));
	assert_int_equal(agent->n_alive, 0);
	assert_int_equal(fixture.engine->registry->n_alive, 0);
	fixture_free(&fixture);
}

static void fresh_ids_are_unique(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");

	(void)state;
	begin(&fixture, agent, "c2", NULL, NULL);
	assert_string_equal(begin(&fixture, agent, NULL, NULL, NULL)->id, "c1");
	assert_string_equal(begin(&fixture, agent, NULL, NULL, NULL)->id, "c3");
	fixture_free(&fixture);
}

static void sub_agents(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small"), *sub, *other;
	g_autoptr(GError) error = NULL;
	struct acg_call *call;

	(void)state;
	sub = add_agent(&fixture, agent, "sub");
	assert_int_equal(acg_engine_agent_add(fixture.engine, agent, "two", NULL, NULL, 0,
					      fixture.now, fixture.actions, &other, &error),
			 -EAGAIN);
	call = begin(&fixture, sub, "x", "pytest", NULL);
	assert_int_equal(call->grant, CEILING); /* inside the enclosing agent's budget */
	acg_engine_agent_limit(fixture.engine, sub, ACG_CONTROL_MEMORY_MAX, 200 * MIB,
			       fixture.actions);
	assert_int_equal(call->grant, 200 * MIB);
	assert_int_equal(call->memory_max, 200 * MIB);
	assert_int_equal(acg_engine_agent_remove(fixture.engine, agent, fixture.now,
						 fixture.actions, NULL),
			 -EBUSY);
	fixture_free(&fixture);
}

/* --- ends --------------------------------------------------------------------------------------------------- */

static void end_by_its_writer(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	const struct acg_action *move;

	(void)state;
	clear_actions(&fixture);
	g_array_index(call->moved, struct acg_moved, 0).oom_score_adj = 17;
	assert_int_equal(acg_engine_end(fixture.engine, call, 3, 4242, fixture.actions, NULL), 0);
	move = find_action(&fixture, ACG_DO_MOVE, &agent->self);
	assert_int_equal(move->pid, 4242);
	assert_int_equal(move->oom_score_adj, 17); /* what it had before */
	clear_actions(&fixture);
	turn(&fixture, SECOND);
	acg_engine_vacated(fixture.engine, call, false, false, fixture.now, fixture.actions);
	assert_non_null(find_event(&fixture, "end"));
	/* the history is written before the cgroup goes */
	assert_true(find_action(&fixture, ACG_DO_RECORD, &call->node) <
		    find_action(&fixture, ACG_DO_REMOVE, &call->node));
	acg_engine_call_removed(fixture.engine, call, fixture.now);
	assert_int_equal(call->state, ACG_CALL_ENDED);
	assert_int_equal(call->exit, 3);
	assert_int_equal(call->end.mono - call->start.mono, SECOND);
	assert_int_equal(agent->n_alive, 0);
	fixture_free(&fixture);
}

static void end_with_a_server_left_detaches(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "npm start &", NULL);

	(void)state;
	clear_actions(&fixture);
	acg_engine_vacated(fixture.engine, call, true, false, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_DETACHED);
	assert_non_null(find_event(&fixture, "detached"));
	assert_null(find_action(&fixture, ACG_DO_REMOVE, &call->node));
	/* and ends as soon as it is empty */
	acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
	assert_non_null(find_action(&fixture, ACG_DO_REMOVE, &call->node));
	fixture_free(&fixture);
}

static void empty_call_waits_for_its_end_marker(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);

	(void)state;
	turn(&fixture, SECOND);
	clear_actions(&fixture);
	acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
	assert_null(find_action(&fixture, ACG_DO_REMOVE, &call->node));
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + ACG_END_GRACE);
	turn(&fixture, ACG_END_GRACE);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_non_null(find_action(&fixture, ACG_DO_REMOVE, &call->node));
	acg_engine_call_removed(fixture.engine, call, fixture.now);
	/* a late `end` records the exit and succeeds, and is told once */
	clear_actions(&fixture);
	assert_int_equal(acg_engine_end(fixture.engine, call, 7, 0, fixture.actions, NULL), 0);
	assert_int_equal(call->exit, 7);
	assert_string_equal(find_action(&fixture, ACG_DO_EVENT, &call->node)->text, "7");
	clear_actions(&fixture);
	assert_int_equal(acg_engine_end(fixture.engine, call, 7, 0, fixture.actions, NULL), 0);
	assert_null(find_action(&fixture, ACG_DO_EVENT, &call->node));
	fixture_free(&fixture);
}

static void writer_that_left_at_once_is_told(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);

	(void)state;
	turn(&fixture, 2000);
	acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
	turn(&fixture, ACG_END_GRACE);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_non_null(call->feedback);
	assert_non_null(agent->feedback);
	fixture_free(&fixture);
}

static void ended_calls_are_forgotten(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");

	(void)state;
	for (unsigned int i = 0; i < ACG_ENDED_KEPT + 10; i++) {
		struct acg_call *call = begin(&fixture, agent, NULL, NULL, NULL);

		acg_engine_vacated(fixture.engine, call, false, false, fixture.now,
				   fixture.actions);
		acg_engine_call_removed(fixture.engine, call, fixture.now);
	}
	assert_int_equal(g_hash_table_size(agent->calls), ACG_ENDED_KEPT);
	assert_null(acg_agent_call(agent, "c10"));
	assert_non_null(acg_agent_call(agent, "c11"));
	turn(&fixture, ACG_ENDED_AGE + 1);
	acg_engine_expire(fixture.engine, agent, fixture.now);
	assert_int_equal(g_hash_table_size(agent->calls), 0);
	fixture_free(&fixture);
}

static void oom_is_told_from_counters(void **state)
{
	static const struct {
		uint64_t oom_events, oom_kills;
		enum acg_cause cause;
	} table[] = {
		{1, 1, ACG_CAUSE_OOM},
		{0, 1, ACG_CAUSE_OOM_AGENT},
		{0, 0, ACG_CAUSE_NONE}, /* exit 137 without an OOM */
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct fixture fixture = fixture_new(small_policy);
		struct acg_agent *agent = add_agent(&fixture, NULL, "small");
		struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
		const struct acg_action *event;

		clear_actions(&fixture);
		turn(&fixture, SECOND);
		call->usage.oom_events = table[i].oom_events;
		call->usage.oom_kills = table[i].oom_kills;
		acg_engine_end(fixture.engine, call, 137, 0, fixture.actions, NULL);
		acg_engine_vacated(fixture.engine, call, false, false, fixture.now,
				   fixture.actions);
		event = find_event(&fixture, "feedback");
		assert_int_equal(event ? event->cause : ACG_CAUSE_NONE, table[i].cause);
		assert_int_equal(call->feedback != NULL, table[i].cause != ACG_CAUSE_NONE);
		assert_int_equal(call->signal, table[i].cause ? SIGKILL : 0);
		fixture_free(&fixture);
	}
}

/* --- while it runs ------------------------------------------------------------------------------------------ */

static void timeout_is_term_then_kill(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_hint hint = {.timeout = 10 * SECOND};
	struct acg_call *call = begin(&fixture, agent, "x", "make", &hint);

	(void)state;
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + 10 * SECOND);
	/* time frozen does not count */
	turn(&fixture, 4 * SECOND);
	acg_engine_freeze(fixture.engine, call, true, fixture.now, fixture.actions);
	assert_int_equal(call->state, ACG_CALL_FROZEN);
	turn(&fixture, 100 * SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(fixture.engine->deadline, 0);
	acg_engine_freeze(fixture.engine, call, false, fixture.now, fixture.actions);
	assert_int_equal(call->frozen, 100 * SECOND);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + 6 * SECOND);
	clear_actions(&fixture);
	turn(&fixture, 5 * SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_null(find_action(&fixture, ACG_DO_SIGNAL, &call->node));
	turn(&fixture, SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(find_action(&fixture, ACG_DO_SIGNAL, &call->node)->signo, SIGTERM);
	clear_actions(&fixture);
	turn(&fixture, 4 * SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_null(find_action(&fixture, ACG_DO_SIGNAL, &call->node));
	turn(&fixture, SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(find_action(&fixture, ACG_DO_SIGNAL, &call->node)->signo, SIGKILL);
	assert_int_equal(fixture.engine->deadline, 0);
	fixture_free(&fixture);
}

static void hint_changes_a_running_call(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	struct acg_hint hint = {.memory = ACG_MEMORY_HIGH, .cpu = ACG_CPU_BATCH};

	(void)state;
	clear_actions(&fixture);
	acg_engine_hint(fixture.engine, call, &hint, fixture.now, fixture.actions);
	assert_int_equal(call->grant, CEILING);
	assert_int_equal(call->cpu, ACG_CPU_BATCH);
	assert_non_null(find_action(&fixture, ACG_DO_UPDATE, &call->node));
	fixture_free(&fixture);
}

static void agents_lower_but_never_raise(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_engine_lower(fixture.engine, call, ACG_CONTROL_MEMORY_MAX, 100 * MIB,
					  false, fixture.actions, NULL),
			 0);
	assert_int_equal(call->memory_max, 100 * MIB);
	assert_int_equal(call->grant, 100 * MIB);
	assert_int_equal(acg_engine_lower(fixture.engine, call, ACG_CONTROL_MEMORY_MAX, CEILING + 1,
					  false, fixture.actions, &error),
			 -EPERM);
	assert_int_equal(call->memory_max, 100 * MIB);
	/* back up to what was granted */
	assert_int_equal(acg_engine_lower(fixture.engine, call, ACG_CONTROL_MEMORY_MAX, CEILING,
					  false, fixture.actions, NULL),
			 0);
	assert_int_equal(call->memory_max, CEILING);
	/* an operator may raise it */
	assert_int_equal(acg_engine_lower(fixture.engine, call, ACG_CONTROL_MEMORY_MAX, 900 * MIB,
					  true, fixture.actions, NULL),
			 0);
	assert_int_equal(call->node.controls[ACG_CONTROL_MEMORY_MAX], 900 * MIB);
	fixture_free(&fixture);
}

static void policy_is_applied_to_what_runs(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	struct acg_policy *policy = NULL;

	(void)state;
	assert_int_equal(
		acg_policy_load_text(
			"agents = ({ match = \"small\"; budget = { memory = \"2G\"; }; });", "new",
			&policy, NULL),
		0);
	clear_actions(&fixture);
	acg_engine_set_policy(fixture.engine, policy, fixture.now, fixture.actions);
	assert_int_equal(value_set(&fixture, &agent->node, ACG_CONTROL_MEMORY_MAX), 2048 * MIB);
	assert_int_equal(call->memory_max, 2048 * MIB);
	acg_policy_unref(policy);
	fixture_free(&fixture);
}

static void priority_of_an_operator_stays(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_policy *policy = acg_policy_new_default();

	(void)state;
	clear_actions(&fixture);
	acg_engine_agent_priority(fixture.engine, agent, ACG_PRIORITY_HIGH, fixture.now,
				  fixture.actions);
	assert_int_equal(value_set(&fixture, &agent->node, ACG_CONTROL_CPU_WEIGHT), 400);
	acg_engine_set_policy(fixture.engine, policy, fixture.now, fixture.actions);
	assert_int_equal(agent->priority, ACG_PRIORITY_HIGH);
	acg_policy_unref(policy);
	fixture_free(&fixture);
}

static void limits_of_a_sub_agent_stay(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_agent *sub = add_agent(&fixture, agent, "sub");
	struct acg_policy *policy = acg_policy_new_default();

	(void)state;
	acg_engine_agent_limit(fixture.engine, sub, ACG_CONTROL_MEMORY_MAX, 200 * MIB,
			       fixture.actions);
	acg_engine_agent_limit(fixture.engine, sub, ACG_CONTROL_PIDS_MAX, 7, fixture.actions);
	acg_engine_set_policy(fixture.engine, policy, fixture.now, fixture.actions);
	assert_int_equal(sub->budget.memory, 200 * MIB);
	assert_int_equal(sub->budget.pids, 7);
	assert_int_equal(sub->budget.swap, ACG_MAX);
	acg_policy_unref(policy);
	fixture_free(&fixture);
}

/* --- ends that somebody waits for ------------------------------------------------------------------------- */

static void who_holds_the_file_open_is_waited_for(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);

	(void)state;
	acg_engine_await(fixture.engine, call, true, fixture.now);
	clear_actions(&fixture);
	acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
	turn(&fixture, ACG_END_AWAITED - 1);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_null(find_action(&fixture, ACG_DO_RECORD, &call->node));
	acg_engine_await(fixture.engine, call, false, fixture.now);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_non_null(find_action(&fixture, ACG_DO_RECORD, &call->node));
	fixture_free(&fixture);
}

static void but_not_for_ever(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);

	(void)state;
	acg_engine_await(fixture.engine, call, true, fixture.now);
	acg_engine_vacated(fixture.engine, call, false, true, fixture.now, fixture.actions);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + ACG_END_AWAITED);
	turn(&fixture, ACG_END_AWAITED);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_non_null(find_action(&fixture, ACG_DO_RECORD, &call->node));
	fixture_free(&fixture);
}

static void a_rule_holds_for_a_command_that_is_not_kept(void **state)
{
	struct fixture fixture = fixture_new(
		"commands = \"none\"; rules = ({ match = \"^make\"; class = \"build\"; memory = \"100M\"; });");
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make all", NULL);
	struct acg_hint batch = {.cpu = ACG_CPU_BATCH};

	(void)state;
	assert_string_equal(call->command, "");
	assert_int_equal(call->grant, 100 * MIB);
	acg_engine_hint(fixture.engine, call, &batch, fixture.now, fixture.actions);
	assert_int_equal(call->grant, 100 * MIB);
	assert_string_equal(call->class, "build");
	fixture_free(&fixture);
}

static void frozen_time_is_no_grace_after_sigterm(void **state)
{
	struct fixture fixture = fixture_new(small_policy);
	struct acg_agent *agent = add_agent(&fixture, NULL, "small");
	struct acg_hint hint = {.timeout = SECOND};
	struct acg_call *call = begin(&fixture, agent, "x", "make", &hint);
	int64_t grace = fixture.engine->policy->ladder.term_grace;

	(void)state;
	turn(&fixture, SECOND);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(call->signal, SIGTERM);
	acg_engine_freeze(fixture.engine, call, true, fixture.now, fixture.actions);
	turn(&fixture, 2 * grace);
	acg_engine_freeze(fixture.engine, call, false, fixture.now, fixture.actions);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(call->signal, SIGTERM);
	turn(&fixture, grace);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(call->signal, SIGKILL);
	fixture_free(&fixture);
}

/* How often a lesser victim is made of the shell of the fixture's call. */
static unsigned int times_spared(const struct fixture *fixture, const struct acg_call *call)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < fixture->actions->len; i++) {
		const struct acg_action *action =
			&g_array_index(fixture->actions, struct acg_action, i);

		n += action->type == ACG_DO_SPARE && action->node == &call->node;
	}
	return n;
}

static void a_persistent_shell_is_spared(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_begin request = {.id = "x", .pid = 4242, .caller = 4242, .keep = true};
	struct acg_call *other = begin(&fixture, agent, "other", "make", NULL), *call;
	struct acg_usage usage = {.max_events = 1};

	(void)state;
	clear_actions(&fixture);
	assert_int_equal(acg_engine_begin(fixture.engine, agent, &request, fixture.now,
					  fixture.actions, &call, NULL),
			 0);
	assert_int_equal(find_action(&fixture, ACG_DO_MOVE, &call->node)->oom_score_adj,
			 ACG_OOM_KEEP);
	acg_engine_begun(fixture.engine, call, fixture.actions);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + ACG_SPARE_FIRST);
	turn(&fixture, ACG_SPARE_FIRST);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(times_spared(&fixture, call), 1);
	/* ever more rarely, up to a limit */
	turn(&fixture, 100 * ACG_SPARE_LAST);
	acg_engine_tick(fixture.engine, fixture.now, fixture.actions);
	assert_int_equal(times_spared(&fixture, call), 2);
	assert_int_equal(fixture.engine->deadline, fixture.now.mono + ACG_SPARE_LAST);
	/* when memory runs out, but not each time */
	turn(&fixture, ACG_SPARE_FIRST);
	acg_engine_usage(fixture.engine, &call->node, &usage, fixture.now, fixture.actions);
	assert_int_equal(times_spared(&fixture, call), 3);
	usage.max_events++;
	acg_engine_usage(fixture.engine, &call->node, &usage, fixture.now, fixture.actions);
	assert_int_equal(times_spared(&fixture, call), 3);
	acg_engine_usage(fixture.engine, &other->node, &usage, fixture.now, fixture.actions);
	assert_int_equal(times_spared(&fixture, other), 0);
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants),
		cmocka_unit_test(agent_gets_its_budget),
		cmocka_unit_test(without_a_policy_nothing_is_limited),
		cmocka_unit_test(refusals),
		cmocka_unit_test(failed_begin_leaves_nothing),
		cmocka_unit_test(fresh_ids_are_unique),
		cmocka_unit_test(sub_agents),
		cmocka_unit_test(end_by_its_writer),
		cmocka_unit_test(end_with_a_server_left_detaches),
		cmocka_unit_test(empty_call_waits_for_its_end_marker),
		cmocka_unit_test(writer_that_left_at_once_is_told),
		cmocka_unit_test(ended_calls_are_forgotten),
		cmocka_unit_test(oom_is_told_from_counters),
		cmocka_unit_test(timeout_is_term_then_kill),
		cmocka_unit_test(hint_changes_a_running_call),
		cmocka_unit_test(agents_lower_but_never_raise),
		cmocka_unit_test(policy_is_applied_to_what_runs),
		cmocka_unit_test(priority_of_an_operator_stays),
		cmocka_unit_test(limits_of_a_sub_agent_stay),
		cmocka_unit_test(who_holds_the_file_open_is_waited_for),
		cmocka_unit_test(but_not_for_ever),
		cmocka_unit_test(a_rule_holds_for_a_command_that_is_not_kept),
		cmocka_unit_test(frozen_time_is_no_grace_after_sigterm),
		cmocka_unit_test(a_persistent_shell_is_spared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager with the fake enforcer: nothing half made, whatever fails; events and history in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glib/gstdio.h>
#include <string.h>

#include "policy/manager.h"

struct setup {
	char *run_dir;
	struct acg_enforcer *fake;
	struct acg_manager *manager;
	unsigned int events_heard;
};

static void on_event(void *data, struct acg_agent *agent)
{
	if (!agent)
		((struct setup *)data)->events_heard++;
}

static struct setup *setup_new(void)
{
	struct setup *setup = g_new0(struct setup, 1);
	struct acg_policy *policy = acg_policy_new_default();
	struct acg_manager_options options = {.enforcers = g_ptr_array_new()};
	g_autoptr(GError) error = NULL;

	setup->run_dir = g_dir_make_tmp("agentcg-test-XXXXXX", NULL);
	setup->fake = acg_enforcer_fake_new();
	g_ptr_array_add(options.enforcers, setup->fake);
	options.run_dir = setup->run_dir;
	options.listener.event = on_event;
	options.listener.data = setup;
	if (acg_manager_new(&options, policy, &setup->manager, &error) < 0)
		fail_msg("%s", error->message);
	acg_policy_unref(policy);
	return setup;
}

static void setup_free(struct setup *setup)
{
	g_autofree char *history = g_build_filename(setup->run_dir, "history", NULL);
	GDir *dir = g_dir_open(history, 0, NULL);
	const char *name;

	acg_manager_free(setup->manager);
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(history, name, NULL);

		g_unlink(path);
	}
	g_dir_close(dir);
	g_rmdir(history);
	assert_int_equal(g_rmdir(setup->run_dir), 0);
	g_free(setup->run_dir);
	g_free(setup);
}

static struct acg_agent *agent_of(struct setup *setup)
{
	struct acg_agent *agent;

	assert_int_equal(
		acg_manager_agent_add(setup->manager, NULL, "a", NULL, NULL, 0, &agent, NULL), 0);
	return agent;
}

static void begin_and_end_write_history(void **state)
{
	struct setup *setup = setup_new();
	struct acg_agent *agent = agent_of(setup);
	struct acg_begin begin = {.id = "x", .command = "make -j2", .pid = 1234};
	g_autoptr(GString) history = g_string_new(NULL), events = g_string_new(NULL);
	struct acg_call *call;

	(void)state;
	assert_int_equal(acg_manager_begin(setup->manager, agent, &begin, &call, NULL), 0);
	assert_int_equal(call->state, ACG_CALL_RUNNING);
	assert_ptr_equal(acg_registry_node(acg_manager_registry(setup->manager), call->node.id),
			 &call->node);
	assert_int_equal(acg_manager_end(setup->manager, call, 0, 1234, NULL), 0);
	assert_int_equal(call->state, ACG_CALL_ENDED);
	assert_int_equal(acg_manager_history_text(setup->manager, agent, history, NULL), 0);
	assert_non_null(strstr(history->str, "\"command\":\"make -j2\""));
	assert_ptr_equal(strchr(history->str, '\n'),
			 history->str + history->len - 1); /* one line */
	acg_eventlog_dump(acg_manager_eventlog(setup->manager, NULL), events);
	assert_true(strstr(events->str, "agent_made") < strstr(events->str, "begin"));
	assert_true(strstr(events->str, "\"begin\"") < strstr(events->str, "\"end\""));
	assert_true(setup->events_heard >= 3);
	/* its text stays readable, its cgroup is gone */
	assert_null(call->node.group);
	assert_non_null(acg_agent_call(agent, "x"));
	assert_int_equal(acg_manager_agent_remove(setup->manager, agent, NULL), 0);
	setup_free(setup);
}

static void whatever_fails_nothing_is_half_made(void **state)
{
	static const char *const operations[] = {"make", "set", "move"};
	struct setup *setup = setup_new();
	struct acg_agent *agent = agent_of(setup);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(operations); i++) {
		struct acg_begin begin = {.id = "x", .pid = 1234};
		struct acg_call *call = NULL;
		g_autoptr(GError) error = NULL;

		acg_enforcer_fake_fail(setup->fake, operations[i], ENOSPC);
		assert_int_equal(acg_manager_begin(setup->manager, agent, &begin, &call, &error),
				 -ENOSPC);
		assert_int_equal(error->code, ENOSPC); /* the kernel's errno passes through */
		assert_null(call);
		assert_null(acg_agent_call(agent, "x"));
		assert_int_equal(agent->n_alive, 0);
		assert_int_equal(acg_manager_begin(setup->manager, agent, &begin, &call, NULL), 0);
		assert_int_equal(acg_manager_end(setup->manager, call, -1, 0, NULL), 0);
	}
	setup_free(setup);
}

static void agents_that_fail_are_not_there(void **state)
{
	static const char *const operations[] = {"make", "set"};
	struct setup *setup = setup_new();

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(operations); i++) {
		struct acg_agent *agent = NULL;

		acg_enforcer_fake_fail(setup->fake, operations[i], ENOMEM);
		assert_int_equal(acg_manager_agent_add(setup->manager, NULL, "a", NULL, NULL, 0,
						       &agent, NULL),
				 -ENOMEM);
		assert_null(agent);
		assert_null(acg_registry_agent(acg_manager_registry(setup->manager), NULL, "a"));
	}
	assert_int_equal(g_hash_table_size(acg_manager_registry(setup->manager)->nodes), 0);
	setup_free(setup);
}

static void a_cgroup_that_will_not_go_is_recorded_once(void **state)
{
	struct setup *setup = setup_new();
	struct acg_agent *agent = agent_of(setup);
	struct acg_begin begin = {.id = "x", .pid = 1234};
	g_autoptr(GString) history = g_string_new(NULL);
	struct acg_call *call;

	(void)state;
	assert_int_equal(acg_manager_begin(setup->manager, agent, &begin, &call, NULL), 0);
	acg_enforcer_fake_fail(setup->fake, "remove", EBUSY);
	acg_manager_end(setup->manager, call, 0, 0, NULL);
	assert_int_not_equal(call->state, ACG_CALL_ENDED);
	acg_manager_end(setup->manager, call, 0, 0, NULL);
	assert_int_equal(call->state, ACG_CALL_ENDED);
	assert_int_equal(acg_manager_history_text(setup->manager, agent, history, NULL), 0);
	assert_ptr_equal(strchr(history->str, '\n'), history->str + history->len - 1);
	setup_free(setup);
}

static unsigned int n_lines(const char *text)
{
	unsigned int n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Begins, hints and ends a call as often as it takes, whatever the kernel says in between. */
static unsigned int one_call_in_a_storm(struct setup *setup, struct acg_agent *agent, GRand *rand)
{
	static const char *const operations[] = {"make", "set", "move", "remove", "none"};
	static const int errors[] = {ENOMEM, EIO, ENOSPC};
	struct acg_begin begin = {.pid = 1234};
	struct acg_hint hint = {.memory = ACG_MEMORY_LOW};
	struct acg_call *call = NULL;
	unsigned int refused = 0;

	for (unsigned int i = 0; !call || call->state != ACG_CALL_ENDED; i++) {
		int error = errors[g_rand_int_range(rand, 0, G_N_ELEMENTS(errors))], ret;

		acg_enforcer_fake_fail(setup->fake,
				       operations[g_rand_int_range(rand, 0, G_N_ELEMENTS(operations))],
				       error);
		if (call && i % 2)
			acg_manager_hint(setup->manager, call, &hint, NULL);
		ret = call ? acg_manager_end(setup->manager, call, 0, 0, NULL)
			   : acg_manager_begin(setup->manager, agent, &begin, &call, NULL);
		assert_true(ret == 0 || ret == -error);
		refused += ret != 0;
		assert_int_equal(agent->n_alive, call && call->state != ACG_CALL_ENDED);
	}
	return refused;
}

static void a_storm_of_failures_loses_and_doubles_nothing(void **state)
{
	struct setup *setup = setup_new();
	struct acg_agent *agent = agent_of(setup);
	g_autoptr(GString) history = g_string_new(NULL);
	GRand *rand = g_rand_new_with_seed(11);
	unsigned int refused = 0;

	(void)state;
	for (unsigned int i = 0; i < 300; i++)
		refused += one_call_in_a_storm(setup, agent, rand);
	acg_enforcer_fake_fail(setup->fake, "none", 0);
	assert_true(refused > 100);
	assert_int_equal(agent->counters.begun, 300);
	assert_int_equal(agent->counters.ended, 300);
	assert_int_equal(acg_manager_history_text(setup->manager, agent, history, NULL), 0);
	assert_int_equal(n_lines(history->str), 300);
	assert_int_equal(acg_manager_agent_remove(setup->manager, agent, NULL), 0);
	g_rand_free(rand);
	setup_free(setup);
}

static void refusals_are_counted_and_told(void **state)
{
	struct setup *setup = setup_new();
	struct acg_agent *agent = agent_of(setup);
	g_autoptr(GError) why = g_error_new(ACG_ERROR, EINVAL, "no such verb");
	g_autoptr(GString) events = g_string_new(NULL);

	(void)state;
	acg_manager_refused(setup->manager, agent, true, why);
	acg_manager_refused(setup->manager, agent, false, why);
	assert_int_equal(agent->counters.refused, 1);
	assert_int_equal(agent->counters.denied, 1);
	assert_string_equal(agent->call_error, "no such verb");
	acg_eventlog_dump(acg_manager_eventlog(setup->manager, agent), events);
	assert_non_null(strstr(events->str, "\"refused\""));
	assert_non_null(strstr(events->str, "\"denied\""));
	setup_free(setup);
}

static void refused_policies_change_nothing(void **state)
{
	struct setup *setup = setup_new();
	g_autoptr(GError) why = g_error_new(ACG_ERROR, EINVAL, "policy:3: unknown key");
	struct acg_policy *before = acg_manager_policy(setup->manager);

	(void)state;
	assert_null(acg_manager_policy_error(setup->manager));
	acg_manager_policy_refused(setup->manager, why);
	assert_string_equal(acg_manager_policy_error(setup->manager), "policy:3: unknown key");
	assert_ptr_equal(acg_manager_policy(setup->manager), before);
	acg_manager_set_policy(setup->manager, before);
	assert_null(acg_manager_policy_error(setup->manager));
	setup_free(setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begin_and_end_write_history),
		cmocka_unit_test(whatever_fails_nothing_is_half_made),
		cmocka_unit_test(agents_that_fail_are_not_there),
		cmocka_unit_test(a_cgroup_that_will_not_go_is_recorded_once),
		cmocka_unit_test(a_storm_of_failures_loses_and_doubles_nothing),
		cmocka_unit_test(refusals_are_counted_and_told),
		cmocka_unit_test(refused_policies_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to the kernel's files through the tree, with the fake enforcer and a folder that stands for the call's cgroup: what an
 * agent may lower, what an operator may set, and which texts are no limits.
 */
#include "tests/unit/tmp_tree.h"

#include "policy/feedback.h"
#include "policy/manager.h"

#define MIB (1024ull * 1024)

static const char policy_text[] =
	"ladder = { enabled = false; };\n"
	"agents = ( { caps = { memory = \"512M\"; swap = \"64M\"; pids = 100; cpu_max = \"100%\"; }; } );\n";

struct setup {
	char *run_dir, *cgroup;
	struct acg_manager *manager;
	struct acg_agent *agent;
	struct acg_call *call;
};

static void open_as(struct setup *setup, struct acg_node *node)
{
	static const char *const files[] = {
		"memory.high", "memory.max", "memory.swap.max", "pids.max",
		"cpu.max",     "cgroup.freeze", "cgroup.kill",  "memory.low",
	};

	for (unsigned int i = 0; i < G_N_ELEMENTS(files); i++)
		tmp_write(setup->cgroup, files[i], "");
	node->group->dirfd = tmp_open(setup->cgroup);
}

static void close_again(struct acg_node *node)
{
	close(node->group->dirfd);
	node->group->dirfd = -1;
}

static struct setup *setup_new(void)
{
	struct setup *setup = g_new0(struct setup, 1);
	struct acg_manager_options options = {.enforcers = g_ptr_array_new()};
	struct acg_begin begin = {.id = "x", .pid = 1234};
	struct acg_policy *policy = NULL;

	setup->run_dir = tmp_new();
	setup->cgroup = tmp_new();
	options.run_dir = setup->run_dir;
	g_ptr_array_add(options.enforcers, acg_enforcer_fake_new());
	assert_int_equal(acg_policy_load_text(policy_text, "test", &policy, NULL), 0);
	assert_int_equal(acg_manager_new(&options, policy, &setup->manager, NULL), 0);
	acg_policy_unref(policy);
	assert_int_equal(acg_manager_agent_add(setup->manager, NULL, "a", NULL, NULL, 0,
					       &setup->agent, NULL),
			 0);
	assert_int_equal(
		acg_manager_begin(setup->manager, setup->agent, &begin, &setup->call, NULL), 0);
	open_as(setup, &setup->call->node);
	return setup;
}

static void setup_free(struct setup *setup)
{
	close_again(&setup->call->node);
	acg_manager_free(setup->manager);
	tmp_free(setup->run_dir);
	tmp_free(setup->cgroup);
	g_free(setup);
}

static int write_to(struct setup *setup, const char *file, const char *text, bool operator)
{
	return acg_manager_write(setup->manager, &setup->call->node, file, text, operator, NULL);
}

static void an_agent_lowers_and_raises_no_further_than_its_grant(void **state)
{
	static const struct {
		const char *file;
		const char *text;
		int ret;
		enum acg_control control;
		uint64_t value;
	} table[] = {
		{"memory.max", "256M\n", 0, ACG_CONTROL_MEMORY_MAX, 256 * MIB},
		{"memory.max", "512M", 0, ACG_CONTROL_MEMORY_MAX, 512 * MIB},
		{"memory.max", "513M", -EPERM, ACG_CONTROL_MEMORY_MAX, 512 * MIB},
		{"memory.max", "max", -EPERM, ACG_CONTROL_MEMORY_MAX, 512 * MIB},
		{"memory.high", "100M", 0, ACG_CONTROL_MEMORY_HIGH, 100 * MIB},
		{"memory.high", "max", 0, ACG_CONTROL_MEMORY_HIGH, ACG_MAX},
		{"memory.swap.max", "0", 0, ACG_CONTROL_SWAP_MAX, 0},
		{"memory.swap.max", "65M", -EPERM, ACG_CONTROL_SWAP_MAX, 0},
		{"pids.max", "5", 0, ACG_CONTROL_PIDS_MAX, 5},
		{"pids.max", "101", -EPERM, ACG_CONTROL_PIDS_MAX, 5},
		{"cpu.max", "50000", 0, ACG_CONTROL_CPU_MAX, ACG_CPU_PERIOD / 2},
		{"cpu.max", "20000 50000", 0, ACG_CONTROL_CPU_MAX, ACG_CPU_PERIOD * 2 / 5},
		{"cpu.max", "200000 100000", -EPERM, ACG_CONTROL_CPU_MAX, ACG_CPU_PERIOD * 2 / 5},
		{"memory.low", "1G", -EPERM, ACG_CONTROL_MEMORY_LOW, 0},
	};
	struct setup *setup = setup_new();

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		assert_int_equal(write_to(setup, table[i].file, table[i].text, false),
				 table[i].ret);
		assert_int_equal(setup->call->node.controls[table[i].control], table[i].value);
	}
	assert_file(setup->cgroup, "memory.low", ""); /* nothing went by the policy */
	setup_free(setup);
}

static void texts_that_are_no_limits(void **state)
{
	static const struct {
		const char *file;
		const char *text;
	} table[] = {
		{"memory.max", ""},
		{"memory.max", "-1"},
		{"memory.max", "lots"},
		{"memory.max", "1 2"},
		{"memory.max", "18446744073709551616"},
		{"pids.max", "5 processes"},
		{"cpu.max", ""},
		{"cpu.max", "10"},	      /* less than the kernel takes */
		{"cpu.max", "50000 10"},      /* so is the period */
		{"cpu.max", "50000 9999999"},
		{"cpu.max", "18446744073709551614 100000"},
		{"cgroup.freeze", "2"},
		{"cgroup.freeze", ""},
		{"cgroup.kill", "0"},
	};
	struct setup *setup = setup_new();

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		int ret = write_to(setup, table[i].file, table[i].text, true);

		if (ret != -EINVAL && ret != -ERANGE)
			fail_msg("%s: \"%s\": %d", table[i].file, table[i].text, ret);
	}
	assert_int_equal(setup->call->memory_max, 512 * MIB);
	setup_free(setup);
}

static void an_operator_goes_further(void **state)
{
	struct setup *setup = setup_new();

	(void)state;
	assert_int_equal(write_to(setup, "memory.low", "1G", true), 0);
	assert_file(setup->cgroup, "memory.low", "1G"); /* as it was written */
	assert_int_equal(write_to(setup, "memory.max", "100M", true), 0);
	assert_int_equal(setup->call->memory_max, 100 * MIB);
	setup_free(setup);
}

static void freezing_and_thawing(void **state)
{
	struct setup *setup = setup_new();

	(void)state;
	assert_int_equal(write_to(setup, "cgroup.freeze", "1\n", false), 0);
	assert_int_equal(setup->call->state, ACG_CALL_FROZEN);
	assert_true(setup->call->operator_frozen);
	assert_int_equal(write_to(setup, "cgroup.freeze", "0\n", false), 0);
	assert_int_equal(setup->call->state, ACG_CALL_RUNNING);
	setup_free(setup);
}

static void a_kill_is_told(void **state)
{
	struct setup *setup = setup_new();

	(void)state;
	assert_int_equal(write_to(setup, "cgroup.kill", "1", false), 0);
	assert_int_equal(setup->agent->counters.killed, 1);
	assert_string_equal(setup->call->reason, acg_cause_name(ACG_CAUSE_KILLED));
	setup_free(setup);
}

static void an_agents_own_limit_is_its_budget(void **state)
{
	struct setup *setup = setup_new();
	struct acg_node *node = &setup->agent->node;

	(void)state;
	open_as(setup, node);
	assert_int_equal(
		acg_manager_write(setup->manager, node, "memory.max", "300M", true, NULL), 0);
	assert_int_equal(setup->agent->budget.memory, 300 * MIB);
	assert_int_equal(setup->call->memory_max, 300 * MIB); /* its calls follow */
	assert_int_equal(acg_manager_write(setup->manager, node, "cgroup.kill", "1", true, NULL),
			 0);
	assert_file(setup->cgroup, "cgroup.kill", "1");
	close_again(node);
	setup_free(setup);
}

static void what_is_not_there(void **state)
{
	struct setup *setup = setup_new();
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_manager_write(setup->manager, &setup->call->node, "io.max", "1", true,
					   &error),
			 -ENOENT);
	assert_non_null(strstr(error->message, "io.max"));
	close_again(&setup->call->node);
	assert_int_equal(write_to(setup, "memory.max", "1M", true), -ENODEV);
	setup->call->node.group->dirfd = tmp_open(setup->cgroup);
	setup_free(setup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_agent_lowers_and_raises_no_further_than_its_grant),
		cmocka_unit_test(texts_that_are_no_limits),
		cmocka_unit_test(an_operator_goes_further),
		cmocka_unit_test(freezing_and_thawing),
		cmocka_unit_test(a_kill_is_told),
		cmocka_unit_test(an_agents_own_limit_is_its_budget),
		cmocka_unit_test(what_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policy: every key, every fault with its line, and the questions that it answers. */
#include "tests/unit/tmp_tree.h"

#include "policy/policy.h"

#define MIB    (1024ull * 1024)
#define GIB    (1024 * MIB)
#define SECOND ((uint64_t)G_USEC_PER_SEC)

static struct acg_policy *load(const char *text)
{
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;

	if (acg_policy_load_text(text, "test", &policy, &error) < 0)
		fail_msg("%s", error->message);
	return policy;
}

static void without_a_file_nothing_is_limited(void **state)
{
	struct acg_policy *policy = acg_policy_new_default();
	const struct acg_agent_rule *agent = acg_policy_agent(policy, "any", NULL, NULL);

	(void)state;
	assert_int_equal(policy->memory_low, 256 * MIB);
	assert_int_equal(policy->memory_medium, GIB);
	assert_false(policy->ladder.enabled);
	assert_false(policy->limits);
	assert_int_equal(agent->budget.memory, ACG_MAX);
	assert_int_equal(agent->budget.swap, ACG_MAX);
	assert_int_equal(agent->budget.cpu_max, ACG_MAX);
	assert_int_equal(agent->budget.pids, ACG_MAX);
	assert_int_equal(agent->caps.memory, ACG_MAX);
	assert_int_equal(agent->caps.timeout, ACG_MAX);
	assert_int_equal(agent->self.low, 0);
	assert_int_equal(agent->self.reserve, 0);
	assert_int_equal(agent->priority, ACG_PRIORITY_NORMAL);
	assert_null(acg_policy_command(policy, "pytest"));
	assert_null(acg_policy_user(policy, 1000));
	acg_policy_unref(policy);
}

/* What `policy` shows without a file can be written back, and means the same. */
static void the_built_in_policy_is_one_itself(void **state)
{
	struct acg_policy *built_in = acg_policy_new_default(), *again = load(built_in->text);

	(void)state;
	assert_int_equal(again->memory_low, built_in->memory_low);
	assert_int_equal(again->memory_medium, built_in->memory_medium);
	assert_int_equal(again->ladder.enabled, built_in->ladder.enabled);
	assert_int_equal(again->n_agents, 0);
	assert_string_equal(again->root, built_in->root);
	assert_string_equal(again->text, built_in->text);
	acg_policy_unref(again);
	acg_policy_unref(built_in);
}

static void keys_of_an_agent(void **state)
{
	struct acg_policy *policy = load(
		"agents = ( { match = \"ci-*\"; priority = \"low\";\n"
		"  budget = { memory = \"2G\"; swap = 0; cpu_max = \"150%\"; cpu_weight = 50; pids = 500;\n"
		"             calls = 16; agents = 4; };\n"
		"  caps = { memory = \"1G\"; swap = \"512M\"; cpu_max = \"100%\"; pids = 200; timeout = 600; };\n"
		"  self = { low = \"256M\"; reserve = 134217728; grant = \"1G\"; };\n"
		"  hint = { memory = \"medium\"; cpu = \"latency\"; pids = 100; timeout = 2.5; }; } );");
	const struct acg_agent_rule *agent = acg_policy_agent(policy, "ci-7", NULL, NULL);

	(void)state;
	assert_int_equal(agent->priority, ACG_PRIORITY_LOW);
	assert_int_equal(agent->budget.memory, 2 * GIB);
	assert_int_equal(agent->budget.swap, 0);
	assert_int_equal(agent->budget.cpu_max, ACG_CPU_PERIOD * 3 / 2);
	assert_int_equal(agent->budget.cpu_weight, 50);
	assert_int_equal(agent->budget.pids, 500);
	assert_int_equal(agent->budget.calls, 16);
	assert_int_equal(agent->budget.agents, 4);
	assert_int_equal(agent->caps.memory, GIB);
	assert_int_equal(agent->caps.swap, 512 * MIB);
	assert_int_equal(agent->caps.cpu_max, ACG_CPU_PERIOD);
	assert_int_equal(agent->caps.pids, 200);
	assert_int_equal(agent->caps.timeout, 600 * SECOND);
	assert_int_equal(agent->self.low, 256 * MIB);
	assert_int_equal(agent->self.reserve, 128 * MIB);
	assert_int_equal(agent->self.grant, GIB);
	assert_int_equal(agent->hint.memory, ACG_MEMORY_MEDIUM);
	assert_int_equal(agent->hint.cpu, ACG_CPU_LATENCY);
	assert_int_equal(agent->hint.pids, 100);
	assert_int_equal(agent->hint.timeout, 2500000);
	acg_policy_unref(policy);
}

static void keys_of_the_whole(void **state)
{
	struct acg_policy *policy = load(
		"root = \"/sys/fs/cgroup/x\"; commands = \"program\"; history_max = \"64K\";\n"
		"memory = { low = \"1M\"; medium = \"2M\"; };\n"
		"ladder = { kill = false; psi_stall = 0.2; psi_window = 2; high_percent = 80;\n"
		"  low_percent = 60; calm = 1; throttle_max = 4; freeze_max = 3; freeze_percent = 25;\n"
		"  kill_after = 7; stall_max = 9; term_grace = 0.5; delay_max_ms = 50;\n"
		"  delay_ms = 40; min_progress = \"2M\"; };");
	const struct acg_ladder *ladder = &policy->ladder;

	(void)state;
	assert_string_equal(policy->root, "/sys/fs/cgroup/x");
	assert_int_equal(policy->commands, ACG_COMMANDS_PROGRAM);
	assert_int_equal(policy->history_max, 64 * 1024);
	assert_int_equal(policy->memory_low, MIB);
	assert_int_equal(policy->memory_medium, 2 * MIB);
	assert_true(policy->limits);
	assert_true(ladder->enabled); /* unless the policy says otherwise */
	assert_false(ladder->kill);
	assert_int_equal(ladder->psi_stall, 200000);
	assert_int_equal(ladder->psi_window, 2 * SECOND);
	assert_int_equal(ladder->high_percent, 80);
	assert_int_equal(ladder->low_percent, 60);
	assert_int_equal(ladder->calm, SECOND);
	assert_int_equal(ladder->throttle_max, 4 * SECOND);
	assert_int_equal(ladder->freeze_max, 3 * SECOND);
	assert_int_equal(ladder->freeze_percent, 25);
	assert_int_equal(ladder->kill_after, 7 * SECOND);
	assert_int_equal(ladder->stall_max, 9 * SECOND);
	assert_int_equal(ladder->term_grace, SECOND / 2);
	assert_int_equal(ladder->delay_max_ms, 50);
	assert_int_equal(ladder->delay_ms, 40);
	assert_int_equal(ladder->min_progress, 2 * MIB);
	acg_policy_unref(policy);
}

/* By name, namespace and user; the first that fits. */
static void whose_entry_it_is(void **state)
{
	struct acg_policy *policy =
		load("agents = ( { match = \"ci-*\"; namespace = \"team?\"; caps = { pids = 1; }; },\n"
		     "           { user = \"nobody\"; caps = { pids = 2; }; },\n"
		     "           { namespace = \"prod\"; caps = { pids = 3; }; },\n"
		     "           { match = \"ci-*\"; caps = { pids = 4; }; } );");
	static const struct {
		const char *name, *namespace, *user;
		uint64_t pids;
	} table[] = {
		{"ci-1", "team1", NULL, 1},
		{"ci-1", "team12", NULL, 4},
		{"ci-1", NULL, NULL, 4},
		{"ci-1", "team1", "nobody", 1},
		{"x", "team1", "nobody", 2},
		{"x", "prod", NULL, 3},
		{"x", "prod", "nobody", 2},
		{"x", NULL, "root", ACG_MAX},
		{"CI-1", NULL, NULL, ACG_MAX},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++)
		assert_int_equal(acg_policy_agent(policy, table[i].name, table[i].namespace,
						  table[i].user)
					 ->caps.pids,
				 table[i].pids);
	acg_policy_unref(policy);
}

static void rules_by_regular_expression(void **state)
{
	struct acg_policy *policy =
		load("rules = ( { match = \"^(pytest|tox)\\\\b\"; class = \"test\"; memory = \"high\"; },\n"
		     "          { match = \"\\\\bnpm (ci|install)\\\\b\"; class = \"install\"; memory = \"2G\"; cpu = \"batch\"; },\n"
		     "          { match = \"^pytest\"; class = \"never\"; } );");

	(void)state;
	assert_string_equal(acg_policy_command(policy, "pytest -q")->class, "test");
	assert_string_equal(acg_policy_command(policy, "CI=1 npm ci")->class, "install");
	assert_int_equal(acg_policy_command(policy, "npm install")->hint.memory_bytes, 2 * GIB);
	assert_int_equal(acg_policy_command(policy, "npm install")->hint.cpu, ACG_CPU_BATCH);
	assert_null(acg_policy_command(policy, "mypytest"));
	assert_null(acg_policy_command(policy, ""));
	acg_policy_unref(policy);
}

/* The command comes from the agent: a pattern with bad habits must not be a handle on the daemon. */
static void a_pattern_with_bad_habits_ends(void **state)
{
	struct acg_policy *policy = load("rules = ( { match = \"^(a+)+$\"; } );");
	char command[2048];
	gint64 start = g_get_monotonic_time();

	(void)state;
	memset(command, 'a', sizeof(command) - 2);
	g_strlcpy(command + sizeof(command) - 2, "!", 2);
	assert_null(acg_policy_command(policy, command));
	/* without a limit it would be more steps than there are atoms */
	assert_true(g_get_monotonic_time() - start < 60 * G_USEC_PER_SEC);
	acg_policy_unref(policy);
}

static void calls_without_markers(void **state)
{
	struct acg_policy *policy =
		load("auto = ( { run = \"^bash -c \"; command = \"^pytest\"; after = 0.5; },\n"
		     "         { run = \"^sh -c \"; parent = \"^node \"; },\n"
		     "         { command = \"^make\\\\b\"; } );");
	static const struct {
		const char *run, *written, *parent;
		unsigned int line; /* 0: none fits */
	} table[] = {
		{"bash -c 'pytest -q'", "pytest -q", "", 1},
		{"bash -c ls", "ls", "", 0},
		{"zsh -c 'pytest -q'", "pytest -q", "", 0},
		{"sh -c ls", "ls", "node agent.js", 2},
		{"sh -c ls", "ls", "nodejs", 0},
		{"sh -c ls", "ls", "", 0},
		{"sh -c 'make -j2'", "make -j2", "", 3},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		const struct acg_auto_rule *rule = acg_policy_auto(
			policy, table[i].run, table[i].written, table[i].parent);

		assert_int_equal(rule ? rule->line : 0, table[i].line);
	}
	assert_int_equal(policy->autos[0].after, 500000);
	assert_int_equal(policy->autos[1].after, 5000);
	acg_policy_unref(policy);
}

static void users(void **state)
{
	struct acg_policy *policy =
		load("users = ( { user = \"nobody\"; budget = { memory = \"1G\"; agents = 2; }; },\n"
		     "          { user = \"4711\"; match = \"lab-*\"; } );");
	const struct acg_user_rule *number = acg_policy_user(policy, 4711), *name;

	(void)state;
	assert_non_null(number);
	assert_string_equal(number->match, "lab-*");
	assert_int_equal(number->budget.memory, ACG_MAX);
	name = &policy->users[0];
	assert_ptr_equal(acg_policy_user(policy, name->uid), name);
	assert_string_equal(name->match, "nobody-*");
	assert_int_equal(name->budget.memory, GIB);
	assert_int_equal(name->budget.agents, 2);
	assert_null(acg_policy_user(policy, 0));
	acg_policy_unref(policy);
}

static void how_much_of_a_command_is_kept(void **state)
{
	static const char command[] = "bash -c 'cd /src && curl -H token:x host; ls'";
	static const struct {
		const char *text;
		const char *kept;
	} table[] = {
		{"commands = \"full\";", command},
		{"commands = \"program\";", "curl"},
		{"commands = \"none\";", ""},
		{"", command},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct acg_policy *policy = load(table[i].text);
		g_autofree char *kept = acg_policy_kept_command(policy, command);

		assert_string_equal(kept, table[i].kept);
		acg_policy_unref(policy);
	}
}

/* One fault each, on the second line. */
static void each_fault_has_its_line_and_words(void **state)
{
	static const struct {
		const char *text;
		const char *words;
	} table[] = {
		{"rot = \"/x\";", "unknown key rot; there are root, "},
		{"root = \"x\";", "root is an absolute path"},
		{"root = 5;", "root is a string"},
		{"root = \"\";", "root is a string"},
		{"commands = \"some\";", "commands is one of \"full\", \"program\", \"none\""},
		{"sched = \"maybe\";", "sched is one of \"auto\", \"on\", \"off\""},
		{"favordynmods = true;", "favordynmods is one of \"auto\", \"on\", \"off\""},
		{"history_max = -1;", "history_max is a size"},
		{"history_max = \"1X\";", "history_max: \"1X\" is no size"},
		{"memory = 5;", "memory is a group"},
		{"memory = { lo = \"1M\"; };", "unknown key lo"},
		{"ladder = { enabled = 1; };", "enabled is true or false"},
		{"ladder = { high_percent = 101; };", "high_percent is a number from 10 to 100"},
		{"ladder = { low_percent = 90; high_percent = 90; };", "low_percent must be below"},
		{"ladder = { delay_ms = 101; };", "delay_ms must not be above delay_max_ms"},
		{"ladder = { min_progress = 0; };", "min_progress must be at least 64K"},
		{"ladder = { psi_stall = 1.5; };", "psi_stall must not be longer"},
		{"ladder = { psi_window = 0.1; };", "psi_window is a number from 0.5 to 10"},
		{"ladder = { freeze_max = \"long\"; };", "freeze_max is a number from 0.1 to 60"},
		{"agents = { };", "agents is a list of groups"},
		{"agents = ( 5 );", "an entry of agents is a group"},
		{"agents = ( { match = 5; } );", "match is a string"},
		{"agents = ( { priority = \"urgent\"; } );", "priority is one of"},
		{"agents = ( { budget = { memory = 0; }; } );", "a memory limit of 0"},
		{"agents = ( { caps = { memory = 0; }; } );", "a memory limit of 0"},
		{"agents = ( { budget = { calls = 0; }; } );", "budget.calls = 0"},
		{"agents = ( { budget = { cpu_weight = 0; }; } );", "cpu_weight is a number from 1"},
		{"agents = ( { budget = { cpu_max = \"fast\"; }; } );", "a share of one CPU"},
		{"agents = ( { budget = { cpu_max = \"0%\"; }; } );", "a share of one CPU"},
		{"agents = ( { budget = { pids = \"many\"; }; } );", "pids is a number, or"},
		{"agents = ( { budget = { memory = \"1G\"; }; self = { reserve = \"1G\"; }; } );",
		 "self.reserve must be below"},
		{"agents = ( { budget = { memory = \"1G\"; }; self = { low = \"2G\"; }; } );",
		 "self.low must not be above"},
		{"agents = ( { hint = { memory = \"huge\"; }; } );", "memory is low, medium, high"},
		{"agents = ( { hint = { cpu = true; }; } );", "cpu is a string or a number"},
		{"agents = ( { hint = { disk = 1; }; } );", "unknown key disk"},
		{"rules = ( { memory = \"low\"; } );", "a rule needs match"},
		{"rules = ( { match = \"(\"; } );", "match: "},
		{"rules = ( { match = \"a\"; pids = 0; } );", "pids is a number from 1"},
		{"adapt = { ahead = 0.0; };", "ahead"},
		{"adapt = { retries = 1; };", "retries"},
		{"auto = ( { after = 1.0; } );", "needs run, command or parent"},
		{"auto = ( { run = \"(\"; } );", "run: "},
		{"auto = ( { parent = \"[\"; } );", "parent: "},
		{"auto = ( { run = \"a\"; after = 0.0; } );", "after"},
		{"users = ( { match = \"a-*\"; } );", "needs user"},
		{"users = ( { user = \"no-such-user-here\"; } );", "there is no user"},
		{"users = ( { user = \"nobody\"; budget = { memory = 0; }; } );",
		 "a memory limit of 0"},
		{"users = ( { user = \"nobody\"; budget = { agents = 0; }; } );",
		 "budget.agents = 0"},
		{"root = \"/x\"; root = \"/y\";", "duplicate setting name"},
		{"agents = (", "syntax error"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *text = g_strconcat("# first\n", table[i].text, NULL);
		struct acg_policy *policy = NULL;
		g_autoptr(GError) error = NULL;

		if (acg_policy_load_text(text, "test", &policy, &error) == 0)
			fail_msg("taken: %s", table[i].text);
		assert_int_equal(error->code, EINVAL);
		assert_null(policy);
		if (!g_str_has_prefix(error->message, "test:2: ") ||
		    !strstr(error->message, table[i].words) || strchr(error->message, '\n'))
			fail_msg("%s:\n%s", table[i].text, error->message);
	}
}

static void all_faults_at_once(void **state)
{
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) lines = NULL;

	(void)state;
	assert_int_equal(acg_policy_load_text("sched = \"maybe\";\n"
					      "agents = ( { priority = \"urgent\";\n"
					      "  budget = { pids = -1; };\n"
					      "  nonsense = 1; }, 7 );\n"
					      "rules = ( { match = \"[\"; } );\n"
					      "users = ( {} );\n",
					      "test", &policy, &error),
			 -EINVAL);
	lines = g_strsplit(error->message, "\n", -1);
	assert_int_equal(g_strv_length(lines), 7);
	for (unsigned int i = 0; i < 7; i++) {
		static const char *const starts[] = {"test:1: ", "test:2: ", "test:3: ", "test:4: ",
						     "test:4: ", "test:5: ", "test:6: "};

		assert_true(g_str_has_prefix(lines[i], starts[i]));
	}
}

static void bounds_of_what_is_read(void **state)
{
	GString *deep = g_string_new("agents = "), *many = g_string_new("rules = ( ");
	struct acg_policy *policy = NULL;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++)
		g_string_append_c(deep, '(');
	assert_int_equal(acg_policy_load_text(deep->str, "test", &policy, NULL), -EINVAL);
	for (unsigned int i = 0; i < 1001; i++)
		g_string_append_printf(many, "%s{ match = \"a\"; }", i ? ", " : "");
	g_string_append(many, " );");
	assert_int_equal(acg_policy_load_text(many->str, "test", &policy, NULL), -EINVAL);
	g_string_free(deep, TRUE);
	g_string_free(many, TRUE);
}

static void files_and_includes(void **state)
{
	char *dir = tmp_new();
	g_autofree char *path = g_build_filename(dir, "agentcg.conf", NULL);
	struct acg_policy *policy = NULL, *again;
	g_autoptr(GError) error = NULL;

	(void)state;
	tmp_write(dir, "agentcg.conf", "commands = \"none\";\n@include \"more.conf\"\n");
	tmp_write(dir, "more.conf", "# from another file\nmemory = { low = \"3M\"; };\n");
	if (acg_policy_load_file(path, &policy, &error) < 0)
		fail_msg("%s", error->message);
	assert_int_equal(policy->memory_low, 3 * MIB);
	/* what `policy` shows is the whole, and can be written back */
	again = load(policy->text);
	assert_int_equal(again->memory_low, 3 * MIB);
	assert_int_equal(again->commands, ACG_COMMANDS_NONE);
	acg_policy_unref(again);
	acg_policy_unref(policy);

	/* a fault in an included file is named there */
	tmp_write(dir, "more.conf", "\n\nmemory = { low = 0.5; };\n");
	assert_int_equal(acg_policy_load_file(path, &policy, &error), -EINVAL);
	assert_non_null(strstr(error->message, "more.conf:3: low is a size"));
	g_clear_error(&error);
	tmp_write(dir, "more.conf", "memory = { ; };\n");
	assert_int_equal(acg_policy_load_file(path, &policy, &error), -EINVAL);
	if (!strstr(error->message, "more.conf:1: syntax error"))
		fail_msg("%s", error->message);
	g_clear_error(&error);
	tmp_write(dir, "agentcg.conf", "@include \"missing.conf\"\n");
	assert_int_equal(acg_policy_load_file(path, &policy, &error), -EINVAL);
	assert_non_null(strstr(error->message, "agentcg.conf:1: "));
	tmp_free(dir);
}

static void files_that_cannot_be_read(void **state)
{
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;

	(void)state;
	assert_int_equal(acg_policy_load_file("/nonexistent/agentcg.conf", &policy, &error),
			 -ENOENT);
	assert_non_null(strstr(error->message, "/nonexistent/agentcg.conf"));
	assert_int_equal(acg_policy_load_file("/", &policy, NULL), -EISDIR);
	assert_null(policy);
}

/* A write to `policy` names no files of the daemon's host. */
static void no_includes_in_a_text(void **state)
{
	static const char *const texts[] = {
		"@include \"/etc/passwd\"",
		"commands = \"full\";\n \t@include \"/etc/passwd\"\n",
	};
	struct acg_policy *policy = NULL;

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;

		assert_int_equal(acg_policy_load_text(texts[i], "policy", &policy, &error),
				 -EINVAL);
		assert_null(strstr(error->message, "root:"));
		assert_non_null(strstr(error->message, "@include works in a file only"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_file_nothing_is_limited),
		cmocka_unit_test(the_built_in_policy_is_one_itself),
		cmocka_unit_test(keys_of_an_agent),
		cmocka_unit_test(keys_of_the_whole),
		cmocka_unit_test(whose_entry_it_is),
		cmocka_unit_test(rules_by_regular_expression),
		cmocka_unit_test(a_pattern_with_bad_habits_ends),
		cmocka_unit_test(calls_without_markers),
		cmocka_unit_test(users),
		cmocka_unit_test(how_much_of_a_command_is_kept),
		cmocka_unit_test(each_fault_has_its_line_and_words),
		cmocka_unit_test(all_faults_at_once),
		cmocka_unit_test(bounds_of_what_is_read),
		cmocka_unit_test(files_and_includes),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(no_includes_in_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

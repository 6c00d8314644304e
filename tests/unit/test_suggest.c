/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a model is told to try next: a round figure that can be granted, and a command that it can type. */
#include "tests/unit/engine_fixture.h"

#include "policy/suggest.h"

static void hints_that_would_help(void **state)
{
	static const struct {
		enum acg_more more;
		uint64_t had;     /* MiB, pids or seconds */
		uint64_t largest; /* MiB; 0: unlimited */
		const char *hint; /* NULL: none */
	} table[] = {
		{ACG_MORE_LIMIT, 512, 0, "memory:1000m"},
		{ACG_MORE_LIMIT, 512, 800, "memory:800m"},
		{ACG_MORE_LIMIT, 512, 833, "memory:800m"},
		{ACG_MORE_LIMIT, 512, 540, NULL}, /* an eighth more at least */
		{ACG_MORE_LIMIT, 512, 512, NULL},
		{ACG_MORE_LIMIT, 8192, 0, "memory:16g"},
		{ACG_MORE_GRANT, 100, 0, "memory:200m"},
		{ACG_MORE_NOTHING, 512, 0, NULL},
		{ACG_MORE_PIDS, 10, 0, "pids:20"},
		{ACG_MORE_PIDS, 30, 0, "pids:40"}, /* the cap */
		{ACG_MORE_PIDS, 40, 0, NULL},
		{ACG_MORE_TIMEOUT, 60, 0, "timeout:120"},
		{ACG_MORE_TIMEOUT, 500, 0, "timeout:600"}, /* the cap */
		{ACG_MORE_TIMEOUT, 600, 0, NULL},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct fixture fixture = fixture_new(
			"agents = ( { caps = { pids = 40; timeout = 600; }; } );");
		struct acg_agent *agent = add_agent(&fixture, NULL, "a");
		struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
		g_autofree char *hint = NULL;

		call->memory_max = call->grant = table[i].had * MIB;
		call->timeout = table[i].had * SECOND;
		call->node.controls[ACG_CONTROL_PIDS_MAX] = table[i].had;
		hint = acg_suggest_hint(call, table[i].more,
					table[i].largest ? table[i].largest * MIB : ACG_MAX);
		if (g_strcmp0(hint, table[i].hint) != 0)
			fail_msg("case %u: %s", i, hint);
		fixture_free(&fixture);
	}
}

static void what_it_used_counts_where_it_is_more(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	g_autofree char *hint = NULL;

	(void)state;
	call->grant = 100 * MIB;
	call->usage.memory_peak = 400 * MIB;
	hint = acg_suggest_hint(call, ACG_MORE_GRANT, ACG_MAX);
	assert_string_equal(hint, "memory:800m");
	fixture_free(&fixture);
}

static void commands_to_type(void **state)
{
	static const struct {
		const char *command;
		const char *typed; /* NULL: none */
	} table[] = {
		{"pytest -q", "AGENT_RESOURCE_HINT=memory:1g pytest -q"},
		{"bash -c 'pytest -q'", "AGENT_RESOURCE_HINT=memory:1g pytest -q"},
		{"cd /src && pytest -q", "cd /src && AGENT_RESOURCE_HINT=memory:1g pytest -q"},
		{"CI=1 npm ci", "CI=1 AGENT_RESOURCE_HINT=memory:1g npm ci"},
		{"AGENT_RESOURCE_HINT=memory:512m pytest -q",
		 "AGENT_RESOURCE_HINT=memory:1g pytest -q"},
		{"./run all", "AGENT_RESOURCE_HINT=memory:1g ./run all"},
		/* a shell takes no assignment before these */
		{"for i in 1 2; do make; done", NULL},
		{"(cd a; make)", NULL},
		{"# pytest -q", NULL},
		{"while true; do make; done", NULL},
		/* what cannot be typed again as it is */
		{"cat <<EOF > x", NULL},
		{"echo 'open", NULL},
		{"pytest", NULL}, /* may be all that the policy keeps */
		{"", NULL},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_autofree char *typed = acg_suggest_command(table[i].command, "memory:1g");

		if (g_strcmp0(typed, table[i].typed) != 0)
			fail_msg("%s -> %s", table[i].command, typed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hints_that_would_help),
		cmocka_unit_test(what_it_used_counts_where_it_is_more),
		cmocka_unit_test(commands_to_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON objects of calls, agents, events and the whole state: fields, order, types. Read back
 * with json-glib.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "policy/record.h"

#define START 1763885345123456 /* usec since the epoch */

static const struct acg_time at_start = {.mono = 1000000, .real = START};

static struct acg_time after(int64_t usec)
{
	return (struct acg_time){at_start.mono + usec, at_start.real + usec};
}

struct fixture {
	struct acg_registry *registry;
	struct acg_agent *agent;
	struct acg_call *call;
};

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	struct acg_agent *top;

	f->registry = acg_registry_new();
	top = acg_registry_add_agent(f->registry, NULL, "alpha");
	f->agent = acg_registry_add_agent(f->registry, top, "sub");
	f->agent->budget.memory = top->budget.memory = ACG_MAX;
	f->agent->caps.memory = top->caps.memory = ACG_MAX;
	f->agent->start = top->start = at_start;
	f->call = acg_registry_add_call(f->registry, f->agent, "c1");
	f->call->state = ACG_CALL_RUNNING;
	f->call->start = at_start;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	acg_registry_free(f->registry);
	g_free(f);
	return 0;
}

static JsonObject *parse(const char *json)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	g_autoptr(GError) error = NULL;

	assert_null(strchr(json, '\n'));
	if (!json_parser_load_from_data(parser, json, -1, &error))
		fail_msg("%s in %s", error->message, json);
	return json_object_ref(json_node_get_object(json_parser_get_root(parser)));
}

static void assert_fields(const char *json, const char *expected)
{
	g_autoptr(JsonObject) object = parse(json);
	g_autoptr(GString) names = g_string_new(NULL);
	g_autoptr(GList) members = json_object_get_members(object);

	for (GList *name = members; name; name = name->next)
		g_string_append_printf(names, "%s ", (const char *)name->data);
	g_string_truncate(names, names->len - 1);
	assert_string_equal(names->str, expected);
}

#define FIELDS                                                                                     \
	"id agent command hint grant cpu state pid start end duration_ms exit signal memory_peak " \
	"cpu_usec wait_usec delays delayed_ms frozen_ms slices preemptions oom_kills reason feedback memory_max "     \
	"victim"

static void test_nothing_known(void **state)
{
	struct fixture *f = *state;
	g_autofree char *json = acg_record_call(f->call, after(1500999));

	assert_fields(json, FIELDS " memory_current");
	assert_string_equal(
		json,
		"{\"id\":\"c1\",\"agent\":\"alpha/"
		"sub\",\"command\":null,\"hint\":\"\",\"grant\":null,"
		"\"cpu\":\"normal\",\"state\":\"running\",\"pid\":null,\"start\":1763885345.123456,"
		"\"end\":null,\"duration_ms\":1500,\"exit\":null,\"signal\":null,\"memory_peak\":0,"
		"\"cpu_usec\":0,\"wait_usec\":0,\"delays\":0,\"delayed_ms\":0,\"frozen_ms\":0,\"slices\":0,\"preemptions\":0,"
		"\"oom_kills\":0,\"reason\":null,\"feedback\":null,\"memory_max\":null,\"victim\":"
		"null,"
		"\"memory_current\":0}");
}

static void fill(struct acg_call *call)
{
	call->command = g_strdup("echo \"a\\b\" \t \xc3\xa9");
	call->hint = (struct acg_hint){.memory = ACG_MEMORY_SIZE, .memory_bytes = 512 << 20};
	call->grant = 512 << 20;
	call->memory_max = 1 << 30;
	call->cpu = ACG_CPU_BATCH;
	call->pid = 4242;
	call->exit = 0;
	call->signal = 9;
	call->usage = (struct acg_usage){.memory_current = 1,
					 .memory_peak = 2,
					 .cpu_usec = 3,
					 .wait_usec = 4,
					 .oom_kills = 5,
					 .stalled_usec = 7999};
	call->delays = 6;
	call->frozen = 8000;
	call->reason = g_strdup("oom");
	call->feedback = g_strdup("Killed.");
	call->victim = g_strdup("python (pid 7, 1G)");
}

static void test_all_known(void **state)
{
	struct fixture *f = *state;
	g_autofree char *json = NULL;

	fill(f->call);
	/* as when its line of history is written: the state does not say it yet */
	f->call->end = after(2000000);
	f->call->delayed = 6500;
	json = acg_record_call(f->call, after(9000000));
	assert_fields(json, FIELDS);
	assert_string_equal(
		json,
		"{\"id\":\"c1\",\"agent\":\"alpha/sub\",\"command\":\"echo \\\"a\\\\b\\\" \\t "
		"\xc3\xa9\","
		"\"hint\":\"memory=536870912\",\"grant\":536870912,\"cpu\":\"batch\",\"state\":"
		"\"ended\","
		"\"pid\":4242,\"start\":1763885345.123456,\"end\":1763885347.123456,"
		"\"duration_ms\":2000,\"exit\":0,\"signal\":9,\"memory_peak\":2,\"cpu_usec\":3,"
		"\"wait_usec\":4,\"delays\":6,\"delayed_ms\":6,\"frozen_ms\":8,\"slices\":0,\"preemptions\":0,\"oom_kills\":5,"
		"\"reason\":\"oom\",\"feedback\":\"Killed.\",\"memory_max\":1073741824,"
		"\"victim\":\"python (pid 7, 1G)\"}");
}

/* What is counted only at the end, or at a thaw, is there in between. */
static void test_times_so_far(void **state)
{
	struct fixture *f = *state;
	g_autoptr(JsonObject) object = NULL;
	g_autofree char *json = NULL;

	fill(f->call);
	f->call->state = ACG_CALL_FROZEN;
	f->call->frozen_since = after(1000000).mono;
	json = acg_record_call(f->call, after(3000000));
	object = parse(json);
	assert_int_equal(json_object_get_int_member(object, "frozen_ms"), 8 + 2000);
	assert_int_equal(json_object_get_int_member(object, "delayed_ms"), 7);
	assert_int_equal(json_object_get_int_member(object, "duration_ms"), 3000);
	assert_string_equal(json_object_get_string_member(object, "state"), "frozen");
}

static void test_same_object_before_and_after(void **state)
{
	struct fixture *f = *state;
	g_autofree char *history = NULL;
	g_autofree char *info = NULL;

	fill(f->call);
	f->call->end = after(2000000);
	history = acg_record_call(f->call, after(2000000));
	f->call->state = ACG_CALL_ENDED; /* its cgroup is gone; somebody reads info later */
	g_queue_push_tail(&f->agent->ended, f->call);
	info = acg_record_call(f->call, after(70000000));
	assert_string_equal(history, info);
}

static void test_hostile_strings(void **state)
{
	struct fixture *f = *state;
	g_autoptr(JsonObject) object = NULL;
	g_autofree char *json = NULL;

	fill(f->call);
	g_free(f->call->command);
	f->call->command = g_strdup("\",\"exit\":0,\"x\":\"\xff\x1b[2J");
	json = acg_record_call(f->call, after(1));
	assert_fields(json, FIELDS " memory_current");
	assert_true(g_utf8_validate(json, -1, NULL));
	assert_null(strchr(json, '\x1b'));
	object = parse(json);
	assert_string_equal(json_object_get_string_member(object, "command"),
			    "\",\"exit\":0,\"x\":\"\xef\xbf\xbd\x1b[2J");
}

static void test_agent(void **state)
{
	struct fixture *f = *state;
	g_autofree char *unlimited = acg_record_agent(f->agent, ACG_MAX);
	g_autofree char *json = NULL;

	assert_non_null(strstr(unlimited, "\"budget\":null,"));
	assert_non_null(strstr(unlimited, "\"largest_grant\":null,"));
	f->agent->budget.memory = 1 << 30;
	f->agent->priority = ACG_PRIORITY_HIGH;
	f->agent->usage = (struct acg_usage){.memory_current = 10, .memory_peak = 20};
	f->agent->counters = (struct acg_counters){1, 2, 3, 4, 5, 6, 7, 8};
	json = acg_record_agent(f->agent, 1000);
	assert_string_equal(
		json,
		"{\"name\":\"alpha/sub\",\"priority\":\"high\",\"budget\":1073741824,\"used\":10,"
		"\"peak\":20,\"largest_grant\":1000,\"calls\":1,\"counters\":{\"begun\":1,"
		"\"ended\":2,"
		"\"refused\":3,\"denied\":4,\"throttled\":5,\"frozen\":6,\"killed\":7,\"oom_"
		"kills\":8},"
		"\"start\":1763885345.123456}");
}

static void test_event(void **state)
{
	g_autofree char *full =
		acg_record_event(7, at_start, "feedback", "alpha", "c1", "oom", "say \"so\"");
	g_autofree char *bare =
		acg_record_event(UINT64_MAX, at_start, "policy", NULL, NULL, NULL, NULL);

	(void)state;
	assert_string_equal(
		full,
		"{\"seq\":7,\"time\":1763885345.123456,\"event\":\"feedback\",\"agent\":\"alpha\","
		"\"call\":\"c1\",\"cause\":\"oom\",\"text\":\"say \\\"so\\\"\"}");
	assert_string_equal(
		bare,
		"{\"seq\":18446744073709551615,\"time\":1763885345.123456,\"event\":\"policy\"}");
}

static void test_state(void **state)
{
	struct fixture *f = *state;
	g_autofree char *json = NULL;
	g_autoptr(JsonObject) object = NULL;
	JsonObject *top, *sub;
	JsonArray *calls;

	acg_registry_add_agent(f->registry, NULL, "zeta")->caps.memory = ACG_MAX;
	acg_registry_add_call(f->registry, f->agent, "a0")->state = ACG_CALL_ENDED;
	json = acg_record_state(f->registry, at_start);
	object = parse(json);
	assert_int_equal(json_array_get_length(json_object_get_array_member(object, "agents")), 2);
	top = json_array_get_object_element(json_object_get_array_member(object, "agents"), 0);
	assert_string_equal(json_object_get_string_member(top, "name"), "alpha");
	assert_int_equal(json_array_get_length(json_object_get_array_member(top, "all_calls")), 0);
	sub = json_array_get_object_element(json_object_get_array_member(top, "agents"), 0);
	assert_string_equal(json_object_get_string_member(sub, "name"), "alpha/sub");
	calls = json_object_get_array_member(sub, "all_calls");
	assert_int_equal(json_array_get_length(calls), 2);
	assert_string_equal(
		json_object_get_string_member(json_array_get_object_element(calls, 0), "id"), "a0");
	assert_string_equal(
		json_object_get_string_member(json_array_get_object_element(calls, 1), "id"), "c1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times_so_far, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_object_before_and_after, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_strings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_agent, setup, teardown),
		cmocka_unit_test(test_event),
		cmocka_unit_test_setup_teardown(test_state, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

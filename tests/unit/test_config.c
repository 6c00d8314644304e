/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Settings into structs by table: each kind with good and bad values, and reading on after a fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "policy/config.h"

struct target {
	char *text;
	uint64_t size, count, seconds, cpu;
	uint32_t number;
	bool flag;
	enum acg_priority priority;
	enum acg_commands_mode commands;
	enum acg_switch position;
	struct acg_hint hint;
	uint64_t inner;
};

static const struct acg_config_key inner_keys[] = {
	{"inner", ACG_CONFIG_SIZE, offsetof(struct target, inner), 0, 0, NULL},
	{NULL, 0, 0, 0, 0, NULL},
};

static const struct acg_config_key keys[] = {
	{"text", ACG_CONFIG_STRING, offsetof(struct target, text), 0, 0, NULL},
	{"size", ACG_CONFIG_SIZE, offsetof(struct target, size), 0, 0, NULL},
	{"count", ACG_CONFIG_COUNT, offsetof(struct target, count), 0, 0, NULL},
	{"seconds", ACG_CONFIG_SECONDS, offsetof(struct target, seconds), 0.5, 60, NULL},
	{"cpu_max", ACG_CONFIG_CPU, offsetof(struct target, cpu), 0, 0, NULL},
	{"number", ACG_CONFIG_NUMBER, offsetof(struct target, number), 1, 100, NULL},
	{"flag", ACG_CONFIG_BOOL, offsetof(struct target, flag), 0, 0, NULL},
	{"priority", ACG_CONFIG_PRIORITY, offsetof(struct target, priority), 0, 0, NULL},
	{"commands", ACG_CONFIG_COMMANDS, offsetof(struct target, commands), 0, 0, NULL},
	{"position", ACG_CONFIG_SWITCH, offsetof(struct target, position), 0, 0, NULL},
	{"memory", ACG_CONFIG_HINT, offsetof(struct target, hint), 0, 0, NULL},
	{"group", ACG_CONFIG_GROUP, 0, 0, 0, inner_keys},
	{"other", ACG_CONFIG_OTHER, 0, 0, 0, NULL},
	{NULL, 0, 0, 0, 0, NULL},
};

/* The faults, one a line; "" for none. Free with g_free. */
static char *read_text(const char *text, struct target *target)
{
	struct acg_config_reader reader = {.name = "t", .faults = g_string_new(NULL)};
	config_t config;

	config_init(&config);
	assert_true(config_read_string(&config, text));
	acg_config_read(&reader, config_root_setting(&config), keys, target);
	config_destroy(&config);
	return g_string_free(reader.faults, FALSE);
}

static void good_values(void **state)
{
	struct target target = {.number = 7};
	g_autofree char *faults = read_text(
		"text = \"a\"; size = \"1M\"; count = 5; seconds = 2.5; cpu_max = \"50%\"; flag = true;\n"
		"priority = \"high\"; commands = \"none\"; position = \"off\"; memory = \"2g\";\n"
		"group = { inner = 9L; }; other = ( 1, 2 );",
		&target);

	(void)state;
	assert_string_equal(faults, "");
	assert_string_equal(target.text, "a");
	assert_int_equal(target.size, 1 << 20);
	assert_int_equal(target.count, 5);
	assert_int_equal(target.seconds, 2500000);
	assert_int_equal(target.cpu, ACG_CPU_PERIOD / 2);
	assert_true(target.flag);
	assert_int_equal(target.priority, ACG_PRIORITY_HIGH);
	assert_int_equal(target.commands, ACG_COMMANDS_NONE);
	assert_int_equal(target.position, ACG_SWITCH_OFF);
	assert_int_equal(target.hint.memory_bytes, 2ull << 30);
	assert_int_equal(target.inner, 9);
	assert_int_equal(target.number, 7); /* not given: as it was */
	g_free(target.text);
}

static void no_limit(void **state)
{
	struct target target = {0};
	g_autofree char *faults =
		read_text("size = \"max\"; count = \"max\"; cpu_max = \"max\";", &target);

	(void)state;
	assert_string_equal(faults, "");
	assert_int_equal(target.size, ACG_MAX);
	assert_int_equal(target.count, ACG_MAX);
	assert_int_equal(target.cpu, ACG_MAX);
}

static void each_bad_value_is_one_fault(void **state)
{
	static const char *const table[] = {
		"text = 1;",		"text = \"\";",		 "text = \"\\xff\";",
		"size = -1;",		"size = 1.5;",		 "size = \"1MB\";",
		"size = true;",		"count = -1;",		 "count = \"some\";",
		"count = 0.5;",		"seconds = 0.4;",	 "seconds = 61;",
		"seconds = \"5\";",	"cpu_max = 50;",	 "cpu_max = \"50\";",
		"cpu_max = \"nan%\";",	"cpu_max = \"-5%\";",	 "number = 0;",
		"number = 101;",	"number = \"1\";",	 "flag = 1;",
		"flag = \"true\";",	"priority = 1;",	 "priority = \"High\";",
		"commands = \"all\";",	"position = true;",	 "memory = \"huge\";",
		"memory = ( );",	"group = 1;",		 "group = { x = 1; };",
		"group = ( { inner = 1; } );", "stranger = 1;",
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		struct target target = {.size = 77, .number = 77};
		g_autofree char *faults = read_text(table[i], &target);

		if (!g_str_has_prefix(faults, "t:1: ") || strchr(faults, '\n'))
			fail_msg("%s -> \"%s\"", table[i], faults);
		assert_int_equal(target.size, 77);
		assert_int_equal(target.number, 77);
		assert_null(target.text);
	}
}

static void reading_goes_on_after_a_fault(void **state)
{
	struct target target = {0};
	g_autofree char *faults =
		read_text("number = 0;\nstranger = 1;\ncount = 3;\nflag = 5;\n", &target);

	(void)state;
	assert_int_equal(target.count, 3);
	assert_non_null(strstr(faults, "t:1: number is a number from 1 to 100\n"));
	assert_non_null(strstr(faults, "\nt:2: unknown key stranger; there are text, size, "));
	assert_non_null(strstr(faults, "\nt:4: flag is true or false"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values),
		cmocka_unit_test(no_limit),
		cmocka_unit_test(each_bad_value_is_one_fault),
		cmocka_unit_test(reading_goes_on_after_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

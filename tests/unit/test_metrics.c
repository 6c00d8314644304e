/* SPDX-License-Identifier: GPL-2.0-or-later */
/* OpenMetrics text: the figures, and the format as a strict reader sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "policy/metrics.h"

static struct acg_registry *small_registry(void)
{
	struct acg_registry *registry = acg_registry_new();
	struct acg_agent *beta = acg_registry_add_agent(registry, NULL, "beta");
	struct acg_agent *alpha = acg_registry_add_agent(registry, NULL, "alpha");
	struct acg_agent *sub = acg_registry_add_agent(registry, alpha, "sub:1");
	struct acg_call *call = acg_registry_add_call(registry, alpha, "c1");

	alpha->budget.memory = 1 << 30;
	beta->budget.memory = sub->budget.memory = ACG_MAX;
	alpha->usage = (struct acg_usage){.memory_current = 1000,
					  .memory_peak = 2000,
					  .cpu_usec = 1500000,
					  .stalled_usec = 42};
	alpha->counters = (struct acg_counters){.begun = 9,
						.ended = 8,
						.refused = 7,
						.denied = 6,
						.throttled = 5,
						.frozen = 4,
						.killed = 3,
						.oom_kills = 2};
	call->state = ACG_CALL_RUNNING;
	call->usage.oom_kills = 10;
	return registry;
}

static void assert_line(const char *text, const char *line)
{
	g_autofree char *framed = g_strconcat("\n", line, "\n", NULL);

	if (!strstr(text, framed))
		fail_msg("no line %s in:\n%s", line, text);
}

static void test_figures(void **state)
{
	static const char *const lines[] = {
		"agentcg_agents 3",
		"agentcg_unapplied_actions_total 5",
		"agentcg_markers_kept_back_total 7",
		"agentcg_agent_memory_current_bytes{agent=\"alpha\"} 1000",
		"agentcg_agent_memory_current_bytes{agent=\"alpha/sub:1\"} 0",
		"agentcg_agent_memory_peak_bytes{agent=\"alpha\"} 2000",
		"agentcg_agent_memory_budget_bytes{agent=\"alpha\"} 1073741824",
		"agentcg_agent_memory_budget_bytes{agent=\"beta\"} +Inf",
		"agentcg_agent_calls_alive{agent=\"alpha\"} 1",
		"agentcg_agent_calls_begun_total{agent=\"alpha\"} 9",
		"agentcg_agent_calls_ended_total{agent=\"alpha\"} 8",
		"agentcg_agent_markers_refused_total{agent=\"alpha\"} 7",
		"agentcg_agent_writes_denied_total{agent=\"alpha\"} 6",
		"agentcg_agent_calls_throttled_total{agent=\"alpha\"} 5",
		"agentcg_agent_calls_frozen_total{agent=\"alpha\"} 4",
		"agentcg_agent_calls_killed_total{agent=\"alpha\"} 3",
		/* of ended calls and of the one alive */
		"agentcg_agent_oom_kills_total{agent=\"alpha\"} 12",
		"agentcg_agent_cpu_seconds_total{agent=\"alpha\"} 1.500000",
		"agentcg_agent_memory_delayed_seconds_total{agent=\"alpha\"} 0.000042",
	};
	struct acg_registry *registry = small_registry();
	g_autoptr(GString) out = g_string_new("\n");

	(void)state;
	acg_metrics_text(registry, 5, 7, out);
	for (unsigned int i = 0; i < G_N_ELEMENTS(lines); i++)
		assert_line(out->str, lines[i]);
	acg_registry_free(registry);
}

/* A counter of OOM kills does not go back when a call ends and the agent takes its kills over. */
static void test_no_kill_counts_twice(void **state)
{
	struct acg_registry *registry = small_registry();
	struct acg_agent *alpha = acg_registry_agent(registry, NULL, "alpha");
	g_autoptr(GString) out = g_string_new(NULL);

	(void)state;
	alpha->counters.oom_kills += 10;
	acg_agent_call(alpha, "c1")->state = ACG_CALL_ENDED;
	g_queue_push_tail(&alpha->ended, acg_agent_call(alpha, "c1"));
	acg_metrics_text(registry, 0, 0, out);
	assert_line(out->str, "agentcg_agent_oom_kills_total{agent=\"alpha\"} 12");
	acg_registry_free(registry);
}

/*
 * The rules of the format: each family once and in one piece, TYPE before its samples, a unit ends
 * the name, a counter's samples end in _total, the last line is # EOF.
 */
static void check_line(const char *line, char **family, GHashTable *seen, bool *counter,
		       bool *described)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 4);
	g_autofree char *sample = NULL;

	if (g_str_has_prefix(line, "# TYPE ")) {
		assert_true(g_hash_table_add(seen, g_strdup(words[2])));
		g_free(*family);
		*family = g_strdup(words[2]);
		*counter = strcmp(words[3], "counter") == 0;
		*described = false;
		assert_true(*counter || strcmp(words[3], "gauge") == 0);
		assert_false(g_str_has_suffix(*family, "_total"));
		return;
	}
	assert_non_null(*family);
	if (words[0][0] == '#') {
		assert_string_equal(words[2], *family);
		if (strcmp(words[1], "UNIT") == 0)
			assert_true(g_str_has_suffix(*family, words[3]));
		else
			*described =
				strcmp(words[1], "HELP") == 0 && g_str_has_suffix(words[3], ".");
		return;
	}
	sample = g_strndup(words[0], strcspn(words[0], "{"));
	assert_true(*described);
	assert_true(g_str_has_prefix(sample, *family));
	assert_string_equal(sample + strlen(*family), *counter ? "_total" : "");
	assert_null(words[2]);
}

static void assert_format(const char *text)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	unsigned int n = g_strv_length(lines);
	g_autofree char *family = NULL;
	bool counter = false, described = false;

	assert_string_equal(lines[n - 2], "# EOF");
	assert_string_equal(lines[n - 1], "");
	for (unsigned int i = 0; i < n - 2; i++)
		check_line(lines[i], &family, seen, &counter, &described);
}

static unsigned int count(const char *text, char c)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static void test_format(void **state)
{
	struct acg_registry *registry = small_registry(), *empty = acg_registry_new();
	g_autoptr(GString) some = g_string_new(NULL);
	g_autoptr(GString) none = g_string_new(NULL);

	(void)state;
	acg_metrics_text(registry, 5, 0, some);
	assert_format(some->str);
	acg_metrics_text(empty, 0, 0, none);
	assert_format(none->str);
	assert_null(strchr(none->str, '{'));
	acg_registry_free(registry);
	acg_registry_free(empty);
}

/* Calls do not add series. */
static void test_cardinality(void **state)
{
	struct acg_registry *registry = small_registry();
	struct acg_agent *alpha = acg_registry_agent(registry, NULL, "alpha");
	g_autoptr(GString) before = g_string_new(NULL);
	g_autoptr(GString) after = g_string_new(NULL);

	(void)state;
	acg_metrics_text(registry, 0, 0, before);
	for (unsigned int i = 0; i < 100; i++) {
		g_autofree char *id = g_strdup_printf("more-%u", i);

		acg_registry_add_call(registry, alpha, id)->state = ACG_CALL_RUNNING;
	}
	acg_metrics_text(registry, 0, 0, after);
	assert_int_equal(count(before->str, '\n'), count(after->str, '\n'));
	assert_null(strstr(after->str, "more-"));
	acg_registry_free(registry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_no_kill_counts_twice),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_cardinality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

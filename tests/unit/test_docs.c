/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is not documented does not exist: every key of the policy is in agentcg.conf(5) and in the example, every file of the tree and
 * every member of its JSON in agentcg(7), every file also in the tree's own README. What there is comes from the code itself: the
 * table of files, the parser's own list of keys, a record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fusefs/file_ops.h"
#include "policy/policy.h"
#include "policy/record.h"
#include "tests/unit/engine_fixture.h"

/* A file of tools/. Free with g_free. */
static char *page(const char *name)
{
	const char *top = getenv("srcdir");
	g_autofree char *path = g_build_filename(top ? top : ".", "tools", name, NULL);
	g_autoptr(GError) error = NULL;
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, &error))
		fail_msg("%s", error->message);
	return text;
}

/* True if the word stands in the text by itself, between characters that cannot be part of a name. */
static bool has_word(const char *text, const char *word)
{
	g_autofree char *escaped = g_regex_escape_string(word, -1);
	g_autofree char *pattern = g_strdup_printf("(?<![\\w.])%s(?![\\w]|\\.\\w)", escaped);

	return g_regex_match_simple(pattern, text, 0, 0);
}

static void missing(unsigned int *n, const char *what, const char *name, const char *where)
{
	print_error("%s \"%s\" is not in %s: add it there\n", what, name, where);
	++*n;
}

/* --- the policy's keys -------------------------------------------------------------------------------------- */

/* The keys that the parser knows where `format` has %s, from its own words about one that it does not; NULL: none can be there. */
static char **keys_at(const char *before, const char *after)
{
	static const char there_are[] = "unknown key zzz; there are ";
	g_autofree char *text = g_strconcat(before, "zzz = 1;", after, NULL);
	struct acg_policy *policy = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *list = NULL;
	const char *at;

	if (acg_policy_load_text(text, "t", &policy, &error) == 0) {
		acg_policy_unref(policy);
		return NULL;
	}
	at = strstr(error->message, there_are);
	if (!at)
		return NULL;
	at += strlen(there_are);
	list = g_strndup(at, strcspn(at, "\n"));
	return g_strsplit(list, ", ", -1);
}

struct pages {
	char *manual, *example;
	unsigned int n_keys, missing;
};

static void check_key(struct pages *pages, const char *key)
{
	g_autofree char *pattern = g_strdup_printf("\\b%s\\s*=", key);

	pages->n_keys++;
	if (!has_word(pages->manual, key))
		missing(&pages->missing, "policy key", key, "tools/agentcg.conf.5");
	if (!g_regex_match_simple(pattern, pages->example, 0, 0))
		missing(&pages->missing, "policy key", key, "tools/agentcg.conf.example");
}

static void check_keys(struct pages *pages, const char *before, const char *after)
{
	static const struct {
		const char *open, *close;
	} shapes[] = {{" = { ", "};"}, {" = ( { ", "} );"}};
	g_auto(GStrv) keys = keys_at(before, after);

	for (char **key = keys; key && *key; key++) {
		check_key(pages, *key);
		for (unsigned int i = 0; i < G_N_ELEMENTS(shapes); i++) {
			g_autofree char *deeper =
				g_strconcat(before, *key, shapes[i].open, NULL);
			g_autofree char *end = g_strconcat(shapes[i].close, after, NULL);

			check_keys(pages, deeper, end);
		}
	}
}

static void every_key_of_the_policy(void **state)
{
	struct pages pages = {page("agentcg.conf.5"), page("agentcg.conf.example"), 0, 0};

	(void)state;
	check_keys(&pages, "", "");
	assert_true(pages.n_keys > 50); /* all groups were gone into */
	assert_int_equal(pages.missing, 0);
	g_free(pages.manual);
	g_free(pages.example);
}

static void the_example_is_a_good_policy(void **state)
{
	g_autofree char *text = page("agentcg.conf.example");
	struct acg_policy *policy = NULL, *built_in = acg_policy_new_default();
	g_autoptr(GError) error = NULL;

	(void)state;
	if (acg_policy_load_text(text, "agentcg.conf.example", &policy, &error) < 0)
		fail_msg("%s", error->message);
	/* it says of the ladder that its figures are the defaults */
	built_in->ladder.enabled = true;
	assert_memory_equal(&policy->ladder, &built_in->ladder, sizeof(policy->ladder));
	assert_string_equal(policy->root, built_in->root);
	assert_int_equal(policy->memory_low, built_in->memory_low);
	assert_int_equal(policy->memory_medium, built_in->memory_medium);
	assert_int_equal(policy->history_max, built_in->history_max);
	/* and its rules match what they are meant for */
	assert_string_equal(acg_policy_command(policy, "pytest -q")->class, "test");
	assert_string_equal(acg_policy_command(policy, "python -m pytest")->class, "test");
	assert_string_equal(acg_policy_command(policy, "npm ci")->class, "install");
	assert_string_equal(acg_policy_command(policy, "make -j8")->class, "build");
	assert_string_equal(acg_policy_command(policy, "git status")->class, "git");
	acg_policy_unref(policy);
	acg_policy_unref(built_in);
}

/* --- the tree ----------------------------------------------------------------------------------------------- */

static void every_file_of_the_tree(void **state)
{
	const unsigned int everywhere = ACG_IN_ROOT | ACG_IN_AGENT | ACG_IN_CALL;
	g_autofree char *manual = page("agentcg.7");
	g_autoptr(GString) readme = g_string_new(NULL);
	unsigned int n = 0;

	(void)state;
	acg_read_readme(NULL, NULL, readme, NULL);
	for (const struct acg_file *file = NULL; (file = acg_file_next(file, everywhere));) {
		bool kernel = file->flags & ACG_FILE_KERNEL;

		/* of the kernel's those that an agent may write are named; cgroups(7) has the others */
		if ((!kernel || (file->flags & ACG_FILE_CALL_WRITE)) && !has_word(manual, file->name))
			missing(&n, "file", file->name, "tools/agentcg.7");
		if (!kernel && strcmp(file->name, "README") != 0 &&
		    !has_word(readme->str, file->name))
			missing(&n, "file", file->name, "the tree's README (fusefs/readers.c)");
	}
	assert_int_equal(n, 0);
}

static void the_readme_is_one_screen(void **state)
{
	g_autoptr(GString) readme = g_string_new(NULL);
	g_auto(GStrv) lines = NULL;

	(void)state;
	acg_read_readme(NULL, NULL, readme, NULL);
	lines = g_strsplit(readme->str, "\n", -1);
	assert_true(g_strv_length(lines) <= 40);
	for (char **line = lines; *line; line++)
		assert_true(strlen(*line) <= 100);
}

static void check_members(const char *json, const char *manual, unsigned int *n)
{
	g_autoptr(GRegex) regex = g_regex_new("\"(\\w+)\":", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;

	for (g_regex_match(regex, json, 0, &match); g_match_info_matches(match);
	     g_match_info_next(match, NULL)) {
		g_autofree char *member = g_match_info_fetch(match, 1);

		if (!has_word(manual, member))
			missing(n, "member of `info`", member, "tools/agentcg.7");
	}
}

static void every_member_of_info(void **state)
{
	g_autofree char *manual = page("agentcg.7"), *call_json = NULL, *event_json = NULL;
	g_autofree char *agent_json = NULL;
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a");
	struct acg_call *call = begin(&fixture, agent, "x", "make", NULL);
	unsigned int n = 0;

	(void)state;
	call_json = acg_record_call(call, fixture.now);
	event_json = acg_record_event(1, fixture.now, "end", "a", "x", "oom", "words");
	assert_non_null(strstr(call_json, "\"grant\""));
	check_members(call_json, manual, &n);
	check_members(event_json, manual, &n);
	agent_json = acg_record_agent(agent, 0);
	assert_non_null(strstr(agent_json, "\"largest_grant\""));
	check_members(agent_json, manual, &n);
	assert_int_equal(n, 0);
	fixture_free(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_policy),
		cmocka_unit_test(the_example_is_a_good_policy),
		cmocka_unit_test(every_file_of_the_tree),
		cmocka_unit_test(the_readme_is_one_screen),
		cmocka_unit_test(every_member_of_info),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one agent can ask for at most: markers, sub-agents and their depth, calls, a priority, a user's share, texts that are kept. */
#include "tests/unit/engine_fixture.h"

#include "fusefs/kept.h"
#include "policy/rate.h"

static void a_rate_gives_back_what_was_used(void **state)
{
	struct acg_rate rate = {0};
	int64_t now = 1000 * SECOND;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_true(acg_rate_take(&rate, 10, 5, now));
	assert_false(acg_rate_take(&rate, 10, 5, now));
	assert_false(acg_rate_take(&rate, 10, 5, now + SECOND / 20)); /* half a token is none */
	assert_true(acg_rate_take(&rate, 10, 5, now + SECOND / 10));
	assert_false(acg_rate_take(&rate, 10, 5, now + SECOND / 10));
	now += 3600 * SECOND; /* never more than the burst, however long it was quiet */
	for (int i = 0; i < 5; i++)
		assert_true(acg_rate_take(&rate, 10, 5, now));
	assert_false(acg_rate_take(&rate, 10, 5, now));
	assert_false(acg_rate_take(&rate, 10, 5, now - SECOND)); /* a clock that goes back */
}

static void markers_are_counted_for_the_agent_at_the_top(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *top = add_agent(&fixture, NULL, "a"), *other = add_agent(&fixture, NULL, "b");
	struct acg_agent *sub = add_agent(&fixture, top, "s");
	unsigned int n = 0;

	(void)state;
	while (acg_engine_marker(n % 2 ? top : sub, fixture.now, NULL) == 0)
		n++;
	assert_int_equal(n, ACG_MARKERS_BURST);
	assert_int_equal(acg_engine_marker(sub, fixture.now, NULL), -EAGAIN);
	assert_int_equal(acg_engine_marker(other, fixture.now, NULL), 0);
	turn(&fixture, SECOND);
	assert_int_equal(acg_engine_marker(sub, fixture.now, NULL), 0);
	fixture_free(&fixture);
}

static void sub_agents_are_counted_with_all_below(void **state)
{
	struct fixture fixture = fixture_new("agents = ({ budget = { agents = 3; calls = 2; }; });");
	struct acg_agent *top = add_agent(&fixture, NULL, "a"), *s, *t, *none;
	struct acg_begin request = {.id = "c3"};
	struct acg_call *call;

	(void)state;
	s = add_agent(&fixture, top, "s");
	t = add_agent(&fixture, s, "t");
	add_agent(&fixture, s, "u");
	assert_int_equal(acg_engine_agent_add(fixture.engine, t, "v", NULL, NULL, 0, fixture.now, fixture.actions,
					      &none, NULL),
			 -EAGAIN);
	begin(&fixture, t, "c1", "true", NULL);
	begin(&fixture, top, "c2", "true", NULL);
	assert_int_equal(acg_engine_begin(fixture.engine, s, &request, fixture.now, fixture.actions, &call, NULL),
			 -EAGAIN);
	fixture_free(&fixture);
}

static void sub_agents_are_not_endlessly_deep(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *agent = add_agent(&fixture, NULL, "a"), *next;
	unsigned int depth = 1;

	(void)state;
	while (acg_engine_agent_add(fixture.engine, agent, "s", NULL, NULL, 0, fixture.now, fixture.actions, &next,
				    NULL) == 0) {
		agent = next;
		depth++;
	}
	assert_int_equal(depth, ACG_AGENT_DEPTH_MAX);
	fixture_free(&fixture);
}

static void a_sub_agent_has_no_more_priority(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_agent *top = add_agent(&fixture, NULL, "a"), *sub = add_agent(&fixture, top, "s");

	(void)state;
	acg_engine_agent_priority(fixture.engine, sub, ACG_PRIORITY_HIGH, fixture.now, fixture.actions);
	assert_int_equal(sub->priority, ACG_PRIORITY_NORMAL);
	acg_engine_agent_priority(fixture.engine, top, ACG_PRIORITY_LOW, fixture.now, fixture.actions);
	assert_int_equal(sub->priority, ACG_PRIORITY_LOW);
	fixture_free(&fixture);
}

static void what_was_moved_is_remembered_once(void **state)
{
	struct fixture fixture = fixture_new(NULL);
	struct acg_call *call = begin(&fixture, add_agent(&fixture, NULL, "a"), "x", "true", NULL);

	(void)state;
	for (int i = 0; i < 100; i++)
		acg_engine_moved(fixture.engine, &call->node, 4242, ACG_OOM_CALL);
	assert_int_equal(call->moved->len, 1);
	assert_int_equal(g_array_index(call->moved, struct acg_moved, 0).oom_score_adj, 0);
	for (int i = 0; i < 3 * ACG_MOVED_KEPT; i++)
		acg_engine_moved(fixture.engine, &call->node, 10000 + i, 0);
	assert_int_equal(call->moved->len, ACG_MOVED_KEPT);
	fixture_free(&fixture);
}

static void hints_do_not_move_the_cap_on_the_timeout(void **state)
{
	struct fixture fixture = fixture_new("agents = ({ caps = { timeout = 60.0; }; });");
	struct acg_call *call = begin(&fixture, add_agent(&fixture, NULL, "a"), "x", "true", NULL);
	struct acg_hint hint = {.timeout = 50 * SECOND};
	int64_t last = fixture.now.mono + 60 * SECOND;

	(void)state;
	for (int i = 0; i < 5; i++) {
		turn(&fixture, 10 * SECOND);
		acg_engine_hint(fixture.engine, call, &hint, fixture.now, fixture.actions);
		assert_true(call->deadline <= last);
	}
	fixture_free(&fixture);
}

static void the_oldest_texts_of_an_owner_go(void **state)
{
	struct acg_kept *kept = acg_kept_new(8192);

	(void)state;
	acg_kept_put(kept, 1, 7, g_string_sized_new(3000));
	acg_kept_put(kept, 2, 8, g_string_new("another's"));
	acg_kept_put(kept, 3, 0, g_string_sized_new(100000)); /* root's: unbounded */
	for (uint64_t fh = 10; fh < 20; fh++)
		acg_kept_put(kept, fh, 7, g_string_sized_new(3000));
	assert_null(acg_kept_get(kept, 1));
	assert_null(acg_kept_get(kept, 10));
	assert_non_null(acg_kept_get(kept, 19));
	assert_string_equal(acg_kept_get(kept, 2)->str, "another's");
	assert_non_null(acg_kept_get(kept, 3));
	acg_kept_put(kept, 30, 7, g_string_sized_new(100000)); /* the newest stays, whatever its size */
	assert_non_null(acg_kept_get(kept, 30));
	assert_null(acg_kept_get(kept, 19));
	acg_kept_drop(kept, 30);
	assert_null(acg_kept_get(kept, 30));
	acg_kept_free(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_gives_back_what_was_used),
		cmocka_unit_test(markers_are_counted_for_the_agent_at_the_top),
		cmocka_unit_test(sub_agents_are_counted_with_all_below),
		cmocka_unit_test(sub_agents_are_not_endlessly_deep),
		cmocka_unit_test(a_sub_agent_has_no_more_priority),
		cmocka_unit_test(what_was_moved_is_remembered_once),
		cmocka_unit_test(hints_do_not_move_the_cap_on_the_timeout),
		cmocka_unit_test(the_oldest_texts_of_an_owner_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who marks without a pause has one part in eight of the worker while others are about, and all of it else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fusefs/pace.h"

#define QUIET 1
#define FLOOD 2
#define TOOK  1000 /* usec that a marker takes */

struct world {
	struct acg_pace *pace;
	int64_t now, free_since;
};

static enum acg_pace_answer come(struct world *world, uint64_t agent)
{
	return acg_pace_marker(world->pace, agent, world->free_since, world->now, "x", 2);
}

static void handled(struct world *world, uint64_t agent)
{
	acg_pace_handled(world->pace, agent, world->now, world->now + TOOK);
	world->free_since = world->now += TOOK;
}

static void mark_at_once(struct world *world, uint64_t agent)
{
	assert_int_equal(come(world, agent), ACG_PACE_NOW);
	handled(world, agent);
}

/* Markers of the flood until this time; how many were handled. */
static unsigned int flood_until(struct world *world, int64_t end)
{
	unsigned int n = 0;
	uint64_t agent;
	GBytes *request;

	while (world->now < end) {
		if (come(world, FLOOD) == ACG_PACE_KEPT) {
			assert_null(
				acg_pace_due(world->pace, acg_pace_next(world->pace) - 1, &agent));
			world->now = acg_pace_next(world->pace);
			request = acg_pace_due(world->pace, world->now, &agent);
			assert_int_equal(agent, FLOOD);
			g_bytes_unref(request);
		}
		handled(world, FLOOD);
		n++;
	}
	return n;
}

static struct world new_world(void)
{
	return (struct world){acg_pace_new(), 1000000000, 0};
}

static void alone(void **state)
{
	struct world world = new_world();

	(void)state;
	for (int i = 0; i < 1000; i++)
		mark_at_once(&world, FLOOD);
	acg_pace_free(world.pace);
}

static void beside_one_that_marks_with_pauses(void **state)
{
	struct world world = new_world();
	unsigned int n;

	(void)state;
	for (int i = 0; i < 20; i++)
		mark_at_once(&world, FLOOD);
	mark_at_once(&world, QUIET);
	n = flood_until(&world, world.now + 900 * TOOK);
	assert_in_range(n, 90, 110);
	/* begin and end, at any time, after a pause */
	for (int i = 0; i < 100; i++) {
		mark_at_once(&world, QUIET);
		mark_at_once(&world, QUIET);
		flood_until(&world, world.now + 1);
		world.now += 600;
	}
	acg_pace_free(world.pace);
}

static void those_about_are_forgotten(void **state)
{
	struct world world = new_world();

	(void)state;
	mark_at_once(&world, QUIET);
	flood_until(&world, world.now + 11 * 1000000);
	for (int i = 0; i < 100; i++)
		mark_at_once(&world, FLOOD);
	acg_pace_free(world.pace);
}

/* Two of the same kind keep each other from nothing, once the beginnings of both are past. */
static void beside_another_flood(void **state)
{
	struct world world = new_world();

	(void)state;
	for (int i = 0; i < 20; i++)
		mark_at_once(&world, FLOOD);
	world.now += 11 * 1000000;
	for (int i = 0; i < 20; i++)
		mark_at_once(&world, FLOOD + 1);
	flood_until(&world, world.now + 11 * 1000000);
	for (int i = 0; i < 100; i++) {
		mark_at_once(&world, FLOOD);
		mark_at_once(&world, FLOOD + 1);
	}
	acg_pace_free(world.pace);
}

/* What is left of a marker takes longer than either's pause: a flood's next one is there by then, and shows no pause. */
static void on_a_slow_machine(void **state)
{
	struct world world = new_world();
	unsigned int kept = 0;

	(void)state;
	for (int i = 0; i < 40; i++) {
		acg_pace_handled(world.pace, FLOOD, world.now, world.now + 10000);
		world.free_since = world.now += 20000;
		kept += come(&world, FLOOD) == ACG_PACE_KEPT;
		if (i != 30)
			continue;
		world.now += 5000;
		assert_int_equal(come(&world, QUIET), ACG_PACE_NOW);
		acg_pace_handled(world.pace, QUIET, world.now, world.now + 10000);
		world.free_since = world.now += 20000;
	}
	assert_in_range(kept, 8, 9);
	acg_pace_free(world.pace);
}

static void many_at_once(void **state)
{
	struct world world = new_world();
	unsigned int kept = 0;
	int64_t before = 0;
	uint64_t agent;
	GBytes *request;

	(void)state;
	for (int i = 0; i < 20; i++)
		mark_at_once(&world, FLOOD);
	mark_at_once(&world, QUIET);
	while (come(&world, FLOOD) == ACG_PACE_KEPT)
		kept++;
	assert_int_equal(kept, 64);
	assert_int_equal(come(&world, FLOOD), ACG_PACE_FULL);
	mark_at_once(&world, QUIET);
	for (; kept; kept--) {
		assert_true(acg_pace_next(world.pace) >= before + 8 * TOOK || !before);
		before = acg_pace_next(world.pace);
		request = acg_pace_due(world.pace, INT64_MAX, &agent);
		g_bytes_unref(request);
	}
	assert_int_equal(acg_pace_next(world.pace), -1);
	acg_pace_free(world.pace);
}

/* No number of agents makes it grow for ever, and one that is kept is not forgotten. */
static void many_agents(void **state)
{
	struct world world = new_world();

	(void)state;
	for (int i = 0; i < 20; i++)
		mark_at_once(&world, FLOOD);
	mark_at_once(&world, QUIET);
	assert_int_equal(come(&world, FLOOD), ACG_PACE_KEPT);
	for (uint64_t agent = 10; agent < 5000; agent++) {
		mark_at_once(&world, agent);
		world.now += 100000;
	}
	acg_pace_free(world.pace); /* valgrind looks at what is kept */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone),
		cmocka_unit_test(beside_one_that_marks_with_pauses),
		cmocka_unit_test(those_about_are_forgotten),
		cmocka_unit_test(beside_another_flood),
		cmocka_unit_test(on_a_slow_machine),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(many_agents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of events: in order, with their places, the oldest dropped, and nothing believed that makes no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <glib.h>
#include <string.h>

#include "policy/eventring.h"

#define SIZE 4096

static struct acg_eventring ring_new(void)
{
	return (struct acg_eventring){g_malloc0(SIZE), SIZE};
}

/* What a reader has seen: numbers in order, and each line as it was written. */
struct seen {
	uint64_t first, last;
	unsigned int n;
};

static char *line_of(uint64_t seq)
{
	g_autofree char *tail = g_strnfill(seq * 37 % 200, 'x');

	return g_strdup_printf("line %" G_GUINT64_FORMAT " %s", seq, tail);
}

static void see(uint64_t seq, const char *line, size_t len,
		const struct acg_eventring_place *places, unsigned int n_places, void *data)
{
	g_autofree char *want = line_of(seq);
	struct seen *seen = data;

	assert_int_equal(len, strlen(want));
	assert_memory_equal(line, want, len);
	assert_int_equal(n_places, seq % 3);
	for (unsigned int i = 0; i < n_places; i++) {
		assert_int_equal(places[i].agent, seq + i);
		assert_int_equal(places[i].position, seq * 2);
	}
	if (!seen->n++)
		seen->first = seq;
	else
		assert_int_equal(seq, seen->last + 1);
	seen->last = seq;
}

static void append(struct acg_eventring *ring, uint64_t seq)
{
	const struct acg_eventring_place places[] = {{seq, seq * 2}, {seq + 1, seq * 2}};
	g_autofree char *line = line_of(seq);

	acg_eventring_append(ring, seq, line, strlen(line), places, seq % 3);
}

static void the_last_ones_in_order(void **state)
{
	struct acg_eventring ring = ring_new();

	(void)state;
	for (uint64_t seq = 1; seq <= 500; seq++) {
		struct seen seen = {0};

		append(&ring, seq);
		acg_eventring_each(&ring, see, &seen);
		assert_int_equal(seen.last, seq);
		assert_true(seq < 20 ? seen.first == 1 : seen.n >= 10);
	}
	g_free(ring.memory);
}

static void what_is_too_long_is_left_out(void **state)
{
	struct acg_eventring ring = ring_new();
	g_autofree char *line = g_strnfill(SIZE / 4, 'x');
	struct seen seen = {0};

	(void)state;
	append(&ring, 1);
	acg_eventring_append(&ring, 2, line, strlen(line), NULL, 0);
	acg_eventring_each(&ring, see, &seen);
	assert_int_equal(seen.last, 1);
	g_free(ring.memory);
}

static void ignore(uint64_t seq, const char *line, size_t len,
		   const struct acg_eventring_place *places, unsigned int n_places, void *data)
{
	(void)seq;
	(void)places;
	(void)n_places;
	*(unsigned char *)data ^= line[len - 1];
}

/* Any bytes: it ends, and reads nothing outside (the sanitizers and valgrind see that). */
static void any_bytes_are_read_safely(void **state)
{
	struct acg_eventring ring = ring_new();
	GRand *rand = g_rand_new_with_seed(7);
	unsigned char sum = 0;

	(void)state;
	for (unsigned int round = 0; round < 2000; round++) {
		memset(ring.memory, 0, SIZE);
		for (uint64_t seq = 1; seq < 40; seq++)
			append(&ring, seq);
		for (unsigned int i = 0; i < 8; i++)
			((unsigned char *)ring.memory)[g_rand_int_range(rand, 0, SIZE)] ^=
				1 << g_rand_int_range(rand, 0, 8);
		acg_eventring_each(&ring, ignore, &sum);
	}
	g_rand_free(rand);
	g_free(ring.memory);
}

static void without_memory_nothing_is_kept(void **state)
{
	struct acg_eventring ring = {0};
	struct seen seen = {0};

	(void)state;
	append(&ring, 1);
	acg_eventring_each(&ring, see, &seen);
	assert_int_equal(seen.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_ones_in_order),
		cmocka_unit_test(what_is_too_long_is_left_out),
		cmocka_unit_test(any_bytes_are_read_safely),
		cmocka_unit_test(without_memory_nothing_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

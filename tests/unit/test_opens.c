/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of open files: handles that mean one open only, growth, each agent's number, and what the next
 * worker finds in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fusefs/opens.h"

#define OFFSET 8192 /* the table is not at the beginning of the memfd */

static struct acg_opens *table_in(int memfd)
{
	struct acg_opens *opens = NULL;

	assert_int_equal(acg_opens_new(memfd, OFFSET, &opens, NULL), 0);
	return opens;
}

/* A table whose memfd goes with the test program. */
static struct acg_opens *new_table(void)
{
	return table_in(memfd_create("test-opens", MFD_CLOEXEC));
}

static uint64_t add_begin(struct acg_opens *opens, const struct acg_open *begin)
{
	struct acg_open *open;
	uint64_t fh;

	assert_int_equal(acg_opens_add(opens, begin, &fh, &open), 0);
	assert_ptr_equal(open, acg_opens_get(opens, fh));
	return fh;
}

static uint64_t add(struct acg_opens *opens, uint64_t ino)
{
	return add_begin(opens, &(struct acg_open){.ino = ino});
}

static void a_handle_names_one_open(void **state)
{
	struct acg_opens *opens = new_table();
	uint64_t first = add(opens, 11), second = add(opens, 22), again;

	(void)state;
	assert_int_not_equal(first, second);
	assert_int_equal(acg_opens_get(opens, first)->ino, 11);
	assert_int_equal(acg_opens_get(opens, second)->ino, 22);
	strcpy(acg_opens_get(opens, first)->answer, "c1\n");
	acg_opens_remove(opens, first);
	assert_null(acg_opens_get(opens, first));
	again = add(opens, 33); /* the same slot, another open: nothing of the old one shows */
	assert_int_not_equal(again, first);
	assert_null(acg_opens_get(opens, first));
	assert_string_equal(acg_opens_get(opens, again)->answer, "");
	acg_opens_remove(opens, first); /* once more: nothing */
	assert_non_null(acg_opens_get(opens, again));
	acg_opens_free(opens);
}

static void handles_that_were_never_given(void **state)
{
	static const uint64_t handles[] = {0, 1, UINT64_MAX, 1ull << 32, 0xffffffff};
	struct acg_opens *opens = new_table();

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(handles); i++) {
		assert_null(acg_opens_get(opens, handles[i]));
		acg_opens_remove(opens, handles[i]);
	}
	acg_opens_free(opens);
}

static void it_grows_and_keeps_what_is_in_it(void **state)
{
	struct acg_opens *opens = new_table();
	uint64_t handles[2000];

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(handles); i++)
		handles[i] = add(opens, i);
	for (unsigned int i = 0; i < G_N_ELEMENTS(handles); i++)
		assert_int_equal(acg_opens_get(opens, handles[i])->ino, i);
	acg_opens_free(opens);
}

static void count_one(uint64_t fh, struct acg_open *open, void *data)
{
	assert_true(fh);
	assert_int_equal(open->ino, 5);
	++*(unsigned int *)data;
}

static void all_opens_of_a_file(void **state)
{
	struct acg_opens *opens = new_table();
	uint64_t gone = add(opens, 5);
	unsigned int n = 0;

	(void)state;
	add(opens, 5);
	add(opens, 6);
	add(opens, 5);
	acg_opens_remove(opens, gone);
	acg_opens_each(opens, 5, count_one, &n);
	assert_int_equal(n, 2);
	acg_opens_free(opens);
}

static void each_agents_number(void **state)
{
	const struct acg_open begin = {.ino = 5, .owner = 7};
	struct acg_opens *opens = new_table();
	uint64_t fh;

	(void)state;
	assert_int_equal(acg_opens_count(opens, 7), 0);
	fh = add_begin(opens, &begin);
	add_begin(opens, &begin);
	assert_int_equal(acg_opens_count(opens, 7), 2);
	assert_int_equal(acg_opens_count(opens, 8), 0);
	acg_opens_remove(opens, fh);
	assert_int_equal(acg_opens_count(opens, 7), 1);
	acg_opens_free(opens);
}

static void the_next_worker_finds_all(void **state)
{
	int memfd = memfd_create("test-opens", MFD_CLOEXEC);
	struct acg_opens *opens = table_in(memfd);
	const struct acg_open begin = {.ino = 9, .owner = 7, .unique = 1234};
	uint64_t handles[600], gone = add(opens, 1), found;

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(handles); i++)
		handles[i] = add(opens, 100 + i);
	add_begin(opens, &begin);
	acg_opens_remove(opens, gone);
	acg_opens_free(opens);

	opens = table_in(memfd);
	for (unsigned int i = 0; i < G_N_ELEMENTS(handles); i++)
		assert_int_equal(acg_opens_get(opens, handles[i])->ino, 100 + i);
	assert_null(acg_opens_get(opens, gone));
	assert_int_equal(acg_opens_count(opens, 7), 1);
	assert_int_equal(acg_opens_of_request(opens, 1234, &found)->ino, 9);
	assert_int_equal(acg_opens_get(opens, found)->unique, 1234);
	assert_null(acg_opens_of_request(opens, 1236, &found));
	assert_int_not_equal(add(opens, 3), gone); /* its slot, but not its handle */
	acg_opens_free(opens);
	close(memfd);
}

/* begin: the answer to request 40, which moves from 5 to 8, may have been sent; then request `next` comes. */
static uint64_t position_after(uint64_t next)
{
	struct acg_open open = {.position = 5};

	acg_open_read_begin(&open, 40, 8);
	acg_open_settle(&open, next);
	return open.position;
}

static void a_read_moves_on_once(void **state)
{
	struct acg_open open = {.position = 5};

	(void)state;
	assert_int_equal(position_after(40), 5); /* the same again: it did not arrive */
	assert_int_equal(position_after(42), 8); /* another: it did */
	acg_open_settle(&open, 42);
	assert_int_equal(open.position, 5);
	acg_open_read_begin(&open, 42, 6);
	acg_open_read_done(&open, false); /* the reader was interrupted */
	assert_int_equal(open.position, 5);
	acg_open_read_begin(&open, 44, 6);
	acg_open_read_done(&open, true);
	acg_open_settle(&open, 44);
	assert_int_equal(open.position, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_names_one_open),
		cmocka_unit_test(handles_that_were_never_given),
		cmocka_unit_test(it_grows_and_keeps_what_is_in_it),
		cmocka_unit_test(all_opens_of_a_file),
		cmocka_unit_test(each_agents_number),
		cmocka_unit_test(the_next_worker_finds_all),
		cmocka_unit_test(a_read_moves_on_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

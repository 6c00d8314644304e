/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of open files: handles that mean one open only, growth, and each agent's number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "fusefs/opens.h"

static struct acg_opens *new_table(void)
{
	struct acg_opens *opens = NULL;

	assert_int_equal(acg_opens_new(&opens, NULL), 0);
	return opens;
}

static uint64_t add(struct acg_opens *opens, uint64_t ino)
{
	struct acg_open *open;
	uint64_t fh;

	assert_int_equal(acg_opens_add(opens, &fh, &open), 0);
	open->ino = ino;
	return fh;
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
	struct acg_opens *opens = new_table();
	struct acg_open *open;
	uint64_t fh;

	(void)state;
	assert_int_equal(acg_opens_count(opens, 7, 0), 0);
	assert_int_equal(acg_opens_add(opens, &fh, &open), 0);
	open->agent = 7;
	assert_int_equal(acg_opens_count(opens, 7, 1), 1);
	assert_int_equal(acg_opens_count(opens, 7, 1), 2);
	assert_int_equal(acg_opens_count(opens, 8, 0), 0);
	acg_opens_remove(opens, fh);
	assert_int_equal(acg_opens_count(opens, 7, 0), 1);
	acg_opens_free(opens);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handle_names_one_open),
		cmocka_unit_test(handles_that_were_never_given),
		cmocka_unit_test(it_grows_and_keeps_what_is_in_it),
		cmocka_unit_test(all_opens_of_a_file),
		cmocka_unit_test(each_agents_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

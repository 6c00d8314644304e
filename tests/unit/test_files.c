/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of every row of the table of files, whoever adds one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "fusefs/inode.h"

#define EVERYWHERE (ACG_IN_ROOT | ACG_IN_AGENT | ACG_IN_CALL)

static bool is_own(const struct acg_file *file)
{
	return !(file->flags & ACG_FILE_KERNEL);
}

static bool writable(const struct acg_file *file)
{
	return file->mode & 0222;
}

static void check_row(const struct acg_file *file)
{
	assert_ptr_equal(acg_file_named(file->name), file); /* no name twice */
	assert_ptr_equal(acg_file_at(file->index), file);   /* no index twice */
	assert_true(file->where && !(file->where & ~EVERYWHERE));
	assert_int_equal(file->mode & ~0666, 0);
	assert_null(strchr(file->name, '/'));
}

/* An index is eight bits of a node id, and those of directories come first. */
static void check_index(const struct acg_file *file)
{
	assert_true(file->index <= 0xff);
	if (is_own(file))
		assert_in_range(file->index, ACG_INDEX_FILES, ACG_INDEX_KERNEL - 1);
	else
		assert_true(file->index >= ACG_INDEX_KERNEL);
}

static void check_kernel_file(const struct acg_file *file)
{
	static const char *const families[] = {"cgroup.", "memory.", "cpu.", "pids.", "io."};
	bool known = false;

	for (unsigned int i = 0; i < G_N_ELEMENTS(families); i++)
		known |= strncmp(file->name, families[i], strlen(families[i])) == 0;
	assert_true(known);
	assert_false(file->where & ACG_IN_ROOT); /* the root of the tree is no cgroup */
	assert_null(file->read);
	assert_null(file->write);
	/* what an agent may write in its calls is for all, as its rights are not by user; nothing else is */
	assert_int_equal((file->mode & 0002) != 0, (file->flags & ACG_FILE_CALL_WRITE) != 0);
	/* a change by an agent would by-pass the policy */
	if (!(file->flags & ACG_FILE_CALL_WRITE))
		assert_int_equal(file->write_right, ACG_RIGHT_OPERATE);
}

static void check_own_file(const struct acg_file *file)
{
	const unsigned int without_reader = ACG_FILE_LINK | ACG_FILE_STREAM | ACG_FILE_ANSWER;

	assert_int_equal(file->read == NULL, (file->flags & without_reader) != 0);
	assert_int_equal(file->write != NULL, writable(file));
	assert_false(file->flags & (ACG_FILE_PIDS | ACG_FILE_CALL_WRITE));
	/* a name that the kernel may come to use would hide its file */
	assert_int_not_equal(strncmp(file->name, "cgroup.", 7), 0);
	assert_int_not_equal(strncmp(file->name, "memory.", 7), 0);
	if (file->mode & 0002) /* for agents */
		assert_true(file->write_right == ACG_RIGHT_MARK ||
			    file->write_right == ACG_RIGHT_CALL_FILE);
}

static void every_row(void **state)
{
	unsigned int own = 0, kernel = 0;

	(void)state;
	for (const struct acg_file *file = NULL; (file = acg_file_next(file, EVERYWHERE));) {
		check_row(file);
		check_index(file);
		if (is_own(file)) {
			check_own_file(file);
			own++;
		} else {
			check_kernel_file(file);
			kernel++;
		}
	}
	assert_true(own >= 18);
	assert_true(kernel >= 50);
}

/* Node ids outlive the process that gave them out: rows are appended, never moved. */
static void indexes_that_are_given_stay(void **state)
{
	static const struct {
		const char *name;
		unsigned int index;
	} given[] = {
		{"README", 16},	 {"version", 17},     {"status", 18},	     {"policy", 19},
		{"events", 22},	 {"events_pipe", 23}, {"self", 24},	     {"info", 25},
		{"call", 26},	 {"history", 28},     {"feedback", 29},	     {"priority", 30},
		{"command", 31}, {"hint", 32},	      {"state", 33},	     {"cgroup.procs", 64},
		{"cgroup.kill", 74}, {"memory.current", 80}, {"memory.max", 85}, {"cpu.max", 117},
		{"pids.max", 130}, {"io.stat", 144},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(given); i++)
		assert_int_equal(acg_file_named(given[i].name)->index, given[i].index);
}

static void going_through_a_place(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (const struct acg_file *file = NULL; (file = acg_file_next(file, ACG_IN_ROOT)); n++)
		assert_true(file->where & ACG_IN_ROOT);
	assert_true(n >= 8);
	assert_null(acg_file_named("no-such-file"));
	assert_null(acg_file_named(""));
	assert_null(acg_file_at(0));
	assert_null(acg_file_at(1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row),
		cmocka_unit_test(indexes_that_are_given_stay),
		cmocka_unit_test(going_through_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option favordynmods: what a mountinfo says of a file system, and what `status` says where nothing is to be done. That it is switched
 * is tested in guests (tests/vm/tests/dynmods.sh), since it is the whole machine's.
 */
#include "tests/unit/tmp_tree.h"

#include <sys/sysmacros.h>

#include "policy/dynmods.h"
#include "policy/enforcer.h"

static const char mountinfo[] =
	"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n"
	"30 22 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 "
	"rw,nsdelegate,memory_recursiveprot\n"
	"31 22 0:27 / /mnt rw shared:7 master:2 propagate_from:1 - tmpfs none "
	"rw,size=4k,favordynmods\n"
	"32 22 0:26 /a /with\\040blank\\134 rw shared:9 - cgroup2 none "
	"rw,nsdelegate,memory_recursiveprot\n"
	"33 22 0:28 / /short rw - cgroup2 none\n"
	"34 22 0:29 / /none\n"
	"\n";

static void each_file_system_has_its_own(void **state)
{
	static const struct {
		unsigned int minor;
		const char *points, *options;
	} table[] = {
		{26, "/sys/fs/cgroup:/with blank\\", "rw:nsdelegate:memory_recursiveprot"},
		{27, "/mnt", "rw:size=4k:favordynmods"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		g_auto(GStrv) points = NULL, options = NULL;
		g_autofree char *all_points = NULL, *all_options = NULL;

		assert_int_equal(acg_dynmods_parse(mountinfo, makedev(0, table[i].minor), &points,
						   &options, NULL),
				 0);
		all_points = g_strjoinv(":", points);
		all_options = g_strjoinv(":", options);
		assert_string_equal(all_points, table[i].points);
		assert_string_equal(all_options, table[i].options);
	}
}

static void one_that_is_not_there(void **state)
{
	static const unsigned int minors[] = {1, 28, 29, 99};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(minors); i++) {
		char **points = NULL, **options = NULL;
		g_autoptr(GError) error = NULL;

		assert_int_equal(acg_dynmods_parse(mountinfo, makedev(0, minors[i]), &points,
						   &options, &error),
				 -ENOENT);
		assert_non_null(strstr(error->message, "mounted nowhere"));
		assert_null(points);
		assert_null(options);
	}
}

/* Waits, since a thread of the enforcer's looks. */
static struct acg_mechanism status_of(struct acg_enforcer *enforcer)
{
	struct acg_mechanism row = {0};

	do {
		g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(struct acg_mechanism));

		g_free(row.reason);
		enforcer->ops->status(enforcer, rows);
		assert_int_equal(rows->len, 1);
		row = g_array_index(rows, struct acg_mechanism, 0);
	} while (strcmp(row.reason, "being looked at") == 0);
	return row;
}

static void unwanted_it_is_off_and_why(void **state)
{
	static const struct {
		const char *policy, *words;
	} table[] = {
		{"", "the policy has no agents"},
		{"favordynmods = \"auto\";", "the policy has no agents"},
		{"favordynmods = \"off\"; agents = ({ match = \"*\"; });",
		 "switched off by the policy"},
	};

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		char *dir = tmp_new();
		int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct acg_enforcer *enforcer = acg_enforcer_dynmods_new(dirfd);
		struct acg_policy *policy = NULL;
		struct acg_mechanism row;

		assert_int_equal(acg_policy_load_text(table[i].policy, "test", &policy, NULL), 0);
		close(dirfd);
		enforcer->ops->policy(enforcer, policy);
		row = status_of(enforcer);
		assert_string_equal(row.name, "favordynmods");
		assert_string_equal(row.state, "off");
		assert_non_null(strstr(row.reason, table[i].words));
		g_free(row.reason);
		acg_policy_unref(policy);
		enforcer->ops->free(enforcer);
		tmp_free(dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_file_system_has_its_own),
		cmocka_unit_test(one_that_is_not_there),
		cmocka_unit_test(unwanted_it_is_off_and_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

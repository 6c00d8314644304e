/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of a cgroup, in a folder that looks like one; and, where a cgroup2 hierarchy can be written, what only the kernel can show:
 * removing a cgroup with others in it, and signals to all its processes.
 */
#include "tests/unit/cgroup_mount.h"
#include "tests/unit/tmp_tree.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "policy/cgroupfs.h"

static void text_as_the_kernel_takes_it(void **state)
{
	char *dir = tmp_new();
	int fd = tmp_open(dir);
	g_autoptr(GError) error = NULL;

	(void)state;
	tmp_write(dir, "memory.max", "");
	assert_int_equal(acg_cgroup_write_u64(fd, "memory.max", 4096, NULL), 0);
	assert_file(dir, "memory.max", "4096");
	tmp_write(dir, "pids.max", "");
	assert_int_equal(acg_cgroup_write_u64(fd, "pids.max", UINT64_MAX, NULL), 0);
	assert_file(dir, "pids.max", "max");
	assert_int_equal(acg_cgroup_write(fd, "cpu.max", "1", &error), -ENOENT); /* none is made */
	assert_non_null(strstr(error->message, "cpu.max"));
	close(fd);
	tmp_free(dir);
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t value;
	} table[] = {
		{"0\n", 0, 0},
		{"4096\n", 0, 4096},
		{"max\n", 0, UINT64_MAX},
		{"18446744073709551615\n", 0, UINT64_MAX},
		{"", -EINVAL, 0},
		{"\n", -EINVAL, 0},
		{"some\n", -EINVAL, 0},
		{"99999999999999999999\n", -EINVAL, 0},
	};
	char *dir = tmp_new();
	int fd = tmp_open(dir);

	(void)state;
	for (unsigned int i = 0; i < G_N_ELEMENTS(table); i++) {
		uint64_t value = 77;

		tmp_write(dir, "f", table[i].text);
		assert_int_equal(acg_cgroup_read_u64(fd, "f", &value, NULL), table[i].ret);
		assert_int_equal(value, table[i].ret ? 77 : table[i].value);
	}
	close(fd);
	tmp_free(dir);
}

static void a_long_file_is_cut(void **state)
{
	char *dir = tmp_new();
	int fd = tmp_open(dir);
	char buf[8];

	(void)state;
	tmp_write(dir, "f", "0123456789");
	assert_int_equal(acg_cgroup_read(fd, "f", buf, sizeof(buf), NULL), 7);
	assert_string_equal(buf, "0123456");
	assert_int_equal(acg_cgroup_read(fd, "g", buf, sizeof(buf), NULL), -ENOENT);
	close(fd);
	tmp_free(dir);
}

static void flat_keyed_texts(void **state)
{
	static const char text[] = "low 0\nhigh 12\nmax 3\noom 1\noom_kill 2\noom_group_kill 4\n";
	uint64_t value = 77;

	(void)state;
	assert_false(acg_cgroup_keyed(text, "lo", &value));
	assert_false(acg_cgroup_keyed(text, "kill", &value));
	assert_false(acg_cgroup_keyed("", "low", &value));
	assert_int_equal(value, 77);
	assert_true(acg_cgroup_keyed(text, "low", &value));
	assert_int_equal(value, 0);
	assert_true(acg_cgroup_keyed(text, "oom", &value));
	assert_int_equal(value, 1);
	assert_true(acg_cgroup_keyed(text, "oom_group_kill", &value));
	assert_int_equal(value, 4);
}

static void lists_and_what_is_there(void **state)
{
	char *dir = tmp_new();
	int fd = tmp_open(dir);

	(void)state;
	tmp_write(dir, "cgroup.controllers", "cpuset cpu hugetlb\n");
	assert_true(acg_cgroup_lists(fd, "cgroup.controllers", "cpu"));
	assert_true(acg_cgroup_lists(fd, "cgroup.controllers", "hugetlb"));
	assert_false(acg_cgroup_lists(fd, "cgroup.controllers", "tlb"));
	assert_false(acg_cgroup_lists(fd, "cgroup.controllers", "memory"));
	assert_false(acg_cgroup_lists(fd, "cgroup.none", "memory"));
	assert_true(acg_cgroup_has(fd, "cgroup.controllers"));
	assert_false(acg_cgroup_has(fd, "cgroup.kill"));
	close(fd);
	tmp_free(dir);
}

static int sum_until_3(pid_t pid, void *data)
{
	*(int *)data += pid;
	return pid == 3 ? -ECANCELED : 0;
}

static void pids_one_by_one(void **state)
{
	char *dir = tmp_new();
	int fd = tmp_open(dir), sum = 0;

	(void)state;
	assert_int_equal(acg_cgroup_each_pid(fd, sum_until_3, &sum, NULL), -ENOENT);
	tmp_write(dir, "cgroup.procs", "1\n2\n");
	assert_int_equal(acg_cgroup_each_pid(fd, sum_until_3, &sum, NULL), 0);
	assert_int_equal(sum, 3);
	tmp_write(dir, "cgroup.procs", "1\n3\n5\n");
	assert_int_equal(acg_cgroup_each_pid(fd, sum_until_3, &sum, NULL), -ECANCELED);
	assert_int_equal(sum, 7);
	close(fd);
	tmp_free(dir);
}

static void append_name(int dirfd, const char *name, void *data)
{
	assert_true(dirfd >= 0);
	g_string_append(data, name);
}

static void folders_below_and_no_files(void **state)
{
	char *dir = tmp_new();
	int fd = tmp_open(dir);
	g_autoptr(GString) names = g_string_new(NULL);

	(void)state;
	tmp_mkdir(dir, "call-1");
	tmp_write(dir, "cgroup.procs", "");
	acg_cgroup_each_child(fd, append_name, names);
	acg_cgroup_each_child(fd, append_name, names); /* from the beginning each time */
	assert_string_equal(names->str, "call-1call-1");
	close(fd);
	tmp_free(dir);
}

static void a_root_must_be_a_cgroup(void **state)
{
	g_autoptr(GError) error = NULL;
	char *mount_path = NULL;
	int fd = -1;

	(void)state;
	assert_int_equal(acg_cgroup_open_root("/proc/agentcg", &fd, &mount_path, &error), -ENOTSUP);
	assert_non_null(strstr(error->message, "/proc is not on a cgroup2 file system"));
	g_clear_error(&error);
	assert_int_equal(acg_cgroup_open_root("/nonexistent/x", &fd, &mount_path, &error), -ENOENT);
	assert_int_equal(fd, -1);
	assert_null(mount_path);
}

/* --- on the kernel's own hierarchy ---------------------------------------------------------------------------- */

static void a_root_is_made(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	g_autofree char *root = g_build_filename(mount.path, "root", NULL), *inside = NULL;
	g_autofree char *want = g_build_filename(mount.within, "root", NULL);
	int fd = -1;

	(void)state;
	assert_int_equal(acg_cgroup_open_root(root, &fd, &inside, NULL), 0);
	assert_string_equal(inside, want);
	assert_true(acg_cgroup_has(fd, "cgroup.procs"));
	close(fd);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "root", NULL), 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "root", NULL), -ENOENT);
	cgroup_mount_free(&mount);
}

static void removing_takes_what_is_below(void **state)
{
	struct cgroup_mount mount = cgroup_mount_new();
	pid_t child;

	(void)state;
	tmp_mkdir(mount.path, "a");
	tmp_mkdir(mount.path, "a/b");
	tmp_mkdir(mount.path, "a/b/c");
	child = cgroup_mount_start(&mount, "a/b/c");
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), -EBUSY);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), 0);
	cgroup_mount_free(&mount);
}

static void signals_reach_all_in_it(void **state)
{
	static const int signals[] = {SIGTERM, SIGKILL};
	struct cgroup_mount mount;
	int pidfd = syscall(SYS_pidfd_open, getpid(), 0);

	(void)state;
	if (pidfd < 0)
		skip(); /* under a valgrind that does not know it; every kernel that we run on does */
	close(pidfd);
	mount = cgroup_mount_new();
	tmp_mkdir(mount.path, "a");
	for (unsigned int i = 0; i < G_N_ELEMENTS(signals); i++) {
		pid_t children[3];
		int dirfd = openat(mount.dirfd, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;

		for (unsigned int j = 0; j < G_N_ELEMENTS(children); j++)
			children[j] = cgroup_mount_start(&mount, "a");
		assert_int_equal(acg_cgroup_signal(dirfd, signals[i], NULL), 0);
		for (unsigned int j = 0; j < G_N_ELEMENTS(children); j++) {
			assert_int_equal(waitpid(children[j], &status, 0), children[j]);
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), signals[i]);
		}
		close(dirfd);
	}
	assert_int_equal(acg_cgroup_remove(mount.dirfd, "a", NULL), 0);
	cgroup_mount_free(&mount);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_as_the_kernel_takes_it),
		cmocka_unit_test(numbers),
		cmocka_unit_test(a_long_file_is_cut),
		cmocka_unit_test(flat_keyed_texts),
		cmocka_unit_test(lists_and_what_is_there),
		cmocka_unit_test(pids_one_by_one),
		cmocka_unit_test(folders_below_and_no_files),
		cmocka_unit_test(a_root_must_be_a_cgroup),
	};
	const struct CMUnitTest on_the_kernel[] = {
		cmocka_unit_test(a_root_is_made),
		cmocka_unit_test(removing_takes_what_is_below),
		cmocka_unit_test(signals_reach_all_in_it),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (cgroup_mount_there())
		failed += cmocka_run_group_tests(on_the_kernel, NULL, NULL);
	return failed;
}

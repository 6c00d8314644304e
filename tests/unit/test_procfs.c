/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /proc says of a process, from texts as the kernel writes them and from processes of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "policy/procfs.h"

#define KIB ((uint64_t)1024)

static void status_texts(void **state)
{
	static const char text[] = "Name:\tcc1plus\nUmask:\t0022\nState:\tR (running)\n"
				   "VmPeak:\t  900000 kB\nVmHWM:\t  300000 kB\nVmRSS:\t  250000 kB\n"
				   "RssAnon:\t  200000 kB\nRssFile:\t   40000 kB\nRssShmem:\t   10000 kB\n";
	/* a process names itself: on its own line, where the kernel escapes what would end it */
	static const char forged[] = "Name:\tRssAnon: 1 kB\\nRssAnon: 2 kB\nRssAnon:\t9 kB\n"
				     "RssFile:\t8 kB\nRssShmem:\t7 kB\n";
	static const char kernel_thread[] = "Name:\tkswapd0\nState:\tS (sleeping)\nThreads:\t1\n";
	struct acg_proc_memory memory = {0};

	(void)state;
	assert_true(acg_proc_parse_status(text, &memory));
	assert_int_equal(memory.anon, 200000 * KIB);
	assert_int_equal(memory.file, 40000 * KIB);
	assert_int_equal(memory.shmem, 10000 * KIB);
	assert_int_equal(memory.peak, 300000 * KIB);
	assert_true(acg_proc_parse_status(forged, &memory));
	assert_int_equal(memory.anon, 9 * KIB);
	assert_int_equal(memory.peak, 0);
	memory.anon = 77;
	assert_false(acg_proc_parse_status(kernel_thread, &memory));
	assert_int_equal(memory.anon, 77);
}

static void rollup_texts(void **state)
{
	static const char text[] =
		"55d0a0000000-7ffd1f5fe000 ---p 00000000 00:00 0      [rollup]\n"
		"Rss:    3000 kB\nPss:    1500 kB\nPss_Dirty:   5 kB\nPss_Anon:   1000 kB\n"
		"Pss_File:    400 kB\nPss_Shmem:    100 kB\nShared_Clean: 9 kB\n";
	struct acg_proc_memory memory = {0};

	(void)state;
	assert_true(acg_proc_parse_rollup(text, &memory));
	assert_int_equal(memory.anon, 1000 * KIB);
	assert_int_equal(memory.file, 400 * KIB);
	assert_int_equal(memory.shmem, 100 * KIB);
	assert_false(acg_proc_parse_rollup("Rss: 5 kB\nPss: 5 kB\n", &memory)); /* before Linux 5.1 */
	assert_false(acg_proc_parse_rollup("", &memory));
}

static void ids_texts(void **state)
{
	static const char nested[] = "Name:\tTgid: 7\nTgid:\t120\nPid:\t121\n"
				     "Uid:\t1000\t1000\t1000\t1000\n"
				     "NStgid:\t120\t31\t1\nNSpid:\t121\t32\t2\nThreads:\t3\n";
	static const char setuid[] = "Tgid:\t5\nUid:\t1000\t0\t0\t0\nNStgid:\t5\nThreads:\t1\n";
	static const char first[] = "Tgid:\t1\nUid:\t0\t0\t0\t0\nNStgid:\t1\nThreads:\t1\n";
	struct acg_proc_ids ids = {.tgid = 77};

	(void)state;
	assert_false(acg_proc_parse_ids("Name:\tx\n", &ids));
	assert_int_equal(ids.tgid, 77);
	assert_true(acg_proc_parse_ids(nested, &ids));
	assert_int_equal(ids.tgid, 120);
	assert_int_equal(ids.threads, 3);
	assert_int_equal(ids.uid, 1000);
	assert_int_equal(ids.levels, 3);
	assert_int_equal(ids.pids[1], 31);
	assert_true(acg_proc_ns_init(&ids));
	assert_true(acg_proc_parse_ids(setuid, &ids));
	assert_int_equal(ids.uid, (uid_t)-1);
	assert_int_equal(ids.levels, 1);
	/* the machine's own first process is no sandbox */
	assert_true(acg_proc_parse_ids(first, &ids));
	assert_false(acg_proc_ns_init(&ids));
}

static void own_process(void **state)
{
	int64_t age = -1;
	pid_t parent = 0;
	char *path = NULL;
	GError *error = NULL;

	(void)state;
	assert_true(acg_proc_born(getpid(), &age, &parent));
	assert_int_equal(parent, getppid());
	assert_true(age >= -20000 && age < 3600ll * G_USEC_PER_SEC); /* a clock tick early at most */
	if (acg_proc_cgroup(getpid(), &path, &error) == 0)
		assert_int_equal(path[0], '/');
	g_clear_error(&error);
	g_free(path);
	assert_int_equal(acg_proc_cgroup(INT_MAX, &path, &error), -ESRCH);
	g_clear_error(&error);
}

/* Memory that a process is known to have, by both ways of counting it. */
static void a_process_of_known_size(void **state)
{
	const size_t size = 8 << 20;
	struct acg_proc_memory rss, pss;
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(map, MAP_FAILED);
	memset(map, 1, size);
	assert_true(acg_proc_rss(getpid(), &rss));
	assert_true(acg_proc_pss(getpid(), &pss));
	assert_true(rss.anon >= size);
	assert_true(pss.anon >= size);
	assert_true(rss.peak >= size);
	munmap(map, size);
}

static void stopped_gone_and_zombies_are_not_active(void **state)
{
	struct acg_proc_memory memory;
	siginfo_t info;
	pid_t child = fork();

	(void)state;
	if (child == 0)
		for (;;)
			pause();
	assert_true(acg_proc_active(child));
	kill(child, SIGSTOP);
	assert_int_equal(waitid(P_PID, child, &info, WSTOPPED), 0);
	assert_false(acg_proc_active(child));
	assert_true(acg_proc_alive(child));
	kill(child, SIGKILL);
	assert_int_equal(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
	assert_false(acg_proc_active(child)); /* a zombie */
	assert_false(acg_proc_alive(child));
	assert_false(acg_proc_rss(child, &memory));
	assert_int_equal(waitid(P_PID, child, &info, WEXITED), 0);
	assert_false(acg_proc_active(child));
	assert_false(acg_proc_alive(child));
	assert_false(acg_proc_pss(child, &memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_texts),
		cmocka_unit_test(rollup_texts),
		cmocka_unit_test(ids_texts),
		cmocka_unit_test(own_process),
		cmocka_unit_test(a_process_of_known_size),
		cmocka_unit_test(stopped_gone_and_zombies_are_not_active),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

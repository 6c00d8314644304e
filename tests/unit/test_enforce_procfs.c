/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The procfs enforcer on real processes. A plain directory with a file cgroup.procs stands for the
 * cgroup, so no privilege is needed. The processes are this program once more, with what to do as
 * its arguments.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "policy/enforcer.h"
#include "policy/procfs.h"

#define MIB ((uint64_t)1 << 20)

static const char *program; /* argv[0] */
static uint64_t slack;      /* bytes that two of them have besides what they were told to touch */

/* --- what the processes do -------------------------------------------------------------------- */

static char *touch(size_t mib)
{
	char *memory =
		mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(memory, 1, mib * MIB);
	return memory;
}

static void family(size_t mib)
{
	pid_t parent = getpid();

	touch(mib);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			while (getppid() == parent) /* or it was killed before that */
				pause();
			_exit(0);
		}
		printf("%d ", pid);
	}
}

/* Prints what the test has to know, ends the line when it is ready, and waits to be killed. */
static _Noreturn void act(char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (strcmp(argv[1], "touch") == 0)
		touch(atoi(argv[2]));
	else if (strcmp(argv[1], "release") == 0)
		munmap(touch(atoi(argv[2])), atoi(argv[2]) * MIB);
	else if (strcmp(argv[1], "family") == 0)
		family(atoi(argv[2]));
	if (argv[2] && argv[3])
		prctl(PR_SET_NAME, argv[3]);
	printf("\n");
	fflush(stdout);
	for (;;)
		pause();
}

/* --- the fixture ------------------------------------------------------------------------------ */

struct fixture {
	char *dir;
	struct acg_enforcer *procfs;
	struct acg_agent agent;
	struct acg_call call;
	struct acg_group group;
	GArray *pids; /* all that were started */
};

/* Has the enforcer look at the agent's cgroup, whose directory stands for all of them. */
static void see_agent(struct fixture *f)
{
	f->agent.node.group = &f->group;
	f->procfs->ops->make(f->procfs, &f->agent.node, "a", NULL);
	f->agent.node.group = NULL;
}

static int setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->dir = g_dir_make_tmp("agentcg-procfs-XXXXXX", NULL);
	f->procfs = acg_enforcer_procfs_new(NULL);
	f->pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
	f->group.dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->agent.node = (struct acg_node){.kind = ACG_KIND_AGENT, .agent = &f->agent};
	f->agent.self = (struct acg_node){.kind = ACG_KIND_SELF, .agent = &f->agent};
	f->agent.budget.memory = f->agent.self_policy.grant = ACG_MAX;
	f->agent.calls = g_hash_table_new(g_str_hash, g_str_equal);
	f->agent.agents = g_hash_table_new(g_str_hash, g_str_equal);
	f->call.node =
		(struct acg_node){.kind = ACG_KIND_CALL, .agent = &f->agent, .group = &f->group};
	f->call.grant = f->call.memory_max = ACG_MAX;
	f->call.moved = g_array_new(FALSE, FALSE, sizeof(struct acg_moved));
	see_agent(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	static const char *const files[] = {"cgroup.procs", "memory.current", "cgroup.kill",
					    "cgroup.freeze"};
	struct fixture *f = *state;

	for (unsigned int i = 0; i < f->pids->len; i++) {
		kill(g_array_index(f->pids, pid_t, i), SIGKILL);
		waitpid(g_array_index(f->pids, pid_t, i), NULL, 0);
	}
	for (unsigned int i = 0; i < G_N_ELEMENTS(files); i++)
		unlinkat(f->group.dirfd, files[i], 0);
	close(f->group.dirfd);
	g_rmdir(f->dir);
	g_free(f->dir);
	g_array_unref(f->pids);
	g_array_unref(f->call.moved);
	g_hash_table_unref(f->agent.calls);
	g_hash_table_unref(f->agent.agents);
	f->procfs->ops->free(f->procfs);
	g_free(f);
	return 0;
}

/* Starts a process and waits until it is ready. *ret_line (may be NULL) gets what it said. */
static pid_t start(struct fixture *f, const char *what, const char *arg, const char *name,
		   char **ret_line)
{
	char buf[256] = "";
	size_t len = 0;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(program, program, what, arg, name, NULL);
		_exit(127);
	}
	close(fds[1]);
	while (!strchr(buf, '\n') && len < sizeof(buf) - 1) {
		ssize_t n = read(fds[0], buf + len, sizeof(buf) - 1 - len);

		assert_true(n > 0);
		len += n;
	}
	close(fds[0]);
	g_array_append_val(f->pids, pid);
	if (ret_line)
		*ret_line = g_strdup(buf);
	return pid;
}

static void write_file(struct fixture *f, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(f->dir, name, NULL);
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static void set_members(struct fixture *f, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void set_members(struct fixture *f, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	write_file(f, "cgroup.procs", g_strdelimit(text, " ", '\n'));
}

static void measure(struct fixture *f, struct acg_node *node)
{
	struct acg_usage *usage = node->kind == ACG_KIND_CALL   ? &f->call.usage
				  : node->kind == ACG_KIND_SELF ? &f->agent.self_usage
								: &f->agent.usage;

	assert_int_equal(f->procfs->ops->measure(f->procfs, node, usage, NULL), 0);
}

/* Up to a quarter more: the shadow of a sanitizer. */
static void assert_about(uint64_t value, uint64_t mib)
{
	if (value < mib * MIB || value > mib * MIB * 5 / 4 + slack)
		fail_msg("%" G_GUINT64_FORMAT " is not about %" G_GUINT64_FORMAT " MiB", value,
			 mib);
}

/* Measured, as a sanitizer makes it some ten times as much. */
static int measure_slack(void **state)
{
	struct acg_proc_memory memory;
	struct fixture *f;

	if (setup(state))
		return -1;
	f = *state;
	if (!acg_proc_rss(start(f, "wait", NULL, NULL, NULL), &memory))
		return -1;
	slack = 2 * (memory.anon + memory.file + memory.shmem) + 2 * MIB;
	return teardown(state);
}

/* --- measuring -------------------------------------------------------------------------------- */

static void test_memory_is_summed(void **state)
{
	struct fixture *f = *state;
	pid_t a = start(f, "touch", "32", NULL, NULL);
	pid_t b = start(f, "touch", "48", NULL, NULL);

	set_members(f, "%d\n%d\n", a, b);
	measure(f, &f->call.node);
	assert_about(f->call.usage.memory_current, 80);
	assert_about(f->call.usage.memory_held, 80);
	assert_true(f->call.usage.memory_held <
		    f->call.usage.memory_current); /* the mapped files */
	set_members(f, "%d\n", b);
	measure(f, &f->call.node);
	assert_about(f->call.usage.memory_current, 48);
	assert_about(f->call.usage.memory_peak, 80); /* the highest seen */
	set_members(f, "%s", "");
	measure(f, &f->call.node);
	assert_int_equal(f->call.usage.memory_current, 0);
	assert_about(f->call.usage.memory_peak, 80);
}

/* A peak between two looks, of a process that lives on. */
static void test_high_water_mark(void **state)
{
	struct fixture *f = *state;
	struct acg_moved moved = {.pid = start(f, "release", "64", NULL, NULL)};

	g_array_append_val(f->call.moved, moved);
	set_members(f, "%d\n", moved.pid);
	measure(f, &f->call.node);
	assert_true(f->call.usage.memory_peak < slack); /* it may have had it before it came */
	g_array_set_size(f->call.moved, 0);
	measure(f, &f->call.node);
	assert_about(f->call.usage.memory_peak, 64);
	assert_true(f->call.usage.memory_current < slack);
}

/* Shared pages count once where it matters: four processes with the same 64 MiB. */
static void test_shared_pages(void **state)
{
	struct fixture *f = *state;
	g_autofree char *children = NULL;
	pid_t parent = start(f, "family", "64", NULL, &children);

	set_members(f, "%d %s", parent, children);
	measure(f, &f->call.node);
	assert_true(f->call.usage.memory_current >= 4 * 64 * MIB);
	f->call.grant = 100 * MIB;
	measure(f, &f->call.node);
	assert_about(f->call.usage.memory_current, 64);
}

static void test_kernel_counts_itself(void **state)
{
	struct fixture *f = *state;

	set_members(f, "%d\n", start(f, "touch", "32", NULL, NULL));
	write_file(f, "memory.current", "4096\n");
	see_agent(f);
	measure(f, &f->call.node);
	assert_int_equal(f->call.usage.memory_current, 0); /* left to the cgroup enforcer */
	assert_int_equal(f->call.usage.memory_peak, 0);
}

static void test_agent_is_all_below(void **state)
{
	struct fixture *f = *state;

	set_members(f, "%d\n", start(f, "touch", "32", NULL, NULL));
	f->agent.self.group = f->agent.node.group = &f->group;
	g_hash_table_insert(f->agent.calls, (char *)"c1", &f->call);
	measure(f, &f->agent.node);
	assert_true(f->agent.usage.memory_current >= 3 * 32 * MIB);
	measure(f, &f->agent.self);
	assert_about(f->agent.self_usage.memory_current, 32);
}

static void test_gone_and_hidden_pids(void **state)
{
	struct fixture *f = *state;
	siginfo_t info;
	pid_t gone = start(f, "touch", "32", NULL, NULL);
	pid_t there = start(f, "touch", "32", NULL, NULL);

	kill(gone, SIGKILL);
	waitid(P_PID, gone, &info, WEXITED | WNOWAIT); /* a zombie: it has no memory */
	set_members(f, "0\n%d\n%d\n%d\n", gone, INT32_MAX, there);
	measure(f, &f->call.node);
	assert_about(f->call.usage.memory_current, 32);
}

static void test_name_forges_no_memory(void **state)
{
	struct fixture *f = *state;
	struct acg_proc_memory memory;
	pid_t pid = start(f, "touch", "16", "\nRssAnon: 9", NULL);

	assert_true(acg_proc_rss(pid, &memory));
	assert_about(memory.anon, 16);
	assert_true(acg_proc_pss(pid, &memory));
	assert_about(memory.anon, 16);
	assert_false(acg_proc_rss(INT32_MAX, &memory));
	assert_false(acg_proc_pss(INT32_MAX, &memory));
}

static void test_parsers(void **state)
{
	struct acg_proc_memory memory = {.anon = 7};

	(void)state;
	assert_true(acg_proc_parse_status("Name:\tRssAnon: 1\nVmHWM:\t  4 kB\nRssAnon:\t 1 "
					  "kB\nRssFile:\t 2 kB\nRssShmem:\t3 kB\n",
					  &memory));
	assert_int_equal(memory.anon, 1024);
	assert_int_equal(memory.file, 2048);
	assert_int_equal(memory.shmem, 3072);
	assert_int_equal(memory.peak, 4096);
	assert_false(acg_proc_parse_status("Name:\tkthreadd\nState:\tS\n", &memory));
	assert_false(acg_proc_parse_status("", &memory));
	assert_int_equal(memory.anon, 1024); /* untouched */
	assert_true(acg_proc_parse_rollup("1-2 ---p 0 0:0 0 [rollup]\nPss: 9 kB\nPss_Anon: 1 "
					  "kB\nPss_File: 2 kB\nPss_Shmem: 3 kB\n",
					  &memory));
	assert_int_equal(memory.anon + memory.file + memory.shmem, 6144);
	assert_false(acg_proc_parse_rollup("Pss: 9 kB\n", &memory));
}

/* --- signals ---------------------------------------------------------------------------------- */

static int signal_call(struct fixture *f, int signo)
{
	return f->procfs->ops->signal(f->procfs, &f->call.node, signo, NULL);
}

static void test_kill(void **state)
{
	struct fixture *f = *state;
	pid_t member = start(f, "wait", NULL, NULL, NULL);
	pid_t other = start(f, "wait", NULL, NULL, NULL);
	int status;

	set_members(f, "0\n%d\n%d\n%d\n", getpid(), member,
		    INT32_MAX);                       /* neither our group nor ourselves */
	assert_int_equal(signal_call(f, SIGTERM), 0); /* not its part */
	assert_int_equal(waitpid(member, &status, WNOHANG), 0);
	assert_int_equal(signal_call(f, SIGKILL), 0);
	assert_int_equal(waitpid(member, &status, 0), member);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(waitpid(other, &status, WNOHANG), 0);
}

static void test_kill_many(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GString) members = g_string_new(NULL);
	unsigned int killed = 0;

	for (int i = 0; i < 300; i++) { /* more than one batch */
		pid_t pid = fork();

		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
		}
		g_array_append_val(f->pids, pid);
		g_string_append_printf(members, "%d ", pid);
	}
	set_members(f, "%s", members->str);
	assert_int_equal(signal_call(f, SIGKILL), 0);
	for (unsigned int i = 0; i < f->pids->len; i++)
		killed += waitpid(g_array_index(f->pids, pid_t, i), NULL, 0) > 0;
	assert_int_equal(killed, 300);
}

static void test_freeze(void **state)
{
	struct fixture *f = *state;
	pid_t member = start(f, "wait", NULL, NULL, NULL);
	int status;

	set_members(f, "%d\n", member);
	assert_int_equal(f->procfs->ops->freeze(f->procfs, &f->call.node, true, NULL), 0);
	assert_int_equal(waitpid(member, &status, WUNTRACED), member);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(f->procfs->ops->freeze(f->procfs, &f->call.node, false, NULL), 0);
	assert_int_equal(waitpid(member, &status, WCONTINUED), member);
	assert_true(WIFCONTINUED(status));
}

static void test_kernel_signals_itself(void **state)
{
	struct fixture *f = *state;
	pid_t member = start(f, "wait", NULL, NULL, NULL);
	siginfo_t info = {0};

	set_members(f, "%d\n", member);
	write_file(f, "cgroup.kill", "");
	write_file(f, "cgroup.freeze", "0\n");
	assert_int_equal(signal_call(f, SIGKILL), 0);
	assert_int_equal(f->procfs->ops->freeze(f->procfs, &f->call.node, true, NULL), 0);
	assert_int_equal(waitid(P_PID, member, &info, WEXITED | WSTOPPED | WNOHANG), 0);
	assert_int_equal(info.si_pid, 0);
}

static void test_gone_group(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GError) error = NULL;

	assert_int_equal(f->procfs->ops->signal(f->procfs, &f->call.node, SIGKILL, &error),
			 -ENOENT);
	assert_int_equal(error->code, ENOENT);
}

/* --- status ----------------------------------------------------------------------------------- */

static void assert_status(struct fixture *f, const char *expected)
{
	g_autoptr(GArray) rows = g_array_new(FALSE, TRUE, sizeof(struct acg_mechanism));
	struct acg_mechanism *row;

	f->procfs->ops->status(f->procfs, rows);
	assert_int_equal(rows->len, 1);
	row = &g_array_index(rows, struct acg_mechanism, 0);
	assert_string_equal(row->name, "procfs");
	assert_string_equal(row->state, expected);
	assert_non_null(row->reason);
	g_free(row->reason);
}

static void test_status(void **state)
{
	struct fixture *f = *state;

	assert_status(f, "on");
	write_file(f, "memory.current", "0\n");
	see_agent(f);
	assert_status(f, "off");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_memory_is_summed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_high_water_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_counts_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_agent_is_all_below, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_and_hidden_pids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_name_forges_no_memory, setup, teardown),
		cmocka_unit_test(test_parsers),
		cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kill_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freeze, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_signals_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
	};

	if (argc > 1)
		act(argv);
	program = argv[0];
	return cmocka_run_group_tests(tests, measure_slack, NULL);
}

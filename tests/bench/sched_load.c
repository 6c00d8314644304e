/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads for a scheduler, and what it makes of them; see usage(). Each prints one line for each
 * figure. CGROUP is a directory. Nothing is left running when it ends or is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NSEC 1000000000LL
#define MSEC 1000000LL

static const char usage_text[] =
	"sched_load spin CGROUP N              N tasks that never sleep, until killed\n"
	"sched_load doze CGROUP N              N tasks that run and sleep for random times up to "
	"20 ms\n"
	"sched_load used SECONDS CGROUP...     usec of CPU time that each used, for just that "
	"time\n"
	"sched_load quota N [CGROUP PERCENT]... sets cpu.max, of 100 ms; usec used by each in N times 10 "
	"periods\n"
	"sched_load work CGROUP MSEC           usec that so much CPU time of a task took\n"
	"sched_load loops                      turns of an empty loop in 1 ms of CPU time\n"
	"sched_load bursts CGROUP N LOOPS      usec of N bursts of LOOPS, 20 ms apart: median and "
	"p99\n"
	"sched_load pingpong CGROUP SECONDS    turns each second between two processes and two "
	"pipes\n"
	"sched_load messages CGROUP TASKS N    messages each second: TASKS writers and readers, N "
	"each\n";

static int64_t now_ns(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * NSEC + time.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "sched_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *array(size_t n, size_t size)
{
	void *elements = calloc(n, size);

	if (!elements)
		fail("calloc");
	return elements;
}

static void enter(const char *cgroup)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		fail(path);
	close(fd);
}

/* A child that ends with its parent. */
static pid_t fork_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void loop(uint64_t turns)
{
	for (uint64_t i = 0; i < turns; i++)
		__asm__ volatile("" ::: "memory");
}

static void sleep_ns(int64_t nsec)
{
	struct timespec time = {nsec / NSEC, nsec % NSEC};

	nanosleep(&time, NULL);
}

/*
 * --- loads ---------------------------------------------------------------------------------------
 * -------------
 */

static void doze(unsigned int seed)
{
	srandom(seed);
	for (;;) {
		int64_t until = now_ns(CLOCK_THREAD_CPUTIME_ID) + random() % (20 * MSEC);

		while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until)
			loop(1000);
		sleep_ns(random() % (20 * MSEC));
	}
}

static int run_work(const char *cgroup, int64_t msec)
{
	int64_t start, until;

	enter(cgroup);
	start = now_ns(CLOCK_MONOTONIC);
	until = now_ns(CLOCK_THREAD_CPUTIME_ID) + msec * MSEC;
	while (now_ns(CLOCK_THREAD_CPUTIME_ID) < until)
		loop(1000);
	printf("%" PRId64 "\n", (now_ns(CLOCK_MONOTONIC) - start) / 1000);
	return 0;
}

static int run_load(const char *cgroup, int tasks, bool dozing)
{
	for (int i = 0; i < tasks; i++) {
		if (fork_child())
			continue;
		enter(cgroup);
		if (dozing)
			doze(getpid());
		for (;;)
			loop(1000000);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}

/*
 * --- shares --------------------------------------------------------------------------------------
 * -------------
 */

static int64_t usage_usec(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		fail("cpu.stat");
	text[n] = '\0';
	return strncmp(text, "usage_usec ", 11) ? -1 : atoll(text + 11);
}

static int open_in(const char *cgroup, const char *file, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

static int run_used(double seconds, char **cgroups, int n)
{
	int64_t *before = array(n, sizeof(*before)), *after = array(n, sizeof(*after));
	int *fds = array(n, sizeof(*fds));
	int64_t start, elapsed;

	for (int i = 0; i < n; i++)
		fds[i] = open_in(cgroups[i], "cpu.stat", O_RDONLY);
	start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < n; i++)
		before[i] = usage_usec(fds[i]);
	sleep_ns(seconds * NSEC);
	elapsed = now_ns(CLOCK_MONOTONIC) - start; /* who sleeps may be woken late */
	for (int i = 0; i < n; i++)
		after[i] = usage_usec(fds[i]);
	for (int i = 0; i < n; i++)
		printf("%.0f\n", (after[i] - before[i]) * seconds * NSEC / elapsed);
	free(before);
	free(after);
	free(fds);
	return 0;
}

static void sleep_until(int64_t nsec)
{
	struct timespec time = {nsec / NSEC, nsec % NSEC};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static void set_quota(const char *cgroup, int percent)
{
	int fd = open_in(cgroup, "cpu.max", O_WRONLY);

	if (dprintf(fd, "%d 100000", percent * 1000) < 0)
		fail("cpu.max");
	close(fd);
}

/*
 * Looked at late in a period, which begins when it is set: then the quota is used up, and being woken some milliseconds late makes
 * no difference.
 */
static int run_quota(int windows, char **args, int n)
{
	int64_t *before = array(n, sizeof(*before)), start = now_ns(CLOCK_MONOTONIC) + 75 * MSEC;
	int *fds = array(n, sizeof(*fds));

	for (int i = 0; i < n; i++) {
		fds[i] = open_in(args[2 * i], "cpu.stat", O_RDONLY);
		set_quota(args[2 * i], atoi(args[2 * i + 1]));
	}
	for (int window = 0; window <= windows; window++) {
		sleep_until(start + (window + 1) * NSEC);
		for (int i = 0; i < n; i++) {
			int64_t usage = usage_usec(fds[i]);

			if (window)
				printf("%" PRId64 "%c", usage - before[i], i + 1 < n ? ' ' : '\n');
			before[i] = usage;
		}
	}
	free(before);
	free(fds);
	return 0;
}

/*
 * --- bursts --------------------------------------------------------------------------------------
 * -------------
 */

/* The best of many: whatever disturbs only makes it slower. */
static int print_loops(void)
{
	const uint64_t turns = 200000;
	int64_t best = INT64_MAX;

	for (int i = 0; i < 50; i++) {
		int64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID), took;

		loop(turns);
		took = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
		best = took < best ? took : best;
	}
	printf("%" PRId64 "\n", (int64_t)(turns * MSEC / best));
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

/* From when it should have begun to when it was done: the wait for the CPU counts. */
static int run_bursts(const char *cgroup, int n, uint64_t turns)
{
	int64_t *took = array(n, sizeof(*took)), at;

	enter(cgroup);
	prctl(PR_SET_TIMERSLACK, 1);
	at = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < n; i++) {
		struct timespec time;

		at += 20 * MSEC;
		if (at < now_ns(CLOCK_MONOTONIC))
			at = now_ns(CLOCK_MONOTONIC) + MSEC;
		time = (struct timespec){at / NSEC, at % NSEC};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
		loop(turns);
		took[i] = now_ns(CLOCK_MONOTONIC) - at;
	}
	qsort(took, n, sizeof(*took), compare);
	printf("%" PRId64 " %" PRId64 "\n", took[n / 2] / 1000, took[(n * 99 - 1) / 100] / 1000);
	free(took);
	return 0;
}

/*
 * --- throughput
 * -----------------------------------------------------------------------------------------------
 */

static void echo_forever(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1)
		if (write(out, &byte, 1) != 1)
			break;
	_exit(0);
}

static int run_pingpong(const char *cgroup, double seconds)
{
	int64_t start, end, turns = 0;
	int to[2], from[2];
	char byte = 0;

	enter(cgroup);
	if (pipe(to) < 0 || pipe(from) < 0)
		fail("pipe");
	if (!fork_child())
		echo_forever(to[0], from[1]);
	start = now_ns(CLOCK_MONOTONIC);
	do {
		if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
			fail("pipe");
		turns++;
		end = now_ns(CLOCK_MONOTONIC);
	} while (end - start < seconds * NSEC);
	printf("%.0f\n", turns * 1e9 / (end - start));
	return 0;
}

static void write_messages(const int *pipes, int tasks, int n)
{
	char message[100] = {0};

	for (int i = 0; i < n; i++)
		if (write(pipes[2 * (i % tasks) + 1], message, sizeof(message)) < 0)
			_exit(1);
	_exit(0);
}

static void read_messages(int fd, int n)
{
	char message[100];

	for (int i = 0; i < n; i++)
		for (size_t got = 0; got < sizeof(message);) {
			ssize_t part = read(fd, message + got, sizeof(message) - got);

			if (part <= 0)
				_exit(1);
			got += part;
		}
	_exit(0);
}

/*
 * Each writer writes to every reader in turn, as in hackbench: N is rounded down to a multiple of
 * TASKS.
 */
static int run_messages(const char *cgroup, int tasks, int n)
{
	int *pipes = array(2 * tasks, sizeof(*pipes)), status;
	int64_t start;

	enter(cgroup);
	n -= n % tasks;
	for (int i = 0; i < tasks; i++)
		if (pipe(pipes + 2 * i) < 0)
			fail("pipe");
	start = now_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < tasks; i++) {
		if (!fork_child())
			read_messages(pipes[2 * i], n);
		if (!fork_child())
			write_messages(pipes, tasks, n);
	}
	while (wait(&status) > 0)
		if (status)
			return 1;
	free(pipes);
	printf("%.0f\n", (double)tasks * n * NSEC / (now_ns(CLOCK_MONOTONIC) - start));
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "spin") && argc == 4)
		return run_load(argv[2], atoi(argv[3]), false);
	if (!strcmp(what, "doze") && argc == 4)
		return run_load(argv[2], atoi(argv[3]), true);
	if (!strcmp(what, "used") && argc > 3)
		return run_used(atof(argv[2]), argv + 3, argc - 3);
	if (!strcmp(what, "quota") && argc > 4)
		return run_quota(atoi(argv[2]), argv + 3, (argc - 3) / 2);
	if (!strcmp(what, "work") && argc == 4)
		return run_work(argv[2], atoi(argv[3]));
	if (!strcmp(what, "loops") && argc == 2)
		return print_loops();
	if (!strcmp(what, "bursts") && argc == 5)
		return run_bursts(argv[2], atoi(argv[3]), strtoull(argv[4], NULL, 10));
	if (!strcmp(what, "pingpong") && argc == 4)
		return run_pingpong(argv[2], atof(argv[3]));
	if (!strcmp(what, "messages") && argc == 5)
		return run_messages(argv[2], atoi(argv[3]), atoi(argv[4]));
	fputs(usage_text, stderr);
	return 2;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one agent's markers cost another: begin and end of agent `quiet`, which rests between its calls, alone, while processes of agent
 * `flood` do nothing but use the CPU, and while they write markers as fast as they can, in turns, so that whatever disturbs the machine
 * disturbs all three.
 *
 *   fairness TREE ROUNDS COUNT FLOODERS
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FLOODERS_MAX 64
#define PAUSE	     4 /* the quiet agent rests for so many times what its begin and end took: on any machine it is no flood */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static int open_call(const char *agent)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "agents/%s/cgroup.procs", agent);
	put(path, "0");
	snprintf(path, sizeof(path), "agents/%s/call", agent);
	fd = open(path, O_RDWR);
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static int pair(int fd)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "begin p%d", getpid());

	if (write(fd, line, n) < 0)
		return errno;
	n = snprintf(line, sizeof(line), "end p%d", getpid());
	return write(fd, line, n) < 0 ? errno : 0;
}

enum beside { ALONE, SPINNING, FLOODING, N_BESIDE };

static void disturb(enum beside what)
{
	int fd = open_call("flood");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		if (what == FLOODING)
			pair(fd); /* refused or not: the next at once */
}

/* COUNT samples (usec) of the quiet agent, into the pipe. */
static void measure(int out, int count)
{
	int fd = open_call("quiet");

	for (int i = 0; i < count; i++) {
		double start = now(), took;

		if (pair(fd)) {
			perror("the quiet agent's marker");
			exit(1);
		}
		took = now() - start;
		if (write(out, &took, sizeof(took)) < 0)
			exit(1);
		usleep(PAUSE * took);
	}
	exit(0);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *samples, int n, double q)
{
	return samples[(int)((n - 1) * q)];
}

static void sample(double *samples, int count)
{
	int ends[2], status;
	pid_t child;

	if (pipe(ends) < 0)
		exit(1);
	child = fork();
	if (child == 0)
		measure(ends[1], count);
	close(ends[1]);
	for (int i = 0; i < count; i++)
		if (read(ends[0], &samples[i], sizeof(*samples)) != sizeof(*samples))
			exit(1);
	close(ends[0]);
	waitpid(child, &status, 0);
}

/* One round of one kind. */
static void sample_beside(enum beside what, int flooders, double *samples, int count)
{
	pid_t pids[FLOODERS_MAX];
	int n = what == ALONE ? 0 : flooders;

	for (int i = 0; i < n; i++)
		if ((pids[i] = fork()) == 0)
			disturb(what);
	if (n)
		usleep(200 * 1000);
	sample(samples, count);
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
	if (n)
		usleep(700 * 1000); /* their calls end */
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"alone", "beside spinning", "beside the flood"};
	int rounds = argc > 2 ? atoi(argv[2]) : 0, count = argc > 3 ? atoi(argv[3]) : 0;
	int flooders = argc > 4 ? atoi(argv[4]) : 1;
	double *samples[N_BESIDE], p50[N_BESIDE], p99[N_BESIDE];

	if (rounds < 1 || count < 1 || flooders > FLOODERS_MAX || chdir(argv[1]) < 0) {
		fprintf(stderr, "usage: fairness TREE ROUNDS COUNT FLOODERS\n");
		return 2;
	}
	for (int i = 0; i < N_BESIDE; i++)
		samples[i] = calloc((size_t)rounds * count, sizeof(double));
	for (int round = 0; round < rounds; round++)
		for (int i = 0; i < N_BESIDE; i++)
			sample_beside(i, flooders, samples[i] + (size_t)round * count, count);
	for (int i = 0; i < N_BESIDE; i++) {
		qsort(samples[i], (size_t)rounds * count, sizeof(double), compare);
		p50[i] = quantile(samples[i], rounds * count, 0.5);
		p99[i] = quantile(samples[i], rounds * count, 0.99);
		printf("%s: p50 %.0f us, p99 %.0f us\n", names[i], p50[i], p99[i]);
		free(samples[i]);
	}
	printf("ratio p50 %.2f p99 %.2f with %d spinning\n", p50[SPINNING] / p50[ALONE],
	       p99[SPINNING] / p99[ALONE], flooders);
	printf("ratio p50 %.2f p99 %.2f with %d flooders\n", p50[FLOODING] / p50[ALONE],
	       p99[FLOODING] / p99[ALONE], flooders);
	return 0;
}

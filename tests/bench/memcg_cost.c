/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What memcg_bpf_ops cost a call while memory is free: the median time of a step of one MiB, with the programs attached and without, in
 * turns. As root, on a kernel that has them; CALL_DIR is a cgroup below CGROUP_DIR and is entered as a call.
 *
 *     memcg_cost PIN_DIR CGROUP_DIR CALL_DIR ROUNDS
 *
 * Each round: without, with, without. Prints the medians over the rounds, the ratio of with to without, and that of without to
 * without, which is what the measurement itself is worth. Exit status: 0; 1: it could not be measured; 2: they could not be loaded.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/host/memcg_run.h"

#define STEPS 64
#define STEP  (1024 * 1024)

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* usec of the median step. */
static double grow(void)
{
	volatile char *memory = mmap(NULL, STEPS * STEP, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	double took[STEPS];
	int i, at;

	if (memory == MAP_FAILED)
		return 0;
	madvise((void *)memory, STEPS * STEP, MADV_NOHUGEPAGE);
	for (i = 0; i < STEPS; i++) {
		gint64 start = g_get_monotonic_time();

		for (at = 0; at < STEP; at += 4096)
			memory[(size_t)i * STEP + at] = 1;
		took[i] = g_get_monotonic_time() - start;
	}
	munmap((void *)memory, STEPS * STEP);
	return median(took, STEPS);
}

/* The process of the call: grows each time that it is told to, and answers with the median. */
static int serve(const char *call_dir, int in, int out)
{
	g_autofree char *procs = g_build_filename(call_dir, "cgroup.procs", NULL);
	int fd = open(procs, O_WRONLY | O_CLOEXEC);
	char go;

	if (fd < 0 || write(fd, "0", 1) != 1)
		return 1;
	while (read(in, &go, 1) == 1) {
		double usec = grow();

		if (write(out, &usec, sizeof(usec)) != sizeof(usec))
			return 1;
	}
	return 0;
}

struct bench {
	struct acg_memcg_ops *ops;
	int dirfd;
	guint64 id;
	int to, from; /* the process of the call */
};

static double measure(const struct bench *bench)
{
	double usec = 0;

	if (write(bench->to, "g", 1) != 1 || read(bench->from, &usec, sizeof(usec)) != sizeof(usec))
		return 0;
	return usec;
}

static int rounds(const struct bench *bench, int n, GError **error)
{
	g_autofree double *without = g_new(double, n), *with = g_new(double, n);
	g_autofree double *cost = g_new(double, n), *noise = g_new(double, n);
	int i, rc;

	measure(bench); /* the first time is another matter */
	for (i = 0; i < n; i++) {
		double again;

		without[i] = measure(bench);
		rc = acg_memcg_ops_attach(bench->ops, bench->dirfd, error);
		if (rc < 0)
			return rc;
		with[i] = measure(bench);
		rc = acg_memcg_ops_detach(bench->ops, bench->id, error);
		if (rc < 0)
			return rc;
		again = measure(bench);
		if (!without[i] || !with[i] || !again)
			return acg_fail(error, EIO, "the call's process did not answer");
		cost[i] = with[i] * 2 / (without[i] + again);
		noise[i] = again / without[i];
	}
	printf("rounds %d, step p50 without %.0f us, with %.0f us\n", n, median(without, n),
	       median(with, n));
	median(cost, n);
	median(noise, n);
	printf("with/without     %.4f (quartiles %.4f to %.4f)\n", cost[n / 2], cost[n / 4],
	       cost[n - 1 - n / 4]);
	printf("without/without  %.4f (quartiles %.4f to %.4f)\n", noise[n / 2], noise[n / 4],
	       noise[n - 1 - n / 4]);
	return 0;
}

/* The cgroup is an agent, the one in it a call, with grants that they do not reach. */
static int know(struct acg_bpf *bpf, guint64 agent, const char *call_dir, GError **error)
{
	struct acg_group_entry entry = {.agent = agent,
					.memory_grant = 1ULL << 40,
					.memory_max = ~0ULL,
					.kind = ACG_KIND_AGENT,
					.priority = ACG_PRIORITY_NORMAL};
	struct stat st;
	int rc = acg_bpf_group_update(bpf, agent, &entry, error);

	if (rc < 0)
		return rc;
	if (stat(call_dir, &st) < 0)
		return acg_fail_errno(error, errno, "%s", call_dir);
	entry.kind = ACG_KIND_CALL;
	return acg_bpf_group_update(bpf, st.st_ino, &entry, error);
}

static int run(struct acg_bpf *bpf, struct acg_memcg_ops *ops, char **argv, GError **error)
{
	const struct acg_memory_figures figures = {.enabled = 1,
						   .low_percent = 75,
						   .high_percent = 90,
						   .delay_max_ms = 100,
						   .min_progress = 1 << 20};
	struct bench bench = {.ops = ops,
			      .dirfd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	int to[2], from[2], rc = acg_memcg_ops_figures(ops, &figures, error);
	struct stat st;
	pid_t child;

	if (rc < 0)
		return rc;
	if (bench.dirfd < 0 || fstat(bench.dirfd, &st) < 0 || pipe2(to, O_CLOEXEC) < 0 ||
	    pipe2(from, O_CLOEXEC) < 0)
		return acg_fail_errno(error, errno, "%s", argv[2]);
	bench.id = st.st_ino;
	rc = know(bpf, bench.id, argv[3], error);
	child = fork();
	if (child == 0) {
		close(to[1]);
		_exit(serve(argv[3], to[0], from[1]));
	}
	close(from[1]);
	bench.to = to[1];
	bench.from = from[0];
	if (rc == 0)
		rc = rounds(&bench, atoi(argv[4]), error);
	close(to[1]);
	waitpid(child, NULL, 0);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc == 5 && atoi(argv[4]) > 0)
		return memcg_run(argv, run);
	fprintf(stderr, "usage: memcg_cost PIN_DIR CGROUP_DIR CALL_DIR ROUNDS\n");
	return 2;
}

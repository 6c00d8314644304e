/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grows by touching memory page by page, and says how long the steps took:
 *
 *     grow SIZE_MIB [STEP_KIB [SECONDS [MARK_MIB]]]
 *
 * Prints one line, all in microseconds: the time from the first touch to the last, the slowest step, the median step, the time from when
 * MARK_MIB were touched to when the first step began after that which took 20 ms or more (-1: none did), and the steps that took
 * so long; then holds what it has for SECONDS. A step is STEP_KIB (256, what one charge of the kernel takes); huge pages are
 * not used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define SLOW_USEC 20000

static long now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static void print_slow(const long *took, size_t n)
{
	const char *before = " slow=";

	for (size_t i = 0; i < n; i++) {
		if (took[i] < SLOW_USEC)
			continue;
		printf("%s%ld", before, took[i]);
		before = ",";
	}
}

static void touch(volatile char *memory, size_t bytes, long page)
{
	for (size_t at = 0; at < bytes; at += page)
		memory[at] = 1;
}

int main(int argc, char **argv)
{
	size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	size_t step = (argc > 2 ? strtoul(argv[2], NULL, 10) : 256) * 1024;
	size_t mark = argc > 4 ? strtoul(argv[4], NULL, 10) << 20 : 0;
	long marked = 0, reaction = -1;
	size_t bytes = mib << 20, n = step ? bytes / step : 0, i;
	long *took = calloc(n + 1, sizeof(*took)), page = sysconf(_SC_PAGESIZE), start;
	char *memory;

	if (!n || !took) {
		fprintf(stderr, "usage: grow SIZE_MIB [STEP_KIB [SECONDS [MARK_MIB]]]\n");
		return 2;
	}
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	start = now_usec();
	for (i = 0; i < n; i++) {
		long before = now_usec();

		touch(memory + i * step, step, page);
		took[i] = now_usec() - before;
		if (marked && reaction < 0 && took[i] >= SLOW_USEC)
			reaction = before - marked;
		if (!marked && mark && (i + 1) * step >= mark)
			marked = now_usec();
	}
	start = now_usec() - start;
	qsort(took, n, sizeof(*took), compare);
	printf("total=%ld slowest=%ld median=%ld reaction=%ld", start, took[n - 1], took[n / 2],
	       reaction);
	print_slow(took, n);
	printf("\n");
	fflush(stdout);
	if (argc > 3)
		sleep(strtoul(argv[3], NULL, 10));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests: touches memory at a pace, then holds it.
 *
 *     burst MIB [MIB_PER_SECOND]     0, or none: as fast as it can
 *     burst --rate                   how fast that is: says MiB a second
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void touch(char *memory, long mib, double per_second)
{
	double start = now_seconds();

	for (long i = 0; i < mib; i++) {
		double ahead = per_second > 0 ? i / per_second - (now_seconds() - start) : 0;

		if (ahead > 0)
			usleep(ahead * 1e6);
		for (long page = 0; page < MIB; page += 4096)
			memory[i * MIB + page] = 1;
	}
}

int main(int argc, char **argv)
{
	int measures = argc == 2 && strcmp(argv[1], "--rate") == 0;
	long mib = measures ? 192 : argc > 1 ? atol(argv[1]) : 0;
	double start = now_seconds();
	char *memory;

	if (mib <= 0)
		return 2;
	memory = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	madvise(memory, mib * MIB, MADV_NOHUGEPAGE);
	touch(memory, mib, argc > 2 ? atof(argv[2]) : 0);
	if (measures)
		printf("%.0f\n", mib / (now_seconds() - start));
	else
		pause();
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holding memory and burning CPU time; see the header. */
#include "tools/replay_hold.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* usec: who is late by no more than a sleep may take too long makes it up at the next one. */
#define OVERSLEPT 2000

static uint64_t whole_pages(uint64_t bytes)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

int acg_hold_init(struct acg_hold *hold, uint64_t size, double speed)
{
	*hold = (struct acg_hold){
		.size = whole_pages(MAX(size, 1)),
		.speed = speed,
		.origin = g_get_monotonic_time(),
	};
	hold->memory = mmap(NULL, hold->size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hold->memory == MAP_FAILED)
		return -ENOMEM;
	madvise(hold->memory, hold->size, MADV_DONTFORK);
	/* A huge page would be charged whole at the touch of its first byte. */
	madvise(hold->memory, hold->size, MADV_NOHUGEPAGE);
	return 0;
}

void acg_hold_clear(struct acg_hold *hold)
{
	munmap(hold->memory, hold->size);
}

static void touch(struct acg_hold *hold, uint64_t until)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	for (; hold->held < until; hold->held += page)
		*(volatile char *)(hold->memory + hold->held) = 1;
	if (hold->ret_peak)
		*hold->ret_peak = MAX(*hold->ret_peak, hold->held);
	if (hold->ret_held)
		*hold->ret_held = hold->held;
}

static void grow(struct acg_hold *hold, uint64_t until)
{
	while (until - hold->held >= ACG_GROWTH_STEP) {
		int64_t start = g_get_monotonic_time();

		touch(hold, hold->held + ACG_GROWTH_STEP);
		if (hold->steps && *hold->n_steps < hold->steps_room)
			hold->steps[(*hold->n_steps)++] =
				MIN(g_get_monotonic_time() - start, UINT32_MAX);
	}
	touch(hold, until);
}

static void shrink(struct acg_hold *hold, uint64_t until)
{
	madvise(hold->memory + until, hold->held - until, MADV_DONTNEED);
	hold->held = until;
	if (hold->ret_held)
		*hold->ret_held = hold->held;
}

static double cpu_used(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return used.tv_sec + used.tv_nsec / 1e9;
}

static void burn(const struct acg_hold *hold)
{
	while (cpu_used() < hold->cpu_due)
		for (volatile int i = 0; i < 10000; i++)
			;
}

void acg_hold_step(struct acg_hold *hold, const struct acg_step *step)
{
	uint64_t until = MIN(whole_pages(step->memory), hold->size);

	if (until > hold->held)
		grow(hold, until);
	else if (until < hold->held)
		shrink(hold, until);
	hold->cpu_due += step->cpu / hold->speed; /* touching counts */
	burn(hold);
}

int64_t acg_hold_until(struct acg_hold *hold, double time)
{
	int64_t left = hold->origin + (int64_t)(time / hold->speed * G_USEC_PER_SEC) -
		       g_get_monotonic_time();

	if (left > 0)
		return left;
	if (-left > OVERSLEPT)
		hold->origin -= left;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Grants that learn, and braking; see the header. */
#include "policy/adapt.h"

#include <glib.h>

#include "policy/hint.h"

#define SMALL_RUNS 2  /* one small run says little: the same command may have failed early */
#define SMALL_PART 4  /* less than this part of a grant is far too large a grant */
#define LAST_PART  64 /* of a limit: what is left is not worth holding back for */
/* Of a limit, to be left above a brake, even if that is below what is used: the kernel's delay grows with the square of the part by which
 * usage is above memory.high (calculate_high_delay), and at a few percent it hardly begins. */
#define ROOM_PART 8

static struct acg_adapt_class *find(struct acg_adapt *adapt, const char *class)
{
	for (unsigned int i = 0; i < adapt->n; i++)
		if (adapt->classes[i].name == class)
			return &adapt->classes[i];
	return NULL;
}

static struct acg_adapt_class *find_or_add(struct acg_adapt *adapt, const char *class)
{
	struct acg_adapt_class *found = find(adapt, class);

	if (found || adapt->n == ACG_ADAPT_CLASSES)
		return found;
	found = &adapt->classes[adapt->n++];
	*found = (struct acg_adapt_class){.name = class};
	return found;
}

uint64_t acg_adapt_grant(const struct acg_adapt *adapt, const char *class)
{
	const struct acg_adapt_class *found = find((struct acg_adapt *)adapt, class);

	return found ? found->grant : 0;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > ACG_MAX - b ? ACG_MAX : a + b;
}

/* Up to whole MiB. */
static uint64_t rounded(uint64_t bytes)
{
	return bytes > ACG_MAX - (1 << 20) ? bytes : (bytes + (1 << 20) - 1) >> 20 << 20;
}

static uint64_t next_of_too_small(const struct acg_adapt_run *run)
{
	uint64_t needed = plus(run->peak, run->peak / 4);

	return run->killed ? MAX(needed, plus(run->grant, run->grant)) : needed;
}

/* 0: not yet, or no smaller than it is. */
static uint64_t next_of_too_large(struct acg_adapt_class *class, const struct acg_adapt_run *run)
{
	uint64_t next;

	class->largest = MAX(class->largest, run->peak);
	if (++class->small < SMALL_RUNS)
		return 0;
	next = MAX(2 * class->largest, ACG_ADAPT_LEAST);
	return next < run->grant ? next : 0;
}

static char *say(const struct acg_adapt_class *class, const struct acg_adapt_run *run,
		 uint64_t next, uint64_t evidence)
{
	char to[16], from[16], used[16];

	acg_size_format(next, to);
	acg_size_format(run->grant, from);
	acg_size_format(evidence, used);
	if (run->killed)
		return g_strdup_printf("%s: %s for the next, not %s: this one was killed at %s",
				       class->name, to, from, used);
	if (next > run->grant)
		return g_strdup_printf("%s: %s for the next, not %s: this one needed %s",
				       class->name, to, from, used);
	return g_strdup_printf("%s: %s for the next, not %s: %d in a row used no more than %s",
			       class->name, to, from, SMALL_RUNS, used);
}

bool acg_adapt_learn(struct acg_adapt *adapt, const char *name, const struct acg_adapt_run *run,
		     char **ret_why)
{
	struct acg_adapt_class *class = find_or_add(adapt, name);
	bool small = run->peak < run->grant / SMALL_PART && !run->killed;
	uint64_t next, evidence = run->peak;

	if (!class || run->grant == ACG_MAX)
		return false;
	if (run->killed || run->peak > run->grant)
		next = next_of_too_small(run);
	else
		next = small ? next_of_too_large(class, run) : 0;
	if (small)
		evidence = class->largest;
	if (!small || next)
		class->small = class->largest = 0;
	next = rounded(next);
	if (!next || next == run->grant || next == class->grant)
		return false;
	class->grant = next;
	*ret_why = say(class, run, next, evidence);
	return true;
}

bool acg_growth_brake(const struct acg_growth *growth, uint64_t ahead, uint64_t *ret_high)
{
	uint64_t limit = plus(growth->usage, growth->left);
	uint64_t halfway = growth->usage + growth->left / 2;
	uint64_t at = MIN(halfway, limit - limit / ROOM_PART);

	/* left / per_second < ahead, without overflow: both in thousandths */
	if (!growth->per_second || growth->left / (growth->per_second / 1000 + 1) >= ahead / 1000)
		return false;
	*ret_high = growth->grant > growth->usage ? MIN(growth->grant, at) : at;
	return true;
}

uint64_t acg_growth_further(uint64_t usage, uint64_t limit)
{
	uint64_t left = limit > usage ? limit - usage : 0;

	return left <= limit / LAST_PART ? ACG_MAX : usage + left / 2;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a charge is delayed: the arithmetic of memcg.bpf.c, apart from it so that it can be tested with plain
 * values. Integers only, shares in thousandths, times in ns. vmlinux.h or <linux/types.h> must come before it.
 */
#ifndef AGENTCG_BPF_MEMCG_DELAY_H
#define AGENTCG_BPF_MEMCG_DELAY_H

#define ACG_NS_PER_MS  1000000ULL
#define ACG_NS_PER_SEC 1000000000ULL

/* The kernel skips delays of 10 ms and less (mm/memcontrol.c): shorter ones are saved up until they make this. */
#define ACG_DELAY_LEAST_NS (12 * ACG_NS_PER_MS)
/* Memory is as good as used up: full delays; who yields to nobody is delayed only above this, before the OOM killer. */
#define ACG_DELAY_FULL 980
/* The delay that progress can earn in advance. */
#define ACG_DELAY_CREDIT_NS (2 * ACG_NS_PER_SEC)

struct acg_delay {
	__u64 usage;  /* of the call, bytes */
	__u64 grant;  /* bytes; ~0: none */
	__u64 growth; /* bytes a second in the last window: of the call, ... */
	__u64 demand; /* ... and of all together that grow in what is short */
	__u64 held;   /* of what is short, bytes that reclaim cannot drop */
	__u64 limit;  /* bytes */
	__u32 low_percent;
	__u32 high_percent;
	__u32 gap;    /* steps of priority below the highest that grows there now */
	__u32 yields; /* 1: somebody with a lower priority grows there, who is to wait first */
	__u32 max_ms; /* the longest delay */
};

static inline __u64 acg_thousandths(__u64 part, __u64 whole)
{
	if (!whole || whole == ~0ULL)
		return 0;
	return part / whole >= 1000 ? 1000000 : part * 1000 / whole;
}

/* 0 up to `from`, 1000 at `to` and above, a straight line between. */
static inline __u64 acg_ramp(__u64 value, __u64 from, __u64 to)
{
	if (value <= from)
		return 0;
	if (value >= to)
		return 1000;
	return (value - from) * 1000 / (to - from);
}

/*
 * How short memory is, from 0 (free) to 1000. Who holds back a higher priority feels it from the low mark on, and
 * wholly at the high mark: the rest is for that one.
 */
static inline __u64 acg_delay_shortness(const struct acg_delay *in)
{
	__u64 held = acg_thousandths(in->held, in->limit);

	if (in->gap)
		return acg_ramp(held, in->low_percent * 10, in->high_percent * 10);
	if (in->yields)
		return acg_ramp(held, ACG_DELAY_FULL, 1000);
	return acg_ramp(held, in->high_percent * 10, ACG_DELAY_FULL);
}

/* How far it is into its grant (nothing up to half of it, all at one and a half), and half more for each step of priority. */
static inline __u64 acg_delay_share(const struct acg_delay *in)
{
	__u64 share = acg_ramp(acg_thousandths(in->usage, in->grant), 500, 1500) + in->gap * 500;

	return share > 1000 ? 1000 : share;
}

/*
 * How soon what is left would be used up: a quarter if in 4 s or later, all of it if in one second or less. Beside a higher
 * priority it is the demand of all that counts, since what this one takes is missing there: else a delay that works would
 * end itself.
 */
static inline __u64 acg_delay_haste(const struct acg_delay *in)
{
	__u64 growth = in->gap && in->demand > in->growth ? in->demand : in->growth;
	__u64 left = in->limit > in->held ? in->limit - in->held : 0;
	__u64 haste = left ? acg_thousandths(growth, left) : 1000;
	__u64 least = in->gap ? 500 : 250;

	if (haste < least)
		return least;
	return haste > 1000 ? 1000 : haste;
}

/* The delay that this charge deserves; may be shorter than what the kernel sleeps. */
static inline __u64 acg_delay_wanted(const struct acg_delay *in)
{
	__u64 delay = in->max_ms * ACG_NS_PER_MS / 1000;

	delay = delay * acg_delay_shortness(in) / 1000;
	delay = delay * acg_delay_share(in) / 1000;
	return delay * acg_delay_haste(in);
}

/* The delay that `bytes` of progress earn, where no more than `min_progress` bytes a second may be taken away. */
static inline __u64 acg_delay_earned(__u64 bytes, __u64 min_progress)
{
	if (!min_progress || bytes / min_progress >= 2)
		return ACG_DELAY_CREDIT_NS;
	return bytes * 1000 / min_progress * ACG_NS_PER_MS;
}

/*
 * What is slept now, in ns, of what was saved up (*owed, to which `wanted` is added) and earned (*credit): 0, or at least
 * ACG_DELAY_LEAST_NS and at most max_ms.
 */
static inline __u64 acg_delay_take(__u64 wanted, __u32 max_ms, __u64 *owed, __u64 *credit)
{
	__u64 most = max_ms * ACG_NS_PER_MS;
	__u64 delay = *owed + wanted;

	if (delay > most)
		delay = most;
	*owed = delay;
	if (delay > *credit)
		delay = *credit;
	if (delay < ACG_DELAY_LEAST_NS)
		return 0;
	*owed -= delay;
	*credit -= delay;
	return delay;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: cpu.max, and the charging of what runs. */
#ifndef AGENTCG_BPF_SCHED_QUOTA_BPF_H
#define AGENTCG_BPF_SCHED_QUOTA_BPF_H

static void refill(struct acg_group *group, u64 now)
{
	u64 at = shared_read(group->period_at), quota = group->quota, periods;
	s64 room;

	if (!quota || (s64)(now - at) < (s64)group->period)
		return;
	periods = (now - at) / group->period;
	if (__sync_val_compare_and_swap(&group->period_at, at, at + periods * group->period) != at)
		return;
	room = quota + group->burst - shared_read(group->left);
	if (room > 0)
		__sync_fetch_and_add(&group->left, periods > room / quota ? room : periods * quota);
}

/* The most that a group may owe: what DEBT_MAX gives it. */
static s64 debt_max(const struct acg_group *group)
{
	return DEBT_MAX / group->period * group->quota;
}

/* The place of the group itself or the ancestor that has run out of quota; ROOT: none has. */
__noinline u32 out_of_quota(u32 place, u64 now)
{
	int level;

	if (!shared_read(n_limited))
		return ROOT;
	for (level = 0; level < LEVELS_MAX && place != ROOT; level++) {
		struct acg_group *group = group_at(place);

		if (group->quota) {
			refill(group, now);
			if (shared_read(group->left) <= 0)
				return place;
		}
		place = group->parent;
	}
	return ROOT;
}

__noinline int spend_quota(u32 place, u64 delta)
{
	int level;

	if (!shared_read(n_limited))
		return 0;
	for (level = 0; level < LEVELS_MAX && place != ROOT; level++) {
		struct acg_group *group = group_at(place);

		if (group->quota) {
			s64 left = __sync_fetch_and_sub(&group->left, delta) - delta;
			s64 least = -debt_max(group);

			if (left < least) {
				__sync_fetch_and_add(&group->left, least - left);
				count(ACG_SCHED_OVERRUN);
			}
		}
		place = group->parent;
	}
	return 0;
}

/* How long a task of the group may run until a quota could be used up, if all run that share it. */
__noinline u64 quota_time(u32 place)
{
	u64 least = STOP_NEAR + 1;
	int level;

	for (level = 0; level < LEVELS_MAX && place != ROOT; level++) {
		struct acg_group *group = group_at(place);
		s64 left = shared_read(group->left);
		u32 sharers = n_cpus;

		if (!level && (u32)group->ready < sharers)
			sharers = group->ready;
		left = left > 0 ? (u64)left / (sharers ? sharers : 1) : 0;
		if (group->quota && (u64)left < least)
			least = left;
		place = group->parent;
	}
	return least < STOP_LEAST ? STOP_LEAST : least;
}

/* The tick sees to a quota that lasts for long. */
static void arm_stop(u32 cpu, u32 place)
{
	struct stop *stop;
	u64 wait;

	if (!shared_read(n_limited))
		return;
	wait = quota_time(place);
	stop = bpf_map_lookup_elem(&sched_stops, &cpu);
	if (!stop || wait > STOP_NEAR)
		return;
	cpu_at(cpu)->limited = 1;
	if (bpf_timer_start(&stop->timer, wait, BPF_F_TIMER_CPU_PIN))
		count(ACG_SCHED_TIMER_FAILED);
}

/* What runs is charged, and goes on if it may. */
static int on_stop(void *map, u32 *cpu, struct stop *value)
{
	if (!cpu_at(*cpu)->limited)
		return 0;
	cpu_at(*cpu)->limited = 0;
	scx_bpf_kick_cpu(*cpu, SCX(kick_flags, SCX_KICK_PREEMPT));
	count(ACG_SCHED_STOPPED);
	return 0;
}

static void start_timer(u32 place, u64 now)
{
	struct acg_group *group = group_at(place);
	struct refill *refill = bpf_map_lookup_elem(&sched_refills, &place);
	s64 wait;

	if (!refill || __sync_val_compare_and_swap(&group->armed, 0, 1))
		return;
	wait = shared_read(group->period_at) + group->period - now;
	if (wait < 0 || !group->quota)
		wait = 0;
	if (bpf_timer_start(&refill->timer, wait + 1000, 0)) {
		group->armed = 0;
		count(ACG_SCHED_TIMER_FAILED);
	}
}

/* Takes a group out of the heap until the quota of `limiter` is refilled. */
__noinline int park(u32 place, u32 limiter, u64 now)
{
	struct acg_group *group = group_at(place), *above = group_at(limiter);
	bool parked = false;

	bpf_spin_lock(&heap_lock);
	if (!group->parked && above->left <= 0) {
		heap_remove(place);
		group->parked = 1;
		group->next = above->parked_head;
		above->parked_head = place;
		n_parked++;
		parked = true;
	}
	bpf_spin_unlock(&heap_lock);
	if (parked)
		count(ACG_SCHED_PARKED);
	else
		queue_group(place); /* it was refilled meanwhile */
	start_timer(limiter, now);
	return 0;
}

/* As many idle CPUs as there are tasks for them. */
static void kick_idle(s32 n)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	s32 i, cpu;

	bpf_for (i, 0, n) {
		cpu = scx_bpf_pick_idle_cpu(online, 0);
		if (cpu < 0)
			break;
		scx_bpf_kick_cpu(cpu, 0);
	}
	scx_bpf_put_cpumask(online);
}

static void give_back(u32 place)
{
	bpf_spin_lock(&tree_lock);
	group_at(place)->next = free_place;
	free_place = place;
	bpf_spin_unlock(&tree_lock);
}

/* Of a removed cgroup: now, or when it comes off the list where it is parked. */
static void give_back_unparked(u32 place)
{
	struct acg_group *group = group_at(place);
	bool parked;

	bpf_spin_lock(&heap_lock);
	parked = group->parked;
	group->gone = parked;
	bpf_spin_unlock(&heap_lock);
	if (!parked)
		give_back(place);
}

/* Takes one parked group back into the heap. False: there is none. */
__noinline int unpark_one(u32 limiter)
{
	struct acg_group *above = group_at(limiter), *group;
	u32 place, gone = 0;

	bpf_spin_lock(&heap_lock);
	place = above->parked_head;
	group = group_at(place);
	if (place) {
		above->parked_head = group->next;
		group->next = 0;
		group->parked = 0;
		n_parked--;
		gone = group->gone;
		if (group->queued > 0 && !heap_at[place & GROUP_MASK])
			heap_add(place, key_of(group));
	}
	bpf_spin_unlock(&heap_lock);
	if (!place)
		return 0;
	count(ACG_SCHED_UNPARKED);
	if (gone)
		give_back(place);
	kick_idle(group->queued);
	return 1;
}

static int on_refill(void *map, u32 *key, struct refill *value)
{
	u32 place = *key, i;
	struct acg_group *group = group_at(place);
	u64 now = scx_bpf_now();

	group->armed = 0;
	refill(group, now);
	if (group->quota && shared_read(group->left) <= 0) {
		start_timer(place, now);
		return 0;
	}
	bpf_for (i, 0, ACG_SCHED_GROUPS) {
		if (!unpark_one(place))
			break;
	}
	return 0;
}

static void set_quota(u32 place, u64 period_us, u64 quota_us, u64 burst_us)
{
	struct acg_group *group = group_at(place);
	struct refill *refill = bpf_map_lookup_elem(&sched_refills, &place);
	u64 quota = quota_us == ~0ULL ? 0 : quota_us * 1000;

	if (!refill)
		return;
	if (quota && !group->has_timer) {
		bpf_timer_init(&refill->timer, &sched_refills, CLOCK_MONOTONIC);
		bpf_timer_set_callback(&refill->timer, on_refill);
		group->has_timer = 1;
	}
	if (!group->quota != !quota)
		__sync_fetch_and_add(&n_limited, quota ? 1 : -1);
	group->period = period_us * 1000;
	group->burst = burst_us * 1000;
	group->period_at = scx_bpf_now();
	group->left = quota;
	group->quota = quota;
	if (group->has_timer) { /* whoever is parked here is looked at anew */
		group->armed = 1;
		bpf_timer_start(&refill->timer, 1000, 0);
	}
}

/* While nobody waits, what the share is does not matter: an old one will do. */
__noinline int charge_group(u32 place, u64 delta, u64 prepaid, s32 pinned_to)
{
	struct acg_group *group = group_at(place);
	u64 inverse =
		shared_read(heap_size) || pinned_to >= 0 ? inverse_share(place) : group->inverse;

	__sync_fetch_and_add(&group->tag, (delta * inverse >> SHARE_SHIFT) - prepaid);
	forgive(group, pinned_to);
	spend_quota(place, delta);
	__sync_fetch_and_add(&places[place & GROUP_MASK].figures.run_ns, delta);
	return 0;
}

/* Accounts what p has run since it was last looked at. */
static void charge(struct task_struct *p, s32 cpu_id)
{
	struct acg_cpu *cpu = cpu_at(cpu_id);
	struct acg_group *group = group_at(cpu->place);
	u64 total = p->se.sum_exec_runtime, delta = total - cpu->charged, weight, time;

	if (!delta && !cpu->paid)
		return;
	cpu->charged = total;
	charge_group(cpu->place, delta, cpu->paid, is_pinned(p) ? cpu_id : -1);
	cpu->paid = 0;
	if (cpu->boosted)
		__sync_fetch_and_sub(&boost_left, delta);
	weight = scx_of(p)->weight;
	time = scx_of(p)->dsq_vtime + delta * 100 / (weight ? weight : 1);
	if (before(group->task_time + TASK_AHEAD, time))
		time = group->task_time + TASK_AHEAD;
	scx_bpf_task_set_dsq_vtime(p, time);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: shares of the CPU by weights, and classes. */
#ifndef AGENTCG_BPF_SCHED_SHARE_BPF_H
#define AGENTCG_BPF_SCHED_SHARE_BPF_H

static __always_inline u64 weight_now(const struct acg_group *group, u32 place)
{
	u64 weight = group->idle ? WEIGHT_IDLE : group->weight;

	if (place == ROOT_TASKS)
		return group->ready > 0 ? weight * group->ready : 0;
	return group->ready > 0 || group->sum ? weight : 0;
}

/*
 * Makes the group's part in its parent's sum what it should be. True if the parent woke or slept by
 * it.
 */
static bool contribute(u32 place)
{
	struct acg_group *group = group_at(place), *parent = group_at(group->parent);
	u64 want, before_sum, after;

	bpf_spin_lock(&tree_lock);
	want = weight_now(group, place);
	before_sum = parent->sum;
	after = before_sum + want - group->contribution;
	group->contribution = want;
	parent->sum = after;
	bpf_spin_unlock(&tree_lock);
	return !before_sum != !after;
}

__noinline int contribute_upwards(u32 place)
{
	int level;

	bpf_for (level, 0, LEVELS_MAX) {
		if (place == ROOT || !contribute(place))
			break;
		place = group_at(place)->parent;
	}
	return 0;
}

/*
 * 1 / share of the group, SHARE_SHIFT bits after the point. Who is slowed down pays more for its
 * time.
 */
__noinline u64 inverse_share(u32 place)
{
	struct acg_group *own = group_at(place);
	u64 inverse = (own->slowed ? SLOWED_COST : 1) << SHARE_SHIFT;
	int level;

	for (level = 0; level < LEVELS_MAX && place != ROOT; level++) {
		struct acg_group *group = group_at(place);
		u64 sum = shared_read(group_at(group->parent)->sum);
		u64 part = shared_read(group->contribution);

		if (part && sum > part)
			inverse = inverse * sum / part;
		if (inverse > INVERSE_MAX)
			inverse = INVERSE_MAX;
		place = group->parent;
	}
	own->inverse = inverse;
	return inverse;
}

static u32 class_of(const struct acg_group_entry *entry)
{
	if (entry->kind == ACG_KIND_AGENT)
		return CLASS_NORMAL;
	if (entry->cpu_class == ACG_CPU_LATENCY)
		return CLASS_LATENCY;
	return entry->cpu_class == ACG_CPU_BATCH ? CLASS_BATCH : CLASS_NORMAL;
}

/* Looks the group's class up: in the nearest entry of the map from it upwards. */
__noinline int classify(u32 place, u64 now)
{
	struct acg_group *group = group_at(place);
	const struct acg_group_entry *entry;
	u32 class = CLASS_NORMAL, up = place, slowed = 0;
	int level;

	group->classed_at = now;
	bpf_for (level, 0, LEVELS_MAX) {
		if (up <= ROOT_TASKS)
			break;
		entry = bpf_map_lookup_elem(&agentcg_groups, &places[up & GROUP_MASK].cgroup);
		if (entry) {
			class = class_of(entry);
			slowed = entry->throttled || entry->slowed_until > bpf_ktime_get_ns();
			group->priority = entry->priority;
			break;
		}
		up = group_at(up)->parent;
	}
	group->slowed = slowed;
	group->class = group->idle ? CLASS_BATCH : class;
	return 0;
}

static void classify_if_old(u32 place, u64 now)
{
	const struct acg_group *group = group_at(place);

	if (!group->class || now - group->classed_at >= CLASS_AGE)
		classify(place, now);
}

#endif

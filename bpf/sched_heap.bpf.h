/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: the groups in the order of their turns. */
#ifndef AGENTCG_BPF_SCHED_HEAP_BPF_H
#define AGENTCG_BPF_SCHED_HEAP_BPF_H

static __always_inline void heap_put(u32 index, u64 key, u32 place)
{
	heap[index & GROUP_MASK].key = key;
	heap[index & GROUP_MASK].place = place;
	heap_at[place & GROUP_MASK] = index + 1;
}

/*
 * The index that is being moved goes through memory: the verifier would otherwise follow each
 * pattern of odd and even indices by itself.
 */
static __always_inline void heap_up(u64 key, u32 place)
{
	int step;

	for (step = 0; step < HEAP_STEPS; step++) {
		u32 index = shared_read(heap_cursor), up = (index - 1) / 2;

		if (!index || !before(key, heap[up & GROUP_MASK].key))
			break;
		heap_put(index, heap[up & GROUP_MASK].key, heap[up & GROUP_MASK].place);
		heap_cursor = up;
	}
	heap_put(shared_read(heap_cursor), key, place);
}

static __always_inline void heap_down(u64 key, u32 place)
{
	int step;

	for (step = 0; step < HEAP_STEPS; step++) {
		u32 index = shared_read(heap_cursor), child = 2 * index + 1;

		if (child >= heap_size)
			break;
		child += child + 1 < heap_size &&
			 before(heap[(child + 1) & GROUP_MASK].key, heap[child & GROUP_MASK].key);
		if (!before(heap[child & GROUP_MASK].key, key))
			break;
		heap_put(index, heap[child & GROUP_MASK].key, heap[child & GROUP_MASK].place);
		heap_cursor = child;
	}
	heap_put(shared_read(heap_cursor), key, place);
}

/* Puts it in, or, if it is in, to its place by a smaller key. */
static __always_inline void heap_add(u32 place, u64 key)
{
	u32 index = heap_at[place & GROUP_MASK];

	if (!index && heap_size >= ACG_SCHED_GROUPS)
		return;
	heap_cursor = index ? index - 1 : heap_size++;
	heap_up(key, place);
}

static __always_inline void heap_remove(u32 place)
{
	u32 index = heap_at[place & GROUP_MASK], last;
	u64 key;

	if (!index)
		return;
	heap_at[place & GROUP_MASK] = 0;
	last = --heap_size;
	if (--index == last)
		return;
	heap_cursor = index;
	key = heap[last & GROUP_MASK].key;
	place = heap[last & GROUP_MASK].place;
	if (index && before(key, heap[((index - 1) / 2) & GROUP_MASK].key))
		heap_up(key, place);
	else
		heap_down(key, place);
}

/* In virtual time, a whole slice. */
static __always_inline u64 slice_cost(const struct acg_group *group)
{
	return slice_of(group->class) * group->inverse >> SHARE_SHIFT;
}

static bool has_burst(const struct acg_group *group, u64 inverse)
{
	return before(group->tag, virtual_now + (BOOST_BURST * inverse >> SHARE_SHIFT));
}

/* The group's place among the others: its tag, shifted by its class. */
static __always_inline u64 key_of(const struct acg_group *group)
{
	u64 shift = CLASS_SHIFT * n_cpus;

	if (group->class == CLASS_LATENCY && !group->slowed)
		return group->tag - shift;
	return group->class == CLASS_BATCH ? group->tag + shift : group->tag;
}

/* True if the group is in the heap, and not for later than its tag says. */
static __always_inline bool is_in_heap(u32 place, u64 key)
{
	u32 index = shared_read(heap_at[place & GROUP_MASK]);

	return index && !before(key, heap[(index - 1) & GROUP_MASK].key);
}

/*
 * Sees to it that the group is in the heap, where its tag says. It may be parked instead. True: it
 * was not in it before.
 */
__noinline int queue_group(u32 place)
{
	struct acg_group *group = group_at(place);
	u64 key = key_of(group);
	bool enters;

	if (is_in_heap(place, key))
		return false; /* leave_heap() looks again after taking it out */
	bpf_spin_lock(&heap_lock);
	enters = !group->parked && !heap_at[place & GROUP_MASK];
	if (!group->parked && !is_in_heap(place, key))
		heap_add(place, key);
	bpf_spin_unlock(&heap_lock);
	return enters;
}

/* True if a group other than this one waits for a CPU, or for its quota. */
static bool others_wait(u32 place)
{
	u32 size = shared_read(heap_size);

	return size > 1 || (size && shared_read(heap[0].place) != place) || shared_read(n_pinned) ||
	       shared_read(n_parked);
}

/*
 * What a task of the group gets. One of a normal group that nobody else waits with gets more: it
 * would only make room for others of the same group.
 */
static u64 slice_now(const struct acg_group *group, u32 place)
{
	if (group->class == CLASS_NORMAL && !others_wait(place))
		return SLICE_ALONE;
	return slice_of(group->class);
}

/* Takes a group out that has nothing to run; `anyway`: whether or not. */
__noinline int leave_heap(u32 place, bool anyway)
{
	bpf_spin_lock(&heap_lock);
	if (anyway || group_at(place)->queued <= 0)
		heap_remove(place);
	bpf_spin_unlock(&heap_lock);
	if (!anyway && __sync_fetch_and_add(&group_at(place)->queued, 0) > 0)
		queue_group(place);
	return 0;
}

/* Keeps a tag within reach of the virtual time. */
static void bound_tag(struct acg_group *group, bool pinned)
{
	u64 lag = (pinned ? LAG_PINNED : LAG_MAX) * n_cpus, ahead = AHEAD_MAX * n_cpus;
	u64 now = shared_read(virtual_now), tag = shared_read(group->tag);

	if (before(tag, now - lag)) {
		advance(&group->tag, now - lag);
		count(ACG_SCHED_LAGGED);
	} else if (before(now + ahead, tag)) {
		__sync_fetch_and_sub(&group->tag, tag - now - ahead);
		count(ACG_SCHED_CAPPED);
	}
}

/* Where a group starts when p is its first ready task: with those it will compete with. */
static u64 virtual_start(struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p);
	u64 now = shared_read(virtual_now), own = cpu_at(cpu)->virtual_now;

	if (is_pinned(p) && own && before(own, now) && scx_bpf_dsq_nr_queued(QUEUE_CPU | cpu) > 0)
		return own;
	return now;
}

/*
 * While nobody waits, running costs nothing: whoever comes next must not be owed for it.
 * `pinned_to`: the CPU of a pinned task, or -1.
 */
static void forgive(struct acg_group *group, s32 pinned_to)
{
	u64 most = shared_read(virtual_now) + ALONE_AHEAD * n_cpus, tag = shared_read(group->tag);

	if (shared_read(heap_size) || !before(most, tag))
		return;
	if (pinned_to >= 0 && scx_bpf_dsq_nr_queued(QUEUE_CPU | pinned_to) > 0)
		return;
	__sync_fetch_and_sub(&group->tag, tag - most);
}

#endif

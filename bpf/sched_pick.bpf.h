/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: what a CPU runs next. */
#ifndef AGENTCG_BPF_SCHED_PICK_BPF_H
#define AGENTCG_BPF_SCHED_PICK_BPF_H

/*
 * The group whose turn it is, if it comes before `limit`; its entry is moved on at once by what a
 * slice costs, so that the next CPU looks elsewhere. An entry older than its group's tag is put
 * right first, and a group with nothing queued taken out: STALE. ROOT: none.
 */
__noinline u32 pick_group(u64 limit)
{
	u32 place = ROOT, stale = 0, empty = 0;
	u64 key = 0, real = 0;

	bpf_spin_lock(&heap_lock);
	heap_cursor = 0;
	if (heap_size) {
		key = heap[0].key;
		if (!before(limit, key)) {
			place = heap[0].place;
			empty = shared_read(group_at(place)->queued) <= 0;
		}
		if (place && !empty) {
			real = key_of(group_at(place));
			stale = before(key + MSEC / 4, real);
			heap_down(stale ? real : real + slice_cost(group_at(place)), place);
		}
	}
	bpf_spin_unlock(&heap_lock);
	if (empty)
		leave_heap(place, false);
	else if (stale)
		count(ACG_SCHED_REKEYED);
	return empty || stale ? STALE : place;
}

/*
 * Pinned tasks are in a group's queue if they were parked there: each goes to the queue of its CPU.
 */
static void spread_pinned(u32 place)
{
	struct bpf_iter_scx_dsq___agentcg it;
	struct task_struct *p;
	int n = 0, cpu;

	bpf_iter_scx_dsq_new(&it, QUEUE_GROUP | place, 0);
	while ((p = bpf_iter_scx_dsq_next(&it))) {
		if (n++ >= 64)
			break;
		if (!is_pinned(p))
			continue;
		cpu = scx_bpf_task_cpu(p);
		note_pinned(data_of(p));
		scx_bpf_dsq_move_set_vtime(&it, key_of(group_at(place)));
		if (!scx_bpf_dsq_move_vtime(&it, p, QUEUE_CPU | cpu, 0))
			continue;
		scx_bpf_kick_cpu(cpu, SCX(kick_flags, SCX_KICK_IDLE));
		count(ACG_SCHED_SPREAD);
	}
	bpf_iter_scx_dsq_destroy(&it);
}

static void prepay(s32 cpu_id, u32 place)
{
	struct acg_group *group = group_at(place);
	struct acg_cpu *cpu = cpu_at(cpu_id);
	u64 cost = slice_of(group->class) * inverse_share(place) >> SHARE_SHIFT;
	u64 tag = shared_read(group->tag), key = key_of(group);

	if (cpu->prepaid) /* by a group whose task never came to run */
		__sync_fetch_and_sub(&group_at(cpu->prepaid_by)->tag, cpu->prepaid);
	advance(&virtual_now, before(key, tag) ? key : tag);
	__sync_fetch_and_add(&group->tag, cost);
	cpu->prepaid = cost;
	cpu->prepaid_by = place;
}

/* Moves a task of the group to this CPU. */
__noinline int take_from(s32 cpu, u32 place, u64 now)
{
	u32 limiter = out_of_quota(place, now);

	if (limiter) {
		park(place, limiter, now);
		return false;
	}
	if (!scx_bpf_dsq_move_to_local(QUEUE_GROUP | place)) {
		if (scx_bpf_dsq_nr_queued(QUEUE_GROUP | place) > 0)
			spread_pinned(place);
		leave_heap(place, false);
		count(ACG_SCHED_EMPTY);
		return false;
	}
	prepay(cpu, place);
	return true;
}

__noinline int take_shared(s32 cpu, u64 limit, u64 now)
{
	u32 place, try;

	bpf_for (try, 0, PICKS_MAX) {
		place = pick_group(limit);
		if (!place)
			return false;
		if (place != STALE && take_from(cpu, place, now))
			return true;
	}
	return false;
}

/* Moves the head of a CPU's own queue to its group's, to wait there for its quota. */
static void park_head(u64 queue, u32 limiter, u64 now)
{
	struct bpf_iter_scx_dsq___agentcg it;
	struct task_data *data = NULL;
	struct task_struct *p;

	bpf_iter_scx_dsq_new(&it, queue, 0);
	p = bpf_iter_scx_dsq_next(&it);
	if (p)
		data = data_of(p);
	if (data) {
		scx_bpf_dsq_move_set_vtime(&it, group_at(data->place)->task_time);
		if (scx_bpf_dsq_move_vtime(&it, p, QUEUE_GROUP | data->place, 0)) {
			enter_queue(data);
			park(data->place, limiter, now);
		}
	}
	bpf_iter_scx_dsq_destroy(&it);
}

/*
 * When the head of a CPU's own queue is due; 0: there is none. Those out of quota are put away
 * first.
 */
__noinline u64 pinned_head(s32 cpu, u64 now)
{
	u64 queue = QUEUE_CPU | cpu;
	struct task_struct *p;
	struct task_data *data;
	u32 limiter, try;

	bpf_for (try, 0, PICKS_MAX) {
		p = scx_bpf_dsq_peek(queue);
		if (!p)
			return 0;
		data = data_of(p);
		limiter = data ? out_of_quota(data->place, now) : ROOT;
		if (!limiter || (p->flags & PF_EXITING))
			return scx_of(p)->dsq_vtime;
		park_head(queue, limiter, now);
	}
	return 0;
}

/* A task of a CPU that went offline; the count only tells whether it is worth looking. */
static bool take_rescued(void)
{
	u32 seen = shared_read(n_rescued);

	if (!seen)
		return false;
	if (scx_bpf_dsq_move_to_local(QUEUE_RESCUE))
		return true;
	if (!scx_bpf_dsq_nr_queued(QUEUE_RESCUE))
		__sync_val_compare_and_swap(&n_rescued, seen, 0);
	return false;
}

static bool take_pinned(s32 cpu_id, u64 key)
{
	struct acg_cpu *cpu = cpu_at(cpu_id);

	if (!scx_bpf_dsq_move_to_local(QUEUE_CPU | cpu_id))
		return false;
	if (!cpu->virtual_now || before(cpu->virtual_now, key))
		cpu->virtual_now = key;
	if (!shared_read(heap_size))
		advance(&virtual_now, key);
	return true;
}

__noinline int steal(s32 thief)
{
	u32 n_ids = scx_bpf_nr_cpu_ids(), cpu;

	bpf_for (cpu, 0, ACG_SCHED_CPUS) {
		if (cpu >= n_ids)
			break;
		if ((s32)cpu == thief || !scx_bpf_dsq_nr_queued(QUEUE_CPU | cpu))
			continue;
		if (scx_bpf_dsq_move_to_local(QUEUE_CPU | cpu)) {
			count(ACG_SCHED_STOLEN);
			return true;
		}
	}
	return false;
}

static bool keep(s32 cpu_id, struct task_struct *prev)
{
	struct acg_cpu *cpu = cpu_at(cpu_id);
	struct acg_group *group = group_at(cpu->place);
	u64 slice = slice_now(group, cpu->place);

	cpu->class = slice == SLICE_ALONE ? CLASS_ALONE : group->class;
	cpu->started = cpu->charged;
	cpu->paid = slice_cost(group);
	__sync_fetch_and_add(&group->tag, cpu->paid);
	arm_stop(cpu_id, cpu->place);
	cpu->granted = slice;
	scx_bpf_task_set_slice(prev, slice);
	places[cpu->place & GROUP_MASK].figures.slices++;
	count(ACG_SCHED_KEPT);
	return true;
}

/* The key with which prev would queue now; false: it may not go on. */
static bool prev_key(s32 cpu_id, struct task_struct *prev, u64 *key, u64 now)
{
	struct acg_cpu *cpu = cpu_at(cpu_id);
	struct acg_group *group = group_at(cpu->place);

	charge(prev, cpu_id);
	classify_if_old(cpu->place, now);
	if (cpu->yielded || out_of_quota(cpu->place, now))
		return false;
	bound_tag(group, is_pinned(prev));
	*key = key_of(group);
	return true;
}

/* `prev`: what runs and could go on; NULL: nothing. */
static void dispatch_next(s32 cpu, struct task_struct *prev)
{
	u64 now = scx_bpf_now(), own = virtual_now + (~0ULL >> 2), pinned;
	bool has_prev = prev && prev_key(cpu, prev, &own, now);

	pinned = shared_read(n_pinned) ? pinned_head(cpu, now) : 0;
	if (shared_read(heap_size) &&
	    take_shared(cpu, pinned && before(pinned, own) ? pinned : own, now))
		return;
	if (pinned && !before(own, pinned) && take_pinned(cpu, pinned))
		return;
	if (has_prev && keep(cpu, prev))
		return;
	if (shared_read(n_pinned))
		steal(cpu);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: where a task that is ready goes. */
#ifndef AGENTCG_BPF_SCHED_ENQUEUE_BPF_H
#define AGENTCG_BPF_SCHED_ENQUEUE_BPF_H

static void boost_refill(u64 now)
{
	u64 at = shared_read(boost_at);
	s64 most = BOOST_BUCKET * n_cpus, gain;

	if (now - at < MSEC || __sync_val_compare_and_swap(&boost_at, at, now) != at)
		return;
	gain = (now - at) * n_cpus / 2;
	if (gain > most - boost_left)
		gain = most - boost_left;
	__sync_fetch_and_add(&boost_left, gain);
}

static bool may_boost(struct task_struct *p, const struct acg_group *group, u32 place, u64 now)
{
	if (group->class != CLASS_LATENCY)
		return false;
	if (group->slowed || ((p->flags & PF_MEMALLOC) && group->priority != ACG_PRIORITY_HIGH)) {
		count(ACG_SCHED_BOOST_DENIED);
		return false;
	}
	boost_refill(now);
	if (shared_read(boost_left) > 0 && has_burst(group, inverse_share(place)))
		return true;
	count(ACG_SCHED_BOOST_SPENT);
	return false;
}

static bool is_victim(struct task_struct *p, u32 place, u32 cpu, u32 class)
{
	return cpu_at(cpu)->class > class && cpu_at(cpu)->place != place &&
	       bpf_cpumask_test_cpu(cpu, p->cpus_ptr);
}

/*
 * A CPU that runs something of a lower class, of another group: p's own if that will do, else batch
 * before normal; -1: none.
 */
__noinline int find_victim(struct task_struct *p __arg_trusted, u32 place, u32 class)
{
	u32 own = scx_bpf_task_cpu(p), n_ids = scx_bpf_nr_cpu_ids(), i;
	u32 lower = class < CLASS_NORMAL ? CLASS_NORMAL : class;
	s32 found = -1;

	if (is_victim(p, place, own, lower))
		return own;
	if (is_victim(p, place, own, class))
		found = own;
	bpf_for (i, 0, SCAN_CPUS) {
		u32 cpu = (own + 1 + i) % (n_ids ? n_ids : 1);

		if (i >= n_ids)
			break;
		if (is_victim(p, place, cpu, lower))
			return cpu;
		if (found < 0 && is_victim(p, place, cpu, class))
			found = cpu;
	}
	return found;
}

static void insert_local(struct task_struct *p, s32 cpu, u64 slice, u64 flags)
{
	scx_bpf_dsq_insert(p,
			   cpu < 0 ? SCX(dsq_id_flags, SCX_DSQ_LOCAL)
				   : SCX(dsq_id_flags, SCX_DSQ_LOCAL_ON) | cpu,
			   slice, flags);
}

/* Per-CPU kernel threads do the kernel's own work: they do not wait behind a batch slice. */
static void insert_kthread(struct task_struct *p, u64 flags)
{
	s32 cpu = scx_bpf_task_cpu(p);

	flags |= SCX(enq_flags, SCX_ENQ_HEAD);
	if (cpu_at(cpu)->class >= CLASS_BATCH)
		flags |= SCX(enq_flags, SCX_ENQ_PREEMPT);
	insert_local(p, -1, SLICE_NORMAL, flags);
}

static void note_pinned(struct task_data *data)
{
	if (!data || data->pinned)
		return;
	data->pinned = 1;
	__sync_fetch_and_add(&n_pinned, 1);
}

static void insert_pinned(struct task_struct *p, struct task_data *data, u64 slice, u64 flags)
{
	struct acg_group *group = group_at(data->place);
	s32 cpu = scx_bpf_task_cpu(p);
	u64 cost = slice * inverse_share(data->place) >> SHARE_SHIFT;
	u64 shift = key_of(group) - group->tag;

	bound_tag(group, true);
	note_pinned(data);
	data->prepaid += cost;
	scx_bpf_dsq_insert_vtime(p, QUEUE_CPU | cpu, slice,
				 __sync_fetch_and_add(&group->tag, cost) + shift, flags);
	count(ACG_SCHED_PINNED);
	if (scx_bpf_test_and_clear_cpu_idle(cpu))
		scx_bpf_kick_cpu(cpu, SCX(kick_flags, SCX_KICK_IDLE));
}

/* It waits from now on, if it does not already. */
static void note_wait(struct task_data *data, u64 now)
{
	if (data && !data->ready_at)
		data->ready_at = now;
}

static void enter_queue(struct task_data *data)
{
	if (data->queued)
		return;
	data->queued = data->place + 1;
	__sync_fetch_and_add(&group_at(data->place)->queued, 1);
}

static void leave_queue(struct task_data *data)
{
	if (data->pinned) {
		data->pinned = 0;
		__sync_fetch_and_sub(&n_pinned, 1);
	}
	if (!data->queued)
		return;
	__sync_fetch_and_sub(&group_at(data->queued - 1)->queued, 1);
	data->queued = 0;
}

static void insert_shared(struct task_struct *p, struct task_data *data, u64 slice, u64 flags)
{
	struct acg_group *group = group_at(data->place);
	u64 time = scx_of(p)->dsq_vtime, oldest = shared_read(group->task_time) - SLICE_NORMAL;

	if (before(time, oldest))
		time = oldest;
	enter_queue(data);
	scx_bpf_dsq_insert_vtime(p, QUEUE_GROUP | data->place, slice, time, flags);
}

/*
 * Who waits now ends the long slice of a group that was alone; `due`: or a batch task's.
 */
static void make_room(struct task_struct *p, u32 place, bool due)
{
	s32 cpu = find_victim(p, place, due ? CLASS_NORMAL : CLASS_BATCH);

	if (cpu < 0)
		return;
	cpu_at(cpu)->class = CLASS_NONE; /* the next one finds another */
	scx_bpf_kick_cpu(cpu, SCX(kick_flags, SCX_KICK_PREEMPT));
	count(ACG_SCHED_PREEMPTED);
}

static bool boost(struct task_struct *p, struct task_data *data, u64 flags, u64 now)
{
	const struct acg_group *group = group_at(data->place);
	s32 cpu;

	if (!may_boost(p, group, data->place, now))
		return false;
	cpu = find_victim(p, data->place, CLASS_LATENCY);
	if (cpu < 0)
		return false;
	cpu_at(cpu)->class = CLASS_LATENCY;
	data->boosted = 1;
	insert_local(p, cpu, SLICE_LATENCY, flags | SCX(enq_flags, SCX_ENQ_PREEMPT));
	count(ACG_SCHED_BOOSTED);
	return true;
}

static void enqueue_task(struct task_struct *p, struct task_data *data, u64 flags, u64 now)
{
	struct acg_group *group = group_at(data->place);
	bool woken = flags & SCX(enq_flags, SCX_ENQ_WAKEUP);
	bool due = woken && group->class != CLASS_BATCH && !before(virtual_now, group->tag);
	u32 limiter;

	if (p->flags & PF_EXITING) {
		insert_local(p, -1, SLICE_NORMAL, flags);
		return;
	}
	limiter = out_of_quota(data->place, now);
	if (limiter) {
		insert_shared(p, data, SLICE_NORMAL, flags);
		park(data->place, limiter, now);
		return;
	}
	if (flags & SCX(enq_flags, SCX_ENQ_LAST)) {
		insert_local(p, -1, slice_now(group, data->place), flags);
		return;
	}
	if (woken && boost(p, data, flags, now))
		return;
	if (is_pinned(p)) {
		insert_pinned(p, data, slice_of(group->class), flags);
		make_room(p, data->place, due);
		return;
	}
	insert_shared(p, data, slice_now(group, data->place), flags);
	bound_tag(group, false);
	if (queue_group(data->place) || due)
		make_room(p, data->place, due);
}

#endif

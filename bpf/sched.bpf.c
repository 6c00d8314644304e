/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The scheduler: CPU by agent, then by call, for the whole machine.
 *
 * Shares. Every cgroup with the cpu controller is a group; the tasks of the root cgroup are one
 * more, which weighs 100 for each ready task as under the fair class. What a group is entitled to
 * is compounded from the weights on its way to the root, each divided by the sum of those siblings
 * that have something ready at this moment:
 *
 *	root -+- agents (100) -+- a (100) --- call (100)	1/2 * 1/4 * 1
 *	      |                `- b (300) --- self (100)	1/2 * 3/4 * 1
 *	      `- system (100) 					1/2
 *
 * The sums change when a group gets its first ready task or loses its last. Instead of adding and
 * subtracting what is believed to have changed, contribute() looks at the group's state under a
 * lock and makes its part of the sum fit; whoever changes the state looks afterwards, so the last
 * to look is right whatever the order, and no error adds up. The share is compounded anew at each
 * charge and each queueing: that is a few divisions, cheaper than telling everybody that a cached
 * one is stale.
 *
 * Time. Groups compete in one virtual time, by start-time fair queueing. A group has a tag; running
 * for t moves its tag on by t / share. `virtual_now` is the tag of the group picked last, so it
 * advances at the pace of those who compete. A group that gets its first ready task starts at
 * virtual_now at the earliest: neither a hoard from sleeping, nor a debt of its own forgiven. When
 * a group is picked it is charged for a whole slice at once, which is put right when the task
 * stops: so a crowd of groups behind one low weight, woken together, is spread out by its real
 * share at once and cannot run all at the same tag. One that cannot use its share (fewer tasks than
 * CPUs) falls behind; beyond LAG_MAX it loses the claim. Within a group tasks have a virtual time
 * of their own, by their nice values.
 *
 *	heap of groups by tag		each group's queue by its tasks' time
 *	a/call  103  ----------------->	make 17, cc1 20, cc1 20
 *	b/self  110  ----------------->	node 4
 *	system  119  ----------------->	sshd 90, journald 95
 *
 * The heap is an array under one lock. The tag in it may be older than the group's; the pick puts
 * that right before it believes it.
 *
 * Classes. They shift a group's place in the heap by a constant, less than LAG_MAX, so that in the
 * long run nobody's share changes: `latency` is put ahead and `batch` behind, `latency` has short
 * slices and `batch` long ones. A task of a latency group that wakes takes the CPU from one of a
 * lower class at once, as long as its group's tag is not more than BOOST_BURST of its own running
 * ahead of virtual_now and all boosts of the machine together take at most half of its time. A
 * normal one takes a CPU from a batch one, if its group is not ahead. The class comes from the map
 * agentcg_groups, where the nearest entry upwards counts, and is looked up again when older than
 * CLASS_AGE.
 *
 * A normal group that nobody else waits with has long slices: short ones would only make its tasks
 * take turns more often. They end as soon as somebody else waits.
 *
 * Memory. A call that the memory side slows down (over its grant, delayed, throttled) pays four
 * times the virtual time for what it runs, so that it has a quarter of its share against whoever
 * competes, and is never boosted, nor is a task that reclaims memory, unless its agent has a high
 * priority.
 *
 * Limits. cpu.max and cpu.max.burst hold for every cgroup: what runs is subtracted from each
 * ancestor that has a quota, and overdrafts are taken off the next periods. When little is left, a
 * timer of the CPU ends the run, since the tick may be 10 ms away. A group that has run out, or one
 * below it, is parked on the list of that ancestor, whose timer refills it and takes it back into
 * the heap. cpu.idle is the least weight, and batch. An exiting task is never parked:
 * others may wait for what it holds.
 *
 * Affinity. A task that may not use every CPU goes to the queue of one CPU it may use, ordered by
 * its group's tag; the CPU takes the smaller of that and the heap's. A CPU with nothing to do takes
 * pinned tasks of others that it may run. Kernel threads of one CPU that wake go straight to it;
 * one that has used up a slice waits for its turn as any other.
 *
 * Places in the tables are handed out by cgroup_init() and taken back by cgroup_exit(). A group's
 * queue stays for the next cgroup in the same place. If the table is full, a cgroup shares its
 * parent's place, and if not even that can be noted, that of the root's tasks: never a mkdir that
 * fails because of us.
 */
#define BPF_NO_KFUNC_PROTOTYPES
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/scx.bpf.h"

/* In this order: each uses those before it. */
#include "bpf/groups.bpf.h"
#include "bpf/sched_state.bpf.h"
#include "bpf/sched_share.bpf.h"
#include "bpf/sched_heap.bpf.h"
#include "bpf/sched_quota.bpf.h"
#include "bpf/sched_enqueue.bpf.h"
#include "bpf/sched_pick.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* --- tasks run ------------------------------------------------------------------------------- */

SEC("struct_ops/acg_select_cpu")
s32 BPF_PROG(acg_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	bool idle = false;
	s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);
	struct task_data *data;

	if (!idle)
		return cpu;
	if (shared_read(n_limited)) {
		data = data_of(p);
		if (!data || out_of_quota(data->place, scx_bpf_now()))
			return cpu;
	}
	insert_local(p, -1, SLICE_ALONE, 0);
	count(ACG_SCHED_DIRECT);
	return cpu;
}

SEC("struct_ops/acg_enqueue")
void BPF_PROG(acg_enqueue, struct task_struct *p, u64 enq_flags)
{
	struct task_data *data = data_of(p);
	u64 now;

	if (!data) {
		scx_bpf_dsq_insert(p, SCX(dsq_id_flags, SCX_DSQ_LOCAL), SLICE_NORMAL, enq_flags);
		return;
	}
	now = scx_bpf_now();
	note_wait(data, now);
	if (p->nr_cpus_allowed == 1 && (p->flags & PF_KTHREAD) &&
	    (enq_flags & SCX(enq_flags, SCX_ENQ_WAKEUP)))
		insert_kthread(p, enq_flags);
	else
		enqueue_task(p, data, enq_flags, now);
}

SEC("struct_ops/acg_dispatch")
void BPF_PROG(acg_dispatch, s32 cpu, struct task_struct *prev)
{
	if (take_rescued())
		return;
	if (prev &&
	    (!(scx_of(prev)->flags & SCX(ent_flags, SCX_TASK_QUEUED)) || !cpu_at(cpu)->place))
		prev = NULL;
	dispatch_next(cpu, prev);
}

SEC("struct_ops/acg_tick")
void BPF_PROG(acg_tick, struct task_struct *p)
{
	s32 cpu = scx_bpf_task_cpu(p);
	u32 place = cpu_at(cpu)->place;

	if (!shared_read(n_limited) || !place)
		return;
	charge(p, cpu);
	if (out_of_quota(place, scx_bpf_now()) && !(p->flags & PF_EXITING))
		scx_bpf_task_set_slice(p, 0);
}

SEC("struct_ops/acg_runnable")
void BPF_PROG(acg_runnable, struct task_struct *p, u64 enq_flags)
{
	struct task_data *data = data_of(p);
	struct acg_group *group;
	u64 now;
	bool first;

	if (!data)
		return;
	now = scx_bpf_now();
	group = group_at(data->place);
	data->ready_at = now;
	classify_if_old(data->place, now);
	first = __sync_fetch_and_add(&group->ready, 1) == 0;
	if (first)
		advance(&group->tag, virtual_start(p));
	if (first || data->place == ROOT_TASKS)
		contribute_upwards(data->place);
}

/* What the CPU that runs p is to others. A long slice was given before anybody else waited. */
static u32 class_now(struct task_struct *p, const struct acg_group *group, u32 place)
{
	u64 slice = slice_of(group->class);

	if (scx_of(p)->slice <= slice)
		return group->class;
	if (slice_now(group, place) == SLICE_ALONE)
		return CLASS_ALONE;
	scx_bpf_task_set_slice(p, slice);
	return group->class;
}

SEC("struct_ops/acg_running")
void BPF_PROG(acg_running, struct task_struct *p)
{
	s32 cpu_id = scx_bpf_task_cpu(p);
	struct acg_cpu *cpu = cpu_at(cpu_id);
	struct task_data *data = data_of(p);
	struct acg_sched_figures *figures;
	struct acg_group *group;

	cpu->place = ROOT;
	if (!data)
		return;
	group = group_at(data->place);
	figures = &places[data->place & GROUP_MASK].figures;
	leave_queue(data);
	cpu->place = data->place;
	cpu->class = class_now(p, group, data->place);
	cpu->boosted = data->boosted;
	data->boosted = 0;
	cpu->yielded = 0;
	cpu->slept = 0;
	cpu->charged = cpu->started = p->se.sum_exec_runtime;
	cpu->granted = scx_of(p)->slice;
	cpu->paid = data->prepaid;
	data->prepaid = 0;
	if (cpu->prepaid && cpu->prepaid_by == data->place) {
		cpu->paid += cpu->prepaid;
		cpu->prepaid = 0;
	}
	if (data->ready_at)
		__sync_fetch_and_add(&figures->wait_ns, scx_bpf_now() - data->ready_at);
	data->ready_at = 0;
	advance(&group->task_time, scx_of(p)->dsq_vtime);
	arm_stop(cpu_id, data->place);
	__sync_fetch_and_add(&figures->slices, 1);
}

static void no_longer_ready(u32 place)
{
	bool last = __sync_fetch_and_sub(&group_at(place)->ready, 1) == 1;

	if (last || place == ROOT_TASKS)
		contribute_upwards(place);
}

SEC("struct_ops/acg_stopping")
void BPF_PROG(acg_stopping, struct task_struct *p, bool runnable)
{
	s32 cpu_id = scx_bpf_task_cpu(p);
	struct acg_cpu *cpu = cpu_at(cpu_id);
	u32 place = cpu->place;

	if (!place)
		return;
	charge(p, cpu_id);
	cpu->place = ROOT;
	cpu->class = CLASS_NONE;
	cpu->limited = 0;
	if (!runnable) {
		/* It used less than was prepaid: the others come sooner. */
		if (group_at(place)->queued > 0)
			queue_group(place);
		no_longer_ready(place);
		cpu->slept = p->pid;
		return;
	}
	if (scx_of(p)->slice) /* it stays at the head of its CPU's queue, without enqueue() */
		note_wait(data_of(p), scx_bpf_now());
	if (!cpu->yielded && cpu->charged - cpu->started < cpu->granted)
		__sync_fetch_and_add(&places[place & GROUP_MASK].figures.preemptions, 1);
}

/* Of a task that ran until now, stopping() has seen to it all. */
SEC("struct_ops/acg_quiescent")
void BPF_PROG(acg_quiescent, struct task_struct *p, u64 deq_flags)
{
	struct acg_cpu *cpu = cpu_at(scx_bpf_task_cpu(p));
	struct task_data *data;

	if (cpu->slept == p->pid) {
		cpu->slept = 0;
		return;
	}
	data = data_of(p);
	if (!data)
		return;
	leave_queue(data);
	if (data->prepaid) { /* it was queued and never ran */
		__sync_fetch_and_sub(&group_at(data->place)->tag, data->prepaid);
		data->prepaid = 0;
	}
	if (data->ready_at)
		__sync_fetch_and_add(&places[data->place & GROUP_MASK].figures.wait_ns,
				     scx_bpf_now() - data->ready_at);
	data->ready_at = 0;
	no_longer_ready(data->place);
}

SEC("struct_ops/acg_yield")
bool BPF_PROG(acg_yield, struct task_struct *from, struct task_struct *to)
{
	struct acg_cpu *cpu = cpu_at(scx_bpf_task_cpu(from));

	if (!cpu->place)
		return false;
	/* Behind the other tasks of its group, as if it had used its slice. */
	cpu->yielded = 1;
	scx_bpf_task_set_dsq_vtime(from, group_at(cpu->place)->task_time + SLICE_NORMAL);
	scx_bpf_task_set_slice(from, 0);
	return false;
}

/* --- tasks and cgroups come and go ----------------------------------------------------------- */

static u32 place_of(struct cgroup *cgroup)
{
	u64 id = cgroup->kn->id;
	u32 *place = bpf_map_lookup_elem(&sched_places, &id);

	return place ? *place : ROOT_TASKS;
}

SEC("struct_ops/acg_init_task")
s32 BPF_PROG(acg_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	struct scx_init_task_args___agentcg *task_args = (void *)args;
	struct task_data *data =
		bpf_task_storage_get(&sched_tasks, p, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!data)
		return -ENOMEM;
	data->place = place_of(task_args->cgroup);
	scx_bpf_task_set_dsq_vtime(p, group_at(data->place)->task_time);
	return 0;
}

SEC("struct_ops/acg_cgroup_move")
void BPF_PROG(acg_cgroup_move, struct task_struct *p, struct cgroup *from, struct cgroup *to)
{
	struct task_data *data = data_of(p);

	if (!data)
		return;
	data->place = place_of(to);
	scx_bpf_task_set_dsq_vtime(p, group_at(data->place)->task_time);
}

static u32 take_place(void)
{
	u32 place = 0;

	bpf_spin_lock(&tree_lock);
	if (free_place) {
		place = free_place;
		free_place = group_at(place)->next;
	} else if (places_used < ACG_SCHED_GROUPS) {
		place = places_used++;
	}
	bpf_spin_unlock(&tree_lock);
	return place;
}

static u32 parent_place(struct cgroup *cgroup)
{
	struct cgroup *parent;
	u32 place;

	parent = bpf_cgroup_ancestor(cgroup, cgroup->level - 1);
	if (!parent)
		return ROOT;
	place = place_of(parent);
	bpf_cgroup_release(parent);
	return place == ROOT_TASKS ? ROOT : place;
}

static void start_place(u32 place, u32 parent, u64 id, struct scx_cgroup_init_args *args)
{
	struct scx_cgroup_init_args___agentcg *with = (void *)args;
	struct acg_group *group = group_at(place);
	struct acg_sched_place *seen = &places[place & GROUP_MASK];

	group->tag = virtual_now;
	group->task_time = 0;
	group->sum = group->contribution = 0;
	group->inverse = 1 << SHARE_SHIFT;
	group->ready = group->queued = 0;
	group->parent = parent;
	group->next = group->gone = 0;
	group->class = CLASS_NONE;
	group->slowed = 0;
	group->priority = ACG_PRIORITY_NORMAL;
	group->weight = with->weight * WEIGHT_SCALE;
	group->idle = bpf_core_field_exists(with->sched_idle) ? with->sched_idle : 0;
	__builtin_memset(&seen->figures, 0, sizeof(seen->figures));
	seen->parent = parent;
	seen->level = places[parent & GROUP_MASK].level + 1;
	seen->cgroup = id;
	if (with->bw_quota_us != ~0ULL)
		set_quota(place, with->bw_period_us, with->bw_quota_us, with->bw_burst_us);
}

static s32 start_root(u64 id)
{
	u32 place = ROOT_TASKS;

	groups[ROOT_TASKS].weight = 100 * WEIGHT_SCALE;
	places[ROOT_TASKS].cgroup = id;
	if (scx_bpf_create_dsq(QUEUE_GROUP | place, -1))
		return -ENOMEM;
	return bpf_map_update_elem(&sched_places, &id, &place, BPF_ANY);
}

SEC("struct_ops.s/acg_cgroup_init")
s32 BPF_PROG(acg_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args *args)
{
	u64 id = cgrp->kn->id;
	u32 parent, place, own;

	if (!cgrp->level)
		return start_root(id);
	parent = parent_place(cgrp);
	place = take_place();
	if (place && !group_at(place)->has_queue) {
		if (scx_bpf_create_dsq(QUEUE_GROUP | place, -1)) {
			give_back(place);
			place = 0;
		} else {
			group_at(place)->has_queue = 1;
		}
	}
	own = place;
	if (!own)
		place = parent ? parent : ROOT_TASKS;
	if (bpf_map_update_elem(&sched_places, &id, &place, BPF_ANY) && own) {
		give_back(own);
		own = 0;
	}
	if (own)
		start_place(own, parent, id, args);
	else
		count(ACG_SCHED_NO_PLACE);
	return 0;
}

/* What a removed cgroup's tasks did goes to its parent's figures. */
static void bequeath(u32 place)
{
	struct acg_sched_place *gone = &places[place & GROUP_MASK];
	struct acg_sched_figures *to = &places[gone->parent & GROUP_MASK].figures;

	__sync_fetch_and_add(&to->run_ns, gone->figures.run_ns);
	__sync_fetch_and_add(&to->wait_ns, gone->figures.wait_ns);
	__sync_fetch_and_add(&to->slices, gone->figures.slices);
	__sync_fetch_and_add(&to->preemptions, gone->figures.preemptions);
	gone->cgroup = 0;
}

SEC("struct_ops/acg_cgroup_exit")
void BPF_PROG(acg_cgroup_exit, struct cgroup *cgrp)
{
	u64 id = cgrp->kn->id;
	u32 place = place_of(cgrp), i;
	struct acg_group *group = group_at(place);

	bpf_map_delete_elem(&sched_places, &id);
	if (place <= ROOT_TASKS || places[place & GROUP_MASK].cgroup != id)
		return;
	if (group->quota)
		set_quota(place, group->period / 1000, ~0ULL, 0);
	bpf_for (i, 0, ACG_SCHED_GROUPS) {
		if (!unpark_one(place))
			break;
	}
	leave_heap(place, true);
	bequeath(place);
	give_back_unparked(place);
}

/* --- knobs ----------------------------------------------------------------------------------- */

/*
 * What the group is ahead by was reckoned by its old weight: it becomes what the new one makes of
 * the same running.
 */
static void rescale_lead(u32 place, u64 inverse_before)
{
	struct acg_group *group = group_at(place);
	s64 lead = group->tag - shared_read(virtual_now), most = AHEAD_MAX * n_cpus, rescaled;

	if (lead <= 0)
		return;
	rescaled = (u64)lead / inverse_before * inverse_share(place);
	if (rescaled > most)
		rescaled = most;
	__sync_fetch_and_add(&group->tag, rescaled - lead);
	if (group->queued > 0)
		queue_group(place);
}

static void reweigh(u32 place, u32 weight, bool idle)
{
	struct acg_group *group = group_at(place);
	u64 inverse = inverse_share(place);

	group->weight = weight;
	group->idle = idle;
	contribute_upwards(place);
	rescale_lead(place, inverse);
}

SEC("struct_ops/acg_cgroup_set_weight")
void BPF_PROG(acg_cgroup_set_weight, struct cgroup *cgrp, u32 weight)
{
	u32 place = place_of(cgrp);

	if (place <= ROOT_TASKS || places[place & GROUP_MASK].cgroup != cgrp->kn->id)
		return;
	reweigh(place, weight * WEIGHT_SCALE, group_at(place)->idle);
}

SEC("struct_ops/acg_cgroup_set_bandwidth")
void BPF_PROG(acg_cgroup_set_bandwidth, struct cgroup *cgrp, u64 period_us, u64 quota_us,
	      u64 burst_us)
{
	u32 place = place_of(cgrp);

	if (place > ROOT_TASKS && places[place & GROUP_MASK].cgroup == cgrp->kn->id)
		set_quota(place, period_us, quota_us, burst_us);
}

SEC("struct_ops/acg_cgroup_set_idle")
void BPF_PROG(acg_cgroup_set_idle, struct cgroup *cgrp, bool idle)
{
	u32 place = place_of(cgrp);

	if (place <= ROOT_TASKS || places[place & GROUP_MASK].cgroup != cgrp->kn->id)
		return;
	group_at(place)->class = CLASS_NONE; /* looked up anew */
	reweigh(place, group_at(place)->weight, idle);
}

/* --- the machine ----------------------------------------------------------------------------- */

SEC("struct_ops/acg_cpu_online")
void BPF_PROG(acg_cpu_online, s32 cpu)
{
	__sync_fetch_and_add(&n_cpus, 1);
}

/* What was queued for the CPU alone is taken by whoever looks first. */
SEC("struct_ops/acg_cpu_offline")
void BPF_PROG(acg_cpu_offline, s32 cpu)
{
	struct bpf_iter_scx_dsq___agentcg it;
	struct task_struct *p;

	__sync_fetch_and_sub(&n_cpus, 1);
	cpu_at(cpu)->class = CLASS_NONE;
	bpf_iter_scx_dsq_new(&it, QUEUE_CPU | cpu, 0);
	while ((p = bpf_iter_scx_dsq_next(&it))) {
		if (!scx_bpf_dsq_move_vtime(&it, p, QUEUE_RESCUE, 0))
			continue;
		__sync_fetch_and_add(&n_rescued, 1);
		count(ACG_SCHED_RESCUED);
	}
	bpf_iter_scx_dsq_destroy(&it);
}

static s32 start_cpu(u32 cpu)
{
	struct stop *stop = bpf_map_lookup_elem(&sched_stops, &cpu);

	if (!stop)
		return -ENOMEM;
	bpf_timer_init(&stop->timer, &sched_stops, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&stop->timer, on_stop);
	return scx_bpf_create_dsq(QUEUE_CPU | cpu, -1);
}

SEC("struct_ops.s/acg_init")
s32 BPF_PROG(acg_init)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	u32 n_ids = scx_bpf_nr_cpu_ids(), cpu;
	s32 rc = scx_bpf_create_dsq(QUEUE_RESCUE, -1);

	n_cpus = bpf_cpumask_weight(online);
	scx_bpf_put_cpumask(online);
	virtual_now = 1000 * MSEC * ACG_SCHED_CPUS; /* tags are never near 0 */
	bpf_for (cpu, 0, ACG_SCHED_CPUS) {
		if (rc || cpu >= n_ids)
			break;
		rc = start_cpu(cpu);
	}
	return rc;
}

SEC("struct_ops.s/acg_exit")
void BPF_PROG(acg_exit, struct scx_exit_info *info)
{
	struct scx_exit_info___agentcg *why = (void *)info;
	struct acg_sched_exit *record = bpf_ringbuf_reserve(&sched_events, sizeof(*record), 0);

	if (!record)
		return;
	record->kind = why->kind;
	record->code = why->exit_code;
	record->unused = 0;
	bpf_probe_read_kernel_str(record->reason, sizeof(record->reason), why->reason);
	bpf_probe_read_kernel_str(record->message, sizeof(record->message), why->msg);
	bpf_ringbuf_submit(record, 0);
}

SEC(".struct_ops.link")
struct sched_ext_ops___agentcg agentcg_sched = {
	.select_cpu = (void *)acg_select_cpu,
	.enqueue = (void *)acg_enqueue,
	.dispatch = (void *)acg_dispatch,
	.tick = (void *)acg_tick,
	.runnable = (void *)acg_runnable,
	.running = (void *)acg_running,
	.stopping = (void *)acg_stopping,
	.quiescent = (void *)acg_quiescent,
	.yield = (void *)acg_yield,
	.init_task = (void *)acg_init_task,
	.cgroup_init = (void *)acg_cgroup_init,
	.cgroup_exit = (void *)acg_cgroup_exit,
	.cgroup_move = (void *)acg_cgroup_move,
	.cgroup_set_weight = (void *)acg_cgroup_set_weight,
	.cgroup_set_bandwidth = (void *)acg_cgroup_set_bandwidth,
	.cgroup_set_idle = (void *)acg_cgroup_set_idle,
	.cpu_online = (void *)acg_cpu_online,
	.cpu_offline = (void *)acg_cpu_offline,
	.init = (void *)acg_init,
	.exit = (void *)acg_exit,
	.flags = SCX_OPS_ENQ_LAST___agentcg | SCX_OPS_ENQ_EXITING___agentcg,
	.timeout_ms = 30000,
	.name = ACG_SCHED_NAME,
};

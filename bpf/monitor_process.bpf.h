/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of monitor.bpf.c: processes are forked, run another program, and exit with a status or by a signal.
 *
 * Always told is the exit of a call's own process (acg_group_entry.pid): nobody else may wait for it and say how it went. All
 * else only as far as user space asks for it (`agentcg_figures`).
 *
 * Records of one process come in the order in which things happened, since they are made by itself, or by its parent before it
 * runs. Each carries a number that counts those left out as well, so that a gap shows. It is kept with the leader of the thread
 * group, as is whether the exit was told: several threads may exit at the same moment and all find that nobody is left.
 *
 * Newer kernels may take a task off its CPU in the middle of a program, and leave the program out for whoever comes to its
 * tracepoint on that CPU meanwhile; the kernel counts that. Not so where the program is run by way of perf, which keeps the CPU: exec
 * and exit are told that way where tracefs is mounted, which it needs. A fork cannot be, since only the program that is given the
 * child itself can tell a process from a thread.
 */
#ifndef AGENTCG_BPF_MONITOR_PROCESS_BPF_H
#define AGENTCG_BPF_MONITOR_PROCESS_BPF_H

#define SIGNAL_GROUP_EXIT 4 /* signal->group_exit_code counts */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acg_bpf_exec);
} agentcg_exec SEC(".maps");

static bool wanted(__u32 what, const struct acg_group_entry *entry)
{
	return asked_for(what) && (entry->kind == ACG_KIND_SELF || asked_for(ACG_WATCH_CALLS));
}

static __u32 next_number(struct task_data *data)
{
	return data ? __sync_fetch_and_add(&data->sequence, 1) + 1 : 0;
}

static void describe(struct acg_bpf_event *event, struct task_struct *leader, __u32 number)
{
	event->pid = BPF_CORE_READ(leader, tgid);
	event->parent = BPF_CORE_READ(leader, real_parent, tgid);
	event->start_ns = BPF_CORE_READ(leader, start_boottime);
	event->sequence = number;
	bpf_core_read_str(event->comm, sizeof(event->comm), &leader->comm);
}

static __always_inline int tell_fork(struct task_struct *parent, struct task_struct *child)
{
	struct acg_bpf_event *event;
	struct group group;
	__u64 now;
	__u32 number;

	if (!asked_for(ACG_WATCH_FORKS) || child->pid != child->tgid)
		return 0; /* a thread */
	if (!group_of(child, &group) || !wanted(ACG_WATCH_FORKS, group.entry))
		return 0;
	number = next_number(
		bpf_task_storage_get(&agentcg_tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE));
	now = bpf_ktime_get_ns();
	if (!may_tell(&group, now))
		return 0;
	event = event_new(ACG_BPF_FORK, group.id, now);
	if (!event)
		return 0;
	describe(event, child, number);
	event->parent = parent->tgid;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(acg_fork, struct task_struct *parent, struct task_struct *child)
{
	return tell_fork(parent, child);
}

/* What the kernel has just put on the new program's stack: resident, so that it can be read from here. */
static __u32 read_args(struct task_struct *task, char *args)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 start = BPF_CORE_READ(mm, arg_start);
	__u64 length = BPF_CORE_READ(mm, arg_end) - start;

	if (length > ACG_ARGS_MAX)
		length = ACG_ARGS_MAX;
	if (!length || bpf_probe_read_user(args, length, (void *)start) < 0)
		return 0;
	return length;
}

static __always_inline int tell_exec(struct task_struct *task)
{
	struct acg_bpf_exec *exec;
	__u32 zero = 0, number;
	struct group group;
	__u64 now, length;

	if (!asked_for(ACG_WATCH_EXECS))
		return 0;
	if (!group_of(task, &group) || !wanted(ACG_WATCH_EXECS, group.entry))
		return 0;
	number = next_number(
		bpf_task_storage_get(&agentcg_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE));
	now = bpf_ktime_get_ns();
	exec = bpf_map_lookup_elem(&agentcg_exec, &zero);
	if (!exec || !may_tell(&group, now))
		return 0;
	__builtin_memset(&exec->event, 0, sizeof(exec->event));
	exec->event.time_ns = now;
	exec->event.cgroup = group.id;
	exec->event.type = ACG_BPF_EXEC;
	describe(&exec->event, task, number);
	length = read_args(task, exec->args);
	exec->event.args_len = length;
	if (length > ACG_ARGS_MAX) /* for the verifier */
		return 0;
	if (bpf_ringbuf_output(&agentcg_events, exec, sizeof(exec->event) + length, 0) < 0)
		__sync_fetch_and_add(&dropped, 1);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(acg_exec, struct task_struct *task)
{
	return tell_exec(task);
}

SEC("tp/sched/sched_process_exec")
int acg_exec_perf(void *context)
{
	return tell_exec(bpf_get_current_task_btf());
}

/* As wait(2) gives it. */
static __u32 exit_code_of(struct task_struct *leader)
{
	if (BPF_CORE_READ(leader, signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(leader, signal, group_exit_code);
	return BPF_CORE_READ(leader, exit_code);
}

/* Since 6.16 a process still has its memory here. */
static __u64 peak_of(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__u64 peak, now;

	if (!mm)
		return 0;
	peak = BPF_CORE_READ(mm, hiwater_rss) * page_kib;
	now = rss_kib(mm, MM_ANONPAGES) + rss_kib(mm, MM_FILEPAGES) + rss_kib(mm, MM_SHMEMPAGES);
	return peak > now ? peak : now;
}

static __always_inline int tell_exit(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	struct acg_bpf_event *event;
	struct task_data *data;
	struct group group;
	__u32 number;
	__u64 now;

	if (BPF_CORE_READ(task, signal, live.counter) || !group_of(task, &group))
		return 0;
	if ((!group.entry->pid || group.entry->pid != (__u32)task->tgid) &&
	    !wanted(ACG_WATCH_EXITS, group.entry))
		return 0;
	data = bpf_task_storage_get(&agentcg_tasks, leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (data && __sync_val_compare_and_swap(&data->exited, 0, 1))
		return 0;
	number = next_number(data);
	now = bpf_ktime_get_ns();
	if (!may_tell(&group, now))
		return 0;
	event = event_new(ACG_BPF_EXIT, group.id, now);
	if (!event)
		return 0;
	describe(event, leader, number);
	event->exit_code = exit_code_of(leader);
	event->peak_kib = peak_of(task);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(acg_exit, struct task_struct *task)
{
	return tell_exit(task);
}

SEC("tp/sched/sched_process_exit")
int acg_exit_perf(void *context)
{
	return tell_exit(bpf_get_current_task_btf());
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of monitor.bpf.c: who the victim of each OOM kill was, so that nobody has to infer it from an exit status (137 may be
 * anybody's SIGKILL). Every kill goes through mark_oom_victim(): of the task chosen and, with memory.oom.group, of each other
 * process of the group.
 *
 * mark_oom_victim() is also called for a task that was exiting anyway when memory ran out. That is no kill; it is told apart by
 * the exit code of the thread group, which the SIGKILL sent just before has set for a real victim.
 *
 * Two programs do this from different places; the loader takes the first that the running kernel has: the tracepoint if it
 * passes the task (since 6.10; before that only a pid), else the function.
 */
#ifndef AGENTCG_BPF_MONITOR_OOM_BPF_H
#define AGENTCG_BPF_MONITOR_OOM_BPF_H

#define SIGKILL 9

static int report_victim(struct task_struct *task)
{
	struct acg_bpf_event *event;
	struct mm_struct *mm;
	struct group group;

	if ((BPF_CORE_READ(task, signal, group_exit_code) & 0x7f) != SIGKILL)
		return 0;
	if (!group_of(task, &group))
		return 0;
	event = event_new(ACG_BPF_OOM_KILL, group.id, bpf_ktime_get_ns());
	if (!event)
		return 0;
	mm = BPF_CORE_READ(task, mm);
	event->pid = BPF_CORE_READ(task, tgid);
	event->total_vm_kib = BPF_CORE_READ(mm, total_vm) * page_kib;
	event->anon_rss_kib = rss_kib(mm, MM_ANONPAGES);
	event->file_rss_kib = rss_kib(mm, MM_FILEPAGES);
	event->shmem_rss_kib = rss_kib(mm, MM_SHMEMPAGES);
	bpf_core_read_str(event->comm, sizeof(event->comm), &task->comm);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(acg_victim_tracepoint, struct task_struct *task)
{
	return report_victim(task);
}

SEC("fentry/mark_oom_victim")
int BPF_PROG(acg_victim_function, struct task_struct *task)
{
	/* memory.oom.group kills the first victim twice; the tracepoint comes only once. */
	if (BPF_CORE_READ(task, signal, oom_mm))
		return 0;
	return report_victim(task);
}

#endif

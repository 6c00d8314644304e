/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor: tells user space who the victim of each OOM kill inside an agent was, so that nobody
 * has to infer it from an exit status (137 may be anybody's SIGKILL).
 *
 * User space keeps `agentcg_groups`: one entry for each agent, its self and its calls, keyed by
 * cgroup id. When the kernel marks a task as an OOM victim (mark_oom_victim(), which every kill
 * goes through: the task chosen and, with memory.oom.group, each other process of the group), we
 * take the task's cgroup on the v2 hierarchy and walk towards the root until a cgroup is in the
 * map. The task may be deeper than that: a call can make cgroups inside itself, as a container
 * engine does. The first entry met is what the victim belongs to. No entry: not ours, nothing is
 * reported. What is found goes to the ring buffer `agentcg_events`; if that is full, the record is
 * dropped and counted.
 *
 * mark_oom_victim() is also called for a task that was exiting anyway when memory ran out. That is
 * no kill; it is told apart by the exit code of the thread group, which the SIGKILL sent just
 * before has set for a real victim.
 *
 * Two programs do this from different places; the loader takes the first that the running kernel
 * has: the tracepoint if it passes the task (since 6.10; before that only a pid), else the
 * function.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/agentcg_bpf.h"

/* After what they use. */
#include "bpf/events.bpf.h"
#include "bpf/groups.bpf.h"

/* Cgroups looked at on the way up: sub-agents, a call, what is nested in it. */
#define LEVELS_MAX 32
#define SIGKILL    9

char LICENSE[] SEC("license") = "GPL";

const volatile __u64 page_kib = 4; /* KiB in a page; set by the loader */

/* The id of the nearest cgroup, from the task's own upwards, that is in the map; 0: none. */
static __u64 known_group(struct task_struct *task)
{
	struct cgroup *cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp);
	int level;

	for (level = 0; level < LEVELS_MAX && cgroup; level++) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);
		struct cgroup_subsys_state *parent;

		if (bpf_map_lookup_elem(&agentcg_groups, &id))
			return id;
		parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break;
		cgroup = (void *)parent - bpf_core_field_offset(struct cgroup, self);
	}
	return 0;
}

/* One of the counters that the OOM report in the kernel's log shows, in KiB; 0 where unknown. */
static __u64 rss_kib(struct mm_struct *mm, int counter)
{
	__s64 pages = 0;

	if (bpf_core_field_exists(mm->rss_stat[0].count))
		pages = BPF_CORE_READ(mm, rss_stat[counter].count);
	return pages > 0 ? pages * page_kib : 0;
}

static int report_victim(struct task_struct *task)
{
	struct acg_bpf_event *event;
	struct mm_struct *mm;
	__u64 group;

	if ((BPF_CORE_READ(task, signal, group_exit_code) & 0x7f) != SIGKILL)
		return 0;
	group = known_group(task);
	if (!group)
		return 0;
	event = event_new(ACG_BPF_OOM_KILL, group, bpf_ktime_get_ns());
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of monitor.bpf.c: who a task belongs to, and how much may be told of it.
 *
 * A process that forks as fast as it can must neither keep user space busy nor crowd out what matters. So records of processes
 * are counted in windows of a quarter of a second, for each agent at the top (with all that is below it: more sub-agents are no
 * way to more records) and for all agents together; past either bound they are left out and counted. The last quarter of the
 * ring buffer is not for them. Windows are counted without a lock: at the turn of one a few records more may pass.
 */
#ifndef AGENTCG_BPF_MONITOR_GROUP_BPF_H
#define AGENTCG_BPF_MONITOR_GROUP_BPF_H

/* Cgroups looked at on the way up: sub-agents, a call, what is nested in it. */
#define LEVELS_MAX      32
#define AGENT_DEPTH_MAX 8
#define NS_PER_MS       1000000ULL
#define NS_PER_SEC      (1000 * NS_PER_MS)
#define WINDOW_NS       (250 * NS_PER_MS)
#define ALL_AGENTS      0ULL /* key of their common window: no cgroup has this id */

struct window {
	__u64 number;
	__u32 count;
	__u32 unused;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* of an agent at the top */
	__type(value, struct window);
} agentcg_windows SEC(".maps");

/* What is kept of a task; the first three of the leader of its thread group only. */
struct task_data {
	__u32 sequence;
	__u32 exited;
	__u64 stall_ns; /* since when it waits for memory; 0: it does not */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_data);
} agentcg_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct acg_monitor_figures);
} agentcg_figures SEC(".maps");

const volatile __u64 page_kib = 4; /* KiB in a page; set by the loader */
__u64 left_out;                    /* records of processes past a bound */

/* Set by user space, at any time. */
static const struct acg_monitor_figures *figures_now(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&agentcg_figures, &zero);
}

static bool asked_for(__u32 what)
{
	const struct acg_monitor_figures *figures = figures_now();

	return figures && figures->processes & what;
}

/* A group, by its entry in the map. */
struct group {
	__u64 id;
	struct acg_group_entry *entry;
};

/* The nearest cgroup, from this one upwards, that is in the map. */
static bool group_of_cgroup(struct cgroup *cgroup, struct group *group)
{
	int level;

	for (level = 0; level < LEVELS_MAX && cgroup; level++) {
		__u64 id = BPF_CORE_READ(cgroup, kn, id);
		struct acg_group_entry *entry = bpf_map_lookup_elem(&agentcg_groups, &id);
		struct cgroup_subsys_state *parent;

		if (entry) {
			*group = (struct group){id, entry};
			return true;
		}
		parent = BPF_CORE_READ(cgroup, self.parent);
		if (!parent)
			break;
		cgroup = (void *)parent - bpf_core_field_offset(struct cgroup, self);
	}
	return false;
}

static bool group_of(struct task_struct *task, struct group *group)
{
	return group_of_cgroup(BPF_CORE_READ(task, cgroups, dfl_cgrp), group);
}

static __u64 top_agent(const struct acg_group_entry *entry)
{
	__u64 agent = entry->agent, parent;
	int level;

	for (level = 0; level < AGENT_DEPTH_MAX; level++) {
		entry = bpf_map_lookup_elem(&agentcg_groups, &agent);
		if (!entry || !entry->parent)
			break;
		parent = entry->parent;
		agent = parent;
	}
	return agent;
}

/* False if `key` has had `most` in this window. */
static bool within(__u64 key, __u32 most, __u64 now)
{
	struct window *window = bpf_map_lookup_elem(&agentcg_windows, &key);
	__u64 number = now / WINDOW_NS;

	if (!window) {
		struct window fresh = {.number = number, .count = 1};

		return bpf_map_update_elem(&agentcg_windows, &key, &fresh, BPF_ANY) == 0;
	}
	if (window->number != number) {
		window->number = number;
		window->count = 0;
	}
	return __sync_fetch_and_add(&window->count, 1) < most;
}

/* True if a record of a process of this group may be made; else that is counted. */
static bool may_tell(const struct group *group, __u64 now)
{
	if (bpf_ringbuf_query(&agentcg_events, BPF_RB_AVAIL_DATA) > ACG_RING_BYTES / 4 * 3) {
		__sync_fetch_and_add(&dropped, 1);
		return false;
	}
	if (within(top_agent(group->entry), ACG_PROCESS_EVENTS, now) &&
	    within(ALL_AGENTS, ACG_PROCESS_EVENTS_ALL, now))
		return true;
	__sync_fetch_and_add(&left_out, 1);
	return false;
}

/* The resident memory of a process by kind, as the OOM report in the kernel's log shows it, in KiB; 0 where unknown. */
static __u64 rss_kib(struct mm_struct *mm, int counter)
{
	__s64 pages = 0;

	if (bpf_core_field_exists(mm->rss_stat[0].count))
		pages = BPF_CORE_READ(mm, rss_stat[counter].count);
	return pages > 0 ? pages * page_kib : 0;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of monitor.bpf.c: memory that is charged, limits that are reached, and time lost to both.
 *
 * Growth. page_counter_try_charge() is what a charge comes to that got past the per-CPU stock: every 256 KiB, or each huge page.
 * Counters of other things come here too; only the one of the running task's own memcg counts. From there we walk up to the
 * group, whose usage is measured in windows of at least 20 ms: bytes a second, or none after a second without a charge. What is
 * left is the least of what each memcg from the group upwards has left below its memory.max. When the pace would use that up
 * within ahead_ms, user space is told, ten times a second at most. Page cache counts here as everything else does; user
 * space looks at what could be dropped before it acts.
 *
 * Limits. A task that reclaims for a memcg of its own is at that one's memory.max, or else above its memory.high. Told ten times
 * a second at most, for a group.
 *
 * Stalls. The kernel says when a task begins to wait for memory, and when it goes on (the places that PSI counts). Told once a
 * second at most, for a group whose tasks together waited for a tenth of that second.
 *
 * State is written without a lock: tasks of one group that charge at the same moment may lose an addition.
 */
#ifndef AGENTCG_BPF_MONITOR_MEMORY_BPF_H
#define AGENTCG_BPF_MONITOR_MEMORY_BPF_H

#define GROWTH_NS      (20 * NS_PER_MS)
#define MEMORY_TELL_NS (100 * NS_PER_MS)
#define STALL_NS       (100 * NS_PER_MS) /* in a second */
#define NO_LIMIT       (1ULL << 40)      /* pages; more than any memory.max that says something */

struct memory {
	__u64 window_ns;    /* where the window began in which growth is being measured ... */
	__u64 window_usage; /* ... and the usage then */
	__u64 growth;       /* bytes a second in the window before */
	__u64 growth_ns;    /* when it was told */
	__u64 limit_ns;
	__u64 second_ns; /* where the second began in which stalls are being summed up */
	__u64 stalled_ns;
	__u64 stall_told; /* that of this second was told */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* cgroup id of a group */
	__type(value, struct memory);
} agentcg_monitor SEC(".maps");

/* What a group uses, and what is left to it. Bytes. */
struct room {
	struct group group;
	__u64 usage;
	__u64 limit;
	__u64 left; /* ~0: nothing limits it */
};

static struct memory *memory_of(__u64 id)
{
	static const struct memory fresh;
	struct memory *memory = bpf_map_lookup_elem(&agentcg_monitor, &id);

	if (memory)
		return memory;
	bpf_map_update_elem(&agentcg_monitor, &id, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&agentcg_monitor, &id);
}

static __u64 bytes(__u64 pages)
{
	return pages * page_kib * 1024;
}

/* The memcg of the running task on the v2 hierarchy, or NULL. */
static struct mem_cgroup *own_memcg(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct cgroup_subsys_state *css = BPF_CORE_READ(
		task, cgroups, subsys[bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id)]);

	if (!css ||
	    BPF_CORE_READ(css, cgroup, root) != BPF_CORE_READ(task, cgroups, dfl_cgrp, root))
		return NULL;
	return (void *)css - bpf_core_field_offset(struct mem_cgroup, css);
}

static void look_at_limit(struct mem_cgroup *memcg, __u64 usage, struct room *room)
{
	__u64 max = BPF_CORE_READ(memcg, memory.max), left;

	if (max >= NO_LIMIT)
		return;
	left = bytes(max) > usage ? bytes(max) - usage : 0;
	if (left < room->left) {
		room->left = left;
		room->limit = bytes(max);
	}
}

/* From the memcg upwards: the group, and from there on what limits it. */
static bool find_room(struct mem_cgroup *memcg, struct room *room)
{
	int level;

	room->group.entry = NULL;
	room->left = ~0ULL;
	room->limit = 0;
	for (level = 0; level < LEVELS_MAX && memcg; level++) {
		__u64 usage = bytes(BPF_CORE_READ(memcg, memory.usage.counter));
		__u64 id = BPF_CORE_READ(memcg, css.cgroup, kn, id);
		struct cgroup_subsys_state *parent = BPF_CORE_READ(memcg, css.parent);

		if (!room->group.entry) {
			room->group.entry = bpf_map_lookup_elem(&agentcg_groups, &id);
			room->group.id = id;
			room->usage = usage;
		}
		if (room->group.entry)
			look_at_limit(memcg, usage, room);
		if (!parent)
			break;
		memcg = (void *)parent - bpf_core_field_offset(struct mem_cgroup, css);
	}
	return room->group.entry;
}

static void tell_memory(__u32 type, const struct room *room, __u64 per_second, __u64 now)
{
	struct acg_bpf_event *event = event_new(type, room->group.id, now);

	if (!event)
		return;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->usage = room->usage;
	event->limit = room->limit;
	event->left = room->left;
	event->per_second = per_second;
	bpf_ringbuf_submit(event, 0);
}

static void measure_growth(struct memory *memory, __u64 usage, __u64 now)
{
	__u64 age = now - memory->window_ns;

	if (memory->window_ns && age < GROWTH_NS)
		return;
	memory->growth = 0;
	if (memory->window_ns && age < NS_PER_SEC && usage > memory->window_usage)
		memory->growth = (usage - memory->window_usage) / (age / NS_PER_MS) * 1000;
	memory->window_ns = now;
	memory->window_usage = usage;
}

SEC("fentry/page_counter_try_charge")
int BPF_PROG(acg_charge, struct page_counter *counter)
{
	const struct acg_monitor_figures *figures = figures_now();
	struct mem_cgroup *memcg;
	struct memory *memory;
	struct room room;
	__u64 now;

	if (!figures || !figures->ahead_ms)
		return 0;
	memcg = own_memcg();
	if (!memcg ||
	    (__u64)memcg + bpf_core_field_offset(struct mem_cgroup, memory) != (__u64)counter)
		return 0;
	if (!find_room(memcg, &room) || room.group.entry->kind != ACG_KIND_CALL)
		return 0;
	memory = memory_of(room.group.id);
	if (!memory)
		return 0;
	now = bpf_ktime_get_ns();
	measure_growth(memory, room.usage, now);
	if (!memory->growth || room.left / (memory->growth / 1000 + 1) >= figures->ahead_ms)
		return 0;
	if (now - memory->growth_ns < MEMORY_TELL_NS)
		return 0;
	memory->growth_ns = now;
	tell_memory(ACG_BPF_GROWTH, &room, memory->growth, now);
	return 0;
}

SEC("fentry/try_to_free_mem_cgroup_pages")
int BPF_PROG(acg_reclaim, struct mem_cgroup *memcg)
{
	struct memory *memory;
	struct room room;
	__u64 now, usage, max;

	if (!find_room(own_memcg(), &room))
		return 0;
	memory = memory_of(room.group.id);
	now = bpf_ktime_get_ns();
	if (!memory || now - memory->limit_ns < MEMORY_TELL_NS)
		return 0;
	memory->limit_ns = now;
	usage = BPF_CORE_READ(memcg, memory.usage.counter);
	max = BPF_CORE_READ(memcg, memory.max);
	tell_memory(usage + 64 > max ? ACG_BPF_MAX : ACG_BPF_HIGH, &room, 0, now);
	return 0;
}

SEC("fentry/psi_memstall_enter")
int BPF_PROG(acg_stall, unsigned long *flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_data *data;
	struct group group;

	(void)flags;
	if (BPF_CORE_READ_BITFIELD_PROBED(task, in_memstall) || !group_of(task, &group))
		return 0;
	data = bpf_task_storage_get(&agentcg_tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (data)
		data->stall_ns = bpf_ktime_get_ns();
	return 0;
}

static void add_stall(struct memory *memory, __u64 spent, __u64 now)
{
	if (now - memory->second_ns >= NS_PER_SEC) {
		memory->second_ns = now;
		memory->stalled_ns = 0;
		memory->stall_told = 0;
	}
	memory->stalled_ns += spent;
}

SEC("fentry/psi_memstall_leave")
int BPF_PROG(acg_stall_end, unsigned long *flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_data *data;
	struct memory *memory;
	struct room room;
	__u64 since, now, outer = 0;

	if (bpf_probe_read_kernel(&outer, sizeof(outer), flags) < 0 || outer)
		return 0; /* within another one, which goes on */
	data = bpf_task_storage_get(&agentcg_tasks, task, 0, 0);
	if (!data || !data->stall_ns)
		return 0;
	since = data->stall_ns;
	data->stall_ns = 0;
	if (!find_room(own_memcg(), &room))
		return 0;
	memory = memory_of(room.group.id);
	if (!memory)
		return 0;
	now = bpf_ktime_get_ns();
	add_stall(memory, now - since, now);
	if (memory->stalled_ns < STALL_NS || memory->stall_told)
		return 0;
	memory->stall_told = 1;
	tell_memory(ACG_BPF_STALL, &room, memory->stalled_ns, now);
	return 0;
}

#endif

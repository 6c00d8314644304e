/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A part of sched.bpf.c: figures, types, maps, what is shared by the other parts. */
#ifndef AGENTCG_BPF_SCHED_STATE_BPF_H
#define AGENTCG_BPF_SCHED_STATE_BPF_H

#define MSEC          1000000ULL

#define SLICE_LATENCY (2 * MSEC)
#define SLICE_NORMAL  (3 * MSEC)
#define SLICE_BATCH   (12 * MSEC)
#define SLICE_ALONE   (20 * MSEC) /* of a normal group, while no other waits */

/* In virtual time for each CPU: with n CPUs virtual time passes n times as fast as the clock. */
#define CLASS_SHIFT  (6 * MSEC)    /* latency before normal before batch */
#define LAG_MAX      (30 * MSEC)   /* more than twice CLASS_SHIFT */
#define LAG_PINNED   (1000 * MSEC) /* of those whose CPU is more crowded than others */
#define ALONE_AHEAD  (3 * MSEC)    /* what nobody else wanted is hardly charged */
#define AHEAD_MAX    (4000 * MSEC) /* far below the watchdog's limit */

#define STOP_LEAST   (MSEC / 2)  /* what a task may overdraw cpu.max by */
#define STOP_NEAR    (20 * MSEC) /* beyond it the tick will do */

#define BOOST_BURST  (8 * MSEC)  /* of a group's own running beyond its share */
#define BOOST_BUCKET (40 * MSEC) /* of all boosts, for each CPU */
#define CLASS_AGE    (2 * MSEC)
#define TASK_AHEAD   (50 * MSEC) /* in a group's own time: as AHEAD_MAX */

#define WEIGHT_SCALE 32   /* so that the weight of cpu.idle, 0.3, is a number */
#define WEIGHT_IDLE  9    /* 3/1024 of nice 0, as in the fair class */
#define SHARE_SHIFT  10   /* inverse shares are fixed point */
#define SLOWED_COST  4ULL /* of a call that is slowed down for memory */
#define INVERSE_MAX  (1ULL << 30)
#define DEBT_MAX     (8000 * MSEC) /* of waiting for an overdraft of cpu.max; as AHEAD_MAX */

#define LEVELS_MAX   32 /* depth of cgroups */
#define HEAP_STEPS   15 /* log2(ACG_SCHED_GROUPS) + 1 */
#define PICKS_MAX    64 /* tries of one dispatch */
#define SCAN_CPUS    64 /* looked at for a victim */

#define GROUP_MASK   (ACG_SCHED_GROUPS - 1)
#define CPU_MASK     (ACG_SCHED_CPUS - 1)
#define ROOT         0 /* place of the root as a parent */
#define ROOT_TASKS   1 /* place of the tasks in it */
#define STALE        (~0U)

#define QUEUE_RESCUE 1ULL
#define QUEUE_CPU    0x10000ULL
#define QUEUE_GROUP  0x1000000ULL

#define PF_EXITING   0x00000004
#define PF_MEMALLOC  0x00000800
#define PF_KTHREAD   0x00200000

#define ENOMEM       12

#define CLOCK_MONOTONIC 1

/* Sections that user space does not map; the kernel keeps 15 characters of ".bss.NAME". */
#define hidden(section) SEC(".bss." section) __attribute__((visibility("hidden"), aligned(8)))
#define shared_read(x)  (*(volatile typeof(x) *)&(x))

/* Of a CPU also CLASS_ALONE: it runs a slice of SLICE_ALONE. */
enum acg_class { CLASS_NONE, CLASS_LATENCY, CLASS_NORMAL, CLASS_BATCH, CLASS_ALONE };

struct acg_group {
	u64 tag;       /* virtual time at which its next slice starts */
	u64 task_time; /* the time within, of the task that started last */
	u64 sum;       /* contributions of its children; under tree_lock */
	u64 contribution;
	u64 inverse; /* 1 / share, as it was computed last */
	u32 weight; /* times WEIGHT_SCALE */
	s32 ready;  /* its tasks that run or wait */
	s32 queued; /* of them in its queue, or on the way there */
	u32 parent;
	u32 next; /* free places; parked groups */
	u32 has_queue;
	u32 idle; /* cpu.idle */
	u32 class;
	u32 priority;
	u32 slowed;
	u64 classed_at;
	u64 quota; /* ns in each period; 0: no limit */
	u64 period;
	u64 burst;
	u64 period_at; /* start of the current one */
	s64 left;
	u32 has_timer;
	u32 armed;
	u32 parked;      /* 1: on some list; under heap_lock */
	u32 parked_head; /* of those that wait for this one's quota */
	u32 gone;        /* its place is given back when it comes off that list */
};

struct heap_entry {
	u64 key;
	u32 place;
	u32 unused;
};

/* What is known of the task that runs is here: to find its task_data costs more. */
struct acg_cpu {
	u64 virtual_now; /* of its own queue */
	u64 prepaid;     /* by the group picked last, until its task runs */
	u32 prepaid_by;
	u32 class; /* of what runs; CLASS_NONE: nothing of ours */
	u32 limited; /* 1: when its timer fires, a quota may be used up by what runs */
	u32 place; /* of what runs; ROOT: nothing of ours */
	u32 boosted;
	u32 yielded;
	u64 charged; /* its se.sum_exec_runtime that has been accounted */
	u64 started; /* the same when it began to run */
	u64 granted; /* the slice it was given then */
	u64 paid; /* for it, when it was queued or picked */
	s32 slept; /* pid of the task that stopped running because it sleeps */
	u32 unused;
	u64 padding[5];
};

struct task_data {
	u64 ready_at;
	u64 prepaid;
	u32 place;
	u32 queued; /* place in whose queue it is, plus 1 */
	u32 pinned; /* it counts in n_pinned */
	u32 boosted;
};

struct refill {
	struct bpf_timer timer;
};

struct stop {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * ACG_SCHED_GROUPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);   /* cgroup id */
	__type(value, __u32); /* place */
} sched_places SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task_data);
} sched_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ACG_SCHED_GROUPS);
	__type(key, __u32);
	__type(value, struct refill);
} sched_refills SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ACG_SCHED_CPUS);
	__type(key, __u32);
	__type(value, struct stop);
} sched_stops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ACG_SCHED_N_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} sched_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, ACG_SCHED_RING_BYTES);
} sched_events SEC(".maps");

struct acg_sched_place places[ACG_SCHED_GROUPS];
__u32 places_used = 2;

struct acg_group groups[ACG_SCHED_GROUPS] hidden("groups");
struct acg_cpu cpus[ACG_SCHED_CPUS] hidden("cpus");

struct bpf_spin_lock tree_lock hidden("tree");
struct bpf_spin_lock heap_lock hidden("heap");
struct heap_entry heap[ACG_SCHED_GROUPS] hidden("entries");
u32 heap_at[ACG_SCHED_GROUPS] hidden("entries"); /* index in heap, plus 1; 0: not in it */
u32 heap_size hidden("entries");
u32 heap_cursor hidden("entries");
u32 n_parked hidden("entries"); /* groups */

u32 free_place hidden("numbers");
u32 n_limited hidden("numbers"); /* groups with a quota */
u32 n_cpus hidden("numbers");    /* online */
u32 n_rescued hidden("numbers"); /* tasks put into QUEUE_RESCUE since it was seen empty */
u32 n_pinned hidden("numbers"); /* tasks in queues of CPUs, or on the way there or from there */
u64 virtual_now hidden("numbers");
s64 boost_left hidden("numbers");
u64 boost_at hidden("numbers");

static __always_inline struct acg_group *group_at(u32 place)
{
	return &groups[place & GROUP_MASK];
}

static __always_inline struct acg_cpu *cpu_at(s32 cpu)
{
	return &cpus[cpu & CPU_MASK];
}

static void count(u32 counter)
{
	u64 *value = bpf_map_lookup_elem(&sched_counters, &counter);

	if (value)
		(*value)++;
}

static struct sched_ext_entity___agentcg *scx_of(struct task_struct *p)
{
	return &((struct task_struct___agentcg *)p)->scx;
}

static struct task_data *data_of(struct task_struct *p)
{
	struct task_data *data = bpf_task_storage_get(&sched_tasks, p, 0, 0);

	if (!data)
		count(ACG_SCHED_NO_TASK);
	return data;
}

static __always_inline bool before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

/*
 * Moves a time forward, never back; racing with others, who only move it forward too or by little.
 */
static void advance(u64 *time, u64 to)
{
	s64 by = to - shared_read(*time);

	if (by > 0)
		__sync_fetch_and_add(time, by);
}

static u64 slice_of(u32 class)
{
	return class == CLASS_LATENCY ? SLICE_LATENCY
	       : class == CLASS_BATCH ? SLICE_BATCH
				      : SLICE_NORMAL;
}

static bool is_pinned(const struct task_struct *p)
{
	return (u32)p->nr_cpus_allowed < shared_read(n_cpus);
}

#endif

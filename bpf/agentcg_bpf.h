/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs and user space share: the value of the map `agentcg_groups`, keyed by
 * cgroup id (the inode number of the cgroup's directory; in BPF cgrp->kn->id), and the records of
 * the ring buffer `agentcg_events`. Included by both sides, so it holds plain types only;
 * <linux/types.h> or vmlinux.h must come before it.
 */
#ifndef AGENTCG_BPF_AGENTCG_BPF_H
#define AGENTCG_BPF_AGENTCG_BPF_H

#define ACG_COMM_LEN 16
#define ACG_GROUPS_MAX 65536 /* entries of agentcg_groups: agents, selves and calls alive */
#define ACG_RING_BYTES (2 * 1024 * 1024)
#define ACG_ARGS_MAX 2048 /* bytes of a command line in a record, each word with its NUL */

enum acg_kind {
	ACG_KIND_NONE,
	ACG_KIND_AGENT, /* agentcg/NAME: the whole of an agent */
	ACG_KIND_SELF,  /* agentcg/NAME/self: the agent's own processes */
	ACG_KIND_CALL,  /* agentcg/NAME/call-ID: one tool call */
};

enum acg_priority {
	ACG_PRIORITY_LOW,
	ACG_PRIORITY_NORMAL,
	ACG_PRIORITY_HIGH,
};

enum acg_cpu_class {
	ACG_CPU_UNSET, /* nothing asked; the policy's default applies */
	ACG_CPU_LATENCY,
	ACG_CPU_NORMAL,
	ACG_CPU_BATCH,
};

/*
 * One agent, self or call. Sizes are bytes, ~0 is "no limit". Written by user space, but for
 * slowed_until, which the memory programs set in place; user space writes 0 there.
 */
struct acg_group_entry {
	__u64 agent;        /* cgroup id of the agent this belongs to (of itself for an agent) */
	__u64 parent;       /* cgroup id of the enclosing agent; 0 for an agent at the top */
	__u64 memory_grant; /* what it may use before anything slows it down */
	__u64 memory_max;   /* its memory.max */
	__u64 slowed_until; /* CLOCK_MONOTONIC ns: over its grant or delayed, less CPU until then */
	__u64 memory_low;   /* of a self: as much of it is protected from reclaim; 0: nothing */
	__u32 kind;         /* enum acg_kind */
	__u32 priority;     /* enum acg_priority */
	__u32 cpu_class;    /* enum acg_cpu_class */
	__u32 cpu_weight;   /* 1 to 10000, as cpu.weight */
	__u32 throttled;    /* 1: the ladder slows it down: less CPU, as while slowed_until is ahead */
	__u32 pid;          /* of a call: the process that it was begun for, whose end is told; 0: none */
};

enum acg_bpf_event_type {
	ACG_BPF_OOM_KILL = 1,    /* the kernel chose `pid` as an OOM victim */
	ACG_BPF_PRESSURE,        /* the budget of agent `cgroup` runs short (repeated while it lasts) */
	ACG_BPF_PRESSURE_BEYOND, /* what is short lies beyond agent `cgroup`: an ancestor, the machine */
	ACG_BPF_DELAY,           /* call or self `cgroup` is delayed, the first time since ..._END */
	ACG_BPF_DELAY_END,       /* it has not been for a while, and goes on charging */
	ACG_BPF_FORK,            /* process `pid` was made by `parent` */
	ACG_BPF_EXEC,            /* `pid` runs another program: a struct acg_bpf_exec */
	ACG_BPF_EXIT,            /* the last thread of `pid` is exiting */
	ACG_BPF_HIGH,            /* a task of `cgroup` reclaims, at a memory.high */
	ACG_BPF_MAX,             /* ... at a memory.max */
	ACG_BPF_GROWTH,          /* at its pace call `cgroup` will be at a limit within ahead_ms */
	ACG_BPF_STALL,           /* tasks of `cgroup` waited long for memory within a second */
};

/*
 * What the memory programs keep of each group, in the map `agentcg_memory`, keyed as agentcg_groups. Written
 * by BPF only, without a lock: two tasks that charge one group at the same moment may lose one of two
 * additions. Times are CLOCK_MONOTONIC ns, 0: never.
 */
struct acg_memory_state {
	__u64 usage;        /* bytes, as the last charge found it */
	__u64 charged_ns;   /* the last charge */
	__u64 window_ns;    /* where the window began in which growth is being measured ... */
	__u64 window_usage; /* ... and the usage then */
	__u64 growth;       /* bytes a second in the window before */
	__u64 credit_ns;    /* the delay that it has earned by its progress */
	__u64 owed_ns;      /* delays too short to be slept alone */
	__u64 delays;
	__u64 delayed_ns;   /* asked for, in all */
	__u64 delay_ns;     /* when the last delay was asked for */
	__u64 over_ns;      /* when it first grew past its grant */
	__u64 first_ns;     /* when it was first delayed */
	__u64 told_ns;      /* when pressure on it was last reported */
	__u64 cache;        /* of an agent or above: bytes that reclaim can drop, as of cache_ns */
	__u64 cache_ns;
	__u64 grower_ns[3]; /* who charges while this runs short: the last time, by enum acg_priority */
	__u32 delaying;     /* ACG_BPF_DELAY was sent, ACG_BPF_DELAY_END not yet */
	__u32 unused;
};

/* The figures of the policy for the memory programs: the one value of the map `agentcg_memory_figures`. */
struct acg_memory_figures {
	__u32 enabled;      /* 0: no delays and no protection */
	__u32 low_percent;  /* of a limit: above it who holds back a higher priority is delayed */
	__u32 high_percent; /* of a limit: above it memory is short */
	__u32 delay_max_ms; /* the most that one charge is delayed */
	__u32 delay_ms;     /* a fixed delay for every charge over a grant; 0: graduated */
	__u32 unused;
	__u64 min_progress; /* bytes a second that no delayed call falls below */
};

/* What the monitor tells of processes: bits of acg_monitor_figures.processes. */
enum acg_watch_bits {
	ACG_WATCH_FORKS = 1,
	ACG_WATCH_EXECS = 2,
	ACG_WATCH_EXITS = 4,
	ACG_WATCH_CALLS = 8, /* of processes in calls too; else only of those in a self */
};

/* What user space wants of the monitor; all 0: OOM kills, reclaim, stalls, and the ends of calls' own processes. */
struct acg_monitor_figures {
	__u32 processes; /* enum acg_watch_bits */
	__u32 ahead_ms;  /* ACG_BPF_GROWTH so long before a limit; 0: never */
};

/* Bounds on ACG_BPF_FORK, _EXEC and _EXIT together, in each quarter of a second: of one agent with all below it, and of all agents. */
#define ACG_PROCESS_EVENTS     1000
#define ACG_PROCESS_EVENTS_ALL 8000

/* A record of the ring buffer. */
struct acg_bpf_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cgroup;  /* cgroup id of the call or self concerned */
	__u32 type;    /* enum acg_bpf_event_type */
	__u32 pid;     /* thread group id, as seen in the initial pid namespace */
	union {        /* what is not of the type is 0 */
		struct { /* ACG_BPF_OOM_KILL: what the victim had */
			__u64 total_vm_kib;
			__u64 anon_rss_kib;
			__u64 file_rss_kib;
			__u64 shmem_rss_kib;
		};
		struct { /* ACG_BPF_FORK, _EXEC, _EXIT */
			__u64 start_ns;  /* CLOCK_BOOTTIME, when it was forked: with pid it is unique */
			__u64 peak_kib;  /* _EXIT: the most that was resident; 0: not known */
			__u32 sequence;  /* the so manieth of this process, those left out counted */
			__u32 parent;    /* thread group id */
			__u32 exit_code; /* _EXIT: as wait(2) gives it */
			__u32 args_len;  /* _EXEC: bytes of args; 0: they could not be read */
		};
		struct { /* ACG_BPF_PRESSURE, _PRESSURE_BEYOND, _HIGH, _MAX, _GROWTH, _STALL */
			__u64 usage;      /* bytes; _PRESSURE: of what is short, that reclaim cannot drop */
			__u64 limit;      /* bytes, of what is nearest to its limit, it or above it */
			__u64 left;       /* bytes up to there; _PRESSURE_BEYOND: 0 for the machine itself */
			__u64 per_second; /* _GROWTH: bytes; _STALL: ns waited in the last second */
		};
	};
	char comm[ACG_COMM_LEN];
};

/* ACG_BPF_EXEC: a record as long as its arguments. */
struct acg_bpf_exec {
	struct acg_bpf_event event;
	char args[ACG_ARGS_MAX]; /* [args_len]: words, each with its NUL; what is longer is cut */
};

/* --- the scheduler (sched.bpf.c) --------------------------------------------------------------- */

#define ACG_SCHED_NAME   "agentcg" /* as the kernel shows it */
#define ACG_SCHED_GROUPS 16384 /* cgroups that have a place of their own; a power of two */
#define ACG_SCHED_CPUS   1024  /* CPU ids; a power of two */
#define ACG_SCHED_WORDS  128   /* of an exit's reason and message */
#define ACG_SCHED_RING_BYTES 4096

/* What the CPU did for the tasks of one cgroup, those of its removed children included. */
struct acg_sched_figures {
	__u64 run_ns;
	__u64 wait_ns;     /* ready but not running */
	__u64 slices;      /* times that a task was given the CPU */
	__u64 preemptions; /* of them those taken back before their slice was used up */
};

/* The place of a cgroup in the scheduler's table, as far as user space reads it. */
struct acg_sched_place {
	__u64 cgroup; /* cgroup id; 0: the place is free */
	__u32 parent; /* its parent's place */
	__u32 level;  /* its depth: below the root 1 */
	struct acg_sched_figures figures;
};

/* Every race met and every fallback taken. */
enum acg_sched_counter {
	ACG_SCHED_DIRECT,       /* woken onto an idle CPU */
	ACG_SCHED_BOOSTED,      /* latency: woken onto a CPU taken from a lower class */
	ACG_SCHED_BOOST_SPENT,  /* latency, but its own or the machine's burst budget was used up */
	ACG_SCHED_BOOST_DENIED, /* latency, but slowed down for memory or reclaiming for others */
	ACG_SCHED_KEPT,         /* went on after its slice, being the next in turn itself */
	ACG_SCHED_PREEMPTED,    /* a batch task, or a slice of a group that was alone, had to make room */
	ACG_SCHED_PINNED,       /* queued for one CPU: its affinity leaves out some */
	ACG_SCHED_STOLEN,       /* a pinned task taken over by another CPU, idle and allowed */
	ACG_SCHED_SPREAD,       /* found pinned in its group's queue and moved to its CPU's */
	ACG_SCHED_REKEYED,      /* a group's turn was due later than its place in the heap said */
	/*
	 * A group had nothing that could be taken: the one task that counts as queued is on its
	 * way into the queue, where the kernel puts it after it was announced, or was taken by
	 * another CPU, which has not switched to it yet. The CPU looks again, up to 64 times.
	 */
	ACG_SCHED_EMPTY,
	ACG_SCHED_PARKED,       /* a group waits for its quota (cpu.max) */
	ACG_SCHED_UNPARKED,     /* and goes on */
	ACG_SCHED_STOPPED,      /* a task's run was ended when a quota (cpu.max) was used up, or nearly */
	ACG_SCHED_OVERRUN,      /* a debt to cpu.max was cut */
	ACG_SCHED_LAGGED,       /* a group was so far behind that it lost claim to the rest */
	ACG_SCHED_CAPPED,       /* a group so far ahead that it would have starved was drawn back */
	ACG_SCHED_NO_PLACE,     /* a cgroup shares its parent's or the root's place: the table is full */
	ACG_SCHED_NO_TASK,      /* a task without data of its own */
	ACG_SCHED_RESCUED,      /* a task of a CPU that went offline */
	ACG_SCHED_TIMER_FAILED, /* a refill timer could not be started; the next look refills */
	ACG_SCHED_N_COUNTERS,
};

/* The record of the ring buffer `sched_events`: the scheduler was taken off. */
struct acg_sched_exit {
	__s64 code;
	__u32 kind; /* enum scx_exit_kind */
	__u32 unused;
	char reason[ACG_SCHED_WORDS];
	char message[ACG_SCHED_WORDS];
};

#endif

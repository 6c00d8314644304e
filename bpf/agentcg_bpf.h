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
#define ACG_RING_BYTES (256 * 1024)

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
	__u32 kind;         /* enum acg_kind */
	__u32 priority;     /* enum acg_priority */
	__u32 cpu_class;    /* enum acg_cpu_class */
	__u32 cpu_weight;   /* 1 to 10000, as cpu.weight */
	__u32 delay_max_ms; /* the most that one charge may be delayed */
	__u32 delay_ms;     /* a fixed delay for every charge over the grant; 0: graduated */
	__u32 throttled;    /* 1: the ladder slows it down: less CPU, as while slowed_until is ahead */
	__u32 unused;       /* 0 */
};

enum acg_bpf_event_type {
	ACG_BPF_OOM_KILL = 1, /* the kernel chose `pid` as an OOM victim */
};

/* A record of the ring buffer. */
struct acg_bpf_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cgroup;  /* cgroup id of the call or self concerned */
	__u32 type;    /* enum acg_bpf_event_type */
	__u32 pid;     /* thread group id, as seen in the initial pid namespace */
	__u64 total_vm_kib;
	__u64 anon_rss_kib;
	__u64 file_rss_kib;
	__u64 shmem_rss_kib;
	char comm[ACG_COMM_LEN];
};

#endif

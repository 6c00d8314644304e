/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel offers, found by the names in its BTF and never by its version number, with the
 * reason in words where something is missing (for `status`). Reading needs no privileges.
 */
#ifndef AGENTCG_BPF_PROBE_H
#define AGENTCG_BPF_PROBE_H

#include <stdbool.h>

#include "bpf/error.h"

#define ACG_VMLINUX_BTF "/sys/kernel/btf/vmlinux"

/* The hooks of memcg_bpf_ops, as proposed in the RFC series v6 and v7 of "mm: BPF OOM / memcg". */
enum acg_memcg_hook {
	ACG_MEMCG_ONLINE,    /* handle_cgroup_online */
	ACG_MEMCG_OFFLINE,   /* handle_cgroup_offline */
	ACG_MEMCG_LOW,       /* below_low */
	ACG_MEMCG_MIN,       /* below_min */
	ACG_MEMCG_DELAY,     /* get_high_delay_ms (v6) */
	ACG_MEMCG_CHARGED,   /* memcg_charged (v7) */
	ACG_MEMCG_UNCHARGED, /* memcg_uncharged (v7) */
	ACG_N_MEMCG_HOOKS,
};

/* Where the monitor learns of OOM victims; see monitor.bpf.c. */
enum acg_oom_source {
	ACG_OOM_NONE,
	ACG_OOM_TRACEPOINT, /* mark_victim passes the task */
	ACG_OOM_FUNCTION,   /* fentry on mark_oom_victim() */
};

/* One thing that a kernel has or lacks. */
struct acg_feature {
	bool present;
	char *reason; /* one sentence: what was found, or why not and what would help */
};

/* Everything is owned by the struct. */
struct acg_probe {
	struct acg_feature btf;        /* type information at all: without it none of the others */
	struct acg_feature ringbuf;    /* BPF ring buffers */
	struct acg_feature oom_events; /* a place to attach the monitor to */
	struct acg_feature sched_ext;  /* struct_ops sched_ext_ops */
	struct acg_feature memcg_bpf_ops; /* struct_ops memcg_bpf_ops */
	enum acg_oom_source oom_source;
	bool direct_reclaim;      /* the tracepoint mm_vmscan_direct_reclaim_begin */
	/* The monitor's places; see monitor.bpf.c. */
	bool tracefs;        /* mounted: programs can be attached by way of perf */
	bool process_events; /* the tracepoints sched_process_fork, _exec and _exit */
	bool charges;        /* the function page_counter_try_charge() */
	bool memcg_reclaim;  /* the function try_to_free_mem_cgroup_pages() */
	bool stalls;         /* the functions psi_memstall_enter() and psi_memstall_leave() */
	unsigned int memcg_hooks; /* bits 1 << enum acg_memcg_hook: the members that exist */
};

/*
 * Looks at the BTF in `btf_path` (raw or in an ELF file; NULL: the running kernel's). Never fails:
 * what could not be read is absent, and says why. Free with acg_probe_free().
 */
struct acg_probe *acg_probe_new(const char *btf_path);
void acg_probe_free(struct acg_probe *probe);

/*
 * For `status`: which members of memcg_bpf_ops are used, of those that exist (memcg_hooks), and which
 * are missing, of those that there are programs for. Free with g_free.
 */
char *acg_probe_memcg_words(unsigned int hooks);

#endif

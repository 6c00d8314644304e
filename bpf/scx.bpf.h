/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of sched_ext's interface that bpf/sched.bpf.c uses. The vmlinux.h of a kernel without
 * sched_ext does not have these types, so they are declared here, with a suffix that CO-RE drops
 * when it fits them to the running kernel. Names and meanings are those of the kernel
 * (kernel/sched/ext, Documentation/scheduler/sched-ext.rst).
 */
#ifndef AGENTCG_BPF_SCX_BPF_H
#define AGENTCG_BPF_SCX_BPF_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_ext_entity___agentcg {
	u32 flags;
	u32 weight;
	u64 slice;
	u64 dsq_vtime;
};

struct task_struct___agentcg {
	struct sched_ext_entity___agentcg scx;
};

struct scx_init_task_args___agentcg {
	bool fork;
	struct cgroup *cgroup;
};

struct scx_cgroup_init_args___agentcg {
	u32 weight;
	u64 bw_period_us;
	u64 bw_quota_us;
	u64 bw_burst_us;
	bool sched_idle;
};

enum scx_exit_kind___agentcg {
	SCX_EXIT_NONE___agentcg,
};

struct scx_exit_info___agentcg {
	enum scx_exit_kind___agentcg kind;
	s64 exit_code;
	const char *reason;
	char *msg;
};

#pragma clang attribute pop

struct scx_init_task_args;
struct scx_cgroup_init_args;
struct scx_exit_info;

/* The operations that we have. Which of them the kernel lacks is found by the loader. */
struct sched_ext_ops___agentcg {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*tick)(struct task_struct *p);
	void (*runnable)(struct task_struct *p, u64 enq_flags);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	void (*quiescent)(struct task_struct *p, u64 deq_flags);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	s32 (*cgroup_init)(struct cgroup *cgrp, struct scx_cgroup_init_args *args);
	void (*cgroup_exit)(struct cgroup *cgrp);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgrp, u32 weight);
	void (*cgroup_set_bandwidth)(struct cgroup *cgrp, u64 period_us, u64 quota_us,
				     u64 burst_us);
	void (*cgroup_set_idle)(struct cgroup *cgrp, bool idle);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	u64 flags;
	u32 timeout_ms;
	char name[128];
};

enum scx_ops_flags___agentcg {
	SCX_OPS_ENQ_LAST___agentcg = 1 << 1,
	SCX_OPS_ENQ_EXITING___agentcg = 1 << 2,
};

/* Internal to the kernel, so they are taken from its BTF when the program is loaded. */
enum scx_enq_flags___agentcg {
	SCX_ENQ_WAKEUP___agentcg,
	SCX_ENQ_PREEMPT___agentcg,
	SCX_ENQ_HEAD___agentcg,
	SCX_ENQ_LAST___agentcg,
};

enum scx_kick_flags___agentcg {
	SCX_KICK_IDLE___agentcg,
	SCX_KICK_PREEMPT___agentcg,
};

enum scx_dsq_id_flags___agentcg {
	SCX_DSQ_LOCAL___agentcg,
	SCX_DSQ_LOCAL_ON___agentcg,
};

enum scx_ent_flags___agentcg {
	SCX_TASK_QUEUED___agentcg,
};

#define SCX(type, name) bpf_core_enum_value(enum scx_##type##___agentcg, name##___agentcg)

struct bpf_iter_scx_dsq___agentcg {
	u64 __opaque[6];
} __attribute__((aligned(8)));

extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern s32 scx_bpf_select_cpu_dfl(struct task_struct *p, s32 prev_cpu, u64 wake_flags,
				  bool *is_idle) __ksym;
extern void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym;
extern void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime,
				     u64 enq_flags) __ksym;
extern bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym;
extern bool scx_bpf_dsq_move_vtime(struct bpf_iter_scx_dsq___agentcg *it, struct task_struct *p,
				   u64 dsq_id, u64 enq_flags) __ksym;
extern void scx_bpf_dsq_move_set_vtime(struct bpf_iter_scx_dsq___agentcg *it, u64 vtime) __ksym;
extern s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
extern struct task_struct *scx_bpf_dsq_peek(u64 dsq_id) __ksym;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq___agentcg *it, u64 dsq_id,
				u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq___agentcg *it) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq___agentcg *it) __ksym;
extern bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym;
extern bool scx_bpf_task_set_dsq_vtime(struct task_struct *p, u64 vtime) __ksym;
extern void scx_bpf_kick_cpu(s32 cpu, u64 flags) __ksym;
extern bool scx_bpf_test_and_clear_cpu_idle(s32 cpu) __ksym;
extern s32 scx_bpf_pick_idle_cpu(const struct cpumask *cpus_allowed, u64 flags) __ksym;
extern const struct cpumask *scx_bpf_get_online_cpumask(void) __ksym;
extern void scx_bpf_put_cpumask(const struct cpumask *cpumask) __ksym;
extern u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
extern u64 scx_bpf_now(void) __ksym;
extern u32 bpf_cpumask_weight(const struct cpumask *cpumask) __ksym;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *cpumask) __ksym;
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *cgrp, int level) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor: tells user space what happens inside agents, from where the kernel does it.
 *
 * User space keeps `agentcg_groups`: one entry for each agent, its self and its calls, keyed by cgroup id. Each program takes
 * the task's cgroup on the v2 hierarchy and walks towards the root until a cgroup is in the map. The task may be deeper than
 * that: a call can make cgroups inside itself, as a container engine does. The first entry met is what the task belongs to. No
 * entry: not ours, nothing is reported. What is found goes to the ring buffer `agentcg_events`; if that is full, the record is
 * dropped and counted.
 *
 * Its parts, each with its own rules: who a task belongs to and how much may be told of it (monitor_group.bpf.h), processes
 * (monitor_process.bpf.h), memory (monitor_memory.bpf.h), and the OOM killer's victims (monitor_oom.bpf.h). The loader leaves
 * out the programs for which the running kernel has no place.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf/agentcg_bpf.h"

/* In this order: each uses those before it. */
#include "bpf/events.bpf.h"
#include "bpf/groups.bpf.h"
#include "bpf/monitor_group.bpf.h"
#include "bpf/monitor_memory.bpf.h"
#include "bpf/monitor_oom.bpf.h"
#include "bpf/monitor_process.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The map that user space keeps: who is an agent, a self or a call, and what the policy says of it. Each object declares it
 * here, in one shape, and the loaders let them share one map (bpf/loader.h).
 */
#ifndef AGENTCG_BPF_GROUPS_BPF_H
#define AGENTCG_BPF_GROUPS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ACG_GROUPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct acg_group_entry);
} agentcg_groups SEC(".maps");

#endif

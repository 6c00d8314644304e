/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel tier for memory: memcg_bpf_ops attached to agentcg's root, and what becomes of it. While it is on, delays are decided at
 * the charge and memory.high stays just below memory.max; when it is not, or is lost, the cgroup tier does the same more slowly.
 */
#ifndef AGENTCG_POLICY_MEMORY_TIER_H
#define AGENTCG_POLICY_MEMORY_TIER_H

#include "policy/enforcer.h"

struct acg_memory_tier;

/*
 * Loads the programs and attaches them to the cgroup `root_dirfd`. Never fails: acg_memory_tier_status() says what there is, and
 * why not more. bpf is borrowed; NULL: none, for the reason bpf_off.
 */
struct acg_memory_tier *acg_memory_tier_new(struct acg_bpf *bpf, const char *bpf_off,
					    int root_dirfd);

/* Detaches; the tier is off from then on. NULL: nothing. */
void acg_memory_tier_stop(struct acg_memory_tier *tier);

/* Detaches and frees. NULL: nothing. */
void acg_memory_tier_free(struct acg_memory_tier *tier);

/* For how long (usec) another build's programs were off until these replaced them; 0: none were replaced. */
int64_t acg_memory_tier_gap(const struct acg_memory_tier *tier);

/* True while the kernel decides on delays. */
bool acg_memory_tier_delays(const struct acg_memory_tier *tier);

/* For poll(2): hangs up when somebody detaches the programs from the root. -1: they are not attached. */
int acg_memory_tier_fd(const struct acg_memory_tier *tier);

/* After that: the programs are off from now on. */
void acg_memory_tier_lost(struct acg_memory_tier *tier);

/*
 * An agent whose cgroup lies outside the root gets a link of its own, unless it has one; it is to be dropped before the cgroup is given back.
 * *ret_fd is for poll(2), as acg_memory_tier_fd(); owned by the tier. If the tier is off nothing happens, and it is -1. Errors: those of
 * acg_memcg_ops_attach(); `status` says so until it is dropped.
 */
int acg_memory_tier_adopt(struct acg_memory_tier *tier, uint64_t cgroup_id, int cgroup_dirfd,
			  int *ret_fd, GError **error);
void acg_memory_tier_drop(struct acg_memory_tier *tier, uint64_t cgroup_id);

/* Its link was detached by somebody. */
void acg_memory_tier_adopted_lost(struct acg_memory_tier *tier, uint64_t cgroup_id);

/* The policy's figures, in force at once. */
void acg_memory_tier_figures(struct acg_memory_tier *tier, const struct acg_ladder *ladder);

/* Fills in what the programs counted for the node. */
void acg_memory_tier_measure(struct acg_memory_tier *tier, const struct acg_node *node,
			     struct acg_usage *usage);

/* The line `memcg_bpf_ops` of `status`. */
void acg_memory_tier_status(const struct acg_memory_tier *tier, GArray *mechanisms);

#endif

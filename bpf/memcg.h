/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory decided in the kernel: loads memcg.bpf.c on a kernel that has memcg_bpf_ops and attaches it to cgroups. Works on the map
 * agentcg_groups and the ring buffer of a struct acg_bpf, which must outlive it. Not for several threads at once.
 *
 * The links are pinned as PIN_DIR/memcg_link_ID (ID: of the cgroup), and the programs' maps in a folder of their own, so that delays and
 * protection go on while no daemon runs. The next one takes over what is of the very same build, attached as it is.
 *
 * With --disable-bpf every function is still there; acg_memcg_ops_load() then fails with EOPNOTSUPP.
 */
#ifndef AGENTCG_BPF_MEMCG_H
#define AGENTCG_BPF_MEMCG_H

#include "bpf/loader.h"

struct acg_memcg_ops;

/*
 * Loads the programs, or takes over those that an earlier process left below acg_bpf_pin_dir(). *ret_ops is to be
 * freed with acg_memcg_ops_free(). EOPNOTSUPP: this kernel has no memcg_bpf_ops, or none of the members
 * that we have programs for; else the kernel's, with the end of its log.
 */
int acg_memcg_ops_load(struct acg_bpf *bpf, struct acg_memcg_ops **ret_ops, GError **error);

/* Leaves pinned what is attached. NULL: nothing. */
void acg_memcg_ops_free(struct acg_memcg_ops *ops);

/*
 * Attaches to the cgroup and all below it, now and later: once for agentcg's root, and once for each agent whose cgroup lies elsewhere.
 * Where an earlier process's link is there it is taken over, or, being another build's, replaced.
 * The directory must have memory.current (ENOENT, rather than serve an ancestor of it). EALREADY: attached
 * there; EBUSY: somebody else's ops are there or below, the words name them.
 */
int acg_memcg_ops_attach(struct acg_memcg_ops *ops, int cgroup_dirfd, GError **error);

/* For how long (usec) the last cgroup whose programs were replaced had none; 0: none was. */
int64_t acg_memcg_ops_gap(const struct acg_memcg_ops *ops);

/* Detaches; before the cgroup is removed. ENOENT: not attached there. Waits until no charge is inside the programs. */
int acg_memcg_ops_detach(struct acg_memcg_ops *ops, uint64_t cgroup_id, GError **error);

/* The same for all: at the end of the service. */
void acg_memcg_ops_detach_all(struct acg_memcg_ops *ops);

/* For poll(2): the descriptor of the link on this cgroup, which hangs up when anybody detaches it. Owned by ops. -1: none. */
int acg_memcg_ops_link_fd(const struct acg_memcg_ops *ops, uint64_t cgroup_id);

/* True if the programs delay (get_high_delay_ms), rather than only protect. */
bool acg_memcg_ops_delays(const struct acg_memcg_ops *ops);

/* For `status`: one sentence on the members that are used and those that this kernel lacks. Owned by ops. */
const char *acg_memcg_ops_words(const struct acg_memcg_ops *ops);

/* The policy's figures, in force from the next charge on. */
int acg_memcg_ops_figures(struct acg_memcg_ops *ops, const struct acg_memory_figures *figures,
			  GError **error);

/* What the programs keep of a group. ENOENT: it has not charged yet. */
int acg_memcg_ops_state(struct acg_memcg_ops *ops, uint64_t cgroup_id,
			struct acg_memory_state *ret_state, GError **error);

/* Events lost because the ring buffer was full, and charges let through because the map was. */
uint64_t acg_memcg_ops_dropped(const struct acg_memcg_ops *ops);
uint64_t acg_memcg_ops_unknown(const struct acg_memcg_ops *ops);

#endif

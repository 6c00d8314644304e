/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removes the cgroups of ended calls on a thread of its own, off the path of the request that ended
 * them, after dropping the page cache that would keep them in the kernel (policy/reclaim.h). Past a
 * number that waits, who asks removes his own at once, without dropping. When
 * there is nothing to remove the thread looks after what is dying, at intervals that grow while
 * that is of no use.
 */
#ifndef AGENTCG_POLICY_REAPER_H
#define AGENTCG_POLICY_REAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/error.h"

struct acg_reaper;

/* root_dirfd: the cgroup above all agents, borrowed; has_memory: it has a memory controller. */
struct acg_reaper *acg_reaper_new(int root_dirfd, bool has_memory);
/* Removes what is still queued, without reclaiming, and frees. */
void acg_reaper_free(struct acg_reaper *reaper);

/* Takes over dirfd; name is copied; parent_dirfd is duplicated. */
void acg_reaper_push(struct acg_reaper *reaper, int parent_dirfd, int dirfd, const char *name);

/* Asks back so many bytes of a cgroup, before what is queued later; dirfd is duplicated. Without a memory controller: nothing. */
void acg_reaper_reclaim(struct acg_reaper *reaper, int dirfd, uint64_t bytes);

/* A cgroup of this name is wanted again, or its parent is to go: removes the queued ones now. What is to be asked back still is. */
void acg_reaper_flush(struct acg_reaper *reaper);

#endif

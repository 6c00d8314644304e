/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Removes the cgroups of ended calls on a thread of its own, off the path of the request that ended them.
 *
 * Page cache that a call leaves behind keeps its memory cgroup in the kernel after rmdir ("dying"), with some tens of KiB of
 * structures, until memory pressure drops those pages. A few pages are not worth that: up to ACG_REAPER_RECLAIM bytes are reclaimed
 * first. More than that may be what the agent's next call reads (a checkout, a build): it is left, and pays for its keep.
 */
#ifndef AGENTCG_POLICY_REAPER_H
#define AGENTCG_POLICY_REAPER_H

#include <stdbool.h>

#include "bpf/error.h"

#define ACG_REAPER_RECLAIM (1024 * 1024)

struct acg_reaper;

struct acg_reaper *acg_reaper_new(bool has_memory);
/* Removes what is still queued, without reclaiming, and frees. */
void acg_reaper_free(struct acg_reaper *reaper);

/* Takes over dirfd; name is copied; parent_dirfd is duplicated. */
void acg_reaper_push(struct acg_reaper *reaper, int parent_dirfd, int dirfd, const char *name);

/* A cgroup of this name is wanted again, or its parent is to go: removes a queued one now. */
void acg_reaper_flush(struct acg_reaper *reaper);

#endif

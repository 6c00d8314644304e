/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the daemon is safe from what it handles: a cgroup of its own with some memory that nobody can take (memory.min), and an
 * oom_score_adj that lets it live. systemd does both for its unit; this is for a daemon that was started in another way.
 */
#ifndef AGENTCG_FUSEFS_SHELTER_H
#define AGENTCG_FUSEFS_SHELTER_H

#include "bpf/error.h"

struct acg_shelter {
	int dirfd;    /* the cgroup; -1: none */
	int parent;   /* above it */
	int before;   /* where the process was */
};

#define ACG_SHELTER_NONE ((struct acg_shelter){-1, -1, -1})

/*
 * Moves this process, which must be root and is to start all others, into the cgroup `agentcgd` beside `root` (the agents'; NULL: the
 * usual one). Does nothing under systemd. -errno with words: what could not be had; *ret_shelter is always fit for
 * acg_shelter_leave().
 */
int acg_shelter_enter(const char *root, struct acg_shelter *ret_shelter, GError **error);

/* Goes back, and removes the cgroup unless another daemon is in it. */
void acg_shelter_leave(struct acg_shelter *shelter);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A persistent shell is in its command's call (keep=yes) and is to survive that command's OOM. The kernel's OOM killer takes the process
 * that holds most memory, whatever it was charged to, so that a shell with much of its own would go before a command made of many small
 * processes. oom_score_adj counts for more: the shell keeps its own, as the agent's other processes do; what it starts inherits that, and
 * is raised to that of calls when it is looked for.
 */
#ifndef AGENTCG_POLICY_SPARE_H
#define AGENTCG_POLICY_SPARE_H

#include <glib.h>

/* In the cgroup `dirfd`: raises all but `shells` (struct acg_moved). Processes that are gone meanwhile do not matter. */
void acg_spare_shells(int dirfd, const GArray *shells);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a worker gives up before it looks at anything that a sandbox has written. */
#ifndef AGENTCG_FUSEFS_HARDEN_H
#define AGENTCG_FUSEFS_HARDEN_H

#include "bpf/error.h"

/*
 * Drops all capabilities but those that the work takes, sets no_new_privs and a seccomp filter. Before the first thread:
 * capabilities are each thread's own. What this kernel does not know is left out; -errno if it refused.
 */
int acg_harden(GError **error);

#endif

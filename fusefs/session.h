/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FUSE session: mounting and serving, apart from each other. It serves on the GMainContext of its thread: requests, the manager's
 * signs and timers take turns on one thread, since the kernel lets one change to the cgroup tree happen at a time anyway.
 */
#ifndef AGENTCG_FUSEFS_SESSION_H
#define AGENTCG_FUSEFS_SESSION_H

#include "fusefs/fs.h"

struct acg_session;

/*
 * Mounts fs at mountpoint (a directory). A mount there that a dead daemon left ("Transport endpoint is not connected") is
 * taken away first. on_end is called once when the session is over (unmounted by somebody else).
 */
int acg_session_mount(struct acg_fs *fs, const char *mountpoint, bool debug,
		      void (*on_end)(void *data), void *data, struct acg_session **ret_session,
		      GError **error);

/* Unmounts and frees. Running calls stay as they are. */
void acg_session_free(struct acg_session *session);

#endif

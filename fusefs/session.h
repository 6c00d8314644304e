/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FUSE session on a connection that the supervisor mounted: a worker begins it, or takes it over from one that is gone. It
 * serves on the GMainContext of its thread: requests, the manager's signs and timers take turns on one thread, since
 * the kernel lets one change to the cgroup tree happen at a time anyway.
 */
#ifndef AGENTCG_FUSEFS_SESSION_H
#define AGENTCG_FUSEFS_SESSION_H

#include "fusefs/fs.h"

struct acg_session;

/*
 * Serves fs on fuse_fd (borrowed; of a mounted /dev/fuse). If a worker has answered FUSE_INIT before (fs->shared), that
 * is what holds; all that was asked and not answered is asked again, and sleepers in poll(2) are woken once. on_end is called
 * once when the session is over (unmounted by somebody else).
 */
int acg_session_new(struct acg_fs *fs, int fuse_fd, bool debug, void (*on_end)(void *data),
		    void *data, struct acg_session **ret_session, GError **error);

/* Answers who waits for events and stops serving; the mount stays. */
void acg_session_free(struct acg_session *session);

#endif

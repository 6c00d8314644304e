/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is told when a kernel file of a node changes: one inotify descriptor for all (cgroupfs raises IN_MODIFY where it wakes
 * poll(2)), and PSI triggers, which need a descriptor each. For those a thread waits in one epoll and passes on what it hears by a pipe,
 * so that the main loop has two descriptors to look at, however many nodes there are; it opens them, too, since that may have to wait for
 * the same trigger of a process that died, which takes the kernel an RCU grace period to close. (The loop cannot wait for the epoll itself: looking at
 * a trigger takes its event away, and the loop looks before it reads.) Callbacks come on the default GMainContext.
 */
#ifndef AGENTCG_POLICY_WATCH_H
#define AGENTCG_POLICY_WATCH_H

#include <glib-unix.h>

#include "policy/registry.h"

struct acg_watch;

struct acg_watch_callbacks {
	void (*changed)(void *data, uint64_t id, const char *file); /* file is interned */
	void (*pressure)(void *data, uint64_t id);
	void *data;
};

int acg_watch_new(const struct acg_watch_callbacks *callbacks, struct acg_watch **ret_watch,
		  GError **error);
void acg_watch_free(struct acg_watch *watch);

/* Watches a file of the node until acg_watch_remove(). Again for the same file: nothing. ENOENT: no such file;
 * ENOSPC: the kernel's limit on watches (fs.inotify.max_user_watches) is reached. */
int acg_watch_file(struct acg_watch *watch, const struct acg_node *node, const char *file,
		   GError **error);
/*
 * Calls `pressure` when tasks of the node were stalled on memory (`some`) for stall usec within window usec, from a moment later on. Once a
 * node. Where the kernel will not have it, nothing is heard.
 */
void acg_watch_pressure(struct acg_watch *watch, const struct acg_node *node, uint64_t stall,
			uint64_t window);
/* Stops all that is watched for the node. */
void acg_watch_remove(struct acg_watch *watch, uint64_t id);

/*
 * g_unix_fd_add() for a callback that never runs the main loop itself: without the guard against that, which costs four system
 * calls each time.
 */
unsigned int acg_watch_fd(int fd, GIOCondition condition, GUnixFDSourceFunc fn, void *data);

#endif

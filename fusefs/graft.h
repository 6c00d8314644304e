/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The view of a sandbox: one agent's directory of the tree, mounted at /sys/fs/agentcg and /run/agentcg/fs of a mount
 * namespace. Nobody can mkdir in sysfs, so /sys/fs is covered by a small tmpfs that shows all that was there, by clones of
 * its mounts, and `agentcg` beside it. The clones are read-only (unless forced): what writes there are for, such as ending a FUSE
 * connection, is the host's. Nothing of what lies below is changed; taking the tmpfs away shows it again.
 *
 * What was grafted is not written down anywhere: the kernel's own lists of mounts tell, so that nothing can be forgotten
 * by a daemon or a tool that was killed. Needs root outside every sandbox, and one thread (setns).
 */
#ifndef AGENTCG_FUSEFS_GRAFT_H
#define AGENTCG_FUSEFS_GRAFT_H

#include <stdbool.h>
#include <sys/types.h>

#include "bpf/error.h"

#define ACG_VIEW_SYS "/sys/fs/agentcg"
#define ACG_VIEW_RUN "/run/agentcg/fs"

/* Detached copies of the mount of an agent's directory, one for each place; close them with acg_view_close(). */
struct acg_view {
	int sys_fd;
	int run_fd;
};

/* directory: the agent's in the tree. ENOTSUP: it is not on agentcg's file system. */
int acg_view_open(const char *directory, struct acg_view *ret_view, GError **error);
void acg_view_close(struct acg_view *view);

/*
 * Mounts the view in this mount namespace. ENOENT: there is no /sys and none can be made; EEXIST: there is a view already.
 * *ret_note (free with g_free) says what could not be had, or NULL.
 */
int acg_graft_here(const struct acg_view *view, char **ret_note, GError **error);

struct acg_sandbox {
	pid_t pid;	  /* a process in its mount namespace */
	const char *root; /* below that process's root directory: a container that has not yet gone into its image; NULL: "/" */
	const char *const *read_only; /* ended by NULL: mount points, from that root, that its runtime makes read-only; NULL: none */
	bool force; /* though there is a cgroupfs that it can write, by which it can leave its calls and change their limits */
};

/* The same in the mount namespace of a sandbox. EPERM: it has a cgroupfs that it can write. */
int acg_graft_into(const struct acg_view *view, const struct acg_sandbox *sandbox, char **ret_note,
		   GError **error);

/*
 * Takes views away, or all mounts of one file system (its device number, if not 0), in the mount namespace of a process, or of all processes
 * (pid 0). Returns in how many namespaces there were some. Namespaces that cannot be entered are named in *error, with
 * the last one's errno returned.
 */
int acg_ungraft(pid_t pid, dev_t dev, GError **error);

/* All mounts of the tree that is mounted here. Asks nothing of it: there may be nobody any more who answers. */
int acg_ungraft_tree(const char *mountpoint, GError **error);

/* Makes all cgroup mounts of this mount namespace read-only. */
int acg_graft_protect_cgroups(GError **error);

#endif

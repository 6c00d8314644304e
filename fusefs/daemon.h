/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The worker: makes the enforcers, the manager, the file system and the session, joins them, and handles signals. It is
 * started by a supervisor (supervisor.h) and finds its descriptors where that one has put them.
 */
#ifndef AGENTCG_FUSEFS_DAEMON_H
#define AGENTCG_FUSEFS_DAEMON_H

#include <stdbool.h>

#include "bpf/error.h"

struct acg_daemon_options {
	const char *config; /* NULL: no policy */
	const char *root;   /* cgroup root; NULL: the policy's */
	const char *run_dir;
	const char *pin_dir; /* in bpffs; NULL: the default */
	bool dry_run;
	bool no_bpf;
	bool debug;            /* FUSE requests on standard error */
	void (*serving)(void); /* called once the tree answers */
};

/*
 * Says that it could serve, waits for its turn, takes over what the worker before left, and serves until SIGTERM or SIGINT, or until the tree is unmounted. SIGHUP reads the policy again, SIGUSR1 logs the state. Returns 0, or
 * -EINVAL for a bad policy with its faults, or another error if it could not start.
 */
int acg_daemon_run(const struct acg_daemon_options *options, GError **error);

#endif

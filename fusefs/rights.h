/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may do what (section "Who may write what" of agentcg(7)). Decided by the caller's cgroup and by whose directory
 * the request came through, never by user id alone: the mount is allow_other without default_permissions, since the kernel's
 * mode bits know users, not agents, and a sandbox may well run as root.
 *
 * EACCES: not yours at all; EPERM: yours, but not this. Pure: no I/O.
 */
#ifndef AGENTCG_FUSEFS_RIGHTS_H
#define AGENTCG_FUSEFS_RIGHTS_H

#include "fusefs/caller.h"

enum acg_right {
	ACG_RIGHT_READ,      /* list and read within the agent's directory */
	ACG_RIGHT_READ_PRIVATE, /* read what was run in it, and what was said about that */
	ACG_RIGHT_MARK,      /* begin, end, hint; mkdir and rmdir in calls/ */
	ACG_RIGHT_CALL_FILE, /* write the kernel's files of a call that an agent may write */
	ACG_RIGHT_SUBAGENT,  /* make, limit and remove sub-agents */
	ACG_RIGHT_AGENT,     /* make an agent at the top; remove this one */
	ACG_RIGHT_OPERATE,   /* all else: priority, policy, the agent's own limits */
};

/* agent: whose directory it is; NULL: the root's. 0 or -errno with words. */
int acg_rights_check(const struct acg_policy *policy, const struct acg_caller *caller,
		     const struct acg_agent *agent, enum acg_right right, GError **error);

/* Inside an agent one sees oneself, and what is below or on the way there; outside, everything. */
bool acg_rights_sees(const struct acg_caller *caller, const struct acg_agent *agent);

/* A process that is to be moved. */
struct acg_moving {
	struct acg_node *from; /* where it is; NULL: outside every agent */
	uid_t uid;             /* acg_process_uid(); needed for callers outside every agent */
};

/*
 * May the caller move this process into `to`? An agent its own, but out of no call. A user that the policy names his own, from outside
 * every agent or from the agents that he made.
 */
int acg_rights_move(const struct acg_caller *caller, const struct acg_moving *moving,
		    const struct acg_node *to, GError **error);

/* May the caller move itself by `begin` without pid=? EPERM for the first process of a pid namespace and for several threads; EBUSY in a call. */
int acg_rights_begin_self(const struct acg_caller *caller, GError **error);

#endif

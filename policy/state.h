/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel keeps for us while no daemon runs: one extended attribute of each cgroup, `trusted.agentcg`, which sandboxes can
 * neither read nor write. It holds one JSON object; `v` is its version. What the kernel knows itself (limits, processes,
 * what was used) is not in it. Reading and writing go by the same tables, in state.c and nowhere else.
 *
 * An attribute of another version, or one that is no such object, is left as it is: the node is served with what the kernel
 * itself says, and its `state_unknown` is set.
 */
#ifndef AGENTCG_POLICY_STATE_H
#define AGENTCG_POLICY_STATE_H

#include "policy/engine.h"

#define ACG_STATE_ATTRIBUTE "trusted.agentcg"
#define ACG_STATE_VERSION   1

/*
 * The attribute's text; free with g_free. `events`: the position that the next line of the agent's event log gets.
 */
char *acg_state_call(const struct acg_call *call);
char *acg_state_agent(const struct acg_agent *agent, uint64_t events);
/* Of the root of all agents: a number that no event has been given yet. */
char *acg_state_root(uint64_t events);

/*
 * Fill in what the text says; clocks of CLOCK_MONOTONIC are taken as they are, since attributes do not outlive a boot. EPROTO:
 * another version, or no such object; nothing was filled in.
 */
int acg_state_read_call(const char *text, struct acg_call *call, GError **error);
/* The policy's figures for the agent, too, since they follow from namespace and user; but limits that were written by hand stay. */
int acg_state_read_agent(const char *text, const struct acg_engine *engine, struct acg_agent *agent,
			 uint64_t *ret_events, GError **error);
int acg_state_read_root(const char *text, uint64_t *ret_events, GError **error);

/* True if the text is an agent's whose cgroup is somebody else's. */
bool acg_state_is_adopted(const char *text);

/* What is needed of a line of history at once: the ID, and that it is such a line, with a cgroup. id: NUL-ended. */
struct acg_state_past {
	char id[65];
	uint64_t cgroup;
	struct acg_time end;
};
int acg_state_scan_past(const char *line, struct acg_time now, struct acg_state_past *ret_past,
			GError **error);

/* Fills in an ended call from its line of history (record.h), which is all that is left of it. */
void acg_state_read_past(const char *line, struct acg_time now, struct acg_call *call);

/* True if the line of `events` is about this: agent and call may be NULL. */
bool acg_state_is_event(const char *line, const char *event, const char *agent, const char *call);

/* The attribute of a directory: its text (free with g_free), NULL without an error if it has none. */
char *acg_state_get(int dirfd, GError **error);
int acg_state_put(int dirfd, const char *text, GError **error);

#endif

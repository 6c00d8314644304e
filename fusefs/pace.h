/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One agent's markers are not to cost another's time. There is one worker, and a marker under way is finished first; so who writes one
 * as soon as the last is answered would make everybody else wait for that, always. While agents that do not mark like that are about,
 * the markers of one that does (mkdir and rmdir are markers without words) are kept for a while, so that it has one part of the
 * worker's time in eight: then another agent seldom comes upon one. By itself, or among its like, it has all of it.
 *
 * Pure: what is kept are the requests as they came, times are CLOCK_MONOTONIC usec. A request that an earlier worker may have begun
 * (acg_wire.resent) is never to be kept: the journal has room for one.
 */
#ifndef AGENTCG_FUSEFS_PACE_H
#define AGENTCG_FUSEFS_PACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct acg_pace;

enum acg_pace_answer {
	ACG_PACE_NOW,  /* it is to be handled now; then acg_pace_handled() */
	ACG_PACE_KEPT, /* acg_pace_due() will give it back */
	ACG_PACE_FULL, /* as many of this agent's are kept as may be: EAGAIN */
};

struct acg_pace *acg_pace_new(void);
void acg_pace_free(struct acg_pace *pace);

/*
 * A marker of this agent (the cgroup id of the one at the top) was read; at free_since the last one was over, with what was left of it after
 * its answer. What is kept is copied.
 */
enum acg_pace_answer acg_pace_marker(struct acg_pace *pace, uint64_t agent, int64_t free_since,
				     int64_t now, const void *request, size_t size);

/* A marker of this agent was handled. */
void acg_pace_handled(struct acg_pace *pace, uint64_t agent, int64_t start, int64_t end);

/* The next that was kept until now, in the order of their times; free with g_bytes_unref. NULL: there is none yet. */
GBytes *acg_pace_due(struct acg_pace *pace, int64_t now, uint64_t *ret_agent);

/* When the next one is due; -1: none is kept. */
int64_t acg_pace_next(const struct acg_pace *pace);

#endif

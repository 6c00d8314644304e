/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON that agentcg shows: `info` of a call (the same object as a line of `history`), `info` of an agent, and the lines
 * of `events`. Sizes are bytes, times seconds since the epoch with fraction, nothing is a string that could be
 * a number; an unlimited size is null. All return one line without a newline, to be freed with g_free.
 */
#ifndef AGENTCG_POLICY_RECORD_H
#define AGENTCG_POLICY_RECORD_H

#include "policy/engine.h"

/* id, agent, command, hint, grant, cpu, state, pid, start, end, duration_ms, exit, signal, memory_peak, cpu_usec, wait_usec,
 * delays, delayed_ms, frozen_ms, oom_kills, reason, feedback; and memory_current while it is alive. `now` ends what still runs. */
char *acg_record_call(const struct acg_call *call, struct acg_time now);

/* name, priority, budget, used, largest_grant, calls alive, counters, start. */
char *acg_record_agent(const struct acg_agent *agent, uint64_t largest_grant);

/* seq, time, event, agent, call (if the node is one), cause and text if there are any. agent_path NULL: none. */
char *acg_record_event(uint64_t seq, struct acg_time now, const char *event, const char *agent_path, const char *call_id,
		       const char *cause, const char *text);

#endif

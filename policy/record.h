/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON that agentcg shows: `info` of a call (the same object as a line of `history`), `info` of
 * an agent, the lines of `events`, and the dump of all state. Sizes are bytes, times seconds since
 * the epoch with six decimals, nothing is a string that could be a number; what is unknown or
 * unlimited is null. All return one line without a newline, to be freed with g_free, and are valid
 * UTF-8 whatever the strings hold.
 */
#ifndef AGENTCG_POLICY_RECORD_H
#define AGENTCG_POLICY_RECORD_H

#include "policy/engine.h"

/*
 * id, agent, command, hint, grant, cpu, state, pid, start, end, duration_ms, exit, signal,
 * memory_peak, cpu_usec, wait_usec, delays, delayed_ms, frozen_ms, oom_kills, reason, feedback;
 * then memory_max (its limit, bytes), victim (whom the kernel's OOM killer chose) and cgroup (the
 * id of its cgroup); memory_missed (bytes that were not charged to it) if a rule of `auto` began it; and memory_current while it
 * is alive. A call that still runs has end null and the times so far, up to
 * `now`. pid is as the daemon sees it.
 */
char *acg_record_call(const struct acg_call *call, struct acg_time now);

/*
 * name (its path), priority, budget, used, peak, largest_grant, calls (alive), counters (an
 * object), start.
 */
char *acg_record_agent(const struct acg_agent *agent, uint64_t largest_grant);

/*
 * seq, time, event, agent, call (if the node is one), cause and text if there are any. agent_path
 * NULL: none.
 */
char *acg_record_event(uint64_t seq, struct acg_time now, const char *event, const char *agent_path,
		       const char *call_id, const char *cause, const char *text);

/*
 * Everything that is known: {"time":, "agents":[...]}; each agent as above with its `all_calls`,
 * ended ones too, and its `agents`, both sorted by name.
 */
char *acg_record_state(const struct acg_registry *registry, struct acg_time now);

#endif

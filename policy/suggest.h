/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a model can do to get more for the next try: a hint that could be granted now and would
 * help, and the command to type with it. For feedback.c.
 */
#ifndef AGENTCG_POLICY_SUGGEST_H
#define AGENTCG_POLICY_SUGGEST_H

#include "policy/registry.h"

#define ACG_HINT_VARIABLE "AGENT_RESOURCE_HINT="

/* What a new try could ask more of. */
enum acg_more {
	ACG_MORE_NOTHING,
	ACG_MORE_LIMIT, /* memory, beyond the limit that the call hit */
	ACG_MORE_GRANT, /* memory, beyond its grant */
	ACG_MORE_PIDS,
	ACG_MORE_TIMEOUT,
};

/*
 * The value of AGENT_RESOURCE_HINT ("memory:800m"), free with g_free: twice what the call had, or
 * what `largest` (bytes, ACG_MAX: unlimited) and the agent's caps allow, in a round figure, at
 * least an eighth more than it had. NULL: there is no such.
 */
char *acg_suggest_hint(const struct acg_call *call, enum acg_more more, uint64_t largest);

/*
 * The command as the model wrote it, with the hint in it instead of an old one, free with g_free.
 * NULL: it cannot be typed like that again on one line, or may not be the whole command (`commands`
 * of the policy).
 */
char *acg_suggest_command(const char *command, const char *hint);

#endif

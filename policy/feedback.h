/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the system says to the language model about a call: one to four short sentences on one line,
 * the figures first, one suggestion that fits the cause and can be granted now, under
 * ACG_FEEDBACK_MAX bytes. One table, a row a cause.
 */
#ifndef AGENTCG_POLICY_FEEDBACK_H
#define AGENTCG_POLICY_FEEDBACK_H

#include "policy/engine.h"

#define ACG_FEEDBACK_MAX 400 /* bytes, with the NUL */

/*
 * The words for this cause, from the figures in call, its agent and `largest` (what could be
 * granted now, bytes, ACG_MAX: unlimited). Free with g_free. NULL for ACG_CAUSE_NONE. Figures are
 * those of `info`: memory_peak, grant, memory_max and the agent's budget, in the rounding of
 * acg_size_format(). More is suggested only where it is at least an eighth more than the call had.
 * The command is quoted only where it is one that can be typed after an assignment.
 */
char *acg_feedback_text(const struct acg_call *call, enum acg_cause cause, uint64_t largest);

/* "oom", "throttled", ...: the word for `reason`, events and metrics. */
const char *acg_cause_name(enum acg_cause cause);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between policy.c and policy_load.c. */
#ifndef AGENTCG_POLICY_POLICY_PRIVATE_H
#define AGENTCG_POLICY_POLICY_PRIVATE_H

#include "policy/policy.h"

/* All defaults, no rules, no text; one reference. */
struct acg_policy *acg_policy_new_blank(void);

/* What an entry of `agents` starts from; no strings. */
extern const struct acg_agent_rule acg_agent_rule_unlimited;

#endif

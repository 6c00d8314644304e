/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figures for a monitoring system, as OpenMetrics text (the IETF draft and openmetrics.io, version
 * 1.0). One series an agent and family, none a call: what agents do does not grow the number of
 * series.
 */
#ifndef AGENTCG_POLICY_METRICS_H
#define AGENTCG_POLICY_METRICS_H

#include "policy/registry.h"

/*
 * Appends the whole text, with its closing # EOF line, to out. The agents' usage should have been
 * measured just before. `unapplied` is how many actions the kernel refused with nobody to tell,
 * `kept_back` how many markers had to wait for their turn.
 */
void acg_metrics_text(const struct acg_registry *registry, uint64_t unapplied, uint64_t kept_back,
		      GString *out);

#endif

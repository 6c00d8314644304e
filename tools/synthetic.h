/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made-up traces with the figures of recorded coding agents (AgentCgroup, arXiv 2602.09345): a base
 * of 185 MB, memory that jumps for one or two seconds within calls of a shell, one of them to 15.4
 * times the average, commands that are tried again three times and more, and two thirds of the time
 * spent in tools.
 */
#ifndef AGENTCG_TOOLS_SYNTHETIC_H
#define AGENTCG_TOOLS_SYNTHETIC_H

#include <stdint.h>

#include "tools/trace.h"

#define ACG_SYNTHETIC_BASE  185.0 /* MB, without calls */
#define ACG_SYNTHETIC_RATIO 15.4  /* peak to average */

/* The same trace for the same seed and index, everywhere. Free with acg_trace_free(). */
struct acg_trace *acg_synthetic_trace(uint32_t seed, unsigned int index);

#endif

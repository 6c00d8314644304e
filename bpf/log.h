/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's words on why a BPF object was not loaded. */
#ifndef AGENTCG_BPF_LOG_H
#define AGENTCG_BPF_LOG_H

#include "bpf/error.h"

#define ACG_LOG_BYTES (64 * 1024) /* enough for the end of the verifier's log of a small program */

/* Sets the error and returns -errnum: `what` could not be loaded, with the line of the log that says what was wrong. */
int acg_load_error(GError **error, const char *what, int errnum, const char *log);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps libbpf from printing on standard error while agentcg calls it. Its print function is one for
 * the whole process, so it is put back afterwards; what matters for the caller comes as a GError.
 */
#ifndef AGENTCG_BPF_QUIET_H
#define AGENTCG_BPF_QUIET_H

#include <bpf/libbpf.h>

/* Returns the print function that was set until now, for acg_quiet_end(). */
libbpf_print_fn_t acg_quiet_begin(void);
/* Keeps errno. */
void acg_quiet_end(libbpf_print_fn_t print);

#endif

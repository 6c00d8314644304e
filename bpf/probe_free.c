/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a struct acg_probe, whether agentcg was built with BPF or without. */
#include "bpf/probe.h"

void acg_probe_free(struct acg_probe *probe)
{
	if (!probe)
		return;
	g_free(probe->btf.reason);
	g_free(probe->ringbuf.reason);
	g_free(probe->oom_events.reason);
	g_free(probe->sched_ext.reason);
	g_free(probe->memcg_bpf_ops.reason);
	g_free(probe);
}

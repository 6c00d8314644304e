/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring buffer to user space, shared as bpf/groups.bpf.h says, and how a record gets into it. */
#ifndef AGENTCG_BPF_EVENTS_BPF_H
#define AGENTCG_BPF_EVENTS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, ACG_RING_BYTES);
} agentcg_events SEC(".maps");

__u64 dropped; /* records for which the ring buffer had no room */

/* A record with nothing but this in it; to be submitted. NULL: there is no room, which is counted. */
static struct acg_bpf_event *event_new(__u32 type, __u64 group, __u64 now)
{
	struct acg_bpf_event *event = bpf_ringbuf_reserve(&agentcg_events, sizeof(*event), 0);

	if (!event) {
		__sync_fetch_and_add(&dropped, 1);
		return NULL;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->time_ns = now;
	event->cgroup = group;
	event->type = type;
	return event;
}

#endif

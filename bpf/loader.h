/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF side of agentcg as one object: loads the programs that this kernel can run, keeps the map
 * `agentcg_groups` up to date and hands out what the programs report. Not for several threads at
 * once.
 *
 * With --disable-bpf every function is still there; acg_bpf_load() then fails with EOPNOTSUPP.
 */
#ifndef AGENTCG_BPF_LOADER_H
#define AGENTCG_BPF_LOADER_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/error.h"

#define ACG_BPF_PIN_DIR "/sys/fs/bpf/agentcg"

struct acg_bpf;

/*
 * Probes the kernel, loads and attaches what it can run. What is attached is pinned in a folder of its own below pin_dir (NULL:
 * ACG_BPF_PIN_DIR; the last part is made if missing), the map as pin_dir/agentcg_groups. What an earlier
 * process left there is taken over as it is, attached, if it is of this very build; else the map alone is, if it has the same
 * shape, and the programs are replaced. Without a bpffs, or where another process pins, all works unpinned, and acg_bpf_state() says so.
 * *ret_bpf is to be freed with acg_bpf_free().
 *
 * Errors: EOPNOTSUPP: built without BPF, or the kernel lacks something (the words say what); EPERM:
 * without CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN); else the kernel's, with the end of its log.
 */
int acg_bpf_load(const char *pin_dir, struct acg_bpf **ret_bpf, GError **error);

/* Closes everything. What is pinned stays, attached, and the map with its content. NULL: nothing. */
void acg_bpf_free(struct acg_bpf *bpf);

/* For good: removes the pins, and the folder if that leaves it empty. */
int acg_bpf_unpin(struct acg_bpf *bpf, GError **error);

/* The same for what an earlier process left below pin_dir (as for acg_bpf_load()), unless another one has taken it over. */
void acg_bpf_clear(const char *pin_dir);

/* Where other programs' pins may be. Owned by bpf; NULL: nowhere. */
const char *acg_bpf_pin_dir(const struct acg_bpf *bpf);

/* For `status`: one sentence on what runs and what does not. Owned by bpf. */
const char *acg_bpf_state(const struct acg_bpf *bpf);

/* True unless something that was to work does not (a part of the monitor, or the map is not pinned). */
bool acg_bpf_complete(const struct acg_bpf *bpf);

/* The descriptors of the map agentcg_groups and of the ring buffer, for other programs to share them. Owned by bpf. */
int acg_bpf_groups_fd(const struct acg_bpf *bpf);
int acg_bpf_events_fd(const struct acg_bpf *bpf);

/* What the running kernel offers. Owned by bpf. */
struct acg_probe;
const struct acg_probe *acg_bpf_probe(const struct acg_bpf *bpf);

/*
 * Sets, reads and deletes the entry of a cgroup. E2BIG: ACG_GROUPS_MAX are in the map already;
 * ENOENT (get, delete): there is none.
 */
int acg_bpf_group_update(struct acg_bpf *bpf, uint64_t cgroup_id,
			 const struct acg_group_entry *entry, GError **error);
int acg_bpf_group_get(struct acg_bpf *bpf, uint64_t cgroup_id, struct acg_group_entry *ret_entry,
		      GError **error);
int acg_bpf_group_delete(struct acg_bpf *bpf, uint64_t cgroup_id, GError **error);

/* True: the entry is to stay. */
typedef bool (*acg_bpf_keep_fn)(uint64_t cgroup_id, void *data);

/*
 * Deletes the entries for which keep() says false: what a map taken over from an earlier daemon
 * still has of groups that are gone. Returns how many were deleted.
 */
int acg_bpf_groups_prune(struct acg_bpf *bpf, acg_bpf_keep_fn keep, void *data, GError **error);

/* For poll(2): readable when there are events. Owned by bpf. -1: there will never be any. */
int acg_bpf_ring_fd(const struct acg_bpf *bpf);

/* The event is valid during the call only. */
typedef void (*acg_bpf_event_fn)(const struct acg_bpf_event *event, void *data);

/*
 * Calls back for each event there is, oldest first, and at most ACG_RING_BATCH, so that others have their turn; never waits. Returns
 * how many there were.
 */
#define ACG_RING_BATCH 512
int acg_bpf_ring_consume(struct acg_bpf *bpf, acg_bpf_event_fn callback, void *data,
			 GError **error);

/*
 * Events that were lost: because nobody consumed them in time, or because more processes of an agent came and went than may be
 * told (ACG_PROCESS_EVENTS). What they would have said is to be looked up in /proc and the cgroup files.
 */
uint64_t acg_bpf_lost(const struct acg_bpf *bpf);

/* What the monitor is to tell, from now on. Only what acg_bpf_sees_processes() and acg_bpf_sees_growth() say can be had comes. */
void acg_bpf_monitor(struct acg_bpf *bpf, const struct acg_monitor_figures *figures);
bool acg_bpf_sees_processes(const struct acg_bpf *bpf);
bool acg_bpf_sees_growth(const struct acg_bpf *bpf);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for the loader and the probe in a build with --disable-bpf: there is never a struct acg_bpf, and
 * every feature is absent for one reason.
 */
#include <string.h>

#include "bpf/loader.h"
#include "bpf/memcg.h"
#include "bpf/probe.h"
#include "bpf/sched.h"

#define WORDS "agentcg was built without BPF (--disable-bpf)"

int acg_bpf_load(const char *pin_dir, struct acg_bpf **ret_bpf, GError **error)
{
	(void)pin_dir;
	(void)ret_bpf;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

void acg_bpf_free(struct acg_bpf *bpf)
{
	(void)bpf;
}

int acg_bpf_unpin(struct acg_bpf *bpf, GError **error)
{
	(void)bpf;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

void acg_bpf_clear(const char *pin_dir)
{
	(void)pin_dir;
}

const char *acg_bpf_pin_dir(const struct acg_bpf *bpf)
{
	(void)bpf;
	return NULL;
}

const char *acg_bpf_state(const struct acg_bpf *bpf)
{
	(void)bpf;
	return WORDS;
}

bool acg_bpf_complete(const struct acg_bpf *bpf)
{
	(void)bpf;
	return false;
}

int acg_bpf_groups_fd(const struct acg_bpf *bpf)
{
	(void)bpf;
	return -1;
}

int acg_bpf_events_fd(const struct acg_bpf *bpf)
{
	(void)bpf;
	return -1;
}

const struct acg_probe *acg_bpf_probe(const struct acg_bpf *bpf)
{
	(void)bpf;
	return NULL;
}

int acg_bpf_group_update(struct acg_bpf *bpf, uint64_t cgroup_id,
			 const struct acg_group_entry *entry, GError **error)
{
	(void)bpf;
	(void)cgroup_id;
	(void)entry;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_bpf_group_get(struct acg_bpf *bpf, uint64_t cgroup_id, struct acg_group_entry *ret_entry,
		      GError **error)
{
	(void)bpf;
	(void)cgroup_id;
	(void)ret_entry;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_bpf_group_delete(struct acg_bpf *bpf, uint64_t cgroup_id, GError **error)
{
	(void)bpf;
	(void)cgroup_id;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_bpf_groups_prune(struct acg_bpf *bpf, acg_bpf_keep_fn keep, void *data, GError **error)
{
	(void)bpf;
	(void)keep;
	(void)data;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_bpf_ring_fd(const struct acg_bpf *bpf)
{
	(void)bpf;
	return -1;
}

int acg_bpf_ring_consume(struct acg_bpf *bpf, acg_bpf_event_fn callback, void *data, GError **error)
{
	(void)bpf;
	(void)callback;
	(void)data;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

uint64_t acg_bpf_lost(const struct acg_bpf *bpf)
{
	(void)bpf;
	return 0;
}

void acg_bpf_monitor(struct acg_bpf *bpf, const struct acg_monitor_figures *figures)
{
	(void)bpf;
	(void)figures;
}

bool acg_bpf_sees_processes(const struct acg_bpf *bpf)
{
	(void)bpf;
	return false;
}

bool acg_bpf_sees_growth(const struct acg_bpf *bpf)
{
	(void)bpf;
	return false;
}

int acg_sched_load(int groups_fd, const char *pin_dir, struct acg_scheduler **ret_sched,
		   GError **error)
{
	(void)groups_fd;
	(void)pin_dir;
	(void)ret_sched;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_sched_attach(struct acg_scheduler *sched, GError **error)
{
	(void)sched;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

void acg_sched_free(struct acg_scheduler *sched)
{
	(void)sched;
}

const char *acg_sched_lacks(const struct acg_scheduler *sched)
{
	(void)sched;
	return "";
}

void acg_sched_clear(const char *pin_dir)
{
	(void)pin_dir;
}

bool acg_sched_taken(const struct acg_scheduler *sched)
{
	(void)sched;
	return false;
}

int64_t acg_sched_gap(const struct acg_scheduler *sched)
{
	(void)sched;
	return 0;
}

int acg_sched_ring_fd(const struct acg_scheduler *sched)
{
	(void)sched;
	return -1;
}

bool acg_sched_exited(struct acg_scheduler *sched, struct acg_sched_exit *ret_exit)
{
	(void)sched;
	(void)ret_exit;
	return false;
}

bool acg_sched_figures(const struct acg_scheduler *sched, uint64_t cgroup_id,
		       struct acg_sched_figures *ret_figures)
{
	(void)sched;
	(void)cgroup_id;
	(void)ret_figures;
	return false;
}

void acg_sched_counters(const struct acg_scheduler *sched, uint64_t values[ACG_SCHED_N_COUNTERS])
{
	(void)sched;
	memset(values, 0, ACG_SCHED_N_COUNTERS * sizeof(*values));
}

struct acg_probe *acg_probe_new(const char *btf_path)
{
	struct acg_probe *probe = g_new0(struct acg_probe, 1);

	(void)btf_path;
	probe->btf.reason = g_strdup(WORDS);
	probe->ringbuf.reason = g_strdup(WORDS);
	probe->oom_events.reason = g_strdup(WORDS);
	probe->sched_ext.reason = g_strdup(WORDS);
	probe->memcg_bpf_ops.reason = g_strdup(WORDS);
	return probe;
}

int acg_memcg_ops_load(struct acg_bpf *bpf, struct acg_memcg_ops **ret_ops, GError **error)
{
	(void)bpf;
	(void)ret_ops;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

void acg_memcg_ops_free(struct acg_memcg_ops *ops)
{
	(void)ops;
}

int acg_memcg_ops_attach(struct acg_memcg_ops *ops, int cgroup_dirfd, GError **error)
{
	(void)ops;
	(void)cgroup_dirfd;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int64_t acg_memcg_ops_gap(const struct acg_memcg_ops *ops)
{
	(void)ops;
	return 0;
}

int acg_memcg_ops_detach(struct acg_memcg_ops *ops, uint64_t cgroup_id, GError **error)
{
	(void)ops;
	(void)cgroup_id;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

void acg_memcg_ops_detach_all(struct acg_memcg_ops *ops)
{
	(void)ops;
}

int acg_memcg_ops_link_fd(const struct acg_memcg_ops *ops, uint64_t cgroup_id)
{
	(void)ops;
	(void)cgroup_id;
	return -1;
}

bool acg_memcg_ops_delays(const struct acg_memcg_ops *ops)
{
	(void)ops;
	return false;
}

const char *acg_memcg_ops_words(const struct acg_memcg_ops *ops)
{
	(void)ops;
	return WORDS;
}

int acg_memcg_ops_figures(struct acg_memcg_ops *ops, const struct acg_memory_figures *figures,
			  GError **error)
{
	(void)ops;
	(void)figures;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

int acg_memcg_ops_state(struct acg_memcg_ops *ops, uint64_t cgroup_id,
			struct acg_memory_state *ret_state, GError **error)
{
	(void)ops;
	(void)cgroup_id;
	(void)ret_state;
	return acg_fail(error, EOPNOTSUPP, WORDS);
}

uint64_t acg_memcg_ops_dropped(const struct acg_memcg_ops *ops)
{
	(void)ops;
	return 0;
}

uint64_t acg_memcg_ops_unknown(const struct acg_memcg_ops *ops)
{
	(void)ops;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the scheduler; see the header, and sched.bpf.c for what it does. */
#include "bpf/sched.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "bpf/log.h"
#include "bpf/probe.h"
#include "bpf/quiet.h"
#include "bpf/sched.skel.h"

struct acg_scheduler {
	struct acg_sched *skeleton;
	struct bpf_link *link;
	struct ring_buffer *ring;
	char *lacks;
	struct acg_sched_exit exit;
	bool exited;
};

/* What the scheduler can go without, and what then is not done. */
struct optional {
	const char *member;
	const char *lost;
};

static const struct optional optionals[] = {
	{"cgroup_set_bandwidth", "changes of cpu.max are not seen"},
	{"cgroup_set_idle", "cpu.idle is not honoured"},
};

static bool has_member(const struct btf *btf, const struct btf_type *type, const char *name)
{
	for (int i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), name))
			return true;
	return false;
}

static void clear_member(struct acg_sched *skeleton, const char *name)
{
	if (!strcmp(name, "cgroup_set_bandwidth"))
		skeleton->struct_ops.agentcg_sched->cgroup_set_bandwidth = NULL;
	else
		skeleton->struct_ops.agentcg_sched->cgroup_set_idle = NULL;
}

/* Leaves out the operations that this kernel does not have, and notes what is lost by it. */
static int fit_operations(struct acg_scheduler *sched, GError **error)
{
	struct btf *btf = btf__load_vmlinux_btf();
	__s32 id = btf ? btf__find_by_name_kind(btf, "sched_ext_ops", BTF_KIND_STRUCT) : -1;
	g_autoptr(GString) lacks = g_string_new(NULL);
	const struct btf_type *type;

	if (id < 0) {
		btf__free(btf);
		return acg_fail(error, EOPNOTSUPP, "no sched_ext_ops in this kernel's BTF");
	}
	type = btf__type_by_id(btf, id);
	for (size_t i = 0; i < G_N_ELEMENTS(optionals); i++) {
		if (has_member(btf, type, optionals[i].member))
			continue;
		clear_member(sched->skeleton, optionals[i].member);
		g_string_append_printf(lacks, "%s%s: no %s in this kernel", lacks->len ? "; " : "",
				       optionals[i].lost, optionals[i].member);
	}
	btf__free(btf);
	sched->lacks = g_strdup(lacks->str);
	return 0;
}

static int on_record(void *context, void *record, size_t size)
{
	struct acg_scheduler *sched = context;

	if (size < sizeof(sched->exit))
		return 0;
	memcpy(&sched->exit, record, sizeof(sched->exit));
	sched->exited = true;
	return 0;
}

static int attach(struct acg_scheduler *sched, GError **error)
{
	g_autofree char *other = NULL;
	int errnum;

	sched->link = bpf_map__attach_struct_ops(sched->skeleton->maps.agentcg_sched);
	if (sched->link)
		return 0;
	errnum = errno;
	other = acg_sched_loaded_name(ACG_SCX_SYSFS);
	if (errnum == EBUSY)
		return acg_fail(error, EBUSY, "another scheduler is loaded: %s",
				other ? other : "it has no name");
	ring_buffer__consume(sched->ring);
	if (sched->exited) {
		g_autofree char *words = acg_sched_exit_words(&sched->exit);

		return acg_fail_errno(error, errnum, "the kernel refused the scheduler: %s", words);
	}
	return acg_fail_errno(error, errnum, "the kernel refused the scheduler");
}

static int load_programs(struct acg_scheduler *sched, int groups_fd, GError **error)
{
	g_autofree char *log = g_malloc0(ACG_LOG_BYTES);
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = ACG_LOG_BYTES);
	int rc;

	sched->skeleton = acg_sched__open_opts(&options);
	if (!sched->skeleton)
		return acg_fail_errno(error, errno, "cannot open the scheduler");
	rc = fit_operations(sched, error);
	if (rc < 0)
		return rc;
	rc = bpf_map__reuse_fd(sched->skeleton->maps.agentcg_groups, groups_fd);
	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot share the map agentcg_groups");
	rc = acg_sched__load(sched->skeleton);
	if (rc < 0)
		return acg_load_error(error, "the scheduler", -rc, log);
	sched->ring = ring_buffer__new(bpf_map__fd(sched->skeleton->maps.sched_events), on_record,
				       sched, NULL);
	if (!sched->ring)
		return acg_fail_errno(error, errno, "cannot map the scheduler's ring buffer");
	return attach(sched, error);
}

/* Asked before the programs are verified: that takes long, to be refused in the end. */
static int check_kernel(GError **error)
{
	struct acg_probe *probe = acg_probe_new(NULL);
	g_autofree char *other = NULL;
	int rc = 0;

	if (!probe->sched_ext.present)
		rc = acg_fail(error, EOPNOTSUPP, "%s", probe->sched_ext.reason);
	acg_probe_free(probe);
	if (rc)
		return rc;
	if (libbpf_num_possible_cpus() > ACG_SCHED_CPUS)
		return acg_fail(error, E2BIG, "more than %d CPUs", ACG_SCHED_CPUS);
	other = acg_sched_loaded_name(ACG_SCX_SYSFS);
	if (other)
		return acg_fail(error, EBUSY, "another scheduler is loaded: %s", other);
	return 0;
}

int acg_sched_load(int groups_fd, struct acg_scheduler **ret_sched, GError **error)
{
	libbpf_print_fn_t print;
	struct acg_scheduler *sched;
	int rc = check_kernel(error);

	if (rc < 0)
		return rc;
	sched = g_new0(struct acg_scheduler, 1);
	print = acg_quiet_begin();
	rc = load_programs(sched, groups_fd, error);
	acg_quiet_end(print);
	if (rc < 0) {
		acg_sched_free(sched);
		return rc;
	}
	*ret_sched = sched;
	return 0;
}

void acg_sched_free(struct acg_scheduler *sched)
{
	if (!sched)
		return;
	bpf_link__destroy(sched->link);
	ring_buffer__free(sched->ring);
	acg_sched__destroy(sched->skeleton);
	g_free(sched->lacks);
	g_free(sched);
}

const char *acg_sched_lacks(const struct acg_scheduler *sched)
{
	return sched->lacks;
}

int acg_sched_ring_fd(const struct acg_scheduler *sched)
{
	return ring_buffer__epoll_fd(sched->ring);
}

bool acg_sched_exited(struct acg_scheduler *sched, struct acg_sched_exit *ret_exit)
{
	ring_buffer__consume(sched->ring);
	if (sched->exited)
		*ret_exit = sched->exit;
	return sched->exited;
}

bool acg_sched_figures(const struct acg_scheduler *sched, uint64_t cgroup_id,
		       struct acg_sched_figures *ret_figures)
{
	return acg_sched_sum(sched->skeleton->bss->places, sched->skeleton->data->places_used,
			     cgroup_id, ret_figures);
}

void acg_sched_counters(const struct acg_scheduler *sched, uint64_t values[ACG_SCHED_N_COUNTERS])
{
	int fd = bpf_map__fd(sched->skeleton->maps.sched_counters),
	    cpus = libbpf_num_possible_cpus();
	g_autofree uint64_t *each = g_new0(uint64_t, MAX(cpus, 1));

	for (uint32_t i = 0; i < ACG_SCHED_N_COUNTERS; i++) {
		values[i] = 0;
		if (bpf_map_lookup_elem(fd, &i, each) < 0)
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			values[i] += each[cpu];
	}
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads the scheduler, or takes over the one that an earlier process left pinned; see the header, and sched.bpf.c for what it does.
 */
#include "bpf/sched.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/log.h"
#include "bpf/pin.h"
#include "bpf/probe.h"
#include "bpf/quiet.h"
#include "bpf/sched.skel.h"

struct acg_scheduler {
	struct acg_sched *skeleton;
	const struct acg_sched__bss *bss;   /* mapped */
	const struct acg_sched__data *data; /* mapped */
	struct ring_buffer *ring;
	char *pin_dir; /* NULL: nothing is pinned */
	char *place;   /* of our pins; with pin_dir */
	int link_fd;   /* -1: not attached */
	bool taken;    /* an earlier process loaded and attached it */
	int64_t gap; /* usec without a scheduler while an earlier build's was replaced; 0: none was */
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

/* --- loading ----------------------------------------------------------------------------------- */

static int attach_error(struct acg_scheduler *sched, int errnum, GError **error)
{
	g_autofree char *other = acg_sched_loaded_name(ACG_SCX_SYSFS);

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

/* In the place of an earlier build's, which goes at the last moment: meanwhile the fair class schedules. */
static int attach(struct acg_scheduler *sched, GError **error)
{
	int64_t start = g_get_monotonic_time();
	struct bpf_link *link;
	bool replaced;

	replaced = sched->pin_dir && acg_pins_remove_others(sched->pin_dir, "sched", sched->place);
	link = bpf_map__attach_struct_ops(sched->skeleton->maps.agentcg_sched);
	if (!link)
		return attach_error(sched, errno, error);
	if (replaced)
		sched->gap = g_get_monotonic_time() - start;
	sched->link_fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0);
	bpf_link__disconnect(link); /* which has its own descriptor: freeing it detaches nothing */
	bpf_link__destroy(link);
	if (sched->link_fd < 0)
		return acg_fail_errno(error, errno, "cannot keep the scheduler's link");
	return sched->place ? acg_pins_keep_link(sched->place, "link", sched->link_fd, error) : 0;
}

/* The scheduler that an earlier process left, if it is of this build and still the one. */
static bool take_scheduler(struct acg_scheduler *sched)
{
	g_autofree char *loaded = acg_sched_loaded_name(ACG_SCX_SYSFS);

	if (!sched->place || g_strcmp0(loaded, ACG_SCHED_NAME) != 0)
		return false;
	sched->link_fd = acg_pins_link(sched->place, "link");
	sched->taken = sched->link_fd >= 0 && acg_pins_take(sched->skeleton->obj, sched->place);
	if (sched->taken)
		return true;
	if (sched->link_fd >= 0)
		close(sched->link_fd);
	sched->link_fd = -1;
	return false;
}

static int map_buffers(struct acg_scheduler *sched, GError **error)
{
	sched->bss = acg_map_variables(sched->skeleton->maps.bss);
	sched->data = acg_map_variables(sched->skeleton->maps.data);
	sched->ring = ring_buffer__new(bpf_map__fd(sched->skeleton->maps.sched_events), on_record,
				       sched, NULL);
	if (!sched->bss || !sched->data || !sched->ring)
		return acg_fail_errno(error, errno, "cannot map the scheduler's maps");
	return 0;
}

/* Asked before the programs are verified: that takes long, to be refused in the end. One of our own is replaced. */
static int check_others(const struct acg_scheduler *sched, GError **error)
{
	g_autofree char *other = acg_sched_loaded_name(ACG_SCX_SYSFS);

	if (other && (!sched->place || strcmp(other, ACG_SCHED_NAME) != 0))
		return acg_fail(error, EBUSY, "another scheduler is loaded: %s", other);
	return 0;
}

static int load_programs(struct acg_scheduler *sched, char *log, GError **error)
{
	int rc = check_others(sched, error);

	if (rc < 0)
		return rc;
	rc = acg_sched__load(sched->skeleton);
	if (rc < 0)
		return acg_load_error(error, "the scheduler", -rc, log);
	return map_buffers(sched, error);
}

static void find_pins(struct acg_scheduler *sched, const char *pin_dir)
{
	const void *elf;
	size_t size;

	if (!pin_dir)
		return;
	elf = acg_sched__elf_bytes(&size);
	sched->pin_dir = g_strdup(pin_dir);
	sched->place = acg_pins_place(pin_dir, "sched", elf, size);
}

static int load(struct acg_scheduler *sched, int groups_fd, const char *pin_dir, GError **error)
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
	find_pins(sched, pin_dir);
	return take_scheduler(sched) ? map_buffers(sched, error) : load_programs(sched, log, error);
}

static int check_kernel(GError **error)
{
	struct acg_probe *probe = acg_probe_new(NULL);
	int rc = 0;

	if (!probe->sched_ext.present)
		rc = acg_fail(error, EOPNOTSUPP, "%s", probe->sched_ext.reason);
	acg_probe_free(probe);
	if (rc)
		return rc;
	if (libbpf_num_possible_cpus() > ACG_SCHED_CPUS)
		return acg_fail(error, E2BIG, "more than %d CPUs", ACG_SCHED_CPUS);
	return 0;
}

int acg_sched_load(int groups_fd, const char *pin_dir, struct acg_scheduler **ret_sched,
		   GError **error)
{
	libbpf_print_fn_t print;
	struct acg_scheduler *sched;
	int rc = check_kernel(error);

	if (rc < 0)
		return rc;
	sched = g_new0(struct acg_scheduler, 1);
	sched->link_fd = -1;
	print = acg_quiet_begin();
	rc = load(sched, groups_fd, pin_dir, error);
	acg_quiet_end(print);
	if (rc < 0) {
		acg_sched_free(sched);
		return rc;
	}
	*ret_sched = sched;
	return 0;
}

int acg_sched_attach(struct acg_scheduler *sched, GError **error)
{
	libbpf_print_fn_t print;
	int rc = 0;

	if (sched->taken)
		return 0;
	print = acg_quiet_begin();
	if (sched->place)
		rc = acg_pins_keep(sched->skeleton->obj, sched->place, error);
	if (rc >= 0)
		rc = attach(sched, error);
	acg_quiet_end(print);
	return rc;
}

void acg_sched_free(struct acg_scheduler *sched)
{
	if (!sched)
		return;
	if (sched->place)
		acg_pins_remove(sched->place);
	if (sched->link_fd >= 0)
		close(sched->link_fd);
	ring_buffer__free(sched->ring);
	if (sched->bss)
		munmap((void *)sched->bss, sizeof(*sched->bss));
	if (sched->data)
		munmap((void *)sched->data, sizeof(*sched->data));
	acg_sched__destroy(sched->skeleton);
	g_free(sched->pin_dir);
	g_free(sched->place);
	g_free(sched->lacks);
	g_free(sched);
}

const char *acg_sched_lacks(const struct acg_scheduler *sched)
{
	return sched->lacks;
}

void acg_sched_clear(const char *pin_dir)
{
	acg_pins_remove_others(pin_dir, "sched", NULL);
}

bool acg_sched_taken(const struct acg_scheduler *sched)
{
	return sched->taken;
}

int64_t acg_sched_gap(const struct acg_scheduler *sched)
{
	return sched->gap;
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
	return acg_sched_sum(sched->bss->places, sched->data->places_used, cgroup_id, ret_figures);
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

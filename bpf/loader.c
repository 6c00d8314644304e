/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads the monitor, or takes over the one that an earlier process left pinned; see the header, and monitor.bpf.c for what runs in the
 * kernel.
 */
#include "bpf/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/log.h"
#include "bpf/monitor.skel.h"
#include "bpf/pin.h"
#include "bpf/probe.h"
#include "bpf/quiet.h"

struct acg_bpf {
	struct acg_probe *probe;
	struct acg_monitor *monitor;
	const struct acg_monitor__bss *bss; /* mapped */
	struct ring_buffer *ring;
	char *pin_dir;             /* NULL: nothing is pinned */
	char *place;               /* of the monitor's pins; with pin_dir */
	char *groups_pin;          /* of the map that other builds may take over; with pin_dir */
	int link_fd;               /* of the program, attached; -1: none */
	char *state;               /* for `status` */
	bool complete;             /* everything that was to work does */
	acg_bpf_event_fn callback; /* during acg_bpf_ring_consume() */
	void *callback_data;
};

/* Without a bpffs all works, unpinned. */
static void find_pins(struct acg_bpf *bpf, const char *pin_dir)
{
	g_autoptr(GError) no_pins = NULL;
	const void *elf;
	size_t size;

	if (acg_pin_dir(pin_dir, &no_pins) < 0) {
		bpf->complete = false;
		bpf->state = g_strdup_printf("map not pinned: %s", no_pins->message);
		return;
	}
	elf = acg_monitor__elf_bytes(&size);
	bpf->pin_dir = g_strdup(pin_dir);
	bpf->place = acg_pins_place(pin_dir, "monitor", elf, size);
	bpf->groups_pin = g_build_filename(pin_dir, "agentcg_groups", NULL);
	bpf->state = g_strdup_printf("map pinned as %s", bpf->groups_pin);
}

static void add_state(struct acg_bpf *bpf, const char *words)
{
	char *state = g_strdup_printf("%s; %s", words, bpf->state);

	g_free(bpf->state);
	bpf->state = state;
}

static int attach_program(struct acg_bpf *bpf)
{
	struct bpf_program *program = bpf->probe->oom_source == ACG_OOM_TRACEPOINT
					      ? bpf->monitor->progs.acg_victim_tracepoint
					      : bpf->monitor->progs.acg_victim_function;
	struct bpf_link *link = bpf_program__attach(program);

	if (!link)
		return -errno;
	bpf->link_fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0);
	bpf_link__destroy(link);
	return bpf->link_fd < 0 ? -errno : 0;
}

/* Without OOM reports the map still serves the other programs: that is a lesser state, no failure. */
static void attach_monitor(struct acg_bpf *bpf)
{
	const struct acg_probe *probe = bpf->probe;
	g_autofree char *words = NULL;
	int rc;

	if (probe->oom_source == ACG_OOM_NONE) {
		bpf->complete = false;
		words = g_strdup_printf("no OOM reports: %s", probe->oom_events.reason);
	} else if (bpf->link_fd < 0 && (rc = attach_program(bpf)) < 0) {
		bpf->complete = false;
		words = g_strdup_printf("no OOM reports: cannot attach to %s: %s",
					probe->oom_events.reason, g_strerror(-rc));
	} else {
		words = g_strdup_printf("OOM reports by %s", probe->oom_events.reason);
	}
	add_state(bpf, words);
}

static int on_record(void *context, void *record, size_t size)
{
	struct acg_bpf *bpf = context;

	if (size >= sizeof(struct acg_bpf_event) && bpf->callback)
		bpf->callback(record, bpf->callback_data);
	return 0;
}

/* The monitor that an earlier process left, if it is of this build and attached. */
static bool take_monitor(struct acg_bpf *bpf)
{
	if (!bpf->place)
		return false;
	bpf->link_fd = acg_pins_link(bpf->place, "link");
	if (bpf->link_fd >= 0 && acg_pins_take(bpf->monitor->obj, bpf->place))
		return true;
	if (bpf->link_fd >= 0)
		close(bpf->link_fd);
	bpf->link_fd = -1;
	return false;
}

/* What is attached stays so while no process runs. The link is pinned last: with it the place is whole. */
static int keep_monitor(struct acg_bpf *bpf, GError **error)
{
	int rc;

	acg_pins_remove_others(bpf->pin_dir, "monitor", bpf->place);
	rc = acg_pins_keep(bpf->monitor->obj, bpf->place, error);
	if (rc == 0 && bpf->link_fd >= 0)
		rc = acg_pins_keep_link(bpf->place, "link", bpf->link_fd, error);
	return rc;
}

static int pin_groups(struct acg_bpf *bpf, GError **error)
{
	int rc = bpf_obj_pin(bpf_map__fd(bpf->monitor->maps.agentcg_groups), bpf->groups_pin);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot pin a map as %s", bpf->groups_pin);
	return 0;
}

static int load_programs(struct acg_bpf *bpf, char *log, GError **error)
{
	struct acg_monitor *monitor = bpf->monitor;
	int reused = 0, rc;

	monitor->rodata->page_kib = sysconf(_SC_PAGESIZE) / 1024;
	bpf_program__set_autoload(monitor->progs.acg_victim_tracepoint,
				  bpf->probe->oom_source == ACG_OOM_TRACEPOINT);
	bpf_program__set_autoload(monitor->progs.acg_victim_function,
				  bpf->probe->oom_source == ACG_OOM_FUNCTION);
	if (bpf->groups_pin)
		reused = acg_pin_reuse(monitor->obj, monitor->maps.agentcg_groups, bpf->groups_pin,
				       error);
	if (reused < 0)
		return reused;
	rc = acg_monitor__load(monitor);
	if (rc < 0)
		return acg_load_error(error, "the BPF monitor", -rc, log);
	return bpf->groups_pin && !reused ? pin_groups(bpf, error) : 0;
}

static int map_buffers(struct acg_bpf *bpf, GError **error)
{
	bpf->bss = acg_map_variables(bpf->monitor->maps.bss);
	bpf->ring = ring_buffer__new(bpf_map__fd(bpf->monitor->maps.agentcg_events), on_record, bpf,
				     NULL);
	if (!bpf->bss || !bpf->ring)
		return acg_fail_errno(error, errno, "cannot map the BPF monitor's maps");
	return 0;
}

static int load_monitor(struct acg_bpf *bpf, const char *pin_dir, GError **error)
{
	g_autofree char *log = g_malloc0(ACG_LOG_BYTES);
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = ACG_LOG_BYTES);
	bool taken;
	int rc;

	bpf->monitor = acg_monitor__open_opts(&options);
	if (!bpf->monitor)
		return acg_fail_errno(error, errno, "cannot open the BPF monitor");
	find_pins(bpf, pin_dir);
	taken = take_monitor(bpf);
	rc = taken ? 0 : load_programs(bpf, log, error);
	if (rc == 0)
		rc = map_buffers(bpf, error);
	if (rc < 0)
		return rc;
	attach_monitor(bpf);
	return bpf->place && !taken ? keep_monitor(bpf, error) : 0;
}

int acg_bpf_load(const char *pin_dir, struct acg_bpf **ret_bpf, GError **error)
{
	struct acg_bpf *bpf = g_new0(struct acg_bpf, 1);
	libbpf_print_fn_t print;
	int rc;

	bpf->link_fd = -1;
	bpf->probe = acg_probe_new(NULL);
	bpf->complete = true;
	if (!bpf->probe->btf.present) {
		rc = acg_fail(error, EOPNOTSUPP, "%s", bpf->probe->btf.reason);
	} else if (!bpf->probe->ringbuf.present) {
		rc = acg_fail(error, EOPNOTSUPP, "%s", bpf->probe->ringbuf.reason);
	} else {
		print = acg_quiet_begin();
		rc = load_monitor(bpf, pin_dir ? pin_dir : ACG_BPF_PIN_DIR, error);
		acg_quiet_end(print);
	}
	if (rc < 0) {
		acg_bpf_free(bpf);
		return rc;
	}
	*ret_bpf = bpf;
	return 0;
}

void acg_bpf_free(struct acg_bpf *bpf)
{
	if (!bpf)
		return;
	ring_buffer__free(bpf->ring);
	if (bpf->bss)
		munmap((void *)bpf->bss, sizeof(*bpf->bss));
	if (bpf->link_fd >= 0)
		close(bpf->link_fd);
	acg_monitor__destroy(bpf->monitor);
	acg_probe_free(bpf->probe);
	g_free(bpf->pin_dir);
	g_free(bpf->place);
	g_free(bpf->groups_pin);
	g_free(bpf->state);
	g_free(bpf);
}

int acg_bpf_unpin(struct acg_bpf *bpf, GError **error)
{
	if (!bpf->pin_dir)
		return 0;
	/* All: a thread that was left to itself may have pinned what it loaded. */
	acg_pins_remove_others(bpf->pin_dir, NULL, NULL);
	if (unlink(bpf->groups_pin) < 0 && errno != ENOENT)
		return acg_fail_errno(error, errno, "cannot remove %s", bpf->groups_pin);
	if (rmdir(bpf->pin_dir) < 0 && errno != ENOTEMPTY && errno != ENOENT)
		return acg_fail_errno(error, errno, "cannot remove %s", bpf->pin_dir);
	g_clear_pointer(&bpf->pin_dir, g_free);
	return 0;
}

const char *acg_bpf_pin_dir(const struct acg_bpf *bpf)
{
	return bpf->pin_dir;
}

const char *acg_bpf_state(const struct acg_bpf *bpf)
{
	return bpf->state;
}

bool acg_bpf_complete(const struct acg_bpf *bpf)
{
	return bpf->complete;
}

int acg_bpf_groups_fd(const struct acg_bpf *bpf)
{
	return bpf_map__fd(bpf->monitor->maps.agentcg_groups);
}

int acg_bpf_events_fd(const struct acg_bpf *bpf)
{
	return bpf_map__fd(bpf->monitor->maps.agentcg_events);
}

const struct acg_probe *acg_bpf_probe(const struct acg_bpf *bpf)
{
	return bpf->probe;
}

int acg_bpf_ring_fd(const struct acg_bpf *bpf)
{
	return ring_buffer__epoll_fd(bpf->ring);
}

int acg_bpf_ring_consume(struct acg_bpf *bpf, acg_bpf_event_fn callback, void *data, GError **error)
{
	int count;

	bpf->callback = callback;
	bpf->callback_data = data;
	count = ring_buffer__consume(bpf->ring);
	bpf->callback = NULL;
	if (count < 0)
		return acg_fail_errno(error, -count, "cannot read the BPF ring buffer");
	return count;
}

uint64_t acg_bpf_dropped(const struct acg_bpf *bpf)
{
	return bpf->bss->dropped;
}

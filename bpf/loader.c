/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the monitor and keeps its map; see the header, and monitor.bpf.c for what runs in the kernel. */
#include "bpf/loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "bpf/log.h"
#include "bpf/monitor.skel.h"
#include "bpf/pin.h"
#include "bpf/probe.h"
#include "bpf/quiet.h"

struct acg_bpf {
	struct acg_probe *probe;
	struct acg_monitor *monitor;
	struct ring_buffer *ring;
	char *pin_path;            /* where the map is pinned; NULL: it is not */
	char *state;               /* for `status` */
	bool complete;             /* everything that was to work does */
	acg_bpf_event_fn callback; /* during acg_bpf_ring_consume() */
	void *callback_data;
};

/* Lets the map be the pinned one, where there can be one. Returns 1 if it was taken over. */
static int find_pin(struct acg_bpf *bpf, const char *pin_dir, GError **error)
{
	g_autoptr(GError) no_pins = NULL;
	int rc;

	if (acg_pin_dir(pin_dir, &no_pins) < 0) {
		bpf->complete = false;
		bpf->state = g_strdup_printf("map not pinned: %s", no_pins->message);
		return 0;
	}
	bpf->pin_path = g_build_filename(pin_dir, "agentcg_groups", NULL);
	rc = acg_pin_reuse(bpf->monitor->obj, bpf->monitor->maps.agentcg_groups, bpf->pin_path,
			   error);
	if (rc >= 0)
		bpf->state = g_strdup_printf("map pinned as %s", bpf->pin_path);
	return rc;
}

static void add_state(struct acg_bpf *bpf, const char *words)
{
	char *state = g_strdup_printf("%s; %s", words, bpf->state);

	g_free(bpf->state);
	bpf->state = state;
}

/* Without OOM reports the map still serves the other programs: that is a lesser state, no failure. */
static void attach_monitor(struct acg_bpf *bpf, const struct acg_probe *probe)
{
	g_autofree char *words = NULL;
	int rc;

	if (probe->oom_source == ACG_OOM_NONE) {
		bpf->complete = false;
		words = g_strdup_printf("no OOM reports: %s", probe->oom_events.reason);
	} else if ((rc = acg_monitor__attach(bpf->monitor)) < 0) {
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

static int load_monitor(struct acg_bpf *bpf, const char *pin_dir, GError **error)
{
	const struct acg_probe *probe = bpf->probe;
	g_autofree char *log = g_malloc0(ACG_LOG_BYTES);
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = ACG_LOG_BYTES);
	struct acg_monitor *monitor = acg_monitor__open_opts(&options);
	int reused, rc;

	if (!monitor)
		return acg_fail_errno(error, errno, "cannot open the BPF monitor");
	bpf->monitor = monitor;
	monitor->rodata->page_kib = sysconf(_SC_PAGESIZE) / 1024;
	bpf_program__set_autoload(monitor->progs.acg_victim_tracepoint,
				  probe->oom_source == ACG_OOM_TRACEPOINT);
	bpf_program__set_autoload(monitor->progs.acg_victim_function,
				  probe->oom_source == ACG_OOM_FUNCTION);
	reused = find_pin(bpf, pin_dir, error);
	if (reused < 0)
		return reused;
	rc = acg_monitor__load(monitor);
	if (rc < 0)
		return acg_load_error(error, "the BPF monitor", -rc, log);
	if (bpf->pin_path && !reused) {
		rc = bpf_obj_pin(bpf_map__fd(monitor->maps.agentcg_groups), bpf->pin_path);
		if (rc < 0)
			return acg_fail_errno(error, -rc, "cannot pin a map as %s", bpf->pin_path);
	}
	bpf->ring =
		ring_buffer__new(bpf_map__fd(monitor->maps.agentcg_events), on_record, bpf, NULL);
	if (!bpf->ring)
		return acg_fail_errno(error, errno, "cannot map the BPF ring buffer");
	attach_monitor(bpf, probe);
	return 0;
}

int acg_bpf_load(const char *pin_dir, struct acg_bpf **ret_bpf, GError **error)
{
	struct acg_bpf *bpf = g_new0(struct acg_bpf, 1);
	libbpf_print_fn_t print;
	int rc;

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
	acg_monitor__destroy(bpf->monitor);
	acg_probe_free(bpf->probe);
	g_free(bpf->pin_path);
	g_free(bpf->state);
	g_free(bpf);
}

int acg_bpf_unpin(struct acg_bpf *bpf, GError **error)
{
	g_autofree char *dir = NULL;

	if (!bpf->pin_path)
		return 0;
	if (unlink(bpf->pin_path) < 0 && errno != ENOENT)
		return acg_fail_errno(error, errno, "cannot remove %s", bpf->pin_path);
	dir = g_path_get_dirname(bpf->pin_path);
	if (rmdir(dir) < 0 && errno != ENOTEMPTY && errno != ENOENT)
		return acg_fail_errno(error, errno, "cannot remove %s", dir);
	g_clear_pointer(&bpf->pin_path, g_free);
	return 0;
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
	return bpf->monitor->bss->dropped;
}

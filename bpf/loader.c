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

/* The monitor's programs. */
enum part {
	PART_VICTIM_TRACEPOINT,
	PART_VICTIM_FUNCTION,
	PART_FORK,
	PART_EXEC,
	PART_EXEC_PERF,
	PART_EXIT,
	PART_EXIT_PERF,
	PART_CHARGE,
	PART_RECLAIM,
	PART_STALL,
	PART_STALL_END,
	N_PARTS,
};

struct acg_bpf {
	struct acg_probe *probe;
	struct acg_monitor *monitor;
	const struct acg_monitor__bss *bss; /* mapped */
	struct ring_buffer *ring;
	char *pin_dir;             /* NULL: nothing is pinned */
	int pin_lock;              /* -1: nothing is pinned */
	char *place;               /* of the monitor's pins; with pin_dir */
	char *groups_pin;          /* of the map that other builds may take over; with pin_dir */
	int links[N_PARTS];        /* of the programs, attached; -1: none */
	char *no_functions;        /* why none of those that trace functions is; NULL: they are */
	char *state;               /* for `status` */
	bool complete;             /* everything that was to work does */
	acg_bpf_event_fn callback; /* during acg_bpf_ring_consume() */
	void *callback_data;
	int consumed; /* by it */
	bool forks;   /* are asked for */
};

/* Without a bpffs all works, unpinned. */
static void find_pins(struct acg_bpf *bpf, const char *pin_dir)
{
	g_autoptr(GError) no_pins = NULL;
	const void *elf;
	size_t size;

	if (acg_pin_dir(pin_dir, &no_pins) == 0)
		bpf->pin_lock = acg_pin_lock(pin_dir, &no_pins);
	if (bpf->pin_lock < 0) {
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

/* One of the monitor's programs, by its part. */
struct program {
	const char *name; /* of its pinned link */
	struct bpf_program *program;
	bool wanted;   /* this kernel has a place for it */
	bool function; /* it traces a function, which a kernel may refuse as a whole */
};

static void list_programs(const struct acg_bpf *bpf, struct program programs[N_PARTS])
{
	const struct acg_probe *probe = bpf->probe;
	const struct acg_monitor *monitor = bpf->monitor;
	const struct program all[N_PARTS] = {
		[PART_VICTIM_TRACEPOINT] = {"victim_tracepoint",
					    monitor->progs.acg_victim_tracepoint,
					    probe->oom_source == ACG_OOM_TRACEPOINT, false},
		[PART_VICTIM_FUNCTION] = {"victim_function", monitor->progs.acg_victim_function,
					  probe->oom_source == ACG_OOM_FUNCTION, true},
		[PART_FORK] = {"fork", monitor->progs.acg_fork, probe->process_events, false},
		[PART_EXEC] = {"exec", monitor->progs.acg_exec,
			       probe->process_events && !probe->tracefs, false},
		[PART_EXEC_PERF] = {"exec_perf", monitor->progs.acg_exec_perf,
				    probe->process_events && probe->tracefs, false},
		[PART_EXIT] = {"exit", monitor->progs.acg_exit,
			       probe->process_events && !probe->tracefs, false},
		[PART_EXIT_PERF] = {"exit_perf", monitor->progs.acg_exit_perf,
				    probe->process_events && probe->tracefs, false},
		[PART_CHARGE] = {"charge", monitor->progs.acg_charge, probe->charges, true},
		[PART_RECLAIM] = {"reclaim", monitor->progs.acg_reclaim, probe->memcg_reclaim,
				  true},
		[PART_STALL] = {"stall", monitor->progs.acg_stall, probe->stalls, true},
		[PART_STALL_END] = {"stall_end", monitor->progs.acg_stall_end, probe->stalls, true},
	};

	memcpy(programs, all, sizeof(all));
	for (unsigned int i = 0; i < N_PARTS; i++)
		programs[i].wanted &= !(programs[i].function && bpf->no_functions);
}

static int attach_programs(struct acg_bpf *bpf)
{
	struct program programs[N_PARTS];

	list_programs(bpf, programs);
	for (unsigned int i = 0; i < N_PARTS; i++) {
		struct bpf_link *link;

		if (!programs[i].wanted)
			continue;
		link = bpf_program__attach(programs[i].program);
		if (!link)
			return -errno;
		bpf->links[i] = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0);
		bpf_link__destroy(link);
		if (bpf->links[i] < 0)
			return -errno;
	}
	return 0;
}

static void close_links(struct acg_bpf *bpf)
{
	for (unsigned int i = 0; i < N_PARTS; i++) {
		if (bpf->links[i] >= 0)
			close(bpf->links[i]);
		bpf->links[i] = -1;
	}
}

static bool sees_victims(const struct acg_bpf *bpf)
{
	return bpf->links[PART_VICTIM_TRACEPOINT] >= 0 || bpf->links[PART_VICTIM_FUNCTION] >= 0;
}

/* "sees OOM victims, processes; not stalls: this kernel has no place for that" */
static char *describe_monitor(const struct acg_bpf *bpf)
{
	static const struct {
		const char *what;
		enum part part;
	} all[] = {{"growth", PART_CHARGE}, {"reclaim", PART_RECLAIM}, {"stalls", PART_STALL_END}};
	g_autoptr(GString) seen = g_string_new(NULL), missed = g_string_new(NULL);

	g_string_append(sees_victims(bpf) ? seen : missed, ", OOM victims");
	g_string_append(acg_bpf_sees_processes(bpf) ? seen : missed, ", processes");
	for (unsigned int i = 0; i < G_N_ELEMENTS(all); i++)
		g_string_append_printf(bpf->links[all[i].part] >= 0 ? seen : missed, ", %s",
				       all[i].what);
	if (!missed->len)
		return g_strdup_printf("sees %s", seen->str + 2);
	return g_strdup_printf(
		"sees %s; not %s: %s", seen->len ? seen->str + 2 : "nothing", missed->str + 2,
		bpf->no_functions ? bpf->no_functions : "this kernel has no place for that");
}

static bool is_complete(const struct acg_bpf *bpf)
{
	for (unsigned int i = PART_CHARGE; i < N_PARTS; i++)
		if (bpf->links[i] < 0)
			return false;
	return sees_victims(bpf) && acg_bpf_sees_processes(bpf);
}

/* Without the monitor the map still serves the other programs: that is a lesser state, no failure. */
static void attach_monitor(struct acg_bpf *bpf, bool taken)
{
	g_autofree char *words = NULL;
	int rc = taken ? 0 : attach_programs(bpf);

	if (rc < 0)
		close_links(bpf);
	bpf->complete = bpf->complete && is_complete(bpf);
	words = rc < 0 ? g_strdup_printf("sees nothing: cannot attach: %s", g_strerror(-rc))
		       : describe_monitor(bpf);
	add_state(bpf, words);
}

static int on_record(void *context, void *record, size_t size)
{
	struct acg_bpf *bpf = context;

	const struct acg_bpf_event *event = record;

	if (size < sizeof(*event) ||
	    (event->type == ACG_BPF_EXEC && size < sizeof(*event) + event->args_len))
		return 0;
	if (bpf->callback)
		bpf->callback(record, bpf->callback_data);
	return ++bpf->consumed < ACG_RING_BATCH ? 0 : -EAGAIN; /* that one is consumed, too */
}

/* All that this kernel has a place for; or, where it refuses functions, all others. The one pinned last is there: all are. */
static bool take_links(struct acg_bpf *bpf)
{
	struct program programs[N_PARTS];
	int whole = acg_pins_link(bpf->place, "whole");

	if (whole < 0)
		return false;
	close(whole);
	list_programs(bpf, programs);
	for (unsigned int i = 0; i < N_PARTS; i++) {
		if (programs[i].wanted)
			bpf->links[i] = acg_pins_link(bpf->place, programs[i].name);
		if (!programs[i].wanted || bpf->links[i] >= 0)
			continue;
		if (!programs[i].function)
			return false;
		bpf->links[i] = -1;
		if (!bpf->no_functions)
			bpf->no_functions = g_strdup("this kernel lets no function be traced");
	}
	return true;
}

/* The monitor that an earlier process left, if it is of this build and attached. */
static bool take_monitor(struct acg_bpf *bpf)
{
	if (!bpf->place)
		return false;
	if (take_links(bpf) && acg_pins_take(bpf->monitor->obj, bpf->place))
		return true;
	close_links(bpf);
	return false;
}

/* What is attached stays so while no process runs. One link is pinned once more, last: with that the place is whole. */
static int keep_monitor(struct acg_bpf *bpf, GError **error)
{
	struct program programs[N_PARTS];
	int rc, last = -1;

	acg_pins_remove_others(bpf->pin_dir, "monitor", bpf->place);
	rc = acg_pins_keep(bpf->monitor->obj, bpf->place, error);
	list_programs(bpf, programs);
	for (unsigned int i = 0; i < N_PARTS && rc == 0; i++) {
		if (bpf->links[i] < 0)
			continue;
		last = bpf->links[i];
		rc = acg_pins_keep_link(bpf->place, programs[i].name, last, error);
	}
	if (rc == 0 && last >= 0)
		rc = acg_pins_keep_link(bpf->place, "whole", last, error);
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
	struct program programs[N_PARTS];
	int reused = 0, rc;

	monitor->rodata->page_kib = sysconf(_SC_PAGESIZE) / 1024;
	list_programs(bpf, programs);
	for (unsigned int i = 0; i < N_PARTS; i++)
		bpf_program__set_autoload(programs[i].program, programs[i].wanted);
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

static int open_monitor(struct acg_bpf *bpf, char *log, GError **error)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = ACG_LOG_BYTES);

	bpf->monitor = acg_monitor__open_opts(&options);
	return bpf->monitor ? 0 : acg_fail_errno(error, errno, "cannot open the BPF monitor");
}

/* Where functions cannot be traced the rest is loaded alone. */
static int load_what_can_be(struct acg_bpf *bpf, char *log, GError **error)
{
	g_autoptr(GError) whole = NULL;
	int rc = load_programs(bpf, log, &whole);

	if (rc == 0)
		return 0;
	bpf->no_functions = g_strdup(whole->message);
	acg_monitor__destroy(bpf->monitor);
	memset(log, 0, ACG_LOG_BYTES);
	rc = open_monitor(bpf, log, error);
	return rc < 0 ? rc : load_programs(bpf, log, error);
}

static int load_monitor(struct acg_bpf *bpf, const char *pin_dir, GError **error)
{
	g_autofree char *log = g_malloc0(ACG_LOG_BYTES);
	int rc = open_monitor(bpf, log, error);
	bool taken;

	if (rc < 0)
		return rc;
	find_pins(bpf, pin_dir);
	taken = take_monitor(bpf);
	rc = taken ? 0 : load_what_can_be(bpf, log, error);
	if (rc == 0)
		rc = map_buffers(bpf, error);
	if (rc < 0)
		return rc;
	attach_monitor(bpf, taken);
	return bpf->place && !taken ? keep_monitor(bpf, error) : 0;
}

int acg_bpf_load(const char *pin_dir, struct acg_bpf **ret_bpf, GError **error)
{
	struct acg_bpf *bpf = g_new0(struct acg_bpf, 1);
	libbpf_print_fn_t print;
	int rc;

	memset(bpf->links, -1, sizeof(bpf->links));
	bpf->pin_lock = -1;
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
	close_links(bpf);
	if (bpf->pin_lock >= 0)
		close(bpf->pin_lock);
	acg_monitor__destroy(bpf->monitor);
	acg_probe_free(bpf->probe);
	g_free(bpf->pin_dir);
	g_free(bpf->place);
	g_free(bpf->groups_pin);
	g_free(bpf->state);
	g_free(bpf->no_functions);
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

void acg_bpf_clear(const char *pin_dir)
{
	acg_pins_clear(pin_dir ? pin_dir : ACG_BPF_PIN_DIR);
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
	bpf->consumed = 0;
	count = ring_buffer__consume(bpf->ring);
	bpf->callback = NULL;
	if (count == -EAGAIN)
		return bpf->consumed;
	if (count < 0)
		return acg_fail_errno(error, -count, "cannot read the BPF ring buffer");
	return count;
}

/* Times that the kernel left a program out, since it was at it already on that CPU. */
static uint64_t missed(const struct bpf_program *program)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_program__fd(program) < 0 ||
	    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
		return 0;
	return info.recursion_misses;
}

uint64_t acg_bpf_lost(const struct acg_bpf *bpf)
{
	const struct acg_monitor *monitor = bpf->monitor;

	return bpf->bss->dropped + bpf->bss->left_out +
	       (bpf->forks ? missed(monitor->progs.acg_fork) : 0) +
	       missed(monitor->progs.acg_exec) + missed(monitor->progs.acg_exec_perf) +
	       missed(monitor->progs.acg_exit) + missed(monitor->progs.acg_exit_perf);
}

void acg_bpf_monitor(struct acg_bpf *bpf, const struct acg_monitor_figures *figures)
{
	const __u32 zero = 0;

	bpf->forks = figures->processes & ACG_WATCH_FORKS;
	bpf_map_update_elem(bpf_map__fd(bpf->monitor->maps.agentcg_figures), &zero, figures,
			    BPF_ANY);
}

bool acg_bpf_sees_processes(const struct acg_bpf *bpf)
{
	return bpf->links[PART_EXIT] >= 0 || bpf->links[PART_EXIT_PERF] >= 0;
}

bool acg_bpf_sees_growth(const struct acg_bpf *bpf)
{
	return bpf->links[PART_CHARGE] >= 0;
}

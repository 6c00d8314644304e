/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the memory programs and attaches them to cgroups; see the header, and memcg.bpf.c for what they do. */
#include "bpf/memcg.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/log.h"
#include "bpf/memcg.skel.h"
#include "bpf/pin.h"
#include "bpf/probe.h"
#include "bpf/quiet.h"
#include "bpf/struct_ops.h"

#define TYPE     "memcg_bpf_ops"
#define LINK_PIN "memcg_link_" /* then the cgroup's id */

struct link {
	guint64 id; /* of the cgroup */
	int fd;
	char *pin; /* NULL: not pinned */
};

struct acg_memcg_ops {
	struct acg_memcg *skel;
	const struct acg_memcg__bss *bss; /* mapped */
	int reclaim_fd;                   /* of the tracepoint's link; -1: this kernel has none */
	GHashTable *links;                /* &id -> struct link, owned */
	char *pin_dir;                    /* NULL: there is none */
	char *place;                      /* of the programs' pins; with pin_dir */
	int64_t gap;                      /* see acg_memcg_ops_gap() */
	char *words;
	bool delays;
};

/* What a member of the type is to us. */
struct member {
	enum acg_memcg_hook hook;
	const char *name;
	struct bpf_program *program;
	struct bpf_program **slot; /* in the struct_ops map, for libbpf */
};

#define N_MEMBERS 5

static void free_link(void *data)
{
	struct link *link = data;

	close(link->fd);
	g_free(link->pin);
	g_free(link);
}

static void list_members(struct acg_memcg *skel, struct member members[N_MEMBERS])
{
	typeof(skel->struct_ops.agentcg_memcg) map = skel->struct_ops.agentcg_memcg;
	const struct member list[N_MEMBERS] = {
		{ACG_MEMCG_ONLINE, "handle_cgroup_online", skel->progs.acg_handle_cgroup_online,
		 &map->handle_cgroup_online},
		{ACG_MEMCG_OFFLINE, "handle_cgroup_offline", skel->progs.acg_handle_cgroup_offline,
		 &map->handle_cgroup_offline},
		{ACG_MEMCG_LOW, "below_low", skel->progs.acg_below_low, &map->below_low},
		{ACG_MEMCG_MIN, "below_min", skel->progs.acg_below_min, &map->below_min},
		{ACG_MEMCG_DELAY, "get_high_delay_ms", skel->progs.acg_get_high_delay_ms,
		 &map->get_high_delay_ms},
	};

	memcpy(members, list, sizeof(list));
}

/* Leaves out what this kernel lacks. Returns how many members are left. */
static unsigned int choose_members(struct member members[N_MEMBERS], unsigned int hooks)
{
	unsigned int i, n = 0;

	for (i = 0; i < N_MEMBERS; i++) {
		bool there = hooks & (1U << members[i].hook);

		bpf_program__set_autoload(members[i].program, there);
		if (there)
			n++;
		else
			*members[i].slot = NULL;
	}
	return n;
}

/* The kernel's value of the map, which only an update with it makes ready to be attached. */
static int set_value(struct acg_memcg *skel, const struct member members[N_MEMBERS], GError **error)
{
	struct acg_ops_member places[N_MEMBERS];
	struct btf *btf = btf__load_vmlinux_btf();
	g_autofree void *value = NULL;
	const __u32 zero = 0;
	size_t size;
	int i, rc;

	if (!btf)
		return acg_fail_errno(error, errno, "cannot read the kernel's BTF");
	for (i = 0; i < N_MEMBERS; i++)
		places[i] = (struct acg_ops_member){
			members[i].name,
			*members[i].slot ? bpf_program__fd(members[i].program) : -1};
	rc = acg_struct_ops_value(btf, TYPE, places, N_MEMBERS, &value, &size, error);
	btf__free(btf);
	if (rc < 0)
		return rc;
	if (size != bpf_map__value_size(skel->maps.agentcg_memcg))
		return acg_fail(error, EINVAL, "the map of %s has values of another size", TYPE);
	rc = bpf_map_update_elem(bpf_map__fd(skel->maps.agentcg_memcg), &zero, value, 0);
	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot set the value of %s", TYPE);
	return 0;
}

/* --- pins -------------------------------------------------------------------------------------- */

static char *link_pin(const struct acg_memcg_ops *ops, uint64_t cgroup_id)
{
	g_autofree char *name = g_strdup_printf(LINK_PIN "%" G_GUINT64_FORMAT, (guint64)cgroup_id);

	return g_build_filename(ops->pin_dir, name, NULL);
}

/* Links that an earlier process left: those of cgroups that are gone, or all. */
static void remove_link_pins(const char *dir_path, bool all)
{
	g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(dir_path, name, NULL);
		int fd;

		if (!g_str_has_prefix(name, LINK_PIN))
			continue;
		fd = bpf_obj_get(path);
		if (all || fd < 0 || !acg_struct_ops_linked(fd)) {
			if (fd >= 0)
				acg_struct_ops_unlink(fd, NULL);
			unlink(path);
		}
		if (fd >= 0)
			close(fd);
	}
}

static void remove_all_pins(const char *dir_path)
{
	g_autofree char *state = g_build_filename(dir_path, "agentcg_memory", NULL);

	remove_link_pins(dir_path, true);
	acg_pins_remove_others(dir_path, "memcg", NULL);
	unlink(state);
}

static void find_pins(struct acg_memcg_ops *ops, const char *pin_dir)
{
	const void *elf;
	size_t size;

	if (!pin_dir)
		return; /* acg_bpf_state() has said why */
	elf = acg_memcg__elf_bytes(&size);
	ops->pin_dir = g_strdup(pin_dir);
	ops->place = acg_pins_place(pin_dir, "memcg", elf, size);
	remove_link_pins(pin_dir, false);
}

/* The programs that an earlier process left, if they are of this build. */
static bool take_programs(struct acg_memcg_ops *ops, bool direct_reclaim)
{
	if (!ops->place)
		return false;
	ops->reclaim_fd = acg_pins_link(ops->place, "reclaim");
	if ((ops->reclaim_fd >= 0) == direct_reclaim && acg_pins_take(ops->skel->obj, ops->place))
		return true;
	if (ops->reclaim_fd >= 0)
		close(ops->reclaim_fd);
	ops->reclaim_fd = -1;
	return false;
}

/* The tracepoint's link is pinned last: with it the place is whole. */
static int keep_programs(struct acg_memcg_ops *ops, GError **error)
{
	int rc;

	acg_pins_remove_others(ops->pin_dir, "memcg", ops->place);
	rc = acg_pins_keep(ops->skel->obj, ops->place, error);
	if (rc == 0 && ops->reclaim_fd >= 0)
		rc = acg_pins_keep_link(ops->place, "reclaim", ops->reclaim_fd, error);
	return rc;
}

/* Lets the state be what another build has counted, if it has the same shape. Returns 1 if it was taken over. */
static int find_state(struct acg_memcg_ops *ops, GError **error)
{
	g_autofree char *path = g_build_filename(ops->pin_dir, "agentcg_memory", NULL);

	return acg_pin_reuse(ops->skel->obj, ops->skel->maps.agentcg_memory, path, error);
}

static int pin_state(struct acg_memcg_ops *ops, GError **error)
{
	g_autofree char *path = g_build_filename(ops->pin_dir, "agentcg_memory", NULL);
	int rc = bpf_obj_pin(bpf_map__fd(ops->skel->maps.agentcg_memory), path);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot pin a map as %s", path);
	return 0;
}

/* --- loading ----------------------------------------------------------------------------------- */

static int share_maps(struct acg_memcg *skel, struct acg_bpf *bpf, GError **error)
{
	int rc = bpf_map__reuse_fd(skel->maps.agentcg_groups, acg_bpf_groups_fd(bpf));

	if (rc == 0)
		rc = bpf_map__reuse_fd(skel->maps.agentcg_events, acg_bpf_events_fd(bpf));
	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot share the monitor's maps");
	return 0;
}

static int attach_reclaim(struct acg_memcg_ops *ops)
{
	struct bpf_link *link = bpf_program__attach(ops->skel->progs.acg_direct_reclaim);

	if (!link)
		return -errno;
	ops->reclaim_fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 0);
	bpf_link__destroy(link);
	return ops->reclaim_fd < 0 ? -errno : 0;
}

static int load_programs(struct acg_memcg_ops *ops, const struct member members[N_MEMBERS],
			 bool direct_reclaim, char *log, GError **error)
{
	struct acg_memcg *skel = ops->skel;
	int reused = ops->pin_dir ? find_state(ops, error) : 0, rc;

	if (reused < 0)
		return reused;
	rc = acg_memcg__load(skel);
	if (rc < 0)
		return acg_load_error(error, "the memory programs", -rc, log);
	rc = set_value(skel, members, error);
	if (rc == 0 && ops->pin_dir && !reused)
		rc = pin_state(ops, error);
	if (rc == 0 && direct_reclaim)
		attach_reclaim(ops); /* without it only less is known */
	return rc == 0 && ops->place ? keep_programs(ops, error) : rc;
}

static int load(struct acg_memcg_ops *ops, struct acg_bpf *bpf, GError **error)
{
	const struct acg_probe *probe = acg_bpf_probe(bpf);
	g_autofree char *log = g_malloc0(ACG_LOG_BYTES);
	LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_buf = log,
		    .kernel_log_size = ACG_LOG_BYTES);
	struct acg_memcg *skel = acg_memcg__open_opts(&options);
	struct member members[N_MEMBERS];
	int rc;

	if (!skel)
		return acg_fail_errno(error, errno, "cannot open the memory programs");
	ops->skel = skel;
	skel->rodata->page_size = sysconf(_SC_PAGESIZE);
	list_members(skel, members);
	ops->words = acg_probe_memcg_words(probe->memcg_hooks);
	if (!choose_members(members, probe->memcg_hooks))
		return acg_fail(error, EOPNOTSUPP, "%s", ops->words);
	ops->delays = probe->memcg_hooks & (1U << ACG_MEMCG_DELAY);
	bpf_program__set_autoload(skel->progs.acg_direct_reclaim, probe->direct_reclaim);
	rc = share_maps(skel, bpf, error);
	if (rc < 0)
		return rc;
	find_pins(ops, acg_bpf_pin_dir(bpf));
	rc = take_programs(ops, probe->direct_reclaim)
		     ? 0
		     : load_programs(ops, members, probe->direct_reclaim, log, error);
	if (rc < 0)
		return rc;
	ops->bss = acg_map_variables(skel->maps.bss);
	return ops->bss ? 0 : acg_fail_errno(error, errno, "cannot map the memory programs' maps");
}

int acg_memcg_ops_load(struct acg_bpf *bpf, struct acg_memcg_ops **ret_ops, GError **error)
{
	const struct acg_probe *probe = acg_bpf_probe(bpf);
	struct acg_memcg_ops *ops;
	libbpf_print_fn_t print;
	int rc;

	if (!probe->memcg_bpf_ops.present)
		return acg_fail(error, EOPNOTSUPP, "%s", probe->memcg_bpf_ops.reason);
	ops = g_new0(struct acg_memcg_ops, 1);
	ops->reclaim_fd = -1;
	ops->links = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_link);
	print = acg_quiet_begin();
	rc = load(ops, bpf, error);
	acg_quiet_end(print);
	if (rc < 0) {
		if (ops->pin_dir) /* nobody would keep what an earlier process left */
			remove_all_pins(ops->pin_dir);
		acg_memcg_ops_free(ops);
		return rc;
	}
	*ret_ops = ops;
	return 0;
}

void acg_memcg_ops_free(struct acg_memcg_ops *ops)
{
	if (!ops)
		return;
	g_hash_table_unref(ops->links);
	if (ops->reclaim_fd >= 0)
		close(ops->reclaim_fd);
	if (ops->bss)
		munmap((void *)ops->bss, sizeof(*ops->bss));
	acg_memcg__destroy(ops->skel);
	g_free(ops->pin_dir);
	g_free(ops->place);
	g_free(ops->words);
	g_free(ops);
}

/* --- attaching --------------------------------------------------------------------------------- */

static int attach_error(int rc, GError **error)
{
	struct btf *btf = btf__load_vmlinux_btf();
	g_autofree char *owners = btf ? acg_struct_ops_owners(btf, TYPE) : NULL;

	btf__free(btf);
	if (rc == -EBUSY)
		return acg_fail(error, EBUSY, "other memcg_bpf_ops are in force here: %s",
				owners ? owners : "nobody says whose");
	return acg_fail_errno(error, -rc, "cannot attach memcg_bpf_ops");
}

static void pin_link(const struct acg_memcg_ops *ops, struct link *link)
{
	if (!ops->pin_dir)
		return;
	link->pin = link_pin(ops, link->id);
	if (bpf_obj_pin(link->fd, link->pin) < 0)
		g_clear_pointer(&link->pin, g_free); /* it serves as long as we run */
}

/* True if the link has these programs attached. */
static bool is_ours(const struct acg_memcg_ops *ops, int link_fd)
{
	struct bpf_link_info link = {0};
	struct bpf_map_info map = {0};
	__u32 link_size = sizeof(link), map_size = sizeof(map);

	return acg_struct_ops_linked(link_fd) &&
	       bpf_link_get_info_by_fd(link_fd, &link, &link_size) == 0 &&
	       bpf_map_get_info_by_fd(bpf_map__fd(ops->skel->maps.agentcg_memcg), &map,
				      &map_size) == 0 &&
	       link.struct_ops.map_id == map.id;
}

/*
 * What an earlier process left attached to the cgroup: its descriptor if it is these programs; another build's is detached, since one
 * cgroup cannot have two, and -1 returned. *ret_replaced says so.
 */
static int take_link(const struct acg_memcg_ops *ops, uint64_t cgroup_id, bool *ret_replaced)
{
	g_autofree char *path = ops->pin_dir ? link_pin(ops, cgroup_id) : NULL;
	int fd = path ? bpf_obj_get(path) : -1;

	if (fd < 0 || is_ours(ops, fd))
		return fd;
	acg_struct_ops_unlink(fd, NULL);
	unlink(path);
	close(fd);
	*ret_replaced = true;
	return -1;
}

static void add_link(struct acg_memcg_ops *ops, uint64_t cgroup_id, int fd, bool pinned)
{
	struct link *link = g_new0(struct link, 1);

	link->id = cgroup_id;
	link->fd = fd;
	if (pinned)
		link->pin = link_pin(ops, cgroup_id);
	else
		pin_link(ops, link);
	g_hash_table_insert(ops->links, &link->id, link);
}

int acg_memcg_ops_attach(struct acg_memcg_ops *ops, int cgroup_dirfd, GError **error)
{
	int64_t start = g_get_monotonic_time();
	bool replaced = false;
	struct stat st;
	guint64 id;
	int fd;

	if (fstat(cgroup_dirfd, &st) < 0)
		return acg_fail_errno(error, errno, "cannot look at the cgroup");
	id = st.st_ino;
	if (g_hash_table_contains(ops->links, &id))
		return acg_fail(error, EALREADY, "memcg_bpf_ops are attached there already");
	if (faccessat(cgroup_dirfd, "memory.current", F_OK, 0) < 0)
		return acg_fail_errno(error, errno, "the cgroup has no memory controller");
	fd = take_link(ops, id, &replaced);
	if (fd >= 0) {
		add_link(ops, id, fd, true);
		return 0;
	}
	fd = acg_struct_ops_link(bpf_map__fd(ops->skel->maps.agentcg_memcg), cgroup_dirfd, NULL);
	if (fd < 0)
		return attach_error(fd, error);
	add_link(ops, id, fd, false);
	if (replaced)
		ops->gap = g_get_monotonic_time() - start;
	return 0;
}

int64_t acg_memcg_ops_gap(const struct acg_memcg_ops *ops)
{
	return ops->gap;
}

static int detach_link(const struct link *link, GError **error)
{
	int rc = acg_struct_ops_unlink(link->fd, error);

	if (link->pin)
		unlink(link->pin);
	return rc;
}

int acg_memcg_ops_detach(struct acg_memcg_ops *ops, uint64_t cgroup_id, GError **error)
{
	guint64 id = cgroup_id;
	const struct link *link = g_hash_table_lookup(ops->links, &id);
	int rc;

	if (!link)
		return acg_fail(error, ENOENT, "no memcg_bpf_ops of ours are attached there");
	rc = detach_link(link, error);
	g_hash_table_remove(ops->links, &id);
	return rc;
}

void acg_memcg_ops_detach_all(struct acg_memcg_ops *ops)
{
	GHashTableIter iter;
	void *link;

	g_hash_table_iter_init(&iter, ops->links);
	while (g_hash_table_iter_next(&iter, NULL, &link))
		detach_link(link, NULL);
	g_hash_table_remove_all(ops->links);
	if (ops->pin_dir)
		remove_all_pins(ops->pin_dir);
}

int acg_memcg_ops_link_fd(const struct acg_memcg_ops *ops, uint64_t cgroup_id)
{
	guint64 id = cgroup_id;
	const struct link *link = g_hash_table_lookup(ops->links, &id);

	return link ? link->fd : -1;
}

bool acg_memcg_ops_delays(const struct acg_memcg_ops *ops)
{
	return ops->delays;
}

const char *acg_memcg_ops_words(const struct acg_memcg_ops *ops)
{
	return ops->words;
}

/* --- maps -------------------------------------------------------------------------------------- */

int acg_memcg_ops_figures(struct acg_memcg_ops *ops, const struct acg_memory_figures *figures,
			  GError **error)
{
	const __u32 zero = 0;
	int rc = bpf_map_update_elem(bpf_map__fd(ops->skel->maps.agentcg_memory_figures), &zero,
				     figures, BPF_ANY);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot set the figures of the memory programs");
	return 0;
}

int acg_memcg_ops_state(struct acg_memcg_ops *ops, uint64_t cgroup_id,
			struct acg_memory_state *ret_state, GError **error)
{
	struct acg_memory_state state;
	int rc = bpf_map_lookup_elem(bpf_map__fd(ops->skel->maps.agentcg_memory), &cgroup_id,
				     &state);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "memory state of group %" G_GUINT64_FORMAT,
				      (guint64)cgroup_id);
	*ret_state = state;
	return 0;
}

uint64_t acg_memcg_ops_dropped(const struct acg_memcg_ops *ops)
{
	return ops->bss->dropped;
}

uint64_t acg_memcg_ops_unknown(const struct acg_memcg_ops *ops)
{
	return ops->bss->unknown;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pinned maps and links: where they may be, and whether what is there fits; see the header. */
#include "bpf/pin.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/magic.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIN_DIR_MODE 0700
#define BUILD_DIGITS 16 /* of the hash: enough to tell builds apart */
#define REMOVE_TRIES 10 /* while another thread may be pinning there */

int acg_pin_dir(const char *dir, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(dir);
	const char *looked_at = dir;
	struct statfs fs;
	int rc = statfs(dir, &fs);

	if (rc < 0 && errno == ENOENT) {
		looked_at = parent;
		rc = statfs(parent, &fs);
	}
	if (rc < 0)
		return acg_fail_errno(error, errno, "%s", looked_at);
	if (fs.f_type != BPF_FS_MAGIC)
		return acg_fail(error, ENODEV, "%s is not on a bpffs", looked_at);
	if (mkdir(dir, PIN_DIR_MODE) < 0 && errno != EEXIST)
		return acg_fail_errno(error, errno, "cannot make %s", dir);
	return 0;
}

int acg_pin_lock(const char *dir, GError **error)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot open %s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return acg_fail(error, EBUSY, "another process pins below %s", dir);
}

static const struct btf_type *value_struct(const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf ? btf__type_by_id(btf, id) : NULL;

	return type && btf_is_struct(type) ? type : NULL;
}

static bool same_members(const struct btf *a, __u32 a_id, const struct btf *b, __u32 b_id)
{
	const struct btf_type *left = value_struct(a, a_id), *right = value_struct(b, b_id);
	const struct btf_member *x, *y;
	int i;

	if (!left || !right || btf_vlen(left) != btf_vlen(right))
		return false;
	x = btf_members(left);
	y = btf_members(right);
	for (i = 0; i < btf_vlen(left); i++) {
		if (x[i].offset != y[i].offset ||
		    btf__resolve_size(a, x[i].type) != btf__resolve_size(b, y[i].type) ||
		    strcmp(btf__name_by_offset(a, x[i].name_off),
			   btf__name_by_offset(b, y[i].name_off)))
			return false;
	}
	return true;
}

static bool same_shape(struct bpf_object *object, struct bpf_map *map, int pinned_fd)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);
	struct btf *btf;
	bool same;

	if (bpf_map_get_info_by_fd(pinned_fd, &info, &size) < 0)
		return false;
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map) ||
	    info.map_flags != bpf_map__map_flags(map) || !info.btf_id)
		return false;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	same = same_members(btf, info.btf_value_type_id, bpf_object__btf(object),
			    bpf_map__btf_value_type_id(map));
	btf__free(btf);
	return same;
}

int acg_pin_reuse(struct bpf_object *object, struct bpf_map *map, const char *path, GError **error)
{
	int fd = bpf_obj_get(path);
	int rc;

	if (fd < 0) {
		if (errno == ENOENT)
			return 0;
		return acg_fail_errno(error, errno, "cannot open the pinned map %s", path);
	}
	if (!same_shape(object, map, fd)) {
		close(fd);
		if (unlink(path) < 0 && errno != ENOENT)
			return acg_fail_errno(error, errno, "cannot replace the pinned map %s",
					      path);
		return 0;
	}
	rc = bpf_map__reuse_fd(map, fd);
	close(fd);
	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot take over the pinned map %s", path);
	return 1;
}

/* --- whole objects ------------------------------------------------------------------------------ */

char *acg_pins_place(const char *dir, const char *name, const void *elf, size_t size)
{
	g_autofree char *hash = g_compute_checksum_for_data(G_CHECKSUM_SHA256, elf, size);

	return g_strdup_printf("%s/%s_%.*s", dir, name, BUILD_DIGITS, hash);
}

/* bpffs has no dots in names; ".bss" has. */
static char *path_of(const char *place, const char *name)
{
	g_autofree char *plain = g_strdelimit(g_strdup(name), ".", '_');

	return g_build_filename(place, plain, NULL);
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {0};
	__u32 size = sizeof(info);

	return bpf_map_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.id;
}

/* A descriptor of the pinned map, if it is there and no other than the one that the object has been given. */
static int pinned_map(struct bpf_map *map, const char *place)
{
	g_autofree char *path = path_of(place, bpf_map__name(map));
	int given = bpf_map__fd(map), fd = bpf_obj_get(path);

	if (fd >= 0 && given >= 0 && map_id(fd) != map_id(given)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void close_fd(void *fd)
{
	close(*(int *)fd);
}

bool acg_pins_take(struct bpf_object *object, const char *place)
{
	g_autoptr(GArray) fds = g_array_new(FALSE, FALSE, sizeof(int));
	struct bpf_map *map;
	unsigned int i = 0;
	bool whole = true;

	g_array_set_clear_func(fds, close_fd);
	bpf_object__for_each_map(map, object)
	{
		int fd = pinned_map(map, place);

		if (fd < 0)
			return false;
		g_array_append_val(fds, fd);
	}
	bpf_object__for_each_map(map, object)
	{
		int fd = g_array_index(fds, int, i++);

		if (bpf_map__fd(map) < 0 && bpf_map__reuse_fd(map, fd) < 0)
			whole = false;
	}
	return whole;
}

int acg_pins_keep(struct bpf_object *object, const char *place, GError **error)
{
	struct bpf_map *map;

	acg_pins_remove(place);
	if (mkdir(place, PIN_DIR_MODE) < 0)
		return acg_fail_errno(error, errno, "cannot make %s", place);
	bpf_object__for_each_map(map, object)
	{
		g_autofree char *path = path_of(place, bpf_map__name(map));

		if (bpf_obj_pin(bpf_map__fd(map), path) < 0)
			return acg_fail_errno(error, errno, "cannot pin a map as %s", path);
	}
	return 0;
}

int acg_pins_link(const char *place, const char *name)
{
	g_autofree char *path = path_of(place, name);
	int fd = bpf_obj_get(path);

	return fd < 0 ? -errno : fd;
}

int acg_pins_keep_link(const char *place, const char *name, int link_fd, GError **error)
{
	g_autofree char *path = path_of(place, name);

	if (bpf_obj_pin(link_fd, path) < 0)
		return acg_fail_errno(error, errno, "cannot pin a link as %s", path);
	return 0;
}

/* With a descriptor open, so that what the pin kept alive goes when that is closed, and not at some time after the unlink. */
static void remove_pin(const char *place, const char *name)
{
	g_autofree char *path = g_build_filename(place, name, NULL);
	int fd = bpf_obj_get(path);

	if (fd >= 0)
		bpf_link_detach(fd); /* says no if it is a map */
	unlink(path);
	if (fd >= 0)
		close(fd);
}

static void remove_pins(const char *place)
{
	g_autoptr(GDir) dir = g_dir_open(place, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		remove_pin(place, name);
}

void acg_pins_remove(const char *place)
{
	unsigned int i;

	for (i = 0; i < REMOVE_TRIES; i++) {
		remove_pins(place);
		if (rmdir(place) == 0 || errno != ENOTEMPTY)
			return;
	}
}

unsigned int acg_pins_remove_others(const char *dir_path, const char *name, const char *place)
{
	g_autofree char *prefix = name ? g_strconcat(name, "_", NULL) : g_strdup("");
	g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
	unsigned int count = 0;
	const char *entry;

	while (dir && (entry = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(dir_path, entry, NULL);

		if (!g_str_has_prefix(entry, prefix) || g_strcmp0(path, place) == 0 ||
		    !g_file_test(path, G_FILE_TEST_IS_DIR))
			continue;
		acg_pins_remove(path);
		count++;
	}
	return count;
}

void acg_pins_clear(const char *dir)
{
	struct statfs fs;
	int lock;

	if (statfs(dir, &fs) < 0 || fs.f_type != BPF_FS_MAGIC)
		return;
	lock = acg_pin_lock(dir, NULL);
	if (lock < 0)
		return;
	acg_pins_remove_others(dir, NULL, NULL);
	acg_pins_remove(dir);
	close(lock);
}

const void *acg_map_variables(const struct bpf_map *map)
{
	void *variables =
		mmap(NULL, bpf_map__value_size(map), PROT_READ, MAP_SHARED, bpf_map__fd(map), 0);

	return variables == MAP_FAILED ? NULL : variables;
}

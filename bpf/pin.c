/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pinned maps: where they may be, and whether one that is there fits; see the header. */
#include "bpf/pin.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PIN_DIR_MODE 0700

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

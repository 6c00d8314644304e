/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct_ops on a cgroup; see the header. */
#include "bpf/struct_ops.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWNERS_MAX 4    /* named */
#define LINKS_MAX  4096 /* looked at */

/* --- the kernel's value ------------------------------------------------------------------------ */

static const struct btf_type *find_struct(const struct btf *btf, const char *name)
{
	__s32 id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);

	return id < 0 ? NULL : btf__type_by_id(btf, id);
}

/* The offset of a member in bytes; -1: no such, or not at a byte. */
static ssize_t member_offset(const struct btf *btf, const struct btf_type *type, const char *name)
{
	const struct btf_member *members = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, members[i].name_off), name) &&
		    members[i].offset % 8 == 0)
			return members[i].offset / 8;
	return -1;
}

static int place_members(const struct btf *btf, const struct btf_type *ops,
			 const struct acg_ops_member *members, size_t n_members, char *data,
			 size_t room, GError **error)
{
	size_t i;

	for (i = 0; i < n_members; i++) {
		ssize_t offset = member_offset(btf, ops, members[i].name);
		__u64 fd = members[i].fd;

		if (members[i].fd < 0)
			continue;
		if (offset < 0 || offset + sizeof(fd) > room)
			return acg_fail(error, EINVAL, "%s has no place for %s in this kernel",
					btf__name_by_offset(btf, ops->name_off), members[i].name);
		memcpy(data + offset, &fd, sizeof(fd));
	}
	return 0;
}

int acg_struct_ops_value(const struct btf *btf, const char *type,
			 const struct acg_ops_member *members, size_t n_members, void **ret_value,
			 size_t *ret_size, GError **error)
{
	g_autofree char *wrapper_name = g_strdup_printf("bpf_struct_ops_%s", type);
	const struct btf_type *wrapper = find_struct(btf, wrapper_name);
	const struct btf_type *ops = find_struct(btf, type);
	g_autofree char *value = NULL;
	ssize_t data;
	int rc;

	if (!wrapper || !ops)
		return acg_fail(error, ENOENT, "no struct_ops %s in this kernel's BTF", type);
	data = member_offset(btf, wrapper, "data");
	if (data < 0 || (size_t)data > wrapper->size)
		return acg_fail(error, EINVAL, "%s has no member data", wrapper_name);
	value = g_malloc0(wrapper->size);
	rc = place_members(btf, ops, members, n_members, value + data, wrapper->size - data, error);
	if (rc < 0)
		return rc;
	*ret_size = wrapper->size;
	*ret_value = g_steal_pointer(&value);
	return 0;
}

/* --- links ------------------------------------------------------------------------------------- */

int acg_struct_ops_link(int map_fd, int cgroup_dirfd, GError **error)
{
	/* The start of union bpf_attr for BPF_LINK_CREATE; older headers have no link_create.cgroup. */
	struct {
		__u32 map_fd;
		__u32 target_fd;
		__u32 attach_type;
		__u32 flags;
		__u32 relative_fd;
		__u32 unused;
		__u64 expected_revision;
	} attr = {.map_fd = map_fd, .attach_type = BPF_STRUCT_OPS, .relative_fd = cgroup_dirfd};
	int fd;

	/* No descriptor, or one that the kernel would take for none: some kernels then attach to the whole machine. */
	if (cgroup_dirfd <= 0)
		return acg_fail(error, EINVAL, "no cgroup to attach to");
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return acg_fail_errno(error, errno, "cannot attach the struct_ops");
	return fd;
}

int acg_struct_ops_unlink(int link_fd, GError **error)
{
	int rc = bpf_link_detach(link_fd);

	if (rc < 0)
		return acg_fail_errno(error, -rc, "cannot detach the struct_ops");
	return 0;
}

bool acg_struct_ops_linked(int link_fd)
{
	struct pollfd pfd = {.fd = link_fd};

	return poll(&pfd, 1, 0) == 0 || !(pfd.revents & POLLHUP);
}

/* --- owners ------------------------------------------------------------------------------------ */

/* What the kernel writes in the link's fdinfo, where it does; 0 otherwise. */
static guint64 cgroup_of_link(int fd)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
	g_autofree char *text = NULL;
	const char *at;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return 0;
	at = strstr(text, "cgroup_id:");
	return at ? g_ascii_strtoull(at + strlen("cgroup_id:"), NULL, 10) : 0;
}

/* The words for a link if it is one of this type, else NULL. */
static char *owner_words(int fd, __u32 value_type)
{
	struct bpf_link_info link = {0};
	struct bpf_map_info map = {0};
	__u32 size = sizeof(link);
	guint64 cgroup;
	int map_fd, rc;

	if (bpf_link_get_info_by_fd(fd, &link, &size) < 0 ||
	    link.type != BPF_LINK_TYPE_STRUCT_OPS || !link.struct_ops.map_id)
		return NULL;
	map_fd = bpf_map_get_fd_by_id(link.struct_ops.map_id);
	if (map_fd < 0)
		return NULL;
	size = sizeof(map);
	rc = bpf_map_get_info_by_fd(map_fd, &map, &size);
	close(map_fd);
	if (rc < 0 || map.btf_vmlinux_value_type_id != value_type)
		return NULL;
	cgroup = cgroup_of_link(fd);
	if (!cgroup)
		return g_strdup_printf("map %s (id %u, link %u)", map.name, map.id, link.id);
	return g_strdup_printf("map %s (id %u, link %u) on cgroup %" G_GUINT64_FORMAT, map.name,
			       map.id, link.id, cgroup);
}

char *acg_struct_ops_owners(const struct btf *btf, const char *type)
{
	g_autofree char *wrapper = g_strdup_printf("bpf_struct_ops_%s", type);
	__s32 value_type = btf__find_by_name_kind(btf, wrapper, BTF_KIND_STRUCT);
	g_autoptr(GString) words = g_string_new(NULL);
	unsigned int seen, named = 0;
	__u32 id = 0;

	for (seen = 0; seen < LINKS_MAX && named < OWNERS_MAX; seen++) {
		g_autofree char *owner = NULL;
		int fd;

		if (value_type < 0 || bpf_link_get_next_id(id, &id) < 0)
			break;
		fd = bpf_link_get_fd_by_id(id);
		if (fd < 0)
			continue;
		owner = owner_words(fd, value_type);
		close(fd);
		if (owner)
			g_string_append_printf(words, "%s%s", named++ ? ", " : "", owner);
	}
	return words->len ? g_string_free(g_steal_pointer(&words), FALSE) : NULL;
}

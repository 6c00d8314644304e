/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct_ops that are attached to a cgroup: BPF_LINK_CREATE with link_create.cgroup.relative_fd. libbpf has no call for it, and its
 * bpf_map__attach_struct_ops() would attach to the whole machine; so the kernel's value is built here
 * and the link made by bpf(2).
 */
#ifndef AGENTCG_BPF_STRUCT_OPS_H
#define AGENTCG_BPF_STRUCT_OPS_H

#include <bpf/btf.h>
#include <stdbool.h>
#include <stddef.h>

#include "bpf/error.h"

/* One member of a struct_ops type that is a program. */
struct acg_ops_member {
	const char *name;
	int fd; /* of its program; -1: left out */
};

/*
 * The value that bpf_map_update_elem() wants before the map can be attached: struct bpf_struct_ops_TYPE as it is in `btf` (the
 * kernel's), with the descriptor of each member's program in its place. *ret_value is to be freed with
 * g_free. ENOENT: no such type; EINVAL: no such member, or one too narrow.
 */
int acg_struct_ops_value(const struct btf *btf, const char *type,
			 const struct acg_ops_member *members, size_t n_members, void **ret_value,
			 size_t *ret_size, GError **error);

/* Attaches the map (with its value set) to the cgroup. Returns the link's descriptor. Errors: the kernel's (EBUSY: there are ops of
 * that type below the cgroup already). */
int acg_struct_ops_link(int map_fd, int cgroup_dirfd, GError **error);

/* Detaches for good, whoever else holds the link. */
int acg_struct_ops_unlink(int link_fd, GError **error);

/* False once the link was detached by anybody. */
bool acg_struct_ops_linked(int link_fd);

/*
 * Who has attached ops of this type, in words: "map NAME (id 12, link 34) on cgroup 56, ..."; at most four. NULL: nobody. Free with
 * g_free.
 */
char *acg_struct_ops_owners(const struct btf *btf, const char *type);

#endif

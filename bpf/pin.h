/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pinning one map below a bpffs, so that it outlives the process: taking over what is pinned already
 * if it has the same shape, replacing it if not.
 */
#ifndef AGENTCG_BPF_PIN_H
#define AGENTCG_BPF_PIN_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#include "bpf/error.h"

/*
 * Makes `dir` (its last part) if missing. Errors: ENODEV: it would not be on a bpffs; ENOENT: its
 * parent is missing; else mkdir's.
 */
int acg_pin_dir(const char *dir, GError **error);

/*
 * Before the object is loaded: lets `map` be the one pinned at `path` if that has the same type,
 * sizes, flags and value members (by name, offset and size: an entry written by another version must
 * not be read as something else); a pin of another shape is removed. Returns 1: taken over, 0: there is
 * none, the map is to be pinned after loading.
 */
int acg_pin_reuse(struct bpf_object *object, struct bpf_map *map, const char *path, GError **error);

#endif

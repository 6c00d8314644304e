/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pins below a bpffs, by which maps and links outlive the process. A map alone is taken over if it has the same shape; a whole object
 * (its programs attached, all its maps) only if it is of the very same build.
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

/* So that only one process pins below it: the lock is held until the descriptor that is returned is closed. EBUSY: another one does. */
int acg_pin_lock(const char *dir, GError **error);

/*
 * Before the object is loaded: lets `map` be the one pinned at `path` if that has the same type,
 * sizes, flags and value members (by name, offset and size: an entry written by another version must
 * not be read as something else); a pin of another shape is removed. Returns 1: taken over, 0: there is
 * none, the map is to be pinned after loading.
 */
int acg_pin_reuse(struct bpf_object *object, struct bpf_map *map, const char *path, GError **error);

/*
 * --- whole objects: maps and links in a folder of their own
 */

/*
 * The folder for the object that is built of this ELF file: DIR/NAME_BUILD, BUILD being a hash of the file. dir is as
 * acg_pin_dir() made it. Free with g_free.
 */
char *acg_pins_place(const char *dir, const char *name, const void *elf, size_t size);

/*
 * Instead of loading the (opened) object: lets each of its maps be the one that is pinned in the place under its name. A map that has
 * been given one already (bpf_map__reuse_fd) must have been given the very one that is pinned. False: not all are there.
 */
bool acg_pins_take(struct bpf_object *object, const char *place);

/* After loading: makes the place and pins all maps there. */
int acg_pins_keep(struct bpf_object *object, const char *place, GError **error);

/* A link in the place: a descriptor, or -errno; and pinning one. */
int acg_pins_link(const char *place, const char *name);
int acg_pins_keep_link(const char *place, const char *name, int link_fd, GError **error);

/* Detaches the links of a place, and removes it. */
void acg_pins_remove(const char *place);

/* The same for the places of the object's other builds below dir; name and place NULL: for all places. Returns how many there were. */
unsigned int acg_pins_remove_others(const char *dir, const char *name, const char *place);

/* All that is below a dir that nobody has locked, and the dir. No bpffs, or no such dir: nothing. */
void acg_pins_clear(const char *dir);

/* The variables (.bss, .data) of a map that is there, to be read. Ends with munmap(). NULL: the kernel would not. */
const void *acg_map_variables(const struct bpf_map *map);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sched_ext scheduler of sched.bpf.c as one object: it is loaded and attached while the object
 * lives, and goes on if the process is killed, for the next one to take it over. When the kernel takes it off (an error, a stall, SysRq-S, another reason) all tasks are
 * back in the fair class, and the ring buffer says why; the object is then only good for being
 * freed.
 *
 * Loading and freeing take up to seconds (the kernel verifies the programs, and moves every task);
 * both may be done on another thread, one at a time. With --disable-bpf acg_sched_load() fails with
 * EOPNOTSUPP.
 */
#ifndef AGENTCG_BPF_SCHED_H
#define AGENTCG_BPF_SCHED_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/agentcg_bpf.h"
#include "bpf/error.h"

#define ACG_SCX_SYSFS "/sys/kernel/sched_ext"

struct acg_scheduler;

/*
 * Loads, which takes long and changes nothing yet; or takes over what an earlier process left attached and pinned below pin_dir
 * (acg_bpf_pin_dir(); NULL: nothing is pinned), if it is of this very build. `groups_fd`: the map agentcg_groups
 * (acg_bpf_groups_fd()). *ret_sched is to be freed with acg_sched_free(). Errors: EOPNOTSUPP: the kernel has no sched_ext, or lacks an
 * operation that is needed; EBUSY: another scheduler is loaded (the words name it); E2BIG: more
 * CPUs than the program has room for; else the kernel's, with the end of its log.
 */
int acg_sched_load(int groups_fd, const char *pin_dir, struct acg_scheduler **ret_sched,
		   GError **error);

/*
 * Attaches what was loaded, in the place of another build's, and pins it, so that it outlives the process; what was taken over is
 * attached. Errors: EBUSY as above; else the kernel's, with its reason.
 */
int acg_sched_attach(struct acg_scheduler *sched, GError **error);

/* Detaches, which puts every task back into the fair class, removes the pins and frees. NULL: nothing. */
void acg_sched_free(struct acg_scheduler *sched);

/* Detaches what an earlier process left pinned below pin_dir. */
void acg_sched_clear(const char *pin_dir);

/* True: it is the one that an earlier process left, and has gone on all the time. */
bool acg_sched_taken(const struct acg_scheduler *sched);

/* For how long (usec) the fair class scheduled while another build's scheduler was replaced; 0: none was. */
int64_t acg_sched_gap(const struct acg_scheduler *sched);

/* What this kernel cannot do for us, for `status`: one clause, or "". Owned by sched. */
const char *acg_sched_lacks(const struct acg_scheduler *sched);

/* For poll(2): readable when the kernel has taken the scheduler off. Owned by sched. */
int acg_sched_ring_fd(const struct acg_scheduler *sched);

/* True: it was taken off, *ret_exit says why. Never waits. */
bool acg_sched_exited(struct acg_scheduler *sched, struct acg_sched_exit *ret_exit);

/* What the CPU did for a cgroup and all below it. False: it is not known. */
bool acg_sched_figures(const struct acg_scheduler *sched, uint64_t cgroup_id,
		       struct acg_sched_figures *ret_figures);

/* Values by enum acg_sched_counter, of all CPUs together, since it was loaded. */
void acg_sched_counters(const struct acg_scheduler *sched, uint64_t values[ACG_SCHED_N_COUNTERS]);

/*
 * A socket (non-blocking, owned by the caller) that is readable when the kernel announces something
 * about any device; acg_sched_left() then says whether it was that a scheduler has been taken off,
 * after which ours can be loaded.
 */
int acg_sched_watch_others(GError **error);
bool acg_sched_left(int fd);

/*
 * --- without a kernel
 * -----------------------------------------------------------------------------
 */

/* The sum for a cgroup and all below it in a table of `used` places. False: it is not in it. */
bool acg_sched_sum(const struct acg_sched_place *places, uint32_t used, uint64_t cgroup_id,
		   struct acg_sched_figures *ret_figures);

/* As in metrics: "boosted". */
const char *acg_sched_counter_name(enum acg_sched_counter counter);

/* Why it was taken off, in words; free with g_free. */
char *acg_sched_exit_words(const struct acg_sched_exit *exit);

/* True if a uevent, as the kernel sends it, says that a scheduler is gone. */
bool acg_sched_is_leaving(const char *uevent, size_t size);

/* The scheduler that `sysfs_dir` (ACG_SCX_SYSFS) says is loaded, free with g_free; NULL: none. */
char *acg_sched_loaded_name(const char *sysfs_dir);

#endif

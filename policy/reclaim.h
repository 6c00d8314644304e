/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page cache that ended calls leave behind. Each page of it keeps the removed cgroup in the kernel
 * ("dying"), with some tens of KiB of structures, until memory pressure drops it: 10,000 calls that
 * left one page each would hold half a gigabyte. So it is on 6.12 and on 7.3
 * (tests/vm/tests/dying.sh).
 *
 * So the cache of a call is dropped before its cgroup is removed, if it is at most
 * ACG_RECLAIM_SMALL: small ones are many, and are soon read again. A large one may be what the
 * agent's next call reads (a checkout, a build), and there cannot be many of them: it stays, unless
 * ACG_RECLAIM_DYING cgroups are dying already. What cannot be dropped yet, such as a directory's
 * block that is still to be written, is scraped off later by a small request to the root of all
 * agents: the kernel takes all of what a dying cgroup has (32 pages at a time), and of a living one
 * next to nothing.
 */
#ifndef AGENTCG_POLICY_RECLAIM_H
#define AGENTCG_POLICY_RECLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/error.h"

#define ACG_RECLAIM_SMALL (16ull * 1024 * 1024)  /* bytes */
#define ACG_RECLAIM_LARGE (256ull * 1024 * 1024) /* bytes: of more than that nothing is dropped */
#define ACG_RECLAIM_DYING 64                     /* cgroups */

/* Removed cgroups below this one that the kernel still keeps. 0 if it does not say. */
uint64_t acg_reclaim_dying(int dirfd);

/* Drops the page cache of a cgroup without processes, as said above. May take some milliseconds for
 * a MiB. */
void acg_reclaim_rest(int dirfd, uint64_t dying);

/*
 * Asks for a little from the removed cgroups below this one, or for so many times of that (where a little was of no use: it can be
 * had elsewhere). True: there are fewer of them now.
 */
bool acg_reclaim_scrape(int dirfd, unsigned int times);

/* Asks back so many bytes of what the cgroup uses, page cache and, where there is swap, all else; as far as it can be had. */
void acg_reclaim_bytes(int dirfd, uint64_t bytes);

#endif

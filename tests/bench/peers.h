/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What others put around a command so that it gets a cgroup, and what else is read through FUSE:
 * timed beside agentcg, in one table.
 */
#ifndef AGENTCG_TESTS_BENCH_PEERS_H
#define AGENTCG_TESTS_BENCH_PEERS_H

#include "tests/bench/ways.h"

/* `true` by cgcreate, cgexec and cgdelete; by systemd-run --scope; `bash -c true` by the script wrapper */
void peer_cgexec(const struct places *places);
void peer_systemd_run(const struct places *places);
void peer_wrapper(const struct places *places);
/* READS times an open /proc/meminfo as lxcfs makes it */
void peer_lxcfs(const struct places *places);

/* The commands alone, which the peers' times contain */
void bare_true(const struct places *places);
void bare_bash(const struct places *places);

/* NULL: it can be had here; else why not. */
const char *peer_missing(void (*peer)(const struct places *places));

#endif

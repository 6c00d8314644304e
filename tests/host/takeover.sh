#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# Workers are killed under load, one hangs, and new binaries take over; no client notices, and nothing is left in the end.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
[ -c /dev/fuse ] || { echo "no /dev/fuse here"; exit 77; }
start_daemon

load() { timeout 150 "$ACG_BUILD/tests/host/takeover" "$AGENTCG_FS" "$daemon_pid" "$@"; }
load 30 8 KILL
load 3 4 USR2
load 1 4 STOP
[ "$(grep -c 'the new binary serves' "$work/daemon.log")" -eq 3 ] || fail "not all upgrades were done"
grep -q 'the worker hangs' "$work/daemon.log" || fail "the hang was not noticed"

[ -z "$(ls "$AGENTCG_FS/agents")" ] || fail "agents are left"
[ -z "$(find "$cgroups" -mindepth 1 -type d)" ] || fail "cgroups are left"
kill "$daemon_pid"
wait "$daemon_pid" || fail "exit status $?"
! grep -q " $AGENTCG_FS " /proc/self/mounts || fail "it is still mounted"

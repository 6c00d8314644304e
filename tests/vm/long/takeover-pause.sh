#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=500
# How long a client waits for an answer when the worker is killed, with BPF, beside 8 other clients and beside one; the figures are for a
# machine that does nothing else.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-pause
mount=$TMPDIR/fs
mkdir "$mount"
echo 'sched = "off"; agents = ({ match = "*"; budget = { memory = "512M"; }; });' > "$TMPDIR/policy"
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2>> "$TMPDIR/log" &
daemon=$!
for _ in $(seq 200); do [ ! -e "$mount/status" ] || break; sleep 0.1; done
grep '^monitor on' "$mount/status"
"$ACG_BUILD/tests/host/takeover" "$mount" "$daemon" 120 8 KILL 1000
"$ACG_BUILD/tests/host/takeover" "$mount" "$daemon" 60 1 KILL 1000
kill $daemon
wait $daemon
find $root -depth -type d -exec rmdir {} + || true
echo ok

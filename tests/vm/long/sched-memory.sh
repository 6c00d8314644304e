#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 kernels=7.3-memcg_bpf_ops
# Memory to CPU: a call that the memory programs delay for growing over its grant gets less CPU, all of it, and gets it back.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-coupled
mount=$TMPDIR/fs
load=$ACG_BUILD/tests/bench/sched_load
mkdir "$mount"
export AGENTCG_FS=$mount

fail() { echo "not ok: $*"; cat "$mount/status" "$mount/agents/a/calls/x/info" "$TMPDIR/log" || true; exit 1; }

cat > "$TMPDIR/policy" <<- 'EOS'
	memory = { low = "32M"; };
	agents = ({ match = "*"; budget = { memory = "256M"; }; });
	ladder = { delay_max_ms = 2000; delay_ms = 300; };
	sched = "on";
EOS
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2> "$TMPDIR/log" &
daemon=$!
trap 'echo 1 > $root/cgroup.kill; kill $daemon; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
for _ in $(seq 600); do ! grep -q '^sched_ext *on' "$mount/status" 2> /dev/null || break; sleep 0.2; done
grep -q '^memcg_bpf_ops *on' "$mount/status" || fail "memcg_bpf_ops is not on"
grep -q '^sched_ext *on' "$mount/status" || fail "sched_ext is not on"

mkdir "$mount"/agents/{a,b} "$mount"/agents/{a,b}/calls/x
echo "hint x memory=low" > "$mount/agents/a/call"
for agent in a b; do "$load" spin "$root/$agent/call-x" 2 & done

# between WHEN LOW HIGH: a's part of what both use.
between() {
	local got part
	mapfile -t got < <("$load" used 3 "$root"/{a,b}/call-x)
	part=$((got[0] * 100 / (got[0] + got[1])))
	echo "# percent of a's call $1: $part (from $2 to $3)"
	[ "$part" -ge "$2" ] && [ "$part" -le "$3" ] || fail "$1"
}

sleep 1
between before 43 57
sh -c "echo 0 > $root/a/call-x/cgroup.procs; exec $ACG_BUILD/tests/bench/grow 200" &
growing=$!
for _ in $(seq 100); do [ "$(cat "$mount/agents/a/calls/x/state")" != throttled ] || break; sleep 0.1; done
[ "$(cat "$mount/agents/a/calls/x/state")" = throttled ] || fail "it is not throttled"
between "while it is delayed" 10 33
kill "$growing"
for _ in $(seq 300); do [ "$(cat "$mount/agents/a/calls/x/state")" = throttled ] || break; sleep 0.1; done
between after 43 57
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=7.3-memcg_bpf_ops
# memcg_bpf_ops for real: a call above its grant is delayed for as long as the policy says, state and feedback say so, nothing is delayed
# while memory is free, the programs come and go under load, a stranger's programs are named, and without ours the cgroup tier serves.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-memcg
mount=$TMPDIR/fs
mkdir "$mount"
export AGENTCG_FS=$mount
grow=$ACG_BUILD/tests/bench/grow
daemon=

fail() { echo "not ok: $*"; cat "$mount/status" "$mount/events" "$TMPDIR/log" 2> /dev/null || true; exit 1; }
ended() { tail -n 1 "$mount/agents/a/history"; }

start() { # POLICY [OPTION]...
	printf '%s\n' "$1" > "$TMPDIR/policy"
	shift
	agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$@" "$mount" 2> "$TMPDIR/log" &
	daemon=$!
	for _ in $(seq 400); do [ ! -e "$mount/status" ] || break; sleep 0.1; done
	[ -d "$mount/agents/a" ] || mkdir "$mount/agents/a"
}
stop() {
	kill "$daemon"
	wait "$daemon" || true
}
clean() {
	echo 1 > "$root/cgroup.kill" || true
	stop 2> /dev/null || true
	find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
}
trap clean EXIT

agents='agents = ({ match = "a"; budget = { memory = "256M"; swap = 0; }; self = { reserve = "8M"; }; });
memory = { low = "32M"; };'

# In the agent: one call with memory=low that grows to MIB.
call() { # ID MIB [STEP [SECONDS]]
	local id=$1
	shift
	sh -c "echo 0 > $mount/agents/a/cgroup.procs; exec agentcg run --id $id --hint memory:low -- $grow $*"
}

echo "# a fixed delay of 500 ms for each charge above the grant"
start "$agents ladder = { delay_max_ms = 2000; delay_ms = 500; };"
grep '^memcg_bpf_ops' "$mount/status"
grep -q '^memcg_bpf_ops *on' "$mount/status" || fail "memcg_bpf_ops is not on"
call fixed 34 > "$TMPDIR/out" 2> "$TMPDIR/err" &
growing=$!
state=
while [ "$state" != throttled ] && kill -0 $growing 2> /dev/null; do
	state=$(cat "$mount/agents/a/calls/fixed/state" 2> /dev/null) || true
	sleep 0.1
done
[ "$state" = throttled ] || fail "the state was never throttled"
grep -q '^Slowed down.*above its grant' "$mount/agents/a/calls/fixed/feedback" || fail "no feedback while it runs: $(cat "$mount/agents/a/calls/fixed/feedback")"
wait "$growing" || fail "the delayed call failed"
cat "$TMPDIR/out"; ended
slowest=$(sed -n 's/.*slowest=\([0-9]*\).*/\1/p' "$TMPDIR/out")
[ "$slowest" -ge 500000 ] || fail "no charge was delayed by 500 ms"
[ "$(ended | jq .delays)" -ge 4 ] || fail "delays"
[ "$(ended | jq .delayed_ms)" -ge 2000 ] || fail "delayed_ms"
[ "$(grep -c '"event":"feedback"' "$mount/agents/a/events")" -eq 1 ] || fail "feedback is not once per cause"

echo "# nothing while memory is free, though the call is at twice its grant"
echo "$agents ladder = { delay_max_ms = 100; };" > "$TMPDIR/policy"
cat "$TMPDIR/policy" > "$mount/policy" # one write: bash would write line by line
call free 64 > "$TMPDIR/out"
cat "$TMPDIR/out"
[ "$(ended | jq .delays)" -eq 0 ] || fail "delayed while memory is free"

echo "# delayed as the budget runs short, and moving on"
call short 244 > "$TMPDIR/out" 2> "$TMPDIR/err" || fail "the call did not survive: $(cat "$TMPDIR/err")"
cat "$TMPDIR/out"; ended
[ "$(ended | jq .delays)" -ge 1 ] || fail "not delayed"
grep -q '"event":"pressure"' "$mount/events" || fail "no pressure was reported"

echo "# attached and detached under load"
call load 60 256 12 > /dev/null 2>&1 &
load=$!
# Links of memcg_bpf_ops alone: the scheduler is a struct_ops too. The kernel frees a link whose pin is gone a little later.
memcg_links() {
	local map
	for map in $(bpftool -j map show | jq '.[] | select(.name == "agentcg_memcg") | .id'); do
		bpftool -j link show | jq ".[] | select(.type == \"struct_ops\" and .map_id == $map) | .id"
	done
}
[ -n "$(memcg_links)" ] || fail "there is no link of memcg_bpf_ops"
for _ in 1 2 3; do
	stop
	for _ in $(seq 600); do [ -n "$(memcg_links)" ] || break; sleep 0.1; done
	[ -z "$(memcg_links)" ] || fail "the link is left after the end: $(bpftool link show)"
	! compgen -G '/sys/fs/bpf/agentcg/*mem*' || fail "pins are left after the end"
	start "$agents ladder = { delay_max_ms = 100; };"
	grep -q '^memcg_bpf_ops *on' "$mount/status" || fail "memcg_bpf_ops is not on again"
done
bpftool link detach id "$(memcg_links)"
for _ in $(seq 600); do ! grep -q '^memcg_bpf_ops *on' "$mount/status" || sleep 0.1; done
grep '^memcg_bpf_ops' "$mount/status"
grep -q '^memcg_bpf_ops *off.*detached' "$mount/status" || fail "the loss is not told in status"
grep -q memcg_bpf_ops_lost "$mount/events" || fail "the loss is not told in events"
high=$(cat "$root/a/memory.high")
[ "$high" != max ] && [ "$high" -lt $((256 * 1024 * 1024)) ] || fail "the cgroup tier has not taken over: memory.high $high"
wait "$load" || fail "the call under load failed"

echo "# an adopted cgroup, which lies elsewhere, has programs of its own, also after a restart, and gives them back"
stop
start "$agents ladder = { delay_max_ms = 200; delay_ms = 200; };"
other=/sys/fs/cgroup/agentcg-other
mkdir "$other"
( echo 0 > "$other/cgroup.procs"; exec sleep 1000 ) &
until grep -q . "$other/cgroup.procs"; do sleep 0.1; done
agentcg adopt b /agentcg-other
adopted_call() { # ID: a call in it that is delayed
	sh -c "echo 0 > $mount/agents/b/cgroup.procs; exec agentcg run --id $1 --hint memory:low -- $grow 34" > "$TMPDIR/out" 2> "$TMPDIR/err" ||
		fail "the call in the adopted agent failed"
	tail -n 1 "$mount/agents/b/history" | jq -e '.delays >= 4 and .delayed_ms >= 800' > /dev/null ||
		fail "the call in the adopted agent was not delayed: $(tail -n 1 "$mount/agents/b/history")"
}
links() { for _ in $(seq 600); do [ "$(memcg_links | wc -l)" != "$1" ] || return 0; sleep 0.1; done; fail "not $1 links: $(bpftool link show)"; }
links 2
adopted_call one
stop
links 0
start "$agents ladder = { delay_max_ms = 200; delay_ms = 200; };"
links 2
adopted_call two
# Detached by somebody: the cgroup tier serves this agent, the programs the others.
own=$(stat -c %i "$other")
bpftool link detach pinned /sys/fs/bpf/agentcg/memcg_link_"$own"
for _ in $(seq 600); do ! grep -q "^memcg_bpf_ops *degraded.*$own: somebody detached" "$mount/status" || break; sleep 0.1; done
grep -q "^memcg_bpf_ops *degraded.*$own: somebody detached" "$mount/status" || fail "the loss on the adopted cgroup is not told: $(cat "$mount/status")"
rmdir "$mount/agents/b"
links 1
grep -q '^memcg_bpf_ops *on' "$mount/status" || fail "not on again after the adopted cgroup was given back"
[ -z "$(find "$other" -mindepth 1 -type d)" ] || fail "something is left in the adopted cgroup"
echo 1 > "$other/cgroup.kill"
for _ in $(seq 600); do ! rmdir "$other" 2> /dev/null || break; sleep 0.1; done
[ ! -d "$other" ] || fail "the adopted cgroup cannot be removed"

echo "# somebody else has it"
stop
start "$agents ladder = { };" --pin-dir /sys/fs/bpf/other
first=$daemon
mkdir "$TMPDIR/fs2" "$TMPDIR/run2"
agentcgd -f -c "$TMPDIR/policy" -r "$root/inner" --run-dir "$TMPDIR/run2" --pin-dir /sys/fs/bpf/second "$TMPDIR/fs2" 2>> "$TMPDIR/log" &
daemon=$!
for _ in $(seq 400); do [ ! -e "$TMPDIR/fs2/status" ] || break; sleep 0.1; done
[ -e "$TMPDIR/fs2/status" ] || fail "the second daemon does not serve"
grep '^memcg_bpf_ops' "$TMPDIR/fs2/status"
grep -q '^memcg_bpf_ops *off.*other memcg_bpf_ops.*agentcg_memcg' "$TMPDIR/fs2/status" || fail "the owner is not named"
stop
# The same for an adopted cgroup: the cgroup tier serves that agent, with its tripwire.
agentcgd -f -c "$TMPDIR/policy" -r /sys/fs/cgroup/agentcg-second --run-dir "$TMPDIR/run2" --pin-dir /sys/fs/bpf/second "$TMPDIR/fs2" 2>> "$TMPDIR/log" &
daemon=$!
for _ in $(seq 400); do ! grep -q '^memcg_bpf_ops *on' "$TMPDIR/fs2/status" 2> /dev/null || break; sleep 0.1; done
mkdir /sys/fs/cgroup/agentcg-second/taken
echo 256M > /sys/fs/cgroup/agentcg-second/taken/memory.max
agentcg adopt b /agentcg-second/taken
grep '^memcg_bpf_ops' "$mount/status"
grep -q '^memcg_bpf_ops *degraded.*not on adopted cgroup.*other memcg_bpf_ops.*agentcg_memcg' "$mount/status" || fail "the owner on the adopted cgroup is not named"
[ "$(cat /sys/fs/cgroup/agentcg-second/taken/memory.high)" != max ] || fail "the cgroup tier does not serve the adopted agent"
rmdir "$mount/agents/b" /sys/fs/cgroup/agentcg-second/taken
stop
rmdir /sys/fs/cgroup/agentcg-second 2> /dev/null || true
daemon=$first
grep -q '^memcg_bpf_ops *on' "$mount/status" || fail "the first lost its programs to the second"
echo "ok"

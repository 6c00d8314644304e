#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=1500 kernels=7.3
# What the scheduler must live through, or must be taken off for in good order: 2,000 calls that come and go while others never
# sleep, unloading under load, and a task that cannot run for half a minute. SCHED_CALLS: how many calls.
set -euo pipefail
cgroup=/sys/fs/cgroup
root=$cgroup/agentcg
mount=$TMPDIR/fs
load=$ACG_BUILD/tests/bench/sched_load
calls=${SCHED_CALLS:-2000}
mkdir "$mount"
export AGENTCG_FS=$mount

fail() {
	echo "not ok: $*"
	cat "$mount/status" "$TMPDIR/log" || true
	tail -n 20 "$mount/events" || true
	dmesg | grep -i sched_ext | tail -n 20 || true
	exit 1
}

finish() {
	kill $(jobs -p) 2> /dev/null || true
	[ ! -e "$root" ] || echo 1 > "$root/cgroup.kill"
	wait
	find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
}
trap finish EXIT

wait_for() {
	for _ in $(seq 600); do ! grep -q "$1" "$2" 2> /dev/null || return 0; sleep 0.2; done
	fail "no '$1' in $2"
}

usage() { awk '/^usage_usec/ { print $2 }' "$1/cpu.stat"; }

echo 'sched = "auto"; agents = ({ match = "*"; });' > "$TMPDIR/policy"
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2> "$TMPDIR/log" &
wait_for '^sched_ext on' "$mount/status"
mkdir "$mount"/agents/{a,b,many} "$mount"/agents/{a,b}/calls/hog

echo "# $calls calls come and go while others never sleep"
for agent in a b; do "$load" spin "$mount/agents/$agent/calls/hog" 2 & done
before=$(bpftool map dump name sched_places -j | jq length)
for i in $(seq "$calls"); do
	mkdir "$mount/agents/many/calls/c$i"
	bash -c "echo 0 > $mount/agents/many/calls/c$i/cgroup.procs; exec /bin/true"
	[ $((i % 50)) != 0 ] || for j in $(seq $((i - 49)) "$i"); do
		for _ in $(seq 100); do ! rmdir "$mount/agents/many/calls/c$j" 2> /dev/null || break; sleep 0.05; done
	done
done
grep -q '^sched_ext on' "$mount/status" || fail "it did not live through that"
for _ in $(seq 100); do
	after=$(bpftool map dump name sched_places -j | jq length)
	[ "$after" -gt "$before" ] || break
	sleep 0.2
done
[ "$after" -le "$before" ] || fail "$((after - before)) places are left"
AGENTCG_FS=$mount agentcg status --verbose
AGENTCG_FS=$mount agentcg status --verbose | grep -q '^  no_place  *0$' || fail "the table was full"

echo "# unloaded under load, and loaded again"
sed 's/auto/off/' "$TMPDIR/policy" > "$mount/policy"
wait_for disabled /sys/kernel/sched_ext/state
start=$(usage "$root/a/call-hog")
sleep 1
[ "$(usage "$root/a/call-hog")" -gt "$start" ] || fail "nothing runs without it"
cat "$TMPDIR/policy" > "$mount/policy"
wait_for '^sched_ext on' "$mount/status"

echo "# a task that cannot run: a real-time one has its CPU"
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
mount -t debugfs none /sys/kernel/debug 2> /dev/null || true
for server in /sys/kernel/debug/sched/{fair,ext}_server/cpu1/runtime; do [ ! -e "$server" ] || echo 0 > "$server"; done
taskset -c 1 chrt -f 50 sh -c 'while :; do :; done' &
blocker=$!
taskset -c 1 "$load" spin "$mount/agents/a/calls/hog" 1 &
wait_for '"event":"sched_lost"' "$mount/events"
grep '"event":"sched_lost"' "$mount/events"
grep '"event":"sched_lost"' "$mount/events" | grep -q -i stall || fail "why?"
grep '^sched_ext degraded' "$mount/status" || grep '^sched_ext off being loaded' "$mount/status" || fail "status"
kill "$blocker"
start=$(usage "$root/b/call-hog")
sleep 1
[ "$(usage "$root/b/call-hog")" -gt "$start" ] || fail "nothing runs without it"
wait_for '^sched_ext on' "$mount/status"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=500 kernels=7.3
# The scheduler, as far as it can be told in a short time and on any machine: it is loaded and switched by the policy while
# calls run; CPU goes by weight, at two levels; cpu.max, cpu.max.burst and cpu.idle hold for cgroups that are not agentcg's; a
# latency call's bursts do not wait behind batch calls; tasks with affinity run; nothing is left when calls are gone; another
# scheduler is left alone; a stop does not wait for the loading; and when it is taken off, or the daemon is killed, everything
# goes on in the fair class and `status` says why.
set -euo pipefail
cgroup=/sys/fs/cgroup
root=$cgroup/agentcg
mount=$TMPDIR/fs
scx=/sys/kernel/sched_ext
mkdir "$mount"
export AGENTCG_FS=$mount
daemon=

fail() {
	echo "not ok: $*"
	cat "$mount/status" "$mount/events" "$TMPDIR/log" || true
	dmesg | grep -i sched_ext | tail -n 20 || true
	exit 1
}

finish() {
	for group in "$root" "$cgroup"/outside*; do [ ! -e "$group" ] || echo 1 > "$group/cgroup.kill"; done
	[ -z "$daemon" ] || kill "$daemon" 2> /dev/null || true
	wait
	find "$root" "$cgroup"/outside* -depth -type d -exec rmdir {} \; 2> /dev/null || true
}
trap finish EXIT

start_daemon() {
	agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2>> "$TMPDIR/log" &
	daemon=$!
	for _ in $(seq 100); do [ ! -e "$mount/status" ] || break; sleep 0.1; done
}

# wait_for WORDS FILE: until a line of FILE matches.
wait_for() {
	for _ in $(seq 600); do ! grep -q "$1" "$2" 2> /dev/null || return 0; sleep 0.2; done
	fail "no '$1' in $2"
}

spin() { # CGROUP COUNT [COMMAND...]
	"${@:3}" "$ACG_BUILD/tests/bench/sched_load" spin "$1" "$2" &
}

# used SECONDS CGROUP...: usec that each has used in that time.
used() { "$ACG_BUILD/tests/bench/sched_load" used "$@"; }

between() { # WHAT VALUE LOW HIGH
	echo "# $1: $2 (from $3 to $4)"
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: $2 is not from $3 to $4"
}

cat > "$TMPDIR/policy" <<- 'EOS'
	sched = "off";
	agents = ({ match = "*"; });
EOS
start_daemon
grep -q '^sched_ext off switched off by the policy' "$mount/status" || fail "it is not off"
mkdir "$mount/agents/a" "$mount/agents/b" "$mount/agents/a/calls/one" "$mount/agents/a/calls/three" "$mount/agents/b/calls/x"
echo +cpu > "$cgroup/cgroup.subtree_control"
mkdir "$cgroup/outside"
echo 300 > "$root/a/call-three/cpu.weight"
spin "$mount/agents/b/calls/x" 1

if [ -x "$ACG_DATA/bin/scx_simple" ]; then # tests/vm/run --data "$(tests/vm/make-peers)"
	echo "# another scheduler is loaded: it is left alone, and ours is loaded when it goes"
	"$ACG_DATA/bin/scx_simple" > "$TMPDIR/other" &
	other=$!
	wait_for enabled $scx/state
	sed 's/off/auto/' "$TMPDIR/policy" > "$mount/policy"
	wait_for '^sched_ext off *another scheduler is loaded: simple' "$mount/status"
	[ "$(cat $scx/root/ops)" = simple ] || fail "it was not left alone"
	kill -INT "$other"
	wait_for '^sched_ext on' "$mount/status"
	cat "$TMPDIR/policy" > "$mount/policy"
	wait_for disabled $scx/state
fi

echo "# not for a policy that has no agents"
echo 'commands = "full";' > "$mount/policy"
grep -q '^sched_ext off the policy has no agents' "$mount/status" || fail "it is not off"

echo "# loaded for one that has, while a call runs"
sed '/sched/d' "$TMPDIR/policy" > "$mount/policy"
wait_for '^sched_ext on' "$mount/status"
[ "$(cat $scx/root/ops)" = agentcg ] || fail "the kernel does not know it"
wait_for '"event":"sched_loaded"' "$mount/events"

echo "# weights, at two levels"
spin "$mount/agents/a/calls/one" 2
spin "$mount/agents/a/calls/three" 2
spin "$mount/agents/b/calls/x" 1
sleep 1
mapfile -t got < <(used 5 "$root/a/call-one" "$root/a/call-three" "$root/b/call-x")
total=$((got[0] + got[1] + got[2]))
between "percent of a's first call" $((got[0] * 100 / total)) 9 16
between "percent of a's second call" $((got[1] * 100 / total)) 32 43
between "percent of b's call" $((got[2] * 100 / total)) 44 56

echo "# a call that is slowed down for memory, as its entry in the map says"
id=$(stat -c %i "$root/b/call-x")
key=$(printf '%016x' "$id" | sed 's/../& /g' | tac -s ' ' | tr '\n' ' ')
pin=/sys/fs/bpf/agentcg/agentcg_groups
slow() { # 0 or 1: the member `throttled`, at byte 64
	# shellcheck disable=SC2046,SC2086 # bytes, a word each
	bpftool map update pinned $pin key hex $key value hex $(bpftool -j map lookup pinned $pin key hex $key |
		jq -r ".value | .[64] = \"0x0$1\" | map(ltrimstr(\"0x\")) | join(\" \")")
}
slow 1
sleep 1
mapfile -t got < <(used 4 "$root/a/call-one" "$root/a/call-three" "$root/b/call-x")
between "percent of b's call" $((got[2] * 100 / (got[0] + got[1] + got[2]))) 12 30
slow 0

echo "# cpu.max outside agentcg"
# What a stall of the machine made it use is taken off later, for seconds: it is looked at until it fits.
echo "20000 100000" > "$cgroup/outside/cpu.max"
start=${EPOCHREALTIME/./}
spin "$cgroup/outside" 2
for _ in $(seq 6); do
	sleep 4
	percent=$(($(awk '/^usage_usec/ { print $2 }' "$cgroup/outside/cpu.stat") * 100 / (${EPOCHREALTIME/./} - start)))
	[ "$percent" -lt 17 ] || [ "$percent" -gt 23 ] || break
	echo "# $percent percent so far"
done
between "percent of a CPU" "$percent" 17 23
echo 1 > "$cgroup/outside/cgroup.kill"

echo "# cpu.max.burst: who has saved quota works on without waiting for the next period"
mkdir "$cgroup/outside-burst"
work() { "$ACG_BUILD/tests/bench/sched_load" work "$cgroup/outside-burst" 50; }
echo "30000 300000" > "$cgroup/outside-burst/cpu.max" # a period begins
without=$(work)
echo 30000 > "$cgroup/outside-burst/cpu.max.burst"
with=$(for _ in 1 2 3; do sleep 1; work; done | sort -n | head -n 1)
echo "# 50 ms of CPU time: $with us with a burst, $without us without"
[ "$((with * 2))" -lt "$without" ] || fail "a burst does not help"

echo "# cpu.idle: what the others leave"
mkdir "$cgroup/outside-idle"
echo 1 > "$cgroup/outside-idle/cpu.idle"
spin "$cgroup/outside-idle" 2
sleep 0.5
mapfile -t got < <(used 4 "$cgroup/outside-idle")
between "percent of a CPU beside others" $((got[0] / 40000)) 0 8
echo 0 > "$cgroup/outside-idle/cpu.idle"
sleep 0.5
mapfile -t got < <(used 2 "$cgroup/outside-idle")
between "percent of a CPU when it is not idle" $((got[0] / 20000)) 50 150
echo 1 > "$cgroup/outside-idle/cgroup.kill"

echo "# calls that are removed while they wait for their agent's quota: the others still get it"
mkdir "$mount/agents/little"
echo "10000 1000000" > "$root/little/cpu.max"
for i in 1 2 3 4; do mkdir "$mount/agents/little/calls/w$i"; spin "$root/little/call-w$i" 1; done
sleep 2
for i in 2 3; do
	echo 1 > "$root/little/call-w$i/cgroup.kill"
	for _ in $(seq 100); do ! rmdir "$mount/agents/little/calls/w$i" 2> /dev/null || break; sleep 0.01; done
	mkdir "$mount/agents/little/calls/w$i"
	sleep 1
done
mapfile -t got < <(used 6 "$root"/little/call-w{1,4})
[ "${got[0]}" -gt 0 ] && [ "${got[1]}" -gt 0 ] || fail "a call does not run any more: ${got[*]}"
echo 1 > "$root/little/cgroup.kill"

echo "# figures"
info=$(cat "$mount/agents/a/calls/one/info")
[ "$(jq .slices <<< "$info")" -gt 10 ] || fail "slices: $info"
[ "$(jq .wait_usec <<< "$info")" -gt 1000000 ] || fail "wait_usec: $info"
grep -q '^agentcg_agent_cpu_wait_seconds_total{agent="a"} [1-9]' "$mount/metrics" || fail "metrics"
agentcg status --verbose | tee /dev/stderr | grep -q '^  parked  *[1-9]' || fail "counters"

echo "# a hint changes the class of a call that runs"
before=$(agentcg status --verbose | awk '$1 == "boosted" { print $2 }')
mkdir "$mount/agents/b/calls/quick"
echo "hint quick cpu=latency" > "$mount/agents/b/call"
for x in one three; do echo "hint $x cpu=batch" > "$mount/agents/a/call"; done
bash -c "echo 0 > $mount/agents/b/calls/quick/cgroup.procs
	for _ in \$(seq 40); do for i in \$(seq 20); do :; done; sleep 0.02; done"
after=$(agentcg status --verbose | awk '$1 == "boosted" { print $2 }')
[ "$after" -gt "$before" ] || fail "no wakeup of a latency call was boosted ($before, $after)"

echo "# tasks with affinity, and a CPU that goes and comes"
spin "$root/b/call-x" 2 taskset -c 1
mapfile -t got < <(used 1 "$root/b/call-x")
[ "${got[0]}" -gt 100000 ] || fail "pinned tasks do not run"
if [ -e /sys/devices/system/cpu/cpu1/online ]; then
	echo 0 > /sys/devices/system/cpu/cpu1/online
	mapfile -t got < <(used 1 "$root/b/call-x")
	[ "${got[0]}" -gt 100000 ] || fail "with one CPU less nothing runs"
	echo 1 > /sys/devices/system/cpu/cpu1/online
fi
grep -q '^sched_ext on' "$mount/status" || fail "it did not live through that"

echo "# off and on again"
for group in a/call-one a/call-three b/call-x; do echo 1 > "$root/$group/cgroup.kill"; done
spin "$root/b/call-x" 1 # loading takes long enough
cp "$TMPDIR/policy" "$TMPDIR/off"
cat "$TMPDIR/off" > "$mount/policy"
wait_for disabled $scx/state
grep -q '^sched_ext off' "$mount/status" || fail "status"
sed 's/off/on/' "$TMPDIR/off" > "$mount/policy"
wait_for '^sched_ext on' "$mount/status"

echo "# the kernel takes it off"
echo S > /proc/sysrq-trigger
wait_for '"event":"sched_lost".*[Ss]ys[Rr]q' "$mount/events"
mapfile -t got < <(used 1 "$root/b/call-x")
[ "${got[0]}" -gt 100000 ] || fail "nothing runs without it"
wait_for '^sched_ext on' "$mount/status"

echo "# a stop does not wait for the loading"
cat "$TMPDIR/off" > "$mount/policy"
wait_for disabled $scx/state
loads=$(cat $scx/enable_seq)
sed 's/off/on/' "$TMPDIR/off" > "$TMPDIR/policy"
cat "$TMPDIR/policy" > "$mount/policy"
wait_for '^sched_ext off *being loaded' "$mount/status"
kill "$daemon"
wait "$daemon" || true
[ "$(cat $scx/enable_seq)" = "$loads" ] || fail "it waited until the scheduler was loaded"
start_daemon
wait_for '^sched_ext on' "$mount/status"

echo "# the daemon is killed: the scheduler goes on, until the next one ends"
kill -9 "$daemon"
wait "$daemon" || true
[ "$(cat $scx/root/ops)" = agentcg ] || fail "it went with the daemon"
mapfile -t got < <(used 1 "$root/b/call-x")
[ "${got[0]}" -gt 100000 ] || fail "nothing runs without the daemon"
umount -l "$mount"
start_daemon
kill "$daemon"
wait "$daemon" || fail "exit status $?"
daemon=
wait_for disabled $scx/state
mapfile -t got < <(used 1 "$root/b/call-x")
[ "${got[0]}" -gt 100000 ] || fail "nothing runs after the daemon"
echo ok

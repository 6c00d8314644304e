#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=7.3-memcg_bpf_ops
# What runs in the kernel goes on while no worker does, and the next one takes it over as it is, attached; another build's is replaced, and
# it is said for how long nothing was attached; an ordinary end leaves nothing.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-stays
mount=$TMPDIR/fs
pins=/sys/fs/bpf/agentcg-stays
scx=/sys/kernel/sched_ext
mkdir "$mount"

fail() { echo "not ok: $*"; cat "$mount/status" "$mount/events" "$TMPDIR/log" || true; find "$pins"; bpftool link show; exit 1; }
until_true() { for _ in $(seq 600); do ! eval "$1" 2> /dev/null || return 0; sleep 0.1; done; fail "this did not happen: $1"; }
between() { echo "# $1: $2 (from $3 to $4)"; [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || fail "$1: $2 is not from $3 to $4"; }
# A pin that is made anew is another inode.
all_pins() { find "$pins" -type f -printf '%p %i\n' | sort; }
# Without a worker, and without a supervisor to start one.
no_worker() {
	kill -STOP "$daemon"
	pkill -9 -P "$daemon"
}
end() {
	kill -CONT "$daemon" 2> /dev/null || true
	kill "$daemon" 2> /dev/null || true
	echo 1 > "$root/cgroup.kill"
	wait
	find "$root" -depth -type d -exec rmdir {} + 2> /dev/null || true
}
trap end EXIT

cat > "$TMPDIR/policy" << 'EOP'
sched = "on";
agents = ({ match = "*"; budget = { memory = "256M"; swap = 0; }; self = { reserve = "8M"; }; });
memory = { low = "32M"; };
ladder = { delay_max_ms = 2000; delay_ms = 300; };
EOP
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" --pin-dir "$pins" "$mount" 2> "$TMPDIR/log" &
daemon=$!
until_true '[ -e "$mount/status" ]'
mkdir "$mount/agents/a" "$mount/agents/b" "$mount/agents/a/calls/hog" "$mount/agents/b/calls/other" "$mount/agents/a/calls/low"
echo "hint low memory=low" > "$mount/agents/a/call"
until_true 'grep -q "^sched_ext on" "$mount/status"'
until_true 'grep -q "^memcg_bpf_ops on" "$mount/status"'
for call in a/call-hog b/call-other; do "$ACG_BUILD/tests/bench/sched_load" spin "$root/$call" 2 & done
before=$(all_pins)

echo "# without a worker: the hog is outweighed, since its entry says that it is over its grant"
no_worker
key=$(printf '%016x' "$(stat -c %i "$root/a/call-hog")" | sed 's/../& /g' | tac -s ' ' | tr '\n' ' ')
# shellcheck disable=SC2046,SC2086 # bytes, a word each; `throttled` is at byte 64
bpftool map update pinned "$pins/agentcg_groups" key hex $key value hex $(bpftool -j map lookup pinned "$pins/agentcg_groups" key hex $key |
	jq -r '.value | .[64] = "0x01" | map(ltrimstr("0x")) | join(" ")')
[ "$(cat $scx/root/ops)" = agentcg ] || fail "the scheduler went with the worker"
sleep 1
mapfile -t got < <("$ACG_BUILD/tests/bench/sched_load" used 4 "$root/a/call-hog" "$root/b/call-other")
between "percent of the hog" $((got[0] * 100 / (got[0] + got[1]))) 5 35
echo "# without a worker: a low call that bursts is delayed"
grew=$(bash -c "echo 0 > $root/a/call-low/cgroup.procs; exec $ACG_BUILD/tests/bench/grow 34")
echo "$grew"
[ "$(sed -n 's/.*slowest=\([0-9]*\).*/\1/p' <<< "$grew")" -ge 300000 ] || fail "it was not delayed"

echo "# the next worker takes them over"
kill -CONT "$daemon"
until_true 'grep -q took_over "$mount/events" && grep -q "^sched_ext on" "$mount/status"'
[ "$(all_pins)" = "$before" ] || fail "pins are not the same as before: $before"
[ "$(grep -c '"event":"sched_loaded"' "$mount/events")" -eq 1 ] || fail "what was taken over is said to have been loaded"
until_true 'grep -q "^memcg_bpf_ops on" "$mount/status"'
[ "$(jq .delays "$mount/agents/a/calls/low/info")" -ge 1 ] || fail "delays are not counted: $(cat "$mount/agents/a/calls/low/info")"

echo "# another build's are replaced"
no_worker
for pin in "$pins"/*_????????????????; do mv "$pin" "${pin%????????????????}0000000000000000"; done
kill -CONT "$daemon"
until_true 'grep "sched_loaded.*another build" "$mount/events"'
until_true 'grep -q "^sched_ext on" "$mount/status"'
until_true '! compgen -G "$pins/*_0000000000000000" > /dev/null'
until_true 'grep "memcg_bpf_ops_replaced.*another build" "$mount/events"' # the gap is told

echo "# the next worker's policy wants no scheduler"
no_worker
sed -i 's/sched = "on"/sched = "off"/' "$TMPDIR/policy"
kill -CONT "$daemon"
until_true 'grep -q disabled $scx/state'
until_true '! compgen -G "$pins/sched_*" > /dev/null'

echo "# an ordinary end"
kill "$daemon"
wait "$daemon" || fail "exit status $?"
[ ! -e "$pins" ] || fail "pins are left"
echo ok

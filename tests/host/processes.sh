#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=300
# The monitor sees processes: 5,000 short ones in 20 agents at once, each exec and exit once, in order for each process, with the
# status that wait(2) gave; the same processes outside agents are not seen. A fork bomb is bounded, and what was left out is counted.
#   processes.sh [PROCESSES]
set -euo pipefail
total=${1:-5000}
agents=20
watch=$ACG_BUILD/tests/host/bpf_watch
spawn=$ACG_BUILD/tests/host/spawn
work=${TMPDIR:-$(mktemp -d)}
root=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/agentcg-processes-$$
exec=7 exit=8 # enum acg_bpf_event_type

fail() { echo "not ok: $*"; exit 1; }
clean_up() {
	[ -z "${watcher:-}" ] || kill "$watcher" 2> /dev/null || true
	wait
	find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
}
trap clean_up EXIT

# start_watch BITS COUNT SECONDS: for these events of all processes in the agents (enum acg_watch_bits).
start_watch() {
	rm -f "$work/events"
	"$watch" --processes "$1" "$work/no-pins" "$2" "$3" "$root"/a* > "$work/events" 2> "$work/err" &
	watcher=$!
	for _ in $(seq 900); do
		if grep -q "^ready" "$work/events" 2> /dev/null; then return; fi
		kill -0 $watcher 2> /dev/null || break
		sleep 0.1
	done
	if grep -q 'not permitted\|without BPF' "$work/err"; then echo "skip: $(cat "$work/err")"; exit 77; fi
	fail "the monitor does not start: $(cat "$work/err")"
}
in_cgroup() { echo "$BASHPID" > "$1/cgroup.procs"; shift; exec "$@"; }

mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing 2> /dev/null || true
mkdir "$root"
for i in $(seq $agents); do mkdir "$root/a$i"; done

echo "# $total processes in $agents agents, and some outside"
# each agent: the spawner's own exec and exit, then those of each
each=$((total / agents))
start_watch 14 $((agents * (2 + 2 * each))) 200
head -n 1 "$work/events"
spawners=()
for i in $(seq $agents); do
	(in_cgroup "$root/a$i" "$spawn" --kill $each > "$work/spawned.$i") &
	spawners+=($!)
done
"$spawn" 50 > "$work/outside"
for pid in "${spawners[@]}"; do wait "$pid" || fail "a spawner failed"; done
wait $watcher || fail "not all events came: $(grep -c ^type "$work/events") of $((agents * (2 + 2 * each))), $(tail -n 1 "$work/events")"
watcher=
grep -q '^lost 0$' "$work/events" || fail "$(tail -n 1 "$work/events")"
# Each process by pid: its two events in this order, with numbers 1 and 2, and the status that its parent got.
cat "$work"/spawned.* > "$work/spawned"
[ "$(wc -l < "$work/spawned")" -eq $((agents * each)) ] || fail "$(wc -l < "$work/spawned") processes ran"
awk -v exec=$exec -v exit_=$exit '
	FNR == NR { status[$1 " " ++runs[$1]] = $2; next }
	/^type=/ {
		delete f
		for (i = 1; i <= NF; i++) { split($i, kv, "="); f[kv[1]] = kv[2] }
		pid = f["pid"]
		if (!(pid in runs)) next
		if (f["type"] == exec) { if (step[pid] || f["sequence"] != 1) bad = bad " exec " pid; n[pid]++; step[pid] = 1 }
		else if (f["type"] == exit_) {
			if (step[pid] != 1 || f["sequence"] != 2 || f["exit"] != status[pid " " n[pid]]) bad = bad " exit " pid
			step[pid] = 0; exits++
		}
	}
	END {
		for (pid in runs) if (n[pid] != runs[pid]) bad = bad " missing " pid
		if (bad || !exits) { print "wrong:" substr(bad, 1, 300); exit 1 }
		print exits " processes: each seen once, in order, with its status"
	}' "$work/spawned" "$work/events" || fail "see above"
cut -d ' ' -f 1 "$work/outside" | while read -r pid; do
	if grep -q "^type=.* pid=$pid .*comm=spawn" "$work/events" && ! grep -q "^$pid " "$work/spawned"; then
		fail "process $pid, outside agents, was told"
	fi
done

echo "# a process of one agent that forks as fast as it can: bounded, counted"
start_watch 15 1000000 200
(in_cgroup "$root/a1" "$spawn" --forks 3 > "$work/forks") &
wait $! || fail "it cannot fork"
kill $watcher # all has happened
wait $watcher || true
watcher=
told=$(grep -c '^type=' "$work/events") lost=$(sed -n 's/^lost //p' "$work/events") forks=$(cat "$work/forks")
echo "$forks forks: $told events told, $lost left out"
# 1,000 in each quarter of a second, of which 3 seconds touch 13; whatever was not told was counted.
[ "$told" -le 13000 ] || fail "more was told than the bound allows"
[ $((told + lost)) -ge $((2 * forks)) ] || fail "some were neither told nor counted"
echo ok

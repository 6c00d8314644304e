#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 memory=2G kernels=6.12,7.3
# Recorded agents as real processes: made-up traces here, whatever is given by --data in long/replay-all.sh. The kernel is asked
# how many cgroups there were, history what each call used, and the workers themselves what they touched.
#   replay.sh [AGENTS AT_ONCE OPTION... TRACE...]
set -euo pipefail
[ $# -gt 0 ] || set -- 2 2 --speed 60 --scale 0.04 --synthetic 11 --count 2
agents=$1 at_once=$2
shift 2
root=/sys/fs/cgroup/agentcg-replay
tracing=/sys/kernel/tracing
mkdir "$TMPDIR/fs"
export AGENTCG_FS=$TMPDIR/fs

fail() { echo "not ok: $*"; cat "$TMPDIR/log"; exit 1; }

mountpoint -q $tracing || mount -t tracefs tracefs $tracing
echo 8192 > $tracing/buffer_size_kb
echo > $tracing/trace
echo 1 > $tracing/events/cgroup/cgroup_mkdir/enable
echo 1 > $tracing/events/cgroup/cgroup_rmdir/enable

agentcgd -f -r $root --run-dir "$TMPDIR/run" "$AGENTCG_FS" 2> "$TMPDIR/log" &
daemon=$!
trap 'kill $daemon; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
until [ -e "$AGENTCG_FS/status" ]; do kill -0 $daemon || fail "the daemon did not start"; sleep 0.1; done

echo "# replay"
agentcg replay --json --history "$TMPDIR/history" --at-once "$at_once" "$@" > "$TMPDIR/json" 2> "$TMPDIR/err" ||
	fail "status $?: $(cat "$TMPDIR/err")"
jq -r '.agents[] | [.agent, .outcome, .calls, .calls_survived, .peak, .growth.p50_usec, .growth.p99_usec, .total_ms] | @tsv' \
	"$TMPDIR/json"
echo "all in $(jq .total_ms "$TMPDIR/json") ms"

[ "$(jq '.agents | length' "$TMPDIR/json")" -eq "$agents" ] || fail "not $agents agents"
jq -e '[.agents[] | select(.outcome != "survived" or .calls != .calls_survived or .calls != .calls_begun)] == []' \
	"$TMPDIR/json" > /dev/null || fail "not all lived, though nothing is limited"
calls=$(jq '[.agents[].calls] | add' "$TMPDIR/json")
[ "$calls" -gt 0 ] || fail "no calls"

echo "# $calls calls: sub-cgroups, as the kernel counts them"
for _ in $(seq 600); do
	[ "$(grep -c 'cgroup_rmdir: .*/agentcg-replay/.*/call-' $tracing/trace)" -lt "$calls" ] || break
	sleep 0.1
done
made=$(grep -c 'cgroup_mkdir: .*/agentcg-replay/.*/call-' $tracing/trace) || true
gone=$(grep -c 'cgroup_rmdir: .*/agentcg-replay/.*/call-' $tracing/trace) || true
[ "$made" -eq "$calls" ] || fail "$made sub-cgroups were made"
[ "$gone" -eq "$calls" ] || fail "$gone of them were removed"

echo "# one line of history for each call"
[ "$(wc -l < "$TMPDIR/history")" -eq "$calls" ] || fail "$(wc -l < "$TMPDIR/history") lines"
[ "$(jq -s 'map(.agent + " " + .id) | unique | length' "$TMPDIR/history")" -eq "$calls" ] || fail "a call is there twice"
[ "$(jq '[.agents[].history] | add' "$TMPDIR/json")" -eq "$calls" ] || fail "replay counted other lines"

echo "# memory.peak is what the worker touched, within 5 % or 2 MiB"
jq -n --slurpfile lines "$TMPDIR/history" --slurpfile replay "$TMPDIR/json" '
	($lines | map({key: (.agent + " " + .id), value: .memory_peak}) | from_entries) as $peak |
	[$replay[0].agents[] | .agent as $agent | .each_call[] | {id: ($agent + " " + .id), touched} |
		. + {peak: $peak[.id]} | . + {off: ((.peak - .touched) | fabs)} | . + {allowed: ([.touched * 0.05, 2097152] | max)}] |
	{calls: length, largest: (map(.touched) | max), worst: (map(.off) | max), bad: map(select(.peak == null or .off > .allowed))}' \
	> "$TMPDIR/peaks"
jq -c 'del(.bad)' "$TMPDIR/peaks"
[ "$(jq .calls "$TMPDIR/peaks")" -eq "$calls" ] || fail "not every call was compared"
[ "$(jq '.bad | length' "$TMPDIR/peaks")" -eq 0 ] || fail "$(jq -c .bad "$TMPDIR/peaks")"
[ "$(jq .largest "$TMPDIR/peaks")" -gt $((8 * 1024 * 1024)) ] || fail "no call touched 8 MiB: this shows nothing"

echo "# nothing is left"
[ -z "$(find $root -mindepth 1 -type d)" ] || fail "cgroups: $(find $root -mindepth 1 -type d)"
[ -z "$(ls "$AGENTCG_FS/agents")" ] || fail "agents: $(ls "$AGENTCG_FS/agents")"

echo "# nor after ^C, or a termination, in the middle"
for signal in INT TERM; do
	setsid agentcg replay --speed 5 --scale 0.02 --synthetic 5 --count 2 > "$TMPDIR/table" 2> "$TMPDIR/err" &
	replay=$!
	for _ in $(seq 900); do
		[ -z "$(find $root -name 'call-*' -type d)" ] || break
		sleep 0.1
	done
	[ -n "$(find $root -name 'call-*' -type d)" ] || fail "no call began"
	kill -$signal $replay
	status=0
	wait $replay || status=$?
	[ $status -eq $((128 + $(kill -l $signal))) ] || fail "status $status after SIG$signal"
	grep -q 'stopped$' "$TMPDIR/table" || fail "the table does not say that it was stopped: $(cat "$TMPDIR/table")"
	for _ in $(seq 600); do [ -n "$(find $root -mindepth 1 -type d)" ] || break; sleep 0.1; done
	[ -z "$(find $root -mindepth 1 -type d)" ] || fail "cgroups: $(find $root -mindepth 1 -type d)"
	[ -z "$(ls "$AGENTCG_FS/agents")" ] || fail "agents: $(ls "$AGENTCG_FS/agents")"
done
echo "ok"

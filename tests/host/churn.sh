#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=400
# Calls from eight writers at once, some of whom are killed at a random moment: none is lost, none is left, and the daemon is no
# larger afterwards.
#   churn.sh [CALLS KILLED WARM_UP]
set -euo pipefail
count=${1:-10000} killed=${2:-200} warm=${3:-1200}
agentcgd=$(command -v "$ACG_BUILD/tools/agentcgd" || command -v agentcgd)
root=${ACG_CGROUP:-$(findmnt -n -o TARGET -t cgroup2 | head -n 1)}/agentcg-churn-$$
fs=$TMPDIR/fs
mkdir "$fs"

fail() { echo "not ok: $*"; grep -v '"state":"ended"' "$TMPDIR/log" | tail -n 20; exit 1; }

echo "sched = \"off\"; history_max = \"256M\";" > "$TMPDIR/policy"
"$agentcgd" -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" --pin-dir "/sys/fs/bpf/agentcg-churn-$$" "$fs" \
	2> "$TMPDIR/log" &
daemon=$!
trap 'kill $daemon; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
for _ in $(seq 900); do [ ! -e "$fs/status" ] || break; sleep 0.1; done
mkdir "$fs/agents/a"

churn() { "$ACG_BUILD/tests/host/churn" "$@" "$fs" a; }
left() { find "$root/a" -mindepth 1 -name 'call-*' -type d; }
none_left() { for _ in $(seq 900); do [ -n "$(left)" ] || return 0; sleep 0.1; done; fail "left: $(left | head)"; }
worker=$(pgrep -o -P "$daemon")
anon() { awk '$1 == "RssAnon:" { print $2 }' "/proc/$worker/status"; }
descriptors() { find "/proc/$worker/fd" -mindepth 1 | wc -l; }
# One that is open for a moment is none that was left open.
closed() { for _ in $(seq 300); do after_fds=$(descriptors); [ "$after_fds" -gt "$before_fds" ] || return 0; sleep 0.1; done; }

echo "# until all that is bounded is full"
churn --count "$warm" --killed 24 --seed 1 > "$TMPDIR/warm"
none_left
before=$(anon) before_fds=$(descriptors)
lines=$(wc -l < "$TMPDIR/run/history/a.jsonl")
[ "$lines" -ge "$warm" ] && [ "$lines" -le $((warm + 24)) ] || fail "$lines lines of history"

echo "# $count calls, and $killed whose caller is killed"
start=$SECONDS
churn --count "$count" --killed "$killed" --seed 2 > "$TMPDIR/ids" || fail "a call was refused"
echo "in $((SECONDS - start)) s"
none_left
[ "$(wc -l < "$TMPDIR/ids")" -eq "$count" ] || fail "$(wc -l < "$TMPDIR/ids") calls answered"

echo "# each is in history, once"
tail -n +$((lines + 1)) "$TMPDIR/run/history/a.jsonl" > "$TMPDIR/new"
jq -r .id "$TMPDIR/new" | sort > "$TMPDIR/recorded"
[ -z "$(uniq -d "$TMPDIR/recorded")" ] || fail "twice: $(uniq -d "$TMPDIR/recorded" | head)"
[ -z "$(sort "$TMPDIR/ids" | comm -23 - "$TMPDIR/recorded")" ] || fail "lost: $(sort "$TMPDIR/ids" | comm -23 - "$TMPDIR/recorded" | head)"
[ "$(wc -l < "$TMPDIR/recorded")" -le $((count + killed)) ] || fail "more calls than there were"
others=$(($(wc -l < "$TMPDIR/recorded") - count))
echo "$others of the $killed that were killed had begun"
jq -e '[.calls, .counters.begun - .counters.ended] == [0, 0]' "$fs/agents/a/info" > /dev/null || fail "$(cat "$fs/agents/a/info")"
[ "$(jq .counters.begun "$fs/agents/a/info")" -eq "$(wc -l < "$TMPDIR/run/history/a.jsonl")" ] || fail "a begun call is not in history"
[ "$(jq .counters.refused "$fs/agents/a/info")" -eq 0 ] || grep -q "markers a second" "$fs/agents/a/call.error" ||
	fail "something was refused: $(cat "$fs/agents/a/call.error")"

echo "# the daemon"
after=$(anon)
closed
echo "anonymous memory $before KiB, then $after KiB; descriptors $before_fds, then $after_fds"
[ $((after - before)) -lt 1024 ] || fail "the daemon has grown"
[ "$after_fds" -le "$before_fds" ] || fail "descriptors were left open"
rmdir "$fs/agents/a" || fail "the agent cannot be removed"
[ -z "$(find "$root" -mindepth 1 -type d)" ] || fail "left: $(find "$root" -mindepth 1 -type d)"
echo "ok"

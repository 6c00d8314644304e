#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=6.12,7.3
# With BPF and limits: workers are killed under load, one hangs, a new binary takes over and a bad one is refused. No client
# notices, limits hold while no worker runs, and after the daemon is stopped and started its agents are what they were.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-takeover
mount=$TMPDIR/fs
mkdir "$mount"

fail() { echo "not ok: $*"; grep -v '"state":"ended"' "$TMPDIR/log" | tail -n 20 || true; exit 1; }
until_true() { for _ in $(seq 900); do ! eval "$1" 2> /dev/null || return 0; sleep 0.1; done; fail "this did not happen: $1"; }

cp "$(command -v agentcgd)" "$TMPDIR/agentcgd" # to be replaced later
cat > "$TMPDIR/policy" <<'EOP'
sched = "off";
agents = ({ match = "a"; budget = { memory = "128M"; swap = 0; }; caps = { memory = "64M"; swap = 0; }; });
EOP
start() {
	"$TMPDIR/agentcgd" -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2>> "$TMPDIR/log" &
	daemon=$!
	until_true '[ -e "$mount/status" ]'
}
trap 'kill $daemon 2> /dev/null || true; wait $daemon || true; echo 1 > $root/cgroup.kill; wait; sleep 0.5; find $root -depth -type d -exec rmdir {} + 2> /dev/null || true' EXIT
start
mkdir "$mount/agents/a"
bash -c "echo 0 > $mount/agents/a/cgroup.procs; echo 'begin life -- sleep for long' > $mount/agents/a/call; exec sleep 1000" &
until_true '[ "$(cat "$mount/agents/a/calls/life/state")" = running ]'
life=$(cat "$mount/agents/a/calls/life/info")

load() { "$ACG_BUILD/tests/host/takeover" "$mount" "$daemon" "$@" || fail "load $*"; }
load 30 8 KILL 1000
load 1 2 STOP
load 1 2 USR2

echo "# limits hold while no worker runs"
worker=$(pgrep -o -P $daemon)
kill -STOP "$worker"
[ "$(cat "$root/a/call-life/memory.max")" -eq $((64 * 1024 * 1024)) ] || fail "no limit"
if bash -c "echo 0 > $root/a/call-life/cgroup.procs; head -c 80M /dev/zero | tail > /dev/null"; then fail "80M fitted into 64M"; fi
kill -CONT "$worker" 2> /dev/null || true # on a slow machine it was found to hang, and another one serves
until_true 'jq -e ".oom_kills >= 1" "$mount/agents/a/info" > /dev/null || [ "$(cat "$mount/agents/a/calls/life/state")" = ended ]'

echo "# a bad binary, then a bad policy, are refused; the old one serves on"
mv "$TMPDIR/agentcgd" "$TMPDIR/good"
printf '#!/bin/false\n' > "$TMPDIR/agentcgd"
chmod +x "$TMPDIR/agentcgd"
kill -USR2 $daemon
until_true '[ "$(grep -c "no upgrade" "$TMPDIR/log")" -eq 1 ]'
mv "$TMPDIR/good" "$TMPDIR/agentcgd"
mv "$TMPDIR/policy" "$TMPDIR/policy.good"
echo nonsense > "$TMPDIR/policy"
kill -USR2 $daemon
until_true '[ "$(grep -c "no upgrade" "$TMPDIR/log")" -eq 2 ]'
mv "$TMPDIR/policy.good" "$TMPDIR/policy"
grep -q . "$mount/version" || fail "the old one does not serve"

echo "# stopped and started: the agent lives on, events go on with their numbers"
bash -c "echo 0 > $mount/agents/a/cgroup.procs; echo 'begin second' > $mount/agents/a/call; exec sleep 1000" &
until_true '[ "$(cat "$mount/agents/a/calls/second/state")" = running ]'
before=$(tail -n 1 "$mount/events" | jq .seq)
info=$(jq -c '{name, priority, budget, counters, start}' "$mount/agents/a/info")
kill $daemon
wait $daemon || fail "exit status $?"
grep -q . "$root/a/call-second/cgroup.procs" || fail "the call did not live on"
start
[ "$(cat "$mount/agents/a/calls/second/state")" = running ] || fail "the call is not known"
[ "$(jq -c '{name, priority, budget, counters, start}' "$mount/agents/a/info")" = "$info" ] || fail "not as it was: $info"
[ "$(head -n 1 "$mount/events" | jq .seq)" -gt "$before" ] || fail "events are numbered anew"
[ "$(jq -c .start <<< "$life")" = "$(jq -c 'select(.id == "life") | .start' "$mount/agents/a/history" | tail -n 1)" ] || fail "history of life"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# Workers are killed under load, one hangs, and new binaries take over; no client notices, and nothing is left in the end.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
[ -c /dev/fuse ] || { echo "no /dev/fuse here"; exit 77; }
start_daemon

load() { timeout 150 "$ACG_BUILD/tests/host/takeover" "$AGENTCG_FS" "$daemon_pid" "$@"; }
load 30 8 KILL
load 3 4 USR2
load 1 4 STOP
[ "$(grep -c 'the new binary serves' "$work/daemon.log")" -eq 3 ] || fail "not all upgrades were done"
grep -q 'the worker hangs' "$work/daemon.log" || fail "the hang was not noticed"

echo "# the next worker waits for the end of the one before; nobody need tell it"
next_waits() {
	local pid
	for pid in $(pgrep -P "$daemon_pid"); do
		if grep -q -- "-> POSIX .* $pid " /proc/locks; then return 0; fi
	done
	return 1
}
until_true next_waits
kill -STOP "$daemon_pid"
kill -9 "$(pgrep -o -P "$daemon_pid")"
answer=$(timeout 20 cat "$AGENTCG_FS/version") || true
kill -CONT "$daemon_pid"
[ -n "$answer" ] || fail "without its supervisor a worker does not take over"

[ -z "$(ls "$AGENTCG_FS/agents")" ] || fail "agents are left"
[ -z "$(find "$cgroups" -mindepth 1 -type d)" ] || fail "cgroups are left"

# What lies in /run is removed while no daemon runs: a clean start, which says what is not to be had back.
mkdir "$AGENTCG_FS/agents/lives"
in_agent lives bash -c 'echo "begin one" > $AGENTCG_FS/agents/lives/call; echo end - > $AGENTCG_FS/agents/lives/call'
in_agent lives bash -c 'echo "begin two" > $AGENTCG_FS/agents/lives/call; exec sleep 1000' &
until_true 'grep -q "\"id\":\"one\"" "$AGENTCG_FS/agents/lives/history" && [ "$(cat "$AGENTCG_FS/agents/lives/calls/two/state")" = running ]'
other=${cgroups%/*}/agentcg-other-$$
within=${other#"$(findmnt -n -o TARGET -t cgroup2 | head -n 1)"} # as /proc/PID/cgroup has it
mkdir "$other"
agentcg adopt other "$within"
mkdir "$AGENTCG_FS/agents/half" "$AGENTCG_FS/agents/half/calls/one"
kill "$daemon_pid"
wait "$daemon_pid" || fail "exit status $?"
rmdir "$cgroups/half/self" # as far as one comes who is killed while he removes the agent
! grep -q " $AGENTCG_FS " /proc/self/mounts || fail "it is still mounted"
rm -r "$work/run"
start_daemon
[ "$(cat "$AGENTCG_FS/agents/lives/calls/two/state")" = running ] || fail "what lives is not known without /run"
grep -q '"event":"history_lost","agent":"lives","text":"the history of the 1 calls' "$AGENTCG_FS/events" || fail "the loss of history is not told: $(cat "$AGENTCG_FS/events")"
grep -q "adopted_lost.*the cgroup $within was adopted" "$AGENTCG_FS/events" || fail "the loss of the adopted is not told: $(cat "$AGENTCG_FS/events")"
[ ! -e "$cgroups/half" ] || fail "half an agent is left"
mkdir "$AGENTCG_FS/agents/half" && rmdir "$AGENTCG_FS/agents/half"
rmdir "$other/self" "$other"
echo 1 > "$AGENTCG_FS/agents/lives/cgroup.kill"
until_true 'rmdir "$AGENTCG_FS/agents/lives" 2> /dev/null'
kill "$daemon_pid"
wait "$daemon_pid" || fail "exit status $?"

echo "# the policy file turns bad, and the worker dies: the last good one is in force, and status says so"
echo 'favordynmods = "off"; agents = ({ match = "*"; budget = { calls = 7; }; });' > "$work/policy"
start_daemon -c "$work/policy"
cat "$work/policy" > "$work/good"
echo 'nonsense = 1;' > "$work/policy"
kill -USR2 "$daemon_pid"
until_true 'grep -q "no upgrade" "$work/daemon.log"'
for _ in 1 2 3 4 5; do # more than there are spare ones
	worker=$(pgrep -o -P "$daemon_pid")
	kill -9 "$worker"
	diff "$AGENTCG_FS/policy" "$work/good" || fail "another policy is in force"
	grep '^policy degraded.*the last good policy is in force: .*/policy:1: .*nonsense' "$AGENTCG_FS/status" ||
		fail "status says nothing of it: $(cat "$AGENTCG_FS/status")"
done
rm "$work/run/policy.good"
kill -9 "$(pgrep -o -P "$daemon_pid")"
grep '^policy degraded.*no policy is in force' "$AGENTCG_FS/status" || fail "without the last good one: $(cat "$AGENTCG_FS/status")"
cat "$work/good" > "$work/policy"
kill -HUP "$daemon_pid"
until_true '! grep -q "^policy" "$AGENTCG_FS/status"'
diff "$AGENTCG_FS/policy" "$work/good" || fail "the good one is not in force"
kill "$daemon_pid"
wait "$daemon_pid" || fail "exit status $?"

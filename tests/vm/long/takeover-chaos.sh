#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=3000 systemd=yes
# As a service: 1,000 kills of the worker and 50 upgrades under the load of 8 clients; then kills of the supervisor itself,
# which systemd starts again with the descriptors that it kept; then stop, start and restart with agents that live on.
#   takeover-chaos.sh [KILLS UPGRADES DEATHS-OF-THE-SUPERVISOR]
set -euo pipefail
kills=${1:-1000} upgrades=${2:-50} deaths=${3:-10}
mount=/run/agentcg/fs
root=/sys/fs/cgroup/agentcg

fail() { echo "not ok: $*"; systemctl status --no-pager agentcg; journalctl -u agentcg -n 30 --no-pager -o cat | grep -v '"state":"ended"'; exit 1; }
until_true() { for _ in $(seq 300); do ! eval "$1" 2> /dev/null || return 0; sleep 0.1; done; fail "this did not happen: $1"; }
supervisor() { systemctl show -P MainPID agentcg; }
load() { "$ACG_BUILD/tests/host/takeover" "$mount" "$(supervisor)" "$@" || fail "load $*"; }

# A test has mounts of its own; the service mounts for all.
[ -n "${ACG_IN_INIT_NS:-}" ] || exec env ACG_IN_INIT_NS=1 nsenter -t 1 -m "$0" "$@"
mkdir -p /etc/agentcg
[ -e /etc/agentcg/agentcg.conf ] || echo 'history_max = "64M";' > /etc/agentcg/agentcg.conf
systemctl daemon-reload
systemctl start agentcg || fail "it does not start"
trap 'systemctl stop agentcg; find $root -depth -type d -exec rmdir {} + 2> /dev/null || true' EXIT
grep -q . "$mount/version" || fail "the tree does not answer"

load "$kills" 8 KILL 1500
load "$upgrades" 8 USR2 1000

echo "# the supervisor is killed: open files and followers go on"
mkdir "$mount/agents/a"
bash -c "echo 0 > $mount/agents/a/cgroup.procs; echo 'begin life' > $mount/agents/a/call; exec sleep 10000" &
until_true '[ "$(cat "$mount/agents/a/calls/life/state")" = running ]'
cat "$mount/agents/a/events_pipe" > "$TMPDIR/followed" &
follower=$!
exec 7< "$mount/agents/a/info"
for i in $(seq "$deaths"); do
	old=$(supervisor)
	kill -9 "$old"
	until_true '[ "$(supervisor)" -gt 0 ] && [ "$(supervisor)" != "$old" ]'
	[ "$(cat "$mount/agents/a/calls/life/state")" = running ] || fail "after kill $i of the supervisor"
	mkdir "$mount/agents/a/calls/c$i" || fail "mkdir after kill $i"
	rmdir "$mount/agents/a/calls/c$i" || fail "rmdir after kill $i"
	systemctl reset-failed agentcg
done
[ "$(jq -r .name <&7)" = a ] || fail "a file that was open does not answer"
exec 7<&-
kill -0 $follower || fail "the follower saw an end"
until_true '[ "$(grep -c "\"event\":\"end\"" "$TMPDIR/followed")" -eq "$deaths" ]'
[ "$(jq -r '.event' "$TMPDIR/followed" | grep -c begin)" -eq "$deaths" ] || fail "events were lost"

echo "# stop, start, restart, reload: the agent lives on"
before=$(tail -n 1 "$mount/events" | jq .seq)
systemctl reload agentcg
until_true '[ "$(cat "$mount/agents/a/calls/life/state")" = running ]'
systemctl stop agentcg
! mountpoint -q "$mount" || fail "still mounted"
grep -q . "$root/a/call-life/cgroup.procs" || fail "stopping the service killed an agent"
systemctl start agentcg
[ "$(cat "$mount/agents/a/calls/life/state")" = running ] || fail "the call is not known after a start"
systemctl restart agentcg
[ "$(cat "$mount/agents/a/calls/life/state")" = running ] || fail "the call is not known after a restart"
[ "$(head -n 1 "$mount/events" | jq .seq)" -gt "$before" ] || fail "events are numbered anew"
echo 1 > "$mount/agents/a/cgroup.kill"
until_true 'rmdir "$mount/agents/a"'
echo ok

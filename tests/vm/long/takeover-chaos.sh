#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=3400 systemd=yes
# As a service, under the load of 8 clients: 1,000 kills of the worker, 20 hangs and 50 upgrades between builds of two versions; then
# kills of the supervisor itself, which systemd starts again with the descriptors that it kept.
#   tests/vm/run --data "$(tests/vm/make-debs)" [--set CHAOS="KILLS HANGS UPGRADES DEATHS-OF-THE-SUPERVISOR"] takeover-chaos
set -euo pipefail
read -r kills hangs upgrades deaths <<< "${CHAOS:-1000 20 50 20}"
# shellcheck source=tests/vm/long/service.bash
. "$(dirname "$0")/service.bash"
in_init_namespace "$@"
compgen -G "$ACG_DATA/next/*.deb" > /dev/null || { echo "no packages in $ACG_DATA: see the head of this test"; exit 77; }

load() { "$ACG_BUILD/tests/host/takeover" "$mount" "$(supervisor)" "$@" || fail "load $*"; }
upgraded() { journalctl -u agentcg -o cat | grep -c 'the new binary serves' || true; }
echo 'history_max = "64M"; agents = ({ match = "*"; budget = { memory = "512M"; }; });' > "$policy"
start_service

load "$kills" 8 KILL 500
load "$hangs" 4 STOP 500

echo "# upgrades from one version to the other, and back"
dpkg-deb -x "$ACG_DATA"/next/agentcgd_*.deb "$TMPDIR/next"
cp "$TMPDIR/next/usr/sbin/agentcgd" "$binary.next"
before=$(upgraded)
load "$upgrades" 8 USR2 1000 "$binary" "$binary.next"
[ $(($(upgraded) - before)) -eq "$upgrades" ] || fail "not all upgrades were done"
[ $((upgrades % 2)) = 0 ] || mv "$binary.next" "$binary"
rm -f "$binary.next"

echo "# the supervisor is killed: open files and followers go on"
with_agent
cat "$mount/agents/a/events_pipe" > "$TMPDIR/followed" &
follower=$!
exec 7< "$mount/agents/a/info"
for i in $(seq "$deaths"); do
	kill_supervisor
	alive "after kill $i of the supervisor"
	mkdir "$mount/agents/a/calls/c$i" || fail "mkdir after kill $i"
	rmdir "$mount/agents/a/calls/c$i" || fail "rmdir after kill $i"
done
[ "$(jq -r .name <&7)" = a ] || fail "a file that was open does not answer"
exec 7<&-
kill -0 $follower || fail "the follower saw an end"
until_true '[ "$(grep -c "\"event\":\"end\"" "$TMPDIR/followed")" -eq "$deaths" ]'
[ "$(jq -r '.event' "$TMPDIR/followed" | grep -c begin)" -eq "$deaths" ] || fail "events were lost"
kill $follower
without_agent
echo ok

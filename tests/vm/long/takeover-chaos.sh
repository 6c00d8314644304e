#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=3400 systemd=yes
# As a service, under the load of 8 clients: 1,000 kills of the worker, 20 hangs and 50 upgrades between two builds; then kills of the
# supervisor itself, which systemd starts again with the descriptors that it kept.
#   takeover-chaos.sh [KILLS HANGS UPGRADES DEATHS-OF-THE-SUPERVISOR]
set -euo pipefail
kills=${1:-1000} hangs=${2:-20} upgrades=${3:-50} deaths=${4:-20}
# shellcheck source=tests/vm/long/service.bash
. "$(dirname "$0")/service.bash"
in_init_namespace "$@"

load() { "$ACG_BUILD/tests/host/takeover" "$mount" "$(supervisor)" "$@" || fail "load $*"; }
echo 'history_max = "64M"; agents = ({ match = "*"; budget = { memory = "512M"; }; });' > "$policy"
start_service

load "$kills" 8 KILL 500
load "$hangs" 4 STOP 500

echo "# upgrades between two builds, which differ by their build id"
cp "$binary" "$TMPDIR/one"
objcopy --remove-section .note.gnu.build-id "$TMPDIR/one" "$TMPDIR/two"
(for ((i = 0; ; i++)); do
	# In place by rename, as packages do.
	if [ $((i % 2)) = 0 ]; then cp "$TMPDIR/two" "$binary.new"; else cp "$TMPDIR/one" "$binary.new"; fi
	mv "$binary.new" "$binary"
	sleep 0.7
done) &
changing=$!
load "$upgrades" 8 USR2 1000
kill $changing
wait $changing || true
cp "$TMPDIR/one" "$binary.new"
mv "$binary.new" "$binary"

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

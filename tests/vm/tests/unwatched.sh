#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=180 kernels=7.3
# The kernel's limit on inotify watches is reached: calls begin and end all the same, and that not all is heard of is told in status, once
# in events, and by agentcg doctor. With room again, an end is seen as ever.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
limit=/proc/sys/fs/inotify/max_user_watches
before=$(cat $limit)
start_daemon
trap 'echo "$before" > $limit; stop_daemon' EXIT
a=$AGENTCG_FS/agents/a
mkdir "$a"
! grep '^watches' "$AGENTCG_FS/status" || fail "something is not watched already"

echo "# no room"
echo 1 > $limit
for id in one two; do
	in_agent a bash -c 'echo "begin $0" > "$AGENTCG_FS/self/call" && grep -q "/call-$0\$" /proc/self/cgroup; echo "end $0" > "$AGENTCG_FS/self/call"' $id ||
		fail "call $id did not begin"
done
until_true '[ "$(grep -c "\"id\":" "$a/history")" = 2 ]'
grep '^watches degraded [1-9].* files could not be watched.*max_user_watches is reached$' "$AGENTCG_FS/status" || fail "status says nothing"
[ "$(grep -c '"event":"unwatched".*max_user_watches is reached' "$AGENTCG_FS/events")" = 1 ] || fail "it is not told once: $(cat "$AGENTCG_FS/events")"
agentcg doctor > "$work/out" || true
grep -q '^-- *inotify: root uses [1-9][0-9]* of 1 (fs.inotify.max_user_watches)' "$work/out" && grep -q '^-- *watches is degraded' "$work/out" ||
	{ cat "$work/out"; fail "doctor says nothing"; }

echo "# room again"
echo "$before" > $limit
in_agent a bash -c 'echo "begin three" > "$AGENTCG_FS/self/call"; exec true'
until_true 'grep -q "\"id\":\"three\"" "$a/history"'
agentcg doctor > "$work/out" || true
grep -q '^ok *inotify: root uses [0-9]* of [0-9]* (fs.inotify.max_user_watches)' "$work/out" || { cat "$work/out"; fail "doctor finds fault"; }
echo ok

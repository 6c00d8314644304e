#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=6.12,7.3
# Calls that each leave page cache behind leave no cgroup in the kernel: nr_dying_descendants comes back to where it was, with the
# files still there; but for one that each CPU may keep in its stock of charged pages until it charges others. By hand, without
# agentcg, all of them stay.
#   dying.sh [CALLS SECONDS]
set -euo pipefail
count=${1:-400} seconds=${2:-240}
root=/sys/fs/cgroup/agentcg-dying
by_hand=/sys/fs/cgroup/by-hand
fs=$TMPDIR/fs
files=$(mktemp -d /var/tmp/dying.XXXXXX) # not on tmpfs, whose pages are no cache
mkdir "$fs"

fail() { echo "not ok: $*"; grep -v '"state":"ended"' "$TMPDIR/log" | tail -n 20; exit 1; }
dying() { awk '$1 == "nr_dying_descendants" { print $2 }' "$1/cgroup.stat"; }

echo "sched = \"off\"; history_max = \"256M\";" > "$TMPDIR/policy"
agentcgd -f -c "$TMPDIR/policy" -r $root --run-dir "$TMPDIR/run" "$fs" 2> "$TMPDIR/log" &
daemon=$!
trap 'kill $daemon; wait; find $root $by_hand -depth -type d -exec rmdir {} \; 2> /dev/null || true; rm -rf $files' EXIT
until [ -e "$fs/status" ]; do kill -0 $daemon || fail "the daemon did not start"; sleep 0.1; done
mkdir "$fs/agents/a"

echo "# by hand"
mkdir $by_hand
echo +memory > $by_hand/cgroup.subtree_control
cd "$files"
for i in $(seq 40); do
	mkdir $by_hand/call
	(echo 0 > $by_hand/call/cgroup.procs && head -c 64K /dev/zero > "by-hand-$i")
	rmdir $by_hand/call
done
sleep 2
echo "of 40 removed cgroups $(dying $by_hand) are kept"
[ "$(dying $by_hand)" -ge 20 ] || fail "they are not kept: this test shows nothing here"

echo "# $count calls of 64 KiB of page cache each"
before=$(dying $root)
start=$SECONDS
"$ACG_BUILD/tests/host/churn" --writers 4 --count "$count" --cache 65536 "$fs" a > "$TMPDIR/ids" || fail "a call was refused"
echo "in $((SECONDS - start)) s; then $(dying $root) are dying, $(find $root/a -name 'call-*' -type d | wc -l) to be removed"
[ "$(wc -l < "$TMPDIR/ids")" -eq "$count" ] || fail "$(wc -l < "$TMPDIR/ids") calls"
start=$SECONDS
allowed=$((before + $(nproc)))
while [ "$(dying $root)" -gt $allowed ] || [ -n "$(find $root/a -name 'call-*' -type d)" ]; do
	[ $((SECONDS - start)) -lt "$seconds" ] || fail "after $seconds s $(dying $root) are dying, $before were before"
	sleep 0.5
done
echo "$(dying $root) after $((SECONDS - start)) s, $before before"
[ "$(find "$files" -name 'churn-*' | wc -l)" -eq "$count" ] || fail "the files are gone"
rmdir "$fs/agents/a"
echo "ok"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=1500 kernels=7.3-memcg_bpf_ops
# memcg_bpf_ops attached and detached a thousand times under load, while calls that are being delayed are killed and removed, and
# new ones made. The kernel must not complain (the guest's runner looks), and nothing may be left.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-cycles
mkdir "$root"
echo +memory > "$root/cgroup.subtree_control"
remover=
finish() {
	[ -z "$remover" ] || kill "$remover" 2> /dev/null || true
	for _ in $(seq 50); do
		echo 1 > "$root/cgroup.kill"
		find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
		[ -d "$root" ] || break
		sleep 0.1
	done
}
trap finish EXIT
mkdir "$root/call-a" "$root/call-b"

# Always somebody who charges: in two calls that stay, and in one that is removed while it is delayed.
for call in a b; do
	( echo 0 > "$root/call-$call/cgroup.procs"; while :; do "$ACG_BUILD/tests/bench/grow" 16 > /dev/null; done ) &
done
removed=$TMPDIR/removed
(
	n=0
	while :; do
		mkdir "$root/call-c"
		( echo 0 > "$root/call-c/cgroup.procs"; exec "$ACG_BUILD/tests/bench/grow" 64 > /dev/null ) &
		sleep 0.3
		echo 1 > "$root/call-c/cgroup.kill"
		wait $! || true
		until rmdir "$root/call-c" 2> /dev/null; do sleep 0.05; done
		n=$((n + 1))
		echo $n > "$removed"
	done
) 2> /dev/null &
remover=$!
"$ACG_BUILD/tests/host/memcg_cycle" /sys/fs/bpf/cycles "${CYCLES:-1000}" 50 "$root" "$root/call-a" "$root/call-b"
echo "calls removed meanwhile: $(cat "$removed")"
[ "$(cat "$removed")" -ge 5 ] || { echo "not ok: hardly any call was removed"; exit 1; }
! bpftool link show | grep struct_ops || { echo "not ok: a link is left"; exit 1; }
[ ! -e /sys/fs/bpf/cycles ] || { echo "not ok: pins are left"; exit 1; }

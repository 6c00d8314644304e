#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest itself: what the other tests rely on is there, and the kernel is the one that was asked for.
set -euo pipefail

fail() { echo "boot: $*"; exit 1; }

release=$(uname -r)
echo "kernel $release, asked for $ACG_KERNEL"
[[ $release == "${ACG_KERNEL%%-*}".* ]] || fail "this is $release, not $ACG_KERNEL"

for controller in cpu io memory pids; do
	grep -qw "$controller" /sys/fs/cgroup/cgroup.subtree_control || fail "controller $controller is not enabled"
done
[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || fail "/sys/fs/cgroup is not cgroup2"
[ "$(stat -f -c %T /sys/fs/bpf)" = bpf_fs ] || fail "/sys/fs/bpf is not bpffs"
[ -c /dev/fuse ] || fail "no /dev/fuse"
[ -s /sys/kernel/btf/vmlinux ] || fail "the kernel has no BTF"
ip -o link show lo | grep -q 'LOWER_UP' || fail "lo is down"

case $ACG_KERNEL in
6.12) [ ! -e /sys/kernel/sched_ext ] || fail "6.12 has sched_ext: the table of kernels is wrong" ;;
*) [ "$(cat /sys/kernel/sched_ext/state)" = disabled ] || fail "no sched_ext, or in use" ;;
esac

has_memcg_ops=no
! bpftool btf dump file /sys/kernel/btf/vmlinux format raw | grep "STRUCT 'memcg_bpf_ops'" > /dev/null || has_memcg_ops=yes
case $ACG_KERNEL in
*memcg_bpf_ops) [ $has_memcg_ops = yes ] || fail "no memcg_bpf_ops" ;;
*) [ $has_memcg_ops = no ] || fail "memcg_bpf_ops is there: the table of kernels is wrong" ;;
esac

# A cgroup with a limit that works.
mkdir /sys/fs/cgroup/boot
echo 16M > /sys/fs/cgroup/boot/memory.max
echo 0 > /sys/fs/cgroup/boot/memory.swap.max 2> /dev/null || true
if (echo 0 > /sys/fs/cgroup/boot/cgroup.procs; head -c 64M /dev/zero | tail > /dev/null) 2> /dev/null; then
	fail "64M fitted into 16M"
fi
grep -q '^oom_kill [1-9]' /sys/fs/cgroup/boot/memory.events || fail "no OOM kill was counted"
rmdir /sys/fs/cgroup/boot

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 kernels=7.3-memcg_bpf_ops
# What the memory programs cost while memory is free: a step of growth with them and without, in turns (tests/bench/memcg_cost.c). The
# step may cost 0.5 % more, or what the same without them differs from itself. ROUNDS: how many (31).
set -euo pipefail
root=/sys/fs/cgroup/agentcg-cost
mkdir "$root"
trap 'find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
echo +memory > "$root/cgroup.subtree_control"
mkdir "$root/call"
"$ACG_BUILD/tests/bench/memcg_cost" /sys/fs/bpf/cost "$root" "$root/call" "${ROUNDS:-31}" | tee "$TMPDIR/out"
awk '/^with\/without/ { cost = $2 } /^without\/without/ { spread = $6 - 1; if (1 - $4 > spread) spread = 1 - $4; if (spread < 0.005) spread = 0.005 }
	END { printf "allowed: %.4f\n", 1 + spread; exit cost > 1 + spread }' <(sed 's/(quartiles/Q/' "$TMPDIR/out")

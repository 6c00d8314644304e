#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 kernels=7.3-memcg_bpf_ops
# A configured delay of 2000 ms for each charge above the grant, as the charging task feels it: the median within 1 %.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-delay
mount=$TMPDIR/fs
mkdir "$mount"
export AGENTCG_FS=$mount
cat > "$TMPDIR/policy" <<'EOS'
memory = { low = "32M"; };
agents = ({ match = "a"; budget = { memory = "256M"; }; });
ladder = { delay_max_ms = 2000; delay_ms = 2000; };
EOS
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2> "$TMPDIR/log" &
daemon=$!
trap 'echo 1 > $root/cgroup.kill; kill $daemon; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
for _ in $(seq 100); do [ ! -e "$mount/status" ] || break; sleep 0.1; done
mkdir "$mount/agents/a"
sh -c "echo 0 > $mount/agents/a/cgroup.procs; exec agentcg run --hint memory:low -- $ACG_BUILD/tests/bench/grow 37" > "$TMPDIR/out"
cat "$TMPDIR/out"
# A step may hold a charge of its own and the end of another: those have two delays.
sed -n 's/.* slow=//p' "$TMPDIR/out" | tr , '\n' | awk '$1 > 1500000 && $1 < 3000000' | sort -n > "$TMPDIR/delays"
n=$(wc -l < "$TMPDIR/delays")
[ "$n" -ge 5 ] || { echo "not ok: only $n delays"; exit 1; }
median=$(sed -n "$(((n + 1) / 2))p" "$TMPDIR/delays")
echo "2000 ms asked: $n delays, median $median us, from $(head -n 1 "$TMPDIR/delays") to $(tail -n 1 "$TMPDIR/delays")"
[ "$median" -ge 1980000 ] && [ "$median" -le 2020000 ] || { echo "not ok: not within 1 %"; exit 1; }

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 kernels=7.3-memcg_bpf_ops
# How soon memcg_bpf_ops slow a burst down: from the moment at which a call crosses its grant, which is where its agent's budget runs
# short, to its first delay, both by the kernel's clock. The median over ROUNDS (9) bursts; fails if one was not delayed.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-reaction
fs=$TMPDIR/fs
mkdir "$fs"
export AGENTCG_FS=$fs
grow=$ACG_BUILD/tests/bench/grow
rounds=${ROUNDS:-9}
daemon=
cat > "$TMPDIR/policy" <<'EOS'
sched = "off";
agents = ({ match = "a"; budget = { memory = "120M"; swap = 0; }; hint = { memory = "108M"; }; });
ladder = { high_percent = 90; kill = false; };
EOS
trap 'set +e; rmdir $fs/agents/a 2> /dev/null; kill $daemon 2> /dev/null; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT

start() {
	agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$@" "$fs" 2>> "$TMPDIR/log" &
	daemon=$!
	until [ -e "$fs/status" ]; do sleep 0.1; done
	[ -d "$fs/agents/a" ] || mkdir "$fs/agents/a"
}
stop() { kill "$daemon"; wait "$daemon" || true; }
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f ms (%.2f to %.2f, %d bursts)\n", v[int((NR + 1) / 2)], v[1], v[NR], NR }'; }

# A burst in the call, a little below its limit at the end.
burst() { sh -c "echo 0 > $fs/agents/a/cgroup.procs; exec agentcg run --id $1 -- $grow 112 64" > "$TMPDIR/out" 2> "$TMPDIR/err"; }

start
grep -q '^memcg_bpf_ops *on' "$fs/status" || { cat "$fs/status"; exit 1; }
for ((i = 0; i < rounds; i++)); do
	burst "k$i" &
	until [ -d "$root/a/call-k$i" ]; do sleep 0.02; done
	id=$(stat -c %i "$root/a/call-k$i")
	: > "$TMPDIR/state"
	while [ -d "$root/a/call-k$i" ]; do
		bpftool -j map lookup pinned /sys/fs/bpf/agentcg/agentcg_memory key hex \
			$(printf '%016x' "$id" | sed 's/../& /g' | awk '{ for (i = NF; i; i--) printf "%s ", $i }') > "$TMPDIR/try" 2> /dev/null || continue
		jq -e '.formatted.value.first_ns > 0' "$TMPDIR/try" > /dev/null && cp "$TMPDIR/try" "$TMPDIR/state" || true
	done
	wait $!
	jq -r '.formatted.value | select(.first_ns >= .over_ns and .over_ns > 0) | (.first_ns - .over_ns) / 1e6' "$TMPDIR/state" >> "$TMPDIR/kernel"
done
stop
touch "$TMPDIR/kernel"
median < "$TMPDIR/kernel"
[ "$(wc -l < "$TMPDIR/kernel")" = "$rounds" ] || { echo "not ok: not every burst was delayed"; exit 1; }

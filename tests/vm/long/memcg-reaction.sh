#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 kernels=7.3-memcg_bpf_ops
# How soon a burst is slowed down: from the page at which a call of low priority crosses its grant, which is where 90 % of its agent's budget
# are in use, to the first step of its growth that waits; as the growing task sees it (tests/bench/grow.c). In turns, ROUNDS (9) times:
#   memcg_bpf_ops  agentcg with its programs
#   cgroup         agentcg without BPF
#   poll           plain cgroups of the same limits, and a loop that reads memory.pressure every 50 ms and, when tasks waited
#                  for memory since, sets the call's memory.high to what it uses
# Nobody swaps; 16 MiB of page cache are there to be dropped, without which the last would see nothing before the OOM killer comes. A burst that
# was not slowed down in the last tenth of the budget, or was killed there, counts as none.
set -euo pipefail
cgroup=/sys/fs/cgroup
budget=400 grant=355 size=390 cache=16 # MiB
rounds=${ROUNDS:-9}
grow=$ACG_BUILD/tests/bench/grow
declare -A daemons
cat > "$TMPDIR/policy" <<EOS
sched = "off";
agents = ({ match = "a"; priority = "low"; budget = { memory = "${budget}M"; swap = 0; }; hint = { memory = "${grant}M"; }; });
ladder = { high_percent = 90; kill = false; };
EOS
finish() {
	set +e
	for name in "${!daemons[@]}"; do rmdir "$TMPDIR/$name/agents/a"; kill "${daemons[$name]}"; done
	wait
	find $cgroup -depth -type d -path "$cgroup/reaction-*" -exec rmdir {} \; 2> /dev/null
}
trap finish EXIT

start() { # NAME [OPTION]...
	local name=$1
	shift
	mkdir "$TMPDIR/$name"
	agentcgd -f -c "$TMPDIR/policy" -r "$cgroup/reaction-$name" --run-dir "$TMPDIR/$name.run" --pin-dir "/sys/fs/bpf/reaction-$name" "$@" \
		"$TMPDIR/$name" 2>> "$TMPDIR/log" &
	daemons[$name]=$!
	until grep -qs '^memcg_bpf_ops' "$TMPDIR/$name/status" && ! grep -q 'being loaded' "$TMPDIR/$name/status"; do sleep 0.1; done
	mkdir "$TMPDIR/$name/agents/a"
}

# Page cache of AGENT's own: a file that was never read before.
fill_cache() {
	head -c "${cache}M" /dev/zero > "$TMPDIR/cache.$1"
	sync "$TMPDIR/cache.$1"
	echo 3 > /proc/sys/vm/drop_caches
	sh -c "echo 0 > $2; exec cat $TMPDIR/cache.$1" > /dev/null
}

# What may still be touched before 90 % of the budget are in use, beside page cache; MiB.
mark() { # CGROUP
	awk -v mark=$((budget * 9 / 10)) -v used="$(cat "$1/memory.current")" '$1 == "file" { used -= $2 } END { printf "%d\n", mark - used / 1048576 }' "$1/memory.stat"
}

by_agentcg() { # NAME
	local name=$1
	fill_cache "$name" "$TMPDIR/$name/agents/a/cgroup.procs"
	AGENTCG_FS=$TMPDIR/$name sh -c "echo 0 > $TMPDIR/$name/agents/a/cgroup.procs; exec agentcg run -- $grow $size 64 0 $(mark "$cgroup/reaction-$name/a")"
}

poll() { # CALL
	local last=0 total
	while [ -d "$1" ]; do
		total=$(sed -n 's/^some.*total=//p' "$1/memory.pressure" 2> /dev/null) || break
		if [ "$last" -gt 0 ] && [ "${total:-0}" -gt "$last" ]; then cat "$1/memory.current" > "$1/memory.high" 2> /dev/null || true; fi
		last=${total:-1}
		sleep 0.05
	done
}
by_poll() {
	local agent=$cgroup/reaction-poll/a call=$cgroup/reaction-poll/a/call ret=0
	mkdir "$agent/self" "$call"
	fill_cache poll "$agent/self/cgroup.procs"
	poll "$call" &
	local poller=$!
	sh -c "echo 0 > $call/cgroup.procs; exec $grow $size 64 0 $(mark "$agent")" || ret=$?
	until rmdir "$call" "$agent/self" 2> /dev/null; do sleep 0.05; done
	wait $poller
	return $ret
}

start memcg_bpf_ops
start cgroup --no-bpf
grep -q '^memcg_bpf_ops *on' "$TMPDIR/memcg_bpf_ops/status" || { cat "$TMPDIR/memcg_bpf_ops/status"; exit 1; }
mkdir -p $cgroup/reaction-poll/a
echo +memory > $cgroup/reaction-poll/cgroup.subtree_control
echo +memory > $cgroup/reaction-poll/a/cgroup.subtree_control
echo ${budget}M > $cgroup/reaction-poll/a/memory.max
echo 0 > $cgroup/reaction-poll/a/memory.swap.max

for ((i = 0; i < rounds; i++)); do
	for way in memcg_bpf_ops cgroup poll; do
		burst=by_agentcg
		[ $way != poll ] || burst=by_poll
		$burst $way > "$TMPDIR/out" 2> "$TMPDIR/err" || echo "reaction=killed" > "$TMPDIR/out"
			echo "# $way: $(sed 's/ slow=.*//' "$TMPDIR/out")"
		sed -n 's/.*reaction=\([-a-z0-9]*\).*/\1/p' "$TMPDIR/out" >> "$TMPDIR/$way.reactions"
	done
done
for way in memcg_bpf_ops cgroup poll; do
	sort -n "$TMPDIR/$way.reactions" | awk -v way=$way '/^[0-9]/ { v[++n] = $1 / 1000 } /killed/ { killed++ } END {
		if (n) printf "%-14s %.1f ms (%.1f to %.1f)", way, v[int((n + 1) / 2)], v[1], v[n]; else printf "%-14s -", way
		printf ", slowed down %d of %d, killed %d\n", n, NR, killed }'
done
[ "$(grep -c '^[0-9]' "$TMPDIR/memcg_bpf_ops.reactions")" = "$rounds" ] || { echo "not ok: not every burst was delayed by the programs"; exit 1; }

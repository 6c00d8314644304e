# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For benchmarks that replay agents side by side in one budget: what is replayed, trees of their own, one replay in one of them. Source it
# with data, seed, scale, out and the array traces set as the options have them; then find_traces. It sets $work and cleans up at the end.

cgroup=/sys/fs/cgroup
name=${0##*/}
work=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX")
daemons=()

say() { echo "$name: $*" >&2; }

# find_traces: recorded agents if they are there, else made-up ones; sets traces and scale.
find_traces() {
	local i
	if [ -n "$data" ] && [ -f "$data/${traces[0]}" ]; then
		for i in "${!traces[@]}"; do traces[i]=$data/${traces[i]}; done
		scale=${scale:-1}
		return
	fi
	agentcg replay --synthetic "$seed" --count 3 --write "$work"
	traces=("$work"/synthetic-*.json)
	scale=${scale:-0.1}
}

# budget_bytes SHARE: bytes of a share of the sum of the peaks.
budget_bytes() {
	jq -s --argjson share "$1" --argjson scale "$scale" \
		'map(.samples | map(.[1]) | max) | add * $scale * $share * 1048576 | floor' "${traces[@]}"
}

# start TREE OPTION...: a daemon with a tree and a cgroup root of its own.
start() {
	local tree=$1
	shift
	mkdir -p "$work/$tree"
	echo 'sched = "off";' > "$work/$tree.policy"
	agentcgd -f -c "$work/$tree.policy" -r "$cgroup/$name-$tree" --run-dir "$work/$tree.run" \
		--pin-dir "/sys/fs/bpf/$name-$tree" "$@" "$work/$tree" 2> "$work/$tree.log" &
	daemons+=($!)
	until [ -e "$work/$tree/status" ]; do sleep 0.1; done
	until ! grep -q 'being loaded' "$work/$tree/status"; do sleep 0.1; done
}

finish() {
	local pid
	for pid in "${daemons[@]}"; do kill "$pid" && wait "$pid" || true; done
	find "$cgroup" -depth -type d -path "$cgroup/$name-*" -exec rmdir {} \; 2> /dev/null || true
	rm -rf --one-file-system "$work"
}
trap finish EXIT

# in_tree TREE BYTES POLICY OPTION...: one replay as sub-agents of one agent, whose budget it is; POLICY is what the policy has besides.
in_tree() {
	local fs=$work/$1 bytes=$2 policy=$3
	shift 3
	cat > "$work/policy" <<- EOS
		sched = "off";
		agents = ({ match = "team"; priority = "high"; budget = { memory = $bytes; swap = 0; }; });
		$policy
	EOS
	cat "$work/policy" > "$fs/policy" || { cat "$fs/policy.error" >&2; return 1; }
	mkdir "$fs/agents/team"
	AGENTCG_FS=$fs/agents/team agentcg replay "$@"
	cp "$fs/agents/team/events" "$out/events.last"
	rmdir "$fs/agents/team"
}

# in_plain CGROUP BYTES OPTION...: one replay in plain cgroups below this one, which is made for it.
in_plain() {
	local plain=$1 bytes=$2
	shift 2
	mkdir "$plain"
	echo "$bytes" > "$plain/memory.max"
	echo '+memory +cpu' > "$plain/cgroup.subtree_control"
	agentcg replay --plain "$plain" "$@"
	rmdir "$plain"
}

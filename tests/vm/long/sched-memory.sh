#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 kernels=7.3-memcg_bpf_ops
# Memory to CPU: a call that the memory programs delay for growing over its grant gets less CPU, all of it, and gets it back.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
load=$ACG_BUILD/tests/bench/sched_load
cat > "$work/policy" <<- 'EOS'
	memory = { low = "32M"; };
	agents = ({ match = "*"; budget = { memory = "256M"; }; });
	ladder = { delay_max_ms = 2000; delay_ms = 300; };
	sched = "on";
EOS
bpf=()
start_daemon -c "$work/policy"
until_on memcg_bpf_ops sched_ext

mkdir "$AGENTCG_FS"/agents/{a,b} "$AGENTCG_FS"/agents/{a,b}/calls/x
echo "hint x memory=low" > "$AGENTCG_FS/agents/a/call"
for agent in a b; do "$load" spin "$cgroups/$agent/call-x" 2 & done

# between WHEN LOW HIGH: a's part of what both use.
between() {
	local got part
	mapfile -t got < <("$load" used 3 "$cgroups"/{a,b}/call-x)
	part=$((got[0] * 100 / (got[0] + got[1])))
	echo "# percent of a's call $1: $part (from $2 to $3)"
	[ "$part" -ge "$2" ] && [ "$part" -le "$3" ] || { cat "$AGENTCG_FS/agents/a/calls/x/info"; fail "$1"; }
}

sleep 1
between before 43 57
sh -c "echo 0 > $cgroups/a/call-x/cgroup.procs; exec $ACG_BUILD/tests/bench/grow 200" &
growing=$!
for _ in $(seq 100); do [ "$(cat "$AGENTCG_FS/agents/a/calls/x/state")" != throttled ] || break; sleep 0.1; done
[ "$(cat "$AGENTCG_FS/agents/a/calls/x/state")" = throttled ] || fail "it is not throttled"
between "while it is delayed" 10 33
kill "$growing"
for _ in $(seq 300); do [ "$(cat "$AGENTCG_FS/agents/a/calls/x/state")" = throttled ] || break; sleep 0.1; done
between after 43 57
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 kernels=7.3-memcg_bpf_ops
# below_low and below_min for real: when the kernel takes page cache back from agentcg as a whole, it leaves alone what a high-priority
# agent holds while it is active, and a self within its grant; it takes from a high-priority agent that sits idle, and from the others.
# Without the programs it takes from all of them.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
mib=$((1024 * 1024))
held() { cat "$cgroups/$1/memory.current"; }
cat > "$work/policy" <<'EOS'
sched = "off";
agents = ({ match = "active"; priority = "high"; budget = { memory = "256M"; }; },
	{ match = "idle"; priority = "high"; budget = { memory = "256M"; }; },
	{ match = "low"; priority = "low"; budget = { memory = "256M"; }; self = { grant = "48M"; low = "16M"; }; });
EOS
bpf=()
start_daemon -c "$work/policy"
trap 'stop_daemon; rm -f /var/tmp/protect.*' EXIT
until_on memcg_bpf_ops
fs=$AGENTCG_FS root=$cgroups
mkdir "$fs/agents/active" "$fs/agents/idle" "$fs/agents/low"

# Page cache of files that each call, and low's self, was the first to read.
fill() {
	for agent in active idle low; do head -c $((40 * mib)) /dev/zero > "/var/tmp/protect.$agent.c"; done
	head -c $((32 * mib)) /dev/zero > /var/tmp/protect.low.-
	sync
	echo 1 > /proc/sys/vm/drop_caches
	for agent in active idle low; do
		[ -d "$fs/agents/$agent/calls/c" ] || mkdir "$fs/agents/$agent/calls/c"
		sh -c "echo 0 > $fs/agents/$agent/calls/c/cgroup.procs; exec cat /var/tmp/protect.$agent.c > /dev/null"
	done
	sh -c "echo 0 > $fs/agents/low/cgroup.procs; exec cat /var/tmp/protect.low.- > /dev/null"
	active=$(held active) idle=$(held idle) low=$(held low/call-c) self=$(held low/self)
	for size in "$active" "$idle" "$low"; do [ "$size" -ge $((38 * mib)) ] || fail "the cache is not charged to the call: $size"; done
	[ "$self" -ge $((30 * mib)) ] || fail "the cache is not charged to self: $self"
}
report() { for name in active idle low/call-c low/self; do echo "$name: $(($(held $name) / 1024)) KiB"; done; }

echo "# with the programs, the active agent charging all the while"
fill
( echo 0 > "$fs/agents/active/calls/c/cgroup.procs"; while :; do "$ACG_BUILD/tests/bench/grow" 2 > /dev/null; sleep 0.3; done ) &
busy=$!
sleep 3 # whoever read is idle by now
before=$(sed -n 's/^low //p' "$root/active/memory.events")
echo $((50 * mib)) > "$root/memory.reclaim" || true # EAGAIN: it was less
report
[ "$(held active)" -ge $((active * 9 / 10)) ] || fail "the active agent lost memory"
[ "$(held low/self)" -ge $((self * 9 / 10)) ] || fail "a self within its grant lost memory"
[ "$(held idle)" -le $((idle * 3 / 4)) ] || fail "the idle agent was protected"
[ "$(held low/call-c)" -le $((low * 3 / 4)) ] || fail "the call of low priority was protected"
[ "$(sed -n 's/^low //p' "$root/active/memory.events")" = "$before" ] || fail "the protection of the active agent was broken"

echo "# without them"
for map in $(bpftool -j map show | jq '.[] | select(.name == "agentcg_memcg") | .id'); do
	for link in $(bpftool -j link show | jq ".[] | select(.type == \"struct_ops\" and .map_id == $map) | .id"); do bpftool link detach id "$link"; done
done
for _ in $(seq 600); do ! grep -q '^memcg_bpf_ops *on' "$fs/status" || sleep 0.1; done
for name in active/call-c idle/call-c low/call-c; do echo 1G > "$root/$name/memory.reclaim" 2> /dev/null || true; done
kill $busy
wait $busy 2> /dev/null || true
fill
echo $((100 * mib)) > "$root/memory.reclaim" || true
report
[ "$(held active)" -le $((active * 3 / 4)) ] || fail "the active agent kept its memory without the programs: this shows nothing"
echo "ok"

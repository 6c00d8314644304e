#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 memory=2G kernels=7.3
# What is learnt within a session: 20 runs of one command that leave 25 MiB each are found at the third, told, and the memory is got
# back; a grant that was too small is larger for the next call of its class; bursts towards a limit, at the machine's pace, half and a
# quarter of it, are told before the limit is reached, and slowed down, not killed.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
burst=$ACG_BUILD/tests/host/burst
cat > "$work/policy" <<'EOF'
agents = (
	{ match = "tight"; budget = { memory = "48M"; swap = 0; }; hint = { memory = "16M"; }; },
	{ budget = { memory = "1G"; swap = 0; }; caps = { memory = "256M"; swap = 0; }; }
);
ladder = { throttle_max = 6.0; };
adapt = { enabled = true; ahead = 0.5; };
EOF
bpf=()
start_daemon -c "$work/policy"
until_true 'grep -q "^monitor.*growth" "$AGENTCG_FS/status"'
grep '^monitor' "$AGENTCG_FS/status"
mkdir "$AGENTCG_FS/agents/a" "$AGENTCG_FS/agents/tight"
events() { jq -c "select(.event == \"$2\")" "$AGENTCG_FS/agents/$1/events"; }
mib() { echo $(($(cat "$1") / 1024 / 1024)); }

echo "# 20 runs that leave 25 MiB of page cache each"
sparse=$(mktemp /var/tmp/sparse.XXXXXX) # not on tmpfs: its holes are read into the page cache
truncate -s 600M "$sparse"
echo 0 > "$work/n"
cat > "$work/command" <<EOF
n=\$(cat $work/n)
dd if=$sparse of=/dev/null bs=1M skip=\$((n * 25)) count=25 2> /dev/null
echo \$((n + 1)) > $work/n
EOF
for run in $(seq 20); do
	in_agent a agentcg run -- sh "$work/command" 2> "$work/err.$run" || fail "run $run: $(cat "$work/err.$run")"
	[ "$run" -ne 2 ] || before=$(mib "$AGENTCG_FS/agents/a/memory.current")
done
[ "$before" -ge 50 ] || fail "two runs left only $before MiB: this shows nothing"
[ "$(events a retry | wc -l)" -eq 18 ] || fail "$(events a retry)"
events a retry | head -n 1
[ "$(events a retry | head -n 1 | jq -r .call)" = c3 ] || fail "not found at the third"
[ -s "$work/err.3" ] && [ ! -s "$work/err.2" ] || fail "feedback from another run than the third on"
grep -q 'run 3 of the same command in a row' "$work/err.3" || fail "$(cat "$work/err.3")"
until_true '[ "$(mib "$AGENTCG_FS/agents/a/memory.current")" -lt $((before + 50)) ]'
echo "after 2 runs $before MiB, after 20 $(mib "$AGENTCG_FS/agents/a/memory.current") MiB"
agentcg explain a/c20 > "$work/explained" || fail "explain"
grep -q 'asked back: 2.*M that this run left' "$work/explained" || fail "$(cat "$work/explained")"

echo "# a grant that was too small"
in_agent tight agentcg run -- sh -c 'pytest() { head -c 24M /dev/zero | tail | wc -c; }; pytest -q' > /dev/null 2>&1 || true
in_agent tight agentcg run -- sh -c 'pytest() { :; }; pytest -q' > /dev/null 2>&1 || true
events tight adapted
[ "$(events tight adapted | wc -l)" -ge 2 ] || fail "nothing was learnt"
grant=$(tail -n 1 "$AGENTCG_FS/agents/tight/history" | jq .grant)
[ "$grant" -gt $((24 << 20)) ] || fail "the next grant is $grant"

rate=$("$burst" --rate)
for part in 1 2 4; do
	echo "# towards 256M at $((rate / part)) MiB a second"
	in_agent a agentcg run --id "b$part" -- "$burst" 400 $((rate / part)) 2> /dev/null &
	caller=$!
	call=$AGENTCG_FS/agents/a/calls/b$part
	until_true '[ -n "$(events a growing | grep "\"b$part\"")" ]'
	events a growing | tail -n 1
	sleep 5
	grep -q '^oom_kill 0' "$call/memory.events" || fail "killed: $(cat "$call/memory.events")"
	[ -n "$(events a throttled | grep "\"b$part\"" | grep '"cause":"growing"')" ] || fail "it was not slowed down"
	[ "$(mib "$call/memory.current")" -lt 256 ] || fail "it is at its limit"
	echo "5 s later it has $(mib "$call/memory.current") MiB; $(cat "$call/feedback")"
	echo 1 > "$call/cgroup.kill"
	wait $caller || true
done
echo ok

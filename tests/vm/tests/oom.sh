#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300
# An OOM takes the one call, never the agent: at the call's own limit, at the agent's, and at the agent's when somebody else
# has set memory.oom.group on it (as Kubernetes does). History knows the victim, and the feedback says what happened.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-oom
mount=$TMPDIR/fs
mkdir "$mount"
export AGENTCG_FS=$mount

fail() { echo "not ok: $*"; cat "$mount/agents/a/history" "$mount/events" "$TMPDIR/log" || true; exit 1; }

cat > "$TMPDIR/policy" <<'EOF'
sched = "off";
agents = ({ match = "a"; budget = { memory = "160M"; swap = 0; }; caps = { memory = "80M"; swap = 0; };
            self = { low = "32M"; reserve = "16M"; }; });
ladder = { kill = false; throttle_max = 600.0; };
EOF
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$mount" 2> "$TMPDIR/log" &
daemon=$!
trap 'echo 1 > $root/cgroup.kill; kill $daemon; wait; find $root -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT
until [ -e "$mount/status" ]; do kill -0 $daemon || fail "the daemon did not start"; sleep 0.1; done
mkdir "$mount/agents/a"

# A process of the agent that must live through all of it.
sh -c "echo 0 > $mount/agents/a/cgroup.procs; exec sleep 1000" &
agent=$!
until grep -q agentcg-oom /proc/$agent/cgroup; do sleep 0.1; done

# In the agent: one call that holds SIZE until the file `go` is there.
call() { # ID SIZE
	sh -c "echo 0 > $mount/agents/a/cgroup.procs; exec agentcg run --id $1 -- sh -c '{ head -c $2 /dev/zero; until [ -e $TMPDIR/go ]; do sleep 0.2; done; } | tail | wc -c'"
}
oom_kills() { sed -n 's/^oom_kill //p' "$root/a/memory.events"; }

echo "# at the call's own limit"
status=0
touch "$TMPDIR/go"
call own 120M 2> "$TMPDIR/err" > /dev/null || status=$?
[ "$status" -eq 137 ] || fail "exit status $status, not 137"
cat "$TMPDIR/err"
grep -q '^agentcg: Killed at 80M' "$TMPDIR/err" || fail "no feedback on standard error"
kill -0 "$agent" || fail "the agent died"
line=$(tail -n 1 "$mount/agents/a/history")
[ "$(jq -r .reason <<< "$line")" = oom ] || fail "reason"
jq -re .victim <<< "$line" | grep -q '^tail (pid ' || fail "history does not name the victim"
[ "$(jq .oom_kills <<< "$line")" -ge 1 ] || fail "oom_kills"
[ "$(jq .memory_peak <<< "$line")" -ge $((79 * 1024 * 1024)) ] || fail "memory_peak"

at_agents_limit() {
	local before id
	local -a calls=()
	before=$(oom_kills)
	rm "$TMPDIR/go"
	for id in one two three; do
		call $id 72M > /dev/null 2>&1 &
		calls+=($!)
	done
	for _ in $(seq 900); do
		[ "$(oom_kills)" = "$before" ] || break
		sleep 0.1
	done
	touch "$TMPDIR/go"
	wait "${calls[@]}" || true
	kill -0 "$agent" || fail "the agent died"
	grep -q agentcg-oom /proc/$agent/cgroup || fail "the agent is not where it was"
	tail -n 3 "$mount/agents/a/history" | jq -s -e 'map(select(.reason == "oom" or .reason == "oom_agent")) | length >= 1' > /dev/null ||
		fail "no call was killed by the kernel"
	tail -n 3 "$mount/agents/a/history" | jq -s -e 'map(select(.reason == null or .reason == "throttled")) | length >= 1' > /dev/null ||
		fail "no call lived through it"
}
echo "# at the agent's limit"
at_agents_limit
echo "# with memory.oom.group set on the agent by somebody else"
echo 1 > "$root/a/memory.oom.group"
for _ in $(seq 600); do [ "$(cat "$root/a/memory.oom.group")" -eq 1 ] || break; sleep 0.1; done
[ "$(cat "$root/a/memory.oom.group")" -eq 0 ] || fail "memory.oom.group of the agent was not cleared"
at_agents_limit
echo "ok"

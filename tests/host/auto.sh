#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=300
# Calls without markers: what a rule of `auto` fits begins one by itself, is moved with what it forked, and ends with its own status;
# short ones are only recorded, nothing is begun inside a call, and a marker counts more than a rule.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/host/daemon.bash
. "$here/daemon.bash"
cat > "$work/policy" <<'EOF'
ladder = { enabled = false; };
auto = (
	{ run = "^(\\S*/)?bash -c "; command = "^: patient"; after = 30.0; },
	{ run = "^(\\S*/)?bash -c "; command = "^: family"; after = 0.3; },
	{ run = "^(\\S*/)?bash -c "; command = "^: edge"; after = 0.004; },
	{ run = "^(\\S*/)?sh -c "; parent = "nobody-has-this-name"; },
	{ run = "^(\\S*/)?bash -c "; after = 0.05; }
);
EOF
bpf=(--pin-dir "$work/pins")
start_daemon -c "$work/policy"
until_true '! grep -q "^monitor.*being loaded" "$AGENTCG_FS/status"'
if grep -q '^monitor off' "$AGENTCG_FS/status"; then
	grep '^monitor' "$AGENTCG_FS/status"
	exit 77
fi
grep '^monitor' "$AGENTCG_FS/status"
grep -q '^monitor.*; 5 auto rules begin calls' "$AGENTCG_FS/status" || fail "status does not say so"
mkdir "$AGENTCG_FS/agents/a"
history=$AGENTCG_FS/agents/a/history

# The agent: runs each line that it is given by bash -c, as the frameworks do.
cat > "$work/agent" <<'EOF'
#!/usr/bin/env python3
import subprocess, sys
for line in sys.stdin:
    status = subprocess.run(["bash", "-c", line.rstrip("\n")]).returncode
    print(status, flush=True)
EOF
chmod +x "$work/agent"
mkfifo "$work/in" "$work/out"
# For a command that is to be in its call before it goes on, however late the daemon gets to it.
cat > "$work/in-call" <<'EOF'
#!/bin/sh
until grep -q '/call-[^/]*$' /proc/self/cgroup; do sleep 0.05; done
EOF
chmod +x "$work/in-call"
export in_call=$work/in-call
in_agent a "$work/agent" < "$work/in" > "$work/out" &
daemon_pids+=($!)
exec 7> "$work/in" 8< "$work/out"
run() { local status; echo "$1" >&7; read -r -t 60 status <&8; }
line() { jq -c "select(.command == \"$1\")" "$history"; }
n_begun() { grep -c '"event":"begin"' "$AGENTCG_FS/agents/a/events" || true; }

echo "# the command that the model wrote, its status, its time"
run "cd / && eval '\$in_call; sleep 0.5; exit 3' && pwd -P >| /dev/null"
long='$in_call; sleep 0.5; exit 3'
until_true '[ -n "$(line "$long")" ]'
line "$long"
[ "$(line "$long" | jq .exit)" -eq 3 ] || fail "exit status"
[ "$(line "$long" | jq .duration_ms)" -ge 500 ] || fail "it did not begin when the program was run"
line "$long" | jq -e '.memory_missed > 0 and .cgroup > 0' > /dev/null || fail "no cgroup, or nothing missed"

echo "# killed by a signal"
run 'sleep 0.3; kill -TERM $$'
until_true '[ -n "$(line "sleep 0.3; kill -TERM \$\$")" ]'
[ "$(line 'sleep 0.3; kill -TERM $$' | jq .signal)" -eq 15 ] || fail "signal"

echo "# too short for a cgroup: recorded"
begun=$(n_begun)
run ': patient; exit 7'
until_true '[ -n "$(line ": patient; exit 7")" ]'
[ "$(line ': patient; exit 7' | jq .exit)" -eq 7 ] || fail "exit status"
line ': patient; exit 7' | jq -e '.cgroup == null' > /dev/null || fail "it has a cgroup"
[ "$(n_begun)" -eq "$begun" ] || fail "a call was begun"

echo "# gone at the moment when a call begins: each is in history, none stays"
for n in $(seq 60); do run ": edge $n; sleep 0.00$((n % 8))"; done
until_true '[ "$(grep -c "\": edge" "$history")" -eq 60 ]'
until_true '! grep -q running "$AGENTCG_FS"/agents/a/calls/*/state'
begun=$(n_begun)

echo "# what it forked meanwhile comes along"
echo ': family; sleep 1000 & sleep 1000 & (sleep 1000; true) & wait' >&7
until_true '[ "$(n_begun)" -eq $((begun + 1)) ]'
id=$(jq -r 'select(.event == "begin") | .call' "$AGENTCG_FS/agents/a/events" | tail -n 1)
until_true '[ "$(wc -l < "$AGENTCG_FS/agents/a/calls/$id/cgroup.procs")" -eq 5 ]'
echo 1 > "$AGENTCG_FS/agents/a/calls/$id/cgroup.kill"
read -r -t 60 _ <&8

echo "# nothing inside a call"
begun=$(n_begun)
run '$in_call; bash -c "sleep 0.3; true"; bash -c "sleep 0.3; true"; true'
[ "$(n_begun)" -eq $((begun + 1)) ] || fail "$(($(n_begun) - begun)) calls were begun"

echo "# nor for a parent that does not fit"
begun=$(n_begun)
run ": patient; sh -c 'sleep 0.3; true'; true"
[ "$(n_begun)" -eq "$begun" ] || fail "a call was begun"

echo "# with markers: one call, the marker's, whoever comes first"
begun=$(n_begun)
run ': patient; echo "begin early -- marked" > $AGENTCG_FS/self/call; sleep 0.3'
run '$in_call; echo "begin late -- marked" > $AGENTCG_FS/self/call; sleep 0.3'
until_true '[ "$(line marked | wc -l)" -eq 2 ]'
[ "$(line marked | jq -s -r 'map(.id) | sort | join(" ")')" = "early late" ] || fail "$(line marked)"
[ -z "$(line '$in_call; echo \"begin late -- marked\" > $AGENTCG_FS/self/call; sleep 0.3')" ] || fail "counted twice"
grep -q '"event":"yielded"' "$AGENTCG_FS/agents/a/events" || fail "the rule was not faster: this shows nothing"

echo "# from outside, as docker exec: no parent in the agent"
in_agent a bash -c ': outside; sleep 0.4; exit 5' || true
until_true '[ "$(line ": outside; sleep 0.4; exit 5" | jq .exit)" = 5 ]'
exec 7>&-
echo ok

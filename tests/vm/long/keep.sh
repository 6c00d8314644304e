#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300
# A persistent shell (tools/agentcg.bash) survives the OOM of what it runs, and says why it was killed.
set -euo pipefail
TMPDIR=$(mktemp -d) "$ACG_SRC/tests/host/persistent.sh"
TMPDIR=$(mktemp -d)
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
cat > "$TMPDIR/policy" << 'EOS'
agents = ({ match = "a"; budget = { memory = "160M"; swap = 0; }; caps = { memory = "64M"; swap = 0; };
            self = { low = "32M"; reserve = "16M"; }; });
EOS
start_daemon -c "$TMPDIR/policy"
mkdir "$AGENTCG_FS/agents/a"
status=0
printf '%s\n' ". $ACG_SRC/tools/agentcg.bash" 'head -c 100M /dev/zero | tail | wc -c' 'echo "alive: $?"' |
	in_agent a bash > "$work/out" 2> "$work/err" || status=$?
cat "$work/out" "$work/err" "$AGENTCG_FS/agents/a/history"
[ "$status" = 0 ] && grep -q '^alive: ' "$work/out" || fail "the shell died with status $status"
grep -q '^agentcg: The shell lives on; its command was killed at 64M' "$work/err" || fail "no feedback in the persistent shell"
echo ok

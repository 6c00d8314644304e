#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 kernels=7.3
# agentcg in the place of bash, with the kernel's own cgroups: some of the cases of tests/host, and an OOM.
set -euo pipefail
export SHELL_QUICK=1 SHELL_CASE='@(signal_dies|terminal_stop|exec|nested)'
TMPDIR=$(mktemp -d) "$ACG_SRC/tests/host/shell.sh"

TMPDIR=$(mktemp -d)
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
cat > "$TMPDIR/policy" << 'EOS'
sched = "off";
agents = ({ match = "a"; budget = { memory = "160M"; swap = 0; }; caps = { memory = "64M"; swap = 0; };
            self = { low = "32M"; reserve = "16M"; }; });
EOS
start_daemon -c "$TMPDIR/policy"
mkdir "$AGENTCG_FS/agents/a"
# 100M in one process, with nothing but a shell: tail keeps a line without an end.
big='head -c 100M /dev/zero | tail | wc -c'

echo "# agentcg shell: dies as the call dies, and says why first"
status=0
in_agent a agentcg shell -c "$big; sleep 10" > /dev/null 2> "$work/err" || status=$?
[ "$status" = 137 ] || fail "exit status $status"
grep -q '^agentcg: Killed at 64M' "$work/err" || { cat "$work/err"; fail "no feedback"; }

echo ok

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

echo "# agentcg.bash: the shell lives on, though no process of its command is as large, and says why"
status=0
in_agent a bash > "$work/out" 2> "$work/err" << EOS || status=$?
x=\$(head -c 12M /dev/zero | tr '\0' x)
. $ACG_SRC/tools/agentcg.bash
seq 16 | xargs -P 16 -n 1 bash -c 'x=\$(head -c 6M /dev/zero | tr "\0" x); sleep 20'
echo "alive: \$?, \${#x}"
EOS
[ "$status" = 0 ] && grep -q '^alive: .*, 12582912' "$work/out" || { cat "$work/out" "$work/err"; fail "the shell died: $status"; }
grep -q '^agentcg: The shell lives on; its command was killed at 64M' "$work/err" || { cat "$work/err"; fail "no feedback"; }

echo ok

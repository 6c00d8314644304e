#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# What serves the tree has no more rights than its work takes: few capabilities, no new ones, a seccomp filter on every thread.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/host/daemon.bash
. "$here/daemon.bash"
start_daemon
mkdir "$AGENTCG_FS/agents/a"
sh -c "echo 'begin x -- true' > $AGENTCG_FS/agents/a/call" # threads are made for it
cat "$AGENTCG_FS/agents/a/memory.stat" > /dev/null 2>&1 || true
worker=$(pgrep -o -P "$daemon_pid")
for task in /proc/"$worker"/task/*; do
	field() { awk -v name="$1:" '$1 == name { print $2 }' "$task/status"; }
	[ "$(field NoNewPrivs)" = 1 ] || fail "$task: no_new_privs is not set"
	[ "$(field Seccomp)" = 2 ] || fail "$task: no seccomp filter"
	effective=$((16#$(field CapEff)))
	for lost in 0 3 6 7 8 12 13 16 17 18 22 25 27; do # chown fowner setgid setuid setpcap net_admin net_raw sys_module ...
		[ $((effective >> lost & 1)) = 0 ] || fail "$task: it has capability $lost"
	done
	[ "$(field CapPrm)" = "$(field CapEff)" ] || fail "$task: it can get more than it has"
done
echo "# $(grep -h CapEff /proc/"$worker"/status), $(find /proc/"$worker"/task -mindepth 1 -maxdepth 1 | wc -l) threads"
echo ok

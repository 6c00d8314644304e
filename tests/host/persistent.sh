#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=120
# tools/agentcg.bash: in a shell that lives long, over a pipe and on a terminal, each line is a call, with its hint and its exit
# status; what is printed is the same as without.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
snippet=$(dirname "$0")/../../tools/agentcg.bash

commands='cd /
sed -n 1p /proc/self/cgroup > /dev/null
AGENT_RESOURCE_HINT=memory:512m env true
/bin/false
echo "status $?"
seq 3 | tac | paste -sd,
x=5
f() { date -d @0 +%Y -u; }
f
sleep 0.05; echo "same line $?"
/bin/sh -c "exit 7"; echo "$? $x"
for i in 1 2; do printf %s $i; done; echo
sh -c "kill -KILL \$\$" 2> /dev/null
echo "alive $?"
exit 4'

check_history() { # the calls that the commands are
	local want got
	want='sed -n 1p /proc/self/cgroup > /dev/null||0
AGENT_RESOURCE_HINT=memory:512m env true|memory=536870912|0
/bin/false||1
seq 3||0
f||0
sleep 0.05||0
/bin/sh -c "exit 7"||7
sh -c "kill -KILL \$\$" 2> /dev/null||137'
	until_true '[ "$(jq -r .id "$AGENTCG_FS/agents/'"$1"'/history" | wc -l)" -ge 8 ]'
	got=$(jq -r .id "$AGENTCG_FS/agents/$1/history" | while read -r id; do
		jq -r '"\(.command)|\(.hint)|\(.exit)"' "$AGENTCG_FS/agents/$1/calls/$id/info"
	done)
	[ "$got" = "$want" ] || { diff <(echo "$want") <(echo "$got") || true; fail "the calls ($1)"; }
}

start_daemon
mkdir "$AGENTCG_FS/agents/pipe" "$AGENTCG_FS/agents/terminal"

status=0
{ echo ". $snippet"; echo "$commands"; } | in_agent pipe /bin/bash > "$work/ours" 2>&1 || status=$?
{ echo :; echo "$commands"; } | /bin/bash > "$work/real" 2>&1 || [ "$status" = $? ] || fail "exit status $status"
[ "$status" = 4 ] || fail "exit status $status, not 4"
diff <(sed "s/: *[0-9]* Killed/: Killed/" "$work/real") <(sed "s/: *[0-9]* Killed/: Killed/" "$work/ours") || fail "over a pipe it prints something else"
check_history pipe

# On a terminal, where the shell has prompts, jobs and a terminal of its own.
{ echo ". $snippet"; echo "PS1=; $commands"; } |
	in_agent terminal script -qec 'stty -echo; exec /bin/bash --norc --noediting -i' /dev/null > "$work/tty" 2>&1 || true
for line in 'status 1' 3,2,1 1970 '7 5' 12 'alive 137'; do
	grep -q "$line" "$work/tty" || { cat "$work/tty"; fail "on a terminal: no \"$line\""; }
done
check_history terminal

# Nothing without an agent.
[ -z "$(/bin/bash -c ". $snippet; trap -p DEBUG")" ] || fail "a trap outside every agent"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=180 kernels=6.12,7.3
# The option favordynmods of cgroup2: on for a policy with agents, whatever dies meanwhile, and off again in the end; not taken away where
# it was on before, and not touched where nobody wants it. All other options stay.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
top=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
options() { findmnt -n -o FS-OPTIONS "$top" | tr , '\n' | sort | paste -sd ,; }
others() { options | tr , '\n' | grep -vx favordynmods | paste -sd ,; }
is_on() { [[ ,$(options), == *,favordynmods,* ]]; }
says() { grep -q "^favordynmods $1" "$AGENTCG_FS/status"; }
remount() { mount -o "remount,$1" cgroup2 "$top"; } # named like this, mount(8) adds none of the options that are there
end_daemon() { kill "$daemon_pid"; wait "$daemon_pid" || fail "exit status $?"; }

at_first=$(options)
remount nsdelegate,memory_recursiveprot,memory_localevents
before=$(options)
! is_on || fail "it is on already: $before"
clean_up() { stop_daemon; remount "$at_first"; }
same_others() { [ "$(others)" = "$before" ] || fail "other options have changed: $(options), they were $before"; }
agents='sched = "off"; agents = ({ match = "*"; });'

echo "# a policy with agents"
echo "$agents" > "$work/policy"
start_daemon -c "$work/policy"
trap clean_up EXIT
until_true 'says "on markers wait for no RCU grace period; off again"'
is_on || fail "status says it is on, but: $(options)"
same_others
agentcg doctor > "$work/out" || true
grep -q "^ok *favordynmods is on" "$work/out" || fail "doctor does not know: $(cat "$work/out")"

echo "# a worker dies, then the supervisor"
kill -9 "$(pgrep -o -P "$daemon_pid")"
until_true 'grep -q took_over "$AGENTCG_FS/events" && says "on .* off again"'
workers=$(pgrep -d , -P "$daemon_pid")
kill -9 "$daemon_pid"
wait "$daemon_pid" || true
until_true '! ps -p "$workers" > /dev/null'
umount -l "$AGENTCG_FS"
is_on || fail "what enforces is gone with its daemon"
start_daemon -c "$work/policy"
trap clean_up EXIT
until_true 'says "on .* off again"'

echo "# policies that do not want it, and do"
echo "favordynmods = \"off\"; $agents" > "$AGENTCG_FS/policy"
until_true 'says "off switched off by the policy"'
! is_on || fail "it is on"
same_others
echo 'sched = "off"; favordynmods = "on";' > "$AGENTCG_FS/policy"
until_true 'says "on .* off again"'
is_on || fail "it is off"
remount "$before"
says "degraded somebody has switched it off since" || fail "status does not see it: $(grep favordynmods "$AGENTCG_FS/status")"
echo "$agents" > "$AGENTCG_FS/policy"
until_true is_on

echo "# stopped"
end_daemon
! is_on || fail "it is left on"
[ "$(options)" = "$before" ] || fail "other options have changed: $(options), they were $before"

echo "# nobody wants it"
start_daemon
trap clean_up EXIT
until_true 'says "off the policy has no agents"'
! is_on || fail "it is on"
agentcg doctor > "$work/out" || true
grep -q "^-- *favordynmods is off" "$work/out" && grep -q 'mount -o remount,favordynmods' "$work/out" || fail "doctor has no advice: $(cat "$work/out")"
end_daemon

echo "# it was on before"
mount -o remount,favordynmods "$top" # as agentcgd(8) has it
start_daemon -c "$work/policy"
trap clean_up EXIT
until_true 'says "on .* it was on before and stays so"'
echo "favordynmods = \"off\"; $agents" > "$AGENTCG_FS/policy"
until_true '! says "off being"'
is_on || fail "a policy took it away"
end_daemon
is_on || fail "it is taken away"
same_others

echo "# in another cgroup namespace the kernel ignores it"
remount "$before"
unshare --cgroup agentcgd -f "${bpf[@]}" --root "$cgroups" --run-dir "$work/run" -c "$work/policy" "$AGENTCG_FS" 2> "$work/daemon.log" &
daemon_pid=$!
trap clean_up EXIT
until_true '[ -e "$AGENTCG_FS/version" ]'
until_true "says \"off the kernel ignores it\""
[ "$(options)" = "$before" ] || fail "options have changed: $(options), they were $before"
echo ok

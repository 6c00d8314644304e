#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 systemd=yes
# The service as it is installed: it starts without a word of configuration; agents live in a unit of their own and live on, whatever
# happens to the daemon's unit or to systemd itself; a supervisor that is killed is replaced without an error to who has files
# open; the unit's sandboxing is in force and in nobody's way; after a clean end nothing is left.
set -euo pipefail
# shellcheck source=tests/vm/long/service.bash
. "$(dirname "$0")/service.bash"
in_init_namespace "$@"

echo "# as it is installed"
[ -s "$policy" ] || fail "there is no policy file"
start_service
if systemd-analyze verify --man=no --recursive-errors=no agentcg.service agentcg-agents.service 2>&1 | grep agentcg; then
	fail "systemd has something to say about the units"
fi
grep '^cgroup *on' "$mount/status" || fail "the controllers are not had: $(cat "$mount/status")"
with_agent
alive "at first"

echo "# sandboxing: in force for the worker, and nothing that is wanted is off for it"
worker=$(pgrep -o -P "$(supervisor)")
grep -q '^NoNewPrivs:.*1' "/proc/$worker/status" || fail "NoNewPrivs"
grep -q '^Seccomp:.*2' "/proc/$worker/status" || fail "Seccomp"
echo 'sched = "auto"; agents = ({ match = "*"; budget = { memory = "512M"; }; });' > "$policy"
systemctl reload agentcg
until_true 'grep -q "^monitor on" "$mount/status"'
until_true 'grep -q "^favordynmods on" "$mount/status"'
case $ACG_KERNEL in
6.12) ;;
*) until_true 'grep -q "^sched_ext on" "$mount/status"' ;;
esac
[ "$(cat "$root/a/memory.max")" -eq $((512 * 1024 * 1024)) ] || fail "the policy of the file is not in force after a reload"
agentcg enter a -- sh -c 'echo "begin seen -- true" > /sys/fs/agentcg/self/call' || fail "no view can be entered"
alive "after a reload"

echo "# systemd reloads, and executes itself anew"
systemctl daemon-reload
systemctl daemon-reexec
until_true 'systemctl is-active -q agentcg'
alive "after daemon-reexec"
[[ "$(cat "$root/cgroup.subtree_control")" == *cpu*memory*pids* ]] || fail "controllers were taken away: $(cat "$root/cgroup.subtree_control")"
[ "$(cat "$root/memory.low")" = max ] || fail "what the daemon set was taken back: memory.low $(cat "$root/memory.low")"

grep -q "^favordynmods on" "$mount/status" || fail "an option of cgroup2 was taken away"

echo "# the supervisor is killed: a file that is open goes on"
exec 7< "$mount/agents/a/info"
kill_supervisor
alive "after its supervisor was killed"
[ "$(jq -r .name <&7)" = a ] || fail "a file that was open does not answer"
exec 7<&-

echo "# stop, start, restart: the agent lives on, events go on with their numbers"
before=$(tail -n 1 "$mount/events" | jq .seq)
systemctl stop agentcg
! mountpoint -q "$mount" || fail "still mounted"
! findmnt -n -o FS-OPTIONS -t cgroup2 | grep favordynmods || fail "an option of cgroup2 is left"
rm -r "$mount" # made again, as after a reboot
grep -q . "$root/a/call-life/cgroup.procs" || fail "stopping the service killed an agent"
systemctl daemon-reload
systemctl start agentcg
alive "after stop and start"
systemctl restart agentcg
alive "after a restart"
systemctl restart agentcg-agents
until_true 'systemctl is-active -q agentcg && [ -e "$mount/version" ]'
alive "after a restart of the unit that the agents live in"
[ "$(head -n 1 "$mount/events" | jq .seq)" -gt "$before" ] || fail "events are numbered anew"

echo "# a bad policy: a reload is refused, the old one serves; a start says no, once"
echo nonsense > "$policy"
systemctl reload agentcg
until_true 'journalctl -u agentcg -o cat | grep -q "no upgrade"'
alive "after a bad policy"
systemctl stop agentcg
! systemctl start agentcg 2> /dev/null || fail "it starts with a bad policy"
[ "$(systemctl show -P NRestarts agentcg)" = 0 ] || fail "it is started again and again"
echo > "$policy"
systemctl start agentcg
alive "after a good policy"

echo "# the end"
without_agent
systemctl stop agentcg agentcg-agents
[ ! -e /sys/fs/bpf/agentcg ] || fail "pins are left"
until_true '[ ! -e $root ]'
echo ok

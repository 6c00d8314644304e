# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the service share.
mount=/run/agentcg/fs
root=/sys/fs/cgroup/agentcg-agents.service
policy=/etc/agentcg/agentcg.conf
binary=$(command -v agentcgd)

fail() {
	echo "not ok: $*"
	systemctl status --no-pager agentcg agentcg-agents
	journalctl -u agentcg -n 30 --no-pager -o cat | grep -v '"state":"ended"'
	exit 1
}
until_true() { for _ in $(seq 300); do ! eval "$1" 2> /dev/null || return 0; sleep 0.1; done; fail "this did not happen: $1"; }
supervisor() { systemctl show -P MainPID agentcg; }

# A test has mounts of its own; the service mounts for all.
in_init_namespace() { [ -n "${ACG_IN_INIT_NS:-}" ] || exec env ACG_IN_INIT_NS=1 nsenter -t 1 -m "$0" "$@"; }

stop_service() { systemctl stop agentcg agentcg-agents; find $root -depth -type d -exec rmdir {} + 2> /dev/null || true; }

start_service() {
	trap stop_service EXIT
	systemctl start agentcg || fail "it does not start"
	grep -q . "$mount/version" || fail "the tree does not answer"
}

# An agent with a call that lives for long.
with_agent() {
	mkdir "$mount/agents/a"
	bash -c "echo 0 > $mount/agents/a/cgroup.procs; echo 'begin life' > $mount/agents/a/call; exec sleep 10000" &
	until_true '[ "$(cat "$mount/agents/a/calls/life/state")" = running ]'
}
alive() {
	[ "$(cat "$mount/agents/a/calls/life/state")" = running ] || fail "the call is not known $1"
	grep -q . "$root/a/call-life/cgroup.procs" || fail "the call's process is gone $1"
}
without_agent() {
	echo 1 > "$mount/agents/a/cgroup.kill"
	until_true 'rmdir "$mount/agents/a"'
}

kill_supervisor() {
	old=$(supervisor)
	kill -9 "$old"
	until_true '[ "$(supervisor)" -gt 0 ] && [ "$(supervisor)" != "$old" ]'
}

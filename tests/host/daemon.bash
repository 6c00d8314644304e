# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For tests that want a tree of their own, on the host or in a guest: a daemon on a temporary mount, with the programs that were built
# in $ACG_BUILD or else those that are installed. Source it, then: start_daemon [OPTION...]. It sets AGENTCG_FS, $cgroups (the
# directory of the agents' cgroups) and PATH, and cleans up at the end.

work=${TMPDIR:-$(mktemp -d)}
daemon_pid='' daemon_pids=()
bpf=(--no-bpf) # or what agentcgd is to be told of BPF instead

[ ! -x "${ACG_BUILD:-}/tools/agentcg" ] || PATH=$ACG_BUILD/tools:$PATH

fail() {
	echo "not ok: $*"
	grep -v "^agentcgd: {" "$work/daemon.log" 2> /dev/null | tail -n 20
	exit 1
}

# until_true COMMAND: waits for it, for as long as no machine needs.
until_true() {
	local end=$((SECONDS + 90))
	while [ "$SECONDS" -lt "$end" ]; do
		if eval "$1"; then return 0; fi
		sleep 0.1
	done
	fail "this did not happen: $1"
}

# until_on MECHANISM...: what is loaded beside the serving, which takes long under emulation.
until_on() {
	local i mechanism
	for mechanism; do
		for ((i = 0; i < 1200; i++)); do
			if grep -q "^$mechanism *on" "$AGENTCG_FS/status"; then continue 2; fi
			sleep 0.1
		done
		cat "$AGENTCG_FS/status"
		fail "$mechanism is not on"
	done
}

# in_agent NAME COMMAND [ARGUMENT...]: runs it as a process of the agent.
in_agent() {
	# shellcheck disable=SC2016 # for the inner shell
	/bin/bash -c 'echo $$ > "$AGENTCG_FS/agents/$0/cgroup.procs" && exec "$@"' "$@"
}

stop_daemon() {
	local pid
	[ -z "$daemon_pid" ] || { kill "$daemon_pid" 2> /dev/null && wait "$daemon_pid"; } || true
	for pid in "${daemon_pids[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
	if mountpoint -q "$AGENTCG_FS"; then umount -l "$AGENTCG_FS"; fi
	[ ! -e "$cgroups/cgroup.kill" ] || echo 1 > "$cgroups/cgroup.kill"
	until_true '[ ! -d "$cgroups" ] || find "$cgroups" -depth -type d -exec rmdir {} + 2> /dev/null'
}

# golden NAME FILE: it is what tests/golden/NAME is; with ACG_GOLDEN=write it becomes that.
golden() {
	local want
	want=$(dirname "${BASH_SOURCE[0]}")/../golden/$1
	[ "${ACG_GOLDEN:-}" != write ] || cp "$2" "$want"
	diff "$want" "$2" || fail "$1 has changed (look at it; then ACG_GOLDEN=write makes it what is expected)"
}

start_daemon() {
	cgroups=${ACG_CGROUP:-$(findmnt -n -o TARGET -t cgroup2 | head -n 1)}/agentcg-test-$$
	export AGENTCG_FS=$work/fs
	mkdir -p "$work/fs" "$work/run"
	trap stop_daemon EXIT
	agentcgd -f "${bpf[@]}" --root "$cgroups" --run-dir "$work/run" "$@" "$work/fs" 2> "$work/daemon.log" &
	daemon_pid=$!
	until_true '[ -e "$AGENTCG_FS/version" ]'
}

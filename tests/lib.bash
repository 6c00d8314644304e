# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the daemon share, on the host (tests/host) and in guests (tests/vm/tests): a daemon with a tree and
# a cgroup root of its own, which go away with the test, ways to be a process of an agent, and checks that say what
# they saw.
#
#     . "$ACG_SRC/tests/lib.bash"
#     policy <<< 'agents = ( ... );'        # optional, before start
#     start
#     mkdir "$fs/agents/a"
#     in_agent a 'echo "begin x" > "$fs/self/call"; ...'
#
# $fs is the mounted tree, $root the cgroup root, $work a directory for files, $log what the daemon says, $daemon its pid.

set -euo pipefail

work=$(mktemp -d)
fs=$work/fs
log=$work/log
daemon=''
: "${ACG_TEST:=$(basename "$0" .sh)}"
cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
root=${ACG_CGROUP:-$cgroup2}/agentcg-test-$ACG_TEST-$$ # tests/run gives each test a cgroup of its own
options=()
mkdir "$fs"
export fs root work AGENTCG_FS=$fs
# Tests on the host run what was built; a guest has it installed.
[ ! -x "${ACG_BUILD:-}/tools/agentcgd" ] || PATH=$ACG_BUILD/tools:$PATH

fail() {
	echo "not ok: $*"
	[ ! -s "$log" ] || { echo "# the daemon:"; tail -n 20 "$log" | cut -c1-240; }
	exit 1
}

# Everything that the test made goes: the daemon by TERM, what is left in its cgroups by cgroup.kill.
clean_up() {
	local status=$?
	trap - EXIT
	exec 2> /dev/null # bash's words about killed processes
	[ -z "$daemon" ] || { kill "$daemon" 2> /dev/null && wait "$daemon"; } || true
	! mountpoint -q "$fs" || umount -l "$fs" || true
	[ ! -d "$root" ] || find "$root" -name cgroup.freeze -exec sh -c 'echo 0 > "$1"' _ {} \; 2> /dev/null || true
	[ ! -e "$root/cgroup.kill" ] || echo 1 > "$root/cgroup.kill" || true
	for _ in {1..100}; do
		[ -d "$root" ] || break
		find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
		sleep 0.05
	done
	rm -rf --one-file-system "$work"
	[ "$status" = 0 ] || echo "# $ACG_TEST: status $status"
	exit "$status"
}
trap clean_up EXIT

# eventually COMMAND...: until it succeeds; after a time that no machine needs, false. Its words come from the last try.
eventually() {
	local end=$((SECONDS + 90))
	while [ "$SECONDS" -lt "$end" ]; do
		if "$@" > /dev/null 2>&1; then return 0; fi
		sleep 0.05
	done
	"$@"
}

# policy: takes the daemon's policy from standard input. Loading a scheduler takes long under emulation and has tests of its own; the
# options of the machine's cgroup2 are others', too.
policy() { { echo 'sched = "off"; favordynmods = "off";'; cat; } > "$work/policy"; }

# start [OPTION]...: the daemon, in the foreground of a process of its own, until its tree answers.
start() {
	local -a args=(-f -r "$root" --run-dir "$work/run" --pin-dir "/sys/fs/bpf/agentcg-test-$ACG_TEST-$$")
	[ ! -e "$work/policy" ] || args+=(-c "$work/policy")
	agentcgd "${args[@]}" "$@" "$fs" >> "$log" 2>&1 &
	daemon=$!
	until [ -e "$fs/version" ]; do
		kill -0 "$daemon" 2> /dev/null || fail "the daemon did not start"
		sleep 0.02
	done
}

# stop: the daemon ends by SIGTERM; its exit status.
stop() {
	local status=0
	kill "$daemon"
	wait "$daemon" || status=$?
	daemon=''
	return "$status"
}

# in_agent AGENT SCRIPT [ARGUMENT]...: bash in the agent, from the beginning; NAME/agents/SUB for a sub-agent.
in_agent() {
	local agent=$1 script=$2
	shift 2
	bash -c 'echo 0 > "$0/cgroup.procs" || exit 99; script=$1; shift; eval "$script"' "$fs/agents/$agent" "$script" "$@"
}

# spawn AGENT SCRIPT [ARGUMENT]...: the same in the background; $spawned is its pid, and it is in the agent already (or was, if its script is
# a short one: it says so itself).
spawn() {
	local agent=$1 script=$2
	shift 2
	(exec bash -c 'echo 0 > "$0/cgroup.procs" && : > "$work/in-agent.$$" || exit 99; script=$1; shift; eval "$script"' \
		"$fs/agents/$agent" "$script" "$@") &
	spawned=$!
	eventually test -e "$work/in-agent.$spawned" || fail "no process in agent $agent"
	rm "$work/in-agent.$spawned"
}

# is WHAT ACTUAL EXPECTED: equal texts.
is() { [ "$2" = "$3" ] || fail "$1: \"$2\" is not \"$3\""; }

# like WHAT ACTUAL PATTERN: an extended regular expression in a line of the text. (Without a process of its own, as all that is done
# often: in a guest under emulation they are what a test's time goes to.)
like() {
	local line
	while IFS= read -r line; do
		[[ ! $line =~ $3 ]] || return 0
	done <<< "$2"
	fail "$1: \"$2\" is not like \"$3\""
}

# refused ERROR COMMAND...: it fails, and what it says ends with the kernel's words for the error.
refused() {
	local error=$1 said
	shift
	if said=$("$@" 2>&1); then fail "not refused with \"$error\": $*"; fi
	[[ $said == *"$error" ]] || fail "$*: \"$said\" does not end with \"$error\""
}

# put FILE TEXT: one write(2); for refused.
put() { printf '%s\n' "$2" > "$1"; }

# marker AGENT LINE: writes a marker to the agent's `call` and prints the answer; false if it was refused. From outside, so the
# line has a pid=.
marker() {
	local fd answer status=0
	exec {fd}<> "$fs/agents/$1/call"
	printf '%s\n' "$2" 2> /dev/null >&"$fd" || status=1
	IFS= read -r answer <&"$fd" || true
	exec {fd}>&-
	printf '%s\n' "$answer"
	return "$status"
}

# info FILE FILTER: a field of a file of one JSON object.
info() { jq -r "$2" "$1"; }

# ended AGENT ID: the call's line of history, once it is there.
ended() {
	eventually grep -q "\"id\":\"$2\"" "$fs/agents/$1/history" || fail "call $2 has no line of history"
	grep "\"id\":\"$2\"" "$fs/agents/$1/history" | tail -n 1
}

# no_cgroups: nothing is left of the calls in the kernel.
no_calls_left() { [ -z "$(find "$root" -type d -name 'call-*')" ]; }

has_memory() { grep -qw memory "$root/cgroup.controllers"; }

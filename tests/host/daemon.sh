#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# agentcgd itself: foreground, background, a dry run, a bad policy, a state dump, a second one, the end with calls running, a start that
# finds them again, and that the tree may be unmounted under it.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
args=(-r "$root" --run-dir "$work/run" --pin-dir "/sys/fs/bpf/agentcg-test-daemon-$$")

no_daemon() { ! pgrep -f "^[^ ]*agentcgd .*$root" > /dev/null; }

echo "# a bad policy: file, line, what is wrong; exit 2; nothing mounted"
printf 'memory = { low = "32M"; };\nladder = { freeze_max = "never"; };\nagentz = ();\n' > "$work/bad"
bad() {
	local status=0
	agentcgd "$@" -c "$work/bad" "${args[@]}" "$fs" > "$work/out" 2>&1 || status=$?
	is "the exit status of agentcgd $*" $status 2
	grep -q "$work/bad:2: " "$work/out" && grep -q "$work/bad:3: " "$work/out" || fail "not every fault with its line: $(cat "$work/out")"
	if mountpoint -q "$fs"; then fail "mounted all the same"; fi
}
bad -f
bad
bad -n
status=0
agentcgd --check -c "$work/bad" > "$work/out" 2>&1 || status=$?
is "--check" $status 2
for wrong in "" "$fs $fs" "--nonsense $fs"; do
	status=0
	# shellcheck disable=SC2086 # words
	agentcgd $wrong > "$work/out" 2>&1 || status=$?
	is "the exit status of agentcgd $wrong" $status 2
done
status=0
agentcgd -f "${args[@]}" "$work/nowhere" > "$work/out" 2>&1 || status=$?
is "a mount point that is not there" $status 1
like "its words" "$(cat "$work/out")" "nowhere.*No such file"

echo "# a dry run decides, says what it would do, and changes nothing"
agentcgd -f -n "${args[@]}" "$fs" > "$work/dry" 2>&1 &
daemon=$!
eventually test -e "$fs/version" || fail "no tree"
mkdir "$fs/agents/a"
marker a "begin x pid=$$ memory=64M -- make" > /dev/null 2>&1 || marker a "begin x pid=none memory=64M -- make" > /dev/null
is "state" "$(cat "$fs/agents/a/calls/x/state")" running
marker a "end x" > /dev/null || true
rmdir "$fs/agents/a"
stop || fail "exit status $?"
grep -q 'dry run: would make cgroup a/call-x' "$work/dry" || fail "it does not say what it would do: $(cat "$work/dry")"
[ ! -e "$root/a" ] || fail "it made cgroups"
[ ! -e "$work/run/history" ] || fail "it wrote history"

echo "# in the background: returns 0 once the tree answers, and lets go of its terminal"
cd "$(dirname "$fs")"
said=$(agentcgd "${args[@]}" "$(basename "$fs")" 2>&1) || fail "did not start: $said"
cd /
is "it says nothing" "$said" ""
[ -e "$fs/version" ] || fail "the tree does not answer"
pids=$(pgrep -f "^[^ ]*agentcgd .*$root" | paste -sd' ')
[ -n "$pids" ] || fail "no process"
# The parent of the others, whatever its number.
daemon=$(ps -o pid=,ppid= -p "${pids// /,}" |
	awk '{ parent[$1] = $2 } END { for (pid in parent) if (!(parent[pid] in parent)) print pid }')
for pid in $pids; do
	for fd in 0 1; do is "descriptor $fd" "$(readlink "/proc/$pid/fd/$fd")" /dev/null; done
done
is "what it lives in is no agent's" "$(grep -c "$(basename "$root")" "/proc/$daemon/cgroup")" 0

echo "# one daemon for one root"
mkdir "$work/second"
status=0
timeout 60 agentcgd -f -r "$root" --run-dir "$work/run2" "$work/second" > "$work/out" 2>&1 || status=$?
is "a second one" $status 1
like "its words" "$(cat "$work/out")" "another agentcgd"
if mountpoint -q "$work/second"; then fail "the second one mounted"; fi
kill "$daemon"
eventually sh -c "! mountpoint -q $fs" || fail "the first one did not end"
eventually no_daemon || fail "it is there still"
daemon=

echo "# SIGTERM unmounts and leaves calls running, contained; the next one finds them"
policy <<< 'agents = ({ match = "a"; caps = { memory = "200M"; }; });'
start
mkdir "$fs/agents/a" "$fs/agents/a/agents/s"
spawn a 'echo "begin live memory=64M -- make -j8" > "$fs/self/call"; exec sleep 1000'
call=$spawned
eventually grep -qx $call "$fs/agents/a/calls/live/cgroup.procs"
spawn a/agents/s 'exec sleep 1000'
inner=$spawned
echo 1 > "$fs/agents/a/calls/live/cgroup.freeze"
kill -USR1 $daemon
eventually grep -q '"all_calls":\[{"id":"live"' "$log" || fail "SIGUSR1 does not dump the state"
stop || fail "exit status $?"
if mountpoint -q "$fs"; then fail "still mounted"; fi
kill -0 $call || fail "the call died with the daemon"
grep -q /a/call-live$ /proc/$call/cgroup || fail "it is not contained any more"
start
is "what it runs" "$(cat "$fs/agents/a/calls/live/command")" "make -j8"
is "its hint" "$(cat "$fs/agents/a/calls/live/hint")" "memory=67108864"
is "its grant" "$(info "$fs/agents/a/calls/live/info" .grant)" 67108864
is "its state: a person's freeze stays" "$(cat "$fs/agents/a/calls/live/state")" frozen
grep -qx $inner "$fs/agents/a/agents/s/cgroup.procs" || fail "the sub-agent is not found again"
echo 0 > "$fs/agents/a/calls/live/cgroup.freeze"
kill $call
line=$(ended a live)
is "its history" "$(jq -r .command <<< "$line")" "make -j8"
kill $inner

echo "# unmounted under it: it ends, and leaves no process"
eventually rmdir "$fs/agents/a/agents/s"
eventually rmdir "$fs/agents/a"
umount "$fs" || fail "cannot unmount"
wait $daemon || fail "exit status $?"
daemon=
eventually no_daemon || fail "a process is left"
echo "ok"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# The markers: every one of them, every way to get them wrong with its one line of words, and that a refused one leaves
# nothing half made.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
policy << 'EOS'
agents = ({ match = "full"; budget = { calls = 3; }; });
EOS
start
mkdir "$fs/agents/a" "$fs/agents/b" "$fs/agents/full"
spawn a 'exec sleep 1000'
agent=$spawned
call=$fs/agents/a/call

echo "# the whole life of a call, from a shell"
in_agent a '
	echo "begin t1 memory=512M cpu=batch pids=90 timeout=300 -- pytest -q  tests" > "$fs/self/call"
	tail -n 1 /proc/self/cgroup
	cat "$fs/self/calls/t1/command" "$fs/self/calls/t1/hint" "$fs/self/calls/t1/state"
	echo "hint t1 cpu=latency memory=1g" > "$fs/self/call"
	cat "$fs/self/calls/t1/hint"
	echo "end t1 exit=3" > "$fs/self/call"
	tail -n 1 /proc/self/cgroup
	cat "$fs/self/calls/t1/state"' > "$work/out"
cgroup=${root#"$cgroup2"}
cat > "$work/expected" << EOS
0::$cgroup/a/call-t1
pytest -q  tests
memory=536870912 cpu=batch pids=90 timeout=300
running
memory=1073741824 cpu=latency pids=90 timeout=300
0::$cgroup/a/self
ended
EOS
diff "$work/expected" "$work/out" || fail "the life of a call"
eventually no_calls_left || fail "a cgroup is left"
line=$(ended a t1)
is "history" "$(jq -r '[.id, .agent, .command, .hint, .cpu, .state, .exit, .signal] | map(tostring) | join("|")' <<< "$line")" \
	"t1|a|pytest -q  tests|memory=1073741824 cpu=latency pids=90 timeout=300|latency|ended|3|null"
jq -e '.start < .end and .duration_ms >= 0 and .pid > 0 and (.memory_peak | type) == "number" and .cpu_usec >= 0
	and has("wait_usec") and has("delays") and has("delayed_ms") and has("frozen_ms") and has("oom_kills")
	and has("reason") and has("feedback") and has("grant")' <<< "$line" > /dev/null || fail "fields of history: $line"
is "info of an ended call" "$(jq -S . "$fs/agents/a/calls/t1/info")" "$(jq -S . <<< "$line")"

echo "# - is a fresh ID, and the caller's own call"
in_agent a '
	exec 3<> "$fs/self/call"
	echo "begin -" >&3
	read -r id <&3
	echo "$id"
	echo "hint - memory:high" >&3
	cat "$fs/self/calls/$id/hint"
	echo "end -" >&3
	read -r same <&3
	[ "$id" = "$same" ]' > "$work/out" || fail "begin -"
like "a fresh ID" "$(head -n 1 "$work/out")" '^c[0-9]+$'
is "the paper's spelling" "$(tail -n 1 "$work/out")" "memory=high"

echo "# for who is in no call, - is the one begun last on the same open file"
in_agent a '
	exec 3<> "$fs/self/call"
	/bin/sh -c "echo begin child hint=memory:64m,cpu:batch -- true >&3"
	echo "hint - pids=7" >&3
	cat "$fs/self/calls/child/hint"
	echo "end - exit=7" >&3
	cat "$fs/self/calls/child/state"
	rmdir "$fs/self/calls/child"
	echo "end -" >&3
	head -n 1 <&3' > "$work/out" 2> /dev/null || fail "end - from outside"
is "its hint, state, and that it is gone" "$(paste -sd'|' "$work/out")" \
	"memory=67108864 cpu=batch pids=7|ended|the call that was begun on this file is forgotten"
is "its exit" "$(jq 'select(.id == "child").exit' "$fs/agents/a/history")" 7

echo "# several in one write; what follows a begin line by line and is no marker is ignored"
marker a $'begin m1 pid=none\nbegin m2 pid=none\nend m1' > /dev/null || fail "three in one write"
is "states" "$(cat "$fs/agents/a/calls/m1/state" "$fs/agents/a/calls/m2/state" | paste -sd' ')" "ended running"
bash -c 'printf "begin lines pid=none -- cat <<E\nsome text\n\nE\n" > "$1"' _ "$call" || fail "a command of several lines"
is "its command" "$(cat "$fs/agents/a/calls/lines/command")" "cat <<E"
marker a "end m2" > /dev/null
marker a "end lines" > /dev/null
# shellcheck disable=SC2094 # O_APPEND, offsets and truncation mean nothing
echo "begin app pid=none" >> "$call" && dd if=<(printf 'end app') of="$call" bs=100 seek=3 conv=notrunc 2> /dev/null || fail "offsets"
is "state" "$(cat "$fs/agents/a/calls/app/state")" ended
printf 'begin ctl pid=none -- a\tb\001c\033[31m' > "$call"
is "control characters" "$(cat "$fs/agents/a/calls/ctl/command")" "a b c [31m"
printf 'begin long pid=none -- %05000d' 0 > "$call"
is "a long command" "$(tr -d '\n' < "$fs/agents/a/calls/long/command" | wc -c)" 2048
printf 'end ctl\nend long\n' > "$call"

echo "# pid=: a process of the agent, in the writer's place"
spawn a 'exec sleep 1000'
other=$spawned
is "the ID" "$(marker a "begin p pid=$other")" p
is "who is in it" "$(cat "$fs/agents/a/calls/p/cgroup.procs")" "$other"
is "oom_score_adj" "$(cat /proc/$other/oom_score_adj)" 1000
is "pid" "$(info "$fs/agents/a/calls/p/info" .pid)" "$other"

# snapshot NAME: sets $NAME to what there is: the calls of a, and all cgroups.
shopt -s globstar nullglob
snapshot() {
	local -n ret_text=$1
	local -a calls=("$fs"/agents/a/calls/*)
	local -a groups=("$root"/**/)
	ret_text="${calls[*]} ${groups[*]}"
}

# refusal ERROR WORDS LINE: refused as the kernel says, with words in the answer and in call.error, and nothing is made.
refusal() {
	local said before after
	local -a lines
	snapshot before
	refused "$1" put "$call" "$3"
	if said=$(marker a "$3"); then fail "$3 was not refused"; fi
	like "the answer to \"$3\"" "$said" "$2"
	mapfile lines < "$fs/agents/a/call.error"
	is "call.error" "${lines[*]}" "$said"$'\n'
	snapshot after
	is "what is there after \"$3\"" "$after" "$before"
}
# Cgroups of calls that ended above go when the daemon comes to it: none may be on its way while others are counted.
only_p() { [ "$(find "$root" -type d -name 'call-*')" = "$root/a/call-p" ]; }
eventually only_p || fail "cgroups are left: $(find "$root" -name 'call-*')"
echo "# EINVAL"
invalid="Invalid argument"
refusal "$invalid" "empty marker" ""
refusal "$invalid" "no marker" "start x"
refusal "$invalid" "needs an ID" "begin"
refusal "$invalid" "needs an ID" "end"
refusal "$invalid" "not start with a dot" "begin .x"
refusal "$invalid" "A-Z a-z" "begin a/b"
refusal "$invalid" "A-Z a-z" "begin x/.."
refusal "$invalid" "1 to 64 characters" "begin $(printf %065d 0)"
refusal "$invalid" "low, medium, high or a size" "begin x memory=0 pid=none"
refusal "$invalid" "low, medium, high or a size" "begin x memory=lots pid=none"
refusal "$invalid" "latency, normal or batch" "begin x cpu=fast pid=none"
refusal "$invalid" "from 1 to" "begin x pids=0 pid=none"
refusal "$invalid" "seconds" "begin x timeout=0 pid=none"
refusal "$invalid" "pid is a process id" "begin x pid=0"
refusal "$invalid" "pid is a process id" "begin x pid=-1"
refusal "$invalid" "yes or no" "begin x keep=maybe pid=none"
refusal "$invalid" "color" "begin x color=red pid=none"
refusal "$invalid" "word" "begin x word pid=none"
refusal "$invalid" "exit" "end p exit=256"
refusal "$invalid" "KEY=VALUE" "hint p"
refusal "$invalid" "keys?|exit" "hint p exit=0"
refusal "$invalid" "in no call" "end -"
refused "$invalid" dd if=/dev/zero of="$call" bs=65537 count=1 status=none
like "too much" "$(cat "$fs/agents/a/call.error")" "at most 65536 bytes"
echo "# and the others"
refusal "No such file or directory" "no call y" "end y"
refusal "No such file or directory" "no call y" "hint y memory=high"
refusal "File exists" "running already" "begin p pid=none"
refusal "Device or resource busy" "in call p already" "begin x pid=$other"
refusal "Operation not permitted" "does not belong to agent a" "begin x pid=$$"
refusal "No such process" "no process 4194304" "begin x pid=4194304"
spawn a 'sleep 1 & exec sleep 1000' # the second, who never asks how his child went, is there long before that is gone
parent=$spawned
zombie() { ps -o pid= -o stat= --ppid "$parent" | awk '$2 ~ /^Z/ { print $1; found = 1 } END { exit !found }'; }
eventually zombie > /dev/null || fail "no zombie"
refusal "No such process" "has exited" "begin x pid=$(zombie)"
for id in 1 2 3; do marker full "begin f$id pid=none" > /dev/null; done
if said=$(marker full "begin f4 pid=none"); then fail "a fourth call"; fi
like "a full agent" "$said" "has 3 calls alive"
refused "Resource temporarily unavailable" put "$fs/agents/full/call" "begin - pid=none"
refused "Resource temporarily unavailable" mkdir "$fs/agents/full/calls/f4"
marker full "end f2" > /dev/null
marker full "begin f4 pid=none" > /dev/null || fail "there is room again"
in_agent a 'echo "begin in" > "$fs/self/call"
	exec 3<> "$fs/self/call"; echo "begin within" >&3 2> /dev/null && exit 1; head -n 1 <&3; echo "end -" >&3' > "$work/out"
like "a begin in a call" "$(cat "$work/out")" "in call in already"
in_agent a 'exec python3 -c "
import threading, time, os
threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
fd = os.open(os.environ[\"fs\"] + \"/self/call\", os.O_RDWR)
try:
    os.write(fd, b\"begin threads\n\")
except PermissionError:
    print(os.read(fd, 300).decode(), flush=True)
os._exit(0)"' > "$work/out"
like "a writer with threads" "$(cat "$work/out")" "2 threads .*use pid= or agentcg run"
unshare --pid --fork --mount-proc bash -c 'echo 0 > "$fs/agents/a/cgroup.procs"
	exec 3<> "$fs/self/call"; echo "begin init" >&3 2> /dev/null || head -n 1 <&3' > "$work/out"
like "the first process of a pid namespace" "$(cat "$work/out")" "first process .*use pid= or agentcg run"
eventually in_agent a '[ "$(jq .counters.refused "$fs/self/info")" -ge 50 ]' || fail "refusals are counted"
grep -q '"event":"refused"' "$fs/agents/a/events" || fail "refusals are in events"

echo "# not of another agent"
in_agent b 'echo "begin x pid=none" > "$fs/agents/a/call"' 2> "$work/err" && fail "b writes a's markers"
like "b" "$(cat "$work/err")" "Permission denied"
in_agent b 'cat "$fs/agents/a/info"' 2> /dev/null && fail "b reads a's info"
in_agent b 'ls "$fs/agents/a"' > /dev/null 2>&1 && fail "b lists a"
in_agent b 'mkdir "$fs/agents/a/calls/x"' 2> /dev/null && fail "b makes calls of a"
in_agent b 'echo $1 > "$fs/self/cgroup.procs"' $agent 2> /dev/null && fail "b takes a process of a"
in_agent b 'mkdir "$fs/agents/z"' 2> /dev/null && fail "an agent makes agents at the top"
in_agent b 'echo high > "$fs/self/priority"' 2> "$work/err" && fail "an agent raises its priority"
like "priority" "$(cat "$work/err")" "Operation not permitted"
in_agent b 'cat "$fs/policy" "$fs/events" "$fs/metrics"' 2> /dev/null && fail "an agent reads what concerns all"
for file in cgroup.freeze cgroup.kill cgroup.subtree_control cpu.pressure; do
	in_agent b "echo 1 > \"\$fs/self/$file\"" 2> /dev/null && fail "an agent writes its own $file"
done
[ "$(jq .counters.denied "$fs/agents/b/info")" -gt 0 ] || fail "denied writes are counted"

echo "# mkdir, cgroup.procs and rmdir are the same without words"
in_agent a 'mkdir "$fs/self/calls/dir" && echo $$ > "$fs/self/calls/dir/cgroup.procs" && tail -n 1 /proc/self/cgroup
	echo 0 > "$fs/self/cgroup.procs" 2> /dev/null && echo "left without end"
	rmdir "$fs/self/calls/dir" 2> /dev/null && echo "rmdir with processes"
	echo "end dir" > "$fs/self/call"; cat "$fs/self/calls/dir/state"' > "$work/out"
is "a call by mkdir" "$(paste -sd' ' "$work/out")" "0::$cgroup/a/call-dir ended"
mkdir "$fs/agents/a/calls/empty"
sleep 0.3
is "it does not end by itself" "$(cat "$fs/agents/a/calls/empty/state")" running
rmdir "$fs/agents/a/calls/empty"
ended a empty > /dev/null
kill $other $agent
for id in 1 3 4; do marker full "end f$id" > /dev/null; done
eventually no_calls_left || fail "cgroups are left: $(find "$root" -name 'call-*')"
echo "ok"

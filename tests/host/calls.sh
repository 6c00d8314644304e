#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=300
# The ends of calls: by marker, by themselves, detached, by timeout, by kill; what is readable afterwards; freezing; limits that an
# agent lowers; oom_score_adj; persistent shells. Nothing is left, whoever is killed and whenever.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
policy << 'EOS'
agents = ({ match = "capped"; caps = { memory = "200M"; pids = 60; cpu_max = "200%"; }; });
ladder = { term_grace = 0.3; };
EOS
start
mkdir "$fs/agents/a" "$fs/agents/capped"
a=$fs/agents/a
state() { cat "$a/calls/$1/state"; }
is_state() { [ "$(state "$1")" = "$2" ]; }

echo "# ends by itself when its last process is gone, with what it used"
exit=null # nobody says so: known only from the kernel
! grep -q '^monitor.*processes' "$fs/status" || exit=0
spawn a 'echo "begin auto -- burn" > "$fs/self/call"; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; sleep 0.1'
line=$(ended a auto)
jq -e --argjson exit "$exit" '.exit == $exit and .cpu_usec > 0 and .state == "ended" and .duration_ms >= 100' <<< "$line" > /dev/null || fail "auto: $line"
eventually no_calls_left || fail "a cgroup is left"

echo "# end with processes left: detached, under its limits, until it is empty"
in_agent a 'echo "begin server" > "$fs/self/call"; sleep 1000 & echo "end server exit=0" > "$fs/self/call"; echo $!' > "$work/pid"
is "state" "$(state server)" detached
grep -qx "$(cat "$work/pid")" "$a/calls/server/cgroup.procs" || fail "the server has left its call"
[ -d "$root/a/call-server" ] || fail "its cgroup is gone"
if marker a "begin server pid=none" > /dev/null; then fail "the ID of a detached call was given again"; fi
grep -q '"event":"detached"' "$a/events" || fail "no event"
marker a "begin beside pid=none" > /dev/null
is "ls" "$(agentcg ls a | sed -n '3,$s/^ *\([^ ]*\).*/\1/p' | paste -sd ' ')" "beside detached: server"
is "ls --json" "$(agentcg ls --json | jq -c '.[0] | [(.calls, .detached)[].id]')" '["beside","server"]'
marker a "end beside" > /dev/null
kill "$(cat "$work/pid")"
is "its exit" "$(jq .exit <<< "$(ended a server)")" 0
eventually no_calls_left || fail "a cgroup is left"

echo "# an ended call is readable, and learns its exit late"
marker a "begin late pid=none -- make all" > /dev/null
marker a "end late" > /dev/null
is "command" "$(cat "$a/calls/late/command")" "make all"
[ ! -e "$a/calls/late/cgroup.procs" ] || fail "an ended call has a cgroup"
is "exit" "$(info "$a/calls/late/info" .exit)" null
marker a "end late exit=7" > /dev/null || fail "end of an ended call"
is "exit" "$(info "$a/calls/late/info" .exit)" 7
is "history" "$(jq -s 'map(select(.id == "late")) | length' "$a/history")" 1
is "its event" "$(jq -r 'select(.event == "exit") | "\(.call) \(.text)"' "$a/events")" "late 7"
refused "File exists" mkdir "$a/calls/late" # it can be seen: rmdir comes first
marker a "begin late pid=none -- again" > /dev/null || fail "the ID of an ended call can be used again"
is "command" "$(cat "$a/calls/late/command")" again
marker a "end late" > /dev/null
rmdir "$a/calls/late" || fail "rmdir of an ended call"
[ ! -e "$a/calls/late" ] || fail "it is there still"
for i in {1..70}; do printf 'begin n%d pid=none\nend n%d\n' "$i" "$i"; done > "$work/many"
cat "$work/many" > "$a/call"
[ ! -e "$a/calls/n1" ] && [ -e "$a/calls/n70" ] || fail "the oldest ended calls are forgotten, not the newest"
[ "$(ls "$a/calls" | wc -l)" -le 64 ] || fail "more than 64 ended calls are kept"

echo "# timeout: SIGTERM, then kill for who does not listen; time frozen does not count"
spawn a 'echo "begin term timeout=0.3" > "$fs/self/call"; exec sleep 1000'
line=$(ended a term)
is "reason and signal" "$(jq -r '[.reason, .signal] | join(" ")' <<< "$line")" "timeout 15"
like "its feedback" "$(jq -r .feedback <<< "$line")" "^Stopped after 0.3 s, its timeout"
spawn a 'trap "" TERM; echo "begin deaf timeout=0.2" > "$fs/self/call"; while :; do sleep 1000; done'
is "reason and signal" "$(jq -r '[.reason, .signal] | join(" ")' <<< "$(ended a deaf)")" "timeout 9"
spawn a 'echo "begin frozen" > "$fs/self/call"; exec sleep 1000'
eventually test -e "$a/calls/frozen"
in_agent a 'echo 1 > "$fs/self/calls/frozen/cgroup.freeze"'
is "state" "$(state frozen)" frozen
eventually grep -q 'frozen 1' "$a/calls/frozen/cgroup.events" || fail "not frozen"
# Half a second more than it can have run until it was frozen, which is over after a second more.
timeout=$(info "$a/calls/frozen/info" '(.duration_ms + 500) / 1000')
marker a "hint frozen timeout=$timeout" > /dev/null
sleep 1
is "a frozen call past its timeout" "$(state frozen)" frozen
kill -0 $spawned || fail "killed while frozen"
in_agent a 'echo 0 > "$fs/self/calls/frozen/cgroup.freeze"'
line=$(ended a frozen)
jq -e '.reason == "timeout" and .frozen_ms >= 1000 and .duration_ms > .frozen_ms' <<< "$line" > /dev/null || fail "$line"

echo "# kill by its agent: whole, and the agent lives"
spawn a 'exec sleep 1000'
agent=$spawned
spawn a 'echo "begin k -- make -j8" > "$fs/self/call"; sleep 1000 & sleep 1000 & wait'
eventually sh -c "[ \$(wc -l < $a/calls/k/cgroup.procs) -ge 3 ]"
in_agent a 'echo 1 > "$fs/self/calls/k/cgroup.kill"' || fail "an agent cannot kill its call"
line=$(ended a k)
is "reason and signal" "$(jq -r '[.reason, .signal] | join(" ")' <<< "$line")" "killed 9"
like "feedback" "$(cat "$a/feedback")" "^k: Killed.* by a write to cgroup.kill"
kill -0 $agent || fail "the agent died"

echo "# keep=yes: the shell goes back before the kill"
spawn a 'echo "begin shell keep=yes" > "$fs/self/call"; sleep 1000; tail -n 1 /proc/self/cgroup; echo "begin after" > "$fs/self/call"; echo "lived on"' > "$work/shell"
shell=$spawned
eventually sh -c "[ \$(wc -l < $a/calls/shell/cgroup.procs) = 2 ]"
echo 1 > "$a/calls/shell/cgroup.kill"
wait $shell || true
like "where the shell is" "$(head -n 1 "$work/shell")" '/a/self$'
is "and then" "$(tail -n 1 "$work/shell")" "lived on"

echo "# oom_score_adj: 1000 in the call, afterwards what it was"
in_agent a 'echo 123 > /proc/self/oom_score_adj
	echo 123 > /proc/$$/oom_score_adj
	echo "begin oom" > "$fs/self/call"; cat /proc/$$/oom_score_adj
	sh -c "cat /proc/self/oom_score_adj"
	echo "end oom" > "$fs/self/call"; cat /proc/$$/oom_score_adj' > "$work/out"
is "oom_score_adj" "$(paste -sd' ' "$work/out")" "1000 1000 123"

echo "# a writer that is gone at once is told that nothing was limited"
in_agent a 'sh -c "echo begin nothing > $fs/self/call"'
like "feedback" "$(jq -r .feedback <<< "$(ended a nothing)")" "over at once.*agentcg run"

echo "# an agent lowers its call's limits, and raises none above the grant"
mkdir "$fs/agents/capped/calls/c"
c=$fs/agents/capped/calls/c
lower() { # FILE BEFORE LOWER ABOVE
	[ -e "$c/$1" ] || return 0
	is "$1" "$(cat "$c/$1")" "$2"
	in_agent capped "echo '$3' > $c/$1" || fail "cannot lower $1"
	is "$1, lowered" "$(cat "$c/$1")" "$3"
	in_agent capped "echo '$4' > $c/$1" 2> "$work/err" && fail "$1 was raised"
	like "$1" "$(cat "$work/err")" "Operation not permitted"
	in_agent capped "echo '$2' > $c/$1" || fail "cannot go back to the grant with $1"
	is "$1, as before" "$(cat "$c/$1")" "$2"
}
lower memory.max 209715200 104857600 max
lower memory.max 209715200 1048576 209719296
lower pids.max 60 20 61
lower cpu.max "200000 100000" "50000 100000" "max 100000"
for file in memory.min memory.low memory.oom.group cpu.weight memory.pressure cgroup.subtree_control; do
	[ ! -e "$c/$file" ] || ! in_agent capped "echo 1 > $c/$file" 2> /dev/null || fail "an agent writes $file"
done
rmdir "$c"

echo "# nobody is left, whoever is killed"
for i in {1..20}; do
	(exec bash -c 'echo 0 > "$fs/agents/a/cgroup.procs"; echo "begin r$0" > "$fs/self/call"; sleep 1000 & sleep 1000' "$i") 2> /dev/null &
	runner=$!
	sleep "0.0$((RANDOM % 9))"
	kill -9 $runner
	wait $runner 2> /dev/null || true
	[ ! -e "$a/calls/r$i/cgroup.kill" ] || echo 1 > "$a/calls/r$i/cgroup.kill" 2> /dev/null || true
done
# What was killed before it had a call is in self.
for pid in $(cat "$a/cgroup.procs"); do [ "$pid" = $agent ] || kill -9 "$pid" 2> /dev/null || true; done
eventually no_calls_left || fail "cgroups are left: $(find "$root" -name 'call-*')"
eventually sh -c "[ \$(jq .calls $a/info) = 0 ]" || fail "calls are left: $(cat "$a/info")"
kill $agent
eventually rmdir "$a" || fail "the agent cannot be removed"
[ ! -d "$root/a" ] || fail "its cgroup is left"
echo "ok"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# agentcg run: the command's own streams, exit status and signals; a call around it; what it says where there is no call to be had.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
start
mkdir "$fs/agents/a"
a=$fs/agents/a

echo "# streams and status"
is "standard output" "$(echo in | in_agent a 'agentcg run -- sh -c "cat; echo out; echo err >&2" 2> /dev/null' | paste -sd' ')" "in out"
is "standard error" "$(in_agent a 'agentcg run -- sh -c "echo err >&2"' 2>&1)" err
for status in 0 1 7 255; do
	got=0
	in_agent a "agentcg run -- sh -c 'exit $status'" || got=$?
	is "exit status" $got $status
done
got=0
in_agent a 'agentcg run -- sh -c "kill -TERM \$\$"' 2> /dev/null || got=$?
is "killed by SIGTERM" $got 143
got=0
in_agent a 'agentcg run -- /nowhere' 2> /dev/null || got=$?
is "not found" $got 127
got=0
in_agent a 'agentcg run -- /etc/passwd' 2> /dev/null || got=$?
is "not executable" $got 126

echo "# the call: marked, moved, ended with the exit status however long that takes"
in_agent a 'agentcg run --id one --hint memory:64m --cpu batch --timeout 60 -- sh -c "tail -n 1 /proc/self/cgroup; exit 5"' > "$work/out" || true
like "where it ran" "$(cat "$work/out")" '/a/call-one$'
line=$(ended a one)
is "history" "$(jq -r '[.hint, .cpu, .exit, .state] | map(tostring) | join("|")' <<< "$line")" "memory=67108864 cpu=batch timeout=60|batch|5|ended"
like "command" "$(jq -r .command <<< "$line")" "^sh -c .*exit 5"
# measured without a policy, too; where it is sampled, whenever that is
spawn a 'exec agentcg run --id big -- sh -c "head -c 50M /dev/zero | tail | until [ -e $work/measured ]; do sleep 0.1; done"'
measured() { [ "$(jq .memory_peak "$a/calls/$1/info")" -ge $((50 << 20)) ]; }
eventually measured big || fail "memory_peak of $(cat "$a/calls/big/info")"
touch "$work/measured"
wait $spawned || fail "the measured command failed"
[ "$(jq .memory_peak <<< "$(ended a big)")" -ge $((50 << 20)) ] || fail "memory_peak of $(ended a big)"
# the parent is stopped while the command ends: the exit status is not lost
spawn a 'exec agentcg run --id slow -- sh -c ": > $work/started; until [ -e $work/go ]; do sleep 0.05; done; exit 9"'
runner=$spawned
eventually test -e "$work/started" || fail "the command was not started"
kill -STOP $runner
touch "$work/go"
eventually sh -c "! grep -q . $a/calls/slow/cgroup.procs" || fail "the command did not end"
sleep 1
kill -CONT $runner
got=0
wait $runner || got=$?
is "its status" $got 9
is "exit in history" "$(jq .exit <<< "$(ended a slow)")" 9

echo "# signals"
spawn a 'exec agentcg run --id sig -- bash -c "trap \"echo got; exit 3\" USR1; echo ready; while :; do sleep 0.05; done"' > "$work/out"
runner=$spawned
eventually grep -q ready "$work/out"
kill -USR1 $runner
got=0
wait $runner || got=$?
is "the command's status" $got 3
is "it got the signal" "$(tail -n 1 "$work/out")" got
spawn a 'exec agentcg run --id gone -- sleep 1000'
runner=$spawned
eventually sh -c "grep -q . $a/calls/gone/cgroup.procs"
kill -9 $runner
wait $runner 2> /dev/null || true
# what was killed was to be the command: it goes too, and the call ends
ended a gone > /dev/null

echo "# from outside, by an operator: born in its cgroup"
agentcg run --agent a --id op -- sh -c 'tail -n 1 /proc/self/cgroup; cat /proc/self/oom_score_adj' > "$work/out" || fail "run --agent"
like "where it ran" "$(head -n 1 "$work/out")" '/a/call-op$'
is "oom_score_adj" "$(tail -n 1 "$work/out")" 1000
is "history" "$(jq -r '[.id, .exit] | map(tostring) | join(" ")' <<< "$(ended a op)")" "op 0"
agentcg run --agent a --id opkill -- sleep 1000 &
runner=$!
eventually sh -c "grep -qx sleep /proc/\$(cat $a/calls/opkill/cgroup.procs)/comm"
kill -9 $runner
wait $runner 2> /dev/null || true
# it goes too, as above
ended a opkill > /dev/null

echo "# feedback goes to standard error, after the command"
in_agent a 'agentcg run --id late --timeout 0.2 -- sleep 1000' 2> "$work/err" || true
like "feedback" "$(cat "$work/err")" "^agentcg: Stopped after 0.2 s, its timeout"

echo "# a wrong hint is told and left out, a wrong option is not"
got=0
in_agent a 'agentcg run --id odd --hint "cpu:batch, lots" -- sh -c "tail -n 1 /proc/self/cgroup; exit 3"' > "$work/out" 2> "$work/err" || got=$?
is "the command's status" $got 3
like "its call" "$(cat "$work/out")" '/a/call-odd$'
is "the words" "$(cat "$work/err")" 'agentcg: the hint is left out: memory is low, medium, high or a size such as 512M, not "lots"'
is "its hint" "$(jq -r .hint <<< "$(ended a odd)")" ""
in_agent a 'agentcg run --id two -H memory:64m -H "pids:9 cpu:batch" -- true' || fail "two hints"
is "two hints" "$(jq -r .hint <<< "$(ended a two)")" "memory=67108864 cpu=batch pids=9"
got=0
agentcg run --nothing -- true 2> "$work/err" || got=$?
is "an option that there is not" "$got $(tail -n 1 "$work/err")" "2 see agentcg run --help"
got=0
agentcg run --quiet 2> "$work/err" || got=$?
is "no command" "$got $(cut -c1-28 "$work/err")" "2 agentcg run: give a command:"

echo "# no call: the command runs all the same, and it is said once"
got=0
agentcg run -- sh -c 'exit 4' 2> "$work/err" || got=$?
is "outside every agent" $got 4
is "once" "$(wc -l < "$work/err")" 1
like "the words" "$(cat "$work/err")" "outside every agent"
AGENTCG_FS=/nowhere agentcg run -- sh -c 'exit 6' 2> "$work/err" || got=$?
is "without a tree" $got 6
is "once" "$(wc -l < "$work/err")" 1
AGENTCG_FS=/nowhere agentcg run --quiet -- true 2> "$work/err"
is "--quiet" "$(cat "$work/err")" ""
in_agent a 'echo "begin outer" > "$fs/self/call"; agentcg run -- sh -c "tail -n 1 /proc/self/cgroup"' > "$work/out"
like "within a call it stays there" "$(cat "$work/out")" '/a/call-outer$'
eventually no_calls_left || fail "cgroups are left: $(find "$root" -name 'call-*')"
echo "ok"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=300
# The verbs of agentcg for operators and agents, on two agents with calls: freeze, thaw, kill, set, explain, doctor, mcp, and top, as text
# and on a terminal of 80x24.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
screen() { tmux -L "acg$$" -f /dev/null "$@"; }
start_daemon
trap 'screen kill-server 2> /dev/null || true; stop_daemon' EXIT
mkdir "$AGENTCG_FS/agents/alice" "$AGENTCG_FS/agents/bob" "$AGENTCG_FS/agents/alice/agents/sub"
alice=$AGENTCG_FS/agents/alice bob=$AGENTCG_FS/agents/bob

in_agent alice agentcg run --id build --hint memory:64m -- /bin/bash -c 'head -c 40M /dev/zero | tail | sleep 100' 2> /dev/null &
daemon_pids+=($!)
in_agent bob agentcg run --id spin -- sleep 100 2> /dev/null &
daemon_pids+=($!)
in_agent alice agentcg run --id late --hint timeout:1 -- sleep 100 2> /dev/null || true
until_true 'grep -qs running "$alice/calls/build/state" && grep -qs running "$bob/calls/spin/state"'

echo "# freeze, thaw, set, and names that do not fit"
agentcg freeze bob/spin
until_true 'grep -q frozen "$bob/calls/spin/state"'
agentcg thaw spin
until_true 'grep -q running "$bob/calls/spin/state"'
agentcg set build memory=1g cpu=batch
[ "$(cat "$alice/calls/build/hint")" = "memory=1073741824 cpu=batch" ] || fail "set a hint"
agentcg set alice priority=low
[ "$(cat "$alice/priority")" = low ] || fail "set the priority"
! agentcg set build memory=lots 2> "$work/err" || fail "a bad hint is taken"
grep -q '^agentcg set: ' "$work/err" || fail "a bad hint is not explained"
! agentcg freeze nosuch 2> "$work/err" || fail "freeze what is not there"
grep -q 'no agent and no call nosuch' "$work/err" || fail "what is not there is not said"
in_agent bob agentcg run --id build -- sleep 100 2> /dev/null &
daemon_pids+=($!)
until_true 'grep -qs running "$bob/calls/build/state"'
! agentcg kill build 2> "$work/err" || fail "one of two was taken"
grep -q 'several agents have a call build' "$work/err" || fail "two of one name"
agentcg kill bob/build
until_true 'grep -q ended "$bob/calls/build/state"'

! agentcg ls nosuch > /dev/null 2> "$work/err" && grep -q 'there is no agent nosuch' "$work/err" || fail "ls of what is not there"
chmod a+x "$TMPDIR" "$work"
setpriv --reuid 65534 --regid 65534 --clear-groups agentcg ls > "$work/out"
grep -q '^bob  *(for root, and who made it, to see)$' "$work/out" || { cat "$work/out"; fail "ls by another user"; }

echo "# explain"
agentcg explain alice/late > "$work/out"
for part in 'call late of agent alice: sleep 100' 'asked    timeout=1' 'begin' 'feedback (timeout)' 'exit status 143' 'told     Stopped after 1 s'; do
	grep -qF "$part" "$work/out" || { cat "$work/out"; fail "explain: no \"$part\""; }
done

echo "# mcp"
{
	printf '{"jsonrpc":"2.0","id":%s,"method":"%s","params":%s}\n' 1 initialize '{"protocolVersion":"2025-06-18"}' 2 tools/list '{}' \
		3 tools/call '{"name":"read_limits","arguments":{}}' 4 tools/call '{"name":"hint","arguments":{"call":"build","memory":"2g"}}' \
		5 tools/call '{"name":"read_feedback","arguments":{"call":"late"}}' 6 tools/call '{"name":"hint","arguments":{"call":"../x","memory":"2g"}}' \
		7 nosuch '{}' 8 tools/call '{"name":"nosuch"}'
	echo '{"jsonrpc":"2.0","method":"notifications/initialized"}'
	echo 'junk'
} | in_agent alice agentcg mcp > "$work/mcp"
jq -s -e '(map(select(.id != null)) | length) == 8 and length == 9 and
	.[0].result.serverInfo.name == "agentcg" and ([.[1].result.tools[] | .name] == ["read_limits", "read_feedback", "hint"]) and
	(.[1].result.tools | all(.inputSchema.type == "object")) and
	(.[2].result.content[0].text | fromjson | .agent.name == "alice" and .running[0].id == "build") and
	.[3].result.content[0].text == "Its grant is 2G now." and (.[4].result.content[0].text | startswith("Stopped after 1 s")) and
	.[5].result.isError and .[6].error.code == -32601 and .[7].error.code == -32602 and .[8].error.code == -32700' \
	"$work/mcp" > /dev/null || { cat "$work/mcp"; fail "mcp"; }
in_agent alice agentcg run --id nested -- /bin/sh -c "echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"read_limits\"}}' | agentcg mcp" |
	jq -e '.result.isError == false' > /dev/null || fail "mcp from inside a call"
echo '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_limits"}}' | agentcg mcp | jq -e .result.isError > /dev/null ||
	fail "mcp outside every agent"

echo "# doctor"
mkdir -p "$work/xdg"
XDG_RUNTIME_DIR=$work/xdg agentcg doctor > "$work/out" || true # whether this machine lacks something is its own affair
for part in 'cgroup v2' "ok  the tree is at $AGENTCG_FS, version" 'procfs is ' '(fs.inotify.max_user_watches)' 'no hook has told' 'the real bash is /'; do
	grep -qF "$part" "$work/out" || { cat "$work/out"; fail "doctor: no \"$part\""; }
done
echo "container web: it can write its cgroupfs" > "$AGENTCG_FS/adopt.error"
agentcg doctor > "$work/out" || true
grep -q 'did not: container web: it can write its cgroupfs' "$work/out" || fail "doctor says nothing of what became no agent"
! AGENTCG_FS=/nonexistent agentcg doctor > "$work/out" || fail "doctor finds nothing wrong without a tree"
grep -q '^!!  there is no tree' "$work/out" || fail "doctor does not say that there is no tree"
for verb in ls status 'top --batch' report 'explain x' 'freeze x' 'adopt a /b' 'graft --pid 1 a' 'enter a -- true'; do
	# shellcheck disable=SC2086 # words
	! AGENTCG_FS=/nonexistent agentcg $verb > "$work/out" 2> "$work/err" || fail "$verb without a tree"
	grep -q '^agentcg [a-z]*: no tree at /nonexistent, which is $AGENTCG_FS: is agentcgd running?' "$work/err" || fail "$verb: $(cat "$work/err")"
done
mkdir -m 700 "$work/xdg/agentcg"
printf '%s\n' '{"time":1,"command":"a","ended":true,"call":"c1"}' '{"time":2,"command":"lost one","ended":true}' > "$work/xdg/agentcg/hooks.jsonl"
XDG_RUNTIME_DIR=$work/xdg agentcg doctor > "$work/out" || true
grep -q 'no cgroup: lost one' "$work/out" && grep -q '^!!  1 of 2 tool calls' "$work/out" || fail "doctor does not count calls without a cgroup"

echo "# top, as text"
agentcg freeze bob/spin
until_true 'grep -q frozen "$bob/calls/spin/state"'
masked() { sed -E 's/ +/ /g; s/ [0-9.]+[KMG]?\/([0-9]*)/ N\/\1/; s/ [0-9]+ (-|[0-9]+) (low|normal|running|frozen) / % p \2 /; s/-c h.*/-c .../'; }
COLUMNS=80 agentcg top --batch -d 0.2 > "$work/top"
[ "$(awk '{ if (length($0) > 80) n++ } END { print n + 0 }' "$work/top")" = 0 ] || fail "top --batch is wider than asked"
masked < "$work/top" > "$work/out"
diff "$work/out" - << 'EOS' || fail "top --batch"
agentcg: 3 agents, 2 calls, 1 delayed; by memory
AGENT / CALL MEMORY NOW/GRANT CPU% PSI STATE COMMAND
alice N/- % p low 1 call
 build .......... N/2G % p running /bin/bash -c ...
 sub N/- % p low 0 calls
bob N/- % p normal 1 call
 spin N/- % p frozen sleep 100
EOS

echo "# top, on a terminal"
screen new-session -d -x 80 -y 24 "env LC_ALL=C.UTF-8 AGENTCG_FS='$AGENTCG_FS' '$(command -v agentcg)' top -d 0.3"
shows() { grep -q -- "$1" <<< "$(screen capture-pane -p)"; }
until_true 'shows "^agentcg: 3 agents, 2 calls, 1 delayed; by memory"'
[ "$(screen capture-pane -p | awk '{ if (length($0) > 80) n++ } END { print NR, n + 0 }')" = "24 0" ] || fail "top does not fit into 80x24"
# looks_like NAME: it comes to be what golden NAME is (it may be half drawn at first). What is on it, with the bars and figures of today left out where they stand.
capture() {
	screen capture-pane -p | LC_ALL=C sed -E 's/^(.{19})[#.>]{10} /\1[..bar...] /; s,^(.{19}.{10}) .{6}/(.{6}) .{5} .{4} ,\1    now/\2   cpu  psi ,
		s/  [0-9]+ s  peak [^ ]+/  N s  peak P/; s/(memory, last minute: )[^ ]+/\1(blocks)/' > "$work/screen"
}
looks_like() {
	local i
	for ((i = 0; i < 100; i++)); do
		capture
		! (golden "$1" "$work/screen") > /dev/null || break
		sleep 0.2
	done
	golden "$1" "$work/screen"
}
looks_like top-80x24.txt
screen send-keys j Enter
until_true 'shows "^-- alice/build " && shows "memory, last minute: .*█"'
looks_like top-80x24-call.txt
screen send-keys s
until_true 'shows "; by cpu"'
screen send-keys / spin Enter
until_true 'shows "; only spin" && ! shows alice'
screen send-keys j
until_true 'shows "^-- bob/spin "'
screen send-keys f
until_true 'shows "thawed bob/spin" && grep -q running "$bob/calls/spin/state"'
screen send-keys K
until_true 'shows "kill bob/spin? y/n"'
screen send-keys n
until_true 'shows "q quit"'
grep -q running "$bob/calls/spin/state" || fail "killed without a yes"
screen send-keys K y
until_true 'grep -q ended "$bob/calls/spin/state"'
screen send-keys q
until_true '! screen has-session 2> /dev/null'

echo "# completion in zsh"
mkdir "$work/zsh"
cat > "$work/zsh/.zshrc" << EOS
PS1='%% '
fpath=('$(realpath "$(dirname "$0")/../../tools/completion")' \$fpath)
autoload -Uz compinit
compinit -u -D
EOS
screen new-session -d -x 100 -y 30 "env LC_ALL=C.UTF-8 ZDOTDIR='$work/zsh' AGENTCG_FS='$AGENTCG_FS' PATH='$PATH' zsh -i"
until_true 'shows "^%"'
completes() { # LINE WHAT: the line after a tab
	screen send-keys C-u C-l "$1" Tab
	until_true "shows '$2'"
}
completes 'agentcg charac' '^% agentcg characterize'
completes 'agentcg ' '^explain .*-- why a call got its grant'
completes 'agentcg ls bo' '^% agentcg ls bob'
completes 'agentcg kill alice/bui' '^% agentcg kill alice/build'
completes 'agentcg run --agent bo' '^% agentcg run --agent bob'
completes 'agentcg run --qu' '^% agentcg run --quiet'
completes 'agentcg run --hint memory:hi' '^% agentcg run --hint memory:high'
completes 'agentcg run -- agentcg-v' '^% agentcg run -- agentcg-verbs'
screen kill-server
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=400
# agentcg in the place of bash: in each of these cases the standard output, the standard error and the exit status are byte for byte
# those of bash itself. Then what it adds: calls, hints, feedback, the log. With SHELL_CASE=PATTERN only some cases, with
# SHELL_QUICK=1 only those of them in an agent.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"

# --- the cases: each is run with `bash` being the one and the other, in a fresh folder, as a process of the agent ---
cases=(
	'quotes|bash -c '\''echo "a  b" '\''"'\''"'\''c $d'\''"'\''"'\'' \\e'\'''
	'arguments|bash -c '\''printf "<%s>" "$0" "$@"'\'' zero "one 1" "" "*" "two
lines"'
	'no_name|bash -c '\''echo "$0 $#"'\'''
	'here_document|bash -c "cat <<X
a \$HOME
X
cat <<'\''Y'\''
b \$HOME
Y"'
	'here_string|bash -c '\''cat <<< "a b"; read x <<< c; echo $x'\'''
	'pipe|bash -c '\''seq 1000 | tac | head -n 3 | tr 0-9 a-j; echo "${PIPESTATUS[*]}"'\'''
	'pipe_status|bash -o pipefail -c '\''false | true'\'''
	'broken_pipe|bash -c '\''yes; echo "$?" >&2'\'' | head -n 1; echo "${PIPESTATUS[*]}"'
	'trap_exit|bash -c '\''trap "echo bye" EXIT; echo hello; exit 3'\'''
	'trap_term_self|bash -c '\''trap "echo term" TERM; kill $$; echo after'\'''
	'trap_err|bash -c '\''trap "echo err \$LINENO" ERR; false; true'\'''
	'set_e|bash -ec '\''echo a; false; echo b'\'''
	'set_u|bash -uc '\''echo $nothing'\'''
	'set_x|bash -xc '\''echo $((1+2))'\'''
	'background|bash -c '\''sleep 0.1 & wait $!; echo "$?"; (exit 7) & wait $!; echo "$?"'\'''
	'jobs|bash -c '\''set -m; sleep 1 & jobs; fg >/dev/null; echo "$?"'\'''
	'coproc|bash -c '\''coproc cat; echo hi >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x'\'''
	'stdin_pipe|printf "1\n2\n3\n" | bash -c '\''read a; echo "$a"; cat'\'''
	'stdin_rest|printf "1\n2\n3\n" | { bash -c '\''read a'\''; cat; }'
	'stdin_closed|bash -c '\''read x; echo "$?"'\'' <&-'
	'stdin_file|echo data > f; bash -c '\''cat; cat'\'' < f'
	'stdout_closed|bash -c '\''echo x; echo "$?" >&2'\'' >&-'
	'stderr_closed|bash -c '\''nosuchcommand; echo "$?"'\'' 2>&-'
	'extra_descriptor|bash -c '\''echo seven >&7; exec 8>f; ls -l /proc/$$/fd/8 | sed "s|.*/||"'\'' 7>&1'
	'terminal|script -qec "bash -c '\''test -t 0 && test -t 1 && stty size && echo tty'\''" /dev/null < /dev/null'
	'terminal_interrupt|script -qec "bash -c '\''trap \"echo int; exit 4\" INT; kill -INT 0; echo after'\''; echo status=\$?" /dev/null < /dev/null'
	'terminal_interactive|script -qec "bash --norc -ic '\''echo \$-; sleep 0.1 & wait; echo done'\''" /dev/null < /dev/null | sed "s/\[1\] *[0-9]*/[1]/"'
	'terminal_stop|script -qec "bash --norc -mc '\''bash -c \"kill -TSTP \\\$\\\$; echo went on\"; echo \$?; fg; echo \$?'\''" /dev/null < /dev/null'
	'signal_dies|bash -c '\''kill -TERM $$'\'''
	'signal_kill|bash -c '\''kill -KILL $$'\'''
	'signal_status|bash -c '\''sh -c "kill -SEGV \$\$"; echo "$?"'\'' 2>&1 | sed "s/: *[0-9]* Seg/: Seg/"'
	'signal_ignored|(trap "" TERM; bash -c '\''kill -TERM $$; echo alive; trap'\'')'
	'signal_from_outside|bash -c '\''trap "echo got; exit 9" TERM; echo up; while :; do sleep 0.05; done'\'' > o & pid=$!; until [ -s o ]; do sleep 0.05; done; kill $pid; wait $pid; echo $?; cat o'
	'signal_to_group|setsid bash -c '\''trap "echo got >> o; n=\$((SECONDS + 1))" TERM; echo up > o; until ((n && SECONDS > n)); do :; done'\'' & pid=$!; until [ -s o ]; do sleep 0.05; done; kill -TERM -$pid; wait $pid; echo $?; cat o'
	'exit_codes|for i in 0 1 2 63 64 126 127 128 129 130 137 143 200 254 255 256 -1; do bash -c "exit $i"; echo "$?"; done'
	'exec|bash -c '\''exec printf "%s\n" replaced; echo never'\'''
	'exec_status|bash -c '\''exec sh -c "exit 42"'\'''
	'not_found|bash -c nosuchcommand'
	'not_executable|echo x > f; bash -c ./f'
	'syntax_error|bash -c "if then"'
	'ulimit|bash -c '\''ulimit -n 77; ulimit -n; ulimit -c 0; ulimit -c; ulimit -s'\'''
	'umask|(umask 027; bash -c '\''umask; cd /; pwd; umask 077'\''; umask; pwd | sed "s|.*/||")'
	'environment|env -i A=1 PATH="$PATH" AGENTCG_FS="$AGENTCG_FS" bash -c env | grep -v "^_="'
	'shlvl|bash -c '\''echo $SHLVL; bash -c "echo \$SHLVL"'\'''
	'nested|bash -c '\''bash -c "bash -c \"echo deep; exit 5\"; echo \$?"; echo "$?"'\'''
	'login|bash -lc '\''shopt -q login_shell && echo login'\'' 2>/dev/null'
	'login_apart|bash -c -l '\''shopt -q login_shell && echo login'\'' 2>/dev/null'
	'option_o|bash -o errexit -c '\''false; echo no'\'''
	'option_long|bash --norc --noprofile -c '\''echo yes'\'''
	'option_missing|bash -c'
	'option_bad|bash --nosuchoption -c true 2>&1 | head -n 1'
	'script|printf "echo script \$1; exit 6\n" > s; bash s word'
	'from_stdin|echo "echo from stdin; exit 8" | bash'
	'from_stdin_s|echo "echo \$1" | bash -s word'
	'sh|sh -c '\''echo "$0"; [ 1 == 1 ] && echo ok; exit 11'\'''
	'big_command|bash -c "#$(printf "%0131000d" 0)
echo big"'
	'big_output|bash -c '\''head -c 3000000 /dev/zero | tr "\0" x'\'' | sha256sum'
	'binary|bash -c '\''printf "\\x00\\xff\\x1b[31m"'\'''
	'utf8|bash -c '\''echo "grüße 世界"; x=世界; echo ${#x}'\'''
	'hint_inside|bash -c '\''AGENT_RESOURCE_HINT=memory:low env | grep -c AGENT_RESOURCE_HINT'\'''
	'orphan|bash -c '\''(sleep 0.2; echo late; : > f) & echo early'\''; until [ -e f ]; do sleep 0.05; done'
	'disowned_keeps_no_pipe|bash -c '\''exec >/dev/null; sleep 0.3'\'' | wc -c'
)

mkdir -p "$work/real" "$work/ours"
ln -sf /bin/bash "$work/real/bash"
ln -sf /bin/sh "$work/real/sh"
ln -sf "$(command -v agentcg)" "$work/ours/bash"
ln -sf "$(command -v agentcg)" "$work/ours/sh"

# run_case WHICH SCRIPT: leaves out, err and status in $work/WHICH-result
run_case() {
	local result=$work/$1-result
	rm -rf "$result" "$work/dir"
	mkdir "$result" "$work/dir"
	(
		set +e
		cd "$work/dir"
		PATH=$work/$1:$PATH timeout -k 1 60 "${within[@]}" /bin/bash -c "$2" \
			> "$result/out" 2> "$result/err" < /dev/null
		echo "$?" > "$result/status"
	) 2> /dev/null # where bash itself says that a case was killed
	sed -i "s|$work/$1|BIN|g" "$result/out" "$result/err"
}

compare_all() {
	local entry name script
	for entry in "${cases[@]}"; do
		name=${entry%%|*} script=${entry#*|}
		# shellcheck disable=SC2053 # a pattern
		[ -z "${SHELL_CASE:-}" ] || [[ $name == $SHELL_CASE ]] || continue
		run_case real "$script"
		run_case ours "$script"
		if diff -r "$work/real-result" "$work/ours-result"; then
			count=$((count + 1))
		else
			echo "not the same ($1): $name"
			bad=$((bad + 1))
		fi
	done
}

# The number of calls that ended in the agent so far, and the last of them.
calls() { wc -l < "$AGENTCG_FS/agents/a/history"; }
last() { jq -r "$1" "$AGENTCG_FS/agents/a/calls/$(tail -n 1 "$AGENTCG_FS/agents/a/history" | jq -r .id)/info"; }

# ours COMMAND [ARGUMENT...]: as a process of the agent, with the shells of ours first.
ours() { PATH=$work/ours:$PATH in_agent a "$@"; }

what_it_adds() {
	local before
	before=$(calls)
	ours bash -c 'exit 3' && fail "the exit status is lost"
	[ "$(calls)" = $((before + 1)) ] && [ "$(last .exit)" = 3 ] && [ "$(last .command)" = "exit 3" ] ||
		fail "a call with its command and its exit status"
	ours bash -c 'kill -KILL $$' 2> /dev/null || [ "$(last .exit)" = 137 ] || fail "a killed call has exit 137"

	AGENT_RESOURCE_HINT=memory:2g ours bash -c :
	[ "$(last .hint)" = "memory=2147483648" ] || fail "the hint of the environment: $(last .hint)"
	AGENT_RESOURCE_HINT=memory:2g ours bash -c 'AGENT_RESOURCE_HINT="memory:512m" true'
	[ "$(last .hint)" = "memory=536870912" ] || fail "the hint in the command counts more: $(last .hint)"
	AGENT_RESOURCE_HINT=lots ours bash -c 'echo ran' 2> "$work/err" | grep -q ran || fail "a bad hint stops the work"
	grep -q '^agentcg: AGENT_RESOURCE_HINT=lots: ' "$work/err" || fail "a bad hint is not told"

	before=$(calls)
	AGENTCG_DISABLE=1 ours bash -c :
	ours bash -c 'bash -c "bash -c true"; bash -c true'
	[ "$(calls)" = $((before + 1)) ] || fail "AGENTCG_DISABLE, or a call inside a call, begins one"
	AGENTCG_ROOT=/nonexistent ours bash -c : || fail "AGENTCG_ROOT is in the way"
	PATH=$work/ours:$PATH in_agent a agentcg shell -c : && [ "$(last .command)" = : ] || fail "agentcg shell -c"
	ln -sf "$(command -v agentcg)" "$work/ours/agentcg-shell"
	ours agentcg-shell 'printf %s "by prefix"' | grep -q 'by prefix' || fail "agentcg-shell COMMAND"
	SHELL=$work/ours/bash ours /bin/sh -c '$SHELL -c "exit 4"' || [ "$(last .exit)" = 4 ] || fail "by \$SHELL"
	rm "$work/ours/agentcg-shell"
}

the_log() {
	local log=$work/log.jsonl
	AGENTCG_LOG=$log AGENT_RESOURCE_HINT=memory:1g ours bash -c 'echo "with \"quotes\""; exit 2' > /dev/null && fail status
	AGENTCG_LOG=$log ours bash -c true
	[ "$(jq -r '[.exit, .cmd, .hint, .mem_high] | @tsv' "$log" | head -n 1)" = \
		$'2\techo "with \\\\"quotes\\\\""; exit 2\tmemory:1g\t1073741824' ] || { cat "$log"; fail "the log"; }
	jq -e -s 'length == 2 and all(.[]; (.ts | type) == "number" and (.pid | type) == "number" and
		(.duration_ms | type) == "number" and (.cgroup | test("/calls/")) and
		(.peak_mem | test("^([0-9]+|unknown)$")) and (.current_mem | test("^[0-9]+$")))' "$log" > /dev/null ||
		{ cat "$log"; fail "a field of the log"; }
}

# The feedback comes while the command still runs: its timeout is over, and it does not mind SIGTERM.
feedback() {
	local pid
	AGENT_RESOURCE_HINT=timeout:1 ours bash -c 'trap "" TERM; for i in {1..100}; do sleep 0.1; done' 2> "$work/err" &
	pid=$!
	daemon_pids+=("$pid")
	until_true 'grep -q "^agentcg: " "$work/err"'
	kill -0 "$pid" || fail "the feedback did not come while it ran"
	wait "$pid" && fail "it was not killed in the end"
	cat "$work/err"
	[ "$(sort "$work/err" | uniq -d)" = "" ] || fail "feedback twice"
}

killed_with_its_stand_in() {
	local child stand_in
	# shellcheck disable=SC2016 # for the inner shell
	ours bash -c 'echo $$ $PPID > "$0"; exec sleep 100' "$work/pids" &
	until_true '[ -s "$work/pids" ]'
	read -r child stand_in < "$work/pids"
	[ "$(cat "/proc/$stand_in/comm")" = bash ] || fail "the parent is not the stand-in"
	kill -KILL "$stand_in"
	until_true '! kill -0 '"$child"' 2> /dev/null'
	wait $! || true
}

count=0 bad=0
within=(env)
if [ -z "${SHELL_QUICK:-}" ]; then AGENTCG_FS=$work/nothing compare_all "without a tree"; fi
start_daemon
mkdir "$AGENTCG_FS/agents/a"
if [ -z "${SHELL_QUICK:-}" ]; then compare_all "outside every agent"; fi
[ "$(calls)" = 0 ] || fail "there were calls without an agent"
# shellcheck disable=SC2016 # for the inner shell
within=(/bin/bash -c 'echo $$ > "$AGENTCG_FS/agents/a/cgroup.procs" && exec "$@"' in)
compare_all "in an agent"
echo "$count comparisons of ${#cases[@]} cases are the same, $bad differ; $(calls) calls"
[ "$bad" = 0 ] || exit 1
# What a case left running ends a little later: no call of its is to be taken for one of those below.
none_runs() { [ -z "$(ls "$AGENTCG_FS/agents/a/calls" | while read -r id; do grep -v ended "$AGENTCG_FS/agents/a/calls/$id/state"; done)" ]; }
until_true none_runs
[ "$(calls)" -ge "$count" ] || [ "$(calls)" -ge 60 ] || fail "hardly any calls"
what_it_adds
the_log
feedback
killed_with_its_stand_in
until_true none_runs
rmdir "$AGENTCG_FS/agents/a" || fail "something is left in the agent"
echo ok

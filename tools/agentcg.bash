# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For a bash that an agent keeps for all its commands, in a terminal or over a pipe: makes each command a tool call of its own, which
# the shell survives (keep=yes). Source it in that shell, or from its ~/.bashrc or $BASH_ENV:
#
#     . /usr/share/agentcg/agentcg.bash
#
# What a command needs is said as always: AGENT_RESOURCE_HINT=memory:2g make. A line is one call, whether it is one command, a pipeline or a
# function; builtins alone are none. It takes the shell's DEBUG trap; nothing happens outside every agent.

# __agentcg_mark LINE: writes one marker. The answer is then in __agentcg_answer.
__agentcg_mark() {
	local fd
	__agentcg_answer=
	{ exec {fd}<> "$__agentcg_file"; } 2> /dev/null || return
	{ printf '%s\n' "$1" >&"$fd" && read -r __agentcg_answer <&"$fd"; } 2> /dev/null
	local status=$?
	exec {fd}>&-
	return "$status"
}

__agentcg_end() {
	[ -z "$__agentcg_id" ] || __agentcg_mark "end $__agentcg_id exit=$1"
	[ -z "$__agentcg_id" ] || __agentcg_feedback
	__agentcg_id=
}

__agentcg_feedback() {
	local text
	{ read -r text < "${__agentcg_file%/*}/calls/$__agentcg_id/feedback"; } 2> /dev/null || return 0
	printf 'agentcg: %s\n' "$text" >&2
}

# True if the shell is alone in its call: what it ran there is over.
__agentcg_alone() {
	local -a pids
	{ mapfile -t pids < "${__agentcg_file%/*}/calls/$__agentcg_id/cgroup.procs"; } 2> /dev/null
	[ "${#pids[@]}" -le 1 ]
}

# __agentcg_is_call COMMAND: false for builtins and bare assignments.
__agentcg_is_call() {
	local words word
	words=$1
	while [[ $words =~ ^[A-Za-z_][A-Za-z0-9_]*=([^[:space:]\'\"]|\'[^\']*\'|\"[^\"]*\")*([[:space:]]+|$) ]]; do
		words=${words:${#BASH_REMATCH[0]}}
	done
	word=${words%%[[:space:]]*}
	[ -n "$word" ] || return
	case $(type -t -- "$word") in
	builtin | keyword | alias) return 1 ;;
	esac
	[[ $word != __agentcg_* ]]
}

# __agentcg_before STATUS LINE COMMAND: before each simple command.
__agentcg_before() {
	local hint=${AGENT_RESOURCE_HINT:-}
	[ "$__agentcg_ready" = 1 ] || return 0
	if [ -z "$__agentcg_id" ]; then
		__agentcg_is_call "$3" || return 0
	elif [ "$2" = "$__agentcg_line" ]; then
		# The rest of the line belongs to it, but for builtins when all else is over: "; echo $?".
		__agentcg_is_call "$3" || ! __agentcg_alone || __agentcg_end "$1"
		return 0
	else
		__agentcg_end "$1"
		__agentcg_is_call "$3" || return 0
	fi
	[ -z "$hint" ] || [[ $hint == *[:=]* ]] || hint=memory:$hint
	__agentcg_mark "begin - ${hint//,/ } keep=yes -- ${3//$'\n'/ }" || return 0
	__agentcg_id=$__agentcg_answer
	__agentcg_line=$2
}

# Before the prompt the command is over; what else makes the prompt is no call.
__agentcg_prompt() {
	local status=$?
	__agentcg_end "$status"
	__agentcg_ready=0
	return "$status"
}

__agentcg_start() {
	local place
	for place in "${AGENTCG_FS:-}" /sys/fs/agentcg /run/agentcg/fs; do
		__agentcg_file=$place/self/call
		[ -n "$place" ] && [ -w "$__agentcg_file" ] && break
		__agentcg_file=
	done
	[ -n "$__agentcg_file" ] || return 0
	__agentcg_id='' __agentcg_line='' __agentcg_ready=1
	if [[ $- == *i* ]]; then
		PROMPT_COMMAND=(__agentcg_prompt "${PROMPT_COMMAND[@]}")
		PS0=${PS0:-}'${__agentcg_none[__agentcg_ready=1,0]}' # expanded when a line has been read
	fi
	trap '__agentcg_before "$?" "$LINENO" "$BASH_COMMAND"' DEBUG
}

[ "${AGENTCG_DISABLE:-0}" != 0 ] || __agentcg_start

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=180
# agentcg hook: each framework's events (tests/hooks) with what comes out, the prefix in each form in which it is put before a
# command, and settings files, which keep what is in them.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
samples=$(cd "$(dirname "$0")/../hooks" && pwd)
start_daemon
mkdir "$AGENTCG_FS/agents/a" "$work/bin" "$work/home" "$work/xdg"
export XDG_RUNTIME_DIR=$work/xdg HOME=$work/home
ln -s "$(command -v agentcg)" "$work/bin/agentcg-shell"

# hook FRAMEWORK EVENT COMMAND [OPTION...]: what it prints for this event, from a process of the agent.
hook() { jq --arg c "$3" '(.tool_input.command // empty) |= $c' "$samples/$1-$2.json" | in_agent a agentcg hook "${@:4}" "$1"; }

text_of() { jq -r '.hookSpecificOutput.additionalContext // .additionalContext'; }

one_framework() {
	local framework=$1 after=$2 text
	text=$(hook "$framework" session-start - | text_of)
	[ "$(wc -l <<< "$text")" = 5 ] && grep -q 'AGENT_RESOURCE_HINT=memory:2g' <<< "$text" && grep -q 'budget: ' <<< "$text" ||
		fail "$framework: the session's start: $text"
	[ -z "$(hook "$framework" before 'exec sleep 31')" ] || fail "$framework: before a tool it says something"
	AGENT_RESOURCE_HINT=timeout:1 in_agent a "$work/bin/agentcg-shell" 'exec sleep 31' 2> /dev/null || true
	text=$(hook "$framework" "$after" 'exec sleep 31' | text_of)
	[[ $text == "agentcg: Stopped after 1 s, its timeout."* ]] || fail "$framework: after a tool: $text"
	hook "$framework" before true > /dev/null
	in_agent a "$work/bin/agentcg-shell" true
	[ -z "$(hook "$framework" "$after" true)" ] || fail "$framework: feedback without a cause"
}
one_framework claude-code after-failure
one_framework codex after
one_framework gemini after
one_framework openhands after

echo "# what is no concern of ours, or was told already"
[ -z "$(hook claude-code before-other-tool -)" ] || fail "another tool"
[ -z "$(agentcg hook claude-code < "$samples/claude-code-session-start.json")" ] || fail "outside every agent"
! echo '{"broken' | in_agent a agentcg hook claude-code 2> /dev/null || fail "no JSON"
! agentcg hook nosuch < /dev/null 2> /dev/null || fail "no such framework"
hook claude-code before 'exec sleep 32' > /dev/null
AGENT_RESOURCE_HINT=timeout:1 in_agent a "$work/bin/agentcg-shell" 'exec sleep 32' 2> "$work/err" || true
told=$(jq --rawfile e "$work/err" '.error = $e | .tool_input.command = "exec sleep 32"' "$samples/claude-code-after-failure.json" |
	in_agent a agentcg hook claude-code)
[ -z "$told" ] || fail "feedback that was on standard error already: $told"

echo "# the record knows which tool call was which call, and which was none"
hook claude-code before 'echo nobody ran this' > /dev/null
hook claude-code after 'echo nobody ran this' > /dev/null
jq -s -e 'map(select(.ended)) | (.[0].call | test("^c[0-9]+$")) and (last | has("call") | not) and (last.tool_use_id == "toolu_01")' \
	"$work/xdg/agentcg/hooks.jsonl" > /dev/null || { cat "$work/xdg/agentcg/hooks.jsonl"; fail "the record"; }
[ "$(stat -c %a "$work/xdg/agentcg/hooks.jsonl")" = 600 ] || fail "the record can be read by others"

echo "# rewriting, when asked for: never with a permission; a sub-agent of the framework's is one of ours"
answer=$(hook claude-code before "echo 'a b'" --rewrite)
jq -e '.hookSpecificOutput | (has("permissionDecision") | not) and .updatedInput.command == "agentcg-shell -c '"'"'echo '"'\\\\''"'a b'"'\\\\'''"'" and
	.updatedInput.timeout == 120000' <<< "$answer" > /dev/null || fail "rewriting: $answer"
command=$(hook claude-code before-sub-agent "grep -o '[^/]*/[^/]*\$' /proc/self/cgroup | tail -n 1" --rewrite | jq -r .hookSpecificOutput.updatedInput.command)
out=$(PATH=$work/bin:$PATH in_agent a bash -c "$command")
[[ $out == agent-agent-a1b2/call-* ]] || fail "a sub-agent's command runs in $out"
until_true '[ -z "$(cat "$AGENTCG_FS/agents/a/agents/agent-a1b2/cgroup.procs")" ]'
until_true 'hook claude-code sub-agent-stop -; [ ! -e "$AGENTCG_FS/agents/a/agents/agent-a1b2" ]'

echo "# the prefix, as it is put before commands (quoted, with options behind a blank) and before servers (one word)"
prefix=$work/bin/agentcg-shell
for form in "'$prefix' 'printf %s \"a  b\"'" "'$prefix' -c 'printf %s \"a  b\"'" "$prefix \"printf %s 'a  b'\""; do
	[ "$(in_agent a /bin/sh -c "$form")" = "a  b" ] || fail "prefix: $form"
done
[ "$(in_agent a "$prefix" "printf '%s|' 'one word' two")" = "one word|two|" ] || fail "prefix of a server"

echo "# settings: what is there stays"
settings=$work/home/.claude/settings.json
mkdir -p "$work/home/.claude" "$work/dotfiles"
cat > "$work/dotfiles/settings.json" << 'EOS'
{"model":"m","permissions":{"allow":["Bash(ls:*)"],"deny":[]},"big":12345678901234,"ratio":0.5,
 "hooks":{"PreToolUse":[{"matcher":"Bash","hooks":[{"type":"command","command":"mine"}]}],"Stop":[]},
 "sandbox":{"enabled":true},"unicode":"grüße 世界","empty":null}
EOS
chmod 640 "$work/dotfiles/settings.json"
cp "$work/dotfiles/settings.json" "$work/before.json"
ln -s ../../dotfiles/settings.json "$settings"
agentcg hook install claude-code > /dev/null
agentcg hook install claude-code > /dev/null # twice is once
[ -L "$settings" ] && [ "$(stat -Lc %a "$settings")" = 640 ] || fail "the link or the mode is lost"
jq -e --arg fs "$AGENTCG_FS" '.hooks.PreToolUse[0].hooks[0].command == "mine" and (.hooks.PreToolUse | length) == 2 and
	.hooks.PostToolUseFailure[0].hooks[0].command == "agentcg hook claude-code" and (.hooks.SessionStart | length) == 1 and
	(.env.CLAUDE_CODE_SHELL_PREFIX | endswith("/agentcg-shell")) and .sandbox.filesystem.allowWrite == [$fs]' \
	"$settings" > /dev/null || { cat "$settings"; fail "what was installed"; }
diff <(jq -S . "$work/before.json") <(jq -S 'del(.env, .sandbox.filesystem, .hooks.SessionStart, .hooks.PostToolUse,
	.hooks.PostToolUseFailure, .hooks.PreToolUse[1])' "$settings") || fail "something else changed"
agentcg hook remove claude-code > /dev/null
diff <(jq -S . "$work/before.json") <(jq -S 'del(.sandbox.filesystem)' "$settings") || fail "removing leaves something"
echo '{"env":{"CLAUDE_CODE_SHELL_PREFIX":"/opt/mine"}}' > "$work/mine.json"
agentcg hook install --settings "$work/mine.json" claude-code | grep -q '/opt/mine already' || fail "somebody else's prefix is not told"
[ "$(jq -r .env.CLAUDE_CODE_SHELL_PREFIX "$work/mine.json")" = /opt/mine ] || fail "somebody else's prefix"
echo '{"hooks":' > "$work/bad.json"
! agentcg hook install --settings "$work/bad.json" claude-code 2> "$work/err" || fail "a broken file"
grep -q 'it is as it was' "$work/err" && [ "$(cat "$work/bad.json")" = '{"hooks":' ] || fail "a broken file was changed"
for framework in codex gemini openhands; do
	agentcg hook install --settings "$work/$framework.json" "$framework" > /dev/null
	jq -e --arg c "agentcg hook $framework" '[.hooks[][].hooks[].command] | length == 3 and all(. == $c)' \
		"$work/$framework.json" > /dev/null || fail "settings of $framework"
done
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# The policy through the tree: read back, written whole, refused with line numbers, swapped under running calls, read again on SIGHUP;
# what it keeps of commands; users who may make agents.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
policy << 'EOS'
# the first one
memory = { low = "32M"; medium = "64M"; };
agents = ({ match = "a*"; budget = { memory = "512M"; calls = 50; }; caps = { memory = "256M"; pids = 40; }; hint = { memory = "low"; }; });
rules = ({ match = "^make"; class = "build"; memory = "medium"; cpu = "batch"; });
EOS
start
is "what is in force" "$(cat "$fs/policy")" "$(cat "$work/policy")"
is "policy.error" "$(cat "$fs/policy.error")" ""
mkdir "$fs/agents/a1"
a=$fs/agents/a1
grants() { info "$a/calls/$1/info" .grant; }
marker a1 "begin m pid=none -- make -j2" > /dev/null
marker a1 "begin x pid=none -- ls" > /dev/null
marker a1 "begin h pid=none memory=high -- ls" > /dev/null
marker a1 "begin f pid=none -- AGENT_RESOURCE_HINT=memory:100m cd /src && make" > /dev/null
marker a1 "begin big pid=none memory=99999999999G -- ls" > /dev/null || fail "a hint that asks for too much is cut, not refused"
is "by the rule" "$(grants m)" $((64 << 20))
is "by the agent's default" "$(grants x)" $((32 << 20))
is "by the hint, cut to the cap" "$(grants h)" $((256 << 20))
is "by the hint in the command" "$(grants f)" $((100 << 20))
is "too much" "$(grants big)" $((256 << 20))
is "cpu by the rule" "$(info "$a/calls/m/info" .cpu)" batch

echo "# a whole policy is written, and applies to what runs"
cat > "$work/second" << 'EOS'
sched = "off";
favordynmods = "off";
memory = { low = "16M"; medium = "48M"; };
agents = ({ match = "a*"; budget = { memory = "400M"; }; caps = { memory = "128M"; }; hint = { memory = "low"; }; });
rules = ({ match = "^make"; memory = "medium"; });
EOS
cat "$work/second" > "$fs/policy"
is "what is in force" "$(cat "$fs/policy")" "$(cat "$work/second")"
is "a running call" "$(grants m)" $((48 << 20))
is "a running call" "$(grants h)" $((128 << 20))
is "the agent" "$(info "$a/info" .budget)" $((400 << 20))
if has_memory; then
	is "memory.max of the agent" "$(cat "$root/a1/memory.max")" $((400 << 20))
	is "memory.max of a running call" "$(cat "$root/a1/call-h/memory.max")" $((128 << 20))
fi
grep -q '"event":"policy"' "$fs/events" || fail "no event"

echo "# a bad one changes nothing, and says why with every line"
printf 'memory = { low = "lots"; };\nagents = ({ match = "a"; budget = { memroy = "1G"; }; });\n' > "$work/bad"
refused "Invalid argument" sh -c "cat $work/bad > $fs/policy"
is "policy.error, by line" "$(cut -d: -f1,2 "$fs/policy.error" | paste -sd' ')" "policy:1 policy:2"
like "its words" "$(cat "$fs/policy.error")" "memroy"
is "what is in force" "$(cat "$fs/policy")" "$(cat "$work/second")"
is "a running call" "$(grants m)" $((48 << 20))
refused "Invalid argument" put "$fs/policy" "memory = {"
refused "Invalid argument" put "$fs/policy" '@include "/etc/passwd"'
head -c 5000 /dev/zero > "$work/zero"
refused "Invalid argument" sh -c "cat $work/zero > $fs/policy"
cat "$work/second" > "$fs/policy"
is "policy.error after a good one" "$(cat "$fs/policy.error")" ""
# A shell's echo writes line by line: no later line is taken for a policy.
printf '%s\n' 'nonsense = 1;' 'sched = "off";' > "$work/lines"
# shellcheck disable=SC2016 # for the inner shell
bash -c 'echo "$(< "$0")" > "$1"' "$work/lines" "$fs/policy" 2> "$work/err" && fail "a policy of several writes was taken"
is "what is in force" "$(cat "$fs/policy")" "$(cat "$work/second")"
like "how to write it" "$(cat "$fs/policy.error")" "cat FILE > policy"
# 64 KiB and more are one write
{ cat "$work/second"; for i in {1..900}; do printf '# %080d\n' "$i"; done; } > "$work/large"
dd if="$work/large" of="$fs/policy" bs=128K status=none || fail "a policy of $(stat -c %s "$work/large") bytes"
is "its size" "$(wc -c < "$fs/policy")" "$(stat -c %s "$work/large")"

echo "# SIGHUP reads the file again; a bad file changes nothing"
sed -i 's/"32M"/"24M"/' "$work/policy"
kill -HUP $daemon
eventually grep -q 24M "$fs/policy" || fail "SIGHUP did not read the policy"
lowered() { [ "$(grants x)" = $((24 << 20)) ]; }
eventually lowered || fail "and applied nothing"
echo 'nonsense = 1;' > "$work/policy"
kill -HUP $daemon
eventually grep -q nonsense "$fs/policy.error" || fail "a bad file is not told"
grep -q 24M "$fs/policy" || fail "a bad file replaced the policy"
for id in m x h f big; do marker a1 "end $id" > /dev/null; done

echo "# what is kept of commands"
kept() { # MODE EXPECTED
	printf 'sched = "off"; commands = "%s"; rules = ({ match = "secret"; memory = "77M"; });\n' "$1" > "$fs/policy"
	marker a1 "begin k pid=none -- curl -H secret:1234 host" > /dev/null
	is "command with $1" "$(cat "$a/calls/k/command")" "$2"
	is "the rule holds all the same" "$(grants k)" $((77 << 20))
	marker a1 "hint k cpu=batch" > /dev/null
	is "after a hint, too" "$(grants k)" $((77 << 20))
	marker a1 "end k" > /dev/null
}
kept full "curl -H secret:1234 host"
kept program "curl"
kept none ""
[ "$(grep -c secret:1234 "$a/history")" = 1 ] || fail "history has more of the command than the policy lets it"

echo "# users"
if ! user=$(id -un 65534 2> /dev/null) || ! command -v setpriv > /dev/null; then
	fail "this test needs a user 65534 and setpriv"
fi
chmod a+x "$TMPDIR" "$work"
policy < /dev/null # the file, which new workers read before it is known what is in force
as_user() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
cat > "$fs/policy" << EOS
sched = "off";
favordynmods = "off";
users = ({ user = "$user"; match = "mine-*"; budget = { memory = "512M"; agents = 2; }; });
EOS
as_user mkdir "$fs/agents/mine-1" || fail "a user of the policy cannot make an agent"
is "his part of the budget" "$(info "$fs/agents/mine-1/info" .budget)" $((256 << 20))
refused "Operation not permitted" as_user mkdir "$fs/agents/yours"
as_user mkdir "$fs/agents/mine-2"
refused "Resource temporarily unavailable" as_user mkdir "$fs/agents/mine-3"
refused "Permission denied" as_user mkdir "$fs/agents/a1/calls/u"
refused "Permission denied" as_user sh -c "echo 'begin u pid=none' > $a/call"
as_user sh -c "echo 'begin u pid=none' > $fs/agents/mine-1/call" || fail "a user's own agent"
as_user sh -c "echo 'end u' > $fs/agents/mine-1/call"
refused "Operation not permitted" as_user sh -c "echo high > $fs/agents/mine-1/priority"
refused "Permission denied" as_user sh -c "echo max > $fs/policy"
kill -KILL "$(pgrep -o -P "$daemon")" # the next worker knows whose it is
is "his part of the budget, after a takeover" "$(info "$fs/agents/mine-1/info" .budget)" $((256 << 20))
setpriv --reuid 65533 --regid 65533 --clear-groups mkdir "$fs/agents/mine-4" 2> /dev/null && fail "somebody else makes agents"
as_user rmdir "$fs/agents/mine-1" "$fs/agents/mine-2" || fail "a user cannot remove his agents"
refused "Permission denied" as_user rmdir "$fs/agents/a1"

echo "# what agents ran is not for other users; what the kernel counts is"
marker a1 "begin private pid=none -- curl -H secret:1234 host" > /dev/null
for file in events agents/a1/{info,history,feedback,events,events_pipe,call.error} agents/a1/calls/private/{command,info,feedback}; do
	refused "Permission denied" as_user cat "$fs/$file"
	! as_user test -r "$fs/$file" || fail "test -r $file says yes"
done
for file in metrics status agents/a1/{status,priority} agents/a1/calls/private/{state,hint}; do
	as_user cat "$fs/$file" > /dev/null || fail "a user cannot read $file"
done
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo $$ > "$0/cgroup.procs" && exec setpriv --reuid 65534 --regid 65534 --clear-groups cat "$0/calls/private/command"' "$a" > /dev/null ||
	fail "the agent's own processes cannot read it, as whatever user"
marker a1 "end private" > /dev/null

echo "# namespaces, which adopted agents have"
cat > "$fs/policy" << 'EOS'
sched = "off";
favordynmods = "off";
agents = ({ match = "*"; namespace = "team-?"; budget = { memory = "300M"; }; },
	  { match = "*"; budget = { memory = "100M"; }; });
EOS
others=${root%/*}/agentcg-test-others-$$
mkdir "$others-1" "$others-2"
agentcg adopt --namespace team-x one "${others#"$cgroup2"}-1" || fail "adopt with a namespace"
agentcg adopt two "${others#"$cgroup2"}-2"
budgets() { info "$fs/agents/$1/info" '[.namespace, .budget] | join(" ")'; }
is "with the namespace" "$(budgets one)" "team-x $((300 << 20))"
is "without" "$(budgets two)" " $((100 << 20))"
kill -KILL "$(pgrep -o -P "$daemon")"
is "after a takeover" "$(budgets one)" "team-x $((300 << 20))"
is "the list" "$(sort "$fs/adopt" | head -n 1)" "one namespace=team-x ${others#"$cgroup2"}-1"
refused "Invalid argument" put "$fs/adopt" "three namespace=a/b ${others#"$cgroup2"}-1"
rmdir "$fs/agents/one" "$fs/agents/two"
rmdir "$others-1" "$others-2" || fail "they were not given back as they were"
echo "ok"

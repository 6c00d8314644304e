#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# Sub-agents: made, limited and removed by their agent, the same shape again, within what the agent may have.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
policy << 'EOS'
agents = ({ match = "a"; budget = { memory = "256M"; agents = 3; calls = 4; }; },
          { match = "low"; priority = "low"; });
EOS
start
mkdir "$fs/agents/a" "$fs/agents/low"
in_agent a 'mkdir "$fs/self/agents/s"' || fail "an agent cannot make a sub-agent"
sub=$fs/agents/a/agents/s
[ -d "$root/a/agent-s/self" ] || fail "no cgroup"
for name in call calls agents self info history README cgroup.procs; do [ -e "$sub/$name" ] || fail "no $name"; done
is "its name" "$(info "$sub/info" .name)" a/s

echo "# self, from each directory that a process of a sub-agent may look from"
spawn a/agents/s 'exec sleep 1000'
inner=$spawned
is "from the top" "$(in_agent a/agents/s 'readlink "$fs/self"')" agents/a/agents/s
is "from the agent's" "$(in_agent a/agents/s 'readlink "$fs/agents/a/self"')" agents/s
is "from its own" "$(in_agent a/agents/s 'readlink "$fs/self/self"')" .
is "the agent's own processes" "$(in_agent a 'readlink "$fs/self/agents/s/self"')" .
grep -qx $inner "$fs/agents/a/cgroup.procs" || fail "an agent's cgroup.procs lists all of it"

echo "# calls of a sub-agent"
in_agent a/agents/s 'echo "begin x -- make" > "$fs/self/call"; tail -n 1 /proc/self/cgroup; echo "end - exit=0" > "$fs/self/call"' > "$work/out"
like "where it is" "$(cat "$work/out")" '/a/agent-s/call-x$'
is "agent" "$(jq -r .agent <<< "$(ended a/agents/s x)")" a/s
jq -es 'map(select(.event == "end")) | .[0].agent == "a/s"' "$fs/agents/a/events" > /dev/null || fail "the agent sees its sub-agent's events"
in_agent a/agents/s 'echo "begin y pid=none" > "$fs/agents/a/call"' 2> /dev/null && fail "a sub-agent writes its agent's markers"
in_agent a/agents/s 'cat "$fs/agents/a/info"' 2> /dev/null && fail "a sub-agent reads its agent's info"
in_agent a 'echo "begin z pid=none" > "$fs/self/agents/s/call" && echo "end z" > "$fs/self/agents/s/call"' || fail "an agent has its sub-agent's markers"

echo "# limited by their agent, in its own budget"
if has_memory; then
	in_agent a 'echo 64M > "$fs/self/agents/s/memory.max"' || fail "an agent cannot limit a sub-agent"
	is "memory.max" "$(cat "$root/a/agent-s/memory.max")" 67108864
	is "budget" "$(info "$sub/info" .budget)" 67108864
	in_agent a/agents/s 'echo max > "$fs/self/memory.max"' 2> /dev/null && fail "a sub-agent raises its own limit"
fi
in_agent a 'echo 1 > "$fs/self/memory.max"' 2> /dev/null && fail "an agent writes its own limit"

echo "# no more of them, and no more calls, by nesting"
in_agent a 'mkdir "$fs/self/agents/s/agents/t" "$fs/self/agents/s/agents/u"' || fail "sub-agents of sub-agents"
in_agent a 'mkdir "$fs/self/agents/v"' 2> "$work/err" && fail "a fourth"
like "too many" "$(cat "$work/err")" "Resource temporarily unavailable"
in_agent a 'mkdir "$fs/self/agents/s/agents/t/agents/v"' 2> /dev/null && fail "a fourth, deeper"
for at in "" /agents/s /agents/s/agents/t /agents/s/agents/u; do marker "a$at" "begin n pid=none" > /dev/null || fail "a call in a$at"; done
for at in "" /agents/s /agents/s/agents/t; do
	if said=$(marker "a$at" "begin more pid=none"); then fail "a fifth call in a$at"; fi
	like "full" "$said" "agent a has 4 calls alive"
done
for at in "" /agents/s /agents/s/agents/t /agents/s/agents/u; do marker "a$at" "end n" > /dev/null; done

echo "# no higher priority than its agent's"
mkdir "$fs/agents/low/agents/s"
echo high > "$fs/agents/low/agents/s/priority"
is "priority" "$(cat "$fs/agents/low/agents/s/priority")" low
echo high > "$fs/agents/low/priority"
in_agent low 'echo high > "$fs/self/agents/s/priority"' || fail "up to its agent's"
echo normal > "$fs/agents/low/priority"
is "priority" "$(cat "$fs/agents/low/agents/s/priority")" normal

echo "# removed by their agent, from below"
in_agent a 'rmdir "$fs/self/agents/s"' 2> "$work/err" && fail "removed with processes"
like "busy" "$(cat "$work/err")" "Device or resource busy"
kill $inner
in_agent a 'rmdir "$fs/self/agents/s/agents/t" "$fs/self/agents/s/agents/u"' || fail "rmdir"
eventually in_agent a 'rmdir "$fs/self/agents/s"' || fail "rmdir"
[ ! -e "$root/a/agent-s" ] || fail "its cgroup is left"
in_agent a 'rmdir "$fs/agents/a"' 2> /dev/null && fail "an agent removes itself"
in_agent low 'rmdir "$fs/agents/a/agents"' 2> /dev/null && fail "rmdir of agents/"
echo "ok"

# SPDX-License-Identifier: GPL-2.0-or-later
# The table of tests/bench/auto-replay. A call of a replay and its line of history are told by the agent and the worker's pid. Ends with
# an error if the two ways did not find the same calls.

def percentile($part): sort | if length == 0 then null else .[((length - 1) * $part) | floor] end;
def digits($n): if . == null then "-" else (. * pow(10; $n) | round) / pow(10; $n) | tostring end;
def pad($n): . + " " * ([$n - length, 0] | max);
def row: [., [9, 6, 6, 11, 10, 10, 10, 10, 22]] | transpose | map(.[1] as $n | .[0] | pad($n)) | join(" ");

def calls($replay; $history):
	($history | map({key: "\(.agent) \(.pid)", value: .}) | from_entries) as $lines |
	[$replay.agents[] | .agent as $agent | .each_call[] | . + {line: $lines["\($agent) \(.pid)"]}];

def off(f): [.[] | select(.line) | f * 1000 | fabs];
def share($part; $whole): if $whole > 0 then "\($part * 100 / $whole | digits(2)) %" else "-" end;
# Of calls that were over before they had a cgroup there is nothing to be missed in it.
def missed:
	[.[] | select(.line.memory_missed and .line.cgroup) | {missed: .line.memory_missed, touched}] |
	if length == 0 then "-"
	else share(map(.missed) | add; map(.touched) | add) + ", largest call " + (max_by(.touched) | share(.missed; .touched)) end;

def figures($way): . as $calls | [.[] | select(.line)] as $found |
	[$way, (length | tostring), ($found | length | tostring), ([$found[] | select(.line.cgroup | not)] | length | tostring),
		(off(.line.start - .begin) | percentile(0.5, 0.95) | digits(2)),
		(off(.line.end - .end) | percentile(0.5, 0.95) | digits(2)), missed];

# A rule sees the command as the model wrote it, and of a long one the beginning.
def plain: gsub("\\s+"; " ") | ltrimstr(" ") | rtrimstr(" ");
def same($one; $other): $one.line and $other.line and ($one.line.command | plain | contains($other.line.command | plain));

calls($markers[0]; $markers_history) as $marked | calls($rules[0]; $rules_history) as $ruled |
	([$marked, $ruled] | transpose | map(select(same(.[0]; .[1])))) as $both |
	((["way", "calls", "found", "no cgroup", "begin p50", "p95, ms", "end p50", "p95, ms", "missed of what they touched"],
		($marked | figures("markers")), ($ruled | figures("rules"))) | row),
	"the same calls: \($both | length) of \($marked | length)",
	"",
	if ($both | length) == ($marked | length) then empty
	else ([$marked, $ruled] | transpose | map(select(same(.[0]; .[1]) | not) | map({id, command, pid, exit, line: .line.command})) | tostring | error) end

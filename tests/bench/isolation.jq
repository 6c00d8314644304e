# SPDX-License-Identifier: GPL-2.0-or-later
# The table of tests/bench/isolation: jq -nr -f isolation.jq FILE... Each figure is the median over the rounds (least to most); a ratio is
# taken within each round.

def median: sort | if length == 0 then null else .[(length - 1) / 2 | floor] end;
def digits($n): if . == null then "-" else . * pow(10; $n) | round / pow(10; $n) | tostring end;
def spread($n): if length == 0 then "-" else "\(median | digits($n)) (\(min | digits($n)) to \(max | digits($n)))" end;
def pad($n): . + " " * ([$n - length, 0] | max);

# An agent survived if it came to its end and none of its calls was killed.
def whole: .outcome == "survived" and .calls_survived == .calls;
def killed: (.calls - .calls_survived) + (if .outcome == "survived" then 0 else 1 end);
def high: .agents[0];
def low: .agents[1:];

# By round, of another mode with the same budget and speed.
def others($all; $mode): [$all[] | select(.mode == $mode)] | map({key: (.round | tostring), value: .}) | from_entries;
def ratios($others; f): [.[] | . as $run | $others[.round | tostring] | select(. != null) | [($run | f), f] | select(.[0] and .[1] and .[1] > 0) |
	.[0] / .[1]];
def completion: high | select(whole) | .total_ms;
def low_completion: [low[] | select(whole) | .total_ms] | if length > 0 then add / length else empty end;

def row($all):
	{
		mode: .[0].mode,
		survived: "\(([.[].agents[] | select(whole)] | length) * 100 / ([.[].agents[]] | length) | round) %",
		killed: ([.[] | [.agents[] | killed] | add] | spread(0)),
		p50: ([.[] | high.growth.p50_usec / 1000] | spread(1)),
		p95: ([.[] | high.growth.p95_usec / 1000] | spread(1)),
		p99: ([.[] | high.growth.p99_usec / 1000] | spread(1)),
		p95_none: (ratios(others($all; "none"); high.growth.p95_usec) | spread(2)),
		high: ([.[] | completion / 1000] | spread(2)),
		high_alone: (ratios(others($all; "alone"); completion) | spread(3)),
		low: ([.[] | low_completion / 1000] | spread(2)),
		low_none: (ratios(others($all; "none"); low_completion) | spread(2)),
		delayed: ([.[] | [.agents[].delayed_ms] | add / 1000] | spread(2)),
		frozen: ([.[] | [.agents[].frozen_ms] | add / 1000] | spread(2))
	};

def columns: [["mode", 14], ["survived", 9], ["killed", 14], ["p50", 18], ["p95", 21], ["p99", 23], ["p95_none", 21], ["high", 22],
	["high_alone", 24], ["low", 22], ["low_none", 21], ["delayed", 22], ["frozen", 16]];
def line: . as $row | columns | map(.[0] as $name | $row[$name] | pad(columns[] | select(.[0] == $name) | .[1])) | join(" ");
def heading: {mode: "mode", survived: "survived", killed: "killed", p50: "high p50, ms", p95: "high p95, ms", p99: "high p99, ms",
	p95_none: "p95/none", high: "high done, s", high_alone: "high/alone", low: "low done, s", low_none: "low/none", delayed: "delayed, s",
	frozen: "frozen, s"};

# In the order in which they first ran.
def modes: reduce .[].mode as $mode ([]; if index($mode) then . else . + [$mode] end);

[inputs] | group_by([.speed, -.budget])[] | . as $all |
	"\nbudget \(.[0].budget) of the sum of the peaks (\(.[0].bytes / 1048576 | round) MiB), speed \(.[0].speed), rounds \(map(.round) | unique | length)",
	(heading | line),
	(modes[] | . as $mode | [$all[] | select(.mode == $mode)] | row($all) | line)

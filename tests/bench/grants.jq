# SPDX-License-Identifier: GPL-2.0-or-later
# The table of tests/bench/grants: jq -nr -f grants.jq FILE... Each figure is the median over the rounds (least to most).

def spread($n): sort | if length == 0 then "-" else
	map(. * pow(10; $n) | round / pow(10; $n)) | "\(.[(length - 1) / 2 | floor]) (\(.[0]) to \(.[-1]))" end;
def pad($n): . + " " * ([$n - length, 0] | max);
def row: [., [9, 15, 15, 23, 18, 19, 20]] | transpose | map(.[1] as $n | .[0] | pad($n)) | join(" ");

# What a call without a grant may have is the budget.
def grant($bytes): if .grant then [.grant, $bytes] | min else $bytes end;
def seconds: .duration_ms / 1000;
def unused($bytes): [grant($bytes) - .memory_peak, 0] | max;

# Of all that was granted, by the time for which it was, what was not used, in MiB for a call on average.
def unused_mean: .bytes as $bytes | (.history | map(seconds) | add) as $time |
	(.history | map(unused($bytes) * seconds) | add) / $time / 1048576;

def killed: [.agents[] | .calls - .calls_survived] | add;
def past: .bytes as $bytes | [.history[] | select(.memory_peak > grant($bytes))] | length;
def figures($mode):
	[$mode, (map(killed) | spread(0)), (map([.agents[] | select(.outcome != "survived")] | length) | spread(0)), (map(unused_mean) | spread(1)),
		(map(past) | spread(0)), (map([.agents[] | .delayed_ms + .frozen_ms] | add / 1000) | spread(1)), (map(.total_ms / 1000) | spread(1))];

[inputs] | . as $all |
	"budget \(.[0].bytes / 1048576 | round) MiB, \([.[0].agents[].calls] | add) calls, \(map(.round) | unique | length) rounds",
	((["grants", "calls killed", "agents stopped", "unused, MiB a call", "calls past theirs", "held back, s", "all done, s"],
		("none", "fixed", "adaptive" | . as $mode | [$all[] | select(.mode == $mode)] | figures($mode))) | row)

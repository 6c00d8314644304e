# SPDX-License-Identifier: GPL-2.0-or-later
# The table of tests/bench/density: jq -nr -f density.jq FILE... How many agents came through at most, and (times those that fit by their
# peaks).

def most($mode): [.[] | select(.mode == $mode and .through == .n) | .n] | max // 0;
def pad($n): tostring | . + " " * ([$n - length, 0] | max);
def times($most; $admitted): if $most > 0 then "\($most) (\($most / $admitted * 100 | round / 100))" else "-" end;
def line($seed; $budget; $peaks; $static; $none; $cgroup; $bpf; $held):
	"\($seed | pad(6)) \($budget | pad(6)) \($peaks | pad(9)) \($static | pad(17)) \($none | pad(9)) \($cgroup | pad(9)) \($bpf | pad(14)) \($held)";
def row: line(.seed; .budget; .admitted; .static; times(.none; .admitted); times(.cgroup; .admitted); times(.bpf; .admitted); .held);

line("order"; "MiB"; "by peaks"; "of them through"; "none"; "cgroup"; "memcg_bpf_ops"; "by averages"),
([inputs] | group_by(.seed)[] | {seed: .[0].seed, budget: .[0].budget, admitted: .[0].admitted, held: .[0].held,
	static: most("static"), none: most("none"), cgroup: most("cgroup"), bpf: most("memcg_bpf_ops")} | row)

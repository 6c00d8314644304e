#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=120
# Each figure of `agentcg characterize` next to the same one computed another way (characterize.py); and from a history.
#   characterize.sh [TRACE...]    made-up ones, if none are given
set -euo pipefail
cd "$TMPDIR"
agentcg=$(command -v "$ACG_BUILD/tools/agentcg" || command -v agentcg)
here=$ACG_SRC/tests/host
fail() { echo "not ok: $*"; exit 1; }

traces=("$@")
if [ ${#traces[@]} = 0 ]; then
	mkdir made-up
	"$agentcg" replay --synthetic 3 --count 12 --write made-up
	traces=(made-up/*.json)
	[ ${#traces[@]} = 12 ] || fail "${#traces[@]} traces were written"
	# What made-up ones do not have: calls at once, no calls at all, nothing that ever changes, one sample.
	cat > made-up/zz1.json <<- 'EOS'
		{"task": "at once", "samples": [[0, 100, 10], [1, 130, 20], [2, 90, 30], [3.5, 200, 5]], "calls": [
		 {"start": 0.5, "end": 2.5, "tool": "Bash", "command": "cd /x && git log"}, {"start": 1, "end": 3, "tool": "Bash",
		 "command": "make -j4"}, {"start": 1, "end": 1.5, "tool": "Read"}, {"start": 3, "end": 9, "tool": "Bash", "command": "x"}]}
	EOS
	echo '{"task": "quiet", "samples": [[0, 100, 10], [1, 100, 10]], "calls": []}' > made-up/zz2.json
	echo '{"task": "one", "samples": [[1, 50, 0]], "calls": []}' > made-up/zz3.json
	traces+=(made-up/zz1.json made-up/zz2.json made-up/zz3.json)
fi
"$agentcg" characterize --json "${traces[@]}" > figures.json
python3 "$here/characterize.py" figures.json "${traces[@]}" || fail "the figures differ"
"$agentcg" characterize "${traces[@]}" > table
[ "$(grep -c . table)" -eq $((1 + ${#traces[@]} + 1 + 6)) ] || fail "the table: $(cat table)"
cat table

echo "# from a history"
for i in 1 2 3 4; do
	echo "{\"id\":\"c$i\",\"agent\":\"b\",\"command\":\"pytest -x\",\"start\":$((100 + 2 * i)).5,\"duration_ms\":1000,\"memory_peak\":$((i * 1000000))}"
done > history.jsonl
echo '{"id":"c9","agent":"a","command":"git status","start":100.0,"duration_ms":500,"memory_peak":4096}' >> history.jsonl
"$agentcg" characterize --json history.jsonl > history.json
jq -e '.agents[0] == {name: "a", calls: 1, duration: 0.5, in_tools: 1, retries: {groups: 0, longest: 0, seconds: 0, memory_left: 0}}' \
	history.json > /dev/null || fail "$(cat history.json)"
jq -e '.agents[1] | .name == "b" and .duration == 7 and (.in_tools - 4 / 7 | fabs) < 1e-9 and
	.retries == {groups: 1, longest: 4, seconds: 4, memory_left: 0}' history.json > /dev/null || fail "$(cat history.json)"
jq -e '.spike_by_class.test == {count: 4, p50: 2000000, p95: 4000000, max: 4000000} and .spike_by_class.git.max == 4096' \
	history.json > /dev/null || fail "$(cat history.json)"

echo "# what is neither"
echo '{"id": 1}' > wrong.json
if "$agentcg" characterize wrong.json 2> err; then fail "wrong.json was taken"; fi
grep -q 'wrong.json: there are no samples' err || fail "$(cat err)"
echo "no JSON" >> history.jsonl
if "$agentcg" characterize history.jsonl 2> err; then fail "a broken history was taken"; fi
grep -q 'line 6 is no call' err || fail "$(cat err)"
echo "ok"

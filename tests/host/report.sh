#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=120
# agentcg report: a page from a history, from a trace and from the tree; well-formed, self-contained, with a bar for each call,
# and whatever is in a command stays text. Then metrics: OpenMetrics by a parser from a package, bounded, and what the dashboard asks for.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
contrib=$(cd "$(dirname "$0")/../../tools/contrib" && pwd)

line() { # ID COMMAND START END GRANT PEAK DELAYED_MS FROZEN_MS OOM_KILLS REASON FEEDBACK
	jq -nc --args '$ARGS.positional | {id: .[0], agent: "a", command: .[1], start: (.[2] | tonumber), end: (.[3] | tonumber),
		grant: (.[4] | tonumber), memory_peak: (.[5] | tonumber), delays: 1, delayed_ms: (.[6] | tonumber), frozen_ms: (.[7] | tonumber),
		oom_kills: (.[8] | tonumber), reason: (if .[9] == "" then null else .[9] end), feedback: .[10], exit: 0} |
		if .delayed_ms == 0 then .delays = 0 else . end' "$@"
}
{
	line c1 'git status' 1795502714 1795502715.5 268435456 20000000 0 0 0 '' ''
	line c2 $'pytest <script>alert(1)</script> & \e[31m"' 1795502716 1795502756.5 536870912 536870912 0 0 3 oom 'Killed at 512M, its limit.'
	line c3 'npm install' 1795502720 1795502740.5 268435456 300000000 3200 0 0 throttled 'Slowed down.'
	line c4 'make -j8' 1795502730 1795502749.5 268435456 200000000 0 4200 0 frozen 'Frozen.'
	echo '{"torn'
} > "$work/a+sub.jsonl"
echo '{"task":"t","samples":[[0,100,5],[1,300.5,90],[4,120,10]],"calls":[{"start":0.5,"end":2,"tool":"Bash","id":"x","command":"ls"}]}' > "$work/t.json"

# look FILE: what an XML parser finds in the page: headings, bars by class, marks, addresses.
look() {
	/usr/bin/python3 - "$1" << 'EOS'
import re, sys, xml.etree.ElementTree as tree
text = open(sys.argv[1], encoding="utf-8").read().replace("<!DOCTYPE html>\n", "")
root = tree.fromstring(text)
print("headings", [e.text for e in root.iter("h2")])
print("bars", sorted(e.get("class")[5:] for e in root.iter("rect") if (e.get("class") or "").startswith("call")))
print("marks", sorted(e.text for e in root.iter("text") if e.get("class") == "mark"))
print("scripts", len(list(root.iter("script"))), "addresses", len(re.findall(r"(?:href|src)=|//|@import", text)))
EOS
}
agentcg report -o "$work/page.html" "$work/a+sub.jsonl" "$work/t.json"
golden report.html "$work/page.html"
look "$work/page.html" | diff - <(
	cat << 'EOS'
headings ['a/sub', 't']
bars ['frozen', 'killed', 'throttled', 'well', 'well']
marks ['F', 'K', 'T']
scripts 0 addresses 0
EOS
) || fail "the page"
for part in '4 calls in 42 s: 1 slowed down (3.2 s in all), 1 frozen (4.2 s), 1 killed. The agent and its other calls went on.' \
	'Grants were 1.3 times the peak in the median of 3 calls (from 0.9 to 13.4 times).' 'The highest need was 988M' 'Killed at 512M, its limit.' \
	'From 2026-11-24 06:45:14 on' '1 call in 4 s' 'as it was sampled' '&lt;script&gt;'; do
	grep -qF "$part" "$work/page.html" || fail "the page does not say \"$part\""
done
! grep -q '<script' "$work/page.html" || fail "a command became a part of the page"
! agentcg report "$work/daemon.log.none" 2> /dev/null || fail "a file that is not there"
echo 'no history' > "$work/no"
! agentcg report "$work/no" 2> "$work/err" || fail "a file that is no history"
grep -q 'neither a history' "$work/err" || fail "why it is no history"

echo "# of the tree"
start_daemon
mkdir "$AGENTCG_FS/agents/a" "$AGENTCG_FS/agents/idle"
in_agent a agentcg run --id one -- true
in_agent a agentcg run --id two --hint timeout:1 -- sleep 60 2> /dev/null || true
until_true '[ "$(wc -l < "$AGENTCG_FS/agents/a/history")" = 2 ]'
agentcg report > "$work/tree.html"
look "$work/tree.html" | sed -n 1,2p | diff - <(printf "%s\n" "headings ['a']" "bars ['killed', 'well']") || fail "the page of the tree"

echo "# metrics"
/usr/bin/python3 - "$AGENTCG_FS/metrics" << 'EOS' || fail "metrics are not OpenMetrics"
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
names = {f.name for f in families}
begun = [s for f in families if f.name == "agentcg_agent_calls_begun" for s in f.samples]
assert {s.labels["agent"]: s.value for s in begun} == {"a": 2.0, "idle": 0.0}, begun
assert "agentcg_agent_memory_current" in {n.removesuffix("_bytes") for n in names}, names
EOS
series() { grep -vc '^#' "$AGENTCG_FS/metrics"; }
before=$(series)
for i in 1 2 3; do in_agent a agentcg run --id "more-$i" -- true; done
[ "$(series)" = "$before" ] || fail "calls make more series"

echo "# what the dashboard asks for is there"
jq -r '.panels[].targets[].expr' "$contrib/grafana.json" | grep -o 'agentcg_[a-z_]*' | sort -u | while read -r name; do
	grep -q "^$name[{ ]" "$AGENTCG_FS/metrics" || fail "the dashboard asks for $name"
done
mkdir "$work/textfile"
AGENTCG_FS=$AGENTCG_FS "$contrib/agentcg-textfile" "$work/textfile"
/usr/bin/python3 -c 'import sys; from prometheus_client.parser import text_string_to_metric_families as p
assert any(s.name == "agentcg_agent_calls_begun_total" for f in p(open(sys.argv[1]).read()) for s in f.samples)' "$work/textfile/agentcg.prom" ||
	fail "the file for the node exporter"
AGENTCG_FS=/nonexistent "$contrib/agentcg-textfile" "$work/textfile"
[ -z "$(ls -A "$work/textfile")" ] || fail "metrics of a daemon that is gone"
echo ok

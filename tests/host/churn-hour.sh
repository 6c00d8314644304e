#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=400
# An hour of all that comes and goes, without its pauses: 60 minutes, each with an agent and a sub-agent that are made and removed, 42
# calls, some of whose callers are killed, refused markers, readers of every file, streams, hints and a new policy. The daemon is no
# larger at the end than when the first quarter was over.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
policy <<< 'history_max = "1M";'
start

# The one that serves is a child of the one that was started.
processes() { echo "$daemon"; pgrep -P "$daemon" || true; }
anon() { processes | sed 's|.*|/proc/&/status|' | xargs awk '$1 == "RssAnon:" { sum += $2 } END { print sum }'; }
descriptors() { processes | sed 's|.*|/proc/&/fd|' | xargs -I{} find {} -mindepth 1 | wc -l; }
removed() { rmdir "$1" 2> /dev/null; }

minute() {
	local agent=$fs/agents/m$(($1 % 3)) reader
	mkdir "$agent"
	cat "$agent/events_pipe" > /dev/null &
	reader=$!
	"$ACG_BUILD/tests/host/churn" --writers 4 --count 40 --killed 2 --seed "$1" "$fs" "m$(($1 % 3))" > /dev/null
	mkdir "$agent/agents/sub" "$agent/calls/by-hand"
	echo "hint by-hand memory=64M cpu=batch" > "$agent/call"
	! echo "begin by-hand" > "$agent/call" || fail "a duplicate was taken"
	! echo "begin x memory=0" > "$agent/call" || fail "a size of 0 was taken"
	find "$agent" -type f ! -name events_pipe -exec cat {} + > /dev/null 2>&1 || true
	cat "$fs"/{status,metrics,events,policy} > /dev/null
	echo "sched = \"off\"; history_max = \"$((1 + $1 % 4))M\";" > "$fs/policy"
	! echo "nonsense" > "$fs/policy" || fail "a wrong policy was taken"
	echo low > "$agent/priority"
	kill $reader
	wait $reader || true
	rmdir "$agent/calls/by-hand" "$agent/agents/sub"
	eventually removed "$agent" || fail "agent of minute $1 cannot be removed: $(cat "$agent/info")"
} 2> /dev/null

for n in $(seq 15); do minute "$n"; done
before=$(anon) before_fds=$(descriptors)
for n in $(seq 16 60); do minute "$n"; done
after=$(anon)
closed() { after_fds=$(descriptors); [ "$after_fds" -le "$before_fds" ]; } # one that is open for a moment is none that stays
eventually closed || true
echo "anonymous memory $before KiB after a quarter, $after KiB after the hour; descriptors $before_fds and $after_fds"
[ $((after - before)) -lt 512 ] || fail "the daemon grows"
[ "$after_fds" -le "$before_fds" ] || fail "descriptors stay open"
[ -z "$(find "$root" -mindepth 1 -type d)" ] || fail "cgroups are left: $(find "$root" -mindepth 1 -type d)"
echo "ok"

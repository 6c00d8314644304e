#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 kernels=7.3-memcg_bpf_ops
# How soon a burst is slowed down: from the moment at which a call crosses its grant, which is where its agent's budget runs short, to the
# first thing that is done about it. In the kernel (memcg_bpf_ops, by its own clock), on the cgroup tier (the event `throttled`), and by a
# loop that reads memory.pressure every 50 ms. Medians over ROUNDS (9) bursts; fails if the kernel is not the fastest.
set -euo pipefail
root=/sys/fs/cgroup/agentcg-reaction
plain=/sys/fs/cgroup/agentcg-reaction-plain
fs=$TMPDIR/fs
mkdir "$fs"
export AGENTCG_FS=$fs
grow=$ACG_BUILD/tests/bench/grow
rounds=${ROUNDS:-9}
daemon=
cat > "$TMPDIR/policy" <<'EOS'
sched = "off";
agents = ({ match = "a"; budget = { memory = "120M"; swap = 0; }; hint = { memory = "108M"; }; });
ladder = { high_percent = 90; kill = false; };
EOS
trap 'kill $daemon 2> /dev/null; wait; find $root $plain -depth -type d -exec rmdir {} \; 2> /dev/null || true' EXIT

start() {
	agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" "$@" "$fs" 2>> "$TMPDIR/log" &
	daemon=$!
	until [ -e "$fs/status" ]; do sleep 0.1; done
	[ -d "$fs/agents/a" ] || mkdir "$fs/agents/a"
}
stop() { kill "$daemon"; wait "$daemon" || true; }
median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f ms (%.2f to %.2f, %d bursts)\n", v[int((NR + 1) / 2)], v[1], v[NR], NR }'; }

# A burst in the call; the time of day at which it had 108 MiB goes to $crossed. It is a little below its limit at the end.
burst() {
	sh -c "echo 0 > $fs/agents/a/cgroup.procs; exec agentcg run --id $1 -- $grow 112 64 0 107" > "$TMPDIR/out" 2> "$TMPDIR/err"
	crossed=$(sed -n 's/.*marked=\([0-9.]*\).*/\1/p' "$TMPDIR/out")
}

start
grep -q '^memcg_bpf_ops *on' "$fs/status" || { cat "$fs/status"; exit 1; }
for ((i = 0; i < rounds; i++)); do
	burst "k$i" &
	until [ -d "$root/a/call-k$i" ]; do sleep 0.02; done
	id=$(stat -c %i "$root/a/call-k$i")
	: > "$TMPDIR/state"
	while [ -d "$root/a/call-k$i" ]; do
		bpftool -j map lookup pinned /sys/fs/bpf/agentcg/agentcg_memory key hex \
			$(printf '%016x' "$id" | sed 's/../& /g' | awk '{ for (i = NF; i; i--) printf "%s ", $i }') > "$TMPDIR/try" 2> /dev/null || break
		jq -e '.formatted.value.first_ns > 0' "$TMPDIR/try" > /dev/null && cp "$TMPDIR/try" "$TMPDIR/state" || true
	done
	wait $!
	jq -r '.formatted.value | select(.first_ns >= .over_ns and .over_ns > 0) | (.first_ns - .over_ns) / 1e6' "$TMPDIR/state" >> "$TMPDIR/kernel"
done
stop

start --no-bpf
for ((i = 0; i < rounds; i++)); do
	burst "c$i"
	throttled=$(jq -r "select(.call == \"c$i\" and .event == \"throttled\") | .time" "$fs/agents/a/events" | head -n 1)
	[ -z "$throttled" ] || awk -v a="$throttled" -v b="$crossed" 'BEGIN { print (a - b) * 1000 }' >> "$TMPDIR/cgroup"
done
rmdir "$fs/agents/a" 2> /dev/null || true
stop

# Somebody polls: stalled for a tenth of the last 50 ms is when he acts.
mkdir "$plain"
echo 120M > "$plain/memory.max"
echo 108M > "$plain/memory.high"
for ((i = 0; i < rounds; i++)); do
	python3 - "$plain/memory.pressure" > "$TMPDIR/acted" <<- 'EOS' &
		import sys, time
		total = lambda: int(open(sys.argv[1]).readline().split("total=")[1])
		before = total()
		for _ in range(400):
		    time.sleep(0.05)
		    now = total()
		    if now - before > 5000:
		        print(time.time())
		        break
		    before = now
	EOS
	poller=$!
	sleep 1
	sh -c "echo 0 > $plain/cgroup.procs; exec timeout 15 $grow 112 64 0 107" > "$TMPDIR/out" || true
	crossed=$(sed -n 's/.*marked=\([0-9.]*\).*/\1/p' "$TMPDIR/out")
	wait $poller
	[ -z "$crossed" ] || awk -v a="$(cat "$TMPDIR/acted")" -v b="$crossed" 'a { print (a - b) * 1000 }' >> "$TMPDIR/poll"
done
for way in kernel cgroup poll; do
	touch "$TMPDIR/$way"
	printf '%-8s' "$way"
	median < "$TMPDIR/$way"
done
best() { sort -n "$TMPDIR/$1" | awk '{ v[NR] = $1 } END { print NR ? v[int((NR + 1) / 2)] : "none" }'; }
[ "$(best kernel)" != none ] || { echo "not ok: no burst was delayed in the kernel"; exit 1; }
awk -v k="$(best kernel)" -v c="$(best cgroup)" -v p="$(best poll)" 'BEGIN { exit !((c == "none" || k < c) && (p == "none" || k < p)) }' ||
	{ echo "not ok: the kernel is not the fastest"; exit 1; }

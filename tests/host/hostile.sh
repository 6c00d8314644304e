#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=400
# Attacks on the tree by root in a sandbox, by an ordinary user in one, by a user outside, and by one whom the policy lets make
# agents: tests/host/hostile.c has the table. Nothing may get through; afterwards the victim is as it was, the daemon answers, and
# has not grown. The same runs in the guests (tests/vm/tests/hostile.sh), where there are limits to attack.
set -euo pipefail
mount=$TMPDIR/fs
mkdir "$mount"
chmod 755 "$TMPDIR"
export AGENTCG_FS=$mount
PATH=$ACG_BUILD/tools:$PATH
cgroup2=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
root=${ACG_CGROUP:-$cgroup2}/agentcg-hostile-$$
[ -n "$cgroup2" ] || { echo "no cgroup2 mount"; exit 77; }

fail() { echo "not ok: $*"; grep -v "^agentcgd: {" "$TMPDIR/log" | tail -n 20; exit 1; }

cat > "$TMPDIR/policy" <<'EOP'
sched = "off";
favordynmods = "off";
agents = (
	{ match = "a"; budget = { memory = "256M"; swap = 0; pids = 500; calls = 50; agents = 5; cpu_max = "100%"; };
	  caps = { memory = "64M"; swap = 0; pids = 32; cpu_max = "50%"; }; },
	{ match = "*"; });
users = ({ user = "12345"; match = "m-*"; budget = { memory = "256M"; pids = 100; agents = 2; }; });
EOP
agentcgd -f -c "$TMPDIR/policy" -r "$root" --run-dir "$TMPDIR/run" --no-bpf "$mount" 2> "$TMPDIR/log" &
daemon=$!
cleanup() {
	kill $daemon 2> /dev/null || true
	wait $daemon 2> /dev/null || true
	[ ! -e "$root/cgroup.kill" ] || echo 1 > "$root/cgroup.kill"
	sleep 0.5
	find "$root" -depth -type d -exec rmdir {} \; 2> /dev/null || true
}
trap cleanup EXIT
until [ -e "$mount/status" ]; do kill -0 $daemon || fail "the daemon did not start"; sleep 0.1; done
mkdir "$mount/agents/a" "$mount/agents/b" "$mount/agents/b/calls/secret"
sleep 1000 &
victim=$!
disown $victim
echo $victim > "$mount/agents/b/calls/secret/cgroup.procs"

limits() { (cd "$root" && grep -H . b/cgroup.procs b/call-secret/* a/cpu.max a/memory.max a/memory.low a/pids.max a/cgroup.freeze 2> /dev/null) |
	grep -vE 'current|peak|stat|events|pressure|cgroup.kill' || true; }
memory() { # of the supervisor and the worker
	local pid
	for pid in $daemon $(pgrep -P $daemon); do cat "/proc/$pid/status"; done | awk '/VmRSS/ { sum += $2 } END { print sum }'
}

before=$(limits)
cat "$mount/policy" > "$TMPDIR/before.policy"
start=$(memory) through=
for role in outsider maker user root; do
	echo "# as $role"
	"$ACG_BUILD/tests/host/hostile" "$mount" $role "${1:-100000}" $daemon || through+=" $role"
	kill -0 $daemon || fail "the daemon is gone"
	[ "$(cat "$mount/version")" ] || fail "the daemon does not answer"
done
end=$(memory)
[ -z "$through" ] || fail "attacks by$through"
[ "$(limits)" = "$before" ] || { diff <(echo "$before") <(limits); fail "limits have changed"; }
cmp "$TMPDIR/before.policy" "$mount/policy" || fail "the policy has changed"
kill -0 $victim || fail "the victim is dead"
grep -q "${root##*/}/b/call-secret" /proc/$victim/cgroup || fail "the victim was moved"
echo "# the daemon's memory: $start KiB before, $end KiB after, $(wc -l < "$TMPDIR/log") lines of log"
[ "$end" -lt $((start + 32 * 1024)) ] || fail "the daemon has grown"
[ "$(wc -l < "$TMPDIR/log")" -lt 2000 ] || fail "the log was flooded"
echo ok

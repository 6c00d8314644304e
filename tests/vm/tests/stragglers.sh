#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=120 kernels=7.3
# What tries to get away: a fork bomb ends at its call's pids.max and by one write to cgroup.kill; processes that were forked twice,
# have a session of their own and lost their parent stay in the call; nobody moves himself out.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
cat > "$work/policy" <<'EOP'
agents = ({ match = "*"; budget = { memory = "512M"; pids = 200; }; caps = { pids = 100; }; });
EOP
start_daemon -c "$work/policy"
chmod 755 "$work"
a=$AGENTCG_FS/agents/a
mkdir "$a" "$AGENTCG_FS/agents/b"
member() { grep -q "/a/call-$2\$" "/proc/$1/cgroup"; }

echo "# a fork bomb, as a user"
cat > "$work/bomb" <<'EOS'
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(1)
EOS
# shellcheck disable=SC2016 # for the inner shell
in_agent a setpriv --reuid 65534 --regid 65534 --clear-groups bash -c \
	'echo "begin bomb pids=40" > "$0/call" && exec python3 "$1"' "$a" "$work/bomb" 2> /dev/null &
bomb=$!
until_true '[ "$(awk "/^max/ { print \$2 }" "$a/calls/bomb/pids.events" 2> /dev/null || echo 0)" -gt 10 ]'
[ "$(cat "$a/calls/bomb/pids.max")" = 40 ] || fail "pids.max is $(cat "$a/calls/bomb/pids.max")"
[ "$(cat "$a/calls/bomb/pids.peak")" -le 40 ] || fail "there were $(cat "$a/calls/bomb/pids.peak") of them"
until_true 'grep -q "40 processes" "$a/calls/bomb/feedback"'
in_agent a true || fail "the agent itself cannot start a process any more"
in_agent b bash -c 'echo "begin other -- true" > "$0/agents/b/call" && grep -q /b/call-other /proc/self/cgroup' "$AGENTCG_FS" ||
	fail "another agent cannot begin a call"
echo 1 > "$a/calls/bomb/cgroup.kill"
until_true '[ "$(cat "$a/calls/bomb/state")" = ended ]'
[ -z "$(cat "$a/cgroup.procs")" ] || fail "some are left: $(cat "$a/cgroup.procs")"
wait $bomb || true

echo "# forked twice, with a session of its own, without a parent"
# shellcheck disable=SC2016
in_agent a bash -c 'echo "begin away -- server" > "$0/call"
	(setsid sh -c "sleep 86421 & exit" &)
	setsid --fork nohup sleep 86422 > /dev/null 2>&1
	unshare --pid --fork --kill-child=KILL sh -c "sleep 86423 & wait" &
	disown
	until [ "$(pgrep -c -f "^sleep 8642[123]")" = 3 ]; do sleep 0.1; done' "$a"
pids=$(pgrep -f "^sleep 8642[123]")
[ "$(wc -w <<< "$pids")" = 3 ] || fail "they did not start"
for pid in $pids; do member "$pid" away || fail "$(cat "/proc/$pid/cmdline" | tr '\0' ' ') is in $(cat "/proc/$pid/cgroup")"; done
echo "end away" > "$a/call"
[ "$(cat "$a/calls/away/state")" = detached ] || fail "the call is $(cat "$a/calls/away/state")"
for pid in $pids; do member "$pid" away || fail "the end let go of $pid"; done
echo 1 > "$a/calls/away/cgroup.kill"
until_true '[ "$(cat "$a/calls/away/state")" = ended ] && ! pgrep -f "^sleep 8642[123]" > /dev/null'

echo "# nobody moves himself out"
# A child that is born in another cgroup (clone3 with CLONE_INTO_CGROUP): prints the errno, or 0.
cat > "$work/born" <<'EOS'
import ctypes, os, struct, sys
into = os.open(sys.argv[1], os.O_PATH | os.O_DIRECTORY)
args = struct.pack("<11Q", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, into)
libc = ctypes.CDLL(None, use_errno=True)
pid = libc.syscall(435, args, len(args))
if pid == 0:
    os._exit(0)
print(os.strerror(ctypes.get_errno()) if pid < 0 else "born")
EOS
cat > "$work/out.sh" <<'EOS'
a=$1 cgroups=$2 born=$3
echo "begin stay" > "$a/call" || exit 1
for target in "$a/cgroup.procs" "$a/../b/cgroup.procs" "$cgroups/a/self/cgroup.procs" "$cgroups/b/self/cgroup.procs" "$cgroups/cgroup.procs"; do
	{ echo 0 > "$target" || echo $$ > "$target"; } 2> /dev/null && echo "it went by $target"
done
for target in "$cgroups/a/self" "$cgroups/b/self" "${cgroups%/*}"; do
	[ "$(python3 "$born" "$target")" != born ] || echo "a child was born in $target"
done
grep -q "/a/call-stay$" /proc/self/cgroup || echo "it is in $(cat /proc/self/cgroup)"
EOS
out=$(in_agent a setpriv --reuid 65534 --regid 65534 --clear-groups bash "$work/out.sh" "$a" "$cgroups" "$work/born") || fail "the call was not begun"
[ -z "$out" ] || fail "as a user: $out"
until_true '[ "$(cat "$a/calls/stay/state")" = ended ]'
agentcg enter --user nobody a -- bash "$work/out.sh" /sys/fs/agentcg "$cgroups" "$work/born" > "$work/out" || fail "the call was not begun in a view"
[ ! -s "$work/out" ] || fail "as a user in a view: $(cat "$work/out")"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 kernels=7.3
# The view of a sandbox: agentcg enter, graft into mount namespaces of all kinds, ungraft. In each a shell script marks a call
# and reads its feedback, and sees its own agent alone.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
grafts=${1:-12} # so many at the daemon's end; tests/vm/long/grafts.sh makes 200
start_daemon
mkdir "$AGENTCG_FS/agents/a" "$AGENTCG_FS/agents/b" "$AGENTCG_FS/agents/b/agents/sub"

cp "$ACG_SRC/tests/vm/session" "$work/session"
chmod 755 "$work" "$work/session"
session() { bash "$work/session" "$@" || fail "the session at $1"; }

before=$(ls /sys/fs)
echo "# enter, as root and as a user"
agentcg enter a -- bash "$work/session" /sys/fs/agentcg || fail "enter"
agentcg enter a bash "$work/session" /run/agentcg/fs || fail "enter: /run/agentcg/fs"
agentcg enter --user nobody b/sub -- bash "$work/session" /sys/fs/agentcg || fail "enter as nobody"
agentcg enter a -- bash -c '[ "$(ls /sys/fs)" = "$0" ]' "$(printf '%s\nagentcg\n' "$before" | sort)" || fail "/sys/fs is not as it was"
agentcg enter a -- bash -c '[ "$(ls /sys/fs/cgroup)" = "$0" ]' "$(ls /sys/fs/cgroup)" || fail "/sys/fs/cgroup is not there"
! agentcg enter a -- bash -c 'echo 0 > "$0/cgroup.procs"' "${cgroups%/*}" 2> /dev/null || fail "the cgroupfs could be written"
[ "$(ls /sys/fs)" = "$before" ] || fail "the host's /sys/fs has changed"
! agentcg enter nobody-knows -- true 2> "$work/err" || fail "an agent that is not there"
grep -q "no agent's directory" "$work/err" || fail "no reason: $(cat "$work/err")"

# A process in agent a, in namespaces made by the rest of the line, that waits. Its pid is in $sandbox.
sandbox=''
start_sandbox() {
	local i
	rm -f "$work/pid"
	in_agent a "$@" bash -c 'echo $BASHPID > "$0"; exec sleep 86413' "$work/pid" &
	sleep 0.2
	for ((i = 0; i < 900; i++)); do
		sandbox=$(pgrep -n -x -f "sleep 86413" || true)
		if [ -n "$sandbox" ] && [ -s "$work/pid" ]; then return 0; fi
		sleep 0.1
	done
	fail "the sandbox did not start: $*"
}
inside() { nsenter --target "$sandbox" --mount --root -- bash -c 'cat > /dev/null; exit 0' < /dev/null && in_agent a nsenter --target "$sandbox" --mount --root -- bash "$work/session" "$@"; }
stop_sandbox() { kill "$sandbox"; until_true "! [ -d /proc/$sandbox ]"; }

ro_cgroup="mount -o remount,ro,bind ${cgroups%/*}"
echo "# graft: a mount namespace whose cgroupfs can be written is refused"
start_sandbox unshare -m
! agentcg graft --pid "$sandbox" a 2> "$work/err" || fail "graft with a writable cgroupfs"
grep -q "cgroupfs at .* that it can write" "$work/err" || fail "no reason: $(cat "$work/err")"
! agentcg graft --pid $$ a 2> "$work/err" || fail "graft of a process that is in no agent"
grep -q "is not in agent a" "$work/err" || fail "no reason: $(cat "$work/err")"
agentcg graft --force --pid "$sandbox" a || fail "graft --force"
inside /sys/fs/agentcg || fail "the session in a grafted namespace"
! agentcg graft --force --pid "$sandbox" a 2> "$work/err" || fail "graft twice"
grep -q "shows an agent already" "$work/err" || fail "no reason: $(cat "$work/err")"
agentcg ungraft --pid "$sandbox" | grep -q "out of 1 mount" || fail "ungraft"
[ "$(nsenter --target "$sandbox" --mount ls /sys/fs)" = "$before" ] || fail "ungraft left something"
stop_sandbox

echo "# a read-only /sys"
start_sandbox unshare -m bash -c "$ro_cgroup; mount -o remount,ro,bind /sys; exec \"\$@\"" x
agentcg graft --pid "$sandbox" a || fail "graft with a read-only /sys"
inside /sys/fs/agentcg || fail "the session with a read-only /sys"
stop_sandbox

echo "# a user namespace"
start_sandbox unshare -m bash -c "$ro_cgroup; exec unshare --user --map-root-user --mount \"\$@\"" x
agentcg graft --pid "$sandbox" a || fail "graft into a user namespace"
inside /sys/fs/agentcg || fail "the session in a user namespace"
stop_sandbox

echo "# no /sys: only /run; neither: refused"
start_sandbox unshare -m bash -c "umount -l /sys; mount -t tmpfs none /sys; exec \"\$@\"" x
agentcg graft --pid "$sandbox" a || fail "graft with an empty /sys"
inside /sys/fs/agentcg || fail "the session with an empty /sys"
stop_sandbox
start_sandbox unshare -m bash -c "umount -l /sys; mount -t tmpfs -o ro none /sys; exec \"\$@\"" x
agentcg graft --pid "$sandbox" a 2> "$work/err" || fail "graft with an empty read-only /sys"
grep -q "only at /run/agentcg/fs: there is no /sys/fs" "$work/err" || fail "no note: $(cat "$work/err")"
inside /run/agentcg/fs || fail "the session with /run alone"
stop_sandbox

echo "# bubblewrap, with the tree as frameworks must list it"
in_agent a bwrap --ro-bind / / --dev /dev --unshare-pid --proc /proc bash -c \
	'echo "begin ro -- x" > "$0/agents/a/call"' "$AGENTCG_FS" 2> "$work/err" && fail "a read-only tree could be written"
grep -qi "read-only file system" "$work/err" || fail "expected EROFS: $(cat "$work/err")"
in_agent a bwrap --ro-bind / / --dev /dev --unshare-pid --proc /proc bash -c \
	'{ echo "begin ro -- x" > "$0/agents/a/call"; } 2> /dev/null; echo work goes on' "$AGENTCG_FS" | grep -q "work goes on" || fail "the work stopped"
in_agent a bwrap --ro-bind / / --dev /dev --unshare-pid --proc /proc --bind "$AGENTCG_FS/agents/a" "$AGENTCG_FS" \
	bash "$work/session" "$AGENTCG_FS" || fail "bwrap with the view bound"

echo "# $grafts grafts, then the daemon stops for good"
in_agent a bash -c 'for i in $(seq $1); do unshare -m bash -c "$0; exec sleep 86414" & done; wait' "$ro_cgroup" $grafts &
until_true '[ "$(pgrep -c -f "^sleep 86414")" -ge $grafts ]'
start=$SECONDS
for pid in $(pgrep -f "^sleep 86414"); do agentcg graft --pid "$pid" a || fail "graft $pid"; done
echo "# $grafts grafts in $((SECONDS - start)) s"
kill "$daemon_pid"
start=$SECONDS
wait "$daemon_pid" || true
echo "# stopped in $((SECONDS - start)) s"
daemon_pid=''
for pid in $(pgrep -f "^sleep 86414"); do
	! grep -q "fuse.agentcg" "/proc/$pid/mountinfo" || fail "a mount is left: $(grep agentcg "/proc/$pid/mountinfo")"
done
! grep -q "$AGENTCG_FS" /proc/self/mountinfo || fail "a mount is left here"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 systemd=yes kernels=7.3
# Cgroups of others, under systemd: a unit is adopted and given back as it was, also after its worker was killed; units that are not
# handed over are refused, with the property's name. Sandboxes that systemd makes (systemd-nspawn, systemd-run) and podman with
# systemd's cgroups, as users of adopt, enter and graft.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
start_daemon
mount=${cgroups%/agentcg-test*}
units=()
trap 'systemctl stop "${units[@]}" 2> /dev/null || true; stop_daemon' EXIT
unit_cgroup() { systemctl show --property=ControlGroup --value "$1"; }
# unit NAME [PROPERTY...]: a unit that waits.
unit() {
	local name=$1
	shift
	units+=("$name")
	systemd-run -q --unit "$name" "${@/#/--property=}" sleep 3000
}
refused() { # NAME CGROUP WORDS
	! agentcg adopt "$1" "$2" 2> "$work/err" || fail "$2 was adopted"
	grep -q -- "$3" "$work/err" || fail "no reason: $(cat "$work/err")"
	[ ! -e "$AGENTCG_FS/agents/$1" ] || fail "an agent was made of it"
}

echo "# what is refused, and why"
unit acg-own OOMPolicy=continue
unit acg-stop Delegate=yes OOMPolicy=stop
unit acg-neither
refused own "$(unit_cgroup acg-own)" "set Delegate=yes"
refused stop "$(unit_cgroup acg-stop)" "set OOMPolicy=continue"
refused neither "$(unit_cgroup acg-neither)" "set Delegate=yes"
refused below "$(unit_cgroup acg-own)/below" "set Delegate=yes"
refused root / "is no cgroup's path"
refused up /../x "is no cgroup's path"
refused slice /system.slice "cgroups below it"
refused nothing /acg-nothing "."

echo "# a unit that systemd has handed over"
unit acg-good Delegate=yes OOMPolicy=continue MemoryMax=200M
good=$mount$(unit_cgroup acg-good)
pid=$(systemctl show --property=MainPID --value acg-good)
snapshot() { (cd "$good" && find . -mindepth 1 -type d; grep -H . cgroup.procs cgroup.subtree_control memory.max memory.high memory.low memory.oom.group pids.max cpu.max cpu.weight); }
before=$(snapshot)
agentcg adopt good "$(unit_cgroup acg-good)" || fail "adopt"
grep -q "acg-good.service/self$" "/proc/$pid/cgroup" || fail "its process is not in self: $(cat "/proc/$pid/cgroup")"
[ "$(cat "$AGENTCG_FS/agents/good/cgroup.procs")" = "$pid" ] || fail "its process is not listed"
refused again "$(unit_cgroup acg-good)" "agent good"
[ "$(jq .budget "$AGENTCG_FS/agents/good/info")" = 209715200 ] || fail "its own limit is not its budget"
grep -q acg-good "$work/run/adopted" || fail "it is not written down"
echo "begin x pid=$pid" > "$AGENTCG_FS/agents/good/call" || fail "a call in it"
grep -q "acg-good.service/call-x$" "/proc/$pid/cgroup" || fail "the call is not in it"

echo "# systemd reloads; the worker is killed; the daemon is started anew"
still() {
	until_true '[ "$(cat "$AGENTCG_FS/agents/good/calls/x/state")" = running ]'
	grep -q "acg-good.service/call-x$" "/proc/$pid/cgroup" || fail "the process was moved: $1"
	[[ "$(cat "$good/cgroup.subtree_control")" == *memory* ]] || fail "its controllers are gone: $1"
}
systemctl daemon-reload
still "by a reload"
kill -9 "$(pgrep -o -P "$daemon_pid")"
still "by a worker's death"
kill "$daemon_pid" && wait "$daemon_pid"
agentcgd -f --no-bpf --root "$cgroups" --run-dir "$work/run" "$work/fs" 2> "$work/daemon.log" &
daemon_pid=$!
until_true '[ -e "$AGENTCG_FS/version" ]'
still "by a restart"

echo "# given back as it was"
echo "end x" > "$AGENTCG_FS/agents/good/call"
echo "$pid" > "$AGENTCG_FS/agents/good/cgroup.procs"
until_true 'rmdir "$AGENTCG_FS/agents/good"'
[ "$(snapshot)" = "$before" ] || { diff <(echo "$before") <(snapshot); fail "it is not as it was"; }
[ ! -s "$work/run/adopted" ] || fail "it is still written down"
systemctl is-active -q acg-good || fail "the unit is not active any more"

echo "# a unit that stops while it is an agent"
agentcg adopt good "$(unit_cgroup acg-good)" || fail "adopted again"
systemctl stop acg-good
until_true '! [ -d "$good" ]'
until_true 'rmdir "$AGENTCG_FS/agents/good"'

echo "# systemd-run: a unit whose command enters an agent by itself"
mkdir "$AGENTCG_FS/agents/a"
cp "$ACG_SRC/tests/vm/session" "$work/session"
chmod 755 "$work" "$work/session"
in_unit() { nsenter -t 1 -m systemd-run -q --pipe --wait --setenv=AGENTCG_FS="$AGENTCG_FS" "$@"; }
session() { grep -q "session ok" <<< "$1" || fail "$2: $1"; }
session "$(systemd-run -q --scope -u acg-scope agentcg enter a -- bash "$work/session" /sys/fs/agentcg 2>&1)" "a scope"

echo "# systemd-run: a unit that is adopted, with the view in its mounts, as a user"
units+=(acg-box)
systemd-run -q --unit acg-box --property=Delegate=yes --property=OOMPolicy=continue --property=PrivateMounts=yes \
	--property=ProtectControlGroups=yes --property=ProtectKernelTunables=yes --property=User=nobody sleep 3000
pid=$(systemctl show --property=MainPID --value acg-box)
until_true 'grep -q sleep /proc/$pid/cmdline'
agentcg adopt box "$(unit_cgroup acg-box)" || fail "adopt a sandboxed unit"
agentcg graft --pid "$pid" box || fail "graft a sandboxed unit"
session "$(in_agent box nsenter --target "$pid" --mount setpriv --reuid 65534 --regid 65534 --clear-groups bash -s /sys/fs/agentcg < "$work/session" 2>&1)" "a sandboxed unit"

echo "# systemd-nspawn"
rootfs=$work/rootfs
mkdir -p "$rootfs"/{usr,etc,proc,sys,dev,tmp,run}
for dir in bin lib lib64 sbin; do ln -s usr/$dir "$rootfs/$dir"; done
cp /etc/passwd /etc/group /etc/ld.so.cache /etc/os-release "$rootfs/etc"
cp "$work/session" "$rootfs/session"
units+=(acg-nspawn)
systemd-run -q --unit acg-nspawn --property=Delegate=yes --property=OOMPolicy=continue \
	systemd-nspawn -q --register=no --keep-unit --directory "$rootfs" --bind-ro=/usr --as-pid2 sleep 86431 || fail "systemd-nspawn"
until_true 'pid=$(pgrep -x -f "sleep 86431")' || fail "$(systemctl status --no-pager acg-nspawn)"
payload=$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
[[ "$payload" == */acg-nspawn.service/payload ]] || fail "it is in $payload"
agentcg adopt nspawn "$payload" || fail "adopt what nspawn runs"
! agentcg graft --pid "$pid" nspawn 2> "$work/err" || fail "nspawn's own cgroupfs, which can be written"
grep -q "cgroupfs at /sys/fs/cgroup that it can write" "$work/err" || fail "no reason: $(cat "$work/err")"
nsenter --target "$pid" --mount mount -o remount,ro,bind /sys/fs/cgroup
agentcg graft --pid "$pid" nspawn || fail "graft into nspawn"
session "$(in_agent nspawn nsenter --target "$pid" --mount --root --pid bash /session /sys/fs/agentcg 2>&1)" "systemd-nspawn"
echo ok

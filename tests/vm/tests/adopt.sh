#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=200 systemd=yes
# Cgroups of others: a systemd unit adopted and given back as it was, across a restart of the worker; units that are not handed over
# refused; containers of crun, runc and podman that become agents by the OCI hook.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
cat > "$work/policy" <<'EOP'
agents = ({ match = "ctr-*"; priority = "normal"; budget = { memory = "256M"; }; caps = { memory = "128M"; }; }, { match = "*"; });
EOP
start_daemon -c "$work/policy"
mount=${cgroups%/agentcg-test*}

echo "# a unit that systemd has handed over"
unit_cgroup() { systemctl show --property=ControlGroup --value "$1"; }
systemd-run -q --unit acg-good --property=Delegate=yes --property=OOMPolicy=continue --property=MemoryMax=200M sleep 3000
systemd-run -q --unit acg-own --property=OOMPolicy=continue sleep 3000
systemd-run -q --unit acg-stop --property=Delegate=yes --property=OOMPolicy=stop sleep 3000
trap 'systemctl stop acg-good acg-own acg-stop 2> /dev/null; stop_daemon' EXIT
! agentcg adopt own "$(unit_cgroup acg-own)" 2> "$work/err" || fail "a unit without Delegate"
grep -q "set Delegate=yes" "$work/err" || fail "no reason: $(cat "$work/err")"
! agentcg adopt stop "$(unit_cgroup acg-stop)" 2> "$work/err" || fail "a unit with OOMPolicy=stop"
grep -q "set OOMPolicy=continue" "$work/err" || fail "no reason: $(cat "$work/err")"
! agentcg adopt root / 2> /dev/null || fail "the root cgroup"
! agentcg adopt up /../x 2> /dev/null || fail "a path that leads elsewhere"
! agentcg adopt slice /system.slice 2> "$work/err" || fail "a slice with units in it"
grep -q "cgroups below it" "$work/err" || fail "no reason: $(cat "$work/err")"

good=$mount$(unit_cgroup acg-good)
pid=$(systemctl show --property=MainPID --value acg-good)
snapshot() { (cd "$good" && ls -d */ 2> /dev/null; grep -H . cgroup.procs cgroup.subtree_control memory.max memory.high memory.low memory.oom.group pids.max cpu.max cpu.weight); }
before=$(snapshot)
agentcg adopt good "$(unit_cgroup acg-good)" || fail "adopt"
grep -q "acg-good.service/self$" "/proc/$pid/cgroup" || fail "its process is not in self"
[ "$(cat "$AGENTCG_FS/agents/good/cgroup.procs")" = "$pid" ] || fail "its process is not listed"
! agentcg adopt again "$(unit_cgroup acg-good)" 2> /dev/null || fail "adopted twice"
jq -e '.budget == 209715200' "$AGENTCG_FS/agents/good/info" > /dev/null || fail "its own limit is not its budget"
grep -q acg-good "$work/run/adopted" || fail "it is not written down"
echo "begin x pid=$pid" > "$AGENTCG_FS/agents/good/call" || fail "a call in it"
grep -q "acg-good.service/call-x$" "/proc/$pid/cgroup" || fail "the call is not in it"

echo "# a restart finds it"
worker=$(pgrep -P "$daemon_pid" | head -n 1)
kill -9 "$worker"
until_true '[ "$(cat "$AGENTCG_FS/agents/good/calls/x/state")" = running ]'

echo "# given back as it was"
echo "end x" > "$AGENTCG_FS/agents/good/call" || true
echo 1 > "$AGENTCG_FS/agents/good/calls/x/cgroup.freeze" 2> /dev/null || true
until_true 'rmdir "$AGENTCG_FS/agents/good" 2> /dev/null || { echo "$pid" > "$AGENTCG_FS/agents/good/cgroup.procs"; false; }'
[ "$(snapshot)" = "$before" ] || { diff <(echo "$before") <(snapshot); fail "it is not as it was"; }
[ ! -s "$work/run/adopted" ] || fail "it is still written down"
grep -q "acg-good.service$" "/proc/$pid/cgroup" || fail "its process is not where it was"

echo "# containers"
mkdir -p "$work/bundle/rootfs"
for dir in usr bin lib lib64 etc sbin proc sys dev tmp run; do mkdir -p "$work/bundle/rootfs/$dir"; done
cat > "$work/bundle/rootfs/session" <<'EOS'
fs=$1
ls $fs/call > /dev/null || { echo "no view at $fs"; exit 1; }
[ -z "$(ls $fs/agents)" ] || { echo "others can be seen"; exit 1; }
for id in one two three; do
	bash -c "echo 'begin $id memory=low -- true' > $fs/self/call && grep -q /call-$id /proc/self/cgroup || grep -q call /proc/self/cgroup" || { echo "call $id was not begun"; exit 1; }
done
sleep 1.5
grep -q '"id":"two"' $fs/history || { echo "no history"; exit 1; }
grep -q . $fs/feedback || { echo "no feedback"; exit 1; }
[ "$(cat $fs/priority)" = low ] || { echo "the priority that was asked for"; exit 1; }
[ "$(cat $fs/memory.max)" = 67108864 ] || { echo "the memory that was asked for"; exit 1; }
! echo max 2> /dev/null > $fs/memory.max || { echo "its limit could be written"; exit 1; }
echo session ok
EOS
binds() { local dir; for dir in usr etc; do printf '{"destination":"/%s","type":"bind","source":"/%s","options":["rbind","ro"]},' $dir $dir; done; }
links() { local dir; for dir in bin lib lib64 sbin; do rmdir "$work/bundle/rootfs/$dir"; ln -s "usr/$dir" "$work/bundle/rootfs/$dir"; done; }
links
hook=$(command -v agentcg)
config() { # NAME UID
	cat <<- EOC
	{"ociVersion":"1.0.2","process":{"terminal":false,"user":{"uid":$2,"gid":$2},"args":["bash","/session","/sys/fs/agentcg"],
	 "env":["PATH=/usr/bin:/bin"],"cwd":"/","noNewPrivileges":true},
	 "root":{"path":"rootfs","readonly":true},"hostname":"c","annotations":{"agentcg.name":"ctr-$1","agentcg.priority":"low","agentcg.memory":"64M"},
	 "hooks":{"createRuntime":[{"path":"$hook","args":["agentcg","oci-hook"],"env":["AGENTCG_FS=$AGENTCG_FS","PATH=/usr/bin:/usr/sbin"]}],
	          "poststop":[{"path":"$hook","args":["agentcg","oci-hook"],"env":["AGENTCG_FS=$AGENTCG_FS","PATH=/usr/bin:/usr/sbin"]}]},
	 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},{"destination":"/dev","type":"tmpfs","source":"tmpfs"},
	  {"destination":"/run","type":"tmpfs","source":"tmpfs"},$(binds)
	  {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},
	  {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}],
	 "linux":{"cgroupsPath":"/ctr-$1","resources":{},"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"cgroup"}]}}
	EOC
}
container() { # RUNTIME UID
	local name=$1-$2
	config "$name" "$2" > "$work/bundle/config.json"
	"$1" run --bundle "$work/bundle" "acg-$name" < /dev/null > "$work/out" 2>&1 || { cat "$work/out"; fail "$1 as user $2"; }
	grep -q "session ok" "$work/out" || { cat "$work/out"; fail "$1 as user $2"; }
	until_true '[ ! -d "$AGENTCG_FS/agents/ctr-'"$name"'" ]'
	echo "# $1, as user $2: ok"
}
for runtime in crun runc; do container $runtime 0; container $runtime 65534; done
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=7.3
# Containers of crun, runc and podman that become agents by the OCI hook, as root and as a user: in each a script marks calls and reads
# what came of them. With the argument `short` one of crun and one of runc.
set -euo pipefail
short=${1:-}
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
cat > "$work/policy" <<'EOP'
agents = ({ match = "ctr-*"; namespace = "team-b"; priority = "high"; },
	{ match = "ctr-*"; namespace = "team-a"; priority = "low"; }, { match = "ctr-*"; budget = { memory = "256M"; }; }, { match = "*"; });
EOP
start_daemon -c "$work/policy"
mount=${cgroups%/agentcg-test*}
foreign() { find "$mount" -type d | grep -v agentcg-test | sort; }
before=$(foreign)

mkdir -p "$work/bundle/rootfs" "$work/hooks"
chmod 755 "$work" "$work/bundle"
cd "$work/bundle/rootfs"
mkdir usr etc proc sys dev tmp run
cp /etc/passwd /etc/group /etc/ld.so.cache etc
for dir in bin lib lib64 sbin; do ln -s usr/$dir $dir; done
cp "$ACG_SRC/tests/vm/session" session
cd "$work/bundle"

# The hook as it is shipped; the tree is elsewhere here.
hook=$(jq --arg fs "$AGENTCG_FS" '.hook.env = ["AGENTCG_FS=" + $fs, "PATH=/usr/bin:/usr/sbin"]' "$ACG_SRC/tools/contrib/oci-hook.json")
echo "$hook" > "$work/hooks/agentcg.json"

# config RUNTIME NAME UID VIEW [JQ]: what the runtime itself proposes, with the hook and this system's /usr.
config() {
	rm -f config.json
	"$1" spec
	jq --arg name "$2" --argjson uid "$3" --arg view "$4" --argjson hook "$(jq .hook <<< "$hook")" '
		.process.terminal = false | .process.args = ["bash", "/session", $view] | .process.user = {uid: $uid, gid: $uid} |
		.annotations = {"agentcg.name": $name, "agentcg.priority": "low", "agentcg.memory": "64M"} |
		.hooks = {createRuntime: [$hook], poststop: [$hook]} | .linux.cgroupsPath = "/" + $name |
		.mounts += [{destination: "/usr", type: "bind", source: "/usr", options: ["rbind", "ro"]},
			{destination: "/run", type: "tmpfs", source: "tmpfs"}]' config.json | jq "${5:-.}" > new.json
	mv new.json config.json
}
# container RUNTIME NAME: its output is in $work/out.
container() { "$1" run "acg-$2" < /dev/null > "$work/out" 2>&1; }
no_agent() { until_true "! [ -d '$AGENTCG_FS/agents/$1' ]"; }

if [ "$short" = short ]; then
	config crun ctr-short 65534 /sys/fs/agentcg
	container crun ctr-short && grep -q "session ok" "$work/out" || { cat "$work/out"; fail "crun"; }
	config runc ctr-short 0 /run/agentcg/fs
	container runc ctr-short && grep -q "session ok" "$work/out" || { cat "$work/out"; fail "runc"; }
	no_agent ctr-short
	until_true '[ "$(foreign)" = "$before" ]'
	echo ok
	exit
fi

for runtime in crun runc; do
	for uid in 0 65534; do
		for view in /sys/fs/agentcg /run/agentcg/fs; do
			name=ctr-$runtime-$uid
			config $runtime "$name" $uid $view
			container $runtime "$name" || { cat "$work/out"; fail "$runtime as user $uid, view at $view"; }
			grep -q "session ok" "$work/out" || { cat "$work/out"; fail "$runtime as user $uid, view at $view"; }
			no_agent "$name"
			echo "# $runtime, user $uid, view at $view: ok"
		done
	done

	echo "# $runtime: requests, and a cgroupfs that can be written"
	name=ctr-$runtime-asks
	config $runtime $name 0 /sys/fs/agentcg '.process.args = ["bash", "-c",
		"cat /sys/fs/agentcg/{priority,memory.max}; findmnt -R -n -r -o TARGET,OPTIONS /sys"]'
	container $runtime $name || { cat "$work/out"; fail "$runtime"; }
	[ "$(head -n 2 "$work/out")" = "$(printf 'low\n67108864\n')" ] || { cat "$work/out"; fail "what was asked for"; }
	! grep -vE ' ro|/agentcg ' <(tail -n +3 "$work/out") || fail "$runtime: more than the view can be written"
	no_agent $name
	config $runtime $name 0 /sys/fs/agentcg '.process.args = ["ls", "/sys/fs"] |
		(.mounts[] | select(.type == "cgroup")).options = ["nosuid", "noexec", "nodev"]'
	container $runtime $name || { cat "$work/out"; fail "$runtime: it was kept from starting"; }
	! grep -q "^agentcg$" "$work/out" || { cat "$work/out"; fail "it has a view, and a cgroupfs that it can write"; }
	no_agent $name
	grep -q "^container $name: .*cgroupfs at .*can write" "$AGENTCG_FS/adopt.error" || fail "adopt.error: $(cat "$AGENTCG_FS/adopt.error")"
	grep -q "not_adopted.*container $name: " "$AGENTCG_FS/events" || fail "no event of the refusal"
	agentcg doctor | grep -q "container $name: " || fail "doctor says nothing of the refusal"

	echo "# $runtime: the name of an agent that is in use is not to be had, and Kubernetes' namespace stands before it"
	mkdir "$AGENTCG_FS/agents/ctr-taken"
	in_agent ctr-taken sleep 1000 &
	until_true '[ "$(cat "$AGENTCG_FS/agents/ctr-taken/cgroup.procs")" ]'
	config $runtime ctr-taken 0 /sys/fs/agentcg '.process.args = ["cat", "/sys/fs/agentcg/info"]'
	container $runtime ctr-taken || { cat "$work/out"; fail "$runtime: it was kept from starting"; }
	[ "$(jq -r .name "$work/out")" = ctr-taken-2 ] || { cat "$work/out"; fail "it has another one's name"; }
	no_agent ctr-taken-2
	[ "$(wc -l < "$AGENTCG_FS/agents/ctr-taken/cgroup.procs")" = 1 ] || fail "the agent whose name was used is not as it was"
	config $runtime ctr-k8s 0 /sys/fs/agentcg '.process.args = ["cat", "/sys/fs/agentcg/info"] |
		.annotations["io.kubernetes.cri.sandbox-namespace"] = "team-a" | del(.annotations["agentcg.priority"])'
	container $runtime ctr-k8s || { cat "$work/out"; fail "$runtime"; }
	[ "$(jq -r '.namespace + " " + .priority' "$work/out")" = "team-a low" ] || { cat "$work/out"; fail "no namespace"; }
	no_agent ctr-k8s
	echo 1 > "$AGENTCG_FS/agents/ctr-taken/cgroup.kill"
	until_true 'rmdir "$AGENTCG_FS/agents/ctr-taken"'

	echo "# $runtime: an image whose /run leads to the host's /etc"
	mkdir -p "$work/bundle/rootfs/etc/inside"
	mv rootfs/run rootfs/run-dir
	ln -s ../../../../../../../../etc/inside rootfs/run
	mkdir -p /etc/inside
	config $runtime $name 0 /sys/fs/agentcg '.mounts |= map(select(.destination != "/run"))'
	container $runtime $name || true
	[ -z "$(ls /etc/inside)" ] || fail "the image made the hook write on the host: $(ls -R /etc/inside)"
	rm rootfs/run
	mv rootfs/run-dir rootfs/run
	no_agent $name
done

echo "# podman"
podman() {
	command podman --root "$work/pod" --runroot "$work/podrun" --tmpdir "$work/podtmp" --storage-driver vfs --events-backend none \
		--cgroup-manager cgroupfs --hooks-dir "$work/hooks" --runtime "$runtime" "$@"
}
options=(--network none --annotation agentcg.priority=low -v /usr:/usr:ro)
for runtime in crun runc; do
	for user in root nobody; do
		podman run --rm "${options[@]}" --user $user --annotation agentcg.name=ctr-pod --rootfs "$work/bundle/rootfs" bash /session /sys/fs/agentcg \
			< /dev/null > "$work/out" 2>&1 || { cat "$work/out"; fail "podman with $runtime as $user"; }
		grep -q "session ok" "$work/out" || { cat "$work/out"; fail "podman with $runtime as $user"; }
		no_agent ctr-pod
		echo "# podman with $runtime, as $user: ok"
	done
	podman run -d --name box "${options[@]}" --annotation agentcg.name=ctr-pod --rootfs "$work/bundle/rootfs" sleep 1000 < /dev/null > "$work/out" 2>&1 ||
		{ cat "$work/out"; fail "podman run -d with $runtime"; }
	podman exec box bash /session /run/agentcg/fs > "$work/out" 2>&1 || { cat "$work/out"; fail "podman exec with $runtime"; }
	podman exec box cat /proc/self/cgroup
	podman exec box sleep 1000 &
	until_true '[ "$(wc -l < "$AGENTCG_FS/agents/ctr-pod/cgroup.procs")" -ge 2 ]'
	podman rm -f -t 0 box > /dev/null
	wait $! || true
	no_agent ctr-pod
	echo "# podman exec with $runtime: ok"
	podman run --rm "${options[@]}" --privileged --annotation agentcg.name=ctr-pod --rootfs "$work/bundle/rootfs" ls /sys/fs \
		< /dev/null > "$work/out" 2>&1 || { cat "$work/out"; fail "podman --privileged"; }
	! grep -q "^agentcg$" "$work/out" || { cat "$work/out"; fail "podman --privileged has a view, and a cgroupfs that it can write"; }
done

echo "# nothing is left"
find "$mount/libpod_parent" -depth -type d -exec rmdir {} + # podman's own
until_true '[ "$(foreign)" = "$before" ]'
echo ok

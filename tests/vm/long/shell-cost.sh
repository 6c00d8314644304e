#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 systemd=yes
# What it costs to run `bash -c true` as a tool call: by agentcg shell, by a wrapper script that makes a cgroup by hand as
# prototypes do, and by systemd-run --scope, all in turns. Fails if agentcg adds more than a tenth of what either of them adds. The daemon has
# favordynmods on, which is the others' gain, too; with --set FAVORDYNMODS=off nobody has.
set -euo pipefail
TMPDIR=$(mktemp -d)
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
echo "sched = \"off\"; favordynmods = \"${FAVORDYNMODS:-on}\";" > "$work/policy"
start_daemon -c "$work/policy"
until_true '! grep "^favordynmods off being" "$AGENTCG_FS/status"'
grep ^favordynmods "$AGENTCG_FS/status"
mkdir "$AGENTCG_FS/agents/a" "$cgroups/by-hand" || true

export WRAPPER_ROOT=$work/cgroup WRAPPER_LOG=$work/wrapper.log
WRAPPER_ROOT=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)/by-hand-$$
mkdir "$WRAPPER_ROOT"

cat > "$work/measure" << 'EOS'
export LC_ALL=C
# What the one before left to be done (systemd has a scope to take away) is not to be part of this one.
timed() {
	sleep 0.3
	local start=${EPOCHREALTIME/./}
	"${@:2}" > /dev/null
	echo "$1 $((${EPOCHREALTIME/./} - start))"
}
for ((i = 0; i < ${ROUNDS:-15}; i++)); do
	timed bash /bin/bash -c true
	timed agentcg agentcg shell -c true
	AGENTCG_DISABLE=1 timed start agentcg shell -c true # it starts, and becomes bash at once
	timed wrapper "$0.wrapper" -c true
	timed systemd-run systemd-run --quiet --scope /bin/bash -c true
done
EOS
ln -s "$ACG_SRC/tests/bench/wrapper" "$work/measure.wrapper"
in_agent a /bin/bash "$work/measure" > "$work/times"
median() { awk -v k="$1" '$1 == k { print $2 }' "$work/times" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
quartiles() { awk -v k="$1" '$1 == k { print $2 }' "$work/times" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 3) / 4)] "-" a[int((3 * NR + 3) / 4)] }'; }
base=$(median bash) ours=$(median agentcg) wrapper=$(median wrapper) scope=$(median systemd-run)
echo "medians in usec: bash -c true $base; agentcg shell $ours; wrapper $wrapper; systemd-run --scope $scope"
echo "added: agentcg $((ours - base)) (its start $(($(median start) - base))), wrapper $((wrapper - base)), systemd-run $((scope - base))"
for kind in bash agentcg start wrapper systemd-run; do echo "quartiles of $kind: $(quartiles $kind)"; done
cp "$work/times" "$ACG_OUT/shell-cost.txt" 2> /dev/null || true
rmdir "$WRAPPER_ROOT" 2> /dev/null || true
[ $(((ours - base) * 10)) -le $((wrapper - base)) ] || fail "more than a tenth of what the wrapper adds"
[ $(((ours - base) * 10)) -le $((scope - base)) ] || fail "more than a tenth of what systemd-run adds"
echo ok

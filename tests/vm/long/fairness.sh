#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600
# One agent writes markers as fast as it can: another agent's begin and end take less than twice as long, at the 99th percentile.
set -euo pipefail
export ACG_BUILD
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
start_daemon
mkdir "$AGENTCG_FS/agents/quiet" "$AGENTCG_FS/agents/flood"
for flooders in 1 8; do
	"$ACG_BUILD/tests/bench/fairness" "$AGENTCG_FS" 4 80 $flooders | tee "$work/out"
	awk '/^ratio.*flooders/ { if ($5 >= 2) exit 1 }' "$work/out" || fail "twice as long beside $flooders flooders"
done
echo ok

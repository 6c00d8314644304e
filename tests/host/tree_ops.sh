#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=120
# Random operations from several processes, compared with a model (tests/fuzz/tree_ops.c): ten seconds here; for longer, and with
# another seed: tests/host/tree_ops.sh SECONDS SEED.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=tests/host/daemon.bash
. "$here/daemon.bash"
seed=${2:-$(date +%s)}
start_daemon
worker=$(pgrep -o -P "$daemon_pid")
echo "# seed $seed"
"$ACG_BUILD/tests/fuzz/tree_ops" "$AGENTCG_FS" "${1:-10}" 3 "$seed" || fail "seed $seed"
kill -0 "$worker" || fail "the worker died, seed $seed"
echo ok

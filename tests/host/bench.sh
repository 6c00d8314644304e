#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=120
# Everything that tests/bench/run measures works, in short; the ratios are compared with the last run's, which is kept. Fails only if
# something does not work: how fast it is depends on the machine.
set -euo pipefail
kept=/var/cache/agentcg/bench.json
"$ACG_SRC/tests/bench/run" --build "$ACG_BUILD" --rounds 3 --count 18 --json "$TMPDIR/bench.json"
jq -e '.cases | map(select(.p50)) | length >= 8' "$TMPDIR/bench.json" > /dev/null || { echo "not ok: hardly anything was measured"; exit 1; }
[ ! -f $kept ] || "$ACG_SRC/tests/bench/compare" $kept "$TMPDIR/bench.json"
mkdir -p "${kept%/*}"
cp "$TMPDIR/bench.json" $kept
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=1800 memory=6G
# How markers scale, and what the daemon takes for itself: tests/bench/scale; the figures come back as scale.json. SCALE: its options.
set -euo pipefail
# shellcheck disable=SC2086 # several options
exec "$ACG_SRC/tests/bench/scale" --seconds 2 --json "$ACG_OUT/scale.json" ${SCALE:-}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=400 kernels=7.3
# Rules of `auto` against markers on the same replay: tests/bench/auto-replay, whose table tells what is compared. Recorded agents:
#   tests/vm/run --kernel 7.3 --data FOLDER --set TRACES="A.json B.json" auto-replay
set -euo pipefail
cd "$ACG_DATA"
# shellcheck disable=SC2086 # several files
exec "$ACG_SRC/tests/bench/auto-replay" ${TRACES:+--speed 40 $TRACES}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=1500 kernels=7.3,7.3-memcg_bpf_ops
# How many recorded agents fit into a budget: tests/bench/density, which needs some (tests/vm/run --data FOLDER).
#   tests/vm/run --kernel 7.3 --data FOLDER --out DIR --set DENSITY="--seeds 1" density
set -euo pipefail
# shellcheck disable=SC2086 # several options
"$ACG_SRC/tests/bench/density" --data "$ACG_DATA" --out "$ACG_OUT" ${DENSITY:-}

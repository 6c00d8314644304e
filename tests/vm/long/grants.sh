#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=360 kernels=7.3
# Grants that learn against fixed ones and none, in one budget: tests/bench/grants, on recorded agents if ACG_DATA has them.
#   tests/vm/run --kernel 7.3 --data FOLDER --set GRANTS="--budget 0.8 --runs 2" grants
set -euo pipefail
# shellcheck disable=SC2086 # several options
"$ACG_SRC/tests/bench/grants" --data "$ACG_DATA" --out "$ACG_OUT" ${GRANTS:-}

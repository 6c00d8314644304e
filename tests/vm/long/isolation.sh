#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=3600 kernels=7.3-memcg_bpf_ops
# Three agents in one budget: tests/bench/isolation, on recorded agents if ACG_DATA has them (tests/vm/run --data FOLDER). In parts:
#   tests/vm/run --kernel 7.3-memcg_bpf_ops --data FOLDER --out DIR --set ISOLATION="--budgets 0.9 --runs 5" isolation
set -euo pipefail
# shellcheck disable=SC2086 # several options
"$ACG_SRC/tests/bench/isolation" --data "$ACG_DATA" --out "$ACG_OUT" ${ISOLATION:-}

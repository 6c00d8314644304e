#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 memory=4G
# All traces of a folder, 50 times as fast as recorded and four at a time; what must hold is in tests/vm/tests/replay.sh.
#   tests/vm/run --data FOLDER replay-all
set -euo pipefail
shopt -s nullglob
traces=("$ACG_DATA"/*.json)
[ ${#traces[@]} -gt 0 ] || { echo "give a folder with traces: tests/vm/run --data FOLDER replay-all"; exit 77; }
exec "$ACG_SRC/tests/vm/tests/replay.sh" ${#traces[@]} 4 --speed 50 "${traces[@]}"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600
# As tests/vm/tests/graft.sh, with 200 sandboxes that have a view when the daemon stops for good.
set -euo pipefail
export ACG_BUILD
exec "$ACG_SRC/tests/vm/tests/graft.sh" 200

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 kernels=7.3
# The attacks of tests/host/hostile.sh, where there are limits to attack and a victim to kill.
set -euo pipefail
export ACG_BUILD
exec "$ACG_SRC/tests/host/hostile.sh" 300

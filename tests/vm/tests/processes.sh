#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 kernels=7.3
# The host's test of the same name: fewer processes in CI; all 5,000 in long/processes-all.sh.
exec "$ACG_SRC/tests/host/processes.sh" 200

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 kernels=6.12,7.3
# 5,000 short processes in 20 agents at once.
exec "$ACG_SRC/tests/host/processes.sh" 5000

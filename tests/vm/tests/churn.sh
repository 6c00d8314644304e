#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=240 kernels=6.12,7.3
# The host's test on this kernel, with fewer calls: emulation is slow (tests/vm/long/churn-all.sh has all of them).
exec "$ACG_SRC/tests/host/churn.sh" 400 40 200

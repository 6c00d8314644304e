#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=180 kernels=7.3
# The host's test of the same name, where there is a memory controller.
exec "$ACG_SRC/tests/host/auto.sh"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=120 kernels=7.3
# Containers that become agents, in short: tests/vm/long/containers.sh has all of it.
exec "$ACG_SRC/tests/vm/long/containers.sh" short

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 kernels=7.3
# The host's test of the same name: 5,000 processes on a kernel that takes BPF programs off their CPU.
exec "$ACG_SRC/tests/host/processes.sh"

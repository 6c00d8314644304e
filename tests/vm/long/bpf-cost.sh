#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=300 kernels=7.3,7.3-memcg_bpf_ops
# What agentcg's programs in the kernel cost each time that they run: tests/bench/bpf-cost.
exec "$ACG_SRC/tests/bench/bpf-cost" "${BPF_COST_SECONDS:-20}"

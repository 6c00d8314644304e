#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 systemd=yes
# What markers and reads cost, on this kernel, and beside peers; the figures come back as bench.json. Fails only if something does not
# work: how fast it is depends on the machine.
set -euo pipefail
lxcfs=/var/lib/lxcfs
if command -v lxcfs > /dev/null && ! mountpoint -q $lxcfs; then
	mkdir -p $lxcfs
	lxcfs -f $lxcfs > "$ACG_OUT/lxcfs.log" 2>&1 &
	for ((i = 0; i < 100; i++)); do if mountpoint -q $lxcfs; then break; fi; sleep 0.1; done
fi
"$ACG_SRC/tests/bench/run" --build "$ACG_BUILD" --json "$ACG_OUT/bench.json" --rounds "${BENCH_ROUNDS:-3}" \
	--count "${BENCH_COUNT:-60}"

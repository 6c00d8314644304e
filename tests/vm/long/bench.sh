#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900
# What markers and reads cost, on this kernel; the figures come back as bench.json. Fails only if something does not work:
# how fast it is depends on the machine.
exec "$ACG_SRC/tests/bench/run" --build "$ACG_BUILD" --json "$ACG_OUT/bench.json" --rounds "${BENCH_ROUNDS:-3}" \
	--count "${BENCH_COUNT:-60}"

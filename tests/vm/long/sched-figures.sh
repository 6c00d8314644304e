#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=3000 kernels=7.3
# The scheduler's figures beside those of the fair class and of the kernel's examples, if ACG_DATA has them in bin
# (tests/vm/run --data "$(tests/vm/make-peers)"). By --set: SCHED_MEASURES (see tests/bench/sched; all), SCHED_ROUNDS of each,
# SCHED_SECONDS of one, SCHED_SCHEDULERS.
set -euo pipefail
schedulers=(fair agentcg)
[ ! -x "$ACG_DATA/bin/scx_flatcg" ] || schedulers=(fifo fair agentcg flatcg simple)
# shellcheck disable=SC2086 # words
"$ACG_SRC/tests/bench/sched" --build "$ACG_BUILD" --peers "$ACG_DATA/bin" --seconds "${SCHED_SECONDS:-10}" \
	--rounds "${SCHED_ROUNDS:-3}" ${SCHED_SCHEDULERS:-"${schedulers[@]}"} -- ${SCHED_MEASURES:-} | tee "$ACG_OUT/sched.txt"

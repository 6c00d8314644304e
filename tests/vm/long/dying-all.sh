#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900
# 10,000 calls that each leave page cache behind; and what it costs to drop it.
set -euo pipefail
group=/sys/fs/cgroup/cost

usec() { echo $((${EPOCHREALTIME/./} - $1)); }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

# cost KIB: the median of what memory.reclaim takes for so much.
cost() {
	local i start
	for i in $(seq 9); do
		mkdir $group
		(echo 0 > $group/cgroup.procs && head -c "$1K" /dev/zero > /var/tmp/cost && sync /var/tmp/cost)
		start=${EPOCHREALTIME/./}
		echo "$(($1 * 1024)) swappiness=0" > $group/memory.reclaim 2> /dev/null || true
		usec "$start"
		rmdir $group
		rm /var/tmp/cost
	done | median
}
for kib in 64 1024 16384; do echo "dropping $kib KiB: $(cost $kib) us in the middle of 9"; done
exec "$ACG_SRC/tests/vm/tests/dying.sh" 10000 300

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 kernels=6.12,7.3
# What the option favordynmods of cgroup2 brings and costs: how long a write to cgroup.procs takes that comes some time after the last one, and how
# many processes a second can be forked, exit and be waited for (by one process, and by one on each CPU), in turns with the option and
# without it. Before all that without it as it is after the boot: newer kernels keep a part of it once it was on.
#
#   --set ROUNDS=N (15)   --set FORK_SECONDS=N (2)
set -euo pipefail
export LC_ALL=C
top=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
options=$(findmnt -n -o FS-OPTIONS "$top" | sed 's/^rw,//')
rounds=${ROUNDS:-15} seconds=${FORK_SECONDS:-2} moves=10
work=$(mktemp -d)
[[ ,$options, != *,favordynmods,* ]] || { echo "it is on already"; exit 77; }
mkdir -p "$top"/dynmods-cost/{a,b}
sleep infinity &
sleeper=$!
clean_up() {
	kill $sleeper && wait $sleeper 2> /dev/null || true
	mount -o "remount,$options" cgroup2 "$top"
	rmdir "$top"/dynmods-cost/{a,b} "$top"/dynmods-cost
}
trap clean_up EXIT

# Microseconds, of open, write and close.
move() {
	local start=${EPOCHREALTIME/./}
	echo $sleeper > "$top/dynmods-cost/$1/cgroup.procs"
	echo $((${EPOCHREALTIME/./} - start))
}

forks() { "$ACG_BUILD/tests/host/spawn" --forks "$seconds"; }

turn() { # NAME
	local i
	for ((i = 0; i < moves; i += 2)); do
		sleep 0.1
		move a >> "$work/move.$1"
		sleep 0.1
		move b >> "$work/move.$1"
	done
	forks >> "$work/one.$1"
	for ((i = 0; i < $(nproc); i++)); do forks > "$work/part.$i" & pids[i]=$!; done
	wait "${pids[@]}"
	awk '{ sum += $1 } END { print sum }' "$work"/part.* >> "$work/all.$1"
}

summary() { sort -g "$1" | awk '{ a[NR] = $1 } END { printf "%g (%g to %g)", a[int((NR + 1) / 2)], a[int((NR + 3) / 4)], a[int((3 * NR + 3) / 4)] }'; }
ratios() { paste "$1" "$2" | awk '{ print $1 / $2 }' > "$work/ratios"; summary "$work/ratios"; }

forks > /dev/null
for ((i = 0; i < rounds; i++)); do turn never; done
for ((i = 0; i < rounds; i++)); do
	mount -o "remount,$options,favordynmods" cgroup2 "$top"
	turn on
	mount -o "remount,$options" cgroup2 "$top"
	turn off
done
echo "medians and quartiles"
for state in never on off; do
	echo "$state: usec a move $(summary "$work/move.$state"); forks in $seconds s by one $(summary "$work/one.$state"), by one on each CPU $(summary "$work/all.$state")"
done
for how in one all; do
	echo "forks, $how: with it over without it, in turns $(ratios "$work/$how.on" "$work/$how.off"); with it over never $(ratios "$work/$how.on" "$work/$how.never"); without it over never $(ratios "$work/$how.off" "$work/$how.never")"
done
cp "$work"/{move,one,all}.* "$ACG_OUT" 2> /dev/null || true

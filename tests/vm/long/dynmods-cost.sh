#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=900 kernels=6.12,7.3
# What the option favordynmods of cgroup2 brings and costs: how long a write to cgroup.procs takes that comes a tenth of a second after the last
# one, and how many processes a second are forked, exit and are waited for (by one process, and by one on each CPU), with the option
# and without it in turns. Before all that, without it as it is after the boot: newer kernels keep a part of it once it was on. Of forks:
# the median of the rounds' ratios, and where it lies with 95 % certainty.
#
#   --set ROUNDS=N (30)
set -euo pipefail
export LC_ALL=C
top=$(findmnt -n -o TARGET -t cgroup2 | head -n 1)
options=$(findmnt -n -o FS-OPTIONS "$top" | sed 's/^rw,//')
rounds=${ROUNDS:-30} moves=40
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

moves() { # NAME
	local i
	for ((i = 0; i < moves; i += 2)); do
		sleep 0.1
		move a >> "$work/move.$1"
		sleep 0.1
		move b >> "$work/move.$1"
	done
}

forks() { "$ACG_BUILD/tests/host/spawn" --forks 1; }

forks_turn() { # NAME
	local i pids=()
	forks >> "$work/one.$1"
	for ((i = 0; i < $(nproc); i++)); do
		forks > "$work/part.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	awk '{ sum += $1 } END { print sum }' "$work"/part.* >> "$work/all.$1"
}

turn_on() { mount -o "remount,$options,favordynmods" cgroup2 "$top"; }
turn_off() { mount -o "remount,$options" cgroup2 "$top"; }

quartiles() { sort -g "$1" | awk '{ a[NR] = $1 } END { printf "%g (%g to %g)", a[int((NR + 1) / 2)], a[int((NR + 3) / 4)], a[int((3 * NR + 3) / 4)] }'; }
# By the binomial distribution, as in tests/bench/exec-cost.
ratio() {
	paste "$1" "$2" | awk '{ print $1 / $2 }' | sort -g | awk '{ a[NR] = $1 } END {
		half = 0.98 * sqrt(NR); low = int(NR / 2 - half); high = int(NR / 2 + 1.999 + half)
		if (low < 1) low = 1; if (high > NR) high = NR
		printf "%.3f (%.3f to %.3f)", a[int((NR + 1) / 2)], a[low], a[high] }'
}

forks > /dev/null
moves never
for ((i = 0; i < rounds / 3; i++)); do forks_turn never; done
turn_on
moves on
turn_off
moves off
for ((i = 0; i < rounds; i++)); do
	if ((i % 2)); then order="on off"; else order="off on"; fi
	for state in $order; do
		"turn_$state"
		forks_turn "$state"
	done
done
echo "medians and quartiles"
for state in never on off; do
	echo "$state: usec a move $(quartiles "$work/move.$state"); forks a second by one $(quartiles "$work/one.$state"), by one on each CPU $(quartiles "$work/all.$state")"
done
echo "forks with it over without it: by one $(ratio "$work/one.on" "$work/one.off"), by one on each CPU $(ratio "$work/all.on" "$work/all.off")"
cp "$work"/{move,one,all}.* "$ACG_OUT" 2> /dev/null || true

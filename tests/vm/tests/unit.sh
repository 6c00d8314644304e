#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The unit tests once more, as they were built for Debian 13, on the guest's kernel.
set -uo pipefail

failed=0 ran=0
for program in "$ACG_BUILD"/tests/unit/test_*; do
	[ -x "$program" ] || continue
	ran=$((ran + 1))
	if ! srcdir=$ACG_SRC "$program" > output 2>&1; then
		echo "unit: $(basename "$program") failed:"
		tail -n 40 output
		failed=$((failed + 1))
	fi
done
echo "unit: $ran programs, $failed failed"
[ "$ran" -gt 0 ] && [ "$failed" = 0 ]

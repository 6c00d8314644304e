#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Holds two rules of the source tree: dependencies go one way (tools -> fusefs -> policy -> bpf), and every source file is
# named in the Makefile, so that it is built, tested and in the tarball.
set -euo pipefail

cd "${srcdir:-$(dirname "$0")/../..}"
failures=0

fail()
{
	echo "$*"
	failures=$((failures + 1))
}

# check_layer DIR FORBIDDEN...: no file in DIR includes a header of the layers above it.
check_layer()
{
	local dir=$1 above found
	shift
	for above in "$@"; do
		found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]([./]*)$above/" "$dir" \
			--include='*.[ch]' || true)
		[ -z "$found" ] || fail "$dir includes from $above, which is above it:"$'\n'"$found"
	done
}

check_layer bpf policy fusefs tools tests
check_layer policy fusefs tools tests
check_layer fusefs tools tests
check_layer tools tests

# In a checkout what git knows, so that a file which somebody is still writing does not count.
source_files()
{
	if [ -e .git ] && command -v git > /dev/null; then
		git -c safe.directory='*' ls-files
	else
		find bpf policy fusefs tools tests -type f
	fi
}

# What automake takes along by itself, and what belongs to the checkout only.
needs_no_line()
{
	case $1 in
	configure.ac | *.am | .git* | .ci/*) return 0 ;;
	*) return 1 ;;
	esac
}

declare -A named
# shellcheck disable=SC2013 # words are what is wanted
for word in $(cat Makefile.am bpf/bpf.am); do
	named[$word]=1
done

# A program of one file, in tools or tests, is named without the suffix.
is_named()
{
	[ -n "${named[$1]:-}" ] || [[ $1 =~ ^(tests|tools)/.*\.c$ && -n "${named[${1%.c}]:-}" ]]
}

count=0
while read -r file; do
	count=$((count + 1))
	needs_no_line "$file" || is_named "$file" || fail "$file is not in Makefile.am"
done < <(source_files)
[ "$count" -gt 20 ] || fail "only $count files found: is $PWD the source tree?"

echo "$count files looked at, $failures faults"
[ "$failures" -eq 0 ]

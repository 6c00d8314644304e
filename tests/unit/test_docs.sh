#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Holds the manual pages to the programs: every verb and option of the programs that were built is in its page, every event in
# agentcg(7); the pages are without a warning; --help fits a screen; the completion knows every verb, and the agents of a tree.
set -euo pipefail

top=${srcdir:-$(dirname "$0")/../..}
agentcg=${AGENTCG:-tools/agentcg} agentcgd=${AGENTCGD:-tools/agentcgd}
failures=0

fail()
{
	echo "$*"
	failures=$((failures + 1))
}

# has WORD FILE: as a word of its own; in a page a dash may be written as \-.
has() { sed 's/\\-/-/g; s/Fl Fl /--/g' "$2" | grep -E -- "(^|[^A-Za-z0-9_-])$1([^A-Za-z0-9_-]|\$)" > /dev/null; }

# The long options that a --help shows.
options() { grep -oE '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u; }

check_options()
{
	local page=$1 what=$2 option
	shift 2
	while read -r option; do
		case $option in
		--help*) continue ;;
		esac
		has "$option" "$page" || fail "$what: option $option is not in ${page##*/}: add it there"
	done < <("$@" 2>&1 | options)
}

check_help()
{
	local lines
	lines=$("$@" 2>&1 | wc -l)
	if [ "$lines" -le 3 ] || [ "$lines" -gt 40 ]; then
		fail "$*: $lines lines do not fit a screen"
	fi
}

verbs=$("$agentcg" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
[ "$(wc -w <<< "$verbs")" -ge 4 ] || fail "agentcg --help names only: $verbs"
for verb in $verbs; do
	grep -qx "\.Ss $verb" "$top/tools/agentcg.1" || fail "verb $verb has no section in agentcg.1: add \".Ss $verb\""
	# What stands in the place of a shell has that shell's options.
	[ "$verb" = shell ] || check_options "$top/tools/agentcg.1" "agentcg $verb" "$agentcg" "$verb" --help
done
check_options "$top/tools/agentcgd.8" agentcgd "$agentcgd" --help
check_help "$agentcg" --help
check_help "$agentcgd" --help

# Events are named where they are made.
events=$(grep -ohE 'acg_(do|manager)_event\([^;"]*"[a-z_]+"' "$top"/policy/*.c | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
[ "$(wc -w <<< "$events")" -ge 15 ] || fail "only these events found: $events"
for event in $events; do
	has "$event" "$top/tools/agentcg.7" || fail "event $event is not in agentcg.7: add it under EVENTS"
done

# So are the mechanisms that `status` has a line for.
mechanisms=$(grep -ohE 'struct acg_mechanism [a-z]+ = \{(\.name = )?"[a-z_]+"' "$top"/policy/*.c | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u)
[ "$(wc -w <<< "$mechanisms")" -ge 3 ] || fail "only these mechanisms found: $mechanisms"
for mechanism in $mechanisms; do
	grep -qx "\.It Ic $mechanism" "$top/tools/agentcgd.8" || fail "mechanism $mechanism is not in agentcgd.8: add it under What enforces"
done

# check_page FILE: as groff sees it, and mandoc where it is there.
check_page()
{
	local said
	if command -v man > /dev/null && command -v groff > /dev/null; then
		said=$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l "$1" 2>&1 > /dev/null) || said="man failed: $said"
		[ -z "$said" ] || fail "${1##*/}: $said"
	fi
	if command -v mandoc > /dev/null; then
		said=$(mandoc -T lint -W warning "$1" 2>&1) || fail "${1##*/}: $said"
	fi
}

for page in agentcg.1 agentcg.7 agentcg.conf.5 agentcgd.8; do
	check_page "$top/tools/$page"
	# What it refers to is there.
	while read -r name section; do
		case $name in
		agentcg*) [ -f "$top/tools/$name.$section" ] || fail "$page refers to $name($section), which is not there" ;;
		esac
	done < <(sed -n 's/.*Xr \([a-z.]*\) \([0-9]\).*/\1 \2/p' "$top/tools/$page")
done

"$agentcgd" --check --config "$top/tools/agentcg.conf.example" > /dev/null || fail "the example is no good policy"

# --- the completion --------------------------------------------------------------------------------------------
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/agents/demo/calls/c1" "$tree/agents/ci-7"

# complete_words WORD...: what is offered for the last word.
complete_words()
{
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	AGENTCG_FS=$tree _agentcg "$agentcg"
	echo " ${COMPREPLY[*]} "
}

# shellcheck source=tools/completion/agentcg
. "$top/tools/completion/agentcg"
offered=$(complete_words agentcg '')
for verb in $verbs; do
	[[ $offered == *" $verb "* ]] || fail "the completion does not offer verb $verb"
done
[[ $(complete_words agentcg ls '') == *" demo "* ]] || fail "the completion does not offer agents"
[[ $(complete_words agentcg ls demo/) == *" demo/c1 "* ]] || fail "the completion does not offer calls"
[[ $(complete_words agentcg run --agent c) == " ci-7 " ]] || fail "the completion does not offer agents to run --agent"
[[ $(complete_words agentcg run --q) == *" --quiet "* ]] || fail "the completion does not offer options"
[[ $(complete_words agentcg run --cpu b) == " batch " ]] || fail "the completion does not offer classes"
[[ $(complete_words agentcg run -- bas) == *" bash "* ]] || fail "the completion does not offer commands after --"

echo "$(wc -w <<< "$verbs") verbs, $(wc -w <<< "$events") events, $failures faults"
[ "$failures" -eq 0 ]

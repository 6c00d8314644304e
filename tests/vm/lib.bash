# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts of tests/vm share: messages, keys, and the cache of things that are slow to make.
#
# The cache has one directory for each thing made: $vm_cache/KIND-KEY, where KEY is a hash of all that the thing depends
# on. A thing is made in .new-KIND, stamped with the sizes of its main files, then renamed: what has a right stamp is
# whole. Messages go to standard error, since the scripts print the thing's path on standard output.

set -euo pipefail

vm_prog=${0##*/}
vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # for those who read this file
vm_top=$(cd "$vm_dir/../.." && pwd)
vm_cache=${AGENTCG_CACHE:-/var/cache/agentcg}
vm_keep=2 # entries of one kind that are kept

vm_say() { printf '%s: %s\n' "$vm_prog" "$*" >&2; }
vm_die() { vm_say "$*"; exit 1; }

vm_need_root() { [ "$(id -u)" = 0 ] || vm_die "must be run as root"; }

# vm_key WORD...: a short hash of the words; vm_key_files FILE...: of the files' contents, without comments.
vm_key() { printf '%s\0' "$@" | sha256sum | cut -c1-16; }
vm_key_files() { sed '/^[[:space:]]*#/d' -- "$@" | sha256sum | cut -c1-16; }

# Descriptors of locks, which end with this script; vm_without_locks COMMAND... runs one that may leave processes behind.
vm_locks=()
vm_without_locks() (
	local fd
	for fd in "${vm_locks[@]}"; do exec {fd}>&-; done
	exec "$@"
)

# vm_lock NAME: holds an exclusive lock until the script ends; says so if it has to wait for it.
vm_lock() {
	local fd
	mkdir -p "$vm_cache"
	exec {fd}> "$vm_cache/.lock-$1"
	vm_locks+=("$fd")
	flock -n "$fd" && return
	vm_say "waiting for another process that has the lock '$1'"
	flock "$fd"
}

# vm_stamp DIR FILE...: what a whole entry's stamp says: the sizes of its main files.
vm_stamp() { (cd "$1" && shift && stat -L -c '%s %n' -- "$@"); }

vm_is_whole() {
	local stamp
	stamp=$(vm_stamp "$@" 2> /dev/null) && [ "$stamp" = "$(cat "$1/.stamp" 2> /dev/null)" ]
}

# vm_prune KIND: removes all entries of a kind but the ones used last. An entry that somebody holds (vm_hold) stays.
vm_prune() {
	local entry fd
	while read -r entry; do
		[ -n "$entry" ] || continue
		exec {fd}> "$entry/.hold" || continue
		if flock -n "$fd"; then
			rm -rf --one-file-system -- "$entry"
		fi
		exec {fd}>&-
	done < <(find "$vm_cache" -maxdepth 1 -name "$1-????????????????" -printf '%T@ %p\n' | sort -rn |
		cut -d' ' -f2- | tail -n +$((vm_keep + 1)))
}

# vm_hold ENTRY: keeps an entry from being pruned while this script and its children run.
vm_hold() {
	local fd
	exec {fd}> "$1/.hold"
	vm_locks+=("$fd")
	flock -s "$fd"
}

# vm_cached KIND KEY WHAT "FILE..." COMMAND...: makes an entry by `COMMAND... NEWDIR` unless it is there and whole, and
# prints its directory. WHAT says in words what is being made.
vm_cached() {
	local kind=$1 what=$3 entry=$vm_cache/$1-$2 new=$vm_cache/.new-$1 start=$SECONDS status
	local -a files
	read -ra files <<< "$4"
	shift 4
	vm_lock "$kind"
	if ! vm_is_whole "$entry" "${files[@]}"; then
		[ ! -e "$entry" ] || vm_say "$entry is damaged: making it again"
		vm_say "making $what (log: $vm_cache/$kind.log)"
		rm -rf --one-file-system -- "$new" "$entry"
		mkdir -p "$new"
		# Not as a condition: bash would then go on after an error inside the command.
		set +e
		(set -e; "$@" "$new"; vm_stamp "$new" "${files[@]}" > "$new/.stamp") \
			> "$vm_cache/$kind.log" 2>&1 < /dev/null
		status=$?
		set -e
		if [ "$status" != 0 ]; then
			tail -n 25 "$vm_cache/$kind.log" >&2
			vm_die "could not make $what: see above, and all of it in $vm_cache/$kind.log"
		fi
		mv -T "$new" "$entry"
		vm_say "made $what in $((SECONDS - start)) s"
	fi
	touch "$entry"
	vm_prune "$kind"
	echo "$entry"
}

# vm_mirrors SUITE: prints the address that this machine's apt has for a suite of its own release ("" is the main one,
# "-security", "-backports"); nothing if it has none.
vm_mirrors() {
	local codename
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v suite="$codename$1" '$2 == suite && $3 == "main" { print $1; exit }'
}

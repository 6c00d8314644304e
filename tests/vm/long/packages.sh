#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 systemd=yes
# The Debian packages, on a system that is run by systemd: installed, used, upgraded to those of another version, removed, and
# nothing is left. They come by
#   tests/vm/run --data "$(tests/vm/make-debs)" packages
set -euo pipefail
# shellcheck source=tests/vm/long/service.bash
. "$(dirname "$0")/service.bash"
in_init_namespace "$@"
compgen -G "$ACG_DATA/first/*.deb" > /dev/null || { echo "no packages in $ACG_DATA: see the head of this test"; exit 77; }
install_debs() { dpkg -i "$ACG_DATA/$1"/agentcg_*.deb "$ACG_DATA/$1"/agentcgd_*.deb "$ACG_DATA/$1"/agentcg-dev_*.deb || fail "dpkg"; }

# The guest has agentcg from the build, for the other tests (which are to come before this one); here the packages' own counts.
find /etc /usr -xdev -name '*agentcg*' -prune -exec rm -rf {} +
hash -r
systemctl daemon-reload
before=$(find /etc /usr /var/lib/systemd /run/agentcg /sys/fs/cgroup -xdev 2> /dev/null | grep agentcg | sort) || true
install_debs first
systemctl is-enabled agentcg && systemctl is-active agentcg || fail "the service does not run"
grep -q . /run/agentcg/fs/version || fail "no tree at /run/agentcg/fs"
/usr/bin/agentcg doctor || fail "doctor finds fault"
mkdir /run/agentcg/fs/agents/demo
sh -c 'echo $$ > /run/agentcg/fs/agents/demo/cgroup.procs; exec agentcg-shell -c "exit 3"' && fail "the exit status is lost"
until_true 'grep -q "\"command\":\"exit 3\"" /run/agentcg/fs/agents/demo/history'
[ -e /usr/share/zsh/vendor-completions/_agentcg ] && [ -e /usr/share/bash-completion/completions/agentcg ] || fail "no completion"
# The guest's dpkg leaves manual pages out: they are looked for in the packages.
for page in man1/agentcg.1 man7/agentcg.7 man5/agentcg.conf.5 man8/agentcgd.8; do
	for deb in "$ACG_DATA"/first/*.deb; do dpkg-deb -c "$deb"; done | grep "$page" > /dev/null || fail "no manual page $page"
done
cat > /tmp/marks.c << 'EOS'
#include <agentcg.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	char answer[AGENTCG_ANSWER_MAX];
	int fd = open(argv[argc - 1], O_RDWR), ret = agentcg_mark(fd, "begin by-header -- marks", answer);
	printf("%d %s\n", ret, answer);
	return ret != 0;
}
EOS
gcc -Wall -Werror -o /tmp/marks /tmp/marks.c
out=$(sh -c 'echo $$ > /run/agentcg/fs/agents/demo/cgroup.procs; exec /tmp/marks /run/agentcg/fs/self/call')
[ "$out" = "0 by-header" ] || fail "marking by the header: $out"

# An upgrade: agents, their calls and a sandbox's view go on, behind the same mount.
sh -c 'echo $$ > /run/agentcg/fs/agents/demo/cgroup.procs; exec agentcg run --id through -- sh -c "until [ -e /tmp/go-on ]; do sleep 0.2; done"' &
call=$!
agentcg enter demo -- sleep 86415 &
until_true 'grep -q running /run/agentcg/fs/agents/demo/calls/through/state && pgrep -x -f "sleep 86415"'
sandbox=$(pgrep -x -f "sleep 86415")
grep -q 'fuse.agentcg' "/proc/$sandbox/mountinfo" || fail "the sandbox has no view"
exec 7< /run/agentcg/fs/agents/demo/info
install_debs next
until_true 'grep -q next /run/agentcg/fs/version'
grep -q running /run/agentcg/fs/agents/demo/calls/through/state || fail "the upgrade ended a call"
[ "$(jq -r .name <&7)" = demo ] || fail "a file that was open before the upgrade does not answer"
exec 7<&-
touch /tmp/go-on
wait $call || fail "the call did not end well after the upgrade"
nsenter --target "$sandbox" --mount grep -q . /sys/fs/agentcg/info || fail "the view does not answer after the upgrade"

echo "# removed, while a sandbox has its view: the view is taken back, and the sandbox lives"
dpkg --remove agentcgd
kill -0 "$sandbox" || fail "the sandbox was killed"
! grep 'fuse.agentcg' "/proc/$sandbox/mountinfo" || fail "a dead mount is left in a sandbox"
kill "$sandbox"
dpkg --purge agentcg agentcgd agentcg-dev
[ ! -e /run/agentcg ] || { ls -R /run/agentcg; fail "/run/agentcg is left"; }
until_true '[ ! -e /sys/fs/cgroup/agentcg ] && [ ! -e /sys/fs/cgroup/agentcg-agents.service ]'
! pgrep -a agentcgd || fail "a daemon is left"
! mount | grep fuse.agentcg || fail "a mount is left"
systemctl daemon-reload
! systemctl cat agentcg > /dev/null 2>&1 && ! systemctl cat agentcg-agents > /dev/null 2>&1 || fail "a unit is left"
after=$(find /etc /usr /var/lib/systemd /run/agentcg /sys/fs/cgroup -xdev 2> /dev/null | grep agentcg | sort) || true
! comm -13 <(echo "$before") <(echo "$after") | grep . || fail "files are left"
echo ok

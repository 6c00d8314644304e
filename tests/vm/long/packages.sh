#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=600 systemd=yes
# The Debian packages, on a system that is run by systemd: installed, used, removed, and nothing is left. They come by
# `tests/vm/run --data DIR packages`, DIR being the folder that `make deb` filled (for Debian 13).
set -euo pipefail
fail() { echo "not ok: $*"; systemctl status agentcg --no-pager || true; exit 1; }
compgen -G "$ACG_DATA/*.deb" > /dev/null || { echo "no packages in $ACG_DATA: see the head of this test"; exit 77; }

# The guest has agentcg from the build, for the other tests; here the packages' own counts.
find /etc /usr -xdev -name '*agentcg*' -prune -exec rm -rf {} +
hash -r
systemctl daemon-reload
before=$(find /etc /usr /var/lib/systemd /run/agentcg /sys/fs/cgroup -xdev 2> /dev/null | grep agentcg | sort) || true
dpkg -i "$ACG_DATA"/agentcg_*.deb "$ACG_DATA"/agentcgd_*.deb "$ACG_DATA"/agentcg-dev_*.deb
systemctl is-active agentcg || systemctl start agentcg || fail "the service does not start"
for _ in $(seq 100); do [ ! -e /run/agentcg/fs/version ] || break; sleep 0.2; done
[ -e /run/agentcg/fs/version ] || fail "no tree at /run/agentcg/fs"
/usr/bin/agentcg doctor || true
mkdir /run/agentcg/fs/agents/demo
sh -c 'echo $$ > /run/agentcg/fs/agents/demo/cgroup.procs; exec agentcg-shell -c "exit 3"' && fail "the exit status is lost"
for _ in $(seq 50); do [ ! -s /run/agentcg/fs/agents/demo/history ] || break; sleep 0.2; done
grep -q '"command":"exit 3"' /run/agentcg/fs/agents/demo/history || fail "no call in the history"
[ -e /usr/share/zsh/vendor-completions/_agentcg ] && [ -e /usr/share/bash-completion/completions/agentcg ] || fail "no completion"
# The guest's dpkg leaves manual pages out: they are looked for in the packages.
for page in man1/agentcg.1 man7/agentcg.7 man5/agentcg.conf.5 man8/agentcgd.8; do
	for deb in "$ACG_DATA"/*.deb; do dpkg-deb -c "$deb"; done | grep "$page" > /dev/null || fail "no manual page $page"
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

# Installed once more, as an upgrade does it: agents and their calls go on, behind the same mount.
sh -c 'echo $$ > /run/agentcg/fs/agents/demo/cgroup.procs; exec agentcg run --id through -- sleep 20' &
for _ in $(seq 50); do grep -qs running /run/agentcg/fs/agents/demo/calls/through/state && break; sleep 0.2; done
dpkg -i "$ACG_DATA"/agentcg_*.deb "$ACG_DATA"/agentcgd_*.deb
grep -q running /run/agentcg/fs/agents/demo/calls/through/state || fail "the upgrade ended a call"
wait $! || fail "the call did not end well after the upgrade"
for _ in $(seq 50); do rmdir /run/agentcg/fs/agents/demo 2> /dev/null && break; sleep 0.2; done

dpkg --purge agentcg agentcgd agentcg-dev
[ ! -e /run/agentcg ] || { ls -R /run/agentcg; fail "/run/agentcg is left"; }
[ ! -e /sys/fs/cgroup/agentcg ] && [ ! -e /sys/fs/cgroup/agentcg-agents.service ] || fail "a cgroup is left"
! pgrep -a agentcgd || fail "a daemon is left"
! mount | grep -q agentcg || fail "a mount is left"
systemctl daemon-reload
! systemctl cat agentcg > /dev/null 2>&1 && ! systemctl cat agentcg-agents > /dev/null 2>&1 || fail "a unit is left"
after=$(find /etc /usr /var/lib/systemd /run/agentcg /sys/fs/cgroup -xdev 2> /dev/null | grep agentcg | sort) || true
diff <(echo "$before") <(echo "$after") || fail "files are left"
echo ok

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# Whose markers, or mkdir and rmdir, come without a pause is kept back while others are about, and only then; who opens `call` anew for
# each of his markers, as shells do, has his pauses seen. By the count of what was kept back.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$(dirname "$0")/daemon.bash"
start_daemon
mkdir "$AGENTCG_FS"/agents/{flood,quiet,one,two}
kept() { sed -n 's/^agentcg_markers_kept_back_total //p' "$AGENTCG_FS/metrics"; }

cat > "$work/flood" << 'EOS'
import os, sys
me = os.environ["AGENTCG_FS"] + "/agents/flood/"
call = os.open(me + "call", os.O_WRONLY)
for i in range(40):
    if sys.argv[1] == "markers":
        os.write(call, b"begin x pid=none")
        os.write(call, b"end x")
    else:
        os.mkdir(me + "calls/d")
        os.rmdir(me + "calls/d")
EOS
flood() { in_agent flood python3 "$work/flood" "$1"; }
# Beside one that is about, whenever this machine comes to it.
flood_beside() {
	local before
	before=$(kept)
	put_marker quiet "begin x pid=none"
	put_marker quiet "end x"
	flood "$1"
	[ "$(kept)" -gt "$before" ]
}
put_marker() { echo "$2" > "$AGENTCG_FS/agents/$1/call"; }

echo "# alone"
flood markers
flood mkdir
[ "$(kept)" = 0 ] || fail "$(kept) were kept back, with nobody about"

echo "# beside another agent"
until_true 'flood_beside markers'
until_true 'flood_beside mkdir'

echo "# two that open, mark and rest, in turns: nobody waits"
cat > "$work/rest" << 'EOS'
import os, time
def mark(agent, text):
    fd = os.open(os.environ["AGENTCG_FS"] + "/agents/" + agent + "/call", os.O_WRONLY)
    start = time.monotonic()
    os.write(fd, text)
    took = time.monotonic() - start
    os.close(fd)
    time.sleep(max(2 * took, 0.001)) # less than a flood would be kept back
for i in range(40):
    for agent in "one", "two":
        mark(agent, b"begin x pid=none")
        mark(agent, b"end x")
EOS
before=$(kept)
python3 "$work/rest"
[ "$(kept)" = "$before" ] || fail "$(($(kept) - before)) of 160 were kept back"
echo ok

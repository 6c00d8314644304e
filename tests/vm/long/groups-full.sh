#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vm: timeout=200 kernels=7.3,7.3-memcg_bpf_ops
# The map that the BPF programs know groups by is full: calls begin all the same, held by the cgroup files alone, which status says.
set -euo pipefail
# shellcheck source=tests/host/daemon.bash
. "$ACG_SRC/tests/host/daemon.bash"
pins=/sys/fs/bpf/agentcg-full
bpf=(--pin-dir "$pins")

cat > "$work/policy" << 'EOP'
sched = "off";
memory = { low = "16M"; };
agents = ({ match = "a"; budget = { memory = "128M"; swap = 0; }; caps = { memory = "64M"; swap = 0; }; self = { reserve = "8M"; }; });
EOP
start_daemon -c "$work/policy"
until_on monitor
mount=$AGENTCG_FS
mkdir "$mount/agents/a"

python3 - "$pins/agentcg_groups" "$(bpftool -j map show pinned "$pins/agentcg_groups" | jq .bytes_value)" << 'EOP'
import ctypes, errno, struct, sys
SYS_BPF, OBJ_GET, UPDATE = 321, 7, 2
libc = ctypes.CDLL(None, use_errno=True)
def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    return libc.syscall(SYS_BPF, command, buffer, 128)
path = ctypes.create_string_buffer(sys.argv[1].encode())
fd = bpf(OBJ_GET, struct.pack("QI", ctypes.addressof(path), 0))
assert fd >= 0
key = ctypes.create_string_buffer(8)
value = ctypes.create_string_buffer(int(sys.argv[2]))
made = 0
while True:
    struct.pack_into("Q", key, 0, (1 << 60) + made) # no cgroup's
    if bpf(UPDATE, struct.pack("IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)) < 0:
        assert ctypes.get_errno() == errno.E2BIG
        break
    made += 1
print("entries that nobody owns:", made)
EOP

bash -c 'echo 0 > "$0/agents/a/cgroup.procs"; echo "begin x memory=low -- x" > "$0/agents/a/call"; exec sleep 1000' "$mount" &
until_true '[ "$(cat "$mount/agents/a/calls/x/state")" = running ]'
grep '^monitor on .*the map of 65536 groups was full .* times: the cgroup tier alone served those' "$mount/status" || { cat "$mount/status"; fail "status"; }
[ "$(cat "$cgroups/a/call-x/memory.max")" = $((64 * 1024 * 1024)) ] || fail "memory.max is $(cat "$cgroups/a/call-x/memory.max")"
echo end x > "$mount/agents/a/call"
until_true '[ "$(cat "$mount/agents/a/calls/x/state")" = detached ]'
echo 1 > "$mount/agents/a/calls/x/cgroup.kill"
until_true 'grep "\"id\":\"x\"" "$mount/agents/a/history"'
until_true 'rmdir "$mount/agents/a"'
echo ok

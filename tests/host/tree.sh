#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# host: timeout=240
# The tree as a person and existing tools see it: names, modes, sizes, times, links, errors as on cgroupfs, find, poll(2),
# events and events_pipe, the kernel's files, pids in the reader's own namespace.
# shellcheck source=tests/lib.bash
. "$ACG_SRC/tests/lib.bash"
start
mkdir "$fs/agents/a" "$fs/agents/b"
spawn a 'exec sleep 1000'

echo "# names"
is "the root" "$(ls "$fs" | paste -sd' ')" \
	"README adopt adopt.error agents events events_pipe metrics policy policy.error status version"
for name in README agents call call.error calls events events_pipe feedback history info priority self status; do
	[ -e "$fs/agents/a/$name" ] || fail "an agent has no $name"
done
mkdir "$fs/agents/a/calls/c"
for name in command hint state feedback info; do
	[ -f "$fs/agents/a/calls/c/$name" ] || fail "a call has no $name"
done
kernels_files() { find "$1" -maxdepth 1 -type f -printf '%f\n' | grep -E '^(cgroup|memory|cpu|pids|io)\.' | sort; }
is "the kernel's files of a call" "$(kernels_files "$fs/agents/a/calls/c")" "$(kernels_files "$root/a/call-c")"
is "the kernel's files of an agent" "$(kernels_files "$fs/agents/a")" "$(kernels_files "$root/a")"
[ "$(wc -l < "$fs/README")" -le 24 ] || fail "README is longer than a screen"
[ "$(wc -L < "$fs/README")" -le 80 ] || fail "README is wider than a screen"
is "version" "$(cat "$fs/version")" "$(agentcgd --version | cut -d' ' -f2)"
like "status" "$(cat "$fs/status")" '^cgroup (on|degraded) .'

echo "# every file ends with a newline, and reading the tree from end to end never hangs"
find "$fs" -type f -perm -u+r ! -name events_pipe -print0 > "$work/files"
[ "$(tr -dc '\0' < "$work/files" | wc -c)" -gt 50 ] || fail "find finds few files"
python3 -c '
import sys
for name in open(sys.argv[1]).read().split("\0")[:-1]:
    text = open(name, "rb").read()
    if text and not text.endswith(b"\n"):
        sys.exit(name + " does not end with a newline")' "$work/files" || fail "reading every file"

echo "# attributes"
is "mode of a limit of a call" "$(stat -c '%A %s' "$fs/agents/a/calls/c/cgroup.freeze")" "-rw-rw-rw- 0"
is "mode of kill" "$(stat -c %A "$fs/agents/a/calls/c/cgroup.kill")" "--w--w--w-"
is "mode of a limit of an agent" "$(stat -c %A "$fs/agents/a/cgroup.freeze")" "-rw-r--r--"
is "mode of calls" "$(stat -c %A "$fs/agents/a/calls")" "drwxrwxrwx"
is "links of agents/" "$(stat -c %h "$fs/agents")" 4
made=$(stat -c %Y "$root/a/call-c") seen=$(stat -c %Y "$fs/agents/a/calls/c")
[ $((made - seen)) -le 30 ] && [ $((seen - made)) -le 30 ] || fail "times: $made, $seen"
is "inode" "$(stat -c %i "$fs/agents/a/calls/c")" $((($(stat -c %i "$root/a/call-c") << 8) + 1))
[ -w "$fs/agents/a/call" ] && [ -r "$fs/agents/a/info" ] && [ ! -w "$fs/agents/a/info" ] || fail "access(2)"
is "statfs" "$(stat -f -c '%t %l' "$fs")" "65735546 64" # FUSE_SUPER_MAGIC

echo "# links"
is "an agent's self" "$(readlink "$fs/agents/a/self")" .
refused "No such file or directory" cat "$fs/self/info"
is "self of a process" "$(in_agent a 'readlink "$fs/self"')" agents/a
is "self from inside" "$(in_agent a 'ls "$fs"; ls "$fs/agents"' | paste -sd' ')" "README agents self status version a"

echo "# errors, the kernel's own"
refused "No such file or directory" cat "$fs/agents/a/memory.nonsense"
refused "No such file or directory" cat "$fs/agents/nobody/info"
refused "File exists" mkdir "$fs/agents/a"
refused "Operation not permitted" mkdir "$fs/agents/a/other"
refused "Operation not permitted" rmdir "$fs/agents/a/calls"
refused "Operation not permitted" touch "$fs/agents/a/file"
refused "Operation not permitted" rm "$fs/agents/a/info"
refused "Operation not permitted" mv "$fs/agents/a" "$fs/agents/c"
refused "Operation not permitted" chmod 777 "$fs/agents/a/info"
refused "Invalid argument" mkdir "$fs/agents/.a"
refused "Invalid argument" mkdir "$fs/agents/with blank"
refused "Invalid argument" put "$fs/agents/a/calls/c/cgroup.freeze" 7
refused "Invalid argument" put "$fs/agents/a/cgroup.procs" x
refused "No such process" put "$fs/agents/a/cgroup.procs" 4194304
refused "Permission denied" put "$fs/agents/a/info" x
refused "Permission denied" cat "$fs/agents/a/calls/c/cgroup.kill"
refused "Device or resource busy" rmdir "$fs/agents/a"
exec {gone}< "$fs/agents/a/calls/c/cgroup.events"
rmdir "$fs/agents/a/calls/c"
[ ! -e "$fs/agents/a/calls/c" ] || fail "rmdir of a call"
refused "No such device" cat <&"$gone"
exec {gone}<&-

echo "# the kernel's files say what cgroupfs says"
for file in cgroup.events cgroup.controllers cgroup.type pids.max memory.max cpu.weight; do
	[ ! -e "$root/a/$file" ] || is "$file" "$(cat "$fs/agents/a/$file")" "$(cat "$root/a/$file")"
done
like "cpu.stat" "$(cat "$fs/agents/a/cpu.stat")" '^usage_usec [0-9]'

echo "# poll(2) on cgroup.events, as on cgroupfs: ready until it is read, then when it changes"
cat > "$work/poll.py" << 'EOS'
import os, select, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
p = select.poll()
p.register(fd, select.POLLPRI)
assert p.poll(0), "not ready before the first read"
os.read(fd, 4096)
assert not p.poll(0), "ready without a change"
print("waiting", flush=True)
events = p.poll(60000)
assert events and events[0][1] & select.POLLPRI and events[0][1] & select.POLLERR, events
os.lseek(fd, 0, 0)
print(os.read(fd, 4096).decode().split("\n")[0], flush=True)
EOS
mkdir "$fs/agents/a/calls/p"
python3 "$work/poll.py" "$fs/agents/a/calls/p/cgroup.events" > "$work/polled" &
poller=$!
eventually grep -qx waiting "$work/polled" || fail "the poller does not wait"
sleep 1000 &
sleeper=$!
echo $sleeper > "$fs/agents/a/calls/p/cgroup.procs"
wait $poller || fail "the poller failed"
is "poll" "$(tail -n 1 "$work/polled")" "populated 1"
refused "Device or resource busy" rmdir "$fs/agents/a/calls/p"

echo "# events: the last ones, then the end; events_pipe: those to come, to each reader"
seqs() { jq -r .seq | paste -sd' '; }
like "events" "$(jq -r '[.event,.agent,.call]|join(" ")' "$fs/events")" '^begin a p$'
jq -e 'has("seq") and has("time") and has("event")' "$fs/events" > /dev/null || fail "an event without seq, time, event"
head -n 2 "$fs/events_pipe" > "$work/one" &
one=$!
head -n 1 "$fs/agents/a/events_pipe" > "$work/two" &
two=$!
head -n 1 "$fs/agents/b/events_pipe" > "$work/three" &
three=$!
for reader in $one $two $three; do
	eventually sh -c "ls -l /proc/$reader/fd | grep -q events_pipe"
done
echo low > "$fs/agents/a/priority"
echo high > "$fs/agents/b/priority"
wait $one $two $three
is "the reader of all" "$(jq -r .agent "$work/one" | paste -sd' ')" "a b"
is "the reader of a" "$(jq -r '.agent + " " + .text' "$work/two")" "a low"
is "the reader of b" "$(jq -r '.agent + " " + .text' "$work/three")" "b high"
cat > "$work/pipe.py" << 'EOS'
import errno, json, os, select, signal, sys, time
fs = sys.argv[1]
def write(file, text):
    fd = os.open(fs + file, os.O_WRONLY); os.write(fd, text); os.close(fd)
fd = os.open(fs + "/events_pipe", os.O_RDONLY | os.O_NONBLOCK)
try:
    os.read(fd, 4096); raise SystemExit("a read without events did not fail")
except BlockingIOError:
    pass
p = select.poll(); p.register(fd, select.POLLIN)
assert not p.poll(0), "ready without an event"
write("/agents/a/priority", b"normal\n")
assert p.poll(60000) == [(fd, select.POLLIN)], "poll"
assert json.loads(os.read(fd, 65536))["text"] == "normal"
assert not p.poll(0)
# a slow reader loses the oldest and is told how many
for i in range(1200):
    write("/agents/a/priority", b"low\n" if i % 2 else b"high\n")
lines = []
while True:
    try:
        data = os.read(fd, 65536)
    except BlockingIOError:
        break
    lines += [json.loads(line) for line in data.decode().splitlines()]
assert lines[0]["event"] == "lost", lines[0]
assert lines[0]["lines"] + len(lines) - 1 == 1200, (lines[0], len(lines))
# a signal ends a read that waits, at once
os.set_blocking(fd, True)
class Alarm(Exception): pass
def on_alarm(*_): raise Alarm
signal.signal(signal.SIGALRM, on_alarm)
try:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    os.read(fd, 4096); raise SystemExit("an interrupted read did not end")
except Alarm:
    pass
EOS
python3 "$work/pipe.py" "$fs" || fail "events_pipe"

echo "# a reader that waits can be killed and frozen"
cat "$fs/agents/a/events_pipe" > /dev/null &
reader=$!
eventually sh -c "readlink /proc/$reader/fd/3 | grep -q events_pipe"
echo $reader > "$fs/agents/a/calls/p/cgroup.procs"
echo 1 > "$fs/agents/a/calls/p/cgroup.freeze"
eventually grep -q 'frozen 1' "$fs/agents/a/calls/p/cgroup.events" || fail "a waiting reader cannot be frozen"
is "state" "$(cat "$fs/agents/a/calls/p/state")" frozen
echo 0 > "$fs/agents/a/calls/p/cgroup.freeze"
kill -9 $reader 2> /dev/null || true
wait $reader 2> /dev/null || true
mkdir "$fs/agents/c"
cat "$fs/agents/c/events_pipe" > "$work/end" &
reader=$!
eventually sh -c "readlink /proc/$reader/fd/3 | grep -q events_pipe"
eventually grep -qE '^(0|63) 0x3 ' /proc/$reader/syscall || fail "it does not wait in read(2)"
rmdir "$fs/agents/c"
wait $reader || fail "the end of an agent is no end of file for its reader"

echo "# pids are in the reader's own namespace"
cat > "$work/inner" << 'EOS'
echo 0 > "$fs/agents/a/cgroup.procs"
echo "mine $BASHPID"
cat "$fs/self/cgroup.procs"
sleep 100 &
echo "begin n pid=$!" > "$fs/self/call" || exit 1
echo "child $! $(cat "$fs/self/calls/n/cgroup.procs") $(jq .pid "$fs/self/calls/n/info")"
kill $!
until grep -q '"id":"n"' "$fs/self/history"; do sleep 0.1; done
echo "history $! $(grep '"id":"n"' "$fs/self/history" | jq .pid)"
EOS
unshare --pid --fork --mount-proc bash "$work/inner" > "$work/out" || fail "$(cat "$work/out")"
pid=$(sed -n 's/^mine //p' "$work/out")
grep -qx "$pid" "$work/out" || fail "cgroup.procs in a pid namespace: $(cat "$work/out")"
grep -qx 0 "$work/out" || fail "processes that are not there are 0, as the kernel has it: $(cat "$work/out")"
read -r _ pid seen info < <(grep ^child "$work/out")
is "cgroup.procs" "$seen" "$pid"
is "pid of info" "$info" "$pid"
read -r _ pid seen < <(grep ^history "$work/out")
is "pid of history" "$seen" "$pid"
kill $sleeper
echo "ok"

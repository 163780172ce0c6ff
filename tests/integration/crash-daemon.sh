#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon, while files are written and at every step of mount and umount: what was
# synced is there when the mount is resumed, the list tells what is dead, umount cleans it up.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
need python3
need_fuse
fault_build

mnt=$work/mnt
mkdir "$mnt"
sample_rootfs "$work/rootfs"
"$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null

field() { # field ID NAME: of a mount in the list
    "$CLOUDFS" mount --json >"$work/mounts.json"
    json "$work/mounts.json" "[m.get('$2', '') for m in d if m['Id'].startswith('$1')][0]"
}
kill_daemon() {
    pid=$(field "$1" Pid)
    kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
}

# ---- a writer that logs what it has synced ----
cat >"$work/writer.py" <<'P'
import os, sys
top, log = sys.argv[1], os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
def sync(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
n = 0
try:
    while True:
        n += 1
        name = f"d{n % 7}/f{n}"
        os.makedirs(f"{top}/d{n % 7}", exist_ok=True)
        body = (f"{n} " * (1 + n * 37 % 9000)).encode()
        fd = os.open(f"{top}/{name}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        for i in range(0, len(body), 5000):
            os.write(fd, body[i:i + 5000])
        os.fsync(fd)
        os.close(fd)
        os.rename(f"{top}/{name}.new", f"{top}/{name}")
        if n % 5 == 0:  # a file of the image: copied up by the first write
            fd = os.open(f"{top}/etc/daemon.json", os.O_WRONLY | os.O_APPEND)
            os.write(fd, f"{n}\n".encode())
            os.fsync(fd)
            os.close(fd)
        sync(f"{top}/d{n % 7}")
        os.write(log, f"{n} {name} {len(body)}\n".encode())
except OSError as e:
    print(f"{n}: {e.strerror}")
P
cat >"$work/check.py" <<'P'
import sys
top, count, last = sys.argv[1], 0, 0
for line in open(sys.argv[2]):
    n, name, size = line.split()
    with open(f"{top}/{name}", "rb") as f:
        got = f.read()
    n = int(n)
    assert got == (f"{n} " * (1 + n * 37 % 9000)).encode(), f"{name} is not what was synced"
    count, last = count + 1, n
lines = open(f"{top}/etc/daemon.json").read().split("\n")
assert lines[0] == '{"debug": false}', lines[0]
assert [int(x) for x in lines[1:] if x][:last // 5] == list(range(5, last + 1, 5)), "daemon.json lost writes"
print(count, "synced files are there")
P
for seconds in 0.3 0.6 1.1; do
    rm -f "$work/synced"
    "$CLOUDFS" mount base:1 "$mnt"
    id=$("$CLOUDFS" mount -q | tail -n 1)
    python3 "$work/writer.py" "$mnt" "$work/synced" >"$work/writer.out" &
    writer=$!
    sleep "$seconds"
    kill_daemon "$id"
    wait "$writer"
    grep -qE 'not connected|abort|Input/output' "$work/writer.out" || fail "the writer: $(cat "$work/writer.out")"
    eq "$(field "$id" State)" dead
    store_whole "the daemon was killed"
    "$CLOUDFS" mount --resume "$id"
    eq "$(field "$id" State)" mounted
    python3 "$work/check.py" "$mnt" "$work/synced"
    echo more >"$mnt/after"
    "$CLOUDFS" umount "$mnt"
    "$CLOUDFS" mount --resume "$id" "$mnt"
    eq "$(cat "$mnt/after")" more
    "$CLOUDFS" umount --discard "$mnt"
    eq "$("$CLOUDFS" mount -q)" ""
    store_tidy "a daemon was killed and its mount discarded"
done

# ---- what umount and mount say of a dead one, beside an idle one of the same place ----
"$CLOUDFS" mount base:1 "$mnt"
echo idle >"$mnt/x"
idle=$("$CLOUDFS" mount -q)
"$CLOUDFS" umount "$mnt"
"$CLOUDFS" mount base:1 "$mnt"
echo dead >"$mnt/x"
dead=$("$CLOUDFS" mount -q | grep -v "$idle")
kill_daemon "$dead"
eq "$(field "$idle" State)/$(field "$dead" State)" unmounted/dead
fails_with 1 'daemon is gone' "$CLOUDFS" mount base:1 "$mnt"
"$CLOUDFS" umount "$mnt"
[ -z "$(ls -A "$mnt")" ] || fail "the dead mount is still there"
eq "$(field "$dead" State)" unmounted
fails_with 1 'means 2 mounts' "$CLOUDFS" mount --resume "$mnt"
"$CLOUDFS" mount --resume "$dead"
eq "$(cat "$mnt/x")" dead
kill_daemon "$dead"
"$CLOUDFS" umount --discard "$mnt"
eq "$("$CLOUDFS" mount -q)" "$idle"
"$CLOUDFS" mount --resume "$idle"
eq "$(cat "$mnt/x")" idle
kill_daemon "$idle"
umount -l "$mnt" # by hand
eq "$(field "$idle" State)" unmounted
"$CLOUDFS" umount --discard "$idle"
store_tidy "dead mounts"

# ---- mount, killed at each of its steps: its own process, and the daemon ----
n=0
while :; do
    n=$((n + 1))
    status=0
    fault kill "$n" "$CLOUDFS" mount base:1 "$mnt" >"$work/out" 2>"$work/err" || status=$?
    done=0
    fault_done && done=1
    # Also a mount that was not touched is dead now: fault kills what goes on in the background.
    for id in $("$CLOUDFS" mount -q); do
        while [ "$(field "$id" State)" = mounted ]; do sleep 0.01; done
        "$CLOUDFS" umount --discard "$id" || fail "cannot discard after step $n of mount"
    done
    mountpoint -q "$mnt" && fail "still mounted after step $n of mount"
    store_tidy "step $n of mount"
    "$CLOUDFS" mount base:1 "$mnt" || fail "the next mount after step $n"
    echo x >"$mnt/etc/new"
    "$CLOUDFS" umount --discard "$mnt"
    [ "$done" = 0 ] || break
done
eq "$status" 0
echo "$((n - 1)) steps: mount"

# ---- umount and umount --discard likewise ----
for discard in '' --discard; do
    n=0
    while :; do
        n=$((n + 1))
        "$CLOUDFS" mount base:1 "$mnt"
        echo x >"$mnt/etc/new"
        id=$("$CLOUDFS" mount -q)
        status=0
        # shellcheck disable=SC2086 # an option or nothing
        fault kill "$n" "$CLOUDFS" umount $discard "$mnt" || status=$?
        done=0
        fault_done && done=1
        [ "$done" = 1 ] || eq "$status" 137
        if mountpoint -q "$mnt"; then "$CLOUDFS" umount "$mnt"; fi
        store_whole "step $n of umount $discard"
        if [ -z "$discard" ]; then
            "$CLOUDFS" mount --resume "$id"
            eq "$(cat "$mnt/etc/new")" x
            "$CLOUDFS" umount "$mnt"
        fi
        for left in $("$CLOUDFS" mount -q); do
            "$CLOUDFS" umount --discard "$left"
        done
        store_tidy "step $n of umount $discard"
        [ "$done" = 0 ] || break
    done
    eq "$status" 0
    echo "$((n - 1)) steps: umount $discard"
done

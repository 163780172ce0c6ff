#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk of the upper gets full while four processes write, copy up and map: ENOSPC and no other error,
# what was synced stays, removing makes space, and everything works again; also after a remount.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3 mkfs.ext4

disk=$work/disk m=$work/m
mkdir -p "$disk" "$m" "$work/src"
truncate -s 96M "$work/disk.img"
mkfs.ext4 -q -m 0 -N 6000 "$work/disk.img"
mount -o loop "$work/disk.img" "$disk" 2>/dev/null || skip "no loop devices here"
export CLOUDFS_ROOT=$disk/store
for i in $(seq 0 19); do
    { printf 'old%02d' "$i" && head -c 1000000 /dev/zero | tr '\0' "$((i % 10))"; } >"$work/src/lower$i"
done
"$CLOUDFS" -q import "$work/src" -t full:1 >/dev/null
"$CLOUDFS" mount full:1 "$m"
id=$("$CLOUDFS" -q mount)

cat >"$work/fill.py" <<'P'
import errno, mmap, os, sys
top, log, turn = sys.argv[1], sys.argv[2], sys.argv[3]


def whole(fd, data):
    while data:
        data = data[os.write(fd, data):]


def new_files(note, n):
    for k in range(10 ** 6):
        fd = os.open(f"{top}/new{n}-{turn}-{k}", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for i in range(20):
            whole(fd, b"%07d\n" % k * 2000)
            os.fsync(fd)
            note(f"new{n}-{turn}-{k} {16000 * (i + 1)} {k}")
        os.close(fd)


def copy_ups(note, n):
    for k in range(20):
        fd = os.open(f"{top}/lower{k}", os.O_WRONLY | os.O_APPEND)
        whole(fd, b"+" * 1000)
        os.fsync(fd)
        note(f"lower{k} +")
        os.close(fd)
    new_files(note, n)


def mapped(note, n):
    """Space is reserved first: a page without any would be a SIGBUS, as on ext4."""
    for k in range(10 ** 6):
        fd = os.open(f"{top}/map{n}-{turn}-{k}", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(fd, 0, 320000)
        with mmap.mmap(fd, 320000) as pages:
            pages[:] = b"%07d\n" % k * 40000
            pages.flush()
        os.fsync(fd)
        note(f"map{n}-{turn}-{k} 320000 {k}")
        os.close(fd)


for n, work in enumerate((new_files, new_files, copy_ups, mapped)):
    if os.fork() == 0:
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            work(lambda text: os.write(fd, text.encode() + b"\n"), n)
        except OSError as e:
            if e.errno != errno.ENOSPC:
                print(f"{n}: {e}", file=sys.stderr)
            os._exit(e.errno != errno.ENOSPC)
sys.exit(any([os.wait()[1] for _ in range(4)]))
P
cat >"$work/check.py" <<'P'
import os, sys
top, synced, plus = sys.argv[1], {}, set()
for line in open(sys.argv[2]):
    name, size, *k = line.split()
    if size == "+":
        plus.add(name)
    elif os.path.exists(f"{top}/{name}") or name not in sys.argv[3:]:
        synced[name] = (int(size), int(k[0]))
for name, (size, k) in synced.items():
    with open(f"{top}/{name}", "rb") as f:
        data = f.read()
    assert data[:size] == (b"%07d\n" % k * 40000)[:size], f"{name} lost what was synced: {len(data)} of {size}"
for i in range(20):
    with open(f"{top}/lower{i}", "rb") as f:
        data = f.read()
    old = b"old%02d" % i + b"%d" % (i % 10) * 1000000
    assert data.startswith(old) and not data[len(old):].strip(b"+"), f"lower{i} is half"
    assert f"lower{i}" not in plus or len(data) >= len(old) + 1000, f"lower{i} lost what was synced"
print(len(synced), "files,", len(plus), "copied up")
P
removed=
for turn in 1 2; do
    timeout 120 python3 "$work/fill.py" "$m" "$work/log" "$turn" || fail "an error that is not ENOSPC"
    # shellcheck disable=SC2086 # a list of names
    python3 "$work/check.py" "$m" "$work/log" $removed
    # On the full disk: what needs no space works, and removing gives some.
    mv "$m/map3-$turn-0" "$m/moved" && mv "$m/moved" "$m/map3-$turn-0"
    for name in $(cd "$m" && ls -d new0-"$turn"-* | head -n 20); do
        rm "$m/$name"
        removed="$removed $name"
    done
    "$CLOUDFS" umount "$m"
    "$CLOUDFS" mount --resume "$id"
    # shellcheck disable=SC2086 # a list of names
    python3 "$work/check.py" "$m" "$work/log" $removed
    "$CLOUDFS" fsck >"$work/fsck" || fail "$(cat "$work/fsck")"
done
# Space for a commit too, and it holds what the mount shows.
rm -f "$m"/new*
"$CLOUDFS" -q commit "$m" -t full:2 >/dev/null
mkdir "$work/image"
"$CLOUDFS" mount --ro full:2 "$work/image"
diff -r "$m" "$work/image" || fail "the commit is not what the mount shows"
"$CLOUDFS" umount "$work/image"
"$CLOUDFS" umount --discard "$m"

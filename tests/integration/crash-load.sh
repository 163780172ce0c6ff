#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of the daemon while eight processes write: what was synced is there after a resume, each file
# is old or new and nothing half, and work goes on. CRASH_ROUNDS=N (default 3) kills so many times.
. "$(dirname "$0")/../lib/lib.sh"
need python3
need_fuse

m=$work/m
mkdir -p "$work/src/lower" "$m"
for i in $(seq 0 39); do
    # A copy-up of 2 MB takes a moment: some kills come in the middle.
    { printf 'old%02d' "$i" && head -c 2000000 /dev/zero | tr '\0' "$((i % 10))"; } >"$work/src/lower/$i"
done
"$CLOUDFS" -q import "$work/src" -t load:1 >/dev/null
"$CLOUDFS" mount load:1 "$m"
id=$("$CLOUDFS" -q mount)

# Each worker notes what it has synced in a log outside; a line is written when it is certain.
cat >"$work/workers.py" <<'P'
import mmap, os, random, sys
top, log, round_number = sys.argv[1], sys.argv[2], int(sys.argv[3])


def synced(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    os.fsync(fd)
    os.close(fd)


def copy_ups(note, n):
    """Bytes are added to lower files: a file is what it was, or that and what was added."""
    rng = random.Random(n * 100 + round_number)
    while True:
        i = rng.randrange(40)
        if i % 2 != n % 2:
            continue
        fd = os.open(f"{top}/lower/{i}", os.O_WRONLY | os.O_APPEND)
        os.write(fd, b"+")
        os.fsync(fd)
        os.close(fd)
        note(f"+ {i}")


def replaced(note, n):
    """Files are replaced by rename: always whole."""
    for k in range(10 ** 9):
        name = f"{top}/r{n}-{k % 5}"
        with open(name + ".new", "wb") as f:
            f.write(b"%08d" % k * 3000)
            f.flush()
            os.fsync(f.fileno())
        os.rename(name + ".new", name)
        synced(top)
        note(f"r {n}-{k % 5} {k}")


def mapped(note, n):
    """Pages of a mapping, each with its number."""
    fd = os.open(f"{top}/m{n}-{round_number}", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 64 * 4096)
    with mmap.mmap(fd, 64 * 4096) as pages:
        for k in range(10 ** 9):
            at = k % 64 * 4096
            pages[at:at + 4096] = b"%08d" % k * 512
            pages.flush(at, 4096)
            os.fsync(fd)
            note(f"m {n}-{round_number} {k}")


def trees(note, n):
    """Directories made, renamed and removed; lower ones too."""
    for k in range(10 ** 9):
        os.makedirs(f"{top}/t{n}/{round_number}/{k}/a/b")
        with open(f"{top}/t{n}/{round_number}/{k}/a/b/file", "w") as f:
            f.write(str(k))
            f.flush()
            os.fsync(f.fileno())
        os.rename(f"{top}/t{n}/{round_number}/{k}/a", f"{top}/t{n}/{round_number}/{k}/moved")
        synced(f"{top}/t{n}/{round_number}/{k}")
        synced(f"{top}/t{n}/{round_number}")
        note(f"t {n}/{round_number}/{k}")


for n, work in enumerate((copy_ups, copy_ups, replaced, replaced, mapped, mapped, trees, trees)):
    if os.fork() == 0:
        fd = os.open(f"{log}.{n}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            work(lambda text: os.write(fd, text.encode() + b"\n"), n)
        except OSError as e:
            os._exit(0 if e.errno in (5, 103, 107) else print(f"{n}: {e}", file=sys.stderr) or 1)
        except SystemError:
            os._exit(0)
status = 0
for _ in range(8):
    _, one = os.wait()
    if one and one != 7:  # SIGBUS: a page of a mapping whose daemon is gone
        status = 1
sys.exit(status)
P
cat >"$work/check.py" <<'P'
import collections, glob, os, sys
top, count = sys.argv[1], 0
added, replaced, pages = collections.Counter(), {}, collections.defaultdict(dict)
for path in glob.glob(sys.argv[2] + ".*"):
    for line in open(path):
        kind, *rest = line.split()
        count += 1
        if kind == "+":
            added[int(rest[0])] += 1
        elif kind == "r":
            replaced[rest[0]] = int(rest[1])
        elif kind == "m":
            pages[rest[0]][int(rest[1]) % 64] = int(rest[1])
        else:
            with open(f"{top}/t{rest[0]}/moved/b/file") as f:
                assert f.read() == rest[0].split("/")[-1], rest[0]
for i in range(40):
    with open(f"{top}/lower/{i}", "rb") as f:
        data = f.read()
    old = b"old%02d" % i + b"%d" % (i % 10) * 2000000
    assert data.startswith(old) and set(data[len(old):]) <= {43}, f"lower/{i} is half"
    assert len(data) - len(old) >= added[i], f"lower/{i} lost what was synced"
for name in os.listdir(top):
    if name[0] == "r" and not name.endswith(".new"):
        with open(f"{top}/{name}", "rb") as f:
            data = f.read()
        assert len(data) == 24000 and data == data[:8] * 3000, f"{name} is half"
        assert int(data[:8]) >= replaced.get(name[1:], 0), f"{name} is older than what was synced"
for name, known in pages.items():
    with open(f"{top}/m{name}", "rb") as f:
        data = f.read()
    for page, k in known.items():
        assert int(data[page * 4096:page * 4096 + 8]) >= k, f"m{name}: page {page} is older than what was synced"
print(count, "synced steps are there")
P
for round in $(seq "${CRASH_ROUNDS:-3}"); do
    rm -f "$work"/log.*
    python3 "$work/workers.py" "$m" "$work/log" "$round" 2>"$work/workers.err" &
    workers=$!
    for _ in $(seq 600); do
        ! grep -L . "$work"/log.[0-7] 2>/dev/null | grep -q . && [ -e "$work/log.7" ] && break
        sleep 0.1 # a busy disk takes its time
    done
    sleep "0.$((RANDOM % 9 + 1))"
    pid=$(cat "$CLOUDFS_ROOT/mounts/$id/lock")
    kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
    wait "$workers" || fail "a worker: $(cat "$work/workers.err")"
    "$CLOUDFS" mount --resume "$id"
    python3 "$work/check.py" "$m" "$work/log"
    "$CLOUDFS" fsck >"$work/fsck" || fail "$(cat "$work/fsck")"
    # Nothing of it is left half in the upper either: a commit is what the mount shows.
    "$CLOUDFS" -q commit "$m" -t load:2 >/dev/null
    mkdir -p "$work/image"
    "$CLOUDFS" mount --ro load:2 "$work/image"
    diff -r --no-dereference "$m" "$work/image" || fail "the commit is not what the mount shows"
    "$CLOUDFS" umount "$work/image"
done
"$CLOUDFS" umount --discard "$m"

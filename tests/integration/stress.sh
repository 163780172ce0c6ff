#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# stress-ng's filesystem class and fio, both with --verify, and many writers and readers at once, whose
# files are then looked for by listing and by name, before and after a remount.
#   STRESS_SECONDS=N   each stressor and fio job so long (default 1), and all stressors of the class
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

m=$work/m control=$work/control
mkdir -p "$m" "$control" "$work/src/many"
for i in $(seq 200); do echo "lower $i" >"$work/src/many/$i"; done
"$CLOUDFS" -q import "$work/src" -t stress:1 >/dev/null
"$CLOUDFS" mount stress:1 "$m"
id=$("$CLOUDFS" -q mount)
seconds=${STRESS_SECONDS:-1}

remount() {
    "$CLOUDFS" umount "$m"
    "$CLOUDFS" mount --resume "$id"
}

# ---- stress-ng: what fails here must fail on the disk's own filesystem too ----
stress() { # stress DIRECTORY STRESSOR
    mkdir -p "$1/stress"
    (cd "$1/stress" && timeout -k 10 $((seconds + 60)) stress-ng --temp-path "$1/stress" --verify \
        --timeout "$seconds" --"$2" 2) >"$work/stress.out" 2>&1 || return 1
    ! grep -q 'fail:' "$work/stress.out" || return 1
    rm -rf "$1/stress"
}
# Those of the class that are not about a filesystem under test: binderfs, procfs, sysfs, ioprio ...
short='chmod dentry dirmany fallocate getdent link lockofd open rename utime'
more='access acl chattr chdir chown copy-file dir dirdeep dup fcntl fiemap file-ioctl filename flock fpunch
fsize fstat handle hdd inode-flags inotify io iomix lease locka lockf mknod symlink sync-file touch xattr'
if command -v stress-ng >/dev/null; then
    stress-ng --class 'filesystem?' >"$work/class" 2>&1 || true
    ran=0
    for stressor in $short ${STRESS_SECONDS:+$more}; do
        grep -qw -- "$stressor" "$work/class" || continue
        if ! stress "$m" "$stressor"; then
            cp "$work/stress.out" "$work/stress.mount"
            if stress "$control" "$stressor"; then
                cat "$work/stress.mount" >&2
                fail "stress-ng --$stressor fails on the mount, and not on the disk"
            fi
            skip_part "stress-ng --$stressor fails on the disk's own filesystem too"
        fi
        ran=$((ran + 1))
    done
    ls -RA "$m/stress" >"$work/left" 2>&1 || true
    rm -rf "$m/stress"
    [ ! -e "$m/stress" ] || fail "stress-ng's directory cannot be removed"
    echo "$ran stressors"
    "$CLOUDFS" fsck >/dev/null || fail "fsck after stress-ng"
else
    skip_part "no stress-ng here"
fi

# ---- fio: what was written is read again, after a remount too ----
fio_job() { # fio_job NAME OPTION...
    name=$1
    shift
    fio --name="$name" --directory="$m" --size=$((8 * seconds))m --verify=crc32c --verify_fatal=1 --verify_state_save=0 --rw=randwrite \
        --randseed=7 --group_reporting --output="$work/fio.out" "$@" >"$work/fio.err" 2>&1 || {
        cat "$work/fio.out" "$work/fio.err" >&2
        fail "fio $name $*"
    }
}
if command -v fio >/dev/null; then
    fio_job psync --ioengine=psync --bs=32k --numjobs=2
    fio_job mmap --ioengine=mmap --bs=4k --do_verify=1
    fio_job libaio --ioengine=libaio --direct=1 --bs=16k --iodepth=8
    fio_job mixed --ioengine=psync --rw=randrw --bs=4k --numjobs=2
    remount
    # Only the last writer of a block is known for blocks of one size.
    fio_job mmap --ioengine=psync --bs=4k --verify_only=1
    fio_job libaio --ioengine=libaio --direct=1 --bs=16k --iodepth=8 --verify_only=1
    rm -f "$m"/*.*.0
else
    skip_part "no fio here"
fi

# ---- 8 writers and 8 readers; everybody's files are there, by listing and by name ----
cat >"$work/crowd.py" <<'P'
import os, random, sys
top, files = sys.argv[1], int(sys.argv[2])
os.makedirs(top + "/shared", exist_ok=True)


def writer(n):
    """Makes, renames, and removes files in one directory of all; what stays is its manifest."""
    rng, mine = random.Random(n), {}
    for i in range(files):
        name, body = f"w{n}-{i}", f"{n} {i} " * rng.randint(1, 900)
        with open(f"{top}/shared/{name}.new", "w") as f:
            f.write(body)
        os.rename(f"{top}/shared/{name}.new", f"{top}/shared/{name}")
        mine[name] = body
        if i % 3 == 0:
            gone = rng.choice(sorted(mine))
            os.unlink(f"{top}/shared/{gone}")
            del mine[gone]
        if i % 10 == 0:
            os.makedirs(f"{top}/d{n}/{i}/x")
            os.rename(f"{top}/d{n}/{i}", f"{top}/shared/dir{n}-{i}")
        if i % 7 == 0:
            with open(f"{top}/many/{i % 200 + 1}", "a") as f:
                f.write("")
    with open(f"{sys.argv[3]}.{n}", "w") as f:
        for name, body in mine.items():
            f.write(f"{name}\t{body}\n")


def reader(n):
    rng = random.Random(n)
    for _ in range(files // 3):
        names = os.listdir(top + "/shared")
        for name in rng.sample(names, min(20, len(names))):
            try:
                st = os.lstat(f"{top}/shared/{name}")
                if os.path.isfile(f"{top}/shared/{name}"):
                    with open(f"{top}/shared/{name}") as f:
                        body = f.read()
                    if not name.endswith(".new") and body and len(set(body.split(" "))) > 3:
                        sys.exit(f"{name} holds parts of others: {sorted(set(body.split(' ')))[:9]}")
            except FileNotFoundError:
                pass


children = []
for n in range(16):
    pid = os.fork()
    if pid == 0:
        try:
            (writer if n < 8 else reader)(n)
        except BaseException as e:
            print(f"{n}: {e!r}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    children.append(pid)
sys.exit(any([os.waitpid(pid, 0)[1] for pid in children]))
P
cat >"$work/manifest.py" <<'P'
import os, sys
top, wanted = sys.argv[1], {}
for n in range(8):
    with open(f"{sys.argv[2]}.{n}") as f:
        wanted.update(line.rstrip("\n").split("\t") for line in f)
files = int(sys.argv[3])
wanted_dirs = {f"dir{n}-{i}" for n in range(8) for i in range(0, files, 10)}
names = os.listdir(top + "/shared")
assert len(names) == len(set(names)), "a name is listed twice"
assert set(names) == set(wanted) | wanted_dirs, sorted(set(names) ^ (set(wanted) | wanted_dirs))[:10]
for name, body in wanted.items():
    with open(f"{top}/shared/{name}") as f:
        assert f.read() == body, name
for name in wanted_dirs:
    assert os.listdir(f"{top}/shared/{name}") == ["x"], name
print(len(names), "names")
P
files=$((60 * seconds))
[ "$files" -lt 1500 ] || files=1500
timeout 250 python3 "$work/crowd.py" "$m" "$files" "$work/manifest" || fail "a writer or a reader failed"
python3 "$work/manifest.py" "$m" "$work/manifest" "$files"
echo 2 >/proc/sys/vm/drop_caches
python3 "$work/manifest.py" "$m" "$work/manifest" "$files"
remount
python3 "$work/manifest.py" "$m" "$work/manifest" "$files"
"$CLOUDFS" commit "$m" -t stress:2 >/dev/null
"$CLOUDFS" umount --discard "$m"
"$CLOUDFS" mount --ro stress:2 "$m"
python3 "$work/manifest.py" "$m" "$work/manifest" "$files"
"$CLOUDFS" umount "$m"
"$CLOUDFS" fsck >/dev/null || fail "fsck at the end"

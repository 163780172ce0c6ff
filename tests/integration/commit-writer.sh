#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Commits while writers run: what an image holds is one moment's, across files, and the writers wait
# only shortly; how long is printed, since the machine may be busy.
#   COMMIT_FILES=N COMMIT_MIB=N   what lies in the upper besides (default 2000, 40; the issue: 20000, 5000)
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

m=$work/m
mkdir -p "$work/src/d" "$m"
for i in 0 1 2 3 4 5 6 7; do printf '0 %.0s' $(seq 4000) >"$work/src/lower$i"; done
"$CLOUDFS" -q import "$work/src" -t writer:1 >/dev/null
"$CLOUDFS" mount writer:1 "$m"

# A writer counts in eight files, one after the other: at any moment no file is ahead of one before it,
# nor more than one behind. Every other one is written through a mapping, or replaced by rename.
cat >"$work/writer.py" <<'P'
import mmap, os, sys, time
top, kind, log = sys.argv[1], sys.argv[2], sys.argv[3]
names = [f"{top}/{'lower' if kind == 'lower' else kind}{i}" for i in range(8)]
fds = []
for name in names:
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, 20000)
    os.pwrite(fd, b"%016d" % 0, 4096)
    fds.append(fd)
n, worst, last = 0, 0.0, time.monotonic()
while not os.path.exists(log + ".stop"):
    n += 1
    text = b"%016d" % n
    for i, fd in enumerate(fds):
        if kind == "renamed":
            with open(names[i] + ".new", "wb") as f:
                f.write(bytes(4096) + text)
            os.rename(names[i] + ".new", names[i])
        else:
            os.pwrite(fd, text, 4096)
    now = time.monotonic()
    if os.path.exists(log + ".reset"):
        worst, last = 0.0, now
        os.unlink(log + ".reset")
    worst, last = max(worst, now - last), now
    if n % 64 == 0 or now - last > 0.05:
        with open(log + ".new", "w") as f:
            f.write(f"{n} {worst * 1000:.1f}\n")
        os.rename(log + ".new", log)
with open(log, "w") as f:
    f.write(f"{n} {worst * 1000:.1f}\n")
P
cat >"$work/torn.py" <<'P'
import sys
for kind in sys.argv[2:]:
    counts = []
    for i in range(8):
        with open(f"{sys.argv[1]}/{kind}{i}", "rb") as f:
            f.seek(4096)
            counts.append(int(f.read(16)))
    if sorted(counts, reverse=True) != counts or counts[0] - counts[-1] > 1:
        sys.exit(f"{kind} is torn: {counts}")
    print(f"{kind} {counts[0]}", end=" ")
print()
P
kinds='lower upper renamed'
start_writers() {
    rm -f "$work"/log.*
    pids=
    for kind in $kinds; do
        python3 "$work/writer.py" "$m" "$kind" "$work/log.$kind" &
        pids="$pids $!"
    done
    for kind in $kinds; do
        while [ ! -s "$work/log.$kind" ]; do sleep 0.05; done
    done
}
stop_writers() {
    for kind in $kinds; do touch "$work/log.$kind.stop"; done
    # shellcheck disable=SC2086 # a list
    wait $pids || fail "a writer failed"
}
# commits COUNT WHAT
commits() {
    for i in $(seq "$1"); do
        for kind in $kinds; do touch "$work/log.$kind.reset"; done
        for kind in $kinds; do
            while [ -e "$work/log.$kind.reset" ]; do sleep 0.01; done
        done
        begin=$(date +%s%N)
        "$CLOUDFS" commit "$m" -t "writer:c" >/dev/null || fail "commit $i"
        took=$((($(date +%s%N) - begin) / 1000000))
        sleep 0.3
        rm -rf "$work/out"
        mkdir "$work/out"
        for kind in $kinds; do
            for n in 0 1 2 3 4 5 6 7; do
                "$CLOUDFS" cat "writer:c:$kind$n" >"$work/out/$kind$n"
            done
        done
        # shellcheck disable=SC2086 # a list
        python3 "$work/torn.py" "$work/out" $kinds >"$work/counts" || fail "commit $i of $2"
        echo "$2: a commit of $took ms; the longest pause of a writer, ms: $(for kind in $kinds; do
            printf '%s ' "$(cut -d' ' -f2 "$work/log.$kind")"
        done)"
    done
}

start_writers
commits 2 "a small upper"
stop_writers

files=${COMMIT_FILES:-2000} mib=${COMMIT_MIB:-40}
python3 - "$m" "$files" "$mib" <<'P'
import os, sys
top, files, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(files):
    if i % 100 == 0:
        os.makedirs(f"{top}/many/{i // 100}")
    with open(f"{top}/many/{i // 100}/{i}", "w") as f:
        f.write(f"{i} " * 100)
for i in range(0, mib, 20):
    with open(f"{top}/big{i}", "wb") as f:
        for _ in range(min(20, mib - i)):
            f.write(os.urandom(1 << 20))
P
# What lies still is looked at before the freeze, and not again in it.
if command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; then
    "$CLOUDFS" commit "$m" -t writer:still >/dev/null
    sleep 0.2
    strace -f -X raw -e trace=ioctl,llistxattr,read -o "$work/trace" "$CLOUDFS" commit "$m" -t writer:still >/dev/null
    looks=$(awk '/ioctl.*0x6302/ {frozen = 1} /ioctl.*0x6303/ {frozen = 0} frozen {n++} END {print n + 0}' "$work/trace")
    grep -q 'ioctl.*0x6303' "$work/trace" || fail "no thaw in the trace"
    [ "$looks" -lt 100 ] || fail "while frozen, the commit of $files files that lie still made $looks reads"
    echo "$looks reads while frozen"
else
    skip_part "no strace here: what a commit reads while frozen"
fi
start_writers
commits 1 "$files files and $mib MiB, new"
commits 3 "$files files and $mib MiB, committed before"
stop_writers
"$CLOUDFS" commit "$m" -t writer:end >/dev/null
"$CLOUDFS" fsck >"$work/fsck" || fail "$(cat "$work/fsck")"
for kind in $kinds; do
    for n in 0 7; do
        "$CLOUDFS" cat "writer:end:$kind$n" | cmp - "$m/$kind$n"
    done
done
"$CLOUDFS" umount --discard "$m"

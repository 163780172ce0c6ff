#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Bad input of every kind gets one line that names what is wrong, and changes nothing: not the
# store, not the images, not the machine around it. What is odd but right works.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
need python3 tar

bad=$work/bad mnt=$work/mnt
mkdir "$mnt"
python3 "$top/tests/lib/bad_tars.py" "$bad"
"$CLOUDFS" -q import "$bad/good.tar" -t good:1 >/dev/null
names=$(store_names)

unchanged() {
    eq "$* $(store_names)" "$* $names"
    store_whole "$*"
}
# refused PATTERN COMMAND...: by the command cloudfs.
refused() {
    pattern=$1
    shift
    fails_with 1 "^cloudfs: .*$pattern" "$CLOUDFS" "$@"
    unchanged "$@"
}
refused_tar() {
    refused "$bad/$1: .*$2" import "$bad/$1" -t t:1
}

# ---- tars ----
refused_tar truncated.tar "entry 'bin/big': .*truncated"
refused_tar truncated-head.tar truncated
refused_tar truncated.tar.gz 'gzip data is truncated'
refused_tar corrupt.tar.gz 'gzip data is damaged'
refused_tar corrupt-middle.tar.gz 'gzip data is damaged'
refused_tar noise.tar 'no tar archive'
refused_tar empty.tar truncated
refused_tar checksum.tar checksum
refused_tar dotdot.tar "entry 'a/../../evil': .*leads out"
refused_tar dotdot-link.tar "entry 'l': .*leads out"
refused_tar hardlink-nothing.tar "entry 'l': .*'not/there'"
refused_tar hardlink-dir.tar "entry 'l': .*directory"
refused_tar long-name.tar '300 bytes'
refused_tar nul-name.tar "entry 'x'"
refused_tar huge.tar "entry 'huge': its size"
refused_tar huge-pax.tar "entry 'huge': .*range"
refused_tar negative.tar "entry 'neg': its size"
refused_tar huge-claim.tar "entry 'huge': |No space left"
refused_tar sparse-lies.tar "entry 's': its sparse map"
refused_tar sparse-overlap.tar "entry 's': its sparse map"
refused_tar sparse-beyond.tar "entry 's': its sparse map"
refused_tar sparse-exabyte.tar "entry 's': .*limit"
refused_tar bomb.tar.gz "entry 'zeros': .*limit"
refused_tar file-below-file.tar "entry 'ok/below': "
refused_tar file-below-link.tar "entry 'l/evil': "
refused_tar pax-size.tar 'extended header'
refused_tar unknown-type.tar "entry 'q': .*type"
refused_tar whiteout-root.tar 'whiteout of no name'
refused_tar whiteout-dot.tar 'whiteout of no name'
refused_tar whiteout-dot1.tar 'whiteout of no name'
if command -v zstd >/dev/null; then
    zstd -q "$bad/good.tar" -o "$bad/whole.tar.zst"
    head -c 150000 "$bad/whole.tar.zst" >"$bad/truncated.tar.zst"
    { head -c 150000 "$bad/whole.tar.zst" && printf XX && tail -c +150003 "$bad/whole.tar.zst"; } >"$bad/corrupt.tar.zst"
    refused_tar truncated.tar.zst zstd
    refused_tar corrupt.tar.zst zstd
fi
refused 'No such file' import "$work/none" -t t:1
refused 'no such image' import "$bad/good.tar" -t t:1 --base none:1
refused 'no image reference' import "$bad/good.tar" -t 'T:1'
(cd "$bad" && refused truncated import - -t t:1 <truncated.tar)

# ---- archives; the parts of an OCI layout are in tests/unit/test_archive.c ----
"$CLOUDFS" save --format oci-dir -o "$work/layout" good:1
"$CLOUDFS" save --format docker -o "$work/docker.tar" good:1
layer=$(find "$work/layout/blobs/sha256" -size +100k)
spoil() { # spoil COMMAND...: on a copy of the layout
    rm -rf "$work/spoilt"
    cp -a "$work/layout" "$work/spoilt"
    (cd "$work/spoilt" && eval "$*")
}
"$CLOUDFS" -q rmi good:1 >/dev/null
"$CLOUDFS" -q gc
names=$(store_names)
name=blobs/sha256/$(basename "$layer")
spoil rm "$name"
refused "$(basename "$layer" | cut -c1-12)" load -i "$work/spoilt"
spoil "printf X | dd of=$name bs=1 seek=200000 conv=notrunc status=none"
refused 'digest' load -i "$work/spoilt"
spoil "truncate -s 1000 $name"
refused 'layer|size' load -i "$work/spoilt"
spoil 'echo "{}" >index.json'
refused 'index.json' load -i "$work/spoilt"
spoil 'echo "{" >index.json'
refused 'index.json' load -i "$work/spoilt"
refused 'linux/s390x' load --platform linux/s390x -i "$work/layout"
refused 'no image archive' load -i "$bad/good.tar"
refused 'no tar archive' load -i "$bad/noise.tar"
head -c 100000 "$work/docker.tar" >"$work/cut.tar"
refused "cut.tar.* is cut off" load -i "$work/cut.tar"
"$CLOUDFS" -q load -i "$work/docker.tar" >/dev/null
names=$(store_names)

# ---- odd, but right ----
for odd in absolute twice links-out deep; do
    "$CLOUDFS" -q import "$bad/$odd.tar" -t "$odd:1" >/dev/null
done
eq "$("$CLOUDFS" cat absolute:1:abs/file)" abs
eq "$("$CLOUDFS" cat twice:1:f)" second
eq "$("$CLOUDFS" ls -l links-out:1 | sed -n 's/.* abs -> //p')" /etc
fails_with 1 . "$CLOUDFS" cat links-out:1:cycle
fails_with 1 . "$CLOUDFS" cat links-out:1:up/passwd
"$CLOUDFS" extract links-out:1 "$work/links"
eq "$(readlink "$work/links/up")" ../../../../etc
eq "$("$CLOUDFS" ls -R deep:1 | tail -n 1 | tr -dc / | wc -c)" 5000
"$CLOUDFS" extract deep:1 "$work/deep"
eq "$(find "$work/deep" -type f -printf '%d %s')" "5001 5"
rm -rf "$work/deep"

# ---- extract never leaves its directory ----
mkdir -p "$work/outside" "$work/dest"
printf 'untouched\n' >"$work/outside/big"
ln -s "$work/outside" "$work/dest/bin"
ln -s "$work/outside/big" "$work/dest/ok"
"$CLOUDFS" extract good:1 "$work/dest" >/dev/null 2>&1 || true
eq "$(ls "$work/outside"):$(cat "$work/outside/big")" big:untouched
# A symlink in one layer, a file "below" it in the next.
mkdir -p "$work/l1" "$work/l2/way"
ln -s "$work/outside" "$work/l1/way"
echo evil >"$work/l2/way/evil"
tar -C "$work/l2" -cf "$work/l2.tar" way/evil
"$CLOUDFS" -q import "$work/l1" -t hostile:1 >/dev/null
"$CLOUDFS" -q import "$work/l2.tar" --base hostile:1 -t hostile:2 >/dev/null
"$CLOUDFS" extract hostile:2 "$work/hostile"
eq "$(ls "$work/outside")" big
[ -d "$work/hostile/way" ] && [ ! -L "$work/hostile/way" ] || fail "way is not the directory of layer 2"
eq "$("$CLOUDFS" cat hostile:2:way/evil)" evil
names=$(store_names)

# ---- references, stores, mount points ----
refused 'no such image' cat none:1:x
refused 'no such image' tag none:1 x:1
refused 'no such image' rmi none:1
refused 'no such image' save -o "$work/none.tar" none:1
[ ! -e "$work/none.tar" ] || fail "save left a file"
refused 'no such image' mount none:1 "$mnt"
refused 'does not exist' mount good:1 "$work/nowhere"
refused 'not a directory' mount good:1 "$bad/good.tar"
refused 'not empty' mount good:1 "$work/outside"
refused 'no mount' umount "$work"
refused 'no mount' mount --resume 0123
refused 'no mount' commit "$work" -t x:1
touch "$work/file"
fails_with 1 "$work/file" "$CLOUDFS" --root "$work/file" images
fails_with 1 'no cloudfs store' "$CLOUDFS" --root "$work/outside" images
cp -a "$CLOUDFS_ROOT" "$work/newer"
rm -f "$work/newer/format"
echo 'cloudfs 99' >"$work/newer/format"
fails_with 1 'newer format' "$CLOUDFS" --root "$work/newer" images
if [ "$(id -u)" = 0 ]; then
    fails_with 1 'Permission denied' drop "$CLOUDFS" --root "$CLOUDFS_ROOT" images
    fails_with 1 'Permission denied' drop "$CLOUDFS" --root "$work/x" images
fi
fails_with 2 'usage' "$CLOUDFS" mount good:1
fails_with 2 'usage' "$CLOUDFS" frobnicate

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    # shellcheck disable=SC2016 # expanded by the inner shell
    fails_with 1 '/dev/fuse is missing' unshare -m sh -c \
        'mount -t tmpfs none /dev && "$CLOUDFS" mount good:1 "$0"' "$mnt"
    unchanged "mount without /dev/fuse"
fi
if ! can_fuse; then
    skip_part "no FUSE here: what is refused of mounts"
    store_tidy "bad input"
    exit 0
fi

# ---- mounts ----
"$CLOUDFS" mount good:1 "$mnt"
echo edit >"$mnt/ok"
refused 'is a cloudfs mount already' mount good:1 "$mnt"
refused 'in use by mount' rmi good:1
eq "$(cat "$mnt/ok")" edit
"$CLOUDFS" umount --discard "$mnt"

# The deep tree through a mount: found, and removed.
"$CLOUDFS" mount deep:1 "$mnt"
eq "$(find "$mnt" -type f -printf '%d %s')" "5001 5"
rm -rf "$mnt/d/d/d"
eq "$(find "$mnt" | wc -l)" 3
"$CLOUDFS" umount --discard "$mnt"
"$CLOUDFS" -q rmi deep:1 >/dev/null
names=$(store_names)

# commit while a writer goes on: a file is as it was at one moment (its lines count up from 1), and
# the mount goes on.
"$CLOUDFS" mount good:1 "$mnt"
cat >"$work/writer.py" <<'P'
import os, sys
for n in range(1, 10**9):
    with open(sys.argv[1] + "/log", "a") as f: f.write(f"{n}\n")
    with open(sys.argv[1] + "/new", "w") as f: f.write(f"{n}\n")
    os.rename(sys.argv[1] + "/new", sys.argv[1] + "/last")
P
python3 "$work/writer.py" "$mnt" 2>"$work/writer.err" &
writer=$!
until [ -e "$mnt/last" ]; do # python may take its time to begin
    kill -0 "$writer" || fail "the writer did not begin: $(cat "$work/writer.err")"
    sleep 0.05
done
for i in 1 2 3; do
    sleep 0.2
    "$CLOUDFS" -q commit "$mnt" -t "busy:$i" >/dev/null
    kill -0 "$writer" || fail "the writer broke off: $(cat "$work/writer.err")"
    eq "$("$CLOUDFS" cat "busy:$i:log" | awk '$1 != NR {bad = 1} END {print bad + 0}')" 0
    end=$("$CLOUDFS" cat "busy:$i:log" | tail -n 1)
    last=$("$CLOUDFS" cat "busy:$i:last")
    [ "$end" = "$last" ] || [ "$end" = $((last + 1)) ] || fail "no one moment: log ends with $end, last has $last"
done
kill "$writer"
wait "$writer" || true
eq "$(awk '$1 != NR {bad = 1} END {print bad + 0}' "$mnt/log")" 0
"$CLOUDFS" umount --discard "$mnt"
store_tidy "bad input"

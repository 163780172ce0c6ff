#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# import: every form of source, the same image for the same content, bad input.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3 tar gzip
cd "$work"

# make DIR: always the same content, in an order of its own.
make_tree() {
    mkdir -p "$1/etc/conf.d" "$1/bin" "$1/empty"
    for name in $2; do
        echo "content of $name" >"$1/etc/conf.d/$name"
    done
    head -c 100000 /dev/zero | tr '\0' z >"$1/bin/big"
    ln "$1/bin/big" "$1/bin/link"
    ln -s ../etc "$1/bin/sym"
    chmod 750 "$1/empty"
    chmod 4755 "$1/bin/big"
}
make_tree one 'a b c d e'
make_tree two 'e d c b a'
for path in one two; do
    find $path -depth -exec touch -h -d '2026-03-04T05:06:07.125Z' {} +
done

id=$("$CLOUDFS" import one -t t:1)
eq "$("$CLOUDFS" --root s2 import two -t other/name:9)" "$id"
eq "$("$CLOUDFS" --root s2 import two/. -t t:2)" "$id"
eq "$(cd two && "$CLOUDFS" --root ../s2 import . -t t:3)" "$id"
ln -s two three
eq "$("$CLOUDFS" --root s2 import three -t t:4)" "$id"
"$CLOUDFS" images --json t:1 >out
eq "$(json out 'd[0]["Created"]')" 2026-03-04T05:06:07.125Z
eq "$("$CLOUDFS" --root s2 images --json t:2 >out2; json out2 'd[0]["Digest"]')" "$(json out 'd[0]["Digest"]')"

# A tar of the same files is the same image, whatever its order and compression.
tar --format=posix --owner=0 --group=0 --sort=name -C one -cf sorted.tar .
tar --format=posix --owner=0 --group=0 --sort=name -C one -cf bare.tar --transform 's,^\./,,' .
gzip -k sorted.tar
n=0
for file in sorted.tar sorted.tar.gz bare.tar; do
    eq "$file $("$CLOUDFS" --root s3 import "$file" -t "t:$((n += 1))")" "$file $id"
done
for tool in zstd xz bzip2 lz4; do
    command -v $tool >/dev/null 2>&1 || continue
    $tool -q -c sorted.tar >"sorted.$tool"
    eq "$tool $("$CLOUDFS" --root s3 import "sorted.$tool" -t "t:$tool")" "$tool $id"
done
eq "$("$CLOUDFS" --root s3 import - -t t:stdin <sorted.tar)" "$id"
eq "$(cat sorted.tar.gz | "$CLOUDFS" --root s3 import - -t t:pipe)" "$id"
# Content is stored once, for all these names and files: only `big` is larger than what a tree holds.
eq "$(find s3/objects -type f | wc -l)" 1

# A date: mtimes later than it are clamped to it, so that they do not matter. Earlier ones do.
find one -depth -exec touch -h -d '2026-05-05T00:00:00Z' {} +
find two -depth -exec touch -h -d '2026-06-06T00:00:00.5Z' {} +
[ "$("$CLOUDFS" import one -t t:2)" != "$("$CLOUDFS" import two -t t:3)" ] || fail "mtimes are lost"
clamped=$("$CLOUDFS" import one -t t:4 --timestamp 1767225600)
eq "$("$CLOUDFS" --root s4 import two -t t:4 --timestamp 1767225600)" "$clamped"
eq "$("$CLOUDFS" --root s4 import two -t t:5 --timestamp @1767225600)" "$clamped"
eq "$("$CLOUDFS" --root s4 import two -t t:6 --timestamp 2026-01-01T00:00:00Z)" "$clamped"
eq "$("$CLOUDFS" --root s4 import two -t t:7 --timestamp 2026-01-01T02:00:00+02:00)" "$clamped"
eq "$(SOURCE_DATE_EPOCH=1767225600 "$CLOUDFS" --root s4 import two -t t:8)" "$clamped"
eq "$(SOURCE_DATE_EPOCH=1 "$CLOUDFS" --root s4 import two -t t:9 --timestamp 1767225600)" "$clamped"
[ "$(SOURCE_DATE_EPOCH=1767225601 "$CLOUDFS" --root s4 import two -t t:10)" != "$clamped" ] ||
    fail "SOURCE_DATE_EPOCH is ignored"
fails_with 1 'SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=today "$CLOUDFS" import one -t t:bad
fails_with 1 'SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=12x "$CLOUDFS" import one -t t:bad
"$CLOUDFS" images --json t:4 >out
eq "$(json out 'd[0]["Created"]')" 2026-01-01T00:00:00Z
"$CLOUDFS" ls -R --json t:4 >out
eq "$(json out 'sorted(set((e["Mtime"], e["MtimeNsec"]) for e in d))')" '[(1767225600, 0)]'
touch -h -d '2025-01-01T00:00:00Z' two/etc/conf.d/a
[ "$("$CLOUDFS" --root s4 import two -t t:11 --timestamp 1767225600)" != "$clamped" ] ||
    fail "an earlier mtime is lost"

# What it says of itself; the order of labels does not matter.
"$CLOUDFS" import one -t t:6 --label b=2 --label a=1 --annotation z=1 --annotation y=x=y -m text --author Ada >a
"$CLOUDFS" import one -t t:7 --annotation y=x=y --author=Ada --label=a=1 -mtext --label b=2 --annotation z=1 >b
same_files a b
"$CLOUDFS" inspect t:6 >out
eq "$(json out '(d["Labels"], d["Annotations"], d["Author"], d["History"][0]["Comment"])')" \
    "({'a': '1', 'b': '2'}, {'y': 'x=y', 'z': '1'}, 'Ada', 'text')"

# On top of another: both are seen, the base stays.
mkdir -p more/etc
echo more >more/etc/more
"$CLOUDFS" import more --base t:1 -t t:8 >/dev/null
eq "$("$CLOUDFS" ls t:8:etc | tr '\n' ' ')" 'conf.d more '
eq "$("$CLOUDFS" ls t:1:etc)" conf.d
eq "$("$CLOUDFS" history -q t:8 | wc -l)" 2
eq "$("$CLOUDFS" history -q t:8 | tail -n 1)" "$("$CLOUDFS" history -q t:1)"
fails_with 1 "no such image 'none:1'" "$CLOUDFS" import more --base none:1 -t t:bad

# Owners: as they are for root; an ordinary user stands for root.
if [ "$(id -u)" = 0 ]; then
    mkdir -p own
    echo x >own/file
    chown 123:456 own/file
    "$CLOUDFS" import own -t t:own >/dev/null
    "$CLOUDFS" ls --json t:own:file >out
    eq "$(json out '(d[0]["Uid"], d[0]["Gid"])')" '(123, 456)'
fi
as_user sh -c 'mkdir "$HOME/src" && echo x >"$HOME/src/file"'
as_user sh -c '"$CLOUDFS" import "$HOME/src" -t u:1' >/dev/null
as_user "$CLOUDFS" ls --json u:1:file >out
eq "$(json out '(d[0]["Uid"], d[0]["Gid"])')" '(0, 0)'

# Bad input: one line, no image, and the store is whole.
"$CLOUDFS" images --names >before
echo 'this is no tar' >text
head -c 5000 sorted.tar >cut.tar
head -c $(($(wc -c <sorted.tar.gz) / 2)) sorted.tar.gz >cut.tar.gz
: >empty.tar
python3 - <<'PY'
import io, tarfile
def one(file, name, **fields):
    with tarfile.open(file, "w") as t:
        info = tarfile.TarInfo(name)
        for k, v in fields.items():
            setattr(info, k, v)
        t.addfile(info, io.BytesIO(b"") if not fields else None)
one("dotdot.tar", "../evil")
one("inside.tar", "a/../../evil")
one("hardlink.tar", "link", type=tarfile.LNKTYPE, linkname="nothing")
one("long.tar", "x" * 300)
PY
for file in text cut.tar cut.tar.gz dotdot.tar inside.tar hardlink.tar long.tar nowhere /dev/null; do
    fails_with 1 "^cloudfs: .*${file##*/}" "$CLOUDFS" import "$file" -t t:bad
done
fails_with 1 'standard input' sh -c '"$CLOUDFS" import - -t t:bad <text'
"$CLOUDFS" images --names | same_files - before
[ ! -e ../evil ] && [ ! -e evil ] || fail "a tar wrote outside"
"$CLOUDFS" fsck -q || fail "bad input damages the store"
"$CLOUDFS" gc >/dev/null
eq "$(ls "$CLOUDFS_ROOT/tmp")" ""

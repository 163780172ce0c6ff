#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looking inside images without a mount: ls, cat, extract, diff, blame, on images and on layers.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"

# Two layers: one changes, hides and adds what the other has. Made as tars, so that no privilege is
# needed for owners and devices.
python3 - <<'PY'
import io, tarfile

def add(tar, name, data=None, **fields):
    info = tarfile.TarInfo(name)
    info.mtime, info.mode = 1000000000, 0o644
    if data is not None:
        info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(data) if data is not None else None)

def directory(tar, name, **fields):
    add(tar, name, type=tarfile.DIRTYPE, mode=fields.pop("mode", 0o755), **fields)

def layer(name):
    return tarfile.open(name, "w", format=tarfile.PAX_FORMAT)

with layer("low.tar") as t:
    for d in ("bin", "etc", "etc/conf.d", "old", "old/deep", "dev"):
        directory(t, d)
    add(t, "bin/tool", bytes(range(256)) * 100, mode=0o4755, uid=12, gid=34)
    add(t, "bin/link", type=tarfile.LNKTYPE, linkname="bin/tool", mode=0o4755, uid=12, gid=34)
    add(t, "etc/daemon.json", b'{\n  "max-file": "3",\n  "log": "json"\n}\n')
    add(t, "etc/same", b"same\n")
    add(t, "etc/gone", b"gone\n")
    add(t, "etc/conf.d/a", b"a\n")
    add(t, "old/deep/file", b"x\n")
    add(t, "sym", type=tarfile.SYMTYPE, linkname="etc/conf.d", mode=0o777)
    add(t, "loop", type=tarfile.SYMTYPE, linkname="loop", mode=0o777)
    add(t, "up", type=tarfile.SYMTYPE, linkname="../../../../etc/same", mode=0o777)
    add(t, "dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    add(t, "dev/sda", type=tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o660)
    add(t, "dev/fifo", type=tarfile.FIFOTYPE, mode=0o600)
    add(t, ".hidden", b"h\n", mode=0o600, mtime=1000000000.25)

with layer("high.tar") as t:
    directory(t, "etc")
    add(t, "etc/.wh.gone", b"")
    add(t, "etc/daemon.json", b'{\n  "max-file": "10",\n  "log": "json"\n}\n')
    add(t, "etc/new", b"new\n")
    directory(t, "etc/conf.d")
    add(t, "etc/conf.d/.wh..wh..opq", b"")
    add(t, "etc/conf.d/b", b"b\n")
    add(t, ".wh.old", b"")
    add(t, "bin/tool", bytes(range(256)) * 100, mode=0o755)

odd = ["a b", "tab\there", "new\nline", "quo'te\"", "back\\slash", "*", "-n", "co:lon", "ümlaut",
       "\u6587\u6863", "%s", "$(touch pwned)", "x" * 255]
with layer("odd.tar") as t:
    directory(t, "dir:1")
    for name in odd:
        add(t, "dir:1/" + name, name.encode())
    info = tarfile.TarInfo("dir:1/latin\udce9")
    info.size = 1
    t.addfile(info, io.BytesIO(b"l"))
PY
"$CLOUDFS" import low.tar -t app:1 --author Ada >/dev/null
"$CLOUDFS" import high.tar --base app:1 -t app:2 --author Bob >/dev/null
"$CLOUDFS" history -q app:2 >layers
high=$(sed -n 1p layers) low=$(sed -n 2p layers)

# ---- ls ----
eq "$("$CLOUDFS" ls app:1 | tr '\n' ' ')" '.hidden bin dev etc loop old sym up '
eq "$("$CLOUDFS" ls -a app:1 | wc -l)" 8
eq "$("$CLOUDFS" ls app:2 | tr '\n' ' ')" '.hidden bin dev etc loop sym up '
for path in etc /etc etc/ //etc/. etc/conf.d/..; do
    eq "$path $("$CLOUDFS" ls "app:2:$path" | tr '\n' ' ')" "$path conf.d daemon.json new same "
done
eq "$("$CLOUDFS" ls app:2:)" "$("$CLOUDFS" ls app:2)"
eq "$("$CLOUDFS" ls app:2:/)" "$("$CLOUDFS" ls app:2)"
eq "$("$CLOUDFS" ls -R app:2:etc | tr '\n' ' ')" 'conf.d conf.d/b daemon.json new same '
eq "$("$CLOUDFS" ls app:2:etc/same)" same
eq "$("$CLOUDFS" ls app:2:sym)" sym
eq "$("$CLOUDFS" ls app:2:sym/)" b
eq "$("$CLOUDFS" ls app:1:sym/a)" a
eq "$("$CLOUDFS" ls -d app:2:etc | wc -l)" 1
TZ=UTC "$CLOUDFS" ls -l app:1:bin >out
eq "$(sed -n 2p out | tr -s ' ')" '-rwsr-xr-x 2 12 34 25600 2001-09-09 01:46:40 tool'
TZ=UTC "$CLOUDFS" ls -l app:1:dev >out
eq "$(tr -s ' ' <out | cut -d' ' -f1-6)" "$(printf '%s\n' 'prw------- 1 0 0 0 2001-09-09' 'crw-rw-rw- 1 0 0 1, 3' 'brw-rw---- 1 0 0 8, 0')"
"$CLOUDFS" ls -l app:1 | grep -q ' sym -> etc/conf.d$' || fail "no target of a link"
"$CLOUDFS" ls --json app:1:bin/tool app:1:.hidden app:1:sym >out
eq "$(json out 'len(d)')" 3
eq "$(json out '[d[0][k] for k in ("Path", "Type", "Mode", "Uid", "Gid", "Size", "Links", "Mtime", "MtimeNsec")]')" \
    "['tool', 'file', '4755', 12, 34, 25600, 2, 1000000000, 0]"
eq "$(json out 'd[0]["Digest"]')" "sha256:$("$CLOUDFS" cat app:1:bin/tool | sha256sum | cut -d' ' -f1)"
eq "$(json out 'd[1]["MtimeNsec"]')" 250000000
eq "$(json out '(d[2]["Type"], d[2]["Target"])')" "('symlink', 'etc/conf.d')"
"$CLOUDFS" ls --json app:1:dev >out
eq "$(json out '[(e["Type"], e.get("Major"), e.get("Minor")) for e in d]')" \
    "[('fifo', None, None), ('char', 1, 3), ('block', 8, 0)]"
"$CLOUDFS" ls app:1:bin app:2:etc/conf.d >out
eq "$(cat out)" "$(printf 'app:1:bin:\nlink\ntool\n\napp:2:etc/conf.d:\nb')"
fails_with 1 'etc/gone' "$CLOUDFS" ls app:2:etc/gone
fails_with 1 'etc/same/x' "$CLOUDFS" ls app:2:etc/same/x
fails_with 1 'loop' "$CLOUDFS" ls app:2:loop/
fails_with 1 'nothing' "$CLOUDFS" ls app:2:nothing app:2:etc
grep -qx same "$work/.stdout" || fail "ls ends with the first failure"

# ---- layers by their diff ID: whiteouts and opaque directories are shown ----
for ref in "$high" "${high#sha256:}" "$(echo "$high" | cut -c8-20)"; do
    "$CLOUDFS" ls -lR "$ref" >out
    grep -q '^c.* 0, 0 .* old$' out || fail "no whiteout of old: $(cat out)"
    grep -q '^c.* 0, 0 .* etc/gone$' out || fail "no whiteout of gone: $(cat out)"
    grep -q ' etc/conf.d (opaque)$' out || fail "conf.d is not opaque: $(cat out)"
    eq "$("$CLOUDFS" ls "$ref:etc" | tr '\n' ' ')" 'conf.d daemon.json gone new '
    eq "$("$CLOUDFS" cat "$ref:etc/new")" new
done
"$CLOUDFS" ls -R --json "$high" >out
eq "$(json out 'sorted(e["Path"] for e in d if e.get("Whiteout"))')" "['etc/gone', 'old']"
eq "$(json out '[e["Path"] for e in d if e.get("Opaque")]')" "['etc/conf.d']"
eq "$("$CLOUDFS" cat "$low:etc/gone")" gone
fails_with 1 'etc/same' "$CLOUDFS" cat "$high:etc/same"
fails_with 1 "no such image or layer" "$CLOUDFS" ls 00000000000000

# ---- cat ----
eq "$("$CLOUDFS" cat app:2:etc/same app:2:etc/new app:2:etc/conf.d/b | tr '\n' ' ')" 'same new b '
eq "$("$CLOUDFS" cat app:2:up)" same # a link that points out of the image stays inside
eq "$("$CLOUDFS" cat app:1:sym/a)" a
eq "$("$CLOUDFS" cat app:1:bin/tool | wc -c)" 25600
"$CLOUDFS" cat app:1:bin/link >linked
"$CLOUDFS" cat app:1:bin/tool | same_files - linked
fails_with 1 'directory' "$CLOUDFS" cat app:1:etc
fails_with 1 'directory' "$CLOUDFS" cat app:1
fails_with 1 'loop' "$CLOUDFS" cat app:1:loop
fails_with 1 'dev/fifo' "$CLOUDFS" cat app:1:dev/fifo
fails_with 1 'dev/null' "$CLOUDFS" cat app:1:dev/null
fails_with 1 'etc/gone' "$CLOUDFS" cat app:2:etc/gone app:2:etc/same
eq "$(cat "$work/.stdout")" same
fails_with 1 "no such image or layer 'nothing:1:etc/same'" "$CLOUDFS" cat nothing:1:etc/same

# ---- REF:PATH is split behind the longest REF that exists ----
"$CLOUDFS" tag app:1 localhost:5000/app localhost:5000/app:7 app registry.example/a/b:c
for ref in localhost:5000/app localhost:5000/app:7 app registry.example/a/b:c localhost:5000/app:latest; do
    eq "$ref $("$CLOUDFS" cat "$ref:etc/same")" "$ref same"
    eq "$ref $("$CLOUDFS" ls "$ref" | wc -l)" "$ref 8"
done
"$CLOUDFS" import odd.tar -t odd:1 >/dev/null
eq "$("$CLOUDFS" cat odd:1:dir:1/co:lon)" co:lon
"$CLOUDFS" tag odd:1 odd # then odd:1 is still the longest
eq "$("$CLOUDFS" cat odd:1:dir:1/co:lon odd:dir:1/co:lon)" co:lonco:lon
fails_with 1 "no such image or layer 'localhost:5001/app:etc/same'" "$CLOUDFS" cat localhost:5001/app:etc/same

# ---- names with odd characters ----
"$CLOUDFS" ls --json odd:1:dir:1 >out
python3 - <<'PY'
import json, os, subprocess
cloudfs = os.environ["CLOUDFS"]
names = [e["Path"] for e in json.load(open("out", encoding="utf-8", errors="surrogateescape"))]
assert len(names) == 14, names
raw = subprocess.run([cloudfs, "ls", "odd:1:dir:1"], stdout=subprocess.PIPE, check=True).stdout
for name in os.listdir("."):
    assert name != "pwned"
assert b"latin\xe9\n" in raw and b"new\nline\n" in raw and b"back\\slash\n" in raw, raw
for name in names:
    if name.startswith("latin"):
        continue
    said = subprocess.run([cloudfs, "cat", "odd:1:dir:1/" + name], stdout=subprocess.PIPE, check=True).stdout
    assert said == name.encode(), (name, said)
said = subprocess.run([cloudfs, "cat", b"odd:1:dir:1/latin\xe9"], stdout=subprocess.PIPE, check=True).stdout
assert said == b"l", said
PY
"$CLOUDFS" extract odd:1 odd
eq "$(find odd/dir:1 -type f -print0 | tr -dc '\0' | wc -c)" 14
eq "$(cat "odd/dir:1/a b" "odd/dir:1/-n" "odd/dir:1/*")" 'a b-n*'
# On a terminal, what could steer it is escaped.
if command -v script >/dev/null 2>&1; then
    script -qec '"$CLOUDFS" ls odd:1:dir:1' /dev/null >out 2>&1 </dev/null
    grep -qF 'tab\011here' out || fail "a control character reaches the terminal: $(cat out)"
    grep -qF 'latin\351' out || fail "a byte that is no UTF-8 reaches the terminal: $(cat out)"
    grep -q 'ümlaut' out || fail "UTF-8 does not reach the terminal: $(cat out)"
else
    skip_part "no script(1) here: names on a terminal"
fi

# ---- extract ----
status=0
"$CLOUDFS" extract app:2 all 2>err || status=$?
eq "$status" 0
eq "$(cat all/etc/daemon.json)" "$("$CLOUDFS" cat app:2:etc/daemon.json)"
[ ! -e all/etc/gone ] && [ ! -e all/old ] && [ ! -e all/etc/conf.d/a ] || fail "what is hidden was extracted"
eq "$(readlink all/sym all/up)" "$(printf 'etc/conf.d\n../../../../etc/same')"
eq "$(stat -c '%a %Y %s' all/bin/tool)" '755 1000000000 25600'
eq "$(stat -c '%.9Y' all/.hidden)" 1000000000.250000000
[ -p all/dev/fifo ] || fail "no fifo"
"$CLOUDFS" extract app:1:bin low 2>/dev/null
eq "$(stat -c %i low/tool)" "$(stat -c %i low/link)"
eq "$(ls low | tr '\n' ' ')" 'link tool '
if [ "$(id -u)" = 0 ]; then
    eq "$(stat -c '%F %t,%T' all/dev/null)" 'character special file 1,3'
    eq "$(stat -c '%a %u:%g' low/tool)" '4755 12:34'
    eq "$(cat err)" ""
fi
"$CLOUDFS" extract app:2:etc/daemon.json one
eq "$(ls one)" daemon.json
"$CLOUDFS" extract app:2:etc one && eq "$(ls one | tr '\n' ' ')" 'conf.d daemon.json new same '
"$CLOUDFS" extract app:1:etc/conf.d one/conf.d
eq "$(ls one/conf.d | tr '\n' ' ')" 'a b '
mkdir -p clash/new clash/new/inside
fails_with 1 'new' "$CLOUDFS" extract app:2:etc clash
[ -d clash/new/inside ] || fail "a directory was replaced by a file"
mkdir trap outside
ln -s "$work/outside" trap/etc
"$CLOUDFS" extract app:2 trap 2>/dev/null || true
eq "$(ls outside)" ""
fails_with 1 'etc/gone' "$CLOUDFS" extract app:2:etc/gone two
fails_with 1 'file/x|Not a directory' sh -c ': >file; "$CLOUDFS" extract app:2 file/x'
# As an ordinary user: what only root can make is left out, and told in one line.
if [ "$(id -u)" = 0 ]; then
    "$CLOUDFS" save -o app.tar app:1
    as_user "$CLOUDFS" load -q -i "$work/app.tar" >/dev/null
    as_user "$CLOUDFS" extract app:1 "$work/user/out" 2>err
    eq "$(wc -l <err)" 1
    grep -q '^cloudfs: warning: .*only root' err || fail "a user is told: $(cat err)"
    eq "$(cat "$work/user/out/etc/same")" same
    [ ! -e "$work/user/out/dev/null" ] || fail "a user made a device"
    as_user "$CLOUDFS" -q extract app:1 "$work/user/out2" 2>err
    eq "$(cat err)" ""
fi

# ---- diff: statuses of diff(1) ----
differ() { # STATUS ARGUMENTS: into out
    want=$1 got=0
    shift
    "$CLOUDFS" diff "$@" >out 2>err || got=$?
    eq "diff $* $got" "diff $* $want"
    eq "$(cat err)" ""
}
differ 1 app:2
eq "$(cat out)" "$(printf '%s\n' 'C bin/tool' 'D etc/conf.d/a' 'A etc/conf.d/b' 'C etc/daemon.json' 'D etc/gone' 'A etc/new' 'D old')"
differ 1 app:2 app:1
eq "$(wc -l <out)" 7
differ 1 app:1 app:2
grep -qx 'A old/deep/file' out || fail "what is in a new directory is not told: $(cat out)"
grep -qx 'D etc/new' out || fail "no deletion: $(cat out)"
differ 0 app:2 app:2
eq "$(cat out)" ""
differ 0 --json app:2 app:2
eq "$(json out d)" '[]'
differ 1 app:1 # over nothing
grep -qx 'A etc/daemon.json' out || fail "the first layer adds nothing: $(cat out)"
! grep -q '^[CD]' out || fail "the first layer changes something: $(cat out)"
differ 1 --json app:2
eq "$(json out '[(c["Kind"], c["Path"]) for c in d if c["Kind"] == "D"]')" "[('D', 'etc/conf.d/a'), ('D', 'etc/gone'), ('D', 'old')]"
eq "$(json out '[(c["MetadataOnly"], c["Directory"], c["Size"]) for c in d if c["Path"] in ("bin/tool", "etc/daemon.json")]')" \
    "[(True, False, 25600), (False, False, 40)]"
differ 1 -p app:2
grep -qx -e '-  "max-file": "3",' out || fail "no line that goes: $(cat out)"
grep -qx -e '+  "max-file": "10",' out || fail "no line that comes: $(cat out)"
if command -v patch >/dev/null 2>&1; then
    mkdir p
    "$CLOUDFS" extract app:1:etc p/etc
    grep -v '^Binary' out >p/changes
    (cd p && patch -s -p1 <changes)
    eq "$(cat p/etc/daemon.json)" "$("$CLOUDFS" cat app:2:etc/daemon.json)"
    [ ! -e p/etc/gone ] && eq "$(cat p/etc/new)" new
fi
fails_with 2 "no such image 'nothing:1'" "$CLOUDFS" diff nothing:1
fails_with 2 "no such image 'nothing:1'" "$CLOUDFS" diff app:1 nothing:1
fails_with 2 'no|not' "$CLOUDFS" diff "$work"

# ---- blame ----
"$CLOUDFS" blame app:2 etc/daemon.json etc/gone etc/same /etc/conf.d/a >out
eq "$(grep -v '^ ' out)" "$(printf '%s\n' etc/daemon.json 'etc/gone (deleted)' etc/same '/etc/conf.d/a (deleted)')"
eq "$(sed -n 2p out | awk '{print $1, $2, $3, $4}')" "C layer 1 $(echo "$high" | cut -c8-19)"
eq "$(sed -n 3p out | awk '{print $1, $2, $3, $4}')" "A layer 0 $(echo "$low" | cut -c8-19)"
grep -q 'by Bob$' out && grep -q 'by Ada$' out || fail "no authors: $(cat out)"
"$CLOUDFS" blame --json app:2 etc/daemon.json etc/gone etc/same etc/conf.d/a >out
eq "$(json out '[(p["Path"], p["Present"], "".join(s["Kind"] for s in p["Layers"])) for p in d]')" \
    "[('etc/daemon.json', True, 'CA'), ('etc/gone', False, 'DA'), ('etc/same', True, 'A'), ('etc/conf.d/a', False, 'OA')]"
eq "$(json out '[(s["Layer"], s["DiffId"], s["Author"], s["CreatedBy"]) for s in d[0]["Layers"]]')" \
    "[(1, '$high', 'Bob', 'cloudfs import'), (0, '$low', 'Ada', 'cloudfs import')]"
fails_with 1 'etc/never' "$CLOUDFS" blame app:2 etc/never etc/same
grep -qx etc/same "$work/.stdout" || fail "blame ends with the first failure"
fails_with 1 "no such image 'nothing:1'" "$CLOUDFS" blame nothing:1 etc

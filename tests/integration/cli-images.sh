#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Images and their names: images, tag, rmi, history, inspect, save, load, gc, fsck, df, info.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"

mkdir -p a/etc a/bin b/etc
echo one >a/etc/one
head -c 50000 /dev/urandom >a/bin/tool
echo two >b/etc/two
find a b -exec touch -d 2026-01-02T03:04:05Z {} +

# An empty store.
eq "$("$CLOUDFS" images)" "$("$CLOUDFS" images nothing)"
eq "$("$CLOUDFS" images -q)$("$CLOUDFS" images --names)" ""
"$CLOUDFS" images --json >out
eq "$(json out d)" '[]'
"$CLOUDFS" fsck | grep -q ': clean$' || fail "an empty store is not clean"
"$CLOUDFS" gc >/dev/null

# import tells the ID; with --json more.
id=$("$CLOUDFS" import a -t kube:v1 -m 'the base' --author Ada --label team=core \
    --annotation org.example.note='a b')
expr "$id" : 'sha256:[0-9a-f]\{64\}$' >/dev/null || fail "import prints '$id'"
"$CLOUDFS" import b --base kube:v1 -t registry.example:5000/apps/kube:v2 --json >out
id2=$(json out 'd["Id"]')
digest2=$(json out 'd["Digest"]')
eq "$(json out 'sorted(d)')" "['Digest', 'Id', 'Name']"
eq "$(json out 'd["Name"]')" registry.example:5000/apps/kube:v2

# images: the table, and the same facts as JSON.
"$CLOUDFS" images >table
eq "$(head -n 1 table | tr -s ' ')" 'NAME TAG IMAGE ID CREATED SIZE'
eq "$(wc -l <table)" 3
short=$(echo "$id" | cut -c8-19)
grep -q "^kube  *v1  *$short  *[0-9]* [a-z]* ago  *[0-9.]* kB\$" table || fail "no line of kube:v1: $(cat table)"
grep -q '^registry.example:5000/apps/kube  *v2 ' table || fail "no line of v2: $(cat table)"
eq "$("$CLOUDFS" images kube | wc -l)" 2
eq "$("$CLOUDFS" images kube:v1 | wc -l)" 2
eq "$("$CLOUDFS" images kube:v3 | wc -l)" 1
eq "$("$CLOUDFS" images ube | wc -l)" 1
eq "$("$CLOUDFS" images -q kube)" "$id"
eq "$("$CLOUDFS" images --names)" "$("$CLOUDFS" images --json >out; json out '"\n".join(n for i in d for n in i["Names"])')"
eq "$(json out 'sorted(d[0])')" "['Created', 'Digest', 'Id', 'Names', 'Platform', 'Size']"
eq "$(json out '[i["Created"] for i in d]')" "['2026-01-02T03:04:05Z', '2026-01-02T03:04:05Z']"
eq "$(json out 'sorted(i["Id"] for i in d) == sorted(["'"$id"'", "'"$id2"'"])')" true

# What a reference may be.
for ref in kube:v1 "$id" "${id#sha256:}" "$short" "sha256:$short" "$("$CLOUDFS" images --json kube >out; json out 'd[0]["Digest"]')"; do
    eq "$("$CLOUDFS" cat "$ref:etc/one")" one
    "$CLOUDFS" inspect "$ref" >out
    eq "$(json out 'd["Id"]')" "$id"
done
eq "$("$CLOUDFS" cat "registry.example:5000/apps/kube@$digest2:etc/two")" two
fails_with 1 "no such image 'kube:v9'" "$CLOUDFS" history kube:v9
fails_with 1 "no such image 'kube'" "$CLOUDFS" history kube # that is kube:latest
fails_with 1 "no such image" "$CLOUDFS" history sha256:0000000000000000
fails_with 1 'no image reference' "$CLOUDFS" history Kube:v1
fails_with 1 'no image reference' "$CLOUDFS" history kube:
for bad in '' UPPER:1 a//b a: 'a b' ../a a@sha256:12 -x; do
    fails_with 1 'no image reference' "$CLOUDFS" tag kube:v1 -- "$bad"
    fails_with 1 'no image reference' "$CLOUDFS" import a "--tag=$bad"
done
fails_with 1 'digest where a name' "$CLOUDFS" tag kube:v1 "a@$id"
eq "$("$CLOUDFS" images --names | wc -l)" 2

# An ID prefix of several images is told, not guessed.
i=0
: >ids
while ! cut -c8-9 ids | sort | uniq -d | grep -q .; do
    i=$((i + 1))
    [ "$i" -le 300 ] || fail "300 images without two of one prefix"
    "$CLOUDFS" import b -t "many:$i" --label "n=$i" >>ids
done
two=$(cut -c8-9 ids | sort | uniq -d | head -n 1)
fails_with 1 "'$two' is the beginning of more than one" "$CLOUDFS" history "$two"
fails_with 1 "'$two' is the beginning of more than one" "$CLOUDFS" ls "$two:etc"
fails_with 1 "'$two' is the beginning of more than one" "$CLOUDFS" rmi "$two"
"$CLOUDFS" images --names | grep ^many: | xargs "$CLOUDFS" rmi -q >out
eq "$(sort out)" "$(sort ids)"
fails_with 1 'no such image' "$CLOUDFS" history "$(head -n 1 ids)"

# tag: every name, checked before the first is given; a name moves.
"$CLOUDFS" tag kube:v1 kube stable:1 registry.example:5000/kube:v1
eq "$("$CLOUDFS" images --names | sort | tr '\n' ' ')" \
    'kube:latest kube:v1 registry.example:5000/apps/kube:v2 registry.example:5000/kube:v1 stable:1 '
fails_with 1 'no image reference' "$CLOUDFS" tag kube:v1 good:1 Bad:1
eq "$("$CLOUDFS" images --names good)" ""
fails_with 1 "no such image 'nothing:1'" "$CLOUDFS" tag nothing:1 good:1
"$CLOUDFS" tag registry.example:5000/apps/kube:v2 stable:1
"$CLOUDFS" inspect stable:1 >out
eq "$(json out 'd["Id"]')" "$id2"

# rmi: a name; the last name; an ID with several; an ID by force.
eq "$("$CLOUDFS" rmi stable:1)" 'Untagged: stable:1'
"$CLOUDFS" inspect "$id2" >/dev/null
fails_with 1 'no such image' "$CLOUDFS" rmi stable:1
eq "$("$CLOUDFS" rmi registry.example:5000/apps/kube:v2)" \
    "$(printf 'Untagged: registry.example:5000/apps/kube:v2\nDeleted: %s' "$id2")"
fails_with 1 'no such image' "$CLOUDFS" inspect "$id2"
fails_with 1 'has 3 names' "$CLOUDFS" rmi "$short"
eq "$("$CLOUDFS" images --names | wc -l)" 3
fails_with 1 'no such image' "$CLOUDFS" rmi nothing:1 kube:latest # and the rest is done
eq "$("$CLOUDFS" images --names | wc -l)" 2
"$CLOUDFS" tag kube:v1 kube:again
eq "$("$CLOUDFS" rmi -q kube:again)" ""
eq "$("$CLOUDFS" rmi -q -f "$short")" "$id"
eq "$("$CLOUDFS" images -q)" ""
# The space came back at once: nothing is left for gc.
"$CLOUDFS" gc --json >out
eq "$(json out 'sorted(d)')" "['Blobs', 'Bytes', 'Layers', 'Objects', 'Temporaries', 'Trees']"
eq "$(json out 'sum(d.values())')" 0
"$CLOUDFS" df --json >out
eq "$(json out '[d[k]["Count"] for k in ("Objects", "Layers", "Trees", "Blobs", "Mounts")]')" '[0, 0, 0, 0, 0]'

# --no-gc leaves it for later, and a dry run only tells.
"$CLOUDFS" import a -t kube:v1 >/dev/null
"$CLOUDFS" df --json >out
eq "$(json out '[d[k]["Count"] for k in ("Objects", "Layers", "Trees", "Blobs", "Mounts")]')" '[1, 1, 1, 2, 0]'
eq "$(json out 'sum(v["Bytes"] for k, v in d.items() if k != "Bytes") == d["Bytes"] > 50000')" true
eq "$("$CLOUDFS" df | awk '{print $1}' | tr '\n' ' ')" 'TYPE Objects Layers Trees Blobs Mounts Temporary Total '
"$CLOUDFS" rmi -q --no-gc kube:v1 >/dev/null
for _ in 1 2; do
    "$CLOUDFS" gc --dry-run --json >out
    eq "$(json out '(d["Objects"], d["Layers"], d["Trees"], d["Bytes"] > 50000)')" '(1, 1, 1, True)'
done
"$CLOUDFS" gc --dry-run | grep -q '^would remove .* 1 objects, 1 layers, 1 trees' || fail "gc -n tells little"
"$CLOUDFS" gc | grep -q '^removed .* 1 objects' || fail "gc tells little"
"$CLOUDFS" gc --json >out
eq "$(json out 'sum(d.values())')" 0
eq "$("$CLOUDFS" gc -q)" ""

# gc waits for who is at work in the store; rmi leaves it to the next gc.
"$CLOUDFS" import a -t busy:1 >/dev/null
mkfifo pipe
"$CLOUDFS" import - -t busy:2 <pipe >/dev/null &
exec 9>pipe
tries=0
while flock -n -x "$CLOUDFS_ROOT/lock" true; do # until it has the store open
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || fail "import takes no lock"
    sleep 0.05
done
"$CLOUDFS" rmi busy:1 >out 2>err
grep -q '^cloudfs: warning: another command uses the store' err || fail "rmi does not tell: $(cat err)"
"$CLOUDFS" gc >out 2>err 9>&- &
gc=$!
sleep 0.3
kill -0 $gc || fail "gc does not wait"
tar -C a -c . >&9
exec 9>&-
wait $gc || fail "gc fails after it has waited"
grep -q '^cloudfs: warning: another command uses the store: waiting' err || fail "gc does not tell: $(cat err)"
wait
eq "$("$CLOUDFS" cat busy:2:etc/one)" one
"$CLOUDFS" rmi -q busy:2 >/dev/null

# What images need stays.
"$CLOUDFS" import a -t kube:v1 -m 'the base' --author Ada --label team=core --annotation note='a b' \
    --timestamp 2026-01-02T03:04:05Z --platform linux/arm64/v8 >/dev/null
"$CLOUDFS" import b --base kube:v1 -t kube:v2 -m second >/dev/null
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck >out
eq "$(cat out)" '1 objects, 2 layers, 2 trees, 4 blobs, 2 names, 0 mounts: clean'

# history, newest first.
"$CLOUDFS" history kube:v2 >table
eq "$(head -n 1 table | tr -s ' ')" 'LAYER CREATED CREATED BY SIZE COMMENT'
eq "$(sed -n 2p table | awk '{print $NF}')" second
grep -q 'the base$' table || fail "history has no comment: $(cat table)"
eq "$(wc -l <table)" 3
"$CLOUDFS" history --json kube:v2 >out
eq "$(json out '[e["Comment"] for e in d]')" "['second', 'the base']"
eq "$(json out '[e["EmptyLayer"] for e in d]')" '[False, False]'
eq "$(json out 'd[1]["Author"], d[1]["Created"], d[1]["CreatedBy"]')" \
    "('Ada', '2026-01-02T03:04:05Z', 'cloudfs import')"
eq "$("$CLOUDFS" history -q kube:v2 | tr '\n' ' ')" "$(json out '" ".join(e["DiffId"] for e in d)') "
"$CLOUDFS" history -q kube:v2 >layers

# inspect: all fields, and they agree with the rest.
"$CLOUDFS" inspect kube:v2 >out
eq "$(json out 'sorted(d)')" "['Annotations', 'Architecture', 'Author', 'Config', 'ContainerImages', 'Created', 'Digest', 'History', 'Id', 'Labels', 'Layers', 'MediaType', 'MergedEntries', 'Names', 'Os', 'Size', 'Variant']"
eq "$(json out 'd["Names"], d["Os"], d["Architecture"], d["Variant"]')" "(['kube:v2'], 'linux', 'arm64', 'v8')"
eq "$(json out 'd["Labels"], d["Annotations"]')" "({'team': 'core'}, {'note': 'a b'})"
eq "$(json out 'd["Config"]["Labels"] == d["Labels"]')" true
eq "$(json out '" ".join(l["DiffId"] for l in reversed(d["Layers"]))') " "$(tr '\n' ' ' <layers)"
eq "$(json out 'sum(l["Size"] for l in d["Layers"]) == d["Size"] == sum(l["TarSize"] for l in d["Layers"])')" true
eq "$(json out 'd["Layers"][0]["ChainId"] == d["Layers"][0]["DiffId"] == d["Layers"][0]["Digest"]')" true
eq "$(json out '[e["Comment"] for e in d["History"]]')" "['the base', 'second']"
eq "$(json out 'd["MergedEntries"]')" 6 # / bin bin/tool etc etc/one etc/two
eq "$(json out 'all(f["Digest"].startswith("sha256:") and f["Size"] > 0 and f["MediaType"] for l in d["Layers"] for f in l["Forms"])')" true
"$CLOUDFS" inspect kube:v1 --format sealer >out
grep -q '^- kind: Image$' out || fail "this is not sealer's form: $(cat out)"
grep -q "id: $(tail -n 1 layers)" out || fail "sealer's form lacks the layer: $(cat out)"

# save and load: the same image, under its name, another, none.
"$CLOUDFS" images --json kube:v2 >out
both=$(json out 'd[0]["Id"], d[0]["Digest"]')
"$CLOUDFS" save -o all.tar kube:v1 kube:v2
eq "$("$CLOUDFS" --root s2 load -i all.tar | sort)" "$(printf 'Loaded image: kube:v1\nLoaded image: kube:v2')"
"$CLOUDFS" --root s2 images --json kube:v2 >out
eq "$(json out 'd[0]["Id"], d[0]["Digest"]')" "$both"
fails_with 1 'holds 2 images' "$CLOUDFS" --root s2 load -i all.tar -t one:1
"$CLOUDFS" save -o - kube:v2 >one.tar
eq "$("$CLOUDFS" --root s3 load -i - -t other:3 --json <one.tar >out; json out 'd[0]["Id"], d[0]["Digest"]')" "$both"
eq "$(json out 'd[0]["Name"]')" other:3
eq "$("$CLOUDFS" --root s3 load -q -i one.tar)" "$("$CLOUDFS" --root s3 images -q)"
eq "$("$CLOUDFS" --root s3 images --names | sort | tr '\n' ' ')" 'kube:v2 other:3 '
"$CLOUDFS" save -o again.tar kube:v1 kube:v2
same_files all.tar again.tar
for format in oci oci-dir docker; do
    for compression in none gzip zstd:3; do
        [ "$format:$compression" = "$format:none" ] || [ "$format" != docker ] || continue
        "$CLOUDFS" save --format "$format" --compression "$compression" -o "f.$format.$compression" kube:v2
        "$CLOUDFS" --root "r.$format.$compression" load -q -i "f.$format.$compression" >out
        eq "$format $compression $(cat out)" "$format $compression $("$CLOUDFS" images -q kube:v2)"
        eq "$("$CLOUDFS" --root "r.$format.$compression" cat kube:v2:etc/two)" two
        "$CLOUDFS" --root "r.$format.$compression" fsck -q || fail "$format $compression: damage"
        "$CLOUDFS" --root "r.$format.$compression" ls -lR kube:v2 >"ls.$format.$compression"
        "$CLOUDFS" ls -lR kube:v2 | same_files - "ls.$format.$compression"
    done
done
fails_with 1 'plain layers' "$CLOUDFS" save --format docker --compression gzip -o x kube:v2
fails_with 1 'standard output' "$CLOUDFS" save --format oci-dir -o - kube:v2
fails_with 1 "no such image 'no:1'" "$CLOUDFS" save -o x.tar kube:v1 no:1
fails_with 1 'a: it is a directory|a.*directory' "$CLOUDFS" save -o a kube:v1
fails_with 1 'a"? is neither empty nor an OCI layout' "$CLOUDFS" save --format oci-dir -o a kube:v1
fails_with 1 'nowhere/x' "$CLOUDFS" save -o nowhere/x kube:v1
[ ! -e x ] && [ ! -e x.tar ] || fail "a save that failed left a file"
echo keep >old.tar
fails_with 1 'no such image' "$CLOUDFS" save -o old.tar no:1
eq "$(cat old.tar)" keep
fails_with 1 'nowhere' "$CLOUDFS" load -i nowhere
fails_with 1 'no image archive' "$CLOUDFS" load -i a
: >empty
fails_with 1 'is empty' "$CLOUDFS" load -i empty
head -c 20000 all.tar >cut.tar
fails_with 1 'cut' "$CLOUDFS" --root s4 load -i cut.tar
eq "$("$CLOUDFS" --root s4 images -q)" ""

# fsck finds what is damaged, --quick does not read content, --repair goes on without it.
object=$(find "$CLOUDFS_ROOT/objects" -type f)
chmod u+w "$object"
printf X | dd of="$object" bs=1 seek=100 conv=notrunc status=none
"$CLOUDFS" fsck --quick -q || fail "fsck --quick reads content"
status=0
"$CLOUDFS" fsck >out 2>err || status=$?
eq "$status" 1
eq "$(wc -l <err)" 1
grep -q "$(basename "$object")" out || fail "fsck does not name the object: $(cat out)"
grep -q '1 damaged' out || fail "fsck does not count: $(cat out)"
status=0
"$CLOUDFS" fsck --json >out 2>/dev/null || status=$?
eq "$status" 1
eq "$(json out 'sorted(d)')" "['Blobs', 'Damaged', 'Layers', 'Missing', 'Mounts', 'Names', 'Objects', 'Problems', 'Repaired', 'Trees']"
eq "$(json out 'd["Damaged"] >= 1 and len(d["Problems"]) >= 1')" true
"$CLOUDFS" fsck --repair >out 2>&1 || true
"$CLOUDFS" --root s2 save -o good.tar kube:v1 kube:v2
"$CLOUDFS" load -i good.tar >/dev/null
"$CLOUDFS" fsck -q || fail "loading the image again does not bring back what was lost"
"$CLOUDFS" cat kube:v1:bin/tool | same_files - a/bin/tool

# A name that moves on leaves an image without one: below others it is intermediate, else it is shown.
"$CLOUDFS" --root moving import a -t moving:1 >/dev/null
"$CLOUDFS" --root moving import b --base moving:1 -t moving:1 >/dev/null
eq "$("$CLOUDFS" --root moving images -q | wc -l)" 1
eq "$("$CLOUDFS" --root moving images -q --all | wc -l)" 2
eq "$("$CLOUDFS" --root moving images -a | awk 'NR > 1 {print $1}' | sort | tr '\n' ' ')" '<none> moving '
"$CLOUDFS" --root moving import b -t moving:1 >/dev/null
eq "$("$CLOUDFS" --root moving images | awk 'NR > 1 {print $1}' | sort | tr '\n' ' ')" '<none> moving '

# info.
"$CLOUDFS" info --json >out
eq "$(json out 'sorted(d)')" "['Disk', 'Fuse', 'Kernel', 'Machine', 'Root', 'User', 'Version']"
eq "$(json out 'd["Root"]')" "$CLOUDFS_ROOT"
eq "$(json out 'd["Kernel"]')" "$(uname -r)"
eq "cloudfs $(json out 'd["Version"]')" "$("$CLOUDFS" version)"
eq "$("$CLOUDFS" info | awk '{print $1}' | sort | tr '\n' ' ')" 'Disk Fuse Kernel Machine Root User Version '
"$CLOUDFS" version --json >out
eq "cloudfs $(json out 'd["Version"]')" "$("$CLOUDFS" version)"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# push to a real registry: every form, read back by cloudfs and by skopeo; what the registry has is not
# sent; small pushes take few requests; blobs move between repositories by mounting.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need skopeo
. "$top/tests/lib/registry.sh"
start_registry plain
reg=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$reg" >"$work/registries.conf"

mkdir -p "$work/src/etc" "$work/src/bin" "$work/edit/etc"
head -c 6000000 /dev/urandom >"$work/src/bin/kubelet"
{ head -c 300000 /dev/urandom; head -c 500000 /dev/zero; seq 50000; } >"$work/src/bin/holes"
seq 20000 >"$work/src/etc/numbers"
ln "$work/src/etc/numbers" "$work/src/etc/again"
ln -s numbers "$work/src/etc/link \"quoted\""
: >"$work/src/etc/empty"
echo two >"$work/edit/etc/two"
"$CLOUDFS" import "$work/src" -t a:1 >/dev/null
id=$("$CLOUDFS" import "$work/edit" --base a:1 -t a:2)
"$CLOUDFS" ls -R -l a:2 >"$work/list"
for form in zstd:chunked zstd gzip gzip:1; do
    repo=apps/$(echo $form | tr : -)
    "$CLOUDFS" push --json --compression $form a:2 "$reg/$repo:2" >"$work/sent"
    eq "$(json "$work/sent" 'd["BlobsSent"]')" 3
    # again: nothing but the manifest goes
    "$CLOUDFS" push --json --compression $form a:2 "$reg/$repo:2" >"$work/again"
    eq "$(json "$work/again" 'd["BlobsSent"], d["BlobsReused"], d["BytesSent"] < 3000')" '(0, 3, True)'
    eq "$(json "$work/again" 'd["Digest"]')" "$(json "$work/sent" 'd["Digest"]')"
    # cloudfs reads it back
    eq "$(CLOUDFS_ROOT=$work/store-$(echo $form | tr : -) "$CLOUDFS" pull "$reg/$repo:2" -t back:2)" "$id"
    CLOUDFS_ROOT=$work/store-$(echo $form | tr : -) "$CLOUDFS" ls -R -l back:2 >"$work/back"
    same_files "$work/list" "$work/back"
    # and skopeo, whose layers unpack to the same tars
    rm -rf "$work/peer"
    skopeo copy -q --src-tls-verify=false "docker://$reg/$repo:2" "oci:$work/peer:2" || fail "skopeo cannot pull $form"
    "$CLOUDFS" --root "$work/store-peer-$(echo $form | tr : -)" load -i "$work/peer" >/dev/null
    python3 - "$work/peer" $form <<'END' || fail "the blobs of $form are not what they say"
import hashlib, json, os, subprocess, sys
root = sys.argv[1] + "/blobs/sha256/"
blob = lambda d: open(root + d.split(":")[1], "rb").read()
index = json.load(open(sys.argv[1] + "/index.json"))
manifest = json.loads(blob(index["manifests"][0]["digest"]))
config = json.loads(blob(manifest["config"]["digest"]))
for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"]):
    data = blob(layer["digest"])
    tool = "gzip" if layer["mediaType"].endswith("gzip") else "zstd"
    tar = subprocess.run([tool, "-dc"], input=data, capture_output=True, check=True).stdout
    assert "sha256:" + hashlib.sha256(tar).hexdigest() == diff_id
    chunked = "io.github.containers.zstd-chunked.manifest-checksum" in layer.get("annotations", {})
    assert chunked == (sys.argv[2] == "zstd:chunked"), layer
    if not chunked:
        continue
    # the TOC tells the truth about every file and chunk
    notes = {k.rsplit(".", 1)[1]: v for k, v in layer["annotations"].items()}
    offset, size, plain, kind = map(int, notes["manifest-position"].split(":"))
    table = data[offset:offset + size]
    assert "sha256:" + hashlib.sha256(table).hexdigest() == notes["manifest-checksum"]
    unpack = lambda b: subprocess.run(["zstd", "-dc"], input=b, capture_output=True, check=True).stdout
    text = unpack(table)
    assert len(text) == plain and data[-8:] == b"GNUlInUx"
    toc = json.loads(text)
    offset, size, plain = map(int, notes["tarsplit-position"].split(":"))
    split = data[offset:offset + size]
    assert "sha256:" + hashlib.sha256(split).hexdigest() == toc["tarSplitDigest"] and len(unpack(split)) == plain
    entries = toc["entries"]
    for i, entry in enumerate(entries):
        if entry["type"] not in ("reg", "chunk") or not entry.get("offset"):
            continue
        following = entries[i + 1] if i + 1 < len(entries) else {}
        end = following["offset"] if following.get("type") == "chunk" else next(
            e["endOffset"] for e in reversed(entries[:i + 1]) if e["type"] == "reg")
        piece = unpack(data[entry["offset"]:end])
        if "chunkSize" in entry:
            assert len(piece) == entry["chunkSize"]
            assert "sha256:" + hashlib.sha256(piece).hexdigest() == entry["chunkDigest"]
        else:
            assert len(piece) == entry["size"]
            assert "sha256:" + hashlib.sha256(piece).hexdigest() == entry["digest"]
END
done

# a commit of two files on an image that is there: fewer than 20 requests, and only the new blobs
mkdir -p "$work/more/etc"
echo three >"$work/more/etc/three"
echo four >"$work/more/etc/four"
"$CLOUDFS" import "$work/more" --base a:2 -t a:3 >/dev/null
"$CLOUDFS" push --json a:3 "$reg/apps/zstd-chunked:3" >"$work/sent"
eq "$(json "$work/sent" 'd["BlobsSent"], d["BlobsReused"], d["Requests"] < 20, d["BytesSent"] < 5000')" '(2, 2, True, True)'
# another repository: the layers are mounted there
"$CLOUDFS" push --json a:3 "$reg/apps/moved:3" >"$work/sent"
eq "$(json "$work/sent" 'd["BlobsMounted"]')" 3
eq "$("$CLOUDFS" tags "$reg/apps/moved")" 3
# what was pulled goes back as it came: the same digest
export CLOUDFS_ROOT="$work/store-through"
"$CLOUDFS" pull --json "$reg/apps/gzip:2" -t through:2 >"$work/came"
"$CLOUDFS" push --json through:2 "$reg/apps/gzip:again" >"$work/went"
eq "$(json "$work/went" 'd["Digest"]')" "$(json "$work/came" 'd["Digest"]')"

fails_with 1 'no such image' "$CLOUDFS" push nothing:1 "$reg/apps/x:1"
fails_with 2 'is none of' "$CLOUDFS" push --compression lzma through:2 "$reg/apps/x:1"
fails_with 2 'is none of' "$CLOUDFS" push --compression gzip:10 through:2 "$reg/apps/x:1"

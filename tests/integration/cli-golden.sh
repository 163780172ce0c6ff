#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Reference images that other tools wrote: every form loads, shows the same files, and each layer's
# tar is written again bit for bit. CLOUDFS_SHARED: where the reference data lies.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
shared=${CLOUDFS_SHARED:-$top/../shared}
[ -d "$shared/golden" ] || skip "no reference images here (CLOUDFS_SHARED)"
need python3
golden=$(cd "$shared/golden" && pwd)
cd "$work"

plain=$golden/oci-uncompressed/blobs/sha256
low=179cfb549430eb3136b26c935150c55726bae5ac92723a02ec94a02827a735c7
high=9b06cfc2a8591588a513b19b1fcb4d2e7c5379b865e87b141e3830c5d2100619
config=900e2ca9d5fef8224ca99c72391b39eeada2ebe63bc8bf6b5904bcf1ad33f1cb

# What Python's tarfile says of the layers is what we have to show. (bin/ is opaque in the upper one.)
python3 - "$plain/$low" "$plain/$high" >want <<'PY'
import hashlib, json, sys, tarfile
files = {}
for number, path in enumerate(sys.argv[1:]):
    tar = tarfile.open(path)
    if number == 1:
        del files["etc/empty"]
        for name in [n for n in files if n.startswith("bin/")]:
            del files[name]
    for m in tar:
        name = m.name.rstrip("/")
        if "/.wh." in name:
            continue
        kind = "dir" if m.isdir() else "symlink" if m.issym() else "char" if m.ischr() else "fifo" if m.isfifo() else "file"
        data = tar.extractfile(m).read() if kind == "file" else b""
        files[name] = [kind, "%04o" % m.mode, m.uid, m.gid, len(data), hashlib.sha256(data).hexdigest() if data else ""]
print(json.dumps(files, sort_keys=True, indent=1))
PY

# shown REF [LAYER]: in the same form, through ls and cat.
shown() {
    "$CLOUDFS" ls -R --json "$1" >listing
    python3 - "$1" <<'PY'
import hashlib, json, os, subprocess, sys
files = {}
for e in json.load(open("listing")):
    data = b""
    if e["Type"] == "file":
        data = subprocess.run([os.environ["CLOUDFS"], "cat", "%s:%s" % (sys.argv[1], e["Path"])], check=True, stdout=subprocess.PIPE).stdout
        assert len(data) == e["Size"], e
    mode = e["Mode"]
    files[e["Path"]] = [e["Type"], mode, e["Uid"], e["Gid"], len(data), hashlib.sha256(data).hexdigest() if data else ""]
# The directory that holds the UTF-8 file has no entry of its own.
files = {k: v for k, v in files.items() if k != "\u6587\u6863" or v[0] != "dir"}
print(json.dumps(files, sort_keys=True, indent=1))
PY
}

for form in oci-uncompressed oci-gzip oci-zstd oci-zstd-chunked dir-schema2 docker-archive.tar; do
    export CLOUDFS_ROOT="$work/store.$form"
    eq "$form $("$CLOUDFS" load -q -i "$golden/$form" -t golden:v1)" "$form sha256:$config"
    eq "$form $("$CLOUDFS" history -q golden:v1 | tr '\n' ' ')" "$form sha256:$high sha256:$low "
    shown golden:v1 >got
    same_files got want
    TZ=UTC "$CLOUDFS" ls -lR golden:v1 >"ls.$form"
    TZ=UTC "$CLOUDFS" ls -lR "$low" >"low.$form"
    same_files "ls.$form" ls.oci-uncompressed
    same_files "low.$form" low.oci-uncompressed
    "$CLOUDFS" fsck -q || fail "$form: damage"

    # The tars again, from what the store has made of them.
    "$CLOUDFS" save --format oci-dir -o "saved.$form" golden:v1
    for layer in $low $high; do
        file=saved.$form/blobs/sha256/$layer
        [ -f "$file" ] || fail "$form: no tar of layer $layer"
        eq "$form $(sha256sum <"$file")" "$form $layer  -"
        same_files "$file" "$plain/$layer"
    done
    same_files "saved.$form/blobs/sha256/$config" "$plain/$config"
    "$CLOUDFS" save --format docker -o "saved.$form.tar" golden:v1
    mkdir "docker.$form"
    tar -C "docker.$form" -xf "saved.$form.tar"
    python3 - "docker.$form" $low $high <<'PY'
import hashlib, json, os, sys
top, *want = sys.argv[1:]
image, = json.load(open(os.path.join(top, "manifest.json")))
got = [hashlib.sha256(open(os.path.join(top, l), "rb").read()).hexdigest() for l in image["Layers"]]
assert got == want, got
assert image["RepoTags"] == ["golden:v1"], image
PY
done

# Loaded documents are kept byte for byte, also those that other tools wrote.
for form in oci-gzip oci-zstd-chunked; do
    export CLOUDFS_ROOT="$work/store.$form"
    "$CLOUDFS" images --json >out
    digest=$(json out 'd[0]["Digest"][7:]')
    [ -f "$golden/$form/blobs/sha256/$digest" ] || fail "$form: its manifest is not what was loaded"
    "$CLOUDFS" inspect golden:v1 >out
    eq "$(json out 'sorted(set(l["MediaType"] for l in d["Layers"])) == sorted(set(l["mediaType"] for l in json.load(open("'"$golden/$form/blobs/sha256/$digest"'"))["layers"]))')" true
done

# Special things of the lower layer.
export CLOUDFS_ROOT="$work/store.oci-zstd"
"$CLOUDFS" ls -R --json "$low" >out
eq "$(json out '[(e["Type"], e["Mode"], e["Major"], e["Minor"]) for e in d if e["Path"] == "dev/null"]')" "[('char', '0666', 1, 3)]"
eq "$(json out '[e["Links"] for e in d if e["Path"] in ("bin/kubelet", "bin/kubelet.link")]')" '[2, 2]'
eq "$(json out '[e["Target"] for e in d if e["Type"] == "symlink"]')" "['../etc/daemon.json']"
eq "$(json out '[e["Mode"] for e in d if e["Path"] == "bin/suid"]')" "['4755']"
eq "$(json out 'any(e["MtimeNsec"] for e in d)')" true
"$CLOUDFS" ls -R --json "$high" >out
eq "$(json out '[e["Path"] for e in d if e.get("Whiteout")]')" "['etc/empty']"
eq "$(json out '[e["Path"] for e in d if e.get("Opaque")]')" "['bin']"
"$CLOUDFS" blame --json golden:v1 bin/kubelet bin/only etc/daemon.json etc/empty >out
eq "$(json out '["".join(s["Kind"] for s in p["Layers"]) for p in d]')" "['OA', 'A', 'CA', 'DA']"
eq "$(json out '[s["CreatedBy"] for s in d[2]["Layers"]]')" "['COPY daemon.json etc/', 'COPY . .']"
if [ "$(id -u)" = 0 ]; then
    "$CLOUDFS" extract "$low" tree
    if command -v getfattr >/dev/null 2>&1; then
        getfattr -R -d -m - tree 2>/dev/null >xattrs
        grep -q '^security.capability=' xattrs || fail "security.capability is lost: $(cat xattrs)"
        grep -q '^user.note=' xattrs || fail "user.note is lost: $(cat xattrs)"
    fi
fi

# The names that archives carry.
export CLOUDFS_ROOT="$work/names"
eq "$("$CLOUDFS" load -i "$golden/docker-archive.tar")" 'Loaded image: docker.io/example/rootfs:v1'
eq "$("$CLOUDFS" images --names)" docker.io/example/rootfs:v1
# All forms in one store: one image, two layers, each file's content once.
for form in oci-uncompressed oci-gzip oci-zstd oci-zstd-chunked dir-schema2; do
    "$CLOUDFS" load -q -i "$golden/$form" -t "g:$form" >/dev/null
done
"$CLOUDFS" df --json >out
eq "$(json out 'd["Layers"]["Count"]')" 2
eq "$(json out 'd["Trees"]["Count"]')" 1
eq "$("$CLOUDFS" images -q | sort -u)" "sha256:$config"
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck -q

# A layout with a changed byte is refused, and leaves nothing.
cp -r "$golden/oci-gzip" bad
chmod -R u+w bad
blob=$(find bad/blobs -type f -size +100k)
printf '\377' | dd of="$blob" bs=1 seek=200000 conv=notrunc status=none
export CLOUDFS_ROOT="$work/store.bad"
fails_with 1 '^cloudfs: .*bad' "$CLOUDFS" load -i bad -t bad:1
eq "$("$CLOUDFS" images -q)" ""
"$CLOUDFS" gc >/dev/null
eq "$(find "$CLOUDFS_ROOT/objects" "$CLOUDFS_ROOT/layers" "$CLOUDFS_ROOT/tmp" -type f | wc -l)" 0

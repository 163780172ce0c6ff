#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sealer v0.8's own archive: one as sealer saves it is loaded, ours is loaded again, and bad ones leave
# nothing.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3

# make_archive FILE [FAULT]: two layers; the second hides etc/gone with a device, and what was in dir/.
make_archive() {
    python3 - "$@" <<'END'
import io, json, sys, tarfile
out, fault = sys.argv[1], (sys.argv + ["", ""])[2]
base, top, ident = "1" * 64, "2" * 64, "5" * 64
tar = tarfile.open(out, "w", format=tarfile.PAX_FORMAT)
def add(name, data=None, kind=tarfile.REGTYPE, mode=0o644, **more):
    t = tarfile.TarInfo(name)
    t.type, t.mode, t.mtime = (tarfile.DIRTYPE if data is None and kind == tarfile.REGTYPE else kind), mode, 1700000000
    for key, value in more.items():
        setattr(t, key, value)
    t.size = len(data or b"")
    tar.addfile(t, io.BytesIO(data or b""))
add(base, mode=0o755)
add(base + "/etc", mode=0o755)
add(base + "/etc/gone", b"gone\n")
add(base + "/etc/kept", b"kept\n" * 2000)
add(base + "/etc/link", b"", tarfile.LNKTYPE, linkname=base + "/etc/kept")
add(base + "/etc/to", b"", tarfile.SYMTYPE, linkname="kept")
add(base + "/dir", mode=0o755)
add(base + "/dir/old", b"old\n")
add("55.yaml" if fault == "no-yaml" else ident + ".yaml", f"""kind: Image
metadata:
  annotations:
    sea.aliyun.com/ClusterFile: |
      kind: Cluster
      spec: {{image: "kube:v1"}}
  creationTimestamp: null
  name: kube:v1
spec:
  id: {ident}
  image_config:
    cmd: {{current: ["kubectl apply -f manifests"]}}
    labels: {{a: b}}
  layers:
    - {{id: "sha256:{base}", type: BASE, value: rootfs cache}}
    - {{id: "", type: CMD, value: kubectl apply -f manifests}}
    - {{id: "sha256:{'3' * 64 if fault == 'no-layer' else top}", type: COPY, value: ". ."}}
  platform: {{architecture: amd64, os: linux}}
  sealer_version: latest
status: {{}}
""".encode())
add(top, mode=0o755)
add(top + "/etc", mode=0o755)
add(top + "/etc/gone", b"", tarfile.CHRTYPE, devmajor=0, devminor=0)
add(top + "/dir", mode=0o755, pax_headers={"SCHILY.xattr.trusted.overlay.opaque": "y"})
add(top + "/dir/new", b"new\n")
if fault == "link-out":
    add(top + "/evil", b"", tarfile.LNKTYPE, linkname=base + "/etc/kept")
index = {"kube:v1": {"manifests": [{"id": ident, "created": "2022-03-08T14:23:18.5+08:00", "size": 7,
    "platform": {"architecture": "amd64", "os": "linux"}}]}}
add("Metadata", b"{" if fault == "no-json" else json.dumps({} if fault == "empty" else index).encode())
tar.close()
END
}

check() { # STORE: what is in the image
    eq "$("$CLOUDFS" --root "$1" ls -R kube:v1 | sort | tr '\n' ' ')" "$names"
    eq "$("$CLOUDFS" --root "$1" cat kube:v1:etc/link | md5sum)" "$(yes kept | head -n 2000 | md5sum)"
    "$CLOUDFS" --root "$1" history kube:v1 >out
    grep -q 'BASE rootfs cache' out || fail "the history is not sealer's: $(cat out)"
    "$CLOUDFS" --root "$1" fsck -q
}

cd "$work"
make_archive sealer.tar
eq "$("$CLOUDFS" --root s1 load --platform linux/amd64 -i sealer.tar)" 'Loaded image: kube:v1'
names=$("$CLOUDFS" --root s1 ls -R kube:v1 | sort | tr '\n' ' ')
case $names in
*gone* | *old*) fail "what the second layer hides is there: $names" ;;
*new*kept*link*to*) ;;
*) fail "files are missing: $names" ;;
esac
check s1
"$CLOUDFS" --root s1 inspect --format sealer kube:v1 >one.yaml
for line in 'name: "kube:v1"' 'sea.aliyun.com/ClusterFile' 'value: "rootfs cache"' '"a": "b"' 'architecture: "amd64"'; do
    grep -qF -e "$line" one.yaml || fail "inspect --format sealer lacks $line: $(cat one.yaml)"
done
# The same archive, the same image; another name.
eq "$("$CLOUDFS" --root s2 load -q --platform linux/amd64 -i sealer.tar -t other:2)" "$("$CLOUDFS" --root s1 images -q)"

# Ours is loaded again, and is the same twice.
"$CLOUDFS" --root s1 save --format sealer -o ours.tar kube:v1
"$CLOUDFS" --root s1 save --format sealer -o again.tar kube:v1
same_files ours.tar again.tar
tar -tf ours.tar >list
grep -qE '^[0-9a-f]{64}/etc/\.wh\.gone$' list || fail "the archive lacks the whiteout: $(cat list)"
grep -qE '^[0-9a-f]{64}\.yaml$' list || fail "the archive lacks the image: $(cat list)"
tar -xOf ours.tar Metadata >meta.json
eq "$(json meta.json 'd["kube:v1"]["manifests"][0]["platform"]["architecture"]')" amd64
"$CLOUDFS" --root s3 load -q --platform linux/amd64 -i ours.tar >out
check s3
gzip -k ours.tar
"$CLOUDFS" --root s4 load -q --platform linux/amd64 -i ours.tar.gz >out
# An image that was not made by sealer.
mkdir src
echo x >src/x
id=$("$CLOUDFS" --root s1 import src -t plain:1)
"$CLOUDFS" --root s1 save --format sealer -o plain.tar plain:1
"$CLOUDFS" --root s5 load -q -i plain.tar >out
eq "$("$CLOUDFS" --root s5 cat plain:1:x)" x
fails_with 1 "needs an image's name" "$CLOUDFS" --root s1 save --format sealer -o no.tar "$id"
fails_with 1 'plain layers' "$CLOUDFS" --root s1 save --format sealer --compression gzip -o no.tar plain:1
[ ! -e no.tar ] || fail "a save that failed left a file"

# Bad ones: one line, no image.
bad() { # FAULT PATTERN
    make_archive "bad.tar" "$1"
    fails_with 1 "$2" "$CLOUDFS" --root bad load --platform linux/amd64 -i bad.tar
    [ -z "$("$CLOUDFS" --root bad images -q)" ] || fail "$1: an image was made"
    "$CLOUDFS" --root bad fsck -q
}
bad no-yaml '5{64}\.yaml is not in the archive'
bad no-layer 'layer 3{64} is not in the archive'
bad no-json 'Metadata'
bad empty 'lists no images'
bad link-out 'hard link out of its layer'
make_archive bad.tar
fails_with 1 'no image for linux/s390x' "$CLOUDFS" --root bad load --platform linux/s390x -i bad.tar
mkdir untarred
tar -xf ours.tar -C untarred Metadata
fails_with 1 'read as tar files' "$CLOUDFS" --root bad load -i untarred

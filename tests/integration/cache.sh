#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs cache: what it puts into registry/ is what docker-registry serves and skopeo pulls, from the
# archives of images/, the store, and directories.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"

# One image as an OCI archive (also as an index of two platforms), one as docker save makes it.
mkdir -p rootfs/manifests rootfs/images
python3 "$top/tests/lib/container_images.py"
cat >rootfs/manifests/app.yaml <<EOT
apiVersion: v1
kind: Pod
spec:
  containers:
  - image: quay.io/a/one:1
  - image: many@$(sed -n 's/^many //p' digests)
  - image: many
  - image: saved:2
EOT

"$CLOUDFS" import rootfs -t kube:1 >/dev/null
"$CLOUDFS" cache kube:1 -t kube:2 --offline --platform linux/amd64 >out
grep -q '0 images were there, [34] are new' out || fail "$(cat out)"
eq "$("$CLOUDFS" scan --json kube:2 | python3 -c 'import json,sys; print({i["State"] for i in json.load(sys.stdin)["Images"]})')" "{'cached'}"

# The layer has nothing but registry/, and the same work makes the same layer.
"$CLOUDFS" diff kube:2 | grep -v '^A registry' && fail "the layer has more than registry/"
"$CLOUDFS" cache kube:1 -t kube:3 --offline --platform linux/amd64 >/dev/null
eq "$("$CLOUDFS" inspect kube:3 | grep -m1 Digest)" "$("$CLOUDFS" inspect kube:2 | grep -m1 Digest)"
# What is there is not done again: the image is what it was.
"$CLOUDFS" cache kube:2 -t kube:4 --offline --platform linux/amd64 >out
grep -q ' 0 are new' out || fail "$(cat out)"
eq "$("$CLOUDFS" inspect kube:4 | grep -m1 Digest)" "$("$CLOUDFS" inspect kube:2 | grep -m1 Digest)"

# Links are 71 bytes, the index is the original one, the other platform is not there.
"$CLOUDFS" extract kube:2 tree >/dev/null
v2=tree/registry/docker/registry/v2
eq "$(find $v2 -name link -size -71c -o -name link -size +71c)" ""
many=$(sed -n 's/^many sha256://p' digests)
eq "$(sha256sum "$v2/blobs/sha256/${many:0:2}/$many/data" | cut -d' ' -f1)" "$many"
eq "$(find $v2/repositories/library/many/_manifests/revisions -name link | wc -l)" 2

# A directory gets the same files.
cp -r rootfs dir
"$CLOUDFS" cache ./dir --offline --platform linux/amd64 >/dev/null
diff -r dir/registry tree/registry || fail "a directory's registry/ differs from an image's"

# From the store: another rootfs without archives that refers to the same.
mkdir -p other/manifests
cp rootfs/manifests/app.yaml other/manifests/
"$CLOUDFS" import other -t other:1 >/dev/null
"$CLOUDFS" cache other:1 --offline --platform linux/amd64 >out
grep -q '(0 B fetched)' out || grep -q 'are new' out || fail "$(cat out)"
eq "$("$CLOUDFS" scan --json other:1 | python3 -c 'import json,sys; print({i["State"] for i in json.load(sys.stdin)["Images"]})')" "{'cached'}"

# What cannot be had is named with its places, after all others were tried, which are kept apart.
printf 'quay.io/a/one:1\nquay.io/none:1\n' >other/manifests/imageList
printf 'image: quay.io/none:1\n' >other/manifests/b.yaml
"$CLOUDFS" import other -t bad:1 >/dev/null
"$CLOUDFS" cache bad:1 --offline 2>err && fail "a missing image is no failure"
grep -q 'quay.io/none:1 (manifests/b.yaml:1, manifests/imageList:2)' err || fail "$(cat err)"
grep -q '^cloudfs: 1 of . images cannot be had' err || fail "$(cat err)"
"$CLOUDFS" cache bad:1 --offline --allow-missing --platform linux/amd64 >out 2>/dev/null
eq "$("$CLOUDFS" scan --json bad:1 | python3 -c 'import json,sys; print([i["Reference"] for i in json.load(sys.stdin)["Images"] if i["State"]=="missing"])')" "['quay.io/none:1']"

# Two registries, one name: an error that names both, or both names.
mkdir -p two/manifests two/images
cp rootfs/images/oci.tar two/images/
python3 - <<'PY'
import json, tarfile, io
with tarfile.open("rootfs/images/saved.tar") as t, tarfile.open("two/images/x.tar", "w") as o:
    for m in t:
        data = t.extractfile(m).read()
        if m.name == "manifest.json":
            d = json.loads(data)
            d[0]["RepoTags"] = ["a/one:1"]
            data = json.dumps(d).encode()
        m.size = len(data)
        o.addfile(m, io.BytesIO(data))
PY
printf 'quay.io/a/one:1\na/one:1\n' >two/manifests/imageList
"$CLOUDFS" import two -t two:1 >/dev/null
fails_with 1 'docker.io/a/one:1 and quay.io/a/one:1 are different images.*--domain-prefix' \
    "$CLOUDFS" cache two:1 --offline --ignore 'many*'
"$CLOUDFS" cache two:1 --offline --domain-prefix --ignore 'many*' >/dev/null
"$CLOUDFS" ls two:1:registry/docker/registry/v2/repositories >names
eq "$(cat names)" "docker.io
quay.io"

# A real registry serves it, and skopeo pulls every image by tag and digest.
if ! command -v docker-registry >/dev/null 2>&1 || ! command -v skopeo >/dev/null 2>&1; then
    skip_part "no docker-registry or skopeo here"
    exit 0
fi
port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
cat >config.yml <<EOT
version: 0.1
storage:
  filesystem: {rootdirectory: $work/tree/registry}
  maintenance: {readonly: {enabled: true}, uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:$port"}
EOT
docker-registry serve config.yml >registry.log 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null; at_exit' EXIT
for _ in $(seq 100); do
    python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/')" 2>/dev/null && break
    sleep 0.1
done
pull() { # NAME DIGEST-OR-EMPTY
    rm -rf pulled
    skopeo copy -q --src-tls-verify=false --override-os linux --override-arch amd64 "docker://127.0.0.1:$port/$1" dir:pulled ||
        fail "skopeo cannot pull $1: $(tail -n 3 registry.log)"
}
for name in a/one:1 "a/one@$(sed -n 's/^one //p' digests)" library/many:latest "library/many@sha256:$many" library/saved:2; do
    pull "$name"
done
eq "$(skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$port/library/many:latest" | sha256sum | cut -d' ' -f1)" "$many"
kill $pid

# From a registry: what is missing there is named, and the next run fetches only what the store lacks.
sed -i "s|rootdirectory: .*}|rootdirectory: $work/up}|; /readonly/d" config.yml
mkdir up net net/manifests
docker-registry serve config.yml >registry.log 2>&1 &
pid=$!
for _ in $(seq 100); do
    python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/v2/')" 2>/dev/null && break
    sleep 0.1
done
skopeo copy -q --dest-tls-verify=false docker-archive:rootfs/images/saved.tar "docker://127.0.0.1:$port/x/app:1"
printf '127.0.0.1:%s/x/app:1\n127.0.0.1:%s/x/none:1\n' "$port" "$port" >net/manifests/imageList
"$CLOUDFS" import net -t net:1 >/dev/null
"$CLOUDFS" cache net:1 --tls-verify=false 2>err && fail "a missing image is no failure"
grep -q "x/none:1 (manifests/imageList:2)" err || fail "$(cat err)"
"$CLOUDFS" cache net:1 --tls-verify=false --allow-missing >/dev/null 2>&1
before=$(wc -l <registry.log)
"$CLOUDFS" cache net:1 --tls-verify=false --ignore '*none*' >out
grep -q '^1 images were there, 0 are new' out || fail "$(cat out)"
eq "$(wc -l <registry.log)" "$before"
kill $pid

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs scan: on a directory, an image and a mount; lists, ignores, archives, broken and huge files.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"

mkdir -p rootfs/manifests/deep rootfs/images rootfs/charts/web/templates
cat >rootfs/manifests/app.yaml <<'EOT'
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  template:
    spec:
      initContainers:
      - image: busybox
      containers:
      - image: quay.io/a/app:1
        args: [--side-image=quay.io/a/side:2]
      - image: ${UNKNOWN}
---
broken: [
---
apiVersion: example.com/v1
kind: Thing
spec: {image: {repository: quay.io/a/app, tag: 1}}
EOT
printf '# list\nbusybox\n  quay.io/a/listed:1 # why\r\nNot Valid\n' >rootfs/manifests/imageList
printf 'quay.io/a/deep:1\n' >rootfs/manifests/deep/imageList
printf '{\n\t"image": "quay.io/a/json:1"\n}\n' >rootfs/manifests/deep/x.json
printf 'image: {{ .x }}\nother: {image: quay.io/a/tmpl:1}\n' >rootfs/manifests/x.tmpl
printf 'image: quay.io/a/not:1\n' >rootfs/manifests/readme.txt
printf -- '- registry: r.example:5000\n  username: u\n  password: s3cret\n  images:\n  - a/b:1\n  - quay.io/c/d:2\n' \
    >rootfs/imageListWithAuth.yaml
printf 'name: web\nversion: 1\n' >rootfs/charts/web/Chart.yaml
python3 - <<'PY'
import io, json, tarfile
with tarfile.open("rootfs/images/saved.tar", "w") as t:
    for name, value in (("manifest.json", [{"Config": "c.json", "RepoTags": ["busybox:latest", "a/tar:1"], "Layers": []}]),):
        data = json.dumps(value).encode()
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
PY
cp rootfs/images/saved.tar rootfs/images/registry.tar
yes "no tar" | head -c 5000 >rootfs/images/bad.tar

"$CLOUDFS" scan rootfs >table 2>warnings
cat >wanted <<'EOT'
docker.io/a/tar:1                tar       in images/  images/saved.tar
docker.io/library/busybox:latest  image     in images/  images/saved.tar, manifests/app.yaml:8, manifests/imageList:2
quay.io/a/app:1                   image     missing     manifests/app.yaml:10, manifests/app.yaml:18
quay.io/a/deep:1                  list      missing     manifests/deep/imageList:1
quay.io/a/json:1                  image     missing     manifests/deep/x.json:2
quay.io/a/listed:1                list      missing     manifests/imageList:3
quay.io/a/side:2                  embedded  missing     manifests/app.yaml:11
quay.io/a/tmpl:1                  image     missing     manifests/x.tmpl:2
quay.io/c/d:2                     list      missing     imageListWithAuth.yaml:6
r.example:5000/a/b:1              list      missing     imageListWithAuth.yaml:5
EOT
sed 1d table | tr -s ' ' >got
eq "$(cat got)" "$(tr -s ' ' <wanted)"
sed 's/^cloudfs: warning: //' warnings | sed 's/: .*//' >got
eq "$(cat got)" "$(printf '%s\n' images/bad.tar manifests/app.yaml:12 manifests/app.yaml:15 \
    manifests/imageList:4 manifests/x.tmpl:1)"
! grep -q s3cret warnings table || fail "a password was printed"

# Charts are rendered: with their own values, or once with each values file beside them. Places are those
# of the template; what a chart refuses is told in its own words, and it can be left out.
mkdir -p charted/charts/web/templates
printf 'apiVersion: v2\nname: site\nversion: 1.0.0\n' >charted/charts/web/Chart.yaml
printf 'image: {repository: a/web, tag: "1"}\n' >charted/charts/web/values.yaml
cat >charted/charts/web/templates/pod.yaml <<'EOT'
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}
spec:
  containers:
    - name: web
      image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag }}
EOT
cp -r charted/charts/web charted/charts/strict
printf '{{ required "a password is needed" .Values.password }}\n' >charted/charts/strict/templates/secret.yaml
"$CLOUDFS" scan charted >table2 2>warnings2
eq "$(sed 1d table2 | tr -s ' ')" "docker.io/a/web:1 chart missing charts/web/templates/pod.yaml:8"
grep -q 'charts/strict: .*a password is needed.*--ignore-chart strict' warnings2 || fail "$(cat warnings2)"
"$CLOUDFS" scan --ignore-chart strict charted >table2 2>warnings2
[ ! -s warnings2 ] || fail "$(cat warnings2)"
printf 'image: {tag: "2"}\n' >charted/charts/web.values.yaml
printf 'image: {tag: "3"}\n' >charted/charts/web.edge.values.yaml
eq "$("$CLOUDFS" scan -q --ignore-chart strict charted | tr '\n' ' ')" "docker.io/a/web:2 docker.io/a/web:3 "
tar -czf charted/charts/packed.tgz -C charted/charts web
eq "$("$CLOUDFS" scan -q --ignore-chart strict --ignore-chart web charted)" "docker.io/a/web:1"

# An image says the same without a mount, and so does its mount.
"$CLOUDFS" import rootfs -t img:1 >/dev/null
"$CLOUDFS" scan img:1 >from-image 2>image-warnings
same_files table from-image
same_files warnings image-warnings
"$CLOUDFS" scan --json img:1 >json 2>/dev/null
eq "$(json json 'len(d["Images"])')" 10
eq "$(json json '[p["Line"] for i in d["Images"] if i["Reference"]=="quay.io/a/app:1" for p in i["Places"]]')" "[10, 18]"
eq "$(json json 'len(d["Warnings"])')" 5
if can_fuse; then
    mkdir mnt
    "$CLOUDFS" mount img:1 mnt
    "$CLOUDFS" scan mnt/manifests >from-mount 2>/dev/null
    same_files table from-mount
    echo "quay.io/a/new:1" >>mnt/manifests/imageList
    "$CLOUDFS" scan -q mnt 2>/dev/null >references
    grep -qx quay.io/a/new:1 references || fail "the mount's edit was not seen"
    "$CLOUDFS" umount --discard mnt
else
    skip_part "no mounts here"
fi

# What is left out.
eq "$("$CLOUDFS" scan -q rootfs --ignore 'quay.io/*' --ignore busybox --ignore 'a/tar:*' 2>/dev/null)" r.example:5000/a/b:1
printf 'quay.io/a/*\n' >rootfs/manifests/imageIgnore
eq "$("$CLOUDFS" scan -q rootfs --only-list 2>/dev/null | tr '\n' ' ')" \
    "docker.io/a/tar:1 docker.io/library/busybox:latest quay.io/c/d:2 r.example:5000/a/b:1 "

# Links that lead out of the rootfs are not followed.
echo 'image: quay.io/a/out:1' >outside.yaml
ln -s ../../outside.yaml rootfs/manifests/out.yaml
ln -s deep/x.json rootfs/manifests/in.yaml
"$CLOUDFS" scan --json rootfs >json 2>/dev/null
eq "$(json json 'sum("out:1" in i["Reference"] for i in d["Images"])')" 0
eq "$(json json 'sum(w["File"]=="manifests/out.yaml" for w in d["Warnings"])')" 1

# A rootfs without any of it has none; what is no rootfs is one line.
mkdir empty
eq "$("$CLOUDFS" scan -q empty)" ""
fails_with 1 '^cloudfs: .*nothing.*' "$CLOUDFS" scan ./nothing
fails_with 1 '^cloudfs: no such image' "$CLOUDFS" scan nothing:1
fails_with 2 'too many' "$CLOUDFS" scan a b

# Bombs, depth, and a file of many megabytes in little memory.
mkdir -p big/manifests
python3 - <<'PY'
with open("big/manifests/bomb.yaml", "w") as f:
    f.write("a: &a [x,x,x,x,x,x,x,x,x]\n")
    for i in range(1, 12):
        f.write("%c: &%c [%s]\n" % (97 + i, 97 + i, ",".join(["*" + chr(96 + i)] * 9)))
    f.write("---\nimage: quay.io/a/bomb:1\n")
with open("big/manifests/deep.yaml", "w") as f:
    f.write("{a: " * 10000 + "\n---\nimage: quay.io/a/deep:1\n")
with open("big/manifests/large.json", "w") as f:
    f.write('{"items": [\n')
    for i in range(200000):
        f.write('{"kind": "Other", "number": %d, "text": "nothing to see"},\n' % i)
    f.write('{"image": "quay.io/a/large:1"}]}\n')
PY
"$CLOUDFS" scan --json big >json 2>warnings
eq "$(json json '" ".join(i["Reference"]+":"+str(i["Places"][0]["Line"]) for i in d["Images"])')" \
    "quay.io/a/bomb:1:14 quay.io/a/deep:1:3 quay.io/a/large:1:200002"
grep -q 'bomb.yaml:[0-9]*: the aliases' warnings || fail "the bomb was not told: $(cat warnings)"
grep -q 'deep.yaml:1: nested more than' warnings || fail "the depth was not told: $(cat warnings)"
(ulimit -v 200000 && "$CLOUDFS" scan -q big >/dev/null 2>&1) || fail "a large file takes much memory"

# Real manifests and charts, where the reference data is beside the checkout.
corpus=${CLOUDFS_SHARED:-$top/../shared}/corpus
if [ -f "$corpus/expected-images.tsv" ]; then
    "$CLOUDFS" scan --json "$corpus" >json 2>/dev/null
    python3 - "$corpus/expected-images.tsv" <<'PY'
import json, sys
def whole(text):
    name, _, digest = text.partition("@")
    first = name.split("/")[0]
    if "/" not in name:
        name = "docker.io/library/" + name
    elif not any(c in first for c in ".:") and first != "localhost":
        name = "docker.io/" + name
    if ":" not in name.split("/")[-1] and not digest:
        name += ":latest"
    return name + ("@" + digest if digest else "")
wanted = {}
for line in open(sys.argv[1]):
    path, kind, reference = line.rstrip("\n").split("\t")
    if kind != "none":
        wanted[path, whole(reference)] = kind
found = {}
for image in json.load(open("json"))["Images"]:
    for place in image["Places"]:
        file, kind = place["File"], place["Kind"]
        if file.startswith("charts/"):
            file, kind = "/".join(file.split("/")[:2]), "image" if kind == "chart" else kind
        if file.startswith(("charts/", "manifests/")) and found.get((file, image["Reference"])) != "image":
            found[file, image["Reference"]] = kind
assert found == wanted, (set(wanted.items()) ^ set(found.items()))
PY
else
    skip_part "no reference data beside the checkout"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Several platforms under one name, everywhere: built, named, listed, inspected, pushed, pulled, saved,
# loaded, removed; what skopeo sees of it in a registry and in archives; and images of one platform of it.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need skopeo
. "$top/tests/lib/registry.sh"
start_registry plain
reg=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$reg" >"$work/registries.conf"
cd "$work"
in_store() { store=$1; shift; "$CLOUDFS" --root "$work/$store" "$@"; }
platforms() { # of an index's text, in its order
    python3 -c 'import json, sys
print(" ".join("/".join(filter(None, (m["platform"]["os"], m["platform"]["architecture"], m["platform"].get("variant"))))
               for m in json.load(open(sys.argv[1]))["manifests"]))' "$1"
}

# Three platforms, none of them surely this machine's own but amd64.
mkdir ctx
for arch in amd64 arm64 s390x; do
    mkdir -p "ctx/bin-$arch"
    echo "$arch" >"ctx/bin-$arch/kubelet"
done
seq 2000 >ctx/bin-arm64/numbers
printf 'FROM scratch\nCOPY bin-${ARCH}/. bin/\n' >ctx/Kubefile
"$CLOUDFS" -q build --no-cache-images -t many:1 --platform linux/amd64,linux/arm64,linux/s390x ctx >built
index=$(cat built)
"$CLOUDFS" -q build --no-cache-images -t foreign:1 --platform linux/arm64,linux/s390x ctx >/dev/null

# ---- the store ----

"$CLOUDFS" inspect "$index" >by-digest
"$CLOUDFS" inspect --platform linux/arm64 many:1 >arm.json
eq "$(json arm.json 'd["Index"]["Digest"], d["Architecture"]')" "('$index', 'arm64')"
eq "$(json arm.json '" ".join(i["Architecture"] for i in d["Index"]["Images"])')" 'amd64 arm64 s390x'
eq "$(json by-digest 'd["Index"]["Digest"]')" "$index"
eq "$(json arm.json 'sorted(d["Names"])')" "['foreign:1', 'many:1']"
arm=$(json arm.json 'd["Id"]')
"$CLOUDFS" inspect foreign:1 >foreign.json # none for amd64, but something to show
case $(uname -m) in
x86_64)
    eq "$(json foreign.json 'd["Architecture"]')" arm64
    fails_with 1 'no image for linux/amd64 in it, only for linux/arm64, linux/s390x .*IDs' "$CLOUDFS" ls foreign:1
    ;;
esac
fails_with 1 'no image for linux/386' "$CLOUDFS" inspect --platform linux/386 many:1
fails_with 2 'OS/ARCH' "$CLOUDFS" inspect --platform arm64 many:1
"$CLOUDFS" images many >rows
eq "$(grep -c ^many rows)" 3
eq "$(awk '/^many/ {print $NF}' rows | sort | tr '\n' ' ')" 'linux/amd64 linux/arm64 linux/s390x '
eq "$("$CLOUDFS" images --names | sort | tr '\n' ' ')" 'foreign:1 many:1 '
eq "$("$CLOUDFS" images --json many:1 >list.json && json list.json 'sorted(i["Platform"] for i in d)')" \
    "['linux/amd64', 'linux/arm64', 'linux/s390x']"
"$CLOUDFS" tag foreign:1 foreign:2 # an index that has nothing for amd64 gets a name like any other
"$CLOUDFS" rmi foreign:1 >/dev/null
"$CLOUDFS" tag "$arm" arm:1
"$CLOUDFS" import ctx/bin-amd64 -t plain:1 >/dev/null
eq "$("$CLOUDFS" images plain | head -n 1 | grep -c PLATFORM)" 0

# ---- push ----

digest=$("$CLOUDFS" push many:1 "$reg/apps/many:1")
skopeo inspect --raw --tls-verify=false "docker://$reg/apps/many:1" >raw.json
eq "sha256:$(sha256sum raw.json | cut -c1-64)" "$digest"
eq "$(platforms raw.json)" 'linux/amd64 linux/arm64 linux/s390x'
for arch in amd64 arm64 s390x; do
    rm -rf got && mkdir got
    skopeo --override-arch "$arch" --override-os linux inspect --tls-verify=false "docker://$reg/apps/many:1" >one.json
    eq "$(json one.json 'd["Architecture"]')" "$arch"
done
skopeo copy -q --all --src-tls-verify=false "docker://$reg/apps/many:1" oci:peer:1 || fail "skopeo cannot pull the index"
# again: nothing but the documents goes, and they are the same
"$CLOUDFS" push --json many:1 "$reg/apps/many:1" >again.json
eq "$(json again.json 'd["Digest"], d["BlobsSent"]')" "('$digest', 0)"
# one of it is an image, two are an index
"$CLOUDFS" push --platform linux/s390x many:1 "$reg/apps/one:1" >/dev/null
skopeo inspect --raw --tls-verify=false "docker://$reg/apps/one:1" >one.json
eq "$(json one.json '"layers" in d')" true
"$CLOUDFS" push --platform linux/s390x,linux/arm64 many:1 "$reg/apps/two:1" >/dev/null
skopeo inspect --raw --tls-verify=false "docker://$reg/apps/two:1" >two.json
eq "$(platforms two.json)" 'linux/arm64 linux/s390x'
"$CLOUDFS" push --compression gzip foreign:2 "$reg/apps/foreign:2" >/dev/null
fails_with 1 'no image for linux/386' "$CLOUDFS" push --platform linux/386 many:1 "$reg/apps/no:1"
fails_with 1 'plain:1 is for linux/amd64, not for linux/arm64|plain:1 is for' \
    "$CLOUDFS" push --platform linux/mips64le plain:1 "$reg/apps/no:1"
fails_with 2 'OS/ARCH' "$CLOUDFS" push --platform , many:1 "$reg/apps/no:1"

# ---- pull ----

# all, byte for byte; and back to the registry as it was
eq "$(in_store all pull --all-platforms "$reg/apps/many:1" -t back:1)" "$digest"
eq "$(in_store all inspect --platform linux/arm64 back:1 >x && json x 'd["Id"]')" "$arm"
eq "$(in_store all push back:1 "$reg/apps/back:1")" "$digest"
in_store all pull --json --all-platforms "$reg/apps/many:1" -t back:1 >again.json
eq "$(json again.json 'd["Index"], d["LayersFetched"]')" "('$digest', 0)"
in_store all gc >/dev/null
in_store all fsck -q
eq "$(in_store all images back | grep -c ^back)" 3
# some: an index of these alone
two=$(in_store some pull --platform linux/s390x,linux/arm64 "$reg/apps/many:1")
in_store some inspect "$two" >x
eq "$(json x 'sorted(i["Architecture"] for i in d["Index"]["Images"])')" "['arm64', 's390x']"
# one: an image
eq "$(in_store one pull --platform linux/arm64 "$reg/apps/many:1")" "$arm"
eq "$(in_store one inspect "$reg/apps/many:1" >x && json x '"Index" in d')" false
# what is no index is the same with --all-platforms
eq "$(in_store one pull --all-platforms "$reg/apps/one:1" >x && cut -c1-7 x)" sha256:
fails_with 1 'no image for linux/386 in it, only for linux/amd64' \
    in_store no pull --platform linux/arm64,linux/386 "$reg/apps/many:1"
fails_with 1 'no image for linux/arm64 in it, only for linux/s390x' \
    in_store no pull --platform linux/s390x,linux/arm64 "$reg/apps/one:1"
fails_with 2 'exclude each other' in_store no pull --platform linux/arm64 --all-platforms "$reg/apps/many:1"
fails_with 2 'OS/ARCH' in_store no pull --platform linux/arm64,,linux/386 "$reg/apps/many:1"
eq "$(in_store no images -q)" ''

# An attestation beside the images is left out, and an image that is left alone is one.
python3 - "$reg" raw.json <<'END_PYTHON' || fail "the registry takes no list"
import json, sys, urllib.request
d = json.load(open(sys.argv[2]))
note = dict(d["manifests"][0], platform={"os": "unknown", "architecture": "unknown"},
            annotations={"vnd.docker.reference.type": "attestation-manifest"})
for tag, manifests in (("noted", d["manifests"][:2] + [note]), ("alone", d["manifests"][:1] + [note])):
    text = json.dumps(dict(d, manifests=manifests)).encode()
    urllib.request.urlopen(urllib.request.Request(f"http://{sys.argv[1]}/v2/apps/many/manifests/{tag}", data=text,
        method="PUT", headers={"Content-Type": d["mediaType"]}))
END_PYTHON
in_store notes pull -q --all-platforms "$reg/apps/many:noted" -t noted:1 >/dev/null
in_store notes inspect --platform linux/arm64 noted:1 >x
eq "$(json x 'len(d["Index"]["Images"])')" 2
in_store notes pull -q --all-platforms "$reg/apps/many:alone" -t alone:1 >/dev/null
eq "$(in_store notes inspect alone:1 >x && json x '"Index" in d')" false

# ---- save and load ----

"$CLOUDFS" save -o many.tar many:1
"$CLOUDFS" save --format oci-dir --compression gzip -o many.dir many:1 plain:1
skopeo inspect --raw oci-archive:many.tar >raw.json
eq "$(platforms raw.json)" 'linux/amd64 linux/arm64 linux/s390x'
skopeo copy -q --all oci-archive:many.tar dir:peer-tar || fail "skopeo cannot read the archive"
skopeo --override-arch s390x --override-os linux inspect oci:many.dir:1 >x 2>/dev/null ||
    skopeo --override-arch s390x --override-os linux inspect oci:many.dir:many:1 >x
eq "$(json x 'd["Architecture"]')" s390x
for from in many.tar peer; do
    in_store "load-$from" load -q -i "$from" -t loaded:1 >said
    in_store "load-$from" inspect --platform linux/arm64 loaded:1 >x
    eq "$(json x 'd["Index"]["Digest"], d["Id"]')" "('$(cat said)', '$arm')"
    eq "$(json x 'len(d["Index"]["Images"])')" 3
done
eq "$(in_store load-peer inspect loaded:1 >x && json x 'd["Index"]["Digest"]')" "$digest"
eq "$(in_store load-dir load -i many.dir | sort | tr '\n' ' ')" 'Loaded image: many:1 Loaded image: plain:1 '
eq "$(in_store load-dir images many | grep -c ^many)" 3
eq "$(in_store load-one load -q --platform linux/arm64 -i many.tar)" "$arm"
# saved twice it is the same; some of it is an index of some; what an archive lacks is not loaded
"$CLOUDFS" save -o again.tar many:1
same_files many.tar again.tar
"$CLOUDFS" save --platform linux/arm64,linux/s390x -o two.tar many:1
eq "$(skopeo inspect --raw oci-archive:two.tar >x && platforms x)" 'linux/arm64 linux/s390x'
mkdir sparse && tar -C sparse -xf many.tar
python3 - sparse <<'END_PYTHON'
import json, os, sys
blob = lambda d: sys.argv[1] + "/blobs/sha256/" + d.split(":")[1]
index = json.load(open(blob(json.load(open(sys.argv[1] + "/index.json"))["manifests"][0]["digest"])))
os.unlink(blob(index["manifests"][0]["digest"]))
END_PYTHON
in_store load-sparse load -q -i sparse >said
eq "$(in_store load-sparse inspect "$(cat said)" >x && json x 'sorted(i["Architecture"] for i in d["Index"]["Images"])')" "['arm64', 's390x']"
fails_with 1 'docker archive has one image for a name, and many:1 is an index of 3: choose one with --platform' \
    "$CLOUDFS" save --format docker -o no.tar many:1
fails_with 1 'sealer archive has one image' "$CLOUDFS" save --format sealer -o no.tar many:1
[ ! -e no.tar ] || fail "no.tar is there"
"$CLOUDFS" save --format docker --platform linux/arm64 -o arm.tar many:1
eq "$(in_store docker load -q -i arm.tar)" "$arm"

# ---- rmi ----

fails_with 1 'is one of those of many:1' "$CLOUDFS" rmi "$(json by-digest 'd["Id"]')"
"$CLOUDFS" rmi many:1 >/dev/null
eq "$("$CLOUDFS" images --names | sort | tr '\n' ' ')" 'arm:1 foreign:2 plain:1 '
"$CLOUDFS" rmi foreign:2 >/dev/null
eq "$("$CLOUDFS" images -q | wc -l)" 2 # the one that has a name of its own stays
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck -q
eq "$("$CLOUDFS" cat arm:1:bin/kubelet)" arm64

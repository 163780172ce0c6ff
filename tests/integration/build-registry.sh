#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build and registries: a base that is pulled, the container images that the rootfs refers to as its last
# layer, several platforms under one name; and no network where nothing has changed.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
. "$top/tests/lib/registry.sh"
start_registry hub
reg=127.0.0.1:$port
cat >"$work/registries.conf" <<END
[[registry]]
prefix = "docker.io"
location = "$reg"
insecure = true
[[registry]]
location = "$reg"
insecure = true
END
cd "$work"
requests() { grep -c '"GET\|http.request.method=GET' "$work/hub.log" || true; }
build() { # REF [OPTION...]: of ctx
    ref=$1
    shift
    "$CLOUDFS" -q build -t "$ref" "$@" ctx
}
kubefile() { printf '%s\n' "$@" >ctx/Kubefile; }

# Two container images and a base for two platforms in the registry.
mkdir -p box/bin kube/etc ctx
head -c 300000 /dev/urandom >box/bin/busybox
"$CLOUDFS" -q import box -t box:1 >/dev/null
"$CLOUDFS" -q push box:1 "$reg/library/busybox:latest" >/dev/null
"$CLOUDFS" -q push box:1 "$reg/apps/web:2" >/dev/null
for arch in amd64 arm64; do
    echo "$arch" >kube/etc/arch
    printf 'FROM scratch\nCOPY kube .\n' >Kubefile
    "$CLOUDFS" -q build --no-cache-images -t "kube-$arch:1" --platform "linux/$arch" . >/dev/null
    "$CLOUDFS" -q push "kube-$arch:1" "$reg/kube-$arch:1" >/dev/null
done
echo x >ctx/daemon.json

# The base is pulled, once; a local name comes first.
export CLOUDFS_ROOT="$work/store2"
kubefile "FROM $reg/kube-amd64:1" 'COPY daemon.json etc/'
fails_with 1 'Kubefile:1:6: no such image' build new:1 --offline
fails_with 1 'Kubefile:1:6: no such image' build new:1 --pull=never
fails_with 2 'none of missing, always, never' build new:1 --pull=maybe
build new:1 >id
eq "$("$CLOUDFS" cat new:1:kube/etc/arch)" amd64
before=$(requests)
build new:1 >id2
same_files id id2
eq "$(requests)" "$before"
build new:1 --pull=always >id2
same_files id id2
[ "$(requests)" -gt "$before" ] || fail "--pull=always asks nobody"
kubefile "FROM $reg/none:1"
fails_with 1 "Kubefile:1:6: .*$reg/none" build none:1

# By digest, the name of another registry's image left as it is.
digest=$("$CLOUDFS" inspect "$reg/kube-amd64:1" | sed -n 's/^ *"Digest": "\(.*\)",*/\1/p' | head -n 1)
export CLOUDFS_ROOT="$work/store3"
kubefile "FROM $reg/kube-amd64@$digest" 'COPY daemon.json etc/'
build digest:1 >id2
same_files id id2
before=$(requests)
build digest:1 >id2
eq "$(requests)" "$before"

# What the rootfs refers to is its last layer. The second build asks nobody, nor does one on top of it.
mkdir -p ctx/manifests
printf 'busybox\n' >ctx/imageList
printf 'kind: Pod\nspec:\n  containers:\n  - image: apps/web:2\n' >ctx/web.yaml
kubefile "FROM $reg/kube-amd64:1" 'COPY imageList manifests' 'COPY web.yaml manifests'
build app:1 >id
"$CLOUDFS" ls -R app:1:registry/docker/registry/v2/repositories | grep -q 'library/busybox/_manifests/tags/latest' ||
    fail "busybox is not in registry/"
"$CLOUDFS" ls app:1:registry/docker/registry/v2/repositories/apps/web >/dev/null
eq "$("$CLOUDFS" scan --json app:1 | grep -c '"State": *"missing"' || true)" 0
before=$(requests)
build app:1 >id2
same_files id id2
kubefile 'FROM app:1' 'COPY daemon.json etc/' 'COPY imageList manifests/imageList'
build app:2 >/dev/null
eq "$(requests)" "$before"
eq "$("$CLOUDFS" history app:2 | grep -c 'cloudfs cache')" 1
stop_registries
"$CLOUDFS" gc >/dev/null
kubefile "FROM $reg/kube-amd64:1" 'COPY imageList manifests' 'COPY web.yaml manifests'
build app:1 >id2
same_files id id2

# What cannot be had fails with its place, all of it told; or is left out.
printf 'busybox\nnothing.invalid/a:1\n' >ctx/imageList
fails_with 1 'manifests/imageList:2: nothing.invalid/a:1 cannot be had' build bad:1 --offline
"$CLOUDFS" build -t bad:1 --offline ctx 2>said >/dev/null && fail "a missing image is no failure"
grep -q 'manifests/imageList:2: nothing.invalid/a:1: neither' said || fail "$(cat said)"
fails_with 1 'no such image' "$CLOUDFS" inspect bad:1
build bad:1 --offline --allow-missing >/dev/null
eq "$("$CLOUDFS" cat bad:1:manifests/imageList | wc -l)" 2
build bad:2 --offline --ignore 'nothing.invalid/*' >/dev/null
build bad:3 --no-cache-images >/dev/null
eq "$("$CLOUDFS" history bad:3 | grep -c 'cloudfs cache')" 0

# Several platforms: one image for each, under one name.
mkdir -p ctx/bin-amd64 ctx/bin-arm64
echo a >ctx/bin-amd64/kubelet
echo b >ctx/bin-arm64/kubelet
kubefile 'FROM scratch' 'COPY bin-${ARCH}/. bin/'
build multi:1 --platform linux/amd64,linux/arm64 >/dev/null
[ "$(uname -m)" != x86_64 ] || eq "$("$CLOUDFS" cat multi:1:bin/kubelet)" a
eq "$("$CLOUDFS" images | grep -c multi)" 2
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck -q
for arch in amd64 arm64; do
    kubefile 'FROM multi:1' 'COPY daemon.json etc/'
    build "on-$arch:1" --platform "linux/$arch" >/dev/null
    "$CLOUDFS" inspect "on-$arch:1" | grep -qi "\"architecture\": *\"$arch\"" || fail "on-$arch is for another"
    "$CLOUDFS" cat "on-$arch:1:bin/kubelet"
done >said
eq "$(tr '\n' ' ' <said)" 'a b '
fails_with 1 'there is no image for linux/s390x in it, only for linux/amd64, linux/arm64' \
    build on:1 --offline --platform linux/s390x
fails_with 2 'OS/ARCH' build on:1 --platform linux/amd64,arm
"$CLOUDFS" tag multi:1 multi:2
eq "$("$CLOUDFS" images | grep -c multi)" 4
arm=$("$CLOUDFS" images --json | python3 -c 'import json, sys
print([i["Id"] for i in json.load(sys.stdin) if "multi:1" in " ".join(i["Names"])][-1])')
fails_with 1 'is one of those of multi:' "$CLOUDFS" rmi "$arm"
"$CLOUDFS" rmi multi:1 >/dev/null
"$CLOUDFS" cat multi:2:bin/kubelet >/dev/null
"$CLOUDFS" rmi multi:2 >/dev/null
"$CLOUDFS" fsck -q
eq "$("$CLOUDFS" images | grep -c multi || true)" 0

# What the scan warns of is told by a build that uses the cache, too.
mkdir -p warn/manifests
printf 'a: [\n' >warn/manifests/bad.yaml
printf 'FROM scratch\nCOPY manifests .\n' >warn/Kubefile
"$CLOUDFS" build -t warn:1 --offline warn 2>said >/dev/null
"$CLOUDFS" build -t warn:1 --offline warn 2>again >/dev/null
grep 'warning: manifests/bad.yaml:' said >first || fail "no warning: $(cat said)"
eq "$(grep -c 'using the cache' again)" 2
grep 'warning: manifests/bad.yaml:' again >second || fail "the cached build does not warn: $(cat again)"
same_files first second

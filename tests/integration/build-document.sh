#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build: every block of sealer's document on cluster images, as it is written there, with cloudfs in the
# place of sealer; the result file by file; as root and as an ordinary user.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
shared=${CLOUDFS_SHARED:-$top/../shared}
document=$shared/facts/define-cloudimage.zh.md
[ -f "$document" ] || skip "the document is not beside the checkout (CLOUDFS_SHARED)"
. "$top/tests/lib/registry.sh"
start_registry hub
reg=127.0.0.1:$port
printf '[[registry]]\nprefix = "docker.io"\nlocation = "%s"\ninsecure = true\n[[registry]]\nlocation = "%s"\ninsecure = true\n' \
    "$reg" "$reg" >"$work/registries.conf"
chmod 644 "$work/registries.conf" "$work/cloudfs.conf"
cd "$work"

# Its fenced blocks to block-1, block-2 ...; lines of COPY in the text to copies; the tree's paths to tree.
python3 - "$document" <<'END'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()
blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
for number, block in enumerate(blocks, 1):
    open("block-%d" % number, "w", encoding="utf-8").write(block)
open("copies", "w").write("".join(line + "\n" for line in re.findall(r"^`(COPY [^`]*)`$", text, re.M)))
open("commands", "w").write("".join(line + "\n" for line in re.findall(r"^(?:> )?(sealer (?:build|login) [^\n]*)$", text, re.M)))
stack, paths = [], []
for line in blocks[0].splitlines():
    m = re.match(r"^((?:│   |    )*)(?:├── |└── )(\S+)", line.replace("\u00a0", " "))
    if m:
        stack = stack[:len(m.group(1)) // 4] + [m.group(2)]
        paths.append("/".join(stack))
dirs = {p for p in paths if any(q.startswith(p + "/") for q in paths)} | {"registry/docker/registry"}
open("tree", "w").write("".join(p + ("/" if p in dirs else "") + "\n" for p in paths))
END
block() { grep -l -- "$1" "$work"/block-* | sort -V | sed -n "${2:-1}p"; }
eq "$(wc -l <tree)" 38
eq "$(wc -l <copies)" 5

# The CloudRootfs of the tree, and a container image for each name that the examples use.
mkdir -p own box/bin ctx kubeadm
while IFS= read -r path; do
    case $path in
    */) mkdir -p "own/$path" ;;
    *) mkdir -p "own/$(dirname "$path")" && echo "$path" >"own/$path" ;;
    esac
done <tree
printf '{"version":"v1.19.8","arch":"amd64"}' >own/Metadata
cp "$(block 'kind: ClusterConfiguration')" own/etc/kubeadm.yml
cp "$(block 'FROM scratch')" own/Kubefile
chmod 755 own/bin/* own/scripts/*
head -c 100000 /dev/urandom >box/bin/box
"$CLOUDFS" -q import box -t box:1 >/dev/null
for name in library/busybox:latest library/nginx:1.25 kubernetesui/dashboard:v2.2.0; do
    "$CLOUDFS" -q push box:1 "$reg/$name" >/dev/null
done

# What the text says that one has.
echo '{"max-concurrent-downloads": 5}' >ctx/daemon.json
mkdir ctx/tar
echo 1 >ctx/tar/file
tar -C ctx/tar -cf ctx/mysql.tar file # no image archive: it is carried, and nothing more
rm -r ctx/tar
cp "$(block 'kind: Plugin')" ctx/shell.yaml
mkdir -p ctx/nginx/templates
printf 'apiVersion: v2\nname: nginx\nversion: 1.0.0\nkubeVersion: ">=1.19"\n' >ctx/nginx/Chart.yaml
printf 'image: nginx\ntag: "1.25"\n' >ctx/nginx/values.yaml
printf 'kind: Pod\nspec:\n  containers:\n  - image: "{{ .Values.image }}:{{ .Values.tag }}"\n' >ctx/nginx/templates/pod.yaml
grep -v '^\[' "$(block '^busybox')" >ctx/imageList
printf 'kind: Pod\nspec:\n  containers:\n  - image: kubernetesui/dashboard:v2.2.0\n' >ctx/recommend.yaml
printf 'version: 0.1\n' >ctx/registry_config.yaml
{
    cat "$(block 'kind: InitConfiguration')"
    echo ---
    cat "$(block 'kind: JoinConfiguration')"
} >kubeadm/kubeadm.yml
chmod -R a+rX own ctx kubeadm

run_all() { # PREFIX...: all of it, with commands run by PREFIX
    as=("$@")
    sealer() { "${as[@]}" "$CLOUDFS" -q "$@"; }
    # The command lines are the document's own: the n-th that begins so.
    line() { grep "^$1" "$work/commands" | sed -n "$2p"; }
    has() { "${as[@]}" "$CLOUDFS" cat "$1:$2" | cmp - "$3" || fail "$1: $2"; }

    # Its own CloudRootfs: FROM scratch, COPY . .
    cd "$work/own"
    eval "$(line 'sealer build' 1)"
    cd "$work"
    rm -rf back
    mkdir -m 777 back
    "${as[@]}" "$CLOUDFS" extract user-defined-kubernetes:v1.19.8 "$work/back" 2>/dev/null
    diff -r own back
    eq "$("${as[@]}" "$CLOUDFS" ls -R user-defined-kubernetes:v1.19.8 | wc -l)" "$(find own -mindepth 1 | wc -l)"
    sealer tag user-defined-kubernetes:v1.19.8 kubernetes:v1.19.8
    sealer tag user-defined-kubernetes:v1.19.8 kubernetes-clusterv2:v1.19.8
    "${as[@]}" "$CLOUDFS" inspect --format sealer kubernetes:v1.19.8 | grep -q 'value: ". ."'

    # One file over the base's.
    cd "$work/ctx"
    cp "$(block 'COPY daemon.json etc/')" Kubefile
    eval "$(line 'sealer build' 2)"
    eq "$("${as[@]}" "$CLOUDFS" diff user-defined-kubernetes:v1.19.8 kubernetes:v1.19.8 || true)" 'C etc/daemon.json'
    has user-defined-kubernetes:v1.19.8 etc/daemon.json daemon.json

    # The account, then all the directories.
    eval "$(line 'sealer login' 1 | sed "s/registry.com/$reg/")" >/dev/null
    { echo 'FROM user-defined-kubernetes:v1.19.8' && cat "$work/copies"; } >Kubefile
    sealer build -t all:1 .
    has all:1 images/mysql.tar mysql.tar
    has all:1 plugins/shell.yaml shell.yaml
    for f in Chart.yaml values.yaml templates/pod.yaml; do has all:1 "charts/nginx/$f" "nginx/$f"; done
    has all:1 manifests/imageList imageList
    has all:1 manifests/recommend.yaml recommend.yaml
    has all:1 etc/daemon.json daemon.json
    v2=registry/docker/registry/v2/repositories
    for tag in library/busybox/_manifests/tags/latest library/nginx/_manifests/tags/1.25 \
        kubernetesui/dashboard/_manifests/tags/v2.2.0; do
        "${as[@]}" "$CLOUDFS" cat "all:1:$v2/$tag/current/link" >/dev/null || fail "$tag is not in registry/"
    done
    eq "$("${as[@]}" "$CLOUDFS" cat all:1:Metadata)" '{"version":"v1.19.8","arch":"amd64","kubeVersion":">=1.19"}'
    "${as[@]}" "$CLOUDFS" ls -R all:1 | grep -v '^registry\|^charts\|^manifests\|^plugins' >"$work/got"
    { find "$work/own" -mindepth 1 -printf '%P\n' && echo images/mysql.tar; } | grep -v '^registry' | LC_ALL=C sort >"$work/want"
    LC_ALL=C sort "$work/got" | cmp - "$work/want" || fail "$(diff "$work/got" "$work/want")"

    # A configuration of the registry, whose name nothing reads.
    cp "$(block 'COPY registry_config.yaml etc/')" Kubefile
    "${as[@]}" "$CLOUDFS" build -t config:1 . 2>"$work/said" >/dev/null
    has config:1 etc/registry_config.yaml registry_config.yaml
    grep -q 'copy it to etc/registry_config.yml' "$work/said" || fail "no warning of registry_config.yaml"

    # kubeadm.yml: two documents, then the whole default.
    cd "$work/kubeadm"
    cp "$(block 'COPY kubeadm.yml etc')" Kubefile
    eval "$(line 'sealer build' 3)"
    has user-define-kubeadm-kubernetes:v1.19.8 etc/kubeadm.yml kubeadm.yml
    eq "$("${as[@]}" "$CLOUDFS" diff user-define-kubeadm-kubernetes:v1.19.8 kubernetes-clusterv2:v1.19.8 || true)" \
        'C etc/kubeadm.yml'
    cd "$work"
}
run_all env >ids
find own ctx kubeadm -type f -name Kubefile -exec chmod 644 {} +
chmod 755 own ctx kubeadm
run_all as_user >user.ids
same_files ids user.ids

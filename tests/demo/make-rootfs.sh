#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: make-rootfs.sh DIR
# Makes the sample CloudRootfs in DIR, which must not exist: what rootfs/ holds, and what git cannot
# keep (archives, an empty directory, modes, times). Two runs give the same files, on any machine.
set -eu
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dest=${1:?usage: make-rootfs.sh DIR}
epoch=1613606400 # 2021-02-18, when Kubernetes v1.19.8 came out

fail() {
    echo "make-rootfs: $*" >&2
    exit 1
}

# pack DIR NAME...: a tar on stdout that depends on the files' names, modes and contents only.
pack() {
    local dir=$1
    shift
    tar -C "$dir" --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 \
        --numeric-owner -cf - -- "$@"
}

sha256() {
    sha256sum "$1" | cut -d' ' -f1
}

# stand_in FILE NAME VERSION
stand_in() {
    printf '#!/bin/sh\n# A stand-in for %s.\necho "%s version %s"\n' "$2" "$2" "$3" >"$1"
    chmod 755 "$1"
}

make_cri() {
    local program
    mkdir -p "$tmp/cri/docker" "$dest/cri"
    for program in containerd containerd-shim ctr docker docker-init docker-proxy dockerd runc; do
        stand_in "$tmp/cri/docker/$program" "$program" 19.03.15
    done
    pack "$tmp/cri" docker | gzip -n9 >"$dest/cri/docker.tar.gz"
}

# The registry's own image, as `docker save` writes it.
make_registry_image() {
    local i=$tmp/image layer config
    mkdir -p "$tmp/fs/bin" "$i" "$dest/images"
    stand_in "$tmp/fs/bin/registry" registry v2.7.1
    pack "$tmp/fs" bin >"$tmp/layer.tar"
    layer=$(sha256 "$tmp/layer.tar")
    mkdir "$i/$layer"
    mv "$tmp/layer.tar" "$i/$layer/layer.tar"
    printf '{"architecture":"amd64","config":{"Entrypoint":["/bin/registry"]},"created":"2021-02-18T00:00:00Z",%s}' \
        "\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:$layer\"]}" >"$tmp/config"
    config=$(sha256 "$tmp/config")
    mv "$tmp/config" "$i/$config.json"
    printf '[{"Config":"%s.json","RepoTags":["registry:2.7.1"],"Layers":["%s/layer.tar"]}]\n' \
        "$config" "$layer" >"$i/manifest.json"
    pack "$i" "$config.json" "$layer" manifest.json >"$dest/images/registry.tar"
}

# A checkout can have any umask, and git knows two modes only.
set_modes() {
    find "$dest" -type d -exec chmod 755 {} +
    find "$dest" -type f -perm -0100 -exec chmod 755 {} +
    find "$dest" -type f ! -perm -0100 -exec chmod 644 {} +
    find "$dest/registry" -mindepth 1 -type d -exec chmod 750 {} +
    find "$dest/registry" -type f -exec chmod 600 {} +
}

# The sample is of use only while its registry is whole.
check_registry() {
    local data name
    while IFS= read -r data; do
        name=$(basename "$(dirname "$data")")
        [ "$(sha256 "$data")" = "$name" ] || fail "$data: content does not match its name"
    done < <(find "$dest/registry" -name data)
}

[ ! -e "$dest" ] || fail "$dest: exists already"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

mkdir -p "$(dirname "$dest")"
cp -R -P "$here/rootfs" "$dest"
make_cri
make_registry_image
mkdir -p "$dest/registry/docker/registry/v2/repositories/library/hello/_uploads"
set_modes
check_registry
find "$dest" -depth -exec touch -h -d "@$epoch" {} +

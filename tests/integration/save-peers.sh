#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `save` writes is read by skopeo, umoci and buildah, which show the same files: names, types,
# modes, owners, times, links, xattrs and contents, as `extract` gives them.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need skopeo umoci python3 getfattr setfattr
export HOME=$work

# ---- an image of two layers with everything that a layer can hold ----

make_base() {
    mkdir -p "$1/etc/conf.d" "$1/bin" "$1/var/old/deep" "$1/usr/share/doc"
    printf '{}\n' >"$1/etc/daemon.json"
    head -c 300000 /dev/urandom >"$1/bin/kubelet"
    ln "$1/bin/kubelet" "$1/bin/kubelet-link"
    head -c 5000 /dev/urandom >"$1/bin/tool"
    chmod 4755 "$1/bin/tool"
    : >"$1/etc/empty"
    ln -s ../etc/daemon.json "$1/bin/sym"
    mkfifo -m 600 "$1/var/pipe"
    mknod -m 620 "$1/var/null" c 1 3
    printf 'x' >"$1/var/old/deep/x"
    printf 'gone\n' >"$1/etc/gone"
    printf 'n\n' >"$1/usr/share/doc/a-very-long-name-that-no-old-tar-header-can-hold-because-it-has-more-than-a-hundred-bytes-in-all-yes-it-has.txt"
    printf 'u\n' >"$1/etc/ü-文档"
    chown 1000:1001 "$1/etc/conf.d" "$1/etc/daemon.json"
    chmod 1777 "$1/var"
    setfattr -n user.note -v hello "$1/etc/daemon.json"
    setcap cap_net_raw+ep "$1/bin/kubelet" 2>/dev/null || true
    find "$1" -exec touch -h -d '2021-03-04 05:06:07.25' {} +
}
make_base "$work/base"
"$CLOUDFS" import "$work/base" -t example/peers:v1 >/dev/null

# The second layer: an edit in a mount where that can be, else a tar with whiteouts.
if mkdir "$work/m" && "$CLOUDFS" mount example/peers:v1 "$work/m" 2>"$work/why" >/dev/null; then
    printf '{"a": 1}\n' >"$work/m/etc/daemon.json"
    rm "$work/m/etc/gone"
    rm -r "$work/m/var/old"
    mkdir "$work/m/var/old"
    printf 'new\n' >"$work/m/var/old/new"
    mv "$work/m/usr/share" "$work/m/usr/common"
    printf 'linked\n' >>"$work/m/bin/kubelet-link"
    ln "$work/m/bin/tool" "$work/m/bin/tool-link"
    chmod 750 "$work/m/etc/conf.d"
    "$CLOUDFS" commit "$work/m" -t example/peers:v2 >/dev/null
    "$CLOUDFS" umount --discard "$work/m"
else
    skip_part "no mount here ($(tr '\n' ' ' <"$work/why")): the second layer is imported"
    mkdir -p "$work/two/etc" "$work/two/var/old"
    printf '{"a": 1}\n' >"$work/two/etc/daemon.json"
    : >"$work/two/etc/.wh.gone"
    : >"$work/two/var/old/.wh..wh..opq"
    printf 'new\n' >"$work/two/var/old/new"
    tar -C "$work/two" -cf "$work/two.tar" .
    "$CLOUDFS" import --base example/peers:v1 "$work/two.tar" -t example/peers:v2 >/dev/null
fi
"$CLOUDFS" extract example/peers:v2 "$work/ours"

# ---- comparing ----

# list DIR FILES: what is there, in FILES.*; times in whole seconds, which is what umoci keeps, and
# not the root's, which buildah sets when it makes a container.
list() {
    (cd "$1" && find . ! -name . -printf '%p|%y|%m|%U:%G|%l|%Ts\n' -o -printf '%p|%y|%m|%U:%G\n' |
        sort >"$2.names" &&
        find . -type f -exec sha256sum {} + | sort -k 2 >"$2.sums" &&
        find . -type f -printf '%n %p\n' | sort >"$2.links" &&
        getfattr -R -h -P -d -m '^(user|security\.capability)' . 2>/dev/null >"$2.xattrs" || true)
}
list "$work/ours" "$work/ours-list"

# same_tree DIR WHO [what not to compare]: the tool's tree has what ours has.
same_tree() {
    list "$1" "$work/their-list"
    for part in names sums links xattrs; do
        case " ${3-} " in *" $part "*) continue ;; esac
        diff "$work/ours-list.$part" "$work/their-list.$part" >"$work/diff" || {
            head -n 20 "$work/diff" >&2
            fail "$2 shows other $part"
        }
    done
}

# ---- skopeo ----

# id_of OPTIONS... REF
id_of() {
    "$CLOUDFS" "$@" >"$work/inspect.json"
    json "$work/inspect.json" '(d[0] if isinstance(d, list) else d)["Id"]'
}
id=$(id_of inspect example/peers:v2)
"$CLOUDFS" save -o "$work/oci.tar" example/peers:v2
"$CLOUDFS" save --format oci-dir -o "$work/layout" example/peers:v2
"$CLOUDFS" save --format docker -o "$work/docker.tar" example/peers:v2
for from in "oci-archive:$work/oci.tar" "oci:$work/layout:v2" "docker-archive:$work/docker.tar"; do
    skopeo inspect --config "$from" >"$work/config.json" || fail "skopeo inspect $from"
    eq "$(json "$work/config.json" 'len(d["rootfs"]["diff_ids"])')" 2
    rm -rf "$work/copy"
    skopeo --insecure-policy copy -q "$from" "dir:$work/copy" || fail "skopeo copy $from"
    eq "$(json "$work/copy/manifest.json" 'd["config"]["digest"]')" "$id"
done
# Compressed layers, and back: the same image, by its ID.
for how in gzip zstd; do
    "$CLOUDFS" save --compression "$how" -o "$work/$how.tar" example/peers:v2
    skopeo --insecure-policy copy -q "oci-archive:$work/$how.tar" "dir:$work/copy-$how" ||
        fail "skopeo copy of $how layers"
    "$CLOUDFS" --root "$work/store-$how" load -i "$work/copy-$how" -t back:1 >/dev/null
    eq "$(id_of --root "$work/store-$how" inspect back:1)" "$id"
done

# ---- umoci ----

umoci unpack --image "$work/layout:v2" "$work/bundle" >"$work/umoci.log" 2>&1 || {
    tail -n 5 "$work/umoci.log" >&2
    fail "umoci unpack"
}
same_tree "$work/bundle/rootfs" umoci

# ---- buildah ----

if command -v buildah >/dev/null 2>&1; then
    mkdir -p "$work/containers"
    bh() {
        buildah --root "$work/containers/root" --runroot "$work/containers/run" \
            --storage-driver vfs "$@"
    }
    if container=$(bh from "oci-archive:$work/oci.tar" 2>"$work/buildah.log"); then
        mounted=$(bh mount "$container")
        same_tree "$mounted" buildah
        bh umount "$container" >/dev/null
        bh rm "$container" >/dev/null
        container=$(bh from "docker-archive:$work/docker.tar") || fail "buildah from docker-archive"
        mounted=$(bh mount "$container")
        same_tree "$mounted" "buildah (docker-archive)"
        bh umount "$container" >/dev/null
        bh rm "$container" >/dev/null
    else
        tail -n 3 "$work/buildah.log" >&2
        fail "buildah from oci-archive"
    fi
else
    skip_part "no buildah on this machine"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# zstd:chunked: a pull fetches only what is missing, of our layers and of podman's; a table of contents
# that lies, or a registry that gives no parts, changes nothing but the bytes fetched.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need skopeo
. "$top/tests/lib/registry.sh"
start_registry plain
reg=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$reg" >"$work/registries.conf"

# v1 and v2 in one layer each: 64 KiB changed inside a binary, a few bytes put in before its end, a
# small file new, one gone, one as it was.
mkdir -p "$work/v1/bin" "$work/v1/etc"
python3 - "$work" <<'END'
import random, shutil, sys
random.seed(7)
work = sys.argv[1]
data = bytearray(random.randbytes(12 << 20))
data[3 << 20:(3 << 20) + 300000] = bytes(300000)
open(work + "/v1/bin/kubelet", "wb").write(data)
open(work + "/v1/bin/same", "wb").write(random.randbytes(4 << 20))
for i in range(300):
    open(work + "/v1/etc/f%d" % i, "wb").write(b"%d\n" % i * 300)
shutil.copytree(work + "/v1", work + "/v2")
data[7 << 20:(7 << 20) + 65536] = random.randbytes(65536)
data[10 << 20:10 << 20] = b"put in"
open(work + "/v2/bin/kubelet", "wb").write(data)
open(work + "/v2/etc/new", "wb").write(b"new\n" * 1000)
END
rm "$work/v2/etc/f7"
"$CLOUDFS" import "$work/v1" -t k:1 --timestamp 1700000000 >/dev/null
id=$("$CLOUDFS" import "$work/v2" -t k:2 --timestamp 1700000000)
"$CLOUDFS" ls -R -l k:2 >"$work/list"
"$CLOUDFS" save --format docker -o "$work/v2.docker" k:2
"$CLOUDFS" push k:1 "$reg/apps/k:1" >/dev/null
"$CLOUDFS" push k:2 "$reg/apps/k:2" >/dev/null
"$CLOUDFS" push --compression gzip k:1 "$reg/apps/gzip:1" >/dev/null
"$CLOUDFS" extract k:2:bin/kubelet "$work/" 2>/dev/null || "$CLOUDFS" cat k:2:bin/kubelet >"$work/kubelet"

check_v2() { # STORE REF: all of v2 is there, and right
    CLOUDFS_ROOT=$1 "$CLOUDFS" ls -R -l "$2" >"$work/list2"
    same_files "$work/list" "$work/list2"
    CLOUDFS_ROOT=$1 "$CLOUDFS" cat "$2:bin/kubelet" | cmp - "$work/v2/bin/kubelet"
    CLOUDFS_ROOT=$1 "$CLOUDFS" fsck -q --deep 2>/dev/null || CLOUDFS_ROOT=$1 "$CLOUDFS" fsck -q
    CLOUDFS_ROOT=$1 "$CLOUDFS" save -o "$work/saved.tar" "$2"
    [ -z "$(find "$1/tmp" -mindepth 1 ! -name 'lock*')" ] || fail "tmp/ is not empty"
}

# v1 came as gzip, v2 comes as zstd:chunked
export CLOUDFS_ROOT="$work/store-1"
"$CLOUDFS" pull -q "$reg/apps/gzip:1" >/dev/null
"$CLOUDFS" pull --json "$reg/apps/k:2" >"$work/json"
eq "$(json "$work/json" 'd["Id"]')" "$id"
fetched=$(json "$work/json" 'd["BytesFetched"]')
[ "$fetched" -lt 500000 ] || fail "$fetched bytes were fetched"
echo "v2 of v1: $fetched bytes"
[ "$(json "$work/json" 'd["Requests"]')" -lt 20 ] || fail "too many requests: $(cat "$work/json")"
check_v2 "$CLOUDFS_ROOT" "$reg/apps/k:2"
# and goes back to the registry without a byte
"$CLOUDFS" push --json "$reg/apps/k:2" "$reg/apps/k:again" >"$work/json"
eq "$(json "$work/json" 'd["BlobsSent"]')" 0

# without v1: one request for the blob
"$CLOUDFS" --root "$work/store-2" pull --json "$reg/apps/k:2" >"$work/json"
[ "$(json "$work/json" 'd["Requests"]')" -lt 7 ] || fail "too many requests: $(cat "$work/json")"
check_v2 "$work/store-2" "$reg/apps/k:2"

# podman's own layers
if [ -d "${CLOUDFS_SHARED:-$top/../shared}/golden/oci-zstd-chunked" ]; then
    golden=${CLOUDFS_SHARED:-$top/../shared}/golden
    skopeo copy -q --dest-tls-verify=false --preserve-digests "oci:$golden/oci-zstd-chunked:v1" "docker://$reg/apps/podman:v1" ||
        fail "skopeo cannot push podman's image"
    "$CLOUDFS" --root "$work/store-3" load -i "$golden/oci-gzip" -t g:1 >"$work/id"
    "$CLOUDFS" --root "$work/store-3" ls -R -l g:1 >"$work/list-g"
    # Only what has files like it: the binary comes from here.
    "$CLOUDFS" --root "$work/store-4" cat g:1 2>/dev/null || true
    mkdir -p "$work/like/bin"
    "$CLOUDFS" --root "$work/store-3" ls -R g:1 >"$work/names"
    layer=$(skopeo inspect --raw --tls-verify=false "docker://$reg/apps/podman:v1" >"$work/m.json" && json "$work/m.json" 'd["layers"][0]["digest"]')
    skopeo copy -q "oci:$golden/oci-uncompressed:v1" "dir:$work/plain-dir"
    big=$(find "$work/plain-dir" -type f -size +300k | head -n 1)
    tar -xf "$big" -C "$work/like" bin/kubelet
    printf changed | dd of="$work/like/bin/kubelet" bs=1 seek=200000 conv=notrunc status=none
    "$CLOUDFS" --root "$work/store-4" import "$work/like" -t like:1 >/dev/null
    "$CLOUDFS" --root "$work/store-4" pull --json "$reg/apps/podman:v1" >"$work/json"
    fetched=$(json "$work/json" 'd["BytesFetched"]')
    [ "$fetched" -lt 250000 ] || fail "$fetched bytes of podman's layer $layer were fetched"
    "$CLOUDFS" --root "$work/store-4" ls -R -l "$reg/apps/podman:v1" >"$work/list-4"
    same_files "$work/list-g" "$work/list-4"
else
    skip_part "no reference images here: podman's own zstd:chunked"
fi

# stargz's forms: of large files only the members that are not here, and all that lies behind a file.
mkdir "$work/v2.layers"
tar -xf "$work/v2.docker" -C "$work/v2.layers"
v2_tar=$(find "$work/v2.layers" -name layer.tar)
for kind in estargz zstd; do
    for fault in '' bad-annotation bad-chunk bad-offset; do
        size=$(python3 "$top/tests/lib/stargz.py" $kind "$v2_tar" "http://$reg" apps/$kind "2$fault" $fault) ||
            fail "no image in the form $kind"
        store=$work/store-$kind-$fault
        CLOUDFS_ROOT=$store "$CLOUDFS" pull -q "$reg/apps/gzip:1" >/dev/null
        CLOUDFS_ROOT=$store "$CLOUDFS" pull --json "$reg/apps/$kind:2$fault" >"$work/json"
        fetched=$(json "$work/json" 'd["BytesFetched"]')
        echo "$kind $fault: $fetched of $size bytes"
        [ -n "$fault" ] || [ "$fetched" -lt $((size / 3)) ] || fail "$kind: $fetched of $size bytes were fetched"
        CLOUDFS_ROOT=$store "$CLOUDFS" cat "$reg/apps/$kind:2$fault:bin/kubelet" | cmp - "$work/v2/bin/kubelet"
        CLOUDFS_ROOT=$store "$CLOUDFS" ls -R -l "$reg/apps/$kind:2$fault" | grep -v stargz.index.json >"$work/list-s"
        grep -v ' \.$' "$work/list" | same_files - "$work/list-s" || fail "$kind $fault: other files"
        CLOUDFS_ROOT=$store "$CLOUDFS" fsck -q
    done
done

# A table of contents that lies, with all checksums in order: the image comes as its tar has it, or not at
# all, and what the store has stays right.
if command -v zstd >/dev/null 2>&1; then
    for lie in digest stolen chunk offset size twice missing name mode; do
        python3 "$top/tests/lib/lying_toc.py" "http://$reg" apps/k 2 "lie-$lie" $lie || fail "no image whose table lies: $lie"
        store=$work/store-lie-$lie
        CLOUDFS_ROOT=$store "$CLOUDFS" pull -q "$reg/apps/gzip:1" >/dev/null
        if CLOUDFS_ROOT=$store "$CLOUDFS" pull -q "$reg/apps/k:lie-$lie" >"$work/said" 2>"$work/why"; then
            echo "a lie ($lie): all of the layer was read instead"
            eq "$(cat "$work/said")" "$id"
            check_v2 "$store" "$reg/apps/k:lie-$lie"
        else
            echo "a lie ($lie): $(cat "$work/why")"
            eq "$lie: $(wc -l <"$work/why") lines" "$lie: 1 lines"
            eq "$(CLOUDFS_ROOT=$store "$CLOUDFS" images --names)" "$reg/apps/gzip:1"
        fi
        CLOUDFS_ROOT=$store "$CLOUDFS" fsck -q
        CLOUDFS_ROOT=$store "$CLOUDFS" pull -q "$reg/apps/k:2" >/dev/null # nothing is poisoned
        check_v2 "$store" "$reg/apps/k:2"
    done
else
    skip_part "no zstd on this machine: tables of contents that lie"
fi

# A registry that misbehaves: the image is right, or there is one clear line.
try_bad() { # FAULT...: pulls v2 onto v1 through it into $work/store-bad
    bad_port=$(free_port)
    python3 "$top/tests/lib/bad_registry.py" "$bad_port" "http://$reg" "$@" >"$work/bad.log" 2>&1 &
    bad_pid=$!
    registry_pids="$registry_pids $bad_pid"
    wait_for_port "$bad_port"
    rm -rf "$work/store-bad"
    CLOUDFS_ROOT=$work/store-bad "$CLOUDFS" pull -q "$reg/apps/gzip:1" >/dev/null
}
for fault in no-ranges wrong-range; do
    try_bad $fault
    CLOUDFS_ROOT=$work/store-bad "$CLOUDFS" pull -q --tls-verify=false "127.0.0.1:$bad_port/apps/k:2" >/dev/null ||
        fail "a registry with $fault cannot be pulled from"
    check_v2 "$work/store-bad" "127.0.0.1:$bad_port/apps/k:2"
done
try_bad wrong-bytes
CLOUDFS_ROOT=$work/store-bad fails_with 1 'does not match|should be|damaged' "$CLOUDFS" pull -q --tls-verify=false "127.0.0.1:$bad_port/apps/k:2"
CLOUDFS_ROOT=$work/store-bad "$CLOUDFS" fsck -q
# the store is as good as before
CLOUDFS_ROOT=$work/store-bad "$CLOUDFS" pull -q "$reg/apps/k:2" >/dev/null
check_v2 "$work/store-bad" "$reg/apps/k:2"

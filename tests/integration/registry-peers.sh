#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Through a real registry: what we push, podman, buildah and umoci show as we do; what they push, we pull
# as it was. Where CLOUDFS_TEST_TRIXIE is set, also podman of Debian 13, which takes our layers in parts.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need skopeo umoci buildah tar setfattr
. "$top/tests/lib/registry.sh"
set -eu
start_registry plain
reg=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$reg" >"$work/registries.conf"
printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >"$work/policy.json"

mkdir -p "$work/src/etc/conf.d" "$work/src/bin" "$work/more/etc"
head -c 6000000 /dev/urandom >"$work/src/bin/kubelet"
{ head -c 300000 /dev/urandom; head -c 500000 /dev/zero; seq 50000; } >"$work/src/bin/holes"
ln "$work/src/bin/kubelet" "$work/src/bin/kubelet-link"
ln -s ../bin/kubelet "$work/src/etc/sym"
: >"$work/src/etc/empty"
chown 1000:1001 "$work/src/etc/conf.d"
chmod 4755 "$work/src/bin/holes"
setfattr -n user.note -v hello "$work/src/etc/empty"
echo two >"$work/more/etc/two"
"$CLOUDFS" import "$work/src" -t a:1 >/dev/null
id=$("$CLOUDFS" import "$work/more" --base a:1 -t a:2)
"$CLOUDFS" extract a:2 "$work/ours"

# digest DIR: of all that tar tells of it, but for the root's mode and directories' times, which are the
# tools' own.
digest() {
    chmod 755 "$1"
    find "$1" -type d -exec touch -d @1700000000 {} +
    tar --sort=name --numeric-owner --xattrs --xattrs-include='user.*' --pax-option=delete=atime,delete=ctime -C "$1" -cf - . | sha256sum
}
ours=$(digest "$work/ours")

for form in zstd:chunked gzip; do
    repo=apps/${form%:*}
    "$CLOUDFS" push -q --compression $form a:2 "$reg/$repo:2" >/dev/null
    for tool in buildah podman; do
        command -v $tool >/dev/null || {
            skip_part "no $tool on this machine"
            continue
        }
        store=$work/$tool-${form%:*}
        run() { $tool --root "$store/root" --runroot "$store/run" --storage-driver overlay "$@"; }
        run pull -q --tls-verify=false --signature-policy "$work/policy.json" "docker://$reg/$repo:2" >/dev/null ||
            fail "$tool cannot pull $form"
        if [ $tool = podman ]; then
            top_dir=$(run image mount "$reg/$repo:2")
        else
            box=$(run from --pull-never "$reg/$repo:2")
            top_dir=$(run mount "$box")
        fi
        mkdir -p "$store/copy"
        cp -a "$top_dir/." "$store/copy"
        eq "$tool $form $(digest "$store/copy")" "$tool $form $ours"
        # And back: the image under another name, through their own store.
        run push -q --tls-verify=false --signature-policy "$work/policy.json" "$reg/$repo:2" "docker://$reg/back/$tool:${form%:*}" ||
            fail "$tool cannot push"
        "$CLOUDFS" --root "$store/cloudfs" pull -q "$reg/back/$tool:${form%:*}" >/dev/null
        "$CLOUDFS" --root "$store/cloudfs" extract "$reg/back/$tool:${form%:*}" "$store/theirs"
        eq "back $tool $form $(digest "$store/theirs")" "back $tool $form $ours"
        if [ $tool = podman ]; then run image umount -a >/dev/null; else run rm -a >/dev/null; fi
        umount "$store/root/overlay" 2>/dev/null || true
    done
done
skopeo copy -q --src-tls-verify=false --policy "$work/policy.json" "docker://$reg/apps/gzip:2" "oci:$work/layout:2"
umoci unpack --image "$work/layout:2" "$work/bundle" >/dev/null 2>&1 || fail "umoci cannot unpack"
eq "umoci $(digest "$work/bundle/rootfs")" "umoci $ours"
[ -n "$id" ]

[ -n "${CLOUDFS_TEST_TRIXIE:-}" ] || {
    skip_part "CLOUDFS_TEST_TRIXIE is not set: podman of Debian 13"
    exit 0
}
# A debootstrap of Debian 13, kept in that folder: its podman pulls v1, then v2 in parts.
trixie=$CLOUDFS_TEST_TRIXIE
need debootstrap chroot
[ -x "$trixie/usr/bin/podman" ] ||
    debootstrap --variant=minbase --include=podman,ca-certificates trixie "$trixie" "${CLOUDFS_TEST_MIRROR:-http://deb.debian.org/debian}" \
        >"$work/debootstrap.log" 2>&1 || fail "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
cp -a "$work/src" "$work/src2"
printf changed | dd of="$work/src2/bin/kubelet" bs=1 seek=3000000 conv=notrunc status=none
"$CLOUDFS" import "$work/src2" -t b:2 >/dev/null
"$CLOUDFS" push -q a:1 "$reg/apps/parts:1" >/dev/null
"$CLOUDFS" push -q b:2 "$reg/apps/parts:2" >/dev/null
mkdir -p "$trixie/etc/containers"
cat >"$trixie/etc/containers/storage.conf" <<END
[storage]
driver = "overlay"
runroot = "/var/tmp/cloudfs-run"
graphroot = "/var/tmp/cloudfs-root"
[storage.options.pull_options]
enable_partial_images = "true"
END
cp "$work/policy.json" "$trixie/etc/containers/"
for name in proc sys dev; do mount --rbind "/$name" "$trixie/$name" && mount --make-rslave "$trixie/$name"; done
end_trixie() {
    umount -l "$trixie/var/tmp/cloudfs-root/overlay" "$trixie/proc" "$trixie/sys" "$trixie/dev" 2>/dev/null || true
    rm -rf "$trixie/var/tmp/cloudfs-root" "$trixie/var/tmp/cloudfs-run"
}
in_trixie() { chroot "$trixie" env -u XDG_RUNTIME_DIR -u CONTAINERS_REGISTRIES_CONF HOME=/root podman --log-level=debug "$@"; }
in_trixie pull --tls-verify=false "$reg/apps/parts:1" >"$work/trixie-1.log" 2>&1 || { end_trixie; fail "podman 5: $(tail -n 3 "$work/trixie-1.log")"; }
before=$(wc -l <"$work/plain.log")
in_trixie pull --tls-verify=false "$reg/apps/parts:2" >"$work/trixie-2.log" 2>&1 || { end_trixie; fail "podman 5: $(tail -n 3 "$work/trixie-2.log")"; }
grep -h -i 'retrieved partial blob\|partial' "$work/trixie-1.log" "$work/trixie-2.log" | tail -n 4
sent=$(tail -n +"$before" "$work/plain.log" | grep -o 'http.response.written=[0-9]*' | awk -F= '{ n += $2 } END { print n + 0 }')
echo "podman of Debian 13: $sent bytes for the second image"
end_trixie
[ "$sent" -gt 0 ] && [ "$sent" -lt 1500000 ] || fail "podman 5 fetched $sent bytes"

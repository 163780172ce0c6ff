#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# buildah and podman with cloudfs as their mount program: from, mount, run, commit, rm.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need buildah
cd "$work" || exit 1
mkdir -p src/etc src/bin
echo old >src/etc/f
echo gone >src/etc/g
cp /bin/true src/bin/true
# what true needs to run in there
ldd /bin/true | grep -o '/[^ ]*' | while read -r file; do
    mkdir -p "src${file%/*}" && cp -L "$file" "src$file"
done
"$CLOUDFS" import src -t a:1 >/dev/null
"$CLOUDFS" save --format oci-dir -o layout a:1 >/dev/null
unset CLOUDFS_ROOT
storage=(--root "$work/st" --runroot "$work/run" --storage-driver overlay
    --storage-opt "overlay.mount_program=$CLOUDFS")
engine() {
    timeout 120 "$1" "${storage[@]}" "${@:2}"
}

engine buildah from --quiet --name one oci:layout >/dev/null 2>said || {
    cat said
    skip "buildah does not work here"
}
m=$(engine buildah mount one)
eq "$(findmnt -no FSTYPE "$m")" fuse.cloudfs
eq "$(cat "$m/etc/f")" old
echo new >"$m/etc/f"
rm "$m/etc/g"
mv "$m/bin" "$m/bin2"
ln "$m/etc/f" "$m/link"
chown 5:6 "$m/etc"
engine buildah umount one >/dev/null
eq "$(mounts_below "$work/st/overlay" | grep -c merged)" 0
engine buildah commit --quiet one two:1 >/dev/null
engine buildah from --quiet --name two localhost/two:1 >/dev/null
m=$(engine buildah mount two)
eq "$(cd "$m" && find . -path ./lib\* -prune -o -print | sort | tr '\n' ' ')" \
    ". ./bin2 ./bin2/true ./etc ./etc/f ./link "
eq "$(cat "$m/etc/f")" new
eq "$(stat -c '%u:%g' "$m/etc")" 5:6
eq "$(stat -c '%h %i' "$m/etc/f")" "$(stat -c '%h %i' "$m/link")"
engine buildah umount two >/dev/null

# Where a container cannot run at all, its mount was tested above.
engine buildah run --isolation chroot two /bin2/true >said 2>&1 ||
    skip_part "no container runs here: $(tail -n 1 said)"
engine buildah rm one two >/dev/null

if command -v podman >/dev/null; then
    c=$(engine podman create localhost/two:1 /bin2/true)
    m=$(engine podman mount "$c")
    eq "$(cat "$m/etc/f")" new
    echo more >>"$m/etc/f"
    engine podman umount "$c" >/dev/null
    eq "$(engine podman diff "$c" | grep -c '/etc/f$')" 1
    engine podman rm "$c" >/dev/null
else
    skip_part "no podman here"
fi
engine buildah rmi --all >/dev/null

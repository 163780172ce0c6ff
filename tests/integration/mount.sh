#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A mount's life as root: options, refusals, listing, finding, resuming, discarding, freezing.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse

mkdir -p "$work/src/etc" "$work/src/bin" "$work/m" "$work/m2"
echo '{"a": 1}' >"$work/src/etc/daemon.json"
head -c 300000 /dev/urandom >"$work/src/bin/tool"
printf '#!/bin/sh\necho ran\n' >"$work/src/bin/script"
chmod 755 "$work/src/bin/script"
ln -s etc/daemon.json "$work/src/link"
mkfifo "$work/src/fifo"
mknod "$work/src/null" c 1 3
mkdir -m 1777 "$work/src/tmp"
chmod 751 "$work/src"
"$CLOUDFS" import "$work/src" -t test/rootfs:1 >/dev/null
m=$work/m

mounts() {
    ls "$CLOUDFS_ROOT/mounts"
}

# What is refused: one line each, and nothing is left of it.
fails_with 1 'no such image' "$CLOUDFS" mount none:1 "$m"
fails_with 1 'does not exist' "$CLOUDFS" mount test/rootfs:1 "$work/none"
fails_with 1 'not a directory' "$CLOUDFS" mount test/rootfs:1 "$work/src/etc/daemon.json"
fails_with 1 'not empty' "$CLOUDFS" mount test/rootfs:1 "$work/src"
fails_with 1 'engine' "$CLOUDFS" mount --engine none test/rootfs:1 "$m"
eq "$(mounts)" ""

# Read-only: shows what was imported, and leaves nothing.
eq "$("$CLOUDFS" mount --ro test/rootfs:1 "$m")" ""
diff -r --no-dereference "$work/src/etc" "$m/etc"
cmp "$work/src/bin/tool" "$m/bin/tool"
for name in . etc bin/script link fifo null tmp; do
    eq "$name $(stat -c '%a %u %g %F %t:%T %y' "$m/$name")" \
        "$name $(stat -c '%a %u %g %F %t:%T %y' "$work/src/$name")"
done
fails_with 1 'Read-only' touch "$m/x"
eq "$(findmnt -n -o FSTYPE,SOURCE "$m" | tr -s ' ')" "fuse.cloudfs cloudfs:test/rootfs:1"
fails_with 1 'already' "$CLOUDFS" mount test/rootfs:1 "$m"
"$CLOUDFS" umount "$m"
eq "$(mounts)" ""

# A mount without changes leaves nothing either, one with changes its upper.
"$CLOUDFS" mount test/rootfs:1 "$m"
eq "$("$m/bin/script")" ran
echo x >"$m/dev-null-test"
echo x >"$m/null"
rm "$m/dev-null-test"
"$CLOUDFS" umount "$m"
eq "$(mounts)" ""
"$CLOUDFS" mount test/rootfs:1 "$m"
chmod 700 "$m"
"$CLOUDFS" umount "$m"
id=$(mounts)
[ -n "$id" ] || fail "a change of the root's mode was forgotten"
"$CLOUDFS" umount --discard "$id"
eq "$(mounts)" ""

# Changes outlive the mount, at another mount point too, under the image that it was made from.
"$CLOUDFS" mount test/rootfs:1 "$m"
id=$(mounts)
eq "$("$CLOUDFS" -q mount)" "$id"
sed -i 's/1/2/' "$m/etc/daemon.json"
echo new >"$m/new"
inode=$(stat -c %i "$m/etc/daemon.json")
fails_with 1 'in use' "$CLOUDFS" umount --discard "$id" <"$m/new" 3<"$m/new"
"$CLOUDFS" umount "$m"
fails_with 1 'not mounted' "$CLOUDFS" umount "$id"
mkdir "$work/other"
echo other >"$work/other/file"
"$CLOUDFS" import "$work/other" -t test/rootfs:1 >/dev/null
fails_with 1 'not empty' "$CLOUDFS" mount --resume "$id" "$work/src"
"$CLOUDFS" mount --resume "$id" "$work/m2"
fails_with 1 'is mounted on' "$CLOUDFS" mount --resume "$id"
eq "$(cat "$work/m2/etc/daemon.json" "$work/m2/new")" '{"a": 2}
new'
eq "$(stat -c %i "$work/m2/etc/daemon.json")" "$inode"
"$CLOUDFS" umount "$work/m2/etc"
"$CLOUDFS" mount --resume "$id"
eq "$(cat "$work/m2/new")" new

# umount(8), lazily, and by a signal to the daemon: clean each time, and what comes next waits for the
# daemon's end.
lock=$CLOUDFS_ROOT/mounts/$id/lock
umount "$work/m2"
"$CLOUDFS" mount --resume "$id"
exec 5<"$work/m2/new"
umount -l "$work/m2"
read -r line <&5
eq "$line" new
exec 5<&-
"$CLOUDFS" mount --resume "$id"
kill -TERM "$(cat "$lock")"
tries=0
while grep -q " $work/m2 " /proc/self/mountinfo; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "SIGTERM does not unmount"
    sleep 0.05
done
eq "$(mounts_below "$work")" ""
"$CLOUDFS" umount --discard "$id"
eq "$(mounts)" ""

# The caller's own upper.
"$CLOUDFS" mount --upper "$work/upper" test/rootfs:1 "$m"
eq "$(cat "$m/file")" other
echo 1 >"$m/mine"
"$CLOUDFS" umount "$m"
eq "$(cat "$work/upper/mine")" 1
fails_with 1 'belongs to mount' "$CLOUDFS" mount --upper "$work/upper" test/rootfs:1 "$m"
"$CLOUDFS" umount --discard "$(mounts)"
[ ! -e "$work/upper/mine" ] || fail "discard left changes in the caller's upper"

# Two mounts of one image do not see each other; gc keeps what both need.
"$CLOUDFS" mount test/rootfs:1 "$m"
"$CLOUDFS" mount test/rootfs:1 "$work/m2"
echo one >"$m/which"
echo two >"$work/m2/which"
"$CLOUDFS" gc >/dev/null
eq "$(cat "$m/which" "$work/m2/which" "$m/file")" 'one
two
other'
"$CLOUDFS" umount --all
eq "$(mounts_below "$work")" ""

# A mount in the foreground ends with the unmount, and holds nobody up meanwhile.
"$CLOUDFS" mount -f test/rootfs:1 "$m" &
foreground=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ -e "$m/file" ] && break
    sleep 0.2
done
[ -e "$m/file" ] || fail "the mount in the foreground does not answer"
timeout 20 "$CLOUDFS" gc >/dev/null || fail "gc waits for the mount in the foreground"
"$CLOUDFS" umount "$m"
wait "$foreground" || fail "the mount in the foreground ended with status $?"

# mount(8) and its options.
if [ -x /sbin/mount.fuse.cloudfs ] || [ -x /sbin/mount.fuse3 ]; then
    PATH=$(dirname "$CLOUDFS"):$PATH
    export PATH
    if mount -t fuse.cloudfs test/rootfs:1 "$m" -o ro,fsname=mine,noexec,x-none 2>"$work/err"; then
        eq "$(findmnt -n -o SOURCE "$m")" mine
        findmnt -n -o OPTIONS "$m" | grep -q noexec || fail "noexec is lost"
        umount "$m"
    else
        skip_part "mount(8) does not reach cloudfs: $(head -1 "$work/err")"
    fi
fi

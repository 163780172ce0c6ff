#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Mounts of an ordinary user: owners are shown and changed, nobody else gets in, tools work.
. "$(dirname "$0")/../lib/lib.sh"
need_user_fuse "$@"
[ "$(id -u)" = 0 ] || skip "needs root to make an image with other owners"

mkdir -p "$work/src/etc" "$work/src/secret"
echo one >"$work/src/etc/one"
echo two >"$work/src/etc/two"
chown 12:34 "$work/src/etc/two"
chmod 4755 "$work/src/etc/two"
chmod 700 "$work/src/secret"
echo hidden >"$work/src/secret/file"
chmod 0 "$work/src/secret/file"
mknod "$work/src/null" c 1 3
(cd "$work/src" && tar --numeric-owner -cf "$work/src.tar" .)
chmod 644 "$work/src.tar"
as_user "$CLOUDFS" import "$work/src.tar" -t test/user:1 >/dev/null
m=$work/user/m
as_user mkdir "$m"

in_mount() {
    as_user sh -euc "cd '$m'; $1"
}

as_user "$CLOUDFS" mount test/user:1 "$m"
id=$(as_user "$CLOUDFS" -q mount)
eq "$(in_mount 'stat -c "%n %u %g %a %F" etc/one etc/two secret/file null')" \
    'etc/one 0 0 644 regular file
etc/two 12 34 4755 regular file
secret/file 0 0 0 regular file
null 0 0 644 character special file'
eq "$(in_mount 'cat secret/file')" hidden
cat "$m/etc/one" 2>/dev/null && fail "root gets into a user's mount"
case $(findmnt -n -o OPTIONS "$m") in
*nosuid*nodev* | *nodev*nosuid*) ;;
*) fail "a user's mount allows setuid or devices" ;;
esac

# Changes of owner and mode are kept, whoever it may be.
in_mount '
chown 55:66 etc/one
chmod 2711 etc/one
echo new >new
chown 77:88 new
ln -s x sym
chown -h 7:8 sym
mkfifo pipe
mkdir dir
chown 9:9 dir'
facts='stat -c "%n %u %g %a" etc/one new sym pipe dir'
before=$(in_mount "$facts")
eq "$(echo "$before" | sed -n '1,3p')" 'etc/one 55 66 2711
new 77 88 644
sym 7 8 777'

# What root owns is copied without complaint, and stays the user's.
in_mount 'cp -a secret copied; cat copied/file' >/dev/null
in_mount 'tar -cf - secret | tar -xpf - -C dir; cat dir/secret/file' >/dev/null
in_mount 'chmod 644 secret/file; sed -i s/hidden/shown/ secret/file; mv secret moved; cat moved/file' >/dev/null

as_user "$CLOUDFS" umount "$m"
eq "$(mounts_below "$work/user")" ""
as_user "$CLOUDFS" mount --resume "$id"
eq "$(in_mount "$facts")" "$before"
eq "$(in_mount 'cat moved/file copied/file')" 'shown
hidden'

# In use, lazily, killed.
as_user sh -c "cd '$m' && exec sleep 30" &
sleep 0.3
fails_with 1 'in use' as_user "$CLOUDFS" umount "$m"
kill %1
wait %1 2>/dev/null || true
kill -9 "$(cat "$work/user/.local/share/cloudfs/mounts/$id/lock")"
sleep 0.2
as_user "$CLOUDFS" umount "$m"
as_user "$CLOUDFS" mount --resume "$id"
eq "$(in_mount "$facts")" "$before"
as_user "$CLOUDFS" umount --discard "$m"
eq "$(ls "$work/user/.local/share/cloudfs/mounts")" ""

# allow_other is fusermount3's to refuse, in one line, and changes nothing.
if ! grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
    fails_with 1 'user_allow_other' as_user "$CLOUDFS" mount -o allow_other test/user:1 "$m"
    eq "$(ls "$work/user/.local/share/cloudfs/mounts")" ""
fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# mount(8) and umount(8): an fstab line, with the helpers of `make install` and through the fuse3
# package's own, remounts, and a systemd unit. In a mount namespace whose /usr/sbin is a copy.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
if [ -z "${CLOUDFS_HELPERS:-}" ]; then
    cleanup
    CLOUDFS_HELPERS=1 exec unshare -m bash "$self"
fi
mount --make-rprivate /
cd "$work" || exit 1
mkdir -p src/etc up wk m
case $(readlink -f /sbin) in
/usr/sbin) mount -t overlay ov -o "lowerdir=/usr/sbin,upperdir=$work/up,workdir=$work/wk" /usr/sbin 2>/dev/null ;;
*) false ;;
esac || skip "no overlayfs over /usr/sbin here"
trap 's=$?; set +e; cd /; umount -l /usr/sbin; (exit $s); at_exit' EXIT
rm -f /usr/sbin/mount.fuse.cloudfs /usr/sbin/umount.fuse.cloudfs
ln -sf "$CLOUDFS" /usr/sbin/cloudfs # found by mount.fuse
echo hi >src/etc/f
"$CLOUDFS" import src -t a:1 >/dev/null
cat >fstab <<E
a:1 $work/m fuse.cloudfs root=$CLOUDFS_ROOT,upper=$work/data,nofail,_netdev,x-systemd.requires=x.target 0 0
E
# silent COMMAND...: succeeds and says nothing
silent() {
    "$@" >said 2>&1 || {
        cat said >&2
        fail "$*"
    }
    eq "$(cat said)" ""
}

# A daemon that umount(8) did not wait for ends by itself.
wait_unmounted() {
    tries=0
    while "$CLOUDFS" --json mount | grep -q '"mounted"'; do
        [ $((tries += 1)) -le 100 ] || fail "the daemon goes on"
        sleep 0.1
    done
}

# The same as often as it is mounted: the changes stay.
fstab_works() {
    silent mount -T fstab "$work/m"
    eq "$(cat m/etc/f)" hi
    eq "$(findmnt -no FSTYPE,SOURCE "$work/m" | tr -s ' ')" "fuse.cloudfs cloudfs:a:1"
    echo "$1" >"m/$1"
    silent mount -o remount,ro m
    (: >m/no) 2>/dev/null && fail "a file is made in what is read-only"
    silent mount -o remount,rw,nosuid,allow_other m
    case $(findmnt -no OPTIONS "$work/m") in *rw,nosuid*) ;; *) fail "not remounted" ;; esac
    : >"m/$1-2"
    umount m
    wait_unmounted
    silent mount -T fstab "$work/m"
    eq "$(cat "m/$1")" "$1"
    umount m
}

if command -v mount.fuse >/dev/null; then
    fstab_works fuse3
    wait_unmounted
else
    skip_part "no mount.fuse here: mount(8) without our own helper"
fi
ln -s "$CLOUDFS" /usr/sbin/mount.fuse.cloudfs
ln -s "$CLOUDFS" /usr/sbin/umount.fuse.cloudfs
fstab_works helper
eq "$("$CLOUDFS" --json mount | grep -c '"unmounted"')" 1 # umount(8) has waited for the daemon
silent mount -f -T fstab "$work/m"
eq "$(mounts_below "$work/m")" ""
fails_with 1 "no such image" mount -t fuse.cloudfs nosuch:1 m -o "root=$CLOUDFS_ROOT"

# By ID, read-only, and over files, as mount(8) mounts anything.
id=$("$CLOUDFS" mount -q)
: >m/covered
silent mount -t fuse.cloudfs none m -o "root=$CLOUDFS_ROOT,resume=$id,ro,fsname=it"
eq "$(findmnt -no SOURCE "$work/m")" it
umount m
silent mount -t fuse.cloudfs a:1 m -o "root=$CLOUDFS_ROOT,ro,noexec,relatime,user=me"
umount m
mkdir low
silent mount -t fuse.cloudfs none m -o "lowerdir=$work/low"
silent umount m

# The unit of the manual is one.
if command -v systemd-analyze >/dev/null; then
    sed -n '/^\[Unit\]/,/^WantedBy/p' "$top/docs/man/cloudfs-mount.1" >srv-kube.mount
    systemd-analyze verify "$work/srv-kube.mount" >said 2>&1 || true
    ! grep srv-kube said >&2 || fail "systemd does not take the unit of the manual"
else
    skip_part "no systemd-analyze here: the unit of the manual"
fi

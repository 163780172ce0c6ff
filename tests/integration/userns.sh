#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# As an ordinary user: mounts in a user namespace, the upper's owners as far as the disk can have them,
# allow_other as /etc/fuse.conf has it, default_permissions.
. "$(dirname "$0")/../lib/lib.sh"
need_user_fuse "$@"
cd "$work" || exit 1
as_user mkdir user/L user/L/d user/U user/W user/m
as_user sh -c 'echo l >user/L/f; echo x >user/L/d/x; echo y >user/L/d/y'

# ---- without a namespace: fusermount3 ----

as_user "$CLOUDFS" mount -o "lowerdir=user/L,upperdir=user/U,workdir=user/W" user/m
as_user sh -c 'chmod 600 user/m/f && chown 3:4 user/m/f && rm user/m/d/x && mv user/m/d user/m/e'
eq "$(as_user stat -c '%u:%g %a' user/m/f)" "3:4 600"
if [ "$(id -u)" = 0 ]; then
    (ls user/m) 2>/dev/null && fail "root looks into a user's mount without allow_other"
fi
as_user fusermount3 -u user/m
as_user "$CLOUDFS" mount -o "lowerdir=user/L,upperdir=user/U,workdir=user/W,default_permissions" user/m
(as_user cat user/m/f) 2>/dev/null && fail "default_permissions are not checked"
as_user "$CLOUDFS" umount user/m
status=0
as_user "$CLOUDFS" mount -o "lowerdir=user/L,allow_other" user/m 2>said || status=$?
if grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
    eq "$status" 0
    as_user "$CLOUDFS" umount user/m
else
    eq "$status" 1
    grep -q 'allow_other' said || fail "it is not said why: $(cat said)"
fi

# ---- in a user namespace: mount(2) itself ----

as_user unshare -Ur -m true 2>/dev/null || skip "no user namespaces here"
inside() {
    as_user unshare -Ur -m bash -c "set -eu; $1" inside "$CLOUDFS" 2>said || {
        cat said >&2
        fail "in a user namespace: $1"
    }
}
as_user rm -rf user/U user/W
as_user mkdir user/U user/W
inside '"$1" mount -o lowerdir=user/L,upperdir=user/U,workdir=user/W user/m
    echo new >user/m/new; rm user/m/d/x; mv user/m/d user/m/e; chmod 640 user/m/f; ln user/m/new user/m/link
    "$1" umount user/m'
eq "$(as_user getfattr --only-values -n user.overlay.redirect user/U/e)" /d
eq "$(as_user stat -c '%F %t,%T' user/U/d)" "character special file 0,0"
inside '"$1" mount -o lowerdir=user/L,upperdir=user/U,workdir=user/W user/m
    [ "$(cd user/m && find . | sort | tr "\n" " ")" = ". ./e ./e/y ./f ./link ./new " ]
    [ "$(stat -c "%u %a" user/m/f)" = "0 640" ]; [ "$(stat -c %h user/m/new)" = 2 ]
    umount user/m'
# An image in a namespace, too.
as_user mkdir user/src
as_user sh -c 'echo i >user/src/i'
as_user "$CLOUDFS" import user/src -t i:1 >/dev/null
inside 'export CLOUDFS_ROOT=$XDG_DATA_HOME/cloudfs # root of a namespace would look into /var/lib
    "$1" mount i:1 user/m; [ "$(cat user/m/i)" = i ]; echo more >>user/m/i; "$1" umount user/m'

# ---- owners that a namespace has are real owners ----

[ "$(id -u)" = 0 ] || skip "only root maps several owners here"
unshare -U sleep 600 &
holder=$!
trap 's=$?; set +e; kill $holder; (exit $s); at_exit' EXIT
until [ "$(readlink /proc/$holder/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
echo "0 100000 65536" >/proc/$holder/gid_map
echo "0 100000 65536" >/proc/$holder/uid_map
map() {
    nsenter -U -t $holder -S 0 -G 0 unshare -m bash -c "set -eu; $1" inside "$CLOUDFS"
}
mkdir map map/L map/U map/W map/m
echo f >map/L/f
chown -R 100000:100000 map
chmod 755 map
map 'cd map; "$1" -o lowerdir=L,upperdir=U,workdir=W m
    echo o >m/o; chown 5:6 m/o m/f; chmod 4711 m/o
    [ "$(stat -c %u:%g:%a m/o m/f | tr "\n" " ")" = "5:6:4711 5:6:644 " ]; umount m'
eq "$(stat -c '%u:%g:%a' map/U/o map/U/f | tr '\n' ' ')" "100005:100006:4711 100005:100006:644 "
[ -z "$(getfattr -d -m override map/U/o map/U/f)" ] || fail "override_stat where the disk has it"

# ---- buildah, rootless: as after its own unshare ----

command -v buildah >/dev/null || skip "no buildah on this machine"
mkdir map/home && cp -r user/src map/src
"$CLOUDFS" import map/src -t r:1 >/dev/null
"$CLOUDFS" save --format oci-dir -o map/layout r:1 >/dev/null
chown -R 100000:100000 map
# shellcheck disable=SC2016 # expanded inside
map 'cd map
    export HOME=$PWD/home _CONTAINERS_USERNS_CONFIGURED=1 _CONTAINERS_ROOTLESS_UID=100000 XDG_RUNTIME_DIR=$PWD/home
    program=$1
    engine() {
        buildah --root "$PWD/st" --runroot "$PWD/run" --storage-driver overlay \
            --storage-opt "overlay.mount_program=$program" "$@" 2>>"$HOME/said"
    }
    if ! engine from --name one oci:layout >/dev/null; then
        echo "SKIP: buildah does not work here: $(tail -n 1 "$HOME/said")"
        exit
    fi
    m=$(engine mount one)
    [ "$(findmnt -no FSTYPE "$m")" = fuse.cloudfs ]
    echo n >"$m/n"; chown 5:6 "$m/i"; engine umount one >/dev/null
    engine commit one two:1 >/dev/null
    engine from --name two localhost/two:1 >/dev/null
    m=$(engine mount two)
    [ "$(stat -c %u:%g "$m/i"):$(cat "$m/n")" = 5:6:n ]
    engine umount two >/dev/null; engine rm one two >/dev/null'

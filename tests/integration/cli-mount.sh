#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the commands say of mounts: mount, umount, commit, diff, inspect, rmi of an image in use.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need_fuse
need python3
"$CLOUDFS" --help | grep -q '^  commit ' || skip "no commit in this build"
cd "$work"

mkdir -p src/etc mnt mnt2
printf 'one\ntwo\nthree\n' >src/etc/conf
echo gone >src/etc/gone
"$CLOUDFS" import src -t kube:v1 >/dev/null
"$CLOUDFS" tag kube:v1 kube:also

# Wrong ways to mount.
fails_with 1 "no such image 'none:1'" "$CLOUDFS" mount none:1 mnt
fails_with 1 'nowhere' "$CLOUDFS" mount kube:v1 nowhere
fails_with 1 'src/etc/conf' "$CLOUDFS" mount kube:v1 src/etc/conf
fails_with 1 'src' "$CLOUDFS" mount kube:v1 src
fails_with 1 '.' "$CLOUDFS" mount kube:v1 mnt --engine steam
fails_with 1 '.' "$CLOUDFS" mount --resume 0123456789abcdef
fails_with 1 '.' "$CLOUDFS" umount mnt
fails_with 1 'current directory is not in a cloudfs mount' "$CLOUDFS" commit -t kube:v2
fails_with 1 '.' "$CLOUDFS" commit mnt -t kube:v2
fails_with 2 '.' "$CLOUDFS" diff ./mnt
eq "$("$CLOUDFS" mount)" ""
eq "$("$CLOUDFS" mount --json >out; json out d)" '[]'
eq "$(ls "$CLOUDFS_ROOT/mounts")" ""

# The list.
eq "$("$CLOUDFS" mount kube:v1 mnt)" ""
"$CLOUDFS" mount --json >out
eq "$(json out 'sorted(d[0])')" "['Created', 'Digest', 'Engine', 'Id', 'Image', 'MountPoint', 'Pid', 'ReadOnly', 'State', 'Upper']"
eq "$(json out '(d[0]["Image"], d[0]["MountPoint"], d[0]["State"], d[0]["Engine"], d[0]["ReadOnly"])')" \
    "('kube:v1', '$work/mnt', 'mounted', 'fuse', False)"
id=$(json out 'd[0]["Id"]')
[ -d "$(json out 'd[0]["Upper"]')" ] || fail "the upper is not where the list says"
kill -0 "$(json out 'd[0]["Pid"]')" || fail "there is no daemon"
eq "$("$CLOUDFS" mount -q)" "$id"
"$CLOUDFS" mount | grep -q "^$id  *kube:v1  *$work/mnt  *mounted  *fuse " || fail "the table: $("$CLOUDFS" mount)"
fails_with 1 'mnt' "$CLOUDFS" mount kube:v1 mnt

# Changes: diff and inspect, by a path in the mount, by its ID, from within.
differ() {
    want=$1 got=0
    shift
    "$CLOUDFS" diff "$@" >out 2>err || got=$?
    eq "diff $* $got" "diff $* $want"
    eq "$(cat err)" ""
}
differ 0 ./mnt
sed -i s/two/TWO/ mnt/etc/conf
rm mnt/etc/gone
mkdir mnt/new
echo x >mnt/new/file
wanted=$(printf 'C etc/conf\nD etc/gone\nA new\nA new/file')
for mount in ./mnt "$work/mnt/etc/conf" "$id" "$(echo "$id" | cut -c1-6)"; do
    differ 1 "$mount"
    eq "$(cat out)" "$wanted"
done
(cd mnt/new && "$CLOUDFS" diff .. >"$work/out") && fail "diff of a change ends with 0"
eq "$(cat out)" "$wanted"
differ 1 -p ./mnt kube:v1
grep -qx -e -two out && grep -qx -e +TWO out || fail "diff -p: $(cat out)"
differ 1 --json ./mnt
eq "$(json out '[c["Kind"] + c["Path"] for c in d]')" "['Cetc/conf', 'Detc/gone', 'Anew', 'Anew/file']"
"$CLOUDFS" inspect ./mnt >out
eq "$(json out '(d["Id"], d["State"], [c["Kind"] + c["Path"] for c in d["Changes"]])')" \
    "('$id', 'mounted', ['Cetc/conf', 'Detc/gone', 'Anew', 'Anew/file'])"
"$CLOUDFS" import src -t other:1 --label x=y >/dev/null
fails_with 2 'not the image that was mounted' "$CLOUDFS" diff ./mnt other:1

# An image that is mounted keeps its last name.
eq "$("$CLOUDFS" rmi kube:also)" 'Untagged: kube:also'
fails_with 1 "in use by mount $id" "$CLOUDFS" rmi kube:v1
fails_with 1 "in use by mount $id" "$CLOUDFS" rmi -f "$("$CLOUDFS" images -q kube:v1)"
"$CLOUDFS" gc >/dev/null # waits for no daemon
eq "$(cat mnt/etc/conf | tr '\n' ' ')" 'one TWO three '

# commit: what it would do, what it did.
eq "$("$CLOUDFS" commit --dry-run ./mnt)" "$wanted"
"$CLOUDFS" commit --dry-run --json ./mnt >out
eq "$(json out '(sorted(d), len(d["Changes"]))')" "(['Changes', 'PauseMicroseconds', 'Unchanged'], 4)"
eq "$("$CLOUDFS" images --names | sort | tr '\n' ' ')" 'kube:v1 other:1 '
fails_with 1 'no image reference' "$CLOUDFS" commit ./mnt -t Bad:1
"$CLOUDFS" commit ./mnt -t kube:v2 -m 'two is larger' --author Ada --label l=1 --annotation a=2 --json >out
eq "$(json out 'sorted(d)')" "['Changes', 'DiffId', 'Digest', 'Id', 'LayerSize', 'Name', 'PauseMicroseconds', 'Unchanged']"
eq "$(json out '(d["Name"], d["Unchanged"], len(d["Changes"]))')" "('kube:v2', False, 4)"
eq "$("$CLOUDFS" images -q kube:v2)" "$(json out 'd["Id"]')"
eq "$("$CLOUDFS" history -q kube:v2 | head -n 1)" "$(json out 'd["DiffId"]')"
eq "$("$CLOUDFS" cat kube:v2:etc/conf | tr '\n' ' ')" 'one TWO three '
differ 1 kube:v2
eq "$(cat out)" "$wanted"
"$CLOUDFS" inspect kube:v2 >out
eq "$(json out '(d["Labels"], d["Annotations"], d["Author"], d["History"][-1]["Comment"])')" "({'l': '1'}, {'a': '2'}, 'Ada', 'two is larger')"
eq "$(cd mnt/new && "$CLOUDFS" commit -t kube:v3 -m 'two is larger' --author Ada --label l=1 --annotation a=2)" "$("$CLOUDFS" images -q kube:v2)"

# Nothing changed: the image as it was, and a warning.
"$CLOUDFS" mount other:1 mnt2
eq "$("$CLOUDFS" commit ./mnt2 -t other:2 2>err)" "$("$CLOUDFS" images -q other:1)"
grep -q '^cloudfs: warning: nothing is changed' err || fail "no warning: $(cat err)"
eq "$("$CLOUDFS" commit -q ./mnt2 -t other:2 2>err)" "$("$CLOUDFS" images -q other:1)"
eq "$(cat err)" ""

# umount: a mount without changes leaves nothing, one with changes waits, --discard drops them.
"$CLOUDFS" umount mnt2
eq "$("$CLOUDFS" mount -q)" "$id"
(
    cd mnt/etc
    fails_with 1 'busy|in use' "$CLOUDFS" umount "$work/mnt"
)
"$CLOUDFS" umount mnt
eq "$(ls mnt)" ""
"$CLOUDFS" mount --json >out
eq "$(json out '(len(d), d[0]["Id"], d[0]["State"], "Pid" in d[0])')" "(1, '$id', 'unmounted', False)"
fails_with 1 "in use by mount $id" "$CLOUDFS" rmi kube:v1
differ 1 "$id"
eq "$(cat out)" "$wanted"
eq "$("$CLOUDFS" commit "$id" -t kube:v4 -m 'two is larger' --author Ada --label l=1 --annotation a=2)" "$("$CLOUDFS" images -q kube:v2)"
"$CLOUDFS" umount --all # that means only what is mounted
eq "$("$CLOUDFS" mount -q)" "$id"
eq "$("$CLOUDFS" mount -q --resume "$(echo "$id" | cut -c1-5)" mnt2)" "$id"
eq "$(cat mnt2/etc/conf | tr '\n' ' ')" 'one TWO three '
fails_with 1 '.' "$CLOUDFS" mount --resume "$id"
"$CLOUDFS" umount "$id"
"$CLOUDFS" umount --discard "$id"
eq "$("$CLOUDFS" mount)" ""
eq "$(ls "$CLOUDFS_ROOT/mounts")" ""
"$CLOUDFS" rmi -q kube:v1 >/dev/null

# Read-only, and by --all.
"$CLOUDFS" mount --ro kube:v2 mnt
! touch mnt/x 2>/dev/null || fail "a read-only mount can be written"
"$CLOUDFS" mount -o ro kube:v2 mnt2
! touch mnt2/x 2>/dev/null || fail "-o ro mounts read-write"
"$CLOUDFS" mount --json >out
eq "$(json out '[(m["ReadOnly"], "Upper" in m) for m in d]')" '[(True, False), (True, False)]'
"$CLOUDFS" umount --all
eq "$("$CLOUDFS" mount)" ""
! mountpoint -q mnt && ! mountpoint -q mnt2 || fail "--all leaves mounts"

# As mount(8) calls it.
if [ "$(id -u)" = 0 ]; then
    ln -s "$CLOUDFS" mount.fuse.cloudfs
    ./mount.fuse.cloudfs kube:v2 "$work/mnt" -o rw,noatime -n -s
    eq "$(cat mnt/new/file)" x
    umount mnt
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -n "$("$CLOUDFS" mount)" ] || break
        sleep 0.2
    done
fi
"$CLOUDFS" fsck -q || fail "the store is damaged"

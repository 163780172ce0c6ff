#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernel engine: the life of a mount, both engines in turns on one upper with the same view and
# the same commits, stubs, hard links, what the kernel lacks, kills. Long: ENGINE_SEEDS="5 6 7", and
# ENGINE_KILLS=1 for a kill at each call.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3 getfattr unshare

# Mounts in a namespace of our own: others who copy theirs would keep ours busy.
if [ -z "${CLOUDFS_UNSHARED:-}" ]; then
    cleanup
    CLOUDFS_UNSHARED=1 exec unshare -m bash "$self"
fi
mount --make-rprivate /

cd "$work" || exit
edits="$top/tests/integration/engine_edits.py"
mkdir src mnt other
mkdir -p src/etc src/data/deep
echo one >src/etc/conf
head -c 300000 /dev/urandom >src/data/big
head -c 5000 /dev/urandom >src/data/deep/some
"$CLOUDFS" import src -t base:1 >/dev/null
"$CLOUDFS" mount --engine kernel base:1 mnt 2>err || {
    grep -qE 'kernel has no|overlayfs|EROFS|CAP_SYS_ADMIN' err || fail "not one clear line: $(cat err)"
    skip "no kernel engine here: $(cat err)"
}

# ---- a mount's life ----
same_files src/data/big mnt/data/big
eq "$(cat mnt/etc/conf)" one
eq "$(grep -c "$work" /proc/self/mountinfo)" 1 # nothing shows but the overlay
"$CLOUDFS" mount --json >list
id=$(json list 'd[0]["Id"]')
eq "$(json list '[m["State"] + m["Engine"] + str("Pid" in m) for m in d]')" "['mountedkernelFalse']"
eq "$(json list 'd[0]["MountPoint"]')" "$work/mnt"
fails_with 1 'cloudfs mount already' "$CLOUDFS" mount base:1 mnt
fails_with 1 "is mounted on" "$CLOUDFS" mount --resume "$id" other
eq "$("$CLOUDFS" rmi base:1 >/dev/null 2>&1; "$CLOUDFS" images -q | wc -l)" 1 # pinned
"$CLOUDFS" gc >/dev/null
same_files src/data/big mnt/data/big
"$CLOUDFS" umount mnt
eq "$("$CLOUDFS" mount -q)" "" # without changes nothing is left

"$CLOUDFS" mount --ro --engine kernel base:1 mnt
(echo x >mnt/x) 2>/dev/null && fail "a read-only mount was written"
"$CLOUDFS" umount --all
eq "$("$CLOUDFS" mount -q)" ""
eq "$(ls -A "$CLOUDFS_ROOT/mounts")" ""

# ---- changes, commit while mounted, lock, resume, discard ----
id=$("$CLOUDFS" mount -q --engine kernel base:1 mnt)
echo two >mnt/etc/conf
chmod 600 mnt/data/big
mv mnt/data/deep mnt/moved
head -c 200000 /dev/urandom >mnt/new
cp mnt/new new
"$CLOUDFS" diff mnt >d || eq $? 1
eq "$(cat d)" "C data/big
D data/deep
C etc/conf
A moved
A moved/some
A new"
first=$("$CLOUDFS" commit -t first:1 --timestamp 1000000 mnt)
"$CLOUDFS" inspect mnt >inspected
eq "$(json inspected 'd["Id"]')" "$id"
exec 8<mnt/new
fails_with 1 'in use' "$CLOUDFS" umount mnt
"$CLOUDFS" umount -l mnt
# Unmounted, but the kernel has the upper still: nobody may take it.
for command in "mount --resume $id --engine fuse" "mount --resume $id" "umount --discard $id" \
    "commit -t x:1 $id"; do
    # shellcheck disable=SC2086 # words
    fails_with 1 'in use still' "$CLOUDFS" $command
done
exec 8<&-
eq "$("$CLOUDFS" commit -t idle:1 --timestamp 1000000 "$id")" "$first"
getfattr -n trusted.overlay.cloudfs.object "$CLOUDFS_ROOT/mounts/$id/upper/new" >/dev/null 2>&1 ||
    fail "the idle commit made no stub"
"$CLOUDFS" mount --resume "$id" --engine fuse
same_files new mnt/new
eq "$("$CLOUDFS" commit -t fuse:1 --timestamp 1000000 mnt)" "$first"
"$CLOUDFS" umount mnt
"$CLOUDFS" mount --resume "$id" --engine kernel
same_files new mnt/new # a stub, through the layer of stubs
same_files src/data/big mnt/data/big
eq "$(find mnt -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')" "data etc moved new "
eq "$("$CLOUDFS" commit -t kernel:1 --timestamp 1000000 mnt)" "$first"
echo more >>mnt/new && echo more >>new
mv mnt/new mnt/moved/renamed
"$CLOUDFS" umount mnt
"$CLOUDFS" mount --resume "$id" # the engine of the last time
eq "$("$CLOUDFS" mount | grep -c ' kernel ')" 1
same_files new mnt/moved/renamed
advanced=$("$CLOUDFS" commit --advance -t next:1 mnt)
same_files new mnt/moved/renamed
eq "$("$CLOUDFS" mount | grep -c ' kernel ')" 1
"$CLOUDFS" diff mnt || fail "an advanced mount has changes"
"$CLOUDFS" inspect next:1 >inspected
eq "$advanced" "$(json inspected 'd["Id"]')"
echo x >mnt/x
umount mnt # by hand, or a reboot
eq "$("$CLOUDFS" mount | grep -c unmounted)" 1
"$CLOUDFS" umount --discard "$id"
eq "$(ls -A "$CLOUDFS_ROOT/mounts")" ""

# ---- hard links of the image, changed under fuse through one name ----
mkdir links && head -c 100000 /dev/urandom >links/a && ln links/a links/b && mkdir links/d &&
    ln links/a links/d/c
"$CLOUDFS" import links -t links:1 >/dev/null
id=$("$CLOUDFS" mount -q links:1 mnt)
mv mnt/d mnt/e
echo changed >>mnt/a
ln mnt/b mnt/more
python3 "$edits" list mnt >seen
second=$("$CLOUDFS" commit -t l:1 --timestamp 1000000 mnt)
"$CLOUDFS" umount mnt
"$CLOUDFS" mount --resume "$id" --engine kernel
python3 "$edits" list mnt >seen.kernel
same_files seen seen.kernel
eq "$("$CLOUDFS" commit -t l:2 --timestamp 1000000 mnt)" "$second"
echo again >>mnt/e/c
same_files mnt/e/c mnt/more
"$CLOUDFS" umount mnt
"$CLOUDFS" mount --resume "$id" --engine fuse
same_files mnt/e/c mnt/b
eq "$(stat -c %h mnt/a)" 4
"$CLOUDFS" umount mnt
"$CLOUDFS" umount --discard "$id"

# ---- the same edits, each engine first, in turns: same trees, same commits ----
# turns SEED ENGINE...: edits under each engine in turn; prints what there is to compare.
turns() {
    seed=$1
    shift
    id=$("$CLOUDFS" mount -q --engine "$1" edits:"$seed" mnt)
    for engine; do
        [ "$engine" = "$1" ] && [ ! -e .resume ] || "$CLOUDFS" mount --resume "$id" --engine "$engine"
        touch .resume
        step=$((step + 1))
        python3 "$edits" edit mnt "$seed$step" 50
        python3 "$edits" list mnt
        "$CLOUDFS" commit -t t:1 --timestamp 1000000 mnt # fuse leaves stubs
        "$CLOUDFS" umount mnt
    done
    rm .resume
    "$CLOUDFS" umount --discard "$id"
}
for seed in ${ENGINE_SEEDS:-1}; do
    mkdir "base$seed"
    python3 "$edits" edit "base$seed" "$seed" 120
    find "base$seed" -type f -links +1 >linked # the kernel breaks links of the image
    while read -r path; do
        cp -p "$path" one && mv -f one "$path"
    done <linked
    "$CLOUDFS" import "base$seed" -t edits:"$seed" >/dev/null
    step=0 && turns "$seed" fuse kernel fuse >a
    step=0 && turns "$seed" kernel fuse kernel >b
    cmp a b || {
        diff a b | head
        fail "the engines differ: seed $seed"
    }
done

# ---- changed all the time: what is committed is what was there at one moment, or nothing is ----
id=$("$CLOUDFS" mount -q --engine kernel base:1 mnt)
touch busy
(
    n=0
    while [ -e busy ]; do
        n=$((n + 1))
        echo $n >mnt/a
        echo $n >mnt/b
    done
) &
while [ ! -e mnt/b ]; do sleep 0.01; done
if "$CLOUDFS" commit -t busy:1 mnt >/dev/null 2>err; then
    a=$("$CLOUDFS" cat busy:1:a) b=$("$CLOUDFS" cat busy:1:b)
    # a is empty between O_TRUNC and the write
    [ -z "$a" ] || [ -z "$b" ] || [ $((a - b)) = 0 ] || [ $((a - b)) = 1 ] ||
        fail "a commit of what never was: $a and $b"
else
    grep -q 'being changed all the time' err || fail "$(cat err)"
    eq "$(grep -c ^cloudfs: err)" 1
fi
rm busy
wait
"$CLOUDFS" commit -t busy:2 mnt >/dev/null
eq "$("$CLOUDFS" cat busy:2:b)" "$(cat mnt/b)"
"$CLOUDFS" umount --discard mnt

# ---- killed at any call of the preparation: both engines take the upper, and show it all ----
if command -v strace >/dev/null 2>&1; then
    id=$("$CLOUDFS" mount -q links:1 mnt)
    echo changed >>mnt/a
    cp new mnt/stub
    "$CLOUDFS" commit -q -t k:1 mnt >/dev/null
    python3 "$edits" list mnt >seen
    "$CLOUDFS" umount mnt
    upper="$CLOUDFS_ROOT/mounts/$id/upper"
    cp -a "$CLOUDFS_ROOT/mounts/$id" saved
    calls=setxattr,fsetxattr,lsetxattr,linkat,renameat,renameat2,unlinkat,mkdirat,fsync,utimensat
    calls=$calls,fsopen,fsconfig,fsmount,move_mount
    n=1 killed=true
    while $killed; do
        rm -rf "$CLOUDFS_ROOT/mounts/$id"
        cp -a saved "$CLOUDFS_ROOT/mounts/$id"
        killed=false
        # a bash of its own, which would say "Killed"
        bash -c '"$@"; exit $?' bash strace -o /dev/null -e trace="$calls" \
            -e inject="$calls":signal=KILL:when=$n "$CLOUDFS" mount --resume "$id" --engine kernel \
            >/dev/null 2>&1 || killed=true
        umount mnt 2>/dev/null || true
        case $((n % 2)) in 0) engine=fuse ;; *) engine=kernel ;; esac
        "$CLOUDFS" mount --resume "$id" --engine "$engine"
        python3 "$edits" list mnt >seen.now
        cmp seen seen.now || fail "killed at call $n: $engine shows something else"
        "$CLOUDFS" umount mnt
        n=$((n + ${ENGINE_KILLS:-3}))
    done
    [ "$n" -gt 20 ] || fail "the preparation was killed at $n calls only"
    [ -d "$upper" ] && "$CLOUDFS" umount --discard "$id"
else
    skip_part "no strace: kills during the preparation"
fi

# ---- what the kernel, or the user, lacks: one line, nothing left ----
fails_with 1 'there is no engine' "$CLOUDFS" mount --engine none base:1 mnt
as_user mkdir "$work/user/mnt"
as_user "$CLOUDFS" import "$top/docs/man" -t u:1 >/dev/null
fails_with 1 'kernel engine takes root' as_user "$CLOUDFS" mount --engine kernel u:1 "$work/user/mnt"
eq "$(as_user "$CLOUDFS" mount -q)" ""
theirs="CLOUDFS_ROOT=$work/user/.local/share/cloudfs"
if as_user unshare -Urm true 2>/dev/null; then
    for ro in "" --ro; do
        # shellcheck disable=SC2086 # no word or one
        fails_with 1 'root of the machine' as_user env "$theirs" unshare -Urm "$CLOUDFS" mount $ro \
            --engine kernel u:1 "$work/user/mnt"
    done
    eq "$(as_user "$CLOUDFS" mount -q)" ""
else
    skip_part "no user namespaces: root of one of them"
fi

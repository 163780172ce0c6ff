#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Plain directories as layers: random stacks shown as kernel overlayfs shows them, uppers handed from
# one to the other and back, and what only a user-space filesystem reads (.wh. files,
# override_stat). PLAIN_SEED=N PLAIN_ROUNDS=M repeats or goes on.
. "$(dirname "$0")/../lib/lib.sh"
need python3 setfattr getfattr
need_root
need_fuse
seed=${PLAIN_SEED:-$(date +%s)}
rounds=${PLAIN_ROUNDS:-2}
echo "PLAIN_SEED=$seed"
cd "$work" || exit 1
stacks() { timeout 120 python3 "$top/tests/lib/stacks.py" "$@"; }

# same_as A B WHAT: two lists of paths
same_as() {
    diff "$1" "$2" >"$work/.diff" || {
        head -20 "$work/.diff" >&2
        fail "$3 (PLAIN_SEED=$seed)"
    }
}

# ---- what needs no kernel overlayfs ----

mkdir -p esc/'a:b' esc/'c,d' m up wk
echo 1 >'esc/a:b/one'
echo 2 >'esc/c,d/two'
"$CLOUDFS" mount -o 'lowerdir=esc/a\:b:esc/c\,d' m
eq "$(cd m && echo ./*)" "./one ./two"
(: >m/new) 2>/dev/null && fail "a mount without upperdir= is writable"
"$CLOUDFS" umount m
eq "$(mounts_below "$work")" ""
[ ! -e "$CLOUDFS_ROOT" ] || fail "a store was made"

fails_with 1 "missing.*No such file" "$CLOUDFS" mount -o lowerdir=missing m
fails_with 1 "up9.*No such file" "$CLOUDFS" mount -o lowerdir=esc,upperdir=up9,workdir=wk m
fails_with 1 "empty name" "$CLOUDFS" mount -o lowerdir=esc::a:b m
fails_with 1 "mount point .* does not exist" "$CLOUDFS" mount -o lowerdir=esc nowhere

# .wh. files, opaque in its spellings, override_stat, hard links and numbers through copy-up
mkdir -p A/op1 A/op2 A/op3 B/op1 B/op2 B/op3 B/sub over
for d in op1 op2 op3; do echo no >B/$d/hidden; done
: >A/op1/.wh..wh..opq
setfattr -n user.fuseoverlayfs.opaque -v y A/op2
setfattr -n user.overlay.opaque -v y A/op3
echo gone >B/gone
: >A/.wh.gone
echo data >B/sub/one
ln B/sub/one B/sub/two
setfattr -n user.containers.override_stat -v 0:0:0755:dir over
: >over/dev
setfattr -n user.containers.override_stat -v 3:4:0640:char-1-5 over/dev
echo mine >over/file
setfattr -n user.containers.override_stat -v 7:8:4711:file over/file
find A B over -printf '%p %i %T@ %C@ %m %n\n' | sort >before
"$CLOUDFS" mount -o lowerdir=A:B:over,upperdir=up,workdir=wk m
eq "$(cd m && find . | sort | tr '\n' ' ')" \
    ". ./dev ./file ./op1 ./op2 ./op3 ./sub ./sub/one ./sub/two "
eq "$(stat -c '%F %u %g %a %t,%T' m/dev)" "character special file 3 4 640 1,5"
eq "$(stat -c '%F %u %g %a' m/file)" "regular file 7 8 4711"
number=$(stat -c %i m/sub/one)
eq "$(stat -c %i m/sub/two)" "$number"
echo more >>m/sub/one
chown 9:9 m/file
mv m/sub m/moved
eq "$(cat m/moved/two)" "data
more"
eq "$(stat -c '%i %h' m/moved/two)" "$number 2"
"$CLOUDFS" umount m
find A B over -printf '%p %i %T@ %C@ %m %n\n' | sort >after
same_as before after "the lower directories were written to"
"$CLOUDFS" -o lowerdir=A:B:over,upperdir=up,workdir=wk,fsync=0 m
eq "$(stat -c '%i %h' m/moved/one)" "$number 2"
eq "$(stat -c '%u %a' m/file)" "9 711" # chown takes setuid away
rm -r m/moved m/op1
umount m
"$CLOUDFS" "$work" m -o "rw,dev,suid,lowerdir=$work/A:$work/B,upperdir=$work/up,workdir=$work/wk"
eq "$(cd m && echo ./*)" "./file ./op2 ./op3"
fails_with 1 "in use by another mount" "$CLOUDFS" mount -o lowerdir=A,upperdir=up,workdir=wk esc
"$CLOUDFS" umount m

# 500 layers, and descriptors that do not grow with what is looked at
lower=$(
    for i in $(seq 500); do
        mkdir -p "many/$i/d/$i"
        echo "$i" >"many/$i/d/$i/f"
        echo "$i" >"many/$i/top"
        printf '%s' "${colon:-}$work/many/$i"
        colon=:
    done
)
"$CLOUDFS" mount -f -o "lowerdir=$lower" m &
daemon=$!
tries=0
until [ -e m/top ] || [ $((tries += 1)) -gt 200 ]; do sleep 0.1; done
eq "$(cat m/top m/d/500/f)" "1
500"
eq "$(find m/d -type f | wc -l)" 500
[ "$(find "/proc/$daemon/fd" | wc -l)" -lt 900 ] || fail "too many descriptors"
umount m
wait "$daemon"

# The mount point may lie in a layer.
mkdir esc/in
"$CLOUDFS" mount -o lowerdir=esc esc/in
eq "$(ls -A esc/in/in)" ""
"$CLOUDFS" umount esc/in

# An upper of fuse-overlayfs is taken over.
if command -v fuse-overlayfs >/dev/null; then
    mkdir fo fo/L fo/L/d fo/U fo/W
    echo l >fo/L/d/f
    echo g >fo/L/g
    fuse-overlayfs -o lowerdir=fo/L,upperdir=fo/U,workdir=fo/W m
    rm -r m/d m/g
    mkdir m/d m/d/new
    echo f >m/d/new/f
    umount m
    "$CLOUDFS" mount -o lowerdir=fo/L,upperdir=fo/U,workdir=fo/W m
    eq "$(cd m && find . | sort | tr '\n' ' ')" ". ./d ./d/new ./d/new/f "
    rm m/d/new/f
    rmdir m/d/new m/d
    "$CLOUDFS" umount m
else
    skip_part "no fuse-overlayfs here: its upper"
fi

# ---- beside the kernel ----

mkdir k c
mount -t overlay ov -o lowerdir=A:B k 2>/dev/null || skip "no overlayfs here: random stacks"
umount k

for round in $(seq "$rounds"); do
    mkdir "raw$round"
    stacks raw "raw$round" $((seed + round)) 5
    lower=$(for i in 1 2 3 4 5; do printf 'raw%s/%s%s' "$round" $i "$([ $i = 5 ] || echo :)"; done)
    mount -t overlay ov -o "ro,lowerdir=$lower,metacopy=on,redirect_dir=on" k
    "$CLOUDFS" mount -o "lowerdir=$lower" c
    stacks show k >shown.k
    stacks show c >shown.c
    same_as shown.k shown.c "a random stack is shown otherwise than by the kernel"
    umount k
    "$CLOUDFS" umount c
done

# Layers that the kernel made: redirects and metacopies; the last one is taken over as upper.
for i in 1 2; do
    mkdir "up$i" "wk$i"
    mount -t overlay ov -o \
        "lowerdir=$lower,upperdir=up$i,workdir=wk$i,metacopy=on,redirect_dir=on,index=off" k
    stacks change k $((seed * 10 + i)) 20
    stacks show k >shown.k
    umount k
    [ $i = 2 ] || lower=up$i:$lower
done
"$CLOUDFS" mount -o "lowerdir=up2:$lower" c
stacks show c >shown.c
"$CLOUDFS" umount c
same_as shown.k shown.c "layers made by the kernel are shown otherwise"
"$CLOUDFS" mount -o "lowerdir=$lower,upperdir=up2,workdir=wk2" c
stacks show c >shown.c
same_as shown.k shown.c "an upper made by the kernel is shown otherwise"
stacks change c $((seed * 10 + 7)) 20
stacks show c >shown.c
umount c
"$CLOUDFS" mount -o "lowerdir=$lower,upperdir=up2,workdir=wk2" c
stacks show c >shown.c2
"$CLOUDFS" umount c
same_as shown.c shown.c2 "a remount shows something else"
mount -t overlay ov -o \
    "lowerdir=$lower,upperdir=up2,workdir=wk2,metacopy=on,redirect_dir=on,index=off" k
stacks show k >shown.k
umount k
same_as shown.c shown.k "an upper given back to the kernel is shown otherwise"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many commands on one store at once: the work is done once, nothing is lost, everybody succeeds.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"

# all COMMAND LINE...: each line runs at once; all must succeed.
all() {
    local i pids=()
    i=0
    for line; do
        i=$((i + 1))
        sh -c "$line" >"$work/all.$i.out" 2>"$work/all.$i.err" &
        pids+=($!)
    done
    i=0
    for pid in "${pids[@]}"; do
        i=$((i + 1))
        wait "$pid" || {
            cat "$work/all.$i.err" >&2
            fail "one of many failed: ${!i}"
        }
    done
}
c="exec $CLOUDFS -q"

mkdir -p "$work/big/d"
for i in 1 2 3 4 5 6 7 8; do head -c 4000000 /dev/urandom >"$work/big/d/$i"; done
sample_rootfs "$work/rootfs"

# ---- a new store, made by eight at once ----
all "$c images" "$c images" "$c images" "$c images" "$c images" "$c images" "$c gc" "$c fsck"

# ---- the same layer, four times at once ----
all "$c import $work/big -t same:1" "$c import $work/big -t same:2" \
    "$c import $work/big -t same:2" "$c import $work/big -t same:3"
eq "$(sort -u "$work"/all.[1-4].out | wc -l)" 1
eq "$(find "$CLOUDFS_ROOT/layers" -mindepth 1 -maxdepth 1 | wc -l)" 1
eq "$(find "$CLOUDFS_ROOT/objects" -type f | wc -l)" 8
store_tidy "four imports of one directory"

# A loaded layer is read by one of them: the others wait for it, and find it there.
"$CLOUDFS" save -o "$work/same.tar" same:1
"$CLOUDFS" -q rmi same:1 same:2 same:3 >/dev/null
"$CLOUDFS" -q gc
all "$c load -i $work/same.tar -t load:1" "$c load -i $work/same.tar -t load:2" \
    "$c load -i $work/same.tar -t load:2" "$c load -i $work/same.tar -t load:3"
eq "$(sort -u "$work"/all.[1-4].out | wc -l)" 1
eq "$(find "$CLOUDFS_ROOT/objects" -type f | wc -l)" 8
store_whole "four loads of one archive"

# ---- gc, again and again, while images come and go ----
cat >"$work/gcs" <<'E2'
while [ ! -e "$1/stop" ]; do "$CLOUDFS" -q gc 2>/dev/null || exit 1; done
E2
sh "$work/gcs" "$work" &
gcs=$!
for i in 1 2 3; do
    all "$c import $work/rootfs -t mine:$i" "$c load -i $work/same.tar -t again:$i" \
        "$c import $work/big --base load:1 -t more:$i" "$c tag load:1 tagged:$i"
    all "$c rmi again:$i" "$c fsck" "$c cat mine:$i:etc/daemon.json"
done
touch "$work/stop"
wait "$gcs" || fail "a gc failed"
for i in 1 2 3; do
    "$CLOUDFS" extract "mine:$i" "$work/ex"
    diff -r "$work/rootfs" "$work/ex"
    rm -rf "$work/ex"
    "$CLOUDFS" extract "more:$i" "$work/ex"
    diff -r "$work/big" "$work/ex"
    rm -rf "$work/ex"
done
store_tidy "gc beside everything"

# ---- one name, many writers: in the end it is one of them ----
all "$c tag load:1 name:1" "$c tag mine:1 name:1" "$c tag load:1 name:1" "$c tag mine:1 name:1"
case $("$CLOUDFS" ls name:1) in
*etc*) diff <("$CLOUDFS" ls -R name:1) <("$CLOUDFS" ls -R mine:1) ;;
*) diff <("$CLOUDFS" ls -R name:1) <("$CLOUDFS" ls -R load:1) ;;
esac
# Removed by three at once: it is gone; at least one says so, the others that there is none.
for i in 1 2 3; do ("$CLOUDFS" -q rmi name:1 >/dev/null 2>"$work/rmi.$i" && echo "done" >>"$work/rmi.done" || true) & done
wait
[ -s "$work/rmi.done" ] || fail "nobody removed name:1: $(cat "$work"/rmi.[1-3])"
fails_with 1 'no such image' "$CLOUDFS" ls name:1
store_whole "one name"

can_fuse || {
    skip_part "no FUSE here: many mounts"
    exit 0
}

# ---- twenty mounts at once, with gc beside them ----
lines=()
for i in $(seq 20); do
    mkdir "$work/m$i"
    lines+=("$c mount mine:1 $work/m$i")
done
all "${lines[@]}" "$c gc"
eq "$("$CLOUDFS" mount -q | sort -u | wc -l)" 20
lines=()
for i in $(seq 20); do
    lines+=("echo $i >>$work/m$i/etc/daemon.json && cat $work/m$i/bin/kubelet >$work/m$i/bin/copy && $c commit $work/m$i -t commit:$i")
done
all "${lines[@]}"
for i in $(seq 20); do
    eq "$("$CLOUDFS" cat "commit:$i:etc/daemon.json" | tail -n 1)" "$i"
    eq "$(tail -n 1 "$work/m$i/etc/daemon.json")" "$i"
done

# What a mount uses stays, whatever is removed beside it.
names=$("$CLOUDFS" images --json | sed -n 's/^ *"\([a-z]*:[0-9]*\)",\{0,1\}$/\1/p' | grep -v '^mine:' | sort -u)
# shellcheck disable=SC2086 # a list of names
"$CLOUDFS" -q rmi $names >/dev/null
"$CLOUDFS" -q gc
for i in $(seq 20); do
    same_files "$work/m$i/bin/kubelet" "$work/rootfs/bin/kubelet"
    same_files "$work/m$i/bin/copy" "$work/rootfs/bin/kubelet"
    eq "$(tail -n 1 "$work/m$i/etc/daemon.json")" "$i"
done
store_whole "twenty mounts"

# Two mounts of one directory at once: one gets it. One resumed by two: likewise.
"$CLOUDFS" umount --all --discard
for i in 1 2 3 4; do ("$CLOUDFS" -q mount mine:1 "$work/m1" >/dev/null 2>"$work/mount.$i" && echo "done" >>"$work/mount.done" || true) & done
wait
eq "$(wc -l <"$work/mount.done")" "$("$CLOUDFS" mount -q | wc -l)"
echo x >"$work/m1/x"
while mountpoint -q "$work/m1"; do "$CLOUDFS" umount "$work/m1"; done
id=$("$CLOUDFS" mount -q | head -n 1)
rm "$work/mount.done"
for i in 1 2 3 4; do ("$CLOUDFS" -q mount --resume "$id" "$work/m$i" >/dev/null 2>"$work/mount.$i" && echo "done" >>"$work/mount.done" || true) & done
wait
eq "$(wc -l <"$work/mount.done")" 1
"$CLOUDFS" umount "$id"
for id in $("$CLOUDFS" mount -q); do "$CLOUDFS" umount --discard "$id"; done
store_tidy "mounts at once"

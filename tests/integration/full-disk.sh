#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The disk is full, or broken, at any step of any command, and under a mount: one clear line or
# ENOSPC, the old state as it was, and the same work succeeds when there is space again.
[ ! -w /dev/shm ] || export TMPDIR="${TMPDIR:-/dev/shm}"
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
fault_build

template=$work/template
sample_rootfs "$work/rootfs"
sample_rootfs "$work/rootfs2"
CLOUDFS_ROOT=$template "$CLOUDFS" -q import "$work/rootfs2" -t other:1 >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" save -o "$work/other.tar" other:1
CLOUDFS_ROOT=$template "$CLOUDFS" -q rmi other:1 >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" -q gc
CLOUDFS_ROOT=$template "$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null

# What a failure may do: nothing at all, or (when it hit only what is not needed) nothing bad.
one_failure() {
    if [ "$status" = 0 ]; then
        [ ! -s "$work/err" ] || fail "exit status 0, and yet: $(cat "$work/err") ($at)"
        eq "$at: $(store_names)" "$at: $after"
        return 0
    fi
    eq "$at: $status" "$at: 1"
    # The message itself may be what could not be written.
    eq "$at: $(wc -l <"$work/err")" "$at: 1"
    grep -q "^cloudfs: .*$reason" "$work/err" || fail "$at says $(cat "$work/err")"
    now=$(store_names)
    [ "$now" = "$before" ] || [ "$now" = "$after" ] || fail "neither old nor new after $at: $now"
}

# fails_everywhere COMMAND...: with each $stride-th step failing.
fails_everywhere() {
    rm -rf "$CLOUDFS_ROOT"
    cp -a "$template" "$CLOUDFS_ROOT"
    before=$(store_names)
    "$CLOUDFS" "$@" >/dev/null
    after=$(store_names)
    n=0 failures=0
    while :; do
        n=$((n + stride))
        at="error $code at step $n of: $*"
        rm -rf "$CLOUDFS_ROOT"
        cp -a "$template" "$CLOUDFS_ROOT"
        status=0
        fault "$code" "$n" "$CLOUDFS" "$@" >"$work/out" 2>"$work/err" || status=$?
        fault_done && break
        # Its last step: to say what was done.
        if [ "$status" = 1 ] && grep -q 'standard output' "$work/err"; then
            store_whole "$at"
            continue
        fi
        one_failure
        [ "$status" = 0 ] || failures=$((failures + 1))
        store_whole "$at"
        "$CLOUDFS" "$@" >/dev/null 2>"$work/err" || {
            [ "$1" = rmi ] && grep -q 'no such image' "$work/err"
        } || fail "the run after $at: $(cat "$work/err")"
        eq "$at: $(store_names)" "$at: $after"
        store_tidy "$at"
    done
    eq "$status" 0
    [ "$failures" -gt 0 ] || fail "no step of $* failed"
    echo "$failures failures of $(cat "$work/seen") steps: $*"
}

code=28 reason='No space left on device' stride=2
fails_everywhere import "$work/rootfs2" -t new:1
stride=3
fails_everywhere load -i "$work/other.tar"
stride=1
fails_everywhere tag base:1 base:2
fails_everywhere rmi base:1
code=5 reason='Input/output error' stride=4
fails_everywhere import "$work/rootfs2" -t base:1
stride=1
fails_everywhere tag base:1 base:2

# ---- a real disk that is full ----
[ "$(id -u)" = 0 ] && command -v mkfs.ext4 >/dev/null || {
    skip_part "not root, or no mkfs.ext4: a small disk of our own"
    exit 0
}
disk=$work/disk
mkdir "$disk"
truncate -s 64M "$work/disk.img"
mkfs.ext4 -q -m 0 -N 4000 "$work/disk.img"
mount -o loop "$work/disk.img" "$disk" 2>/dev/null || {
    skip_part "no loop devices here: a small disk of our own"
    exit 0
}
export CLOUDFS_ROOT=$disk/store
"$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null
mkdir "$work/large"
for i in 1 2 3 4 5 6; do
    head -c 1500000 /dev/urandom >"$work/large/$i"
done
for i in $(seq 300); do echo "small $i" >"$work/large/s$i"; done
tar -C "$work/large" -cf "$work/large.tar" .
CLOUDFS_ROOT=$work/elsewhere "$CLOUDFS" -q import "$work/large" -t large:1 >/dev/null
CLOUDFS_ROOT=$work/elsewhere "$CLOUDFS" save -o "$work/large.oci.tar" large:1

free_kib() { df --output=avail -k "$disk" | tail -n 1; }
leave() { # leave KIB: all but that is taken
    rm -f "$disk"/filler*
    sync -f "$disk"
    # The filesystem may need a block or two for itself; what then fails has taken some.
    fallocate -l "$(($(free_kib) - $1))K" "$disk/filler" 2>/dev/null || {
        rm -f "$disk/filler"
        fallocate -l "$(($(free_kib) - $1 - 16))K" "$disk/filler"
    }
    [ "$1" -gt 0 ] || cat /dev/zero >"$disk/filler2" 2>/dev/null || true
}
names=$(store_names)
for kib in 0 16 64 200 1000 3000 5000 8000; do
    for what in "import $work/large" "import $work/large.tar" "load -i $work/large.oci.tar"; do
        leave "$kib"
        # shellcheck disable=SC2086 # words
        fails_with 1 '^cloudfs: .*No space left on device' "$CLOUDFS" $what -t large:1
        eq "$kib KiB, $what: $(store_names)" "$kib KiB, $what: $names"
        store_whole "$what with $kib KiB"
        store_tidy "$what with $kib KiB" # objects that are there already would need no space
    done
    rm -f "$disk"/filler*
done
for what in "import $work/large" "load -i $work/large.oci.tar"; do
    # shellcheck disable=SC2086 # words
    "$CLOUDFS" -q $what -t large:1 >/dev/null
done
store_whole "space again"

# ---- under a mount ----
can_fuse || {
    skip_part "no FUSE here: a full disk under a mount"
    exit 0
}
mnt=$work/mnt
mkdir "$mnt"
"$CLOUDFS" mount large:1 "$mnt"
echo early >"$mnt/early"
leave 600
# A new file, a copy-up, and small files until there is no space for an inode's block.
dd if=/dev/zero of="$mnt/new" bs=64k count=40 conv=fsync 2>"$work/err" && fail "2.5 MB fit into 0.6"
grep -q 'No space left' "$work/err" || fail "dd said $(cat "$work/err")"
rm "$mnt/new"
(echo more >>"$mnt/3") 2>"$work/err" && fail "a file of 1.5 MB was copied up into 0.6"
grep -q 'No space left' "$work/err" || fail "the append said $(cat "$work/err")"
for i in $(seq 2000); do
    (echo "$i" >"$mnt/n$i" && sync "$mnt/n$i") 2>"$work/err" || break
done
[ "$i" -gt 20 ] || fail "what failed has not given its space back: file $i said $(cat "$work/err")"
[ "$i" -lt 2000 ] || fail "2000 files fit into 0.6 MB"
grep -q 'No space left' "$work/err" || fail "file $i said $(cat "$work/err")"
rm -f "$mnt/n$i"
for j in $(seq $((i - 1))); do eq "$(cat "$mnt/n$j")" "$j"; done
eq "$(cat "$mnt/early")" early
for j in 1 2 3 4 5 6; do same_files "$mnt/$j" "$work/large/$j"; done
fails_with 1 '^cloudfs: .*No space left on device' "$CLOUDFS" commit "$mnt" -t committed:1
fails_with 1 'no such image' "$CLOUDFS" ls committed:1
store_whole "commit on a full disk"
rm -f "$disk"/filler*
echo more >>"$mnt/3"
"$CLOUDFS" -q commit "$mnt" -t committed:1 >/dev/null
eq "$("$CLOUDFS" cat committed:1:3 | tail -c 5)" more
eq "$("$CLOUDFS" cat "committed:1:n$((i - 1))")" "$((i - 1))"
"$CLOUDFS" umount --discard "$mnt"
store_tidy "a full disk under a mount"

# A mount that cannot be started leaves nothing.
for kib in 0 4 8; do
    leave "$kib"
    "$CLOUDFS" mount base:1 "$mnt" 2>"$work/err" && "$CLOUDFS" umount --discard "$mnt" && continue
    eq "$(wc -l <"$work/err")" 1
    grep -q 'No space left' "$work/err" || fail "mount said $(cat "$work/err")"
    mountpoint -q "$mnt" && fail "it is mounted"
    eq "$("$CLOUDFS" mount -q)" ""
done
rm -f "$disk"/filler*
store_tidy "a mount on a full disk"

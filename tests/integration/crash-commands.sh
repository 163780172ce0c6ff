#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command is killed at each of its steps that change the disk: the old state or the new one
# is there afterwards and nothing between, fsck is content, the same command does its work the next
# time, and gc removes what was left behind.
# In memory where that can be: a killed process loses nothing that it wrote, so a disk only takes time.
[ ! -w /dev/shm ] || export TMPDIR="${TMPDIR:-/dev/shm}"
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
fault_build

template=$work/template
sample_rootfs "$work/rootfs"
sample_rootfs "$work/rootfs2"
tar -C "$work/rootfs2" -cf "$work/rootfs2.tar" .
CLOUDFS_ROOT=$template "$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" -q import "$work/rootfs2" -t other:1 >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" save -o "$work/other.tar" other:1
CLOUDFS_ROOT=$template "$CLOUDFS" save --format oci-dir -o "$work/other.dir" other:1
CLOUDFS_ROOT=$template "$CLOUDFS" -q rmi other:1 >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" -q gc

fresh_store() {
    rm -rf "$CLOUDFS_ROOT"
    cp -a "$template" "$CLOUDFS_ROOT"
}

# run_again COMMAND...: the same command after the crash; `rmi` of what is gone already may fail.
run_again() {
    "$CLOUDFS" "$@" >"$work/again.out" 2>"$work/again.err" && return 0
    [ "$1" = rmi ] && grep -q 'no such image' "$work/again.err" && return 0
    cat "$work/again.err" >&2
    fail "the run after a crash: $*"
}

# killed_everywhere COMMAND...: at every $stride-th step, on a copy of the template each time.
killed_everywhere() {
    fresh_store
    before=$(store_names)
    "$CLOUDFS" "$@" >/dev/null
    after=$(store_names)
    n=0
    while :; do
        n=$((n + stride))
        at="step $n of: $*"
        fresh_store
        status=0
        fault kill "$n" "$CLOUDFS" "$@" >"$work/out" 2>"$work/err" || status=$?
        if fault_done; then
            eq "$status" 0
            break
        fi
        [ "$status" = 137 ] || fail "status $status at $at"
        store_whole "$at"
        now=$(store_names)
        [ "$now" = "$before" ] || [ "$now" = "$after" ] || fail "neither old nor new after $at: $now"
        [ $((n % 2)) = 0 ] || store_tidy "$at"
        run_again "$@"
        [ "$1" = gc ] || eq "$at: $(store_names)" "$at: $after"
        store_tidy "$at, and another run"
    done
    [ "$n" -gt "$least" ] || fail "only $n steps: $*"
    eq "$(store_names)" "$after"
    echo "$(cat "$work/seen") steps: $*"
}

least=3 stride=1
killed_everywhere import "$work/rootfs2" -t new:1
killed_everywhere tag base:1 base:2
killed_everywhere rmi base:1
stride=3
killed_everywhere import "$work/rootfs2.tar" -t new:1
killed_everywhere import "$work/rootfs2" --base base:1 -t new:1
killed_everywhere import "$work/rootfs2" -t base:1
killed_everywhere load -i "$work/other.tar"
killed_everywhere load -i "$work/other.dir" -t new:2

# gc with something to remove.
CLOUDFS_ROOT=$template "$CLOUDFS" -q load -i "$work/other.tar" >/dev/null
CLOUDFS_ROOT=$template "$CLOUDFS" -q tag other:1 keep:1
CLOUDFS_ROOT=$template "$CLOUDFS" -q tag other:1 base:1
CLOUDFS_ROOT=$template "$CLOUDFS" -q rmi other:1 >/dev/null
mkdir -p "$template/tmp"
echo litter >"$template/tmp/litter"
stride=1
killed_everywhere gc
CLOUDFS_ROOT=$template "$CLOUDFS" -q rmi base:1 >/dev/null
killed_everywhere rmi keep:1

# save and extract: what is there is whole, or it can be done again.
fresh_store
least=2 n=0
mkdir "$work/out.d"
echo old >"$work/out.d/image.tar"
while :; do
    n=$((n + 1))
    status=0
    fault kill "$n" "$CLOUDFS" save -o "$work/out.d/image.tar" keep:1 || status=$?
    fault_done && break
    eq "save, step $n: $status" "save, step $n: 137"
    [ "$(cat "$work/out.d/image.tar")" = old ] || same_files "$work/out.d/image.tar" "$work/saved.tar"
    echo old >"$work/out.d/image.tar"
    store_whole "step $n of save"
    "$CLOUDFS" save -o "$work/saved.tar" keep:1
done
[ "$n" -gt "$least" ] || fail "only $n steps of save"
same_files "$work/out.d/image.tar" "$work/saved.tar"
left=$(find "$work/out.d" -mindepth 1 ! -name image.tar | wc -l)
echo "$((n - 1)) steps: save, $left files left beside"

n=0
while :; do
    n=$((n + 1))
    status=0
    rm -rf "$work/ex"
    fault kill "$n" "$CLOUDFS" extract keep:1 "$work/ex" || status=$?
    fault_done && break
    eq "extract, step $n: $status" "extract, step $n: 137"
    rm -rf "$work/ex"
done
diff -r "$work/rootfs2" "$work/ex"
store_tidy "extract"
echo "$((n - 1)) steps: extract"

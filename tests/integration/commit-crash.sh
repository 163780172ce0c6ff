#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A commit is killed at each of its steps that change the disk. The edits are whole afterwards, the
# name is there or not, fsck is content, and the next commit makes the same image.
# In memory where that can be: a killed process loses nothing that it wrote, so a disk only takes time.
if [ -w /dev/shm ] && touch /dev/shm/.cf.$$ && setfattr -n trusted.t -v 1 /dev/shm/.cf.$$ 2>/dev/null; then
    export TMPDIR="${TMPDIR:-/dev/shm}"
fi
rm -f /dev/shm/.cf.$$
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
need_root
need_fuse
fault_build

# ---- an unmounted mount with edits of every kind: the template ----

sample_rootfs "$work/rootfs"
head -c 200000 /dev/urandom >"$work/rootfs/bin/large"
"$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null
mkdir "$work/m"
"$CLOUDFS" mount base:1 "$work/m"
id=$("$CLOUDFS" -q mount)
echo '{"debug": true}' >"$work/m/etc/daemon.json"
printf x >>"$work/m/bin/large"                           # moves to objects/, leaves a stub
head -c 150000 /dev/urandom >"$work/m/new-large"         # likewise
head -c 9000 /dev/urandom >"$work/m/new-middle"          # is copied
printf more >>"$work/m/bin/kubelet"                      # one inode of two names
mv "$work/m/scripts" "$work/m/renamed"
"$CLOUDFS" umount "$work/m"
"$CLOUDFS" -q gc >/dev/null
template=$work/template
mv "$CLOUDFS_ROOT" "$template"

fresh_store() {
    rm -rf "$CLOUDFS_ROOT"
    cp -a "$template" "$CLOUDFS_ROOT"
}

# What the mount shows; a mount is made for it (which also repairs what the crash left). Times of
# directories go to $work/times: a file cannot be replaced by its stub and its directory get the
# former time back in one step.
shown() {
    "$CLOUDFS" mount --resume "$id" >/dev/null
    (cd "$work/m" && find . -type d -printf '%p %T@\n' | sort >"$work/times" &&
        find . -type d -printf '%p %m\n' -o -printf '%p %y %m %n %l %s %T@\n' | sort &&
        find . -type f -exec sha256sum {} + | sort -k 2)
    "$CLOUDFS" umount "$work/m"
}

fresh_store
shown >"$work/edits"
cp "$work/times" "$work/edits-times"
fresh_store
want=$("$CLOUDFS" -q commit "$id" -t new:1)
shown >"$work/after"
cmp "$work/edits" "$work/after" >&2 || fail "a commit changes what the mount shows"

# killed_everywhere OPTION...
killed_everywhere() {
    n=0
    while :; do
        n=$((n + stride))
        at="step $n of: commit $*"
        fresh_store
        status=0
        fault kill "$n" "$CLOUDFS" commit "$id" -t new:1 "$@" >"$work/out" 2>"$work/err" || status=$?
        if fault_done; then
            eq "$status" 0
            break
        fi
        [ "$status" = 137 ] || fail "status $status at $at: $(cat "$work/err")"
        [ $((n % 2)) = 0 ] || "$CLOUDFS" -q gc >/dev/null || fail "gc at $at"
        shown >"$work/now"
        diff "$work/edits" "$work/now" >&2 || fail "the edits are not whole at $at"
        store_whole "$at"
        if [ ! -d "$CLOUDFS_ROOT/mounts/$id" ]; then
            # It had advanced, so it had no changes left, and umount forgot it.
            eq "$at: $("$CLOUDFS" -q images new:1 2>/dev/null | grep -c .)" "$at: 1"
            store_tidy "$at"
            continue
        fi
        got=$("$CLOUDFS" -q commit "$id" -t new:1 "$@" 2>/dev/null) || fail "commit again at $at"
        ! cmp -s "$work/times" "$work/edits-times" || eq "$at: $got" "$at: $want"
        store_tidy "$at, and another run"
        [ "$*" != --advance ] || eq "$(ls -A "$CLOUDFS_ROOT/mounts/$id/upper")" ""
        shown >"$work/now"
        diff "$work/edits" "$work/now" >&2 || fail "the edits are not whole after $at"
    done
    [ "$n" -gt 20 ] || fail "only $n steps"
    echo "$(cat "$work/seen") steps: commit $*"
}

stride=${STRIDE:-3}
killed_everywhere
killed_everywhere --advance

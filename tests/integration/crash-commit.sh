#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# commit is killed at each of its steps: nothing of the edits is lost, and the next commit has them.
[ ! -w /dev/shm ] || export TMPDIR="${TMPDIR:-/dev/shm}"
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/faults.sh"
need_fuse
fault_build
sample_rootfs "$work/rootfs"
sample_rootfs "$work/rootfs2"

mnt=$work/mnt
mkdir "$mnt"
"$CLOUDFS" -q import "$work/rootfs" -t base:1 >/dev/null
commit_killed() { # commit_killed STATE: with the mount live or idle
    n=0
    while :; do
        n=$((n + stride))
        "$CLOUDFS" mount base:1 "$mnt"
        id=$("$CLOUDFS" mount -q)
        echo "edit" >>"$mnt/etc/daemon.json"
        cp "$work/rootfs2/bin/kubelet" "$mnt/bin/kubelet" # two links: becomes an object
        cp "$work/rootfs2/bin/kubelet" "$mnt/bin/second"
        rm "$mnt/scripts/link"
        [ "$1" = live ] || "$CLOUDFS" umount "$mnt"
        status=0
        fault kill "$n" "$CLOUDFS" commit "$id" -t new:1 >"$work/out" 2>"$work/err" || status=$?
        done=0
        fault_done && done=1
        [ "$done" = 1 ] || eq "commit, step $n: $status" "commit, step $n: 137"
        store_whole "step $n of commit ($1)"
        [ $((n % 2)) = 0 ] || store_tidy "step $n of commit ($1)"
        # The edits are all there, by way of the mount and of the next commit.
        [ "$1" = live ] || "$CLOUDFS" mount --resume "$id"
        same_files "$mnt/bin/kubelet" "$work/rootfs2/bin/kubelet"
        same_files "$mnt/bin/second" "$work/rootfs2/bin/kubelet"
        eq "$(tail -n 1 "$mnt/etc/daemon.json")" edit
        [ ! -e "$mnt/scripts/link" ] || fail "a removed file is back after step $n of commit ($1)"
        echo after >"$mnt/after"
        [ "$1" = live ] || "$CLOUDFS" umount "$mnt"
        "$CLOUDFS" -q commit "$id" -t new:2 >/dev/null
        "$CLOUDFS" extract new:2 "$work/ex"
        same_files "$work/ex/bin/kubelet" "$work/rootfs2/bin/kubelet"
        same_files "$work/ex/bin/kubelet.link" "$work/rootfs2/bin/kubelet"
        same_files "$work/ex/bin/second" "$work/rootfs2/bin/kubelet"
        eq "$(tail -n 1 "$work/ex/etc/daemon.json"), $(cat "$work/ex/after")" "edit, after"
        rm -rf "$work/ex"
        "$CLOUDFS" umount --discard "$id"
        "$CLOUDFS" -q rmi new:2 >/dev/null
        "$CLOUDFS" -q rmi new:1 >/dev/null 2>&1 || [ "$done" = 0 ]
        store_tidy "step $n of commit ($1)"
        [ "$done" = 0 ] || break
    done
    eq "$status" 0
    echo "$(cat "$work/seen") steps: commit ($1)"
}
stride=1
commit_killed live
stride=3
commit_killed idle

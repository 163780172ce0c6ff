# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # work, top: of lib.sh
# What the scripts share that break commands at every step; sourced after lib.sh.

# fault MODE N COMMAND...: see fault.c; $work/seen gets the number of steps.
fault_build() {
    need "${CC:-cc}"
    "${CC:-cc}" -O1 -D_GNU_SOURCE -o "$work/fault" "$top/tests/lib/fault.c" ||
        fail "fault.c does not compile"
    "$work/fault" kill 1 "$work/seen" true || skip "no ptrace here"
}
fault() {
    fault_mode=$1 fault_at=$2
    shift 2
    "$work/fault" "$fault_mode" "$fault_at" "$work/seen" "$@"
}
fault_done() { # after a run: whether the fault did not come any more
    [ "$(cat "$work/seen")" -lt "$fault_at" ]
}

# A small CloudRootfs with everything that matters to a layer, and a base image of it.
sample_rootfs() {
    mkdir -p "$1/etc" "$1/bin" "$1/scripts"
    echo '{"debug": false}' >"$1/etc/daemon.json"
    head -c 40000 /dev/urandom >"$1/bin/kubelet"
    ln "$1/bin/kubelet" "$1/bin/kubelet.link"
    ln -s ../etc/daemon.json "$1/scripts/link"
    printf '#!/bin/sh\n' >"$1/scripts/init.sh"
    chmod 755 "$1/scripts/init.sh"
}

# What a user sees of the store: names and what they stand for. (A manifest that has no name yet, or
# no more, is gc's.)
store_names() {
    "$CLOUDFS" images --json | tr -d ' \n' | sed 's/{[^{}]*"Names":\[\][^{}]*},\{0,1\}//g; s/,]/]/'
    echo
}

# The store is whole: fsck says so, and every image can be listed and read.
store_whole() {
    "$CLOUDFS" fsck >"$work/fsck.out" 2>&1 || {
        cat "$work/fsck.out" >&2
        fail "fsck after $*"
    }
}

# gc leaves nothing behind but what is in use.
store_tidy() {
    "$CLOUDFS" -q gc >/dev/null || fail "gc after $*"
    left=$(find "$CLOUDFS_ROOT/tmp" -mindepth 1 ! -name 'lock-*')
    [ -z "$left" ] || fail "gc left $left after $*"
    for dir in "$CLOUDFS_ROOT"/mounts/*; do
        [ ! -d "$dir" ] || [ -e "$dir/mount.json" ] || fail "gc left $dir after $*"
    done
    store_whole "gc after $*"
}

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same random operations on a mount and on a plain directory: the same results, the same trees;
# with remounts, kills of the daemon, and commits in between (tests/model/).
#   MODEL_SEED=N      begin with this seed; prints it when it fails
#   MODEL_OPS=N       operations of each seed (default 1200)
#   MODEL_SECONDS=N   go on with the next seeds until then (default: the fixed seeds, once)
#   MODEL_STOP=N      stop before that operation, and leave everything there to look at
#   MODEL_LOG=1       print each operation
#   MODEL_AS=user     only as an ordinary user (root: only as root)
. "$(dirname "$0")/../lib/lib.sh"
[ "${1-}" = user ] || need_fuse
need "${CC:-cc}" python3

inode_file=$work/inodes plain=$work/plain m=$work/m
start=$(date +%s)

# tell WHAT: how to see it again.
tell() {
    echo "MODEL_AS=$as MODEL_SEED=$seed MODEL_OPS=$ops: $*" >&2
    exit 1
}

# An ordinary user is root in his own mount, so that he has to be root of his plain directory.
model() {
    ${unshare:-} "$work/model" "$@" >"$work/model.out" 2>"$work/model.err" || {
        status=$?
        tail -c 100000 "$work/model.err" >&2
        cat "$work/model.out" >&2
        if [ "$status" = 3 ]; then
            trap - EXIT
            echo "everything is in $work: plain, m (the mount), store" >&2
            exit 3
        fi
        tell "the model failed: $1, after: $did"
    }
}

compare_image() { # REF: it is what the mount shows
    mkdir -p "$work/image"
    "$CLOUDFS" mount --ro "$1" "$work/image"
    model images "$m" "$work/image"
    "$CLOUDFS" umount "$work/image"
}

# Something between the operations; the trees are compared afterwards.
between() {
    what=$((RANDOM % 7))
    if [ $((seed % 4)) = 0 ] && { [ "$what" = 3 ] || [ "$what" = 4 ]; }; then
        what=5 # sockets are not committed
    fi
    case $what in
    0)
        did="umount and resume"
        "$CLOUDFS" umount "$m"
        "$CLOUDFS" mount --resume "$id"
        ;;
    1 | 2)
        did="kill and resume"
        sync -f "$m"
        pid=$(cat "$CLOUDFS_ROOT/mounts/$id/lock")
        kill -9 "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
        "$CLOUDFS" mount --resume "$id"
        ;;
    3)
        did="commit"
        "$CLOUDFS" commit "$m" -t "model:$seed" >/dev/null
        compare_image "model:$seed"
        ;;
    4)
        did="commit --advance"
        "$CLOUDFS" commit "$m" -t "model:advanced-$seed" --advance >/dev/null
        rm -f "$inode_file" # numbers are those of the new image
        model adopt "$plain/tree" "$m" # that a directory has another mtime is no change to commit
        compare_image "model:advanced-$seed"
        ;;
    5)
        did="drop caches"
        [ "$as" = user ] || echo 2 >/proc/sys/vm/drop_caches
        ;;
    *) did="nothing" ;;
    esac
}

run_seed() {
    seed=$1 did="the mount" done=0 id=
    RANDOM=$seed
    rm -f "$inode_file"
    ${unshare:-} rm -rf "$plain" "$work/src" # whatever its modes are
    mkdir "$plain" "$work/src"
    model make "$plain/tree" "$seed"
    model make "$work/src/tree" "$seed"
    "$CLOUDFS" -q import "$work/src/tree" -t "model:base-$seed" >/dev/null
    mkdir -p "$m"
    "$CLOUDFS" mount "model:base-$seed" "$m"
    id=$("$CLOUDFS" -q mount)
    # Where access lists are only kept, and not the kernel's to enforce, they are no part of it.
    python3 -c 'import os, sys; os.removexattr(sys.argv[1], "system.posix_acl_access")' "$m" 2>/dev/null &&
        export MODEL_ACL=1
    model compare "$plain/tree" "$m" "$inode_file"
    while [ "$done" -lt "$ops" ]; do
        part=$((100 + RANDOM % 300))
        [ $((done + part)) -le "$ops" ] || part=$((ops - done))
        model run "$plain/tree" "$m" "$seed" "$done" "$part" "$inode_file" ${MODEL_STOP:+"$MODEL_STOP"}
        done=$((done + part))
        between
        model compare "$plain/tree" "$m" "$inode_file"
    done
    "$CLOUDFS" umount --discard "$m"
    "$CLOUDFS" fsck >"$work/fsck" || tell "fsck: $(cat "$work/fsck")"
    "$CLOUDFS" -q images | sort -u | xargs -r "$CLOUDFS" -q rmi >/dev/null
    "$CLOUDFS" -q gc
}

as=root
if [ "$(id -u)" != 0 ]; then
    as=user unshare="unshare -Ur env MODEL_USER=1"
    unshare -Ur true || skip "no user namespaces here"
fi
ops=${MODEL_OPS:-1200}
"${CC:-cc}" -O1 -D_GNU_SOURCE -o "$work/model" "$top"/tests/model/*.c

# need_user_fuse may start the script once more.
if [ "$as" = user ] || { [ "${MODEL_AS:-root}" = root ] && [ -z "${CLOUDFS_UNSHARED:-}" ]; }; then
    first=${MODEL_SEED:-1} seeds=0
    for ((n = first; ; n++)); do
        if [ -n "${MODEL_SECONDS:-}" ]; then
            [ $(($(date +%s) - start)) -lt "$MODEL_SECONDS" ] || break
        elif [ "$n" -ge $((first + ${MODEL_SEEDS:-3})) ]; then
            break
        fi
        run_seed "$n"
        seeds=$((seeds + 1))
    done
    echo "as $as: $seeds seeds from $first, $ops operations each"
fi
[ "$as" = root ] && [ "${MODEL_AS:-user}" = user ] || exit 0

# The same as an ordinary user, where he may mount.
need_user_fuse "$@"
mkdir "$work/tests"
cp -r "$top/tests/lib" "$top/tests/model" "$work/tests"
mkdir "$work/tests/integration"
cp "$self" "$work/tests/integration/model.sh"
as_user env TMPDIR="$work/user" BUILD="$(dirname "$CLOUDFS")" bash "$work/tests/integration/model.sh"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The POSIX suite (tests/posix) on ext4 and kernel overlayfs as controls, and through the mounts: of
# root, of an ordinary user in root's mount, of an ordinary user in his own. docs/posix.md lists what
# may differ; anything else fails, and so does what differs no more.
# POSIX_PICK=TEXT: only cases with TEXT in their name. POSIX_ONLY="root other user ext4 overlay".
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_user_fuse "$@"

# The list is about ext4: best one of its own in memory, where nobody else makes it wait.
disk=$(mktemp -p /dev/shm cloudfs-it.XXXXXX 2>/dev/null) || disk=$work/disk
if truncate -s 1G "$disk" && mkfs.ext4 -q "$disk" 2>/dev/null && mount -o loop "$disk" "$work" 2>/dev/null; then
    chmod 755 "$work"
elif [ "$(stat -f -c %T "$work")" != ext2/ext3 ]; then
    rm -f "$disk"
    skip "no ext4 here, and none can be mounted"
fi
rm -f "$disk"

case $BUILD in
/*) build=$BUILD ;;
*) build=$top/$BUILD ;;
esac
cp "$build/tests/posix/posix" "$top/docs/posix.md" "$work"
posix=$work/posix
only=${POSIX_ONLY:-ext4 overlay root other user}
failed=0

wanted() {
    case " $only " in
    *" $1 "*) return 0 ;;
    esac
    return 1
}

# run TARGET VARIANT DIR [WRAPPER]
run() {
    ${4:-} "$posix" run -t "$1" -v "$2" -d "$work/posix.md" ${POSIX_PICK:+-k "$POSIX_PICK"} "$3" || failed=1
}

# The image: what each case needs, of root's and of the ordinary user's.
src=$work/src
mkdir -p "$src/root/lower" "$src/root/mixed" "$src/user/lower" "$src/user/mixed"
for kind in lower mixed; do
    "$posix" prepare "$src/root/$kind"
    "$posix" prepare -u "$user_id" "$src/user/$kind"
done

if wanted overlay; then
    mkdir "$work/o" "$work/ou" "$work/ow"
    mount -t overlay -o "lowerdir=$src,upperdir=$work/ou,workdir=$work/ow,metacopy=on" overlay "$work/o" 2>/dev/null || {
        skip_part "no overlayfs here"
        mount --bind "$work/o" "$work/o"
    }
    "$posix" run -t overlay -v lower "$work/o/root/lower" >"$work/overlay.log" || true
    [ -z "${POSIX_PICK:-}" ] || cat "$work/overlay.log"
    tail -n 1 "$work/overlay.log"
    umount "$work/o"
fi

# check TARGET WHO [WRAPPER]: the three kinds of fixture
check() {
    $3 mkdir "$m/$2/upper"
    $3 "$posix" prepare "$m/$2/upper"
    $3 "$posix" mix "$m/$2/mixed"
    for kind in lower mixed upper; do
        run "$1" "$kind" "$m/$2/$kind" "$3"
    done
}

# What a remount shows is what there was, whatever the cases did.
check_remount() {
    "$@" "$posix" manifest "$m" >"$work/before"
    "$@" "$CLOUDFS" umount "$m"
    "$@" "$CLOUDFS" mount --resume "$id"
    "$@" "$posix" manifest "$m" >"$work/after"
    diff "$work/before" "$work/after" >"$work/diff" || {
        echo "FAIL $*: the remounted filesystem differs"
        head -n 20 "$work/diff"
        failed=1
    }
}

m=$work/m
mkdir "$m"
"$CLOUDFS" import "$src" -t posix:1 >/dev/null
if wanted root || wanted other; then
    "$CLOUDFS" mount posix:1 "$m"
    id=$("$CLOUDFS" -q mount)
    ! wanted root || check root root env
    ! wanted other || run other lower "$m/user/lower" drop
    check_remount env
    "$CLOUDFS" umount "$m"
fi

if wanted user; then
    m=$work/user/m
    "$CLOUDFS" -q save posix:1 -o "$work/image.tar" >/dev/null
    as_user "$CLOUDFS" load -i "$work/image.tar" >/dev/null
    as_user mkdir "$m"
    as_user "$CLOUDFS" mount posix:1 "$m"
    id=$(as_user "$CLOUDFS" -q mount)
    check user user as_user
    check_remount as_user
    as_user "$CLOUDFS" umount "$m"
fi

# The control, last: it uses up what the image was made of.
if wanted ext4; then
    run ext4 lower "$src/root/lower"
    run ext4 lower "$src/user/lower" drop
fi
[ "$failed" = 0 ] || fail "see above; the list is docs/posix.md"

# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What the integration scripts share; for bash and any POSIX sh. A script begins with
#     . "$(dirname "$0")/../lib/lib.sh"
# and then has: set -eu; $top, the source tree; $CLOUDFS, the command under test; $work, a
# directory of its own that everybody may enter, removed at the end with all mounts below it;
# and CLOUDFS_ROOT, a store of its own in it. It ends with the status of the first command that
# fails (told as a failure), 77 through `skip`, and 0 otherwise.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
case ${BUILD:=build} in
/*) CLOUDFS=$BUILD/cloudfs ;;
*) CLOUDFS=$top/$BUILD/cloudfs ;;
esac
self=$top/tests/integration/${0##*/} # whatever the working directory is by then
umask 022
work=$(mktemp -d "${TMPDIR:-/tmp}/cloudfs-it.XXXXXX")
chmod 755 "$work"
export CLOUDFS CLOUDFS_ROOT="$work/store" LC_ALL=C
unset SOURCE_DATE_EPOCH XDG_DATA_HOME XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_CACHE_HOME

# drop COMMAND...: as the ordinary user, with nothing else changed.
if [ "$(id -u)" = 0 ]; then
    user_id=65534 # nobody: fusermount3 wants a user that has a name
    drop() {
        setpriv --reuid "$user_id" --regid "$user_id" --clear-groups --inh-caps=-all -- "$@"
    }
    # A source tree below /root is closed to him.
    if [ -x "$CLOUDFS" ] && ! drop test -x "$CLOUDFS"; then
        cp "$CLOUDFS" "$work/cloudfs"
        CLOUDFS=$work/cloudfs
    fi
else
    user_id=$(id -u)
    drop() {
        "$@"
    }
fi

# The mount points below a directory, the last mounted first.
mounts_below() {
    awk -v dir="$1/" 'index($5 "/", dir) == 1 {line[++n] = $5} END {while (n) print line[n--]}' \
        /proc/self/mountinfo
}

unmount_below() {
    mounts_below "$1" | while read -r escaped; do # mountinfo writes a space as \040
        point=$(printf '%b' "$escaped")
        umount -l "$point" 2>/dev/null || fusermount3 -u -z "$point" 2>/dev/null ||
            echo "lib: cannot unmount $point" >&2
    done
}

# Mount daemons of this test end with their unmount; what is busy a moment longer is waited for.
cleanup() {
    cd /
    unmount_below "$work"
    tries=0
    while ! rm -rf "$work" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 20 ]; then
            echo "lib: cannot remove $work" >&2
            return
        fi
        find "$work" -xdev -type d ! -perm -700 -exec chmod u+rwx {} + 2>/dev/null || true
        unmount_below "$work"
        sleep 0.1
    done
}
at_exit() {
    status=$?
    trap - EXIT
    set +e
    cleanup
    exit "$status"
}
trap at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Ends the script as skipped.
skip() {
    echo "SKIP: $*"
    exit 77
}

# Tells that a part is left out, and goes on.
skip_part() {
    echo "SKIP: $*"
}

# need TOOL...: skips the script when one is missing.
need() {
    for tool; do
        command -v "$tool" >/dev/null 2>&1 || skip "no $tool on this machine"
    done
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root"
}

# Ends the script as failed.
fail() {
    echo "FAIL: $*" >&2
    exit 1
}

# eq GOT WANTED
eq() {
    [ "$1" = "$2" ] && return 0
    printf 'FAIL: these differ\n got:    %s\n wanted: %s\n' "$1" "$2" >&2
    exit 1
}

# same_files A B: two files with the same bytes.
same_files() {
    cmp "$1" "$2" >&2 || fail "$1 and $2 differ"
}

# fails_with STATUS PATTERN COMMAND...: the command ends with that status, and what it says on
# stderr is one line that matches the extended regular expression. (Status 2 may add its usage.)
fails_with() {
    want=$1 pattern=$2 got=0
    shift 2
    "$@" >"$work/.stdout" 2>"$work/.stderr" || got=$?
    [ "$got" = "$want" ] || {
        cat "$work/.stderr" >&2
        fail "exit status $got instead of $want: $*"
    }
    lines=$(wc -l <"$work/.stderr")
    [ "$lines" = 1 ] || { [ "$want" = 2 ] && [ "$lines" -gt 0 ]; } || {
        cat "$work/.stderr" >&2
        fail "$lines lines on stderr instead of 1: $*"
    }
    grep -qE -e "$pattern" "$work/.stderr" || {
        cat "$work/.stderr" >&2
        fail "stderr does not match '$pattern': $*"
    }
}

# as_user COMMAND...: as an ordinary user with a home and a store of his own in $work/user.
as_user() {
    if [ ! -d "$work/user" ]; then
        mkdir -p "$work/user/run" "$work/user/.local/share" "$work/user/.config" "$work/user/.cache"
        chmod 700 "$work/user/run"
        [ "$(id -u)" != 0 ] || chown -R "$user_id:$user_id" "$work/user"
    fi
    drop env -u CLOUDFS_ROOT HOME="$work/user" XDG_DATA_HOME="$work/user/.local/share" \
        XDG_CONFIG_HOME="$work/user/.config" XDG_CACHE_HOME="$work/user/.cache" \
        XDG_RUNTIME_DIR="$work/user/run" "$@"
}

# Whether this user may mount FUSE filesystems here (root: by really doing it, without a daemon).
can_fuse() {
    (: <>/dev/fuse) 2>/dev/null || return 1
    command -v fusermount3 >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || return 0
    mkdir -p "$work/.probe"
    (
        exec 9<>/dev/fuse
        mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 probe "$work/.probe"
    ) 2>/dev/null || return 1
    umount -l "$work/.probe"
}

need_fuse() {
    can_fuse || skip "this machine cannot mount FUSE here (/dev/fuse, fusermount3, CAP_SYS_ADMIN)"
}

# need_user_fuse "$@": as need_fuse, and as_user can mount too. Where /dev/fuse is for root only,
# root starts the script again in a mount namespace with a /dev/fuse that everybody may open.
# Call it first of all, with the script's own arguments.
need_user_fuse() {
    need_fuse
    [ "$(id -u)" = 0 ] || return 0
    [ -u "$(command -v fusermount3)" ] || skip "fusermount3 is not setuid: no mounts for users"
    as_user sh -c ': <>/dev/fuse' 2>/dev/null && return 0
    [ -z "${CLOUDFS_UNSHARED:-}" ] || skip "/dev/fuse is closed to ordinary users"
    cleanup
    # shellcheck disable=SC2016 # expanded by the inner shell
    CLOUDFS_UNSHARED=1 exec unshare -m sh -c '
        dir=$(mktemp -d) && mount --make-rprivate / && mount -t tmpfs -o mode=755 none "$dir" &&
        mknod -m 666 "$dir/fuse" c 10 229 && mount --bind "$dir/fuse" /dev/fuse &&
        umount -l "$dir" && rmdir "$dir" || { echo "SKIP: no private /dev/fuse"; exit 77; }
        exec bash "$@"' sh "$self" "$@"
}

# json FILE EXPRESSION: prints what the Python expression says of d, the one document in the file
# (a truth as true or false). Scripts that use it say `need python3`.
json() {
    python3 -c '
import json, sys
with open(sys.argv[1], encoding="utf-8", errors="surrogateescape") as f:
    d = json.load(f)
said = eval(sys.argv[2])
print(str(said).lower() if isinstance(said, bool) else said)' "$@"
}

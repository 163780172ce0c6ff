#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Commits of a mount that is in use: the image is what the mount showed, the mount goes on, writers
# and readers that were there before too, and no object ever changes.
. "$(dirname "$0")/../lib/lib.sh"
# Once as root, and once as an ordinary user.
if [ "${1-}" = user ]; then
    need_user_fuse "$@"
else
    need_fuse
fi
if [ "${1-}" = user ] && [ "$(id -u)" = 0 ]; then
    cp -r "$top/tests/lib" "$work/lib"
    mkdir "$work/integration"
    cp "$self" "$work/integration/commit-live.sh"
    as_user env TMPDIR="$work/user" BUILD="$(dirname "$CLOUDFS")" bash \
        "$work/integration/commit-live.sh"
    exit 0
fi

m=$work/m
mkdir -p "$work/src/etc" "$work/src/bin" "$m"
echo '{}' >"$work/src/etc/daemon.json"
head -c 3000000 /dev/urandom >"$work/src/bin/kubelet"
"$CLOUDFS" import "$work/src" -t live:1 >/dev/null
"$CLOUDFS" mount live:1 "$m"
id=$("$CLOUDFS" -q mount)

owner=' %U:%G'
[ "$(id -u)" = 0 ] || owner= # a user's extract gives everything to him

# image_is REF: the image's files are those that the mount shows.
image_is() {
    rm -rf "$work/out"
    "$CLOUDFS" extract "$1" "$work/out"
    (cd "$work/out" && find . ! -type d -printf "%p %y %m$owner %n %s %l %T@\\n" | sort) >"$work/a"
    (cd "$m" && find . ! -type d -printf "%p %y %m$owner %n %s %l %T@\\n" | sort) >"$work/b"
    diff "$work/a" "$work/b" >&2 || fail "$1 is not what the mount shows"
    diff -r "$work/out" "$m" >&2 || fail "$1 has other content than the mount"
}

# ---- files that are open, mapped, or being read while they are committed ----

head -c 2000000 /dev/urandom >"$m/open-for-writing"
head -c 2000000 /dev/urandom >"$m/open-for-reading"
printf x >>"$m/bin/kubelet"
echo '{"a": 1}' >"$m/etc/daemon.json"
sum=$(sha256sum <"$m/open-for-reading")
exec 7<>"$m/open-for-writing" 8<"$m/open-for-reading"
"$CLOUDFS" commit "$m" -t live:2 >/dev/null
image_is live:2
printf 'written after the commit' >&7
eq "$(sha256sum <&8)" "$sum"
exec 8<&-
"$CLOUDFS" fsck >/dev/null || fail "a write after a commit reached an object"
eq "$(head -c 24 "$m/open-for-writing")" 'written after the commit'
exec 7>&-
# Writing to what has become a stub.
printf 'more' >>"$m/open-for-reading"
: >"$m/bin/kubelet"
"$CLOUDFS" commit "$m" -t live:3 >/dev/null
image_is live:3
"$CLOUDFS" fsck >/dev/null || fail "a write to a stub reached an object"

# ---- the same edits again give the same image ----

one=$("$CLOUDFS" -q commit "$m" -t live:4)
eq "$("$CLOUDFS" -q commit "$m" -t live:5)" "$one"

# ---- advance: refused while in use, done otherwise ----

exec 7<"$m/etc/daemon.json"
fails_with 1 'not advanced' "$CLOUDFS" -q commit "$m" -t live:6 --advance
exec 7<&-
image_is live:6
printf 'y' >"$m/y"
"$CLOUDFS" commit "$m" -t live:7 --advance >/dev/null
image_is live:7
eq "$("$CLOUDFS" diff "$m")" ""
eq "$("$CLOUDFS" -q mount)" "$id"
printf 'z' >"$m/z"
eq "$("$CLOUDFS" diff "$m")" "A z"
"$CLOUDFS" commit "$m" -t live:8 >/dev/null
image_is live:8

# ---- many writers while commits are made: each image is whole ----

for worker in 1 2 3; do
    (
        n=0
        while [ ! -e "$work/stop" ]; do
            n=$((n + 1))
            printf 'worker %s round %s\n' "$worker" "$n" >"$m/.t$worker" 2>/dev/null || break
            mv "$m/.t$worker" "$m/w$worker" 2>/dev/null || break
        done
    ) &
done
n=0
while [ "$n" -lt 10 ]; do
    n=$((n + 1))
    "$CLOUDFS" commit "$m" -t "busy:$n" >/dev/null || {
        touch "$work/stop"
        fail "a commit while others write"
    }
done
touch "$work/stop"
wait
"$CLOUDFS" fsck >/dev/null || fail "commits while others write"
for n in 1 5 10; do
    "$CLOUDFS" cat "busy:$n:w1" >"$work/w" 2>/dev/null || continue
    grep -qxE 'worker 1 round [0-9]+' "$work/w" || fail "busy:$n has half a file"
done

# ---- squash ----

"$CLOUDFS" commit "$m" -t live:flat --squash >/dev/null
"$CLOUDFS" inspect live:flat >"$work/inspect.json"
eq "$(json "$work/inspect.json" 'len((d[0] if isinstance(d, list) else d)["Layers"])')" 1
image_is live:flat
"$CLOUDFS" umount --discard "$m"
"$CLOUDFS" -q gc >/dev/null
"$CLOUDFS" fsck >/dev/null

if [ "$(id -u)" = 0 ]; then
    bash "$self" user || [ $? = 77 ]
fi

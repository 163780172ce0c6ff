#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The helpers that the other scripts trust: statuses, skips, clean-up, users.
. "$(dirname "$0")/../lib/lib.sh"

# inner NAME TEXT: runs text as a script that uses the library; sets $status, $output and $place.
inner() {
    mkdir -p "$work/tests/integration" "$work/tests/lib"
    cp "$top/tests/lib/lib.sh" "$work/tests/lib/"
    {
        echo '. "$(dirname "$0")/../lib/lib.sh"'
        echo 'echo "$work" >"'"$work/place"'"'
        printf '%s\n' "$2"
    } >"$work/tests/integration/$1.sh"
    status=0
    output=$(TMPDIR=$work sh "$work/tests/integration/$1.sh" 2>&1) || status=$?
    place=$(cat "$work/place")
    [ ! -e "$place" ] || fail "$1 left $place"
}

inner passes 'true'
eq "$status" 0
inner failing-command 'false; true'
eq "$status" 1
inner other-status 'sh -c "exit 7"'
eq "$status" 7
inner skips 'skip "the moon is full"'
eq "$status:$output" '77:SKIP: the moon is full'
inner needs 'need sh no-such-tool-here'
eq "$status:$output" '77:SKIP: no no-such-tool-here on this machine'
inner differs 'eq a a; eq "a b" "a  b"; echo not reached'
eq "$status" 1
inner terminated 'kill -TERM $$; sleep 5'
eq "$status" 143
inner odd-modes 'mkdir -p "$work/a/b"; chmod 0 "$work/a"'
eq "$status" 0

inner right-failure 'fails_with 3 "^x: .*gone$" sh -c "echo x: it is gone >&2; exit 3"'
eq "$status" 0
for wrong in 'fails_with 3 x sh -c "echo x >&2; exit 4"' \
    'fails_with 1 x sh -c "echo y >&2; exit 1"' \
    'fails_with 1 x sh -c "echo x >&2; echo x >&2; exit 1"' \
    'fails_with 1 x sh -c "echo x; exit 1"' \
    'fails_with 1 x true'; do
    inner wrong-failure "$wrong"
    eq "$wrong $status" "$wrong 1"
done

# As an ordinary user: not root, a home of one's own, and not the store of the script.
eq "$(as_user id -u)" "$user_id"
as_user sh -c '[ "$(id -u)" != 0 ] && [ -z "${CLOUDFS_ROOT:-}" ] && touch "$HOME/a" "$XDG_DATA_HOME/b" "$XDG_RUNTIME_DIR/c"'
case $(as_user sh -c 'echo "$HOME"') in
"$work"/*) ;;
*) fail "the home of as_user is not in \$work" ;;
esac

if [ "$(id -u)" = 0 ] && mkdir "$work/m" && mount -t tmpfs none "$work/m" 2>/dev/null; then
    umount "$work/m"
    inner mounts '
mkdir "$work/with space"
mount -t tmpfs none "$work/with space"
mkdir "$work/with space/below"
mount -t tmpfs none "$work/with space/below"
exit 5'
    eq "$status" 5
else
    skip_part "no mounts here: that they are cleaned up"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A mount whose daemon is killed: told as dead, cleaned up, resumed with all that was fsynced.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse

mkdir -p "$work/src/etc" "$work/m"
i=0
while [ $i -lt 200 ]; do
    echo "file $i" >"$work/src/etc/$i"
    i=$((i + 1))
done
"$CLOUDFS" import "$work/src" -t test/crash:1 >/dev/null
m=$work/m

state() {
    "$CLOUDFS" --json mount | tr -d ' \n' | sed 's/.*"State":"\([a-z]*\)".*/\1/'
}

kill_daemon() {
    pid=$(cat "$CLOUDFS_ROOT/mounts/$id/lock")
    kill -9 "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
}

"$CLOUDFS" mount test/crash:1 "$m"
id=$("$CLOUDFS" -q mount)
eq "$(state)" mounted
echo changed >"$m/etc/7"
echo new >"$m/new"
rm "$m/etc/8"
sync "$m/etc/7" "$m/new"
kill_daemon
eq "$(state)" dead
ls "$m" >/dev/null 2>&1 && fail "a dead mount answers"
fails_with 1 'daemon is gone' "$CLOUDFS" mount test/crash:1 "$m"
timeout 10 "$CLOUDFS" umount "$m"
eq "$(state)" unmounted
eq "$(mounts_below "$work")" ""
"$CLOUDFS" mount --resume "$id"
eq "$(cat "$m/etc/7" "$m/new" "$m/etc/9")" 'changed
new
file 9'
[ ! -e "$m/etc/8" ] || fail "a removed file is back"

# Resuming cleans up after the dead one by itself.
kill_daemon
"$CLOUDFS" mount --resume "$id"
eq "$(cat "$m/new")" new

# Killed while many write: each file is old, or new and whole.
round=0
while [ $round -lt 5 ]; do
    for worker in 0 1 2 3; do
        (
            i=$worker
            while [ $i -lt 200 ]; do
                { echo "round $round file $i" >"$m/etc/.new$i" && sync "$m/etc/.new$i" &&
                    mv "$m/etc/.new$i" "$m/etc/$i"; } 2>/dev/null || exit 0
                i=$((i + 4))
            done
        ) &
    done
    sleep 0.1
    kill_daemon
    wait
    "$CLOUDFS" umount "$m"
    "$CLOUDFS" mount --resume "$id"
    i=0
    while [ $i -lt 200 ]; do
        grep -qxE "file $i|changed|round [0-9]+ file $i" "$m/etc/$i" 2>/dev/null || [ $i = 8 ] ||
            fail "round $round: etc/$i holds '$(cat "$m/etc/$i")'"
        i=$((i + 1))
    done
    round=$((round + 1))
done
"$CLOUDFS" umount "$m"
"$CLOUDFS" fsck >/dev/null
"$CLOUDFS" umount --discard "$id"
eq "$(ls "$CLOUDFS_ROOT/mounts")" ""

# A killed read-only mount is cleaned up without a trace.
"$CLOUDFS" mount --ro test/crash:1 "$m"
id=$("$CLOUDFS" -q mount)
kill_daemon
"$CLOUDFS" umount "$m"
eq "$(ls "$CLOUDFS_ROOT/mounts")" ""

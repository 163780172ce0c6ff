#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build: ended at any moment (killed, or by Ctrl-C) it leaves no half image and no mount, and the next one
# goes on behind the last good layer; gc and other builds at the same time change nothing.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need_user_fuse "$@"
cd "$work"
mkdir -p base/etc ctx/dir
head -c 3000000 /dev/urandom >base/etc/big
for i in $(seq 40); do head -c 100000 /dev/urandom >"ctx/dir/$i"; done
echo one >ctx/one
find base ctx -exec touch -d @1600000000 {} +
"$CLOUDFS" -q import base -t base:1 >/dev/null
printf '%s\n' 'FROM base:1' 'COPY one etc/' 'COPY dir .' 'RUN echo two > two' 'RUN rm etc/one && echo three > three' \
    'COPY one last/' >ctx/Kubefile
CLOUDFS_ROOT=$work/reference "$CLOUDFS" -q import base -t base:1 >/dev/null
CLOUDFS_ROOT=$work/reference "$CLOUDFS" -q build -t x:1 ctx >want

# check: nothing of a build that was ended is there but its layers; or all, where it was ended behind its last step.
check() {
    "$CLOUDFS" images -q x:1 >named
    [ ! -s named ] || same_files want named
    "$CLOUDFS" umount --all --discard
    "$CLOUDFS" fsck -q
}
for signal in KILL INT; do
    for delay in 0.005 0.015 0.03 0.06 0.1 0.15 0.25; do
        rm -rf store
        "$CLOUDFS" -q import base -t base:1 >/dev/null
        # INT is not ignored by what timeout starts, as it would be by a job in the background.
        timeout --foreground -s "$signal" "$delay" "$CLOUDFS" -q build -t x:1 ctx >out 2>/dev/null && done_already=1 ||
            done_already=
        [ -n "$done_already" ] || check
        "$CLOUDFS" -q build -t x:1 ctx >got
        same_files want got
        eq "$("$CLOUDFS" mount --json)" '[]'
    done
done

# Ended in its last step, the next one runs only that.
rm -rf store
"$CLOUDFS" -q import base -t base:1 >/dev/null
{ cat ctx/Kubefile && echo 'RUN sleep 20'; } >ctx/slow
"$CLOUDFS" -q build -f ctx/slow -t x:1 ctx >/dev/null 2>&1 &
pid=$!
tries=0
until "$CLOUDFS" mount --json | grep -q build- && [ "$(find store/layers -mindepth 1 -maxdepth 1 | wc -l)" -ge 6 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "the build does not get to its last step"
    sleep 0.05
done
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
"$CLOUDFS" umount --all --discard
"$CLOUDFS" build --no-cache-images -t x:1 ctx 2>said >got
same_files want got
eq "$(grep -c 'using the cache' said)" 5

# gc while builds are at work, and the same build several times at once.
rm -rf store
"$CLOUDFS" -q import base -t base:1 >/dev/null
pids=
for i in 1 2 3; do
    "$CLOUDFS" -q build --no-cache -t "x:$i" ctx >"got$i" &
    pids="$pids $!"
done
"$CLOUDFS" gc >/dev/null &
pids="$pids $!"
for pid in $pids; do wait "$pid" || fail "a build or gc beside others fails"; done
for i in 1 2 3; do same_files want "got$i"; done
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck -q
"$CLOUDFS" cat x:3:last/one | cmp - ctx/one

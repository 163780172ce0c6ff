#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RUN: verbatim, confined to the rootfs, as root and as an ordinary user; its layer, its failures.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need_user_fuse "$@"
cd "$work"

mkdir -p base/etc base/bin ctx
echo conf >base/etc/conf
printf '#!/bin/sh\necho "own tool: $*"\n' >base/bin/owntool
chmod 755 base/bin/owntool
chmod -R a+rX base ctx
find base -exec touch -d @1600000000 {} +
secret=$work/secret
echo host >"$secret"

run_all() { # PREFIX...: all of it, with commands run by PREFIX
    "$@" "$CLOUDFS" -q import "$work/base" -t base:1 >/dev/null
    cat >"$work/ctx/Kubefile" <<'END'
FROM base:1
ARG token=s3cret
ENV NAME="a  b"
RUN echo "$NAME" '"q"' "c  d" > f && printf '%s\n' 'x\ty' >> f
RUN owntool 1 2 > out; pwd >> out; id -u >> out
RUN <<EOF
mkdir -p etc/new
cat etc/conf > etc/new/copy
rm etc/conf
echo $token > etc/token
EOF
RUN ["/bin/sh", "-c", "echo exec > form"]
RUN true
END
    "$@" "$CLOUDFS" -q build -t run:1 "$work/ctx" >"$work/id1"
    eq "$("$@" "$CLOUDFS" cat run:1:f)" 'a  b "q" c  d
x\ty'
    eq "$("$@" "$CLOUDFS" cat run:1:out)" 'own tool: 1 2
/rootfs
0'
    eq "$("$@" "$CLOUDFS" cat run:1:etc/new/copy run:1:form)" 'conf
exec'
    fails_with 1 'etc/conf' "$@" "$CLOUDFS" cat run:1:etc/conf
    "$@" "$CLOUDFS" ls -l run:1:f | grep -q ' 0  *0 ' || fail "what RUN makes is not root's"
    "$@" "$CLOUDFS" history run:1 | grep -q s3cret && fail "an ARG's value is in the history"

    # The second time nothing runs; without the cache the same comes out, at any date.
    "$@" "$CLOUDFS" build -t run:2 "$work/ctx" 2>"$work/said" >"$work/id2"
    same_files "$work/id1" "$work/id2"
    eq "$(grep -c 'using the cache' "$work/said")" 6
    "$@" "$CLOUDFS" -q build --no-cache -t run:3 "$work/ctx" >"$work/id3"
    same_files "$work/id1" "$work/id3"

    # The machine is out of reach: its files, its processes, its network, its devices.
    cat >"$work/ctx/Kubefile" <<END
FROM base:1
RUN (echo broken > $secret) 2>/dev/null; (echo x > /usr/cloudfs-was-here) 2>/dev/null; \\
    (touch /etc/cloudfs-was-here) 2>/dev/null; mount -o remount,rw / 2>/dev/null; \\
    (echo x > /usr/cloudfs-was-here) 2>/dev/null; echo t > /tmp/cloudfs-was-here; \\
    (mknod dev b 8 0 && echo x > dev) 2>/dev/null; rm -f dev; \\
    ls /proc | grep -c '^[0-9]*\$' > processes; cat /proc/net/dev | wc -l > net; ls /dev > devices
END
    "$@" "$CLOUDFS" -q build -t confined:1 "$work/ctx" >/dev/null
    eq "$(cat "$secret")" host
    for f in /usr/cloudfs-was-here /etc/cloudfs-was-here /tmp/cloudfs-was-here; do
        [ ! -e "$f" ] || fail "RUN wrote $f"
    done
    [ "$("$@" "$CLOUDFS" cat confined:1:processes)" -lt 12 ] || fail "RUN sees the machine's processes"
    eq "$("$@" "$CLOUDFS" cat confined:1:net)" 3
    "$@" "$CLOUDFS" cat confined:1:devices | grep -qE '^(sd|vd|nvme|fuse|kmsg)' && fail "RUN sees disks"

    # A failure shows output and status, and leaves nothing; the next build goes on behind what worked.
    "$@" "$CLOUDFS" images --json >"$work/before"
    printf 'FROM base:1\nRUN echo one > one\nRUN echo told; exit 3\n' >"$work/ctx/Kubefile"
    got=0
    "$@" "$CLOUDFS" -q build -t failed:1 "$work/ctx" >"$work/out" 2>"$work/said" || got=$?
    eq "$got" 1
    grep -q '^told' "$work/said" || fail "the output of a failed RUN is not shown"
    grep -q 'Kubefile:3:5: RUN ended with exit status 3' "$work/said" || fail "$(cat "$work/said")"
    "$@" "$CLOUDFS" images --json >"$work/after"
    same_files "$work/before" "$work/after"
    eq "$("$@" "$CLOUDFS" mount --json)" "[]"
    printf 'FROM base:1\nRUN echo one > one\nRUN echo two > two\n' >"$work/ctx/Kubefile"
    "$@" "$CLOUDFS" build -t mended:1 "$work/ctx" 2>"$work/said" >/dev/null
    eq "$(grep -c 'using the cache' "$work/said")" 1
}
chmod 644 "$secret"
run_all env
cp id1 root.id
run_all as_user
same_files id1 root.id

# Killed at any moment, the next build is right, and nothing of it stays mounted.
printf 'FROM base:1\nRUN echo one > one\nRUN sleep 30\n' >ctx/Kubefile
"$CLOUDFS" -q build -t killed:1 ctx >/dev/null 2>&1 &
pid=$!
tries=0
until grep -q "$work/store/tmp/build-" /proc/self/mountinfo; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "RUN mounts nothing"
    sleep 0.05
done
sleep 0.2
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
fails_with 1 'no such image' "$CLOUDFS" inspect killed:1
"$CLOUDFS" umount --all --discard
"$CLOUDFS" gc >/dev/null
printf 'FROM base:1\nRUN echo one > one\n' >ctx/Kubefile
"$CLOUDFS" -q build -t killed:1 ctx >/dev/null
eq "$("$CLOUDFS" cat killed:1:one)" one

# Two builds of one thing at the same time.
printf 'FROM base:1\nRUN echo both > both\nCOPY Kubefile etc/\n' >ctx/Kubefile
"$CLOUDFS" -q build --no-cache -t twice:1 ctx >a &
first=$!
"$CLOUDFS" -q build --no-cache -t twice:1 ctx >b
wait "$first"
same_files a b

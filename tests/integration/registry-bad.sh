#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Registries that misbehave: the image comes whole all the same, or there is one clear line, soon; the
# store is as it was, and no credentials reach another server.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need skopeo htpasswd
. "$top/tests/lib/registry.sh"
export CLOUDFS_STALL_SECONDS=1
start_registry plain
good=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$good" >"$work/registries.conf"
htpasswd -Bbn -C 4 bob secret >"$work/htpasswd"
start_registry closed "auth: {htpasswd: {realm: test, path: $work/htpasswd}}"
closed=127.0.0.1:$port
mkdir -p "$work/src/bin"
head -c 5000000 /dev/urandom >"$work/src/bin/kubelet"
id=$("$CLOUDFS" import "$work/src" -t a:1)
"$CLOUDFS" push -q --compression gzip a:1 "$good/apps/a:1" >/dev/null
"$CLOUDFS" login -q --tls-verify=false "$closed" -u bob -p secret
"$CLOUDFS" push -q --tls-verify=false --compression gzip a:1 "$closed/apps/a:1" >/dev/null

# bad GOOD FAULT...: a server in front of that registry; sets $bad.
bad() {
    bad_port=$(free_port)
    python3 "$top/tests/lib/bad_registry.py" "$bad_port" "http://$1" "$@" >"$work/bad-$bad_port.log" 2>&1 &
    registry_pids="$registry_pids $!"
    wait_for_port "$bad_port"
    bad=127.0.0.1:$bad_port
}
fresh() {
    rm -rf "$work/fresh"
    export CLOUDFS_ROOT="$work/fresh"
    "$CLOUDFS" images >/dev/null
}
# The image comes whole.
comes() {
    bad "$good" "$@"
    fresh
    eq "$* $(timeout 100 "$CLOUDFS" pull -q --tls-verify=false "$bad/apps/a:1")" "$* $id"
    "$CLOUDFS" cat "$bad/apps/a:1:bin/kubelet" | cmp - "$work/src/bin/kubelet"
    "$CLOUDFS" fsck -q
}
# fails PATTERN FAULT...: one line, and no image; the same pull from the good registry works then.
fails() {
    pattern=$1
    shift
    bad "$good" "$@"
    fresh
    fails_with 1 "$pattern" timeout 100 "$CLOUDFS" pull -q --tls-verify=false "$bad/apps/a:1"
    [ -z "$("$CLOUDFS" images -q)" ] || fail "$*: an image was made"
    "$CLOUDFS" fsck -q
    eq "$* $("$CLOUDFS" pull -q "$good/apps/a:1")" "$* $id"
    "$CLOUDFS" cat "$good/apps/a:1:bin/kubelet" | cmp - "$work/src/bin/kubelet"
}

comes cut=1500000:3
comes cut=1500000:2 no-ranges
fails 'nothing came|ends too early' long=10
comes status=503:2
comes status=429:1:1
comes no-type
# Retry-After is kept to, in seconds and as a date; without it the pause is short.
took() { # FAULT: seconds that the pull takes, in $seconds
    bad "$good" "$1"
    fresh
    seconds=$(python3 -c 'import subprocess, sys, time
start = time.monotonic()
subprocess.run([sys.argv[1], "pull", "-q", "--tls-verify=false", sys.argv[2]], check=True, stdout=subprocess.DEVNULL)
print("%.1f" % (time.monotonic() - start))' "$CLOUDFS" "$bad/apps/a:1")
}
between() { # WHAT LEAST MOST
    echo "$1: $seconds s"
    python3 -c 'import sys; sys.exit(not float(sys.argv[2]) <= float(sys.argv[1]) <= float(sys.argv[3]))' "$seconds" "$2" "$3" ||
        fail "$1: $seconds seconds, not $2 to $3"
}
took status=503:1:3
between '503, Retry-After: 3' 3.0 60
took status=429:2:2
between '429 twice, Retry-After: 2' 4.0 60
took status=503:1:date+5
between '503, Retry-After: a date' 3.0 60
took status=503:1
between '503, none' 0.0 2.9
fails 'does not match|should be|damaged' wrong-bytes
fails 'does not match its digest' wrong-manifest
fails 'ends too early|does not match|answers' short=10
fails 'another part|redirects|ends too early' cut=1500000:9 wrong-range
fails 'redirects more than' loop
fails 'answers 500' status=500:99
fails 'nothing came for 1 second' stop-after=100000
fails 'nothing came for 1 second' stall-headers

# Blobs from elsewhere: they come, and the account does not go there.
bad "$good" echo
elsewhere=$bad log=$work/bad-$bad_port.log
bad "$closed" "elsewhere=http://$elsewhere"
fresh
"$CLOUDFS" login -q --tls-verify=false "$bad" -u bob -p secret
eq "$("$CLOUDFS" pull -q --tls-verify=false "$bad/apps/a:1")" "$id"
grep -q 'GET /v2/apps/a/blobs/.* False' "$log" || fail "nothing came from elsewhere: $(cat "$log")"
! grep -q True "$log" || fail "credentials went elsewhere: $(cat "$log")"

# A server that takes no streams gets pieces.
export CLOUDFS_ROOT="$work/store"
bad "$good" no-patch
"$CLOUDFS" push -q --tls-verify=false --compression zstd a:1 "$bad/apps/pieces:1" >/dev/null
fresh
eq "$("$CLOUDFS" pull -q "$good/apps/pieces:1")" "$id"

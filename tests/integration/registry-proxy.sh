#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Proxies of the environment, with and without TLS, and no_proxy; HTTP/2 where the server has it.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need openssl
. "$top/tests/lib/registry.sh"
start_registry plain
plain=127.0.0.1:$port
make_ca
registry_http="  tls: {certificate: $work/tls/cert.pem, key: $work/tls/key.pem}" start_registry secure
secure=127.0.0.1:$port
proxy_port=$(free_port)
python3 "$top/tests/lib/proxy.py" "$proxy_port" >"$work/proxy.log" 2>&1 &
registry_pids="$registry_pids $!"
wait_for_port "$proxy_port"
proxy=http://127.0.0.1:$proxy_port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$plain" >"$work/registries.conf"

mkdir -p "$work/src/bin"
head -c 2000000 /dev/urandom >"$work/src/bin/kubelet"
id=$("$CLOUDFS" import "$work/src" -t a:1)

# A registry with TLS speaks HTTP/2.
"$CLOUDFS" push -q --cert-dir "$work/certs" a:1 "$secure/apps/a:1" >/dev/null
grep -q 'PUT /v2/apps/a/manifests/1 HTTP/2.0\|http.request.method=PUT.*HTTP/2' "$work/secure.log" ||
    grep -q 'HTTP/2' "$work/secure.log" || fail "no HTTP/2: $(tail -n 3 "$work/secure.log")"
[ ! -s "$work/proxy.log" ] || fail "the proxy was used without being asked for"

# http_proxy: requests go through it, both ways.
http_proxy=$proxy "$CLOUDFS" push -q a:1 "$plain/apps/a:1" >/dev/null
grep -q "PUT http://$plain/v2/apps/a/manifests/1" "$work/proxy.log" || fail "the push did not use the proxy"
eq "$(http_proxy=$proxy "$CLOUDFS" --root "$work/s1" pull -q "$plain/apps/a:1")" "$id"
grep -q "GET http://$plain/v2/apps/a/blobs/sha256:" "$work/proxy.log" || fail "the pull did not use the proxy"

# https_proxy: a tunnel.
eq "$(https_proxy=$proxy "$CLOUDFS" --root "$work/s2" pull -q --cert-dir "$work/certs" "$secure/apps/a:1")" "$id"
grep -q "CONNECT $secure" "$work/proxy.log" || fail "the pull over TLS did not use the proxy"

# no_proxy
: >"$work/proxy.log"
eq "$(http_proxy=$proxy no_proxy=127.0.0.1 "$CLOUDFS" --root "$work/s3" pull -q "$plain/apps/a:1")" "$id"
[ ! -s "$work/proxy.log" ] || fail "no_proxy was not heeded"

# A proxy that is not there: one line.
fails_with 1 '127.0.0.1' timeout 60 env http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 \
    "$CLOUDFS" --root "$work/s4" pull -q "$plain/apps/a:1"

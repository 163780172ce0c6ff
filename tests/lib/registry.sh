# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Registries for the tests: Debian's docker-registry on a loopback port of its own, in $work. To be
# read after lib.sh. Everything started here ends with the script.

need python3 docker-registry
registry_pids=
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY REGISTRY_AUTH_FILE
# Nothing of this machine's own: no accounts, no configuration.
mkdir -p "$work/home/.config" "$work/run"
export HOME="$work/home" XDG_RUNTIME_DIR="$work/run" CONTAINERS_REGISTRIES_CONF="$work/registries.conf" \
    CLOUDFS_CONFIG="$work/cloudfs.conf"
: >"$work/registries.conf"
: >"$work/cloudfs.conf"

stop_registries() {
    for pid in $registry_pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $registry_pids; do
        wait "$pid" 2>/dev/null || true
    done
    registry_pids=
}
end_with_registries() {
    status=$?
    trap - EXIT
    set +e
    stop_registries
    cleanup
    exit "$status"
}
trap end_with_registries EXIT

free_port() {
    python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

# wait_for_port PORT: until somebody listens there.
wait_for_port() {
    python3 - "$1" <<'END' || fail "nothing listens on port $1"
import socket, sys, time
for i in range(200):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit(1)
END
}

# start_registry NAME [YAML]: its folder is $work/NAME, its log $work/NAME.log; YAML is added to its
# configuration, with HTTP lines (indented by two) in $registry_http. Sets $port and $pid.
start_registry() {
    port=$(free_port)
    mkdir -p "$work/$1"
    {
        printf 'version: 0.1\nlog: {accesslog: {disabled: false}, level: info}\nstorage:\n'
        printf '  filesystem: {rootdirectory: %s}\n  delete: {enabled: true}\n' "$work/$1"
        printf 'http:\n  addr: 127.0.0.1:%s\n%s\n%s\n' "$port" "${registry_http:-}" "${2:-}"
    } >"$work/$1.yml"
    docker-registry serve "$work/$1.yml" >"$work/$1.log" 2>&1 &
    pid=$!
    registry_pids="$registry_pids $pid"
    wait_for_port "$port"
}

# make_ca: an authority of its own, and a certificate for 127.0.0.1 and localhost, in $work/tls;
# $work/certs holds the authority's certificate alone.
make_ca() {
    mkdir -p "$work/tls"
    (
        cd "$work/tls"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=testca -keyout ca.key -out ca.crt
        openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out server.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >ext
        openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem
        mkdir ../certs
        cp ca.crt ../certs/
    ) >"$work/tls.log" 2>&1 || fail "openssl makes no certificate: $(cat "$work/tls.log")"
}

# start_token_server: gives tokens to alice (password s3cret), and to nobody else but for reading of
# public/*. Its log, $work/tokens.log, has a line for each request. Sets $token_port and $token_auth,
# what a registry's configuration must say.
start_token_server() {
    token_port=$(free_port)
    python3 "$top/tests/lib/token_server.py" "$token_port" "$work/tls/ca.key" "$work/tls/ca.crt" \
        >"$work/tokens.log" 2>&1 &
    registry_pids="$registry_pids $!"
    wait_for_port "$token_port"
    # shellcheck disable=SC2034 # for the caller
    token_auth="auth:
  token:
    realm: http://127.0.0.1:$token_port/token
    service: test-registry
    issuer: test-issuer
    rootcertbundle: $work/tls/ca.crt"
}

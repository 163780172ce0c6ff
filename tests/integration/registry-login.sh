#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# login, logout and tags at real registries: plain, htpasswd, TLS, tokens; where accounts are kept.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need htpasswd openssl skopeo
. "$top/tests/lib/registry.sh"

# A little image for the repositories, by another tool.
put_image() { # HOST/REPO:TAG [skopeo options]
    dest=$1
    shift
    skopeo copy -q "$@" "oci:$work/layout:v1" "docker://$dest" >"$work/skopeo.log" 2>&1 ||
        fail "skopeo cannot push: $(cat "$work/skopeo.log")"
}
mkdir -p "$work/src" && echo hello >"$work/src/file"
"$CLOUDFS" import "$work/src" -t a:v1 >/dev/null
"$CLOUDFS" save --format oci-dir -o "$work/layout" a:v1

# plain: only when told so
start_registry plain
plain=127.0.0.1:$port
for tag in v1 v2 v3; do put_image "$plain/apps/a:$tag" --dest-tls-verify=false; done
fails_with 1 'needs --tls-verify=false' "$CLOUDFS" tags "$plain/apps/a"
eq "$("$CLOUDFS" tags --tls-verify=false "$plain/apps/a" | tr '\n' ' ')" 'v1 v2 v3 '
eq "$("$CLOUDFS" search --tls-verify=false "$plain/apps/a" | wc -l)" 3
"$CLOUDFS" tags --json --tls-verify=false "$plain/apps/a" >"$work/json"
eq "$(json "$work/json" 'd["Repository"] + " " + ",".join(d["Tags"])')" "$plain/apps/a v1,v2,v3"
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$plain" >"$work/registries.conf"
eq "$("$CLOUDFS" tags "$plain/apps/a" | wc -l)" 3
printf '[[registry]]\nlocation = "%s"\nblocked = true\n' "$plain" >"$work/registries.conf"
fails_with 1 'registries.conf blocks' "$CLOUDFS" tags "$plain/apps/a"
printf '[[registry]]\nprefix = "reg.example/x"\nlocation = "%s/apps"\ninsecure = true\n' "$plain" >"$work/registries.conf"
eq "$("$CLOUDFS" tags reg.example/x/a | wc -l)" 3
printf '[[registry]\n' >"$work/registries.conf"
fails_with 1 'registries.conf".*line 1' "$CLOUDFS" tags "$plain/apps/a"
: >"$work/registries.conf"
fails_with 1 '404|not known|NAME_UNKNOWN' "$CLOUDFS" tags --tls-verify=false "$plain/apps/none"
printf '[names]\nregistry = "%s"\nnamespace = "apps"\n' "$plain" >"$work/cloudfs.conf"
eq "$("$CLOUDFS" tags --tls-verify=false a | wc -l)" 3
: >"$work/cloudfs.conf"

# htpasswd over TLS from an authority of its own
make_ca
htpasswd -Bbn bob 'pa:ss w0rd' >"$work/htpasswd"
registry_http="  tls: {certificate: $work/tls/cert.pem, key: $work/tls/key.pem}" start_registry basic \
    "auth: {htpasswd: {realm: test, path: $work/htpasswd}}"
basic=localhost:$port
registry_http=
fails_with 1 'certs.d' "$CLOUDFS" login "$basic" -u bob -p x
mkdir -p "$HOME/.config/containers/certs.d/$basic"
cp "$work/tls/ca.crt" "$HOME/.config/containers/certs.d/$basic/"
fails_with 1 'wrong name or password' "$CLOUDFS" login "$basic" -u bob -p wrong
[ ! -e "$XDG_RUNTIME_DIR/containers/auth.json" ] || fail "a wrong password was kept"
mkdir -p "$XDG_RUNTIME_DIR/containers"
echo '{"auths": {"other.example": {"auth": "eDp5"}}, "credHelpers": {"h.example": "x"}, "mine": 1}' \
    >"$XDG_RUNTIME_DIR/containers/auth.json"
printf 'pa:ss w0rd\n' | "$CLOUDFS" login "$basic" -u bob --password-stdin >"$work/said"
grep -q 'Logged in' "$work/said"
! grep -q 'w0rd' "$work/said" || fail "the password is printed"
auth=$XDG_RUNTIME_DIR/containers/auth.json
eq "$(stat -c %a "$auth")" 600
eq "$(json "$auth" 'd["mine"], d["auths"]["other.example"]["auth"], d["credHelpers"]["h.example"]')" "(1, 'eDp5', 'x')"
eq "$(json "$auth" 'd["auths"]["'"$basic"'"]["auth"]' | base64 -d)" 'bob:pa:ss w0rd'
put_image "$basic/apps/a:v1" --dest-cert-dir "$work/certs" --dest-creds 'bob:pa:ss w0rd'
eq "$("$CLOUDFS" tags "$basic/apps/a")" v1
eq "$("$CLOUDFS" tags --cert-dir "$work/certs" "$basic/apps/a")" v1
# skopeo reads what we wrote
eq "$(skopeo list-tags --cert-dir "$work/certs" --authfile "$auth" "docker://$basic/apps/a" | grep -c v1)" 1
"$CLOUDFS" logout "$basic" >/dev/null
fails_with 1 'login' "$CLOUDFS" tags "$basic/apps/a"
fails_with 1 'not logged in' "$CLOUDFS" logout "$basic"
eq "$(json "$auth" 'list(d["auths"])')" "['other.example']"

# podman's order, docker's file, and accounts by path
rm "$auth"
mkdir -p "$HOME/.docker"
printf '{"auths":{"%s":{"auth":"%s"},"%s/apps":{"auth":"%s"}}}' "$basic" "$(printf 'bob:no' | base64)" \
    "$basic" "$(printf 'bob:pa:ss w0rd' | base64)" >"$HOME/.docker/config.json"
eq "$("$CLOUDFS" tags "$basic/apps/a")" v1
printf '{"auths":{"%s":{"auth":"%s"}}}' "$basic/apps/a" "$(printf 'bob:no' | base64)" >"$work/only.json"
fails_with 1 'login' env REGISTRY_AUTH_FILE="$work/only.json" "$CLOUDFS" tags "$basic/apps/a"
fails_with 1 'there is no file' "$CLOUDFS" tags --authfile "$work/nothing.json" "$basic/apps/a"
echo '{"auths":{' >"$work/broken.json"
fails_with 1 'broken.json' "$CLOUDFS" tags --authfile "$work/broken.json" "$basic/apps/a"

# a credential helper: gets the host on its stdin, and keeps what login gives it
mkdir -p "$work/bin"
cat >"$work/bin/docker-credential-test" <<END
#!/bin/sh
read -r line
echo "\$1 \$line" >>"$work/helper.log"
case \$1 in
get) [ -e "$work/kept" ] || { echo "credentials not found in native keychain"; exit 1; }
     printf '{"ServerURL":"%s","Username":"bob","Secret":"pa:ss w0rd"}' "\$line" ;;
store) touch "$work/kept" ;;
erase) rm -f "$work/kept" ;;
esac
END
chmod +x "$work/bin/docker-credential-test"
printf '{"credHelpers":{"%s":"test"}}' "$basic" >"$work/helped.json"
(
    PATH=$work/bin:$PATH
    export REGISTRY_AUTH_FILE="$work/helped.json"
    fails_with 1 'login' "$CLOUDFS" tags "$basic/apps/a"
    printf 'pa:ss w0rd' | "$CLOUDFS" login -q "$basic" -u bob --password-stdin
    eq "$("$CLOUDFS" tags "$basic/apps/a")" v1
    ! grep -q auths "$work/helped.json" || fail "login wrote a secret beside the helper"
    "$CLOUDFS" logout -q "$basic"
    [ ! -e "$work/kept" ] || fail "logout does not tell the helper"
)

# tokens
start_token_server
start_registry tokens "$token_auth"
tokens=127.0.0.1:$port
put_image "$tokens/public/a:v1" --dest-tls-verify=false --dest-creds alice:s3cret
put_image "$tokens/private/a:v1" --dest-tls-verify=false --dest-creds alice:s3cret
eq "$("$CLOUDFS" tags --tls-verify=false "$tokens/public/a")" v1
fails_with 1 'login' "$CLOUDFS" tags --tls-verify=false "$tokens/private/a"
fails_with 1 'refuses this account' "$CLOUDFS" login --tls-verify=false "$tokens" -u alice -p no
"$CLOUDFS" login -q --tls-verify=false "$tokens" -u alice -p s3cret
eq "$("$CLOUDFS" tags --tls-verify=false "$tokens/private/a")" v1
printf '{"auths":{"%s":{"identitytoken":"alices-identity"}}}' "$tokens" >"$work/identity.json"
eq "$("$CLOUDFS" tags --authfile "$work/identity.json" --tls-verify=false "$tokens/private/a")" v1
"$CLOUDFS" logout -q --all

fails_with 2 'neither true nor false' "$CLOUDFS" tags --tls-verify=perhaps "$plain/apps/a"
fails_with 2 'either a registry' "$CLOUDFS" logout
fails_with 1 'is no registry' "$CLOUDFS" login -u a -p b 'not a host'
fails_with 2 'needs -u' "$CLOUDFS" login --password-stdin "$plain"

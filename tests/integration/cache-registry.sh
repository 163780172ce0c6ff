#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs cache with real registries: upstreams that are plain, with htpasswd, TLS and tokens; several
# platforms; damage that is mended; --prune, df and inspect; a mount's registry/ served read-only.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/registry.sh"
set -eu
need python3 skopeo htpasswd openssl
cd "$work"

mkdir -p rootfs/images
python3 "$top/tests/lib/container_images.py"
many=$(sed -n 's/^many //p' digests)
one=$(sed -n 's/^one //p' digests)
mkdir layout
tar -xf rootfs/images/oci.tar -C layout
send() { # NAME-IN-LAYOUT HOST/NAME [OPTIONS]
    from=$1 to=$2
    shift 2
    skopeo copy -q --all "$@" "oci:layout:$from" "docker://$to" || fail "skopeo cannot send $to"
}

# Four upstreams, the second to fourth for alice alone.
make_ca
htpasswd -Bbn alice s3cret >htpasswd 2>/dev/null
start_registry plain
plain=127.0.0.1:$port
plain_pid=$pid
start_registry basic "auth: {htpasswd: {realm: r, path: $work/htpasswd}}"
basic=127.0.0.1:$port
registry_http="  tls: {certificate: $work/tls/cert.pem, key: $work/tls/key.pem}"
start_registry secure
secure=127.0.0.1:$port
# shellcheck disable=SC2034  # start_registry reads it
registry_http=
start_token_server
start_registry tokens "$token_auth"
tokens=127.0.0.1:$port
send many:latest "$plain/p/many:1" --dest-tls-verify=false
send quay.io/a/one:1 "$basic/b/one:1" --dest-tls-verify=false --dest-creds alice:s3cret
send many:latest "$secure/s/many:1" --dest-cert-dir "$work/certs"
send quay.io/a/one:1 "$tokens/t/one:1" --dest-tls-verify=false --dest-creds alice:s3cret

mkdir -p net/manifests net/etc
printf '%s\n' "$plain/p/many:1" "$basic/b/one:1" "$secure/s/many:1" "$tokens/t/one@$one" >net/manifests/imageList
"$CLOUDFS" import net -t net:1 >/dev/null
"$CLOUDFS" cache net:1 --tls-verify=false --platform linux/amd64 2>err && fail "accounts are not needed"
eq "$(grep -c 'cannot be had' err)" 1
grep -q "^cloudfs: warning: $basic/b/one:1 (manifests/imageList:2)" err || fail "$(cat err)"
grep -q "^cloudfs: 2 of 4 images cannot be had" err || fail "$(cat err)"
! grep -q "p/many\|s/many" err || fail "what can be had was told: $(cat err)"

# The next try asks for the missing ones alone. Accounts: one of imageListWithAuth.yaml, one of the
# registry's configuration, in sealer's style; a plain url says that http will do.
cat >net/etc/registry_config.yml <<EOT
version: 0.1
proxy:
  remoteregistries:
  - url: https://registry-1.docker.io
    username: nobody
    password: wrong
  - url: http://$basic
    username: alice
    password: s3cret
EOT
printf -- '- registry: %s\n  username: alice\n  password: s3cret\n  images: ["t/one@%s"]\n' "$tokens" "$one" \
    >net/imageListWithAuth.yaml
"$CLOUDFS" import net -t net:2 >/dev/null
sleep 0.5 # its log is written a little later
before=$(wc -l <plain.log)
"$CLOUDFS" cache net:2 --tls-verify=false --platform linux/amd64 >out
grep -q '^0 images were there, 4 are new' out || fail "$(cat out)"
! tail -n "+$((before + 1))" plain.log | grep -q 'blobs/sha256' || fail "blobs of the first try were fetched again"
# distribution's own style, and none at all.
printf 'proxy: {remoteurl: "http://%s", username: alice, password: s3cret}\n' "$basic" >net/etc/registry_config.yml
printf '%s\n' "$basic/b/one:1" >net/manifests/imageList
rm net/imageListWithAuth.yaml
"$CLOUDFS" --root "$work/store2" cache ./net --tls-verify=false --platform linux/amd64 >out
grep -q '1 are new' out || fail "$(cat out)"
rm -r net/registry
printf 'proxy: {on: true}\n' >net/etc/registry_config.yml
"$CLOUDFS" --root "$work/store2" cache ./net --tls-verify=false --platform linux/amd64 2>err && fail "no account is needed"
grep -q "$basic/b/one:1 .*access is only for accounts" err || fail "$(cat err)"

# Several platforms; nothing to do the second time, without a request.
"$CLOUDFS" cache net:2 --tls-verify=false --platform linux/amd64,linux/arm64 >out
grep -q '^2 images were there, 2 are new' out || fail "$(cat out)"
sleep 0.5
before=$(cat ./*.log | wc -l)
"$CLOUDFS" cache net:2 --tls-verify=false --platform linux/amd64,linux/arm64 >out
grep -q '^4 images were there, 0 are new (0 B fetched)' out || fail "$(cat out)"
eq "$(cat ./*.log | wc -l)" "$before"
"$CLOUDFS" cache net:2 --tls-verify=false --platform linux/s390x 2>err && fail "s390x is not there"
grep -q 'no image for linux/s390x' err || fail "$(cat err)"

# What is in it: inspect and df.
"$CLOUDFS" inspect net:2 >json
eq "$(json json 'sorted(i["Name"] for i in d["ContainerImages"])')" "['b/one:1', 'p/many:1', 's/many:1']"
eq "$(json json '[i["Digest"] for i in d["ContainerImages"] if i["Name"]=="p/many:1"][0]')" "$many"
"$CLOUDFS" df --json net:2 >json
eq "$(json json '[(r["Repository"], r["Tags"], r["Own"], r["Shared"] > 0) for r in d["Repositories"]]')" \
    "[('b/one', 1, 0, True), ('p/many', 1, 0, True), ('s/many', 1, 0, True), ('t/one', 0, 0, True)]"
"$CLOUDFS" df net:2 >table
eq "$(sed 1q table | tr -s ' ')" "REPOSITORY TAGS OWN SHARED"

# Damage by hand, of any kind, is mended by files of the right content and by nothing else.
"$CLOUDFS" extract net:2 dir >/dev/null
cp -a dir/registry whole
v2=dir/registry/docker/registry/v2
blob=$(find "$v2/blobs" -name data -size +1 | sort | sed -n 1p)
tr 'a-y' 'b-z' <"$blob" >x && cat x >"$blob"
link=$(find $v2/repositories/p/many/_layers -name link | sort | sed -n 1p)
printf '\n' >>"$link"
rm -r "$v2/repositories/s/many/_manifests/tags"
: >"$(find $v2/repositories/b/one/_manifests/revisions -name link)"
"$CLOUDFS" cache ./dir --tls-verify=false --platform linux/amd64,linux/arm64 >out
grep -q '0 images were there, 4 are new\|1 images were there, 3 are new' out || fail "$(cat out)"
diff -r dir/registry whole || fail "the damage is not mended"

# --prune: of an image and of a directory.
sed -i '/s\/many/d' dir/manifests/imageList
"$CLOUDFS" cache --prune ./dir >out
grep -q '^1 images are gone' out || fail "$(cat out)"
[ ! -e $v2/repositories/s ] || fail "s/many is still there"
diff -r $v2/blobs whole/docker/registry/v2/blobs || fail "a blob that p/many needs is gone"
printf '%s\n' "$basic/b/one:1" >dir/manifests/imageList
rm -f dir/imageListWithAuth.yaml
"$CLOUDFS" import dir -t pruned:1 >/dev/null
"$CLOUDFS" cache --prune ./dir >/dev/null
"$CLOUDFS" cache --prune pruned:1 -t pruned:2 >out
grep -q '^1 images are gone' out || fail "$(cat out)"
"$CLOUDFS" extract pruned:2 tree >/dev/null
diff -r dir/registry tree/registry || fail "an image is pruned otherwise than a directory"
eq "$(find tree/registry -name data | wc -l)" 3
"$CLOUDFS" cache --prune pruned:2 -t pruned:3 >out
grep -q '^0 images are gone' out || fail "$(cat out)"
eq "$("$CLOUDFS" inspect pruned:3 | grep -m1 '"Digest"')" "$("$CLOUDFS" inspect pruned:2 | grep -m1 '"Digest"')"

# The mounted rootfs's registry/, served read-only: every image by tag and by digest, each platform.
if ! can_fuse; then
    skip_part "no mounts here"
    exit 0
fi
mkdir mnt
"$CLOUDFS" mount --ro net:2 mnt
port=$(free_port)
cat >serve.yml <<EOT
version: 0.1
storage:
  filesystem: {rootdirectory: $work/mnt/registry}
  maintenance: {readonly: {enabled: true}, uploadpurging: {enabled: false}}
http: {addr: "127.0.0.1:$port"}
EOT
docker-registry serve serve.yml >serve.log 2>&1 &
registry_pids="$registry_pids $!"
wait_for_port "$port"
digest_of() {
    skopeo inspect --raw --tls-verify=false "docker://127.0.0.1:$port/$1" | sha256sum | cut -d' ' -f1
}
for arch in amd64 arm64; do
    for name in p/many:1 s/many:1 "p/many@$many" "s/many@$many"; do
        rm -rf pulled
        skopeo copy -q --src-tls-verify=false --override-os linux --override-arch "$arch" \
            "docker://127.0.0.1:$port/$name" dir:pulled || fail "$name for $arch: $(tail -n 3 serve.log)"
        eq "sha256:$(digest_of "$name")" "$many"
    done
done
rm -rf pulled
skopeo copy -q --all --src-tls-verify=false "docker://127.0.0.1:$port/p/many:1" dir:pulled || fail "both platforms"
for name in b/one:1 "b/one@$one" "t/one@$one"; do
    rm -rf pulled
    skopeo copy -q --src-tls-verify=false "docker://127.0.0.1:$port/$name" dir:pulled || fail "$name"
    eq "sha256:$(digest_of "$name")" "$one"
done
"$CLOUDFS" umount mnt

# An upstream that sends wrong bytes is named, and nothing of them is kept.
kill "$plain_pid"
printf '%s/p/many:1\n' "$plain" >net/manifests/imageList
big=$(grep -rlm1 xxxxxxxx plain --include=data | sed -n 1p)
tr 'a-y' 'b-z' <"$big" >x && cat x >"$big"
docker-registry serve plain.yml >plain2.log 2>&1 &
registry_pids="$registry_pids $!"
wait_for_port "${plain#*:}"
"$CLOUDFS" --root "$work/store3" cache ./net --tls-verify=false --platform linux/amd64,linux/arm64 2>err &&
    fail "wrong bytes are taken"
grep -q "$plain/p/many:1 .*does not match its digest" err || fail "$(cat err)"
[ ! -e net/registry ] || [ -z "$(find net/registry -type f)" ] || fail "something of a wrong image was kept"

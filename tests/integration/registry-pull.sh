#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# pull from a real registry: every form that skopeo pushes, lists and platforms, what is here already,
# what breaks off, two at once.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need skopeo
. "$top/tests/lib/registry.sh"
start_registry plain
reg=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$reg" >"$work/registries.conf"

push() { # LAYOUT:TAG REPO:TAG [skopeo options]
    from=$1 to=$2
    shift 2
    skopeo copy -q --dest-tls-verify=false "$@" "$from" "docker://$reg/$to" >"$work/skopeo.log" 2>&1 ||
        fail "skopeo cannot push: $(cat "$work/skopeo.log")"
}
requests() { grep -c "$1" "$work/plain.log" || true; }

# An image of two layers with a file of some size.
mkdir -p "$work/src/etc" "$work/src/bin" "$work/edit/etc"
head -c 6000000 /dev/urandom >"$work/src/bin/kubelet"
seq 20000 >"$work/src/etc/numbers"
ln "$work/src/etc/numbers" "$work/src/etc/again"
echo two >"$work/edit/etc/two"
"$CLOUDFS" import "$work/src" -t a:1 >/dev/null
id=$("$CLOUDFS" import "$work/edit" --base a:1 -t a:2)
"$CLOUDFS" save --format oci-dir -o "$work/layout" a:2
"$CLOUDFS" ls -R -l a:2 >"$work/list"

# gzip, zstd, plain: the same files, nothing left in tmp/, the manifest as the registry has it
for form in gzip zstd none; do
    "$CLOUDFS" save --format oci-dir --compression $form -o "$work/layout-$form" a:2
    push "oci:$work/layout-$form:2" "apps/$form:2"
    (
        export CLOUDFS_ROOT="$work/store-$form"
        eq "$("$CLOUDFS" pull "$reg/apps/$form:2")" "$id"
        "$CLOUDFS" ls -R -l "$reg/apps/$form:2" >"$work/list-$form"
        same_files "$work/list" "$work/list-$form"
        [ -z "$(find "$work/store-$form/tmp" -mindepth 1 ! -name 'lock*')" ] || fail "tmp/ is not empty"
        eq "$("$CLOUDFS" inspect "$reg/apps/$form:2" >"$work/json" && json "$work/json" 'd[0]["Digest"] if isinstance(d, list) else d["Digest"]')" \
            "$(skopeo inspect --tls-verify=false "docker://$reg/apps/$form:2" | sed -n 's/.*"Digest": "\(.*\)",/\1/p')"
        "$CLOUDFS" fsck -q
    )
done
# again: two documents at most; another image with the same layers: no layer is fetched
export CLOUDFS_ROOT="$work/store-gzip"
"$CLOUDFS" pull --json "$reg/apps/gzip:2" >"$work/json"
eq "$(json "$work/json" 'd["LayersFetched"], d["LayersReused"], d["BytesFetched"] < 5000')" '(0, 2, True)'
before=$(requests 'GET /v2/apps/zstd/blobs/sha256:')
"$CLOUDFS" pull --json "$reg/apps/zstd:2" -t other:name >"$work/json"
eq "$(json "$work/json" 'd["LayersFetched"], d["Name"], d["Id"]')" "(0, 'other:name', '$id')"
eq "$(requests 'GET /v2/apps/zstd/blobs/sha256:')" "$before"
# by digest; what is not there
digest=$(json "$work/json" 'd["Digest"]')
eq "$("$CLOUDFS" pull "$reg/apps/zstd@$digest" -t by:digest)" "$id"
fails_with 1 'MANIFEST_UNKNOWN|manifest unknown' "$CLOUDFS" pull "$reg/apps/zstd:none"
fails_with 1 'unknown' "$CLOUDFS" pull "$reg/apps/nothing:2"
fails_with 1 'no image reference' "$CLOUDFS" pull "$reg/Apps:2"
fails_with 1 '404|manifest unknown' "$CLOUDFS" pull "$reg/apps/zstd@sha256:$(printf %064d 7)"

# docker schema 2 and a list of platforms, made by hand of what is there
push "oci:$work/layout-gzip:2" apps/docker:2 --format v2s2
push "oci:$work/layout-gzip:2" apps/list:child
CLOUDFS_ROOT=$work/store-docker "$CLOUDFS" pull "$reg/apps/docker:2" >"$work/id"
CLOUDFS_ROOT=$work/store-docker "$CLOUDFS" ls -R -l "$reg/apps/docker:2" >"$work/list-docker"
same_files "$work/list" "$work/list-docker"
skopeo inspect --raw --tls-verify=false "docker://$reg/apps/list:child" >"$work/child.json"
python3 - "$work/child.json" >"$work/index.json" <<'END'
import hashlib, json, sys
raw = open(sys.argv[1], "rb").read()
entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": len(raw),
         "digest": "sha256:" + hashlib.sha256(raw).hexdigest()}
print(json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
    dict(entry, platform={"os": "linux", "architecture": "s390x"}),
    dict(entry, platform={"os": "linux", "architecture": "arm64", "variant": "v8"})]}))
END
put_manifest() { # FILE TYPE REPO TAG
    python3 - "$@" "$reg" <<'END' || fail "the registry refuses $1"
import sys, urllib.request
data = open(sys.argv[1], "rb").read()
urllib.request.urlopen(urllib.request.Request(f"http://{sys.argv[5]}/v2/{sys.argv[3]}/manifests/{sys.argv[4]}",
    data=data, method="PUT", headers={"Content-Type": sys.argv[2]}))
END
}
put_manifest "$work/index.json" application/vnd.oci.image.index.v1+json apps/list both
eq "$("$CLOUDFS" pull --platform linux/arm64 "$reg/apps/list:both")" "$id"
fails_with 1 'no image for linux/386.*linux/s390x, linux/arm64/v8' "$CLOUDFS" pull --platform linux/386 "$reg/apps/list:both"

# sealer v0.8: a docker list whose sizes are wrong, and its own object as config
diff=$(skopeo inspect --raw --config --tls-verify=false "docker://$reg/apps/gzip:2" >"$work/config.json" &&
    json "$work/config.json" '" ".join(d["rootfs"]["diff_ids"])')
# shellcheck disable=SC2086 # words
python3 - "$reg" "$work/child.json" $diff <<'END' || fail "no sealer image can be made"
import hashlib, json, sys, urllib.request
reg, child, ids = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3:]
def send(url, data, method, kind):
    return urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers={"Content-Type": kind}))
def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()
config = json.dumps({"kind": "Image", "metadata": {"name": "kubernetes:v1", "creationTimestamp": None,
    "annotations": {"sea.aliyun.com/ClusterFile": "kind: Cluster\n"}},
    "spec": {"id": "52c3b1", "image_config": {"cmd": {"current": ["kubectl apply -f manifests"]}, "labels": {"a": "b"}},
             "layers": [{"id": ids[0], "type": "BASE", "value": "rootfs cache"}, {"id": "", "type": "CMD", "value": "x"},
                        {"id": ids[1], "type": "COPY", "value": ". ."}],
             "platform": {"architecture": "amd64", "os": "linux"}}, "architecture": "amd64", "os": "linux",
    "history": [{"created_by": "BASE rootfs cache"}, {"created_by": "CMD x", "empty_layer": True}, {"created_by": "COPY . ."}]}).encode()
place = send(f"http://{reg}/v2/apps/list/blobs/uploads/", b"", "POST", "text/plain").headers["Location"]
send(place + "&digest=" + digest(config), config, "PUT", "application/octet-stream")
docker = "application/vnd.docker."
manifest = json.dumps({"schemaVersion": 2, "mediaType": docker + "distribution.manifest.v2+json",
    "config": {"mediaType": docker + "container.image.v1+json", "size": len(config), "digest": digest(config)},
    "layers": [{"mediaType": docker + "image.rootfs.diff.tar.gzip", "size": l["size"], "digest": l["digest"]}
               for l in child["layers"]]}).encode()
send(f"http://{reg}/v2/apps/list/manifests/{digest(manifest)}", manifest, "PUT", docker + "distribution.manifest.v2+json")
index = json.dumps({"schemaVersion": 2, "mediaType": docker + "distribution.manifest.list.v2+json", "manifests": [
    {"mediaType": docker + "distribution.manifest.v2+json", "size": 826082517, "digest": digest(manifest),
     "platform": {"architecture": "amd64", "os": "linux"}}]}).encode()
send(f"http://{reg}/v2/apps/list/manifests/sealer", index, "PUT", docker + "distribution.manifest.list.v2+json")
END
CLOUDFS_ROOT=$work/store-sealer "$CLOUDFS" pull -q --platform linux/amd64 "$reg/apps/list:sealer" -t kubernetes:v1 >/dev/null
CLOUDFS_ROOT=$work/store-sealer "$CLOUDFS" ls -R -l kubernetes:v1 >"$work/list-sealer"
same_files "$work/list" "$work/list-sealer"
CLOUDFS_ROOT=$work/store-sealer "$CLOUDFS" inspect --format sealer kubernetes:v1 >"$work/sealer.yaml"
for line in 'type: BASE' 'value: "rootfs cache"' 'kubectl apply -f manifests' 'sea.aliyun.com/ClusterFile' 'name: "kubernetes:v1"'; do
    grep -qF -e "$line" "$work/sealer.yaml" || fail "inspect --format sealer lacks $line: $(cat "$work/sealer.yaml")"
done

# mirrors: the first that has it; and the registry itself after a mirror that is not there
dead=127.0.0.1:$(free_port)
printf '[[registry]]\nlocation = "nowhere.example"\n[[registry.mirror]]\nlocation = "%s"\ninsecure = true
[[registry.mirror]]\nlocation = "%s/apps"\ninsecure = true\n' "$dead" "$reg" >"$work/mirrors.conf"
eq "$(CONTAINERS_REGISTRIES_CONF=$work/mirrors.conf "$CLOUDFS" pull nowhere.example/gzip:2)" "$id"

# killed in the middle, and gone on with: the beginning is not fetched again
start_slow() { # FAULT...: a proxy in front of the registry that misbehaves
    slow_port=$(free_port)
    python3 "$top/tests/lib/bad_registry.py" "$slow_port" "http://$reg" "$@" >"$work/slow.log" 2>&1 &
    registry_pids="$registry_pids $!"
    wait_for_port "$slow_port"
    slow=127.0.0.1:$slow_port
}
start_slow stop-after=3000000
export CLOUDFS_ROOT="$work/store-resume"
CLOUDFS_STALL_SECONDS=60 "$CLOUDFS" pull --tls-verify=false "$slow/apps/gzip:2" >/dev/null 2>&1 &
puller=$!
for _ in $(seq 200); do
    size=$(stat -c %s "$CLOUDFS_ROOT"/tmp/partial-* 2>/dev/null || echo 0)
    [ "$size" -lt 2000000 ] || break
    sleep 0.05
done
kill -9 "$puller"
wait "$puller" 2>/dev/null || true
[ "$size" -ge 2000000 ] || fail "nothing was kept"
"$CLOUDFS" pull --json "$reg/apps/gzip:2" -t a:2 >"$work/json"
eq "$(json "$work/json" 'd["Id"], d["BytesFetched"] < 4500000')" "('$id', True)"
[ -z "$(find "$CLOUDFS_ROOT/tmp" -name 'partial*')" ] || fail "the partial blob stays"
"$CLOUDFS" fsck -q

# two at once: each layer is fetched once
export CLOUDFS_ROOT="$work/store-two"
before=$(requests 'GET /v2/apps/gzip/blobs/sha256:.* 20')
"$CLOUDFS" pull "$reg/apps/gzip:2" >"$work/one" &
first=$!
"$CLOUDFS" pull "$reg/apps/gzip:2" >"$work/two"
wait "$first"
same_files "$work/one" "$work/two"
after=$(requests 'GET /v2/apps/gzip/blobs/sha256:.* 20')
[ $((after - before)) -le 4 ] || fail "two pulls made $((after - before)) requests for blobs"

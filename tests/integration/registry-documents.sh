#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Documents that are wrong, and a disk that is full: one clear line, nothing left behind, and the same
# store takes the right image afterwards.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
. "$top/tests/lib/registry.sh"
start_registry plain
good=127.0.0.1:$port
printf '[[registry]]\nlocation = "%s"\ninsecure = true\n' "$good" >"$work/registries.conf"
mkdir -p "$work/src/bin"
head -c 6000000 /dev/urandom >"$work/src/bin/kubelet"
id=$("$CLOUDFS" import "$work/src" -t a:1)
"$CLOUDFS" push -q --compression gzip a:1 "$good/apps/a:1" >/dev/null
bad_port=$(free_port)
python3 "$top/tests/lib/bad_registry.py" "$bad_port" "http://$good" "manifest=$work/document" >"$work/bad.log" 2>&1 &
registry_pids="$registry_pids $!"
wait_for_port "$bad_port"
export CLOUDFS_ROOT="$work/fresh"

manifest=$("$CLOUDFS" --root "$work/other" pull -q "$good/apps/a:1" >/dev/null && "$CLOUDFS" --root "$work/other" inspect "$good/apps/a:1" >"$work/json" && json "$work/json" 'd["Digest"]')
cp "$work/other/blobs/sha256/${manifest#sha256:}" "$work/right.json"

# refused PATTERN EXPRESSION: the manifest, changed by a Python expression of d.
refused() {
    python3 - "$work/right.json" "$work/document" "$2" <<'P'
import json, sys
d = json.load(open(sys.argv[1]))
r = eval(sys.argv[3])
open(sys.argv[2], "w").write(r if isinstance(r, str) else json.dumps(d))
P
    fails_with 1 "$1" timeout 60 "$CLOUDFS" pull -q --tls-verify=false "127.0.0.1:$bad_port/apps/a:1"
    [ -z "$("$CLOUDFS" images -q)" ] || fail "$2: an image was made"
    [ -z "$(find "$CLOUDFS_ROOT/tmp" -mindepth 1 ! -name 'lock*')" ] || fail "$2: something is left in tmp/"
    "$CLOUDFS" fsck -q
}
refused 'index and a manifest at once|image and an index at once' 'd.update(manifests=[])'
refused 'no sha256 digest|is no digest|digest' 'd["layers"][0].update(digest="sha256:../../../../etc/passwd")'
refused 'no sha256 digest|digest' 'd["config"].update(digest="md5:1234")'
refused 'announced as .* says that it is' 'd.update(mediaType="application/x-other")'
refused 'size' 'd["layers"][0].update(size=-1)'
refused 'larger than its descriptor|truncated|does not match' 'd["layers"][0].update(size=d["layers"][0]["size"] - 1)'
refused 'diff_ids|layers' 'd["layers"].append(d["layers"][0])'
refused 'JSON|parse' '"hello"'
refused 'schemaVersion|no config|JSON' '"{}"'
refused 'artifact of another kind|no container image' 'd["config"].update(mediaType="application/vnd.oci.image.index.v1+json")'
eq "$("$CLOUDFS" pull -q "$good/apps/a:1")" "$id"
"$CLOUDFS" cat "$good/apps/a:1:bin/kubelet" | cmp - "$work/src/bin/kubelet"

# A full disk.
if [ "$(id -u)" -ne 0 ] || ! { mkdir "$work/disk" && mount -t tmpfs -o size=4m tmpfs "$work/disk" 2>/dev/null; }; then
    skip_part "no small file system can be mounted: a full disk"
    exit 0
fi
fails_with 1 'No space left' timeout 60 "$CLOUDFS" --root "$work/disk/store" pull -q "$good/apps/a:1"
[ -z "$(find "$work/disk/store/tmp" -mindepth 1 ! -name 'lock*')" ] || fail "the full disk stays full: $(find "$work/disk/store/tmp")"
"$CLOUDFS" --root "$work/disk/store" fsck -q
mount -o remount,size=40m "$work/disk"
eq "$("$CLOUDFS" --root "$work/disk/store" pull -q "$good/apps/a:1")" "$id"
"$CLOUDFS" --root "$work/disk/store" cat "$good/apps/a:1:bin/kubelet" | cmp - "$work/src/bin/kubelet"
umount "$work/disk"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs kubeadm: the image's file over those below over what is built in, field by field; every
# kubeadm block of the CloudRootfs documentation; images, directories and mounts, root and users.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"
cp -r "$top/tests/demo/rootfs" rootfs
chmod -R u+w rootfs
kubeadm=etc/kubeadm.yml

# The document's first two blocks as one file: a partial one.
cat >partial.yml <<'EOT'
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint:
  bindPort: 6443
nodeRegistration:
  criSocket: /var/run/dockershim.sock
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: JoinConfiguration
caCertPath: /etc/kubernetes/pki/ca.crt
discovery:
  timeout: 5m0s
nodeRegistration:
  criSocket: /var/run/dockershim.sock
controlPlane:
  localAPIEndpoint:
    bindPort: 6443
EOT
# value REF PATH: of the effective configuration. from REF PATH: "ORIGIN [LAYER]".
value() {
    "$CLOUDFS" kubeadm --explain --json "$1" | python3 -c '
import json, sys
print([json.dumps(f["Value"]) for f in json.load(sys.stdin)["Fields"] if f["Path"] == sys.argv[1]][0])' "$2"
}
from() {
    "$CLOUDFS" kubeadm --explain --json "$1" | python3 -c '
import json, sys
print([" ".join([f["Origin"]] + [str(f[k]) for k in ("Layer", "Line") if k in f]) for f in json.load(sys.stdin)["Fields"] if f["Path"] == sys.argv[1]][0])' "$2"
}

# Nothing at all: what is built in, and it is the document's full file, but for an empty setting.
mkdir empty
echo '{"version":"v1.19.8","arch":"amd64"}' >empty/Metadata
"$CLOUDFS" kubeadm --json empty >builtin.json
"$CLOUDFS" kubeadm empty >builtin.yml 2>said
[ ! -s said ] || fail "$(cat said)"
"$CLOUDFS" kubeadm --json ./rootfs >full.json
python3 - <<'PY'
import json
def documents(name):
    return {d["kind"]: d for d in json.load(open(name))["Documents"]}
full, builtin = documents("full.json"), documents("builtin.json")
assert full["KubeletConfiguration"].pop("cgroupDriver", None) is None
assert full == builtin, "the built-in file is not the document's"
assert len(full) == 5
PY
eq "$(from empty ClusterConfiguration.kubernetesVersion)" metadata
eq "$(from empty KubeletConfiguration.maxPods)" built-in

# A full file is effective as it is, byte for byte.
"$CLOUDFS" import rootfs -t kube:1 >/dev/null
"$CLOUDFS" kubeadm kube:1 | cmp - rootfs/$kubeadm

# A base of another version, and the document's partial file over it: the base's other kinds stay.
mkdir base
cp -r rootfs/. base/
cat >base/$kubeadm <<'EOT'
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.22.3 # the base's own
networking:
  podSubnet: 10.1.0.0/16
dns:
  type: CoreDNS
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: true
maxPods: 200
EOT
echo '{"version":"v1.22.3"}' >base/Metadata
"$CLOUDFS" import base -t base:1 >/dev/null
"$CLOUDFS" override base:1 -t mine:1 --replace $kubeadm=partial.yml >/dev/null
"$CLOUDFS" kubeadm mine:1 >mine.yml 2>said
[ ! -s said ] || fail "$(cat said)"
head -n "$(wc -l <partial.yml)" mine.yml | cmp - partial.yml || fail "the file's own text changes"
eq "$(value mine:1 ClusterConfiguration.kubernetesVersion)" '"v1.22.3"'
eq "$(from mine:1 ClusterConfiguration.kubernetesVersion)" "layer 0 3"
eq "$(value mine:1 ClusterConfiguration.networking.podSubnet)" '"10.1.0.0/16"'
eq "$(value mine:1 ClusterConfiguration.networking.serviceSubnet)" '"10.96.0.0/22"'
eq "$(from mine:1 ClusterConfiguration.networking.serviceSubnet)" built-in
eq "$(from mine:1 InitConfiguration.localAPIEndpoint.bindPort)" "layer 1 4"
eq "$(value mine:1 KubeletConfiguration.maxPods)" 200
"$CLOUDFS" kubeadm --explain mine:1 >table
grep -q '^KubeletConfiguration.maxPods  *200  *layer 0 [0-9a-f]\{12\}, line 12  cloudfs import' table || fail "$(grep maxPods table)"
grep -q '^KubeProxyConfiguration.mode  *ipvs  *built-in' table || fail "$(grep mode table)"

# False, 0, [] and {} are set; null is not.
cat >explicit.yml <<'EOT'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failSwapOn: false
maxPods: 0
enforceNodeAllocatable: []
evictionHard: {}
clusterDomain: ""
port:
EOT
"$CLOUDFS" override base:1 -t mine:2 --replace $kubeadm=explicit.yml >/dev/null
for one in failSwapOn=false maxPods=0 'enforceNodeAllocatable=[]' 'evictionHard={}' 'clusterDomain=""'; do
    eq "$one=$(from mine:2 "KubeletConfiguration.${one%%=*}" | cut -d' ' -f1,2)" "$one=layer 1"
    eq "${one%%=*}=$(value mine:2 "KubeletConfiguration.${one%%=*}")" "$one"
done
eq "$(value mine:2 KubeletConfiguration.port) $(from mine:2 KubeletConfiguration.port)" "10250 built-in"

# A setting changed by an edit of the whole file: only that one is of the upper layer.
"$CLOUDFS" override kube:1 -t kube:2 --set $kubeadm:ClusterConfiguration.networking.podSubnet=10.2.0.0/16 >/dev/null
eq "$(from kube:2 ClusterConfiguration.networking.podSubnet | cut -d' ' -f1,2)" "layer 1"
eq "$(from kube:2 ClusterConfiguration.networking.serviceSubnet | cut -d' ' -f1,2)" "layer 0"

# A file that was removed between does not count.
"$CLOUDFS" override base:1 -t gone:1 --rm $kubeadm >/dev/null
eq "$(value gone:1 KubeletConfiguration.maxPods)" 110
eq "$(value gone:1 ClusterConfiguration.kubernetesVersion)" '"v1.22.3"'
"$CLOUDFS" override gone:1 -t gone:2 --copy $kubeadm=explicit.yml >/dev/null
eq "$(value gone:2 ClusterConfiguration.networking.podSubnet)" '"100.64.0.0/10"'

# API versions: the newest stated one that this kubeadm reads; arguments become lists; what is gone is told.
cat >old.yml <<'EOT'
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.31.0
useHyperKubeImage: false
dns: {type: CoreDNS}
apiServer:
  extraArgs:
    audit-log-maxage: "30"
    profiling: "false"
EOT
"$CLOUDFS" override kube:1 -t old:1 --replace $kubeadm=old.yml >/dev/null
"$CLOUDFS" kubeadm old:1 >old.out 2>said
grep -q "warning: etc/kubeadm.yml:1: kubeadm of Kubernetes v1.31.0 does not read v1beta2: v1beta4 is taken" said || fail "$(cat said)"
grep -q "warning: etc/kubeadm.yml:4: ClusterConfiguration.useHyperKubeImage: v1beta4 has this field no more (v1beta2 was the last)" said || fail "$(cat said)"
grep -q "warning: etc/kubeadm.yml:5: ClusterConfiguration.dns.type: v1beta4 has" said || fail "$(cat said)"
grep -q "warning: etc/kubeadm.yml (layer 0):[0-9]*: JoinConfiguration.discovery.timeout: v1beta4 has" said || fail "$(cat said)"
grep -q "warning: etc/kubeadm.yml:3: kubernetesVersion is v1.31.0, but the rootfs is for v1.19.8" said || fail "$(cat said)"
eq "$(grep -c 'apiVersion: kubeadm.k8s.io/v1beta4' old.out)" 3
eq "$(value old:1 'ClusterConfiguration.apiServer.extraArgs[name=audit-log-maxage].value') $(from old:1 'ClusterConfiguration.apiServer.extraArgs[name=audit-log-maxage].value')" '"30" layer 1 8'
eq "$(from old:1 'ClusterConfiguration.apiServer.extraArgs[name=audit-log-path].value' | cut -d' ' -f1,2)" 'layer 0'
eq "$(from old:1 ClusterConfiguration.apiVersion)" version
printf 'apiVersion: kubeadm.k8s.io/v1beta2\nkind: InitConfiguration\n' >api.yml
"$CLOUDFS" override base:1 -t api:1 --replace $kubeadm=api.yml --set Metadata:version=v1.23.1 \
    >/dev/null
for version in 1.14.1=1 1.19.8=2 1.22.0=2 1.23.0=3 1.30.9=3 1.31.0=4; do
    echo "{\"version\":\"v${version%=*}\"}" >empty/Metadata
    eq "$version $("$CLOUDFS" kubeadm empty | grep -c "apiVersion: kubeadm.k8s.io/v1beta${version#*=}\$")" "$version 3"
    eq "$version $("$CLOUDFS" kubeadm empty 2>&1 >/dev/null)" "$version "
done

# What is wrong in a file: with its place.
cat >wrong.yml <<'EOT'
apiVersion: kubeadm.k8s.io/v1beta2
kind: KubeletConfiguration
maxpods: 7
failSwapOn: "no"
EOT
"$CLOUDFS" override kube:1 -t wrong:1 --replace $kubeadm=wrong.yml >/dev/null
"$CLOUDFS" kubeadm wrong:1 2>said >/dev/null
grep -q "warning: etc/kubeadm.yml:1: a KubeletConfiguration is of kubelet.config.k8s.io" said || fail "$(cat said)"
printf 'kind: InitConfiguration\n---\nkind: InitConfiguration\n' >twice.yml
"$CLOUDFS" override kube:1 -t twice:1 --replace $kubeadm=twice.yml >/dev/null
fails_with 1 'etc/kubeadm.yml:3: a second document of kind InitConfiguration' "$CLOUDFS" kubeadm twice:1
printf 'kind: [x\n' >broken.yml
"$CLOUDFS" override kube:1 -t broken:1 --replace $kubeadm=broken.yml >/dev/null
fails_with 1 'etc/kubeadm.yml:2:' "$CLOUDFS" kubeadm broken:1
"$CLOUDFS" override broken:1 -t broken:2 --replace $kubeadm=partial.yml >/dev/null
"$CLOUDFS" kubeadm broken:2 2>said >/dev/null
grep -q 'warning: etc/kubeadm.yml (layer 1):2:.*: it is left out' said || fail "$(cat said)"

# --apply: written into a new image; once more, and nothing changes.
"$CLOUDFS" kubeadm mine:1 --apply -t applied:1 >id
"$CLOUDFS" cat applied:1:$kubeadm | cmp - mine.yml
eq "$("$CLOUDFS" diff applied:1 | cat)" "C $kubeadm"
"$CLOUDFS" history applied:1 | grep -q 'cloudfs kubeadm --apply' || fail "$("$CLOUDFS" history applied:1)"
"$CLOUDFS" kubeadm applied:1 --apply >again 2>said
cmp id again
grep -q 'nothing to change' said || fail "$(cat said)"
eq "$(from applied:1 KubeletConfiguration.maxPods | cut -d' ' -f1,2)" "layer 0"
eq "$("$CLOUDFS" kubeadm mine:2 --apply -t applied:2 --json | python3 -c 'import json, sys; d = json.load(sys.stdin); print(d["Id"][:7], d["Changes"][0]["Path"])')" "sha256: $kubeadm"

# A directory, whatever links lead to the file, but never out of it.
mkdir -p dir/etc dir/conf
cp explicit.yml dir/conf/kubeadm.yml
ln -s ../conf/kubeadm.yml dir/etc/kubeadm.yml
echo '{"version":"v1.22.3"}' >dir/Metadata
eq "$(value dir KubeletConfiguration.failSwapOn) $(from dir KubeletConfiguration.failSwapOn)" "false file 3"
"$CLOUDFS" import dir -t linked:1 >/dev/null
eq "$(value linked:1 KubeletConfiguration.failSwapOn)" false
fails_with 1 'is a directory: -t' "$CLOUDFS" kubeadm ./dir --apply -t x:1
rm dir/etc/kubeadm.yml
cp partial.yml dir/etc/kubeadm.yml
"$CLOUDFS" kubeadm ./dir --apply
"$CLOUDFS" kubeadm ./dir | cmp - dir/etc/kubeadm.yml
fails_with 2 'needs --apply' "$CLOUDFS" kubeadm kube:1 -t x:1
fails_with 2 'are two things' "$CLOUDFS" kubeadm kube:1 --apply --explain

# A mount: its own change over the layers of its image.
if (need_fuse) >/dev/null 2>&1; then
    mkdir m
    "$CLOUDFS" mount mine:1 m
    eq "$(from ./m InitConfiguration.localAPIEndpoint.bindPort)" "layer 1 4"
    sed 's/bindPort: 6443/bindPort: 7000/' partial.yml >m/$kubeadm
    eq "$(value ./m/bin InitConfiguration.localAPIEndpoint.bindPort) $(from ./m InitConfiguration.localAPIEndpoint.bindPort)" "7000 file 4"
    eq "$(from ./m KubeletConfiguration.maxPods)" "layer 0 12"
    "$CLOUDFS" kubeadm ./m/etc --apply
    grep -q 'podSubnet: 10.1.0.0/16' m/$kubeadm || fail "--apply on a mount"
    "$CLOUDFS" umount --discard m
else
    skip_part "no FUSE here: kubeadm on a mount"
fi

# The document itself: each of its blocks alone, the full file with its comments, and its Kubefile.
document=${CLOUDFS_SHARED:-$top/../shared}/facts/define-cloudimage.zh.md
if [ -f "$document" ]; then
    mkdir blocks
    awk '/^```yaml/ {n++; on = 1; next} /^```/ {on = 0} on {print > ("blocks/" n)}' "$document"
    eq "$(ls blocks | tr '\n' ' ')" "1 2 3 4 "
    for block in 1 2; do
        "$CLOUDFS" override base:1 -t "block:$block" --replace $kubeadm=blocks/$block >/dev/null
        "$CLOUDFS" kubeadm "block:$block" | head -n "$(wc -l <blocks/$block)" | cmp - blocks/$block
        eq "$(value "block:$block" ClusterConfiguration.networking.podSubnet)" '"10.1.0.0/16"'
        eq "$(value "block:$block" ClusterConfiguration.kubernetesVersion)" '"v1.22.3"'
        eq "$("$CLOUDFS" kubeadm "block:$block" | grep -c '^kind: ')" 5
    done
    eq "$(from block:2 JoinConfiguration.discovery.timeout | cut -d' ' -f1,2)" "layer 1"
    eq "$(from block:2 InitConfiguration.localAPIEndpoint.bindPort)" "built-in"
    "$CLOUDFS" override base:1 -t block:4 --replace $kubeadm=blocks/4 >/dev/null
    "$CLOUDFS" kubeadm block:4 >full.out 2>/dev/null
    python3 - <<'PY'
# The base's dns.type is all that the full file does not say itself.
full, out = open("blocks/4").read().splitlines(), open("full.out").read().splitlines()
more = [line for line in out if line not in full]
assert more == ["dns:", "  type: CoreDNS"], more
PY
    mkdir context
    cp blocks/1 context/kubeadm.yml
    mkdir -p small/etc # whose images need no network
    cp base/$kubeadm small/etc/
    cp base/Metadata small/
    "$CLOUDFS" import small -t kubernetes-clusterv2:v1.19.8 >/dev/null
    cp blocks/3 context/Kubefile
    "$CLOUDFS" build -q -t user-define-kubeadm-kubernetes:v1.19.8 context >/dev/null
    eq "$(value user-define-kubeadm-kubernetes:v1.19.8 KubeletConfiguration.maxPods)" 200
    eq "$(from user-define-kubeadm-kubernetes:v1.19.8 InitConfiguration.nodeRegistration.criSocket | cut -d' ' -f1,2)" "layer 1"
else
    skip_part "no document here (CLOUDFS_SHARED): its own blocks"
fi

# As an ordinary user, in a store of his own.
mkdir own && chmod 777 own && chmod -R a+rX base partial.yml
drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" import base -t base:1 >/dev/null
drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" override base:1 -t mine:1 --replace $kubeadm=partial.yml >/dev/null
drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" kubeadm mine:1 | cmp - mine.yml
drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" kubeadm mine:1 --apply -t applied:1 | cmp - id

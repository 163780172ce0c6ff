#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs override: settings and files of images and directories, as any user, on a mount where there can
# be one; every block of the CloudRootfs documentation on daemon.json, registry and kubeadm.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"
cp -r "$top/tests/demo/rootfs" rootfs
chmod -R u+w rootfs
"$CLOUDFS" import rootfs -t kube:1 >/dev/null
kubeadm=etc/kubeadm.yml
pod=ClusterConfiguration.networking.podSubnet

# One setting: one line of the diff, one file of the layer, and nothing a second time.
"$CLOUDFS" override kube:1 -t kube:2 --set "$kubeadm:$pod=10.244.0.0/16" >id
eq "$("$CLOUDFS" diff kube:2 | cat)" "C $kubeadm"
"$CLOUDFS" diff -p kube:2 | grep '^[-+] ' >lines || true
printf -- '-  podSubnet: 100.64.0.0/10\n+  podSubnet: 10.244.0.0/16\n' | cmp - lines
"$CLOUDFS" override kube:2 --set "$kubeadm:$pod=10.244.0.0/16" >again 2>said
cmp id again
grep -q 'nothing to change' said || fail "a second run does not say so: $(cat said)"
eq "$("$CLOUDFS" history -q kube:2 | wc -l)" 2
"$CLOUDFS" history kube:2 | grep -q "override: $kubeadm:ClusterConf" || fail "$("$CLOUDFS" history kube:2)"
"$CLOUDFS" history --json kube:2 | grep -q 10.244 && fail "a value is in the history"
"$CLOUDFS" override kube:1 -t kube:3 --set "$kubeadm:$pod=10.244.0.0/16" >again
cmp id again || fail "the same change makes another image"

# In words, and who set it.
eq "$("$CLOUDFS" diff --settings kube:2 | cat)" "$kubeadm $pod: 100.64.0.0/10 -> 10.244.0.0/16"
"$CLOUDFS" diff --settings --json kube:2 | grep -q '"Old": "100.64.0.0/10"' || fail "$("$CLOUDFS" diff --settings --json kube:2)"
"$CLOUDFS" override kube:2 -t kube:2b --set "$kubeadm:KubeletConfiguration.maxPods=250" --delete "$kubeadm:KubeletConfiguration.port" --rm README.md >/dev/null
"$CLOUDFS" diff --settings kube:2b >words || true
printf '%s\n' 'D README.md' "$kubeadm KubeletConfiguration.port: 10250 -> (absent)" "$kubeadm KubeletConfiguration.maxPods: 110 -> 250" | cmp - words || fail "$(cat words)"
"$CLOUDFS" blame kube:2b "$kubeadm:$pod" >blamed
eq "$(sed -n '2,$s/^  \(.\) layer \([0-9]*\) .*  \([0-9./]*\)  .*/\1 \2 \3/p' blamed | tr '\n' ';')" "C 1 10.244.0.0/16;A 0 100.64.0.0/10;"
fails_with 1 'no layer of the image has this' "$CLOUDFS" blame kube:2b "$kubeadm:$pod.x"

# --dry-run shows it and makes nothing; -p shows and makes.
"$CLOUDFS" override kube:1 --dry-run --set etc/daemon.json:log-level=debug >dry.diff
grep -q '^+.*"log-level": "debug"' dry.diff || fail "$(cat dry.diff)"
eq "$("$CLOUDFS" diff kube:1 | grep -c daemon.json)" 1 # of the import
"$CLOUDFS" override kube:1 -t kube:4 -p --set etc/daemon.json:log-level=debug | head -n -1 | cmp - dry.diff

# Everything else, in the order given, the quotes kept; one error and nothing is made.
echo '{"log-opts": {"max-size": "50m"}, "debug": null}' >patch.json
echo hello >new
"$CLOUDFS" override kube:1 -t kube:5 --merge etc/daemon.json=patch.json --copy opt/new=new --chmod opt/new=0755 \
    --append etc/daemon.json:insecure-registries=reg.local:5000 --rm manifests --rm README.md \
    --set "$kubeadm:ClusterConfiguration.apiServer.extraArgs.audit-log-maxage=30" \
    --set "$kubeadm:KubeletConfiguration.evictionHard.\"memory.available\"=200Mi" \
    --set "$kubeadm:ClusterConfiguration.apiServer.extraVolumes[name=audit].readOnly=true" \
    --delete "$kubeadm:JoinConfiguration" >/dev/null
"$CLOUDFS" diff kube:5 >changed || true
grep -qx 'A opt/new' changed && grep -qx 'D manifests' changed && grep -qx 'D README.md' changed || fail "$(cat changed)"
"$CLOUDFS" ls -l kube:5:opt | grep -q '^-rwxr-xr-x' || fail "$("$CLOUDFS" ls -l kube:5:opt)"
eq "$("$CLOUDFS" cat kube:5:opt/new)" hello
"$CLOUDFS" cat kube:5:$kubeadm >after.yml
grep -q "audit-log-maxage: '30'" after.yml || fail "the quotes are lost"
grep -q 'memory.available: 200Mi' after.yml || fail "no 200Mi"
grep -q JoinConfiguration after.yml && fail "JoinConfiguration is still there"
"$CLOUDFS" cat kube:5:etc/daemon.json | grep -q '"max-size": "50m"' || fail "$("$CLOUDFS" cat kube:5:etc/daemon.json)"
fails_with 1 "etc/kubeadm.yml:[0-9]*: networking has no key \"podSubnets\"" "$CLOUDFS" override kube:1 -t none:1 \
    --set "$kubeadm:ClusterConfiguration.networking.serviceSubnet=10.0.0.0/8" --set "$kubeadm:ClusterConfiguration.networking.podSubnets.x=1"
fails_with 1 "no such image" "$CLOUDFS" ls none:1
fails_with 1 "there is no file etc/none" "$CLOUDFS" override kube:1 --set etc/none:a=1
fails_with 1 "leads out of the rootfs" "$CLOUDFS" override kube:1 --rm ../x
fails_with 1 "is not FILE:PATH=VALUE" "$CLOUDFS" override kube:1 --set etc/x
fails_with 1 "is no mode" "$CLOUDFS" override kube:1 --chmod etc/daemon.json=rwx
fails_with 1 "maxPods is a number" "$CLOUDFS" override kube:1 --set $kubeadm:KubeletConfiguration.maxPods=many

# The blocks of the documentation: a daemon.json of one's own, a registry configuration, a partial kubeadm.yml.
cat >daemon.json <<'EOT'
{
  "exec-opts": ["native.cgroupdriver=systemd"],
  "log-driver": "json-file"
}
EOT
printf 'version: 0.1\nproxy:\n  remoteurl: https://registry.example\n' >registry_config.yml
cat >partial.yml <<'EOT'
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint:
  bindPort: 7443
nodeRegistration:
  criSocket: /run/containerd/containerd.sock
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: JoinConfiguration
discovery:
  timeout: 9m0s
EOT
"$CLOUDFS" override kube:1 -t kube:6 --replace etc/daemon.json=daemon.json --replace etc/registry_config.yml=registry_config.yml \
    --merge $kubeadm=partial.yml >/dev/null
"$CLOUDFS" cat kube:6:etc/daemon.json | cmp - daemon.json
"$CLOUDFS" cat kube:6:etc/registry_config.yml | cmp - registry_config.yml
"$CLOUDFS" cat kube:6:$kubeadm >merged.yml
diff rootfs/$kubeadm merged.yml | grep '^[<>]' >lines || true
grep -q '^> *bindPort: 7443' lines && grep -q '^> *timeout: 9m0s' lines || fail "$(cat lines)"
[ "$(wc -l <lines)" -le 8 ] || fail "a partial file changes more than its own settings: $(cat lines)"

# A list as a file, and a Clusterfile.
mkdir lists
echo text >lists/source
cat >lists/overrides.yaml <<'EOT'
overrides:
  - file: etc/kubeadm.yml
    set:
      ClusterConfiguration.networking.podSubnet: 10.9.0.0/16
      KubeletConfiguration.failSwapOn: false
    setString: {KubeletConfiguration.cgroupDriver: systemd}
    delete: [KubeletConfiguration.eventBurst, KubeletConfiguration.port]
  - file: etc/daemon.json
    append: {insecure-registries: [a.local, b.local]}
    merge: {log-opts: {max-size: 1m}}
  - file: opt/made
    content: |
      one
    mode: "0600"
  - {file: opt/copied, copy: source}
  - {file: README.md, remove: true}
---
apiVersion: sealer.aliyun.com/v1alpha1
kind: Config
metadata: {name: registry}
spec:
  path: etc/registry_config.yml
  strategy: merge
  data: |
    proxy: {remoteurl: https://mirror.example}
---
apiVersion: sealer.aliyun.com/v1alpha1
kind: Config
metadata: {name: secret}
spec:
  path: etc/secret.yml
  process: value|toJson|toBase64|toSecret
  data: |
    config: {user: root}
---
apiVersion: sealer.cloud/v2
kind: Cluster
metadata: {name: c}
EOT
"$CLOUDFS" override kube:1 -t kube:7 -f lists/overrides.yaml >id
"$CLOUDFS" override kube:7 -f lists/overrides.yaml >again 2>said
cmp id again || fail "a second run of the list makes another image"
"$CLOUDFS" cat kube:7:$kubeadm >made.yml
grep -q 'failSwapOn: false' made.yml && grep -q 'cgroupDriver: .*systemd' made.yml || fail "$(diff rootfs/$kubeadm made.yml)"
grep -q eventBurst made.yml && fail "eventBurst is still there"
"$CLOUDFS" cat kube:7:etc/registry_config.yml | grep -q mirror.example || fail "the Config was not merged"
"$CLOUDFS" cat kube:7:etc/registry_config.yml | diff rootfs/etc/registry_config.yml - | grep -q '^<' && fail "a Config changes more than its own"
"$CLOUDFS" cat kube:7:etc/secret.yml | grep -q "$(printf '{"user": "root"}' | base64)" || fail "$("$CLOUDFS" cat kube:7:etc/secret.yml)"
eq "$("$CLOUDFS" cat kube:7:opt/copied)" text
printf 'overrides:\n- file: a\n  sett: {x: 1}\n' >bad.yaml
fails_with 1 'bad.yaml:3: there is no action "sett"' "$CLOUDFS" override kube:1 -f bad.yaml
printf 'overrides:\n- file: etc/daemon.json\n  set:\n    a.b: 1\n' >bad.yaml
fails_with 1 'bad.yaml:4: etc/daemon.json:[0-9]*: the document has no key "a"' "$CLOUDFS" override kube:1 -f bad.yaml

# A directory, and a mount: mode and links stay, symlinks lead nowhere.
chmod 600 rootfs/etc/daemon.json
"$CLOUDFS" override ./rootfs --set etc/daemon.json:log-level=debug --set "$kubeadm:$pod=10.244.0.0/16" >/dev/null
eq "$(stat -c %a rootfs/etc/daemon.json)" 600
"$CLOUDFS" cat kube:2:$kubeadm | cmp - rootfs/$kubeadm
for left in rootfs/etc/.new-*; do
    [ ! -e "$left" ] || fail "a temporary file is left: $left"
done

# Links on the way are followed as by a process whose root the rootfs is, and never out of it.
cp -r rootfs links
mkdir links/conf links/up
ln -s ../etc/daemon.json links/conf/relative.json
ln -s /etc links/conf/absolute
ln -s ../../../../etc/daemon.json links/up/out.json
ln -s loop links/up/loop
ln -s /etc/passwd links/etc/link.json
ln -s /conf/new links/up/dangling
"$CLOUDFS" import links -t links:1 >/dev/null
for subject in links:1 ./links; do
    for path in conf/relative.json conf/absolute/daemon.json up/out.json; do
        "$CLOUDFS" override "$subject" --dry-run --set "$path:log-level=warn" >dry.diff
        grep -q '^+++ b/etc/daemon.json$' dry.diff && grep -q '^+.*"log-level": "warn"' dry.diff || fail "$subject $path: $(cat dry.diff)"
    done
    fails_with 1 'there is no file etc/passwd' "$CLOUDFS" override "$subject" --set etc/link.json:a=1
    fails_with 1 '"up/loop": its symbolic links lead round' "$CLOUDFS" override "$subject" --set up/loop:a=1
    fails_with 1 '"up/loop/x": its symbolic links lead round' "$CLOUDFS" override "$subject" --copy up/loop/x=new
    "$CLOUDFS" override "$subject" --dry-run --copy up/dangling=new | grep -q '^+++ b/conf/new$' || fail "$subject: a link that leads nowhere yet"
    eq "$("$CLOUDFS" override "$subject" --dry-run --rm conf/absolute)" "Deleted conf/absolute"
done
"$CLOUDFS" override links:1 -t links:2 --rm conf/relative.json --copy conf/relative.json=new --set conf/absolute/daemon.json:log-level=warn --chmod up/out.json=0600 >/dev/null
eq "$("$CLOUDFS" diff links:2 | tr '\n' ' ')" "C conf/relative.json C etc/daemon.json "
eq "$("$CLOUDFS" cat links:2:conf/relative.json)" hello
"$CLOUDFS" ls -l links:2:etc/daemon.json | grep -q '^-rw-------' || fail "$("$CLOUDFS" ls -l links:2:etc/daemon.json)"
"$CLOUDFS" override ./links --rm conf/relative.json --copy conf/relative.json=new --set conf/absolute/daemon.json:log-level=warn --chmod up/out.json=0600
[ ! -L links/conf/relative.json ] && [ -L links/conf/absolute ] && [ -L links/up/out.json ] || fail "a link was replaced"
"$CLOUDFS" cat links:2:etc/daemon.json | cmp - links/etc/daemon.json
eq "$(stat -c %a links/etc/daemon.json)" 600
fails_with 1 'is a directory' "$CLOUDFS" override ./rootfs -t x:1 --rm README.md
if (need_fuse) >/dev/null 2>&1; then
    mkdir m
    "$CLOUDFS" mount kube:1 m
    "$CLOUDFS" override m/etc --set "$kubeadm:$pod=10.244.0.0/16" >/dev/null
    "$CLOUDFS" cat kube:2:$kubeadm | cmp - m/$kubeadm
    eq "$("$CLOUDFS" diff ./m | cat)" "C $kubeadm"
    "$CLOUDFS" override ./m --set "$kubeadm:$pod=10.244.0.0/16" 2>&1 | grep -q 'nothing to change' || fail "on a mount it does not say so"
    "$CLOUDFS" umount --discard m
else
    skip_part "no FUSE here: override on a mount"
fi

# As an ordinary user, in a store of his own.
if [ "$(id -u)" = 0 ]; then
    cp "$CLOUDFS" "$work/cloudfs.bin" && chmod 755 "$work/cloudfs.bin" && mkdir -p "$work/own" && chmod 777 "$work/own"
    chmod 755 "$work"
    cp -r "$top/tests/demo/rootfs" plain && chmod -R a+rX plain
    as_user sh -c "CLOUDFS_ROOT=$work/own/store; export CLOUDFS_ROOT; cd $work && ./cloudfs.bin import plain -t kube:1 &&
        ./cloudfs.bin override kube:1 -t kube:2 --set $kubeadm:$pod=10.244.0.0/16 && ./cloudfs.bin cat kube:2:$kubeadm >own/out" >/dev/null
    grep -q 'podSubnet: 10.244.0.0/16' own/out || fail "an ordinary user's override"
fi

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs check: of directories, images and mounts; what build and commit make of it; and nothing to say
# about what is right: the sample rootfs, the corpus, the blocks of the CloudRootfs documentation.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"
cp -r "$top/tests/demo/rootfs" rootfs
chmod -R u+w rootfs
mkdir rootfs/cri
echo archive >rootfs/cri/docker.tar.gz

# Right is right, in all three.
"$CLOUDFS" import rootfs -t kube:1 >/dev/null
for what in ./rootfs kube:1; do
    "$CLOUDFS" check --strict --ignore image "$what" >said || fail "$what: $(cat said)"
    [ ! -s said ] || fail "$what: $(cat said)"
done
"$CLOUDFS" check kube:1 >said 2>sum
grep -q '^manifests/imageList:1: warning: registry/ lacks docker.io/library/busybox:latest: .* \[image\]$' said || fail "$(cat said)"
grep -q '^cloudfs: 0 errors, [0-9]* warnings$' sum || fail "$(cat sum)"
fails_with 1 'warnings' "$CLOUDFS" check --strict kube:1
"$CLOUDFS" check -q kube:1 >said
[ ! -s said ] || fail "-q tells warnings: $(cat said)"

# Wrong: each with its place, in order; JSON has the same.
cp -r rootfs bad
printf '{\n  "log-opts": {\n    "max-file": 3\n  },\n  "insecure-registrys": []\n}\n' >bad/etc/daemon.json
sed -i 's/podSubnet: .*/podSubnet: [/' bad/etc/kubeadm.yml
printf '#!/bin/bash\r\necho\r\n' >bad/scripts/init.sh
sed 's/SHELL/SHEL/' rootfs/plugins/taint.yaml >bad/plugins/taint.yaml
ln -s nowhere bad/etc/link
rm bad/bin/kubelet
printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\267\0\1\0\0\0' >bad/bin/kubectl
cp bad/etc/registry_config.yml bad/etc/registry_config.yaml
status=0
"$CLOUDFS" check --ignore image bad >said 2>sum || status=$?
eq "$status" 1
cut -d: -f1-3 said | sed 's/ \(error\|warning\)$/ \1/' >places
while read -r line; do
    grep -qE "^$line" said || fail "no line '$line' in: $(cat said)"
done <<'EOT'
bin/kubectl: error: a program for arm64, in a rootfs for amd64: .*\[program\]$
etc/10-kubeadm.conf:10: warning: .*/usr/bin/kubelet.*\[unit\]$
etc/daemon.json:3: error: "log-opts" has to be .*\[daemon\]$
etc/daemon.json:5: error: dockerd knows no key "insecure-registrys": "insecure-registries" may be meant \[daemon\]$
etc/kubeadm.yml:[0-9]*: error: this is no YAML.*\[yaml\]$
etc/link: warning: the link to nowhere leads nowhere.*\[link\]$
etc/registry_config.yaml: warning: nothing reads it.*\[name\]$
plugins/taint.yaml:6: error: type 'SHEL' is none of .*\[plugin\]$
scripts/init.sh:1: error: .*CR LF.*\[script\]$
EOT
sort -t: -k1,1 -s said | cmp - said || fail "not in the order of files"
"$CLOUDFS" check --json --ignore image bad >json || true
python3 - "$(wc -l <said)" <<'PY'
import json, sys
found = json.load(open("json"))
assert len(found["Findings"]) == int(sys.argv[1]) == found["Errors"] + found["Warnings"], found
one = [f for f in found["Findings"] if f["Rule"] == "daemon" and f["Line"] == 5][0]
assert one["File"] == "etc/daemon.json" and one["Severity"] == "error" and "insecure-registries" in one["Mend"], one
PY
"$CLOUDFS" check --ignore image --platform linux/arm64 bad >said || true
grep -q '^bin/kubectl' said && fail "an arm64 program in an arm64 rootfs: $(cat said)"
"$CLOUDFS" check --ignore image --ignore daemon bad >said || true
grep -q 'daemon.json' said && fail "an ignored rule is told"
"$CLOUDFS" import bad -t bad:1 >/dev/null
"$CLOUDFS" check --json --ignore image bad:1 >image.json || true
cmp json image.json || fail "the image and its directory differ"

# Damage of registry/, when it is asked for.
blob=$(find bad/registry -name data | head -n 1)
chmod u+w "$blob"
echo damage >>"$blob"
"$CLOUDFS" check --ignore image bad | grep -q 'contents' && fail "registry/ is read without --deep"
"$CLOUDFS" check --ignore image --deep bad >said || true
grep -q '^registry/.*/data: error: .*\[contents\]$' said || fail "$(cat said)"

# A build shows it, and with --strict makes nothing; what the base has is the base's matter.
mkdir ctx
cp bad/etc/daemon.json ctx
printf 'FROM kube:1\nCOPY daemon.json etc/\n' >ctx/Kubefile
for i in 1 2; do # from the build cache too
    "$CLOUDFS" build -q --no-cache-images -t built:$i ctx >id 2>said
    [ ! -s said ] || fail "-q shows warnings"
    "$CLOUDFS" build --no-cache-images -t built:$i ctx >id 2>said
    eq "$(grep -c '^cloudfs: warning: etc/daemon.json:[35]: ' said)" 2
done
fails_with 1 'strict: 2 findings' "$CLOUDFS" build -q --strict --no-cache-images -t strict:1 ctx
fails_with 1 'no such image' "$CLOUDFS" ls strict:1
printf 'FROM built:1\nCOPY more etc/\n' >ctx/Kubefile
echo 'a: b' >ctx/more
"$CLOUDFS" build --strict --no-cache-images -t strict:1 ctx >/dev/null 2>said || fail "$(cat said)"
echo 'a: [' >ctx/more.yml
printf 'FROM built:1\nCOPY more etc/\nRUN true\nCOPY more.yml etc/\nCOPY more.yml manifests/\n' >ctx/Kubefile
if (need_root) >/dev/null 2>&1; then
    "$CLOUDFS" build --no-cache-images -t several:1 ctx >/dev/null 2>said || fail "$(cat said)"
    eq "$(grep -c 'more.yml:[12]: this is no YAML' said)" 2
    grep -q daemon.json said && fail "the base's findings are told: $(cat said)"
fi

# So does a commit.
if (need_fuse) >/dev/null 2>&1; then
    mkdir m
    "$CLOUDFS" mount kube:1 m
    echo '{x}' >m/etc/daemon.json
    rm m/bin/kubectl
    "$CLOUDFS" commit m -t committed:1 >id 2>said
    eq "$(cat said)" "cloudfs: warning: etc/daemon.json:1: this is no JSON"
    "$CLOUDFS" commit --strict m -t committed:2 >id 2>said && fail "--strict commits: $(cat said)"
    grep -q 'strict: 1 findings, nothing is committed' said || fail "$(cat said)"
    fails_with 1 'no such image' "$CLOUDFS" ls committed:2
    "$CLOUDFS" check --ignore image ./m >said || true
    grep -q '^etc/daemon.json:1: error' said || fail "$(cat said)"
    cp rootfs/etc/daemon.json m/etc/daemon.json
    ln -s nothing m/etc/dangling
    ln -s kubeadm.yml m/etc/good # its target is the base's
    printf '[Service]\nExecStart=/usr/bin/kubelet\n' >m/etc/own.service
    "$CLOUDFS" commit m -t committed:3 >id 2>said
    grep -q 'etc/dangling: the link to nothing leads nowhere' said || fail "$(cat said)"
    eq "$(wc -l <said)" 1
    "$CLOUDFS" umount --discard m
else
    skip_part "no FUSE here: what commit tells"
fi

# What others wrote gives no false alarm.
shared=${CLOUDFS_SHARED:-$top/../shared}
if [ -d "$shared/corpus" ]; then
    "$CLOUDFS" check --ignore image --ignore name "$shared/corpus" >said || true
    [ ! -s said ] || fail "the corpus: $(cat said)"
    mkdir charts
    cp -r "$shared/corpus/charts" charts/
    "$CLOUDFS" check --ignore image charts >said || true
    [ ! -s said ] || fail "charts: $(cat said)"
else
    skip_part "no corpus here (CLOUDFS_SHARED)"
fi
if [ -f "$shared/facts/define-cloudimage.zh.md" ]; then
    mkdir -p blocks/etc blocks/plugins
    python3 - "$shared/facts/define-cloudimage.zh.md" <<'PY'
import re, sys
blocks = [b for b in re.findall(r"```[a-z ]*\n(.*?)```", open(sys.argv[1]).read(), re.S)]
parts = [b for b in blocks if "kubeadm.k8s.io" in b]
open("blocks/etc/kubeadm.yml", "w").write(max(parts, key=len))
open("blocks/plugins/shell.yaml", "w").write([b for b in blocks if "kind: Plugin" in b][0])
small = [b for b in parts if b is not max(parts, key=len)]
assert len(small) == 2, small
open("blocks/partial.yml", "w").write("---\n".join(small))
PY
    "$CLOUDFS" check --strict blocks >said || fail "the documentation's blocks: $(cat said)"
    mv blocks/partial.yml blocks/etc/kubeadm.yml
    "$CLOUDFS" check --strict blocks >said || fail "a partial kubeadm.yml: $(cat said)"
fi

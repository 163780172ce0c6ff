#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cloudfs rebase: an image's own changes on another base, without a mount or privilege; conflicts with both
# sides, and nothing made of them.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"
cp -r "$top/tests/demo/rootfs" old
chmod -R u+w old
head -c 100000 /dev/urandom >old/bin/kubelet
printf 'one\ntwo\nthree\nfour\nfive\nsix\nseven\n' >old/scripts/list
mkdir old/opt old/gone
echo a >old/opt/a
echo b >old/gone/b
"$CLOUDFS" import old -t kubernetes:v1.19.8 --timestamp 1700000000 >/dev/null

# The next base: another version, a comment, a setting, lines, binaries, a file less and one more.
cp -r old new
sed -i 's/v1\.19\.8/v1.20.4/' new/etc/kubeadm.yml new/Metadata
sed -i 's/maxPods: 110/maxPods: 200/; 1i # of the next base' new/etc/kubeadm.yml
sed -i 's/"max-size": "10m"/"max-size": "20m"/' new/etc/daemon.json
printf 'zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\n' >new/scripts/list
head -c 100000 /dev/urandom >new/bin/kubelet
rm new/README.md
echo new >new/opt/new
chmod 700 new/scripts/clean.sh
"$CLOUDFS" import new -t kubernetes:v1.20.4 --timestamp 1710000000 >/dev/null

# The image: two layers of its own, one by override and one that copies files.
pod=ClusterConfiguration.networking.podSubnet
echo mine >mine
printf 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\n' >list
cp old/scripts/clean.sh clean.sh
echo '# mine' >>clean.sh
"$CLOUDFS" override kubernetes:v1.19.8 -t mine:1 --set etc/kubeadm.yml:$pod=10.244.0.0/16 --set etc/daemon.json:log-level=debug \
    --label team=blue >/dev/null
"$CLOUDFS" override mine:1 -t mine:2 --copy opt/mine=mine --copy scripts/list=list --copy scripts/clean.sh=clean.sh --rm opt/a \
    --append etc/daemon.json:insecure-registries=reg.local:5000 --delete etc/kubeadm.yml:JoinConfiguration --rm gone >/dev/null

"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.20.4 -t mine:3 >id 2>said
grep -q '^cloudfs: from kubernetes:v1.19.8: 2 layers kept, 3 files merged, one layer added$' said || fail "$(cat said)"
"$CLOUDFS" cat mine:3:etc/kubeadm.yml >kubeadm.yml
sed -e 's/podSubnet: .*/podSubnet: 10.244.0.0\/16/' new/etc/kubeadm.yml >want.yml
diff want.yml kubeadm.yml | grep '^>' && fail "more in kubeadm.yml than was asked for"
grep -q 'JoinConfiguration' kubeadm.yml && fail "the deleted document is back"
grep -q '^# of the next base' kubeadm.yml && grep -q 'maxPods: 200' kubeadm.yml && grep -q 'v1.20.4' kubeadm.yml &&
    grep -q 'podSubnet: 10.244.0.0/16' kubeadm.yml || fail "$(diff want.yml kubeadm.yml)"
"$CLOUDFS" cat mine:3:etc/daemon.json >daemon.json
python3 - <<'PY'
import json
was, now = json.load(open("new/etc/daemon.json")), json.load(open("daemon.json"))
was.update({"log-level": "debug", "insecure-registries": ["reg.local:5000"]})
assert was == now, now
PY
eq "$("$CLOUDFS" cat mine:3:scripts/list | tr '\n' ' ')" "zero one two three four five six seven eight "
eq "$("$CLOUDFS" cat mine:3:opt/mine)" mine
"$CLOUDFS" cat mine:3:bin/kubelet | cmp - new/bin/kubelet
"$CLOUDFS" cat mine:3:scripts/clean.sh | cmp - clean.sh
"$CLOUDFS" ls -l mine:3:scripts | grep -q '^-rwx------ .* clean.sh' || fail "the base's new mode is lost: $("$CLOUDFS" ls -l mine:3:scripts)"
eq "$("$CLOUDFS" ls mine:3:opt | tr '\n' ' ')" "mine new "
"$CLOUDFS" ls mine:3 | grep -qx gone && fail "a removed directory is back"
"$CLOUDFS" ls mine:3 | grep -qx README.md && fail "what the new base has no more is back"

# Layers are shared; the same again is the same, on another day and in another store.
"$CLOUDFS" history -q mine:2 | head -n 2 >own
"$CLOUDFS" history -q mine:3 | sed -n '2,3p' | cmp - own || fail "own layers are not kept"
"$CLOUDFS" history mine:3 | grep -q 'rebase: from kubernetes:v1.19.8 onto kuber' || fail "$("$CLOUDFS" history mine:3)"
"$CLOUDFS" inspect mine:3 | grep -q '"team": "blue"' || fail "the label is lost"
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.20.4 -t mine:4 2>/dev/null | cmp - id || fail "another image the second time"
"$CLOUDFS" save -o all.tar mine:2 kubernetes:v1.19.8 kubernetes:v1.20.4
"$CLOUDFS" --root other load -i all.tar >/dev/null
"$CLOUDFS" --root other rebase mine:2 --onto kubernetes:v1.20.4 -t mine:3 2>/dev/null | cmp - id || fail "another image in another store"
"$CLOUDFS" fsck -q || fail "damage"

# Nothing between: no layer is added.
"$CLOUDFS" override kubernetes:v1.19.8 -t small:1 --copy opt/small=mine >/dev/null
"$CLOUDFS" rebase small:1 --onto kubernetes:v1.20.4 -t small:2 >/dev/null 2>said
grep -q ': 1 layer kept, 0 files merged$' said || fail "$(cat said)"
eq "$("$CLOUDFS" history -q small:2 | wc -l)" 2
"$CLOUDFS" diff small:2 kubernetes:v1.20.4 >changed || true
eq "$(cat changed)" "A opt/small"

# Conflicts: both sides, and nothing is made.
cp -r new hard
sed -i 's/podSubnet: .*/podSubnet: 10.9.0.0\/16/' hard/etc/kubeadm.yml
sed -i 's/"log-level": "warn"/"log-level": "error"/' hard/etc/daemon.json
printf 'one\ntwo\nthree\nfour\nfive\nsix\nseven\nnine\n' >hard/scripts/list
echo other >hard/gone/b
echo theirs >hard/opt/mine
"$CLOUDFS" import hard -t kubernetes:v1.21.0 >/dev/null
find "$CLOUDFS_ROOT/layers" "$CLOUDFS_ROOT/names" "$CLOUDFS_ROOT/blobs" "$CLOUDFS_ROOT/objects" -type f | sort >before
status=0
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.21.0 -t hard:1 >told 2>said || status=$?
eq "$status" 1
grep -q '^cloudfs: 5 conflicts, nothing is made: --ours or --theirs decides$' said || fail "$(cat said told)"
cat >want <<'EOT'
etc/daemon.json log-level
  base:   warn
  ours:   debug
  theirs: error
etc/kubeadm.yml ClusterConfiguration.networking.podSubnet
  base:   100.64.0.0/10
  ours:   10.244.0.0/16
  theirs: 10.9.0.0/16
gone
  base:   (directory, 0755)
  ours:   (absent)
  theirs: (directory, 0755)
opt/mine:1
  base:   (nothing)
  ours:   mine
  theirs: theirs
scripts/list:8
  base:   (nothing)
  ours:   eight
  theirs: nine
EOT
diff want told || fail "other conflicts than these"
find "$CLOUDFS_ROOT/layers" "$CLOUDFS_ROOT/names" "$CLOUDFS_ROOT/blobs" "$CLOUDFS_ROOT/objects" -type f | sort | cmp - before ||
    fail "something was written"
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.21.0 -t hard:1 --json >json 2>/dev/null || true
python3 - <<'PY'
import json
told = json.load(open("json"))
assert len(told["Conflicts"]) == 5 and "Id" not in told, told
one = told["Conflicts"][1]
assert one["Setting"].endswith("podSubnet") and (one["Base"], one["Ours"], one["Theirs"]) == ("100.64.0.0/10", "10.244.0.0/16", "10.9.0.0/16"), one
PY
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.21.0 -t hard:ours --ours >/dev/null 2>&1
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.21.0 -t hard:theirs --theirs >/dev/null 2>&1
eq "$("$CLOUDFS" cat hard:ours:opt/mine hard:theirs:opt/mine | tr '\n' ' ')" "mine theirs "
"$CLOUDFS" cat hard:ours:etc/kubeadm.yml | grep -q 'podSubnet: 10.244.0.0/16' || fail "--ours"
"$CLOUDFS" cat hard:theirs:etc/kubeadm.yml | grep -q 'podSubnet: 10.9.0.0/16' || fail "--theirs"
eq "$("$CLOUDFS" cat hard:ours:scripts/list | tail -n 1) $("$CLOUDFS" cat hard:theirs:scripts/list | tail -n 1)" "eight nine"
"$CLOUDFS" ls hard:ours | grep -qx gone && fail "--ours keeps the directory"
eq "$("$CLOUDFS" cat hard:theirs:gone/b)" other
"$CLOUDFS" cat hard:theirs:etc/daemon.json | grep -q insecure-registries || fail "--theirs drops what is no conflict"

# Files in a directory that the new base has turned into a file.
"$CLOUDFS" override kubernetes:v1.19.8 -t deep:1 --copy opt/mine=mine >/dev/null
rm -r hard/opt
echo file >hard/opt
"$CLOUDFS" import hard -t kubernetes:v1.22.0 >/dev/null
"$CLOUDFS" rebase deep:1 --onto kubernetes:v1.22.0 -t deep:2 >told 2>/dev/null && fail "no conflict: $(cat told)"
eq "$(head -n 1 told)" opt/mine
"$CLOUDFS" rebase deep:1 --onto kubernetes:v1.22.0 -t deep:ours --ours >/dev/null 2>&1
eq "$("$CLOUDFS" cat deep:ours:opt/mine)" mine
"$CLOUDFS" rebase deep:1 --onto kubernetes:v1.22.0 -t deep:theirs --theirs >/dev/null 2>&1
eq "$("$CLOUDFS" cat deep:theirs:opt)" file

# The old base: said, found, or not to be known; any image will do where it is said.
"$CLOUDFS" rebase mine:2 --onto kubernetes:v1.20.4 --base mine:1 -t last:1 >/dev/null 2>&1
"$CLOUDFS" cat last:1:etc/kubeadm.yml | grep -q 'podSubnet: 100.64.0.0/10' || fail "--base is not what was taken"
"$CLOUDFS" import old -t flat:1 >/dev/null
"$CLOUDFS" extract mine:2 flat >/dev/null 2>&1
"$CLOUDFS" import flat -t flat:2 >/dev/null
fails_with 1 'cannot tell what flat:2 was made from: .*--base' "$CLOUDFS" rebase flat:2 --onto kubernetes:v1.20.4 -t flat:3
"$CLOUDFS" rebase flat:2 --onto kubernetes:v1.20.4 --base flat:1 -t flat:3 >/dev/null 2>&1
eq "$("$CLOUDFS" history -q flat:3 | wc -l)" 2
"$CLOUDFS" diff flat:3 mine:3 >changed || true
grep -v '^C etc/kubeadm.yml$\|^C etc/daemon.json$' changed | grep . && fail "flat or in layers, it is not the same: $(cat changed)"
fails_with 1 'no such image' "$CLOUDFS" rebase none:1 --onto kubernetes:v1.20.4 -t x:1
fails_with 1 'no such image' "$CLOUDFS" rebase mine:2 --onto none:1 -t x:1
"$CLOUDFS" import old -t arm:1 --platform linux/arm64 >/dev/null
fails_with 1 'is for linux/' "$CLOUDFS" rebase mine:2 --onto arm:1 -t x:1

# As an ordinary user, in a store of his own.
if [ "$(id -u)" = 0 ]; then
    cp "$CLOUDFS" "$work/cloudfs.bin" && chmod 755 "$work/cloudfs.bin" all.tar
    as_user "$work/cloudfs.bin" load -i all.tar >/dev/null
    as_user "$work/cloudfs.bin" rebase mine:2 --onto kubernetes:v1.20.4 -t mine:3 2>/dev/null | cmp - id || fail "an ordinary user gets another image"
fi

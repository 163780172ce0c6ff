#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build: the examples of sealer's document on cluster images, where COPY puts things, variables,
# the cache, the same image on any machine, bad input. No mounts: RUN is in build-run.sh.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"

# A CloudRootfs, as the document draws it.
rootfs() {
    mkdir -p "$1"/{bin,cri,etc,images,registry/docker/registry,scripts,statics,manifests,charts}
    for f in bin/kubeadm bin/kubelet cri/docker.tar.gz etc/10-kubeadm.conf etc/docker.service \
        etc/registry.yml images/registry.tar scripts/init.sh statics/audit-policy.yml Metadata README.md; do
        echo "base $f" >"$1/$f"
    done
    echo '{"max-file": "3"}' >"$1/etc/daemon.json"
    echo 'kind: ClusterConfiguration' >"$1/etc/kubeadm.yml"
    printf 'apiVersion: sealer.cloud/v2\nkind: Cluster\n' >"$1/etc/Clusterfile"
    chmod 755 "$1"/bin/* "$1"/scripts/*
    ln -s kubelet "$1/bin/hyperkube"
    printf 'FROM scratch\nCOPY . .\n' >"$1/Kubefile"
    find "$1" -exec touch -h -d @1600000000 {} +
}
# kubefile TEXT: a Kubefile in the context of the moment.
kubefile() {
    printf '%s\n' "$@" >Kubefile
}
# build REF [OPTION...]: of the current directory.
build() {
    ref=$1
    shift
    "$CLOUDFS" -q build -t "$ref" "$@" . >/dev/null
}
# has REF PATH TEXT
has() {
    eq "$2 $("$CLOUDFS" cat "$1:$2")" "$2 $3"
}
# changes REF: against its base, in one line.
changes() {
    { "$CLOUDFS" diff "$1" kubernetes:v1.19.8 || true; } | tr '\n' ' '
}

# FROM scratch, COPY . . : the Kubefile included.
rootfs own
"$CLOUDFS" -q build -t kubernetes:v1.19.8 own >base.id
"$CLOUDFS" extract kubernetes:v1.19.8 back
diff -r --no-dereference own back
eq "$("$CLOUDFS" ls -l kubernetes:v1.19.8:bin/kubelet | cut -c1-10)" "-rwxr-xr-x"
"$CLOUDFS" inspect --format sealer kubernetes:v1.19.8 >yaml
grep -q 'value: ". ."' yaml || fail "inspect does not tell COPY . ."
grep -q 'sea.aliyun.com/ClusterFile' yaml || fail "etc/Clusterfile is no annotation"

# The same on another machine, at another date, as another user: the same image.
rootfs again
CLOUDFS_ROOT=$work/store2 "$CLOUDFS" -q build -t x:1 again >other.id
same_files base.id other.id

# The document's examples, each as written there.
mkdir ctx
cd ctx
echo '{"max-file": "10"}' >daemon.json
echo tar >mysql.tar
cat >shell.yaml <<'END'
apiVersion: sealer.aliyun.com/v1alpha1
kind: Plugin
metadata:
  name: taint
spec:
  type: SHELL
  action: PostInstall
  on: node-role.kubernetes.io/master=
  data: |
     kubectl taint nodes --all node-role.kubernetes.io/master-
END
echo busybox >imageList
echo 'kind: Deployment' >recommend.yaml
echo 'version: 0.1' >registry_config.yaml
printf 'kind: InitConfiguration\n---\nkind: JoinConfiguration\n' >kubeadm.yml
mkdir -p nginx/templates
echo 'name: nginx' >nginx/Chart.yaml
echo 'kind: Service' >nginx/templates/service.yaml

kubefile 'FROM kubernetes:v1.19.8' 'COPY daemon.json etc/'
build user-defined-kubernetes:v1.19.8
eq "$(changes user-defined-kubernetes:v1.19.8)" "C etc/daemon.json "
has user-defined-kubernetes:v1.19.8 etc/daemon.json '{"max-file": "10"}'
has user-defined-kubernetes:v1.19.8 etc/docker.service 'base etc/docker.service'
kubefile 'FROM user-defined-kubernetes:v1.19.8' 'COPY mysql.tar images' 'COPY shell.yaml plugins' \
    'COPY nginx charts' 'COPY imageList manifests' 'COPY recommend.yaml manifests' \
    'COPY registry_config.yaml etc/' 'COPY kubeadm.yml etc'
build all:1 --no-cache-images
has all:1 images/mysql.tar tar
has all:1 plugins/shell.yaml "$(cat shell.yaml)"
has all:1 charts/nginx/Chart.yaml 'name: nginx'
has all:1 charts/nginx/templates/service.yaml 'kind: Service'
has all:1 manifests/imageList busybox
has all:1 manifests/recommend.yaml 'kind: Deployment'
has all:1 etc/registry_config.yaml 'version: 0.1'
has all:1 etc/kubeadm.yml 'kind: InitConfiguration
---
kind: JoinConfiguration'
has all:1 etc/daemon.json '{"max-file": "10"}'
eq "$("$CLOUDFS" history all:1 | grep -c COPY)" 9

# Where COPY puts things, sealer's rule and Docker's.
for row in 'daemon.json x:x' 'daemon.json x/:x/daemon.json' 'daemon.json x/daemon.json:x/daemon.json' \
    'nginx x:x/nginx/Chart.yaml' 'nginx/. x:x/Chart.yaml' 'nginx nginx:nginx/Chart.yaml' \
    'daemon.json scripts:scripts/daemon.json' '*.json /a/b/:a/b/daemon.json' 'daemon.json ./x/../y:!' \
    './nginx/Chart.yaml etc/c.yaml:etc/c.yaml' 'shell.yaml imageList both/:both/imageList' \
    '["daemon.json", "a b"]:a b' '"daemon.json" "c d/":c d/daemon.json'; do
    kubefile 'FROM kubernetes:v1.19.8' "COPY ${row%:*}"
    case $row in
    *:!) fails_with 1 'Kubefile:2:' "$CLOUDFS" -q build -t rule:1 . ;;
    *) build rule:1 && "$CLOUDFS" ls "rule:1:${row##*:}" >/dev/null ;;
    esac
done
kubefile '# cloudfs: copy=docker' 'FROM kubernetes:v1.19.8' 'COPY nginx charts' 'COPY daemon.json plugins'
build docker:1
has docker:1 charts/Chart.yaml 'name: nginx'
has docker:1 plugins '{"max-file": "10"}'

# Owners and modes, what is ignored, symlinks of the base, a heredoc, ADD of an archive.
mkdir -p tree/keep tree/drop
echo 1 >tree/keep/a.md
echo 2 >tree/drop/b
echo 3 >tree/README.md
printf '*.md\n**/*.md\ntree/drop\n!tree/README.md\n' >.kubeignore
tar -czf packed.tar.gz -C nginx .
kubefile 'FROM kubernetes:v1.19.8' 'ARG who=nobody' 'COPY --chown=7:8 --chmod=640 daemon.json etc/' \
    'COPY tree .' 'ADD packed.tar.gz unpacked/' 'COPY <<EOF etc/note' 'hello ${who}' 'EOF'
build more:1 --build-arg who=you
rm .kubeignore
has more:1 etc/note 'hello you'
"$CLOUDFS" ls -l more:1:etc | grep -q '^-rw-r----- .* 7 .* 8 .*daemon.json' || fail "no --chown, --chmod"
eq "$("$CLOUDFS" ls -R more:1:tree | tr '\n' ' ')" "README.md keep "
has more:1 unpacked/templates/service.yaml 'kind: Service'
mkdir links
ln -s etc links/conf
"$CLOUDFS" -q import links --base kubernetes:v1.19.8 -t linked:1 >/dev/null
kubefile 'FROM linked:1' 'COPY daemon.json conf/'
build linked:2
has linked:2 etc/daemon.json '{"max-file": "10"}'

# Variables, labels, commands.
kubefile 'ARG tag=v0' 'FROM kubernetes:${tag}' 'ARG tag' 'ENV A="1  2" B=$tag' 'LABEL team=core' \
    'MAINTAINER Ada' 'CMD kubectl apply -f a.yaml' 'CMD ["kubectl apply -f b.yaml", "c"]' \
    'COPY daemon.json ${B}/' 'KUBEVERSION v1.19.8'
build vars:1 --build-arg tag=v1.19.8 --label team=edge --annotation note=x
has vars:1 v1.19.8/daemon.json '{"max-file": "10"}'
"$CLOUDFS" inspect vars:1 >json
grep -q '"A=1  2"' json || fail "ENV is not in the image"
grep -q '"team": *"edge"' json || fail "--label does not win"
grep -q 'kubectl apply -f a.yaml && kubectl apply -f b.yaml && c' json || fail "CMDs do not add up"
"$CLOUDFS" -q build -t vars:2 --build-arg unknown=1 --build-arg tag=v1.19.8 . >/dev/null 2>said
[ ! -s said ] || fail "--quiet says: $(cat said)"
"$CLOUDFS" build -t vars:2 --build-arg unknown=1 --build-arg tag=v1.19.8 . 2>&1 >/dev/null |
    grep -q 'warning: --build-arg unknown' || fail "an unknown --build-arg is not told"

# The words of sealer 0.9 and later, as sealer records them.
echo 'echo install' >install.sh
kubefile 'FROM kubernetes:v1.19.8' 'APP web local://install.sh' 'APPENV web A=1 B=2' \
    'APPCMDS web ["bash install.sh", "true"]' 'CNI calico local://recommend.yaml' 'CSI nfs local://nginx' \
    'LAUNCH ["calico", "web"]' 'CMDS ["helm install --set a=1,b=2 x"]' 'KUBEVERSION >=1.19'
build words:1 --no-cache-images
has words:1 application/apps/web/install.sh 'echo install'
has words:1 application/apps/calico/recommend.yaml 'kind: Deployment'
has words:1 application/apps/nfs/nginx/Chart.yaml 'name: nginx'
"$CLOUDFS" inspect words:1 >json
python3 - <<'END' || fail "the extension is not as sealer has it: $(cat json)"
import json
d = json.load(open("json"))
e = json.loads(d["Annotations"]["sealer.image.extension"])
assert e["schemaVersion"] == "v1alpha1" and e["type"] == "kube-installer", e
assert e["launch"] == {"cmds": ["helm install --set a=1,b=2 x"], "app_names": ["calico", "web"]}, e
assert e["applications"] == [
    {"name": "web", "type": "shell", "version": "v1", "launchfiles": ["install.sh"], "env": {"A": "1", "B": "2"},
     "cmds": ["bash install.sh", "true"]},
    {"name": "calico", "type": "kube", "version": "v1", "launchfiles": ["recommend.yaml"]},
    {"name": "nfs", "type": "helm", "version": "v1", "launchfiles": ["nginx"]}], e
assert d["Labels"]["cluster.alpha.sealer.io/kube-cni-calico"] == "true", d
assert d["Labels"]["app.alpha.sealer.io/supported-kube-version"] == ">=1.19", d
END

# The cache: times do not count, bytes do; what it gives is the same image.
kubefile 'FROM kubernetes:v1.19.8' 'COPY daemon.json etc/' 'COPY nginx charts'
"$CLOUDFS" -q build -t cache:1 . >id1
touch daemon.json nginx/Chart.yaml
"$CLOUDFS" build -t cache:2 . >id2 2>said
same_files id1 id2
eq "$(grep -c 'using the cache' said)" 3
"$CLOUDFS" build --no-cache -t cache:3 . 2>&1 >/dev/null | grep -q 'using the cache' && fail "--no-cache"
echo '{"max-file": "11"}' >daemon.json
"$CLOUDFS" build -t cache:4 . 2>said >id4
eq "$(grep -c 'using the cache' said)" 0
cmp -s id1 id4 && fail "another byte gives the same image"
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" build -t cache:5 . 2>said >id5
same_files id4 id5
eq "$(grep -c 'using the cache' said)" 3
[ "$(find "$CLOUDFS_ROOT/memo" -type f | wc -l)" -gt 0 ] || fail "no memos"

# --timestamp and SOURCE_DATE_EPOCH date all of it.
"$CLOUDFS" -q build --no-cache -t date:1 --timestamp 1500000000 . >t1
touch daemon.json
SOURCE_DATE_EPOCH=1500000000 "$CLOUDFS" -q build --no-cache -t date:2 . >t2
same_files t1 t2

# Application images leave the base out.
"$CLOUDFS" -q build -t app:1 --base=false . >/dev/null
eq "$("$CLOUDFS" ls app:1 | tr '\n' ' ')" "charts etc "

# Bad input: one line with its place, and nothing comes about.
"$CLOUDFS" images --json >before
bad() { # PATTERN LINE...
    pattern=$1
    shift
    kubefile "$@"
    fails_with 1 "$pattern" "$CLOUDFS" -q build --offline -t bad:1 .
}
bad 'Kubefile:2:1: unknown instruction .RUUN.' 'FROM scratch' 'RUUN x'
bad 'Kubefile:1:6: the first instruction is FROM' 'COPY . .'
bad 'Kubefile:2:6: .none. is not in the context' 'FROM scratch' 'COPY none etc/'
bad 'Kubefile:2:6: nothing in the context matches' 'FROM scratch' 'COPY *.none etc/'
bad 'COPY needs a source and a destination' 'FROM scratch' 'COPY daemon.json'
bad 'Kubefile:1:6: no such image' 'FROM none:1'
bad 'Kubefile:2:6: a second FROM' 'FROM scratch' 'FROM scratch'
bad 'must not contain' 'FROM scratch' 'COPY ../x etc/'
bad 'numbers are meant' 'FROM scratch' 'COPY --chown=ada daemon.json etc/'
bad 'has no flag --from' 'FROM scratch' 'COPY --from=x a b'
bad 'quote is not closed' 'FROM scratch' 'COPY "a b'
bad 'is not a directory in the rootfs' 'FROM kubernetes:v1.19.8' 'COPY nginx etc/daemon.json/x'
bad 'cannot replace the directory' 'FROM kubernetes:v1.19.8' 'COPY <<etc .' 'x' 'etc'
bad 'would be empty' 'FROM scratch' 'LABEL a=b'
bad 'NAME=VALUE' 'FROM scratch' 'ENV =x'
bad 'only local://' 'FROM scratch' 'APP a ftp://x/y'
bad 'LAUNCH needs a list' 'FROM scratch' 'LAUNCH a'
ln -s ../../etc/passwd out
bad 'leads out of the context|is not in the context' 'FROM scratch' 'COPY out etc/'
fails_with 1 'cannot read .*Kubefile' "$CLOUDFS" -q build -t bad:1 "$work/back/etc"
fails_with 1 'build context' "$CLOUDFS" -q build -t bad:1 -f Kubefile "$work/none"
fails_with 2 'tag|-t REF' "$CLOUDFS" build .
"$CLOUDFS" images --json >after
same_files before after

# An ordinary user builds the same.
chmod -R a+rX "$work/own"
as_user "$CLOUDFS" -q build -t u:1 "$work/own" >user.id
same_files user.id ../base.id

# The corpus: real Kubefiles, with stand-ins for what they take.
shared=${CLOUDFS_SHARED:-$top/../shared}/corpus/kubefiles
if [ -d "$shared" ]; then
    mkdir "$work/corpus" && cd "$work/corpus"
    for file in "$shared"/*.Kubefile; do
        rm -rf c && mkdir c
        grep -v '^RUN' "$file" >c/Kubefile
        awk 'toupper($1) == "FROM" && $2 != "scratch" {print $2}' "$file" | while read -r base; do
            "$CLOUDFS" tag kubernetes:v1.19.8 "$base"
        done
        awk 'toupper($1) == "COPY" && $2 != "." {print $2}' "$file" | while read -r source; do
            case $source in etc) mkdir -p c/etc ;; *) echo stand-in >"c/$source" ;; esac
        done
        "$CLOUDFS" -q build --no-cache-images -t corpus:1 c >/dev/null
    done
else
    skip_part "no reference Kubefiles beside the checkout"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --helm: the helm on PATH renders, with the options that cloudfs was given; without one, one clear line.
# The helm here is a stand-in that tells how it was called.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"
mkdir -p bin rootfs/charts/web/templates
cat >bin/helm <<'EOT'
#!/bin/sh
printf '%s\n' "$@" >"$HELM_SAID"
ls "$3" >>"$HELM_SAID"
for word; do case $word in */values-*.yaml) cat "$word" >>"$HELM_SAID" ;; esac; done
case $(cat "$HELM_SAID") in *fails*) echo "Error: the stand-in fails" >&2; exit 1 ;; esac
printf -- '---\n# Source: web/templates/a.yaml\nkind: Pod\nspec: {containers: [{image: quay.io/a/by-helm:1}]}\n'
printf -- '---\n# Source: web/charts/sub/templates/b.yaml\nkind: Pod\nspec: {containers: [{image: quay.io/a/sub:2}]}\n'
EOT
chmod +x bin/helm
printf 'apiVersion: v2\nname: web\nversion: 1.0.0\n' >rootfs/charts/web/Chart.yaml
printf 'kind: Pod\nspec: {containers: [{image: quay.io/a/by-cloudfs:1}]}\n' >rootfs/charts/web/templates/a.yaml
printf 'x: 5\n' >v.yaml
HELM_SAID=$work/said
export HELM_SAID

# No helm: one line, and nothing else.
for what in "chart template --helm rootfs/charts/web" "scan --helm rootfs"; do
    # shellcheck disable=SC2086 # words
    if PATH=/nonexistent "$CLOUDFS" $what >out 2>err; then fail "$what: there is no helm"; fi
    [ ! -s out ] || fail "$what: $(cat out)"
    eq "$(cat err)" \
        "cloudfs: --helm: there is no helm on PATH; without --helm the charts are rendered by cloudfs itself"
done

PATH=$work/bin:$PATH
"$CLOUDFS" chart template --helm -f v.yaml --set a=1 --set-string b=2 --set-json 'c=[3]' -n prod -a x/v1 \
    --kube-version 1.29.1 --include-crds --no-hooks --is-upgrade mine rootfs/charts/web >out
grep -q 'image: quay.io/a/by-helm:1' out || fail "what helm prints is not printed"
values=$(grep values- said)
eq "$(cat said)" "$(printf '%s\n' template mine rootfs/charts/web --namespace prod --kube-version 1.29.1 --api-versions x/v1 \
    --include-crds --no-hooks --is-upgrade --values "$values" --set-json 'c=[3]' --set a=1 --set-string b=2 Chart.yaml templates 'x: 5')"
[ ! -e "${values%/*}" ] || fail "$values is left behind"
if "$CLOUDFS" chart template --helm --set fails=1 rootfs/charts/web >out 2>err; then fail "helm failed"; fi
eq "$(cat err)" "cloudfs: rootfs/charts/web: helm: Error: the stand-in fails"
for option in --json --seed=1 --bench=1 --output-dir=o; do
    r=0
    "$CLOUDFS" chart template --helm $option rootfs/charts/web >out 2>err || r=$?
    eq "$r" 2
done

# scan: directories, archives, values files, with Metadata's version of Kubernetes; out of images too.
eq "$("$CLOUDFS" scan -q rootfs)" quay.io/a/by-cloudfs:1
"$CLOUDFS" scan --helm rootfs | sed 1d | tr -s ' ' >table
eq "$(cat table)" "quay.io/a/by-helm:1 chart missing charts/web/templates/a.yaml
quay.io/a/sub:2 chart missing charts/web/charts/sub/templates/b.yaml"
grep -qx Chart.yaml said || fail "the chart is not laid out: $(cat said)"
printf 'tag: edge\n' >rootfs/charts/web.edge.values.yaml
"$CLOUDFS" import rootfs -t img:1 >/dev/null
"$CLOUDFS" scan --helm -q img:1 >out
eq "$(cat out)" "quay.io/a/by-helm:1
quay.io/a/sub:2"
grep -qx 'tag: edge' said || fail "values files are not given: $(cat said)"
tar -czf web.tgz -C rootfs/charts web
rm -r rootfs/charts/web rootfs/charts/web.edge.values.yaml
cp web.tgz rootfs/charts/
"$CLOUDFS" scan --helm rootfs >/dev/null
grep -q '/chart.tgz$' said || fail "an archive: $(cat said)"
printf 'fails: 1\n' >rootfs/charts/web.tgz.values.yaml
"$CLOUDFS" scan --helm rootfs >out 2>err
grep -q 'charts/web.tgz: helm: Error: the stand-in fails (values for it' err || fail "$(cat err)"
eq "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'cloudfs-helm-*' -newer v.yaml 2>/dev/null | wc -l)" 0

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Charts of charts: conditions, tags, aliases, import-values, globals, archives, library charts, crds/,
# .helmignore, schemas, hooks, and archives that mean harm.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need tar gzip
cd "$work"

# chart DIR NAME [LINE...]: a chart with one template that shows its values.
chart() {
    dir=$1 name=$2
    shift 2
    mkdir -p "$dir/templates"
    printf 'apiVersion: v2\nname: %s\nversion: 1.0.0\n' "$name" >"$dir/Chart.yaml"
    for line; do printf '%s\n' "$line"; done >>"$dir/Chart.yaml"
    # shellcheck disable=SC2016 # a template
    printf 'kind: ConfigMap\nmetadata: {name: %s}\ndata: {{ toJson .Values }}\n' "$name" >"$dir/templates/cm.yaml"
}
shows() { # FILE TEXT
    "$CLOUDFS" chart template -o out --skip-schema-validation "$@" parent
}

chart parent parent 'dependencies:' '- {name: one, version: 1.x.x, condition: one.enabled}' \
    '- {name: two, version: ">=1.0.0", alias: deux, tags: [extra], import-values: [shared, {child: inner, parent: taken}]}' \
    '- {name: lib, version: 1.0.0}'
printf 'own: 1\none: {enabled: true, a: parent}\ndeux: {b: 2}\nglobal: {g: top}\ntags: {extra: true}\n' >parent/values.yaml
chart parent/charts/one one
printf 'a: child\nc: child\n' >parent/charts/one/values.yaml
chart two two
printf 'b: 1\nexports: {shared: {from: two}}\ninner: {x: 5}\n' >two/values.yaml
tar -czf parent/charts/two-1.0.0.tgz two
chart parent/charts/lib lib 'type: library'
# shellcheck disable=SC2016 # a template
printf '{{ define "lib.name" }}by-lib-{{ .Chart.Name }}{{ end }}' >parent/charts/lib/templates/_lib.tpl
printf 'kind: ConfigMap\nmetadata: {name: {{ include "lib.name" . }}}\n' >parent/templates/lib.yaml
mkdir -p parent/crds parent/files
printf 'kind: CustomResourceDefinition\nmetadata: {name: crd}\n' >parent/crds/crd.yaml
printf 'secret' >parent/files/hidden.txt
printf '# no\nhidden.txt\n' >parent/.helmignore
printf 'hidden: "{{ .Files.Get "files/hidden.txt" }}"\n' >parent/templates/files.yaml
printf '{{ fail "NOTES.txt is not rendered" }}' >parent/templates/NOTES.txt
printf 'kind: Job\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n' >parent/templates/a-hook.yaml

shows
eq "$(sed -n 's/^data: //p' out/parent/charts/one/templates/cm.yaml)" '{"a":"parent","c":"child","enabled":true,"global":{"g":"top"}}'
eq "$(sed -n 's/^data: //p' out/parent/charts/deux/templates/cm.yaml)" \
    '{"b":2,"exports":{"shared":{"from":"two"}},"global":{"g":"top"},"inner":{"x":5}}'
grep -q '"from":"two"' out/parent/templates/cm.yaml || fail "exports are not imported"
grep -q '"taken":{"x":5}' out/parent/templates/cm.yaml || fail "import-values with child and parent"
grep -q by-lib-parent out/parent/templates/lib.yaml || fail "no library chart"
eq "$(cat out/parent/templates/files.yaml)" 'hidden: ""'
[ ! -e out/parent/charts/lib/templates/cm.yaml ] || fail "a library chart is rendered"
[ ! -e out/parent/templates/NOTES.txt ] || fail "NOTES.txt is rendered"
rm -r out
shows --set one.enabled=false --set tags.extra=false
[ ! -e out/parent/charts ] || fail "a condition or tag is not heeded"
rm -r out
shows --set one.a=null,global.g=else
eq "$(sed -n 's/^data: //p' out/parent/charts/one/templates/cm.yaml)" '{"a":"child","c":"child","enabled":true,"global":{"g":"else"}}' # null takes the parent's away

# The order of kinds, hooks last; crds only when asked for.
"$CLOUDFS" chart template parent >all
eq "$(sed -n 's/^# Source: //p' all | head -n 1)" parent/charts/deux/templates/cm.yaml
eq "$(sed -n 's/^# Source: //p' all | tail -n 1)" parent/templates/a-hook.yaml
! grep -q crds/ all || fail "crds without --include-crds"
"$CLOUDFS" chart template --include-crds --no-hooks parent >all
eq "$(sed -n 's/^# Source: //p' all | head -n 1)" parent/crds/crd.yaml
! grep -q a-hook all || fail "--no-hooks"

# The same of an archive.
tar -czf parent.tgz --exclude=hidden.txt parent
"$CLOUDFS" chart template parent >want
"$CLOUDFS" chart template parent.tgz >have
cmp want have

# A schema speaks.
printf '{"type":"object","required":["need"],"properties":{"own":{"type":"string"}}}' >parent/values.schema.json
if "$CLOUDFS" chart template parent 2>said; then fail "the schema is not heeded"; fi
grep -q "parent: - (root): need is required - own: Invalid type. Expected: string, given: integer" said || fail "$(cat said)"
"$CLOUDFS" chart template parent --set need=1 --set-string own=1 >all
rm parent/values.schema.json

# refused WHAT ARGS...: one line that has WHAT.
refused() {
    what=$1
    shift
    if "$CLOUDFS" chart template "$@" >/dev/null 2>said; then fail "not refused: $*"; fi
    eq "$(wc -l <said)" 1
    grep -q "$what" said || fail "$* says $(cat said)"
}
refused 'No such file' absent
refused 'Chart.yaml file is missing' two/templates
refused 'invalid kube version' --kube-version x parent
refused 'failed parsing --set' --set a parent
cp -r two old
echo 'kubeVersion: ">=1.19.0-0 <1.25.0-0"' >>old/Chart.yaml
refused 'chart requires kubeVersion: >=1.19.0-0 <1.25.0-0 which is incompatible with Kubernetes v1.30.0' old
"$CLOUDFS" chart template --kube-version v1.24.17-eks-1 old >all
printf '{' >old/values.schema.json
refused 'values.schema.json' --kube-version 1.24 old
: >empty.tgz
refused chart empty.tgz
head -c 300 parent.tgz >cut.tgz
refused chart cut.tgz
mkdir bomb
head -c 30000000 /dev/zero >bomb/zero
cp two/Chart.yaml bomb/
tar -czf bomb.tgz bomb
rm -r bomb
refused 'larger than 20 MiB' bomb.tgz
ln -s /etc/passwd two/stray
refused stray two

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Templates of a rootfs: rendered by override (images, directories) and commit (mounts), as text, with
# the variables of the command line, a Clusterfile and the rootfs's own; left alone otherwise.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
cd "$work"
mkdir -p rootfs/etc/conf.d rootfs/charts/app rootfs/manifests rootfs/statics rootfs/opt
cat >rootfs/etc/daemon.json.tmpl <<'EOT'
{
  "registry-mirrors": [{{ range $i, $m := .MIRRORS }}{{ if $i }}, {{ end }}{{ $m | quote }}{{ end }}],
  "data-root": "{{ .DATA | default "/var/lib/docker" }}",
  "note": "<b>&'{{ .NOTE }}'</b>"
}
EOT
chmod 640 rootfs/etc/daemon.json.tmpl
echo 'a much longer text that was here before: nothing of it may stay behind, whatever it is' >rootfs/etc/daemon.json
echo 'podCIDR: {{ .CIDR }}' >rootfs/manifests/net.yaml.tmpl
echo 'cidr: {{ .CIDR }}' >rootfs/charts/app/values.yaml.tmpl
echo 'level: {{ .LEVEL | upper }}' >rootfs/statics/audit-policy.yml.tmpl
echo '{{ .CIDR }' >rootfs/opt/other.tmpl # not a place for templates
echo '{{ .CIDR }' >rootfs/etc/.tmpl      # no name is left
ln -s /etc/passwd rootfs/etc/conf.d/link.tmpl
cat >rootfs/etc/Clusterfile <<'EOT'
apiVersion: sealer.cloud/v2
kind: Cluster
spec:
  env:
    - CIDR=10.1.0.0/16
    - LEVEL=none
    - NOTE=own
EOT
cat >Clusterfile <<'EOT'
apiVersion: sealer.cloud/v2
kind: Cluster
metadata: {name: c}
spec:
  env:
    - LEVEL=metadata
    - MIRRORS=https://a.example;https://b.example
    - MIRRORS=https://c.example
    - NOTE=given
---
apiVersion: sealer.aliyun.com/v1alpha1
kind: Config
metadata: {name: extra}
spec: {path: etc/extra, data: text}
EOT
"$CLOUDFS" import rootfs -t kube:1 >/dev/null
want_daemon=$(
    cat <<'EOT'
{
  "registry-mirrors": ["https://a.example", "https://b.example", "https://c.example"],
  "data-root": "/var/lib/docker",
  "note": "<b>&'<i> & \"x\"'</b>"
}
EOT
)
note='NOTE=<i> & \"x\"' # a JSON text

# An image: without --render nothing, with it one layer with the files beside the templates.
"$CLOUDFS" override kube:1 -t plain:1 -f Clusterfile >/dev/null
eq "$("$CLOUDFS" diff plain:1 | cat)" "A etc/extra"
"$CLOUDFS" override kube:1 -t kube:2 --render -f Clusterfile --env "$note" --set manifests/net.yaml:podCIDR=10.7.0.0/16 >id
eq "$("$CLOUDFS" diff kube:2 | tr '\n' ' ')" \
    "A charts/app/values.yaml C etc/daemon.json A etc/extra A manifests/net.yaml A statics/audit-policy.yml "
eq "$("$CLOUDFS" cat kube:2:etc/daemon.json)" "$want_daemon"
eq "$("$CLOUDFS" cat kube:2:charts/app/values.yaml kube:2:statics/audit-policy.yml kube:2:manifests/net.yaml)" \
    "$(printf 'cidr: 10.1.0.0/16\nlevel: METADATA\npodCIDR: 10.7.0.0/16')"
"$CLOUDFS" cat kube:2:etc/daemon.json.tmpl | cmp - rootfs/etc/daemon.json.tmpl
"$CLOUDFS" ls -l kube:2:charts/app/values.yaml | grep -q '^-rw-r--r--' || fail "$("$CLOUDFS" ls -l kube:2:charts/app/values.yaml)"
"$CLOUDFS" history --json kube:2 | grep -q '<i>' && fail "a variable is in the history"
"$CLOUDFS" override kube:2 --render -f Clusterfile --env "$note" --set manifests/net.yaml:podCIDR=10.7.0.0/16 >again 2>said
cmp id again
grep -q 'nothing to change' said || fail "$(cat said)"
"$CLOUDFS" override kube:1 --render --env MIRRORS='x;y' --env DATA=/data --dry-run | grep -q '^+  "data-root": "/data",' || fail "--env"

# What is wrong: with file and line.
fails_with 1 "etc/daemon.json.tmpl:2:.*range can't iterate over one" "$CLOUDFS" override kube:1 --render --env MIRRORS=one
fails_with 1 '--env: "MIRRORS" is not NAME=VALUE' "$CLOUDFS" override kube:1 --render --env MIRRORS
fails_with 2 'it needs --render' "$CLOUDFS" override kube:1 --env A=b --rm opt
printf 'one\n\n{{ .NOT_SET }}\n' >rootfs/etc/bad.tmpl
fails_with 1 'etc/bad.tmpl:3: a variable here is not set' "$CLOUDFS" override ./rootfs --render --env MIRRORS='x;y'
printf 'one\n{{ if }}\n' >rootfs/etc/bad.tmpl
fails_with 1 'etc/bad.tmpl:2:' "$CLOUDFS" override ./rootfs --render --env MIRRORS='x;y'
printf '{{ range until 100000000 }}x{{ end }}' >rootfs/etc/bad.tmpl
fails_with 1 'etc/bad.tmpl' "$CLOUDFS" override ./rootfs --render --env MIRRORS='x;y'
rm rootfs/etc/bad.tmpl
printf 'kind: Cluster\nspec:\n  env:\n  - NOTHING\n' >bad.yml
fails_with 1 'bad.yml:4: spec.env is a list of NAME=VALUE' "$CLOUDFS" override kube:1 --render -f bad.yml
[ ! -e rootfs/manifests/net.yaml ] || fail "something was written in spite of the error"

# A directory, where links lead nowhere else.
"$CLOUDFS" override ./rootfs --render --env MIRRORS='x;y'
eq "$(cat rootfs/manifests/net.yaml)" 'podCIDR: 10.1.0.0/16'
[ ! -e rootfs/etc/conf.d/link ] || fail "a link was rendered"
[ ! -e rootfs/opt/other ] || fail "opt/ was rendered"

# A commit: what is rendered is in the mount, and in the layer.
fails_with 2 'they need --render' "$CLOUDFS" commit -t x:1 --env A=b
if (need_fuse) >/dev/null 2>&1; then
    mkdir m
    "$CLOUDFS" mount kube:1 m
    "$CLOUDFS" commit ./m -t left:1 >/dev/null 2>&1
    "$CLOUDFS" ls left:1:manifests | grep -qx net.yaml.tmpl || fail "the template is gone"
    "$CLOUDFS" ls left:1:manifests | grep -qx net.yaml && fail "a commit renders unasked"
    eq "$("$CLOUDFS" commit ./m --dry-run --render --clusterfile Clusterfile | tr '\n' ' ')" \
        "A charts/app/values.yaml C etc/daemon.json A manifests/net.yaml A statics/audit-policy.yml "
    [ ! -e m/manifests/net.yaml ] || fail "a dry run writes"
    echo 'LATER={{ .CIDR }}' >m/etc/late.tmpl
    "$CLOUDFS" commit ./m -t kube:3 --render --clusterfile Clusterfile --env "$note" >/dev/null
    eq "$(cat m/etc/daemon.json)" "$want_daemon"
    eq "$("$CLOUDFS" cat kube:3:etc/daemon.json)" "$want_daemon"
    eq "$("$CLOUDFS" cat kube:3:etc/late)" "LATER=10.1.0.0/16"
    eq "$("$CLOUDFS" history -q kube:3 | wc -l)" 2
    fails_with 1 'etc/daemon.json.tmpl:2:' "$CLOUDFS" commit ./m -t kube:4 --render --env MIRRORS=one
    fails_with 1 "no such image" "$CLOUDFS" ls kube:4
    id=$("$CLOUDFS" inspect ./m | sed -n 's/^ *"Id": "\([^"]*\)".*/\1/p' | head -n 1)
    "$CLOUDFS" umount m
    [ -z "$id" ] || fails_with 1 'is not mounted: mount --resume it' "$CLOUDFS" commit "$id" -t kube:4 --render
    "$CLOUDFS" umount --discard "${id:-m}"
else
    skip_part "no FUSE here: commit --render"
fi

# As an ordinary user.
mkdir own && chmod 777 own
drop env CLOUDFS_ROOT="$work/own/store" sh -c '"$CLOUDFS" import - -t kube:1' < <(tar -C rootfs --exclude=manifests/net.yaml -cf - .) >/dev/null
drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" override kube:1 -t kube:2 --render --env MIRRORS='x;y' >/dev/null
eq "$(drop env CLOUDFS_ROOT="$work/own/store" "$CLOUDFS" cat kube:2:manifests/net.yaml)" 'podCIDR: 10.1.0.0/16'

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job of cloudfs, step by step, on the sample CloudRootfs: `make demo` runs it.
# Each command is printed as `$ command` above its output, so that the output is a tutorial. Each
# step is checked; the first that goes wrong ends the demo with status 1.
#
# CLOUDFS: the command to show (default build/cloudfs). CLOUDFS_DEMO_NO_MOUNT=1: as if /dev/fuse
# were missing. CLOUDFS_DEMO_KEEP=1: leave the working directory.
set -eu -o pipefail
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${CLOUDFS:-$top/build/cloudfs}
work=
old=kubernetes:v1.19.8
new=user-defined-kubernetes:v1.19.8
message='Fewer downloads at once, our own pod network'
mounted= # set when the edit was made in a mount

title() {
    printf '\n## %s\n' "$*"
}

note() {
    printf '# %s\n' "$*"
}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# run_to STATUS COMMAND: shows the command and what it prints; fails unless it ends with STATUS.
# The output goes to a file first: a daemon that kept our stdout open could not hang the demo.
run_to() {
    local want=$1 got=0
    printf '\n$ %s\n' "$2"
    (eval "$2") >"$work/out" 2>&1 </dev/null || got=$?
    cat "$work/out"
    [ "$got" -eq "$want" ] || fail "'$2' ended with status $got, not $want"
}

run() {
    run_to 0 "$1"
}

# run_short COMMAND: as run, but a long output is cut in the middle of being shown, not of being checked.
run_short() {
    local lines=25
    printf '\n$ %s\n' "$1"
    (eval "$1") >"$work/out" 2>&1 </dev/null || {
        cat "$work/out"
        fail "'$1' failed"
    }
    head -n "$lines" "$work/out"
    [ "$(wc -l <"$work/out")" -le "$lines" ] || echo "... ($(wc -l <"$work/out") lines)"
}

# said PATTERN: the last command printed a line that matches; not_said: it did not.
said() {
    grep -Eq -e "$1" "$work/out" || fail "the output lacks '$1'"
}

not_said() {
    ! grep -Eq -e "$1" "$work/out" || fail "the output has '$1', which it should not"
}

# Why nothing can be mounted here, or nothing if it can.
why_no_mount() {
    local caps=CapBnd
    [ -z "${CLOUDFS_DEMO_NO_MOUNT:-}" ] || { echo "CLOUDFS_DEMO_NO_MOUNT is set" && return; }
    [ -c /dev/fuse ] || { echo "/dev/fuse is missing" && return; }
    (: <>/dev/fuse) 2>/dev/null || { echo "/dev/fuse cannot be opened" && return; }
    if [ "$(id -u)" -eq 0 ]; then
        caps=CapEff
    else
        command -v fusermount3 >/dev/null || { echo "fusermount3 is missing" && return; }
        ! grep -Eq '^NoNewPrivs:.*1' /proc/self/status ||
            { echo "no_new_privs is set, so fusermount3 cannot help an ordinary user" && return; }
    fi
    # CAP_SYS_ADMIN is bit 21: a container may have the device and not the right to mount.
    caps=$(awk -v key="$caps:" '$1 == key {print $2}' /proc/self/status)
    [ $((0x$caps >> 21 & 1)) -eq 1 ] || echo "mount(2) is not permitted here"
}

cleanup() {
    local status=$? dir
    trap - EXIT
    cd /
    if [ -n "$work" ]; then
        "$bin" umount --all >/dev/null 2>&1 || true
        for dir in "$work"/demo/mnt "$work"/demo/new; do
            if mountpoint -q "$dir" 2>/dev/null; then
                fusermount3 -u "$dir" 2>/dev/null || umount "$dir" || true
            fi
        done
        if [ -n "${CLOUDFS_DEMO_KEEP:-}" ]; then
            echo "demo: left in $work" >&2
        else
            rm -rf --one-file-system "$work"
        fi
    fi
    [ "$status" -eq 0 ] || echo "demo: FAILED" >&2
    exit "$status"
}

setup() {
    [ -x "$bin" ] || fail "$bin: not built yet, run make"
    bin=$(cd "$(dirname "$bin")" && pwd)/$(basename "$bin")
    work=$(mktemp -d "${TMPDIR:-/tmp}/cloudfs-demo.XXXXXX")
    trap cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$work/path" "$work/demo"
    ln -s "$bin" "$work/path/cloudfs"
    PATH=$work/path:$PATH
    export CLOUDFS_ROOT=$work/store
    export LC_ALL=C
    cd "$work/demo"
    "$here/make-rootfs.sh" "$work/demo/rootfs"
    cp "$here/kubeadm.awk" .
}

show_rootfs() {
    title "A CloudRootfs: all that a Kubernetes cluster needs, in one directory"
    note "The store of this demo is a temporary one: CLOUDFS_ROOT=$CLOUDFS_ROOT"
    run 'ls rootfs rootfs/etc'
}

show_import() {
    title "Import it as an image"
    run "cloudfs import rootfs -t $old"
    run 'cloudfs images'
    said '^kubernetes +v1\.19\.8 '
    run_short "cloudfs inspect $old"
    said 'sha256:[0-9a-f]{64}'
}

show_look_inside() {
    title "Look inside, without a mount and without any privilege"
    run "cloudfs ls $old"
    for name in Kubefile Metadata bin charts cri etc images manifests plugins registry scripts statics; do
        said "^/?$name/?\$"
    done
    run "cloudfs ls -l $old:etc"
    said 'daemon\.json'
    run "cloudfs cat $old:etc/daemon.json"
    cmp "$work/out" rootfs/etc/daemon.json || fail "etc/daemon.json is not what was imported"
    run "cloudfs cat $old:etc/kubeadm.yml | grep '^kind:'"
    [ "$(wc -l <"$work/out")" -eq 5 ] || fail "etc/kubeadm.yml should hold five documents"
    run "cloudfs cat $old:cri/docker.tar.gz | tar -tzf -"
    said '^docker/dockerd$'
}

edit_mounted() {
    title "Mount it, and edit it with any tool"
    mkdir mnt
    run "cloudfs mount $old mnt"
    run 'cloudfs mount'
    said "$work/demo/mnt"
    run 'ls mnt mnt/scripts'
    run 'sh mnt/bin/kubectl version'
    said 'v1\.19\.8'
    diff -r --no-dereference rootfs mnt || fail "the mount does not show what was imported"

    note "docker: fewer downloads at once, and larger logs"
    run "sed -i -e 's/\"max-concurrent-downloads\": 20/\"max-concurrent-downloads\": 10/' -e 's/\"10m\"/\"100m\"/' mnt/etc/daemon.json"
    run 'grep -e max mnt/etc/daemon.json'
    said '"max-concurrent-downloads": 10,'

    note "kubeadm: another network for the pods, a name for the API server, by a script"
    run 'cat kubeadm.awk'
    run 'awk -f kubeadm.awk mnt/etc/kubeadm.yml > kubeadm.yml && cat kubeadm.yml > mnt/etc/kubeadm.yml'
    run "grep -e podSubnet -A 2 -e certSANs mnt/etc/kubeadm.yml"
    said 'podSubnet: 172\.20\.0\.0/14'

    note "one file more, one file fewer"
    run "echo 'docker.io/library/redis:6.2' >> mnt/manifests/imageList && cp mnt/plugins/taint.yaml mnt/plugins/label.yaml && rm mnt/scripts/uninstall.sh"
}

commit_mounted() {
    title "What did I change? Make an image of it"
    run_to 1 'cloudfs diff ./mnt'
    said '^C /?etc/daemon\.json$'
    said '^C /?etc/kubeadm\.yml$'
    said '^C /?manifests/imageList$'
    said '^A /?plugins/label\.yaml$'
    said '^D /?scripts/uninstall\.sh$'
    not_said 'bin/kubelet'
    not_said 'registry'
    run "cloudfs commit ./mnt -t $new -m '$message'"
    said '[0-9a-f]{12}'
}

check_mounted() {
    title "The new image has the edit, the old one has not"
    mkdir new
    run "cloudfs mount --ro $new new"
    run 'grep max-concurrent-downloads new/etc/daemon.json'
    said ': 10,'
    cmp kubeadm.yml new/etc/kubeadm.yml || fail "etc/kubeadm.yml of the new image is not what was written"
    [ -f new/plugins/label.yaml ] || fail "plugins/label.yaml did not get into the new image"
    [ ! -L new/scripts/uninstall.sh ] || fail "scripts/uninstall.sh is still in the new image"
    run_to 1 'rm new/etc/daemon.json'
    said '[Rr]ead-only'
    run 'cloudfs umount new'
    run "cloudfs umount --discard mnt"
    run "cloudfs mount --ro $old mnt"
    run 'grep max-concurrent-downloads mnt/etc/daemon.json'
    said ': 20,'
    diff -r --no-dereference rootfs mnt || fail "the old image has changed"
    run 'cloudfs umount mnt'
}

# The same edit where nothing can be mounted: a directory with the changed files, imported on top.
edit_without_mount() {
    title "Change files without a mount"
    note "a directory that holds the changed files becomes a layer on top of the old image"
    run 'mkdir -p change/etc'
    run "cloudfs cat $old:etc/daemon.json | sed -e 's/\"max-concurrent-downloads\": 20/\"max-concurrent-downloads\": 10/' -e 's/\"10m\"/\"100m\"/' > change/etc/daemon.json"
    run 'cat kubeadm.awk'
    run "cloudfs cat $old:etc/kubeadm.yml | awk -f kubeadm.awk > change/etc/kubeadm.yml"
    run "cloudfs import change --base $old -t $new"
}

check_images() {
    title "Compare the two, with no mount"
    run "cloudfs cat $new:etc/daemon.json | grep max-concurrent-downloads"
    said ': 10,'
    run "cloudfs cat $old:etc/daemon.json | grep max-concurrent-downloads"
    said ': 20,'
    run_to 1 "cloudfs diff $new $old"
    said '^C /?etc/daemon\.json$'
    said '^C /?etc/kubeadm\.yml$'
    not_said 'bin/kubelet'
    run_to 1 "cloudfs diff -p $new $old | grep '^[-+]'"
    said '^-  "max-concurrent-downloads": 20,$'
    said '^\+  "max-concurrent-downloads": 10,$'
    said '^\+  podSubnet: 172\.20\.0\.0/14$'
    run "cloudfs history $new"
    [ "$(wc -l <"$work/out")" -ge 3 ] || fail "the history should have a line for each of the two layers"
    [ -z "$mounted" ] || said "$message\$"
    run "cloudfs blame $new etc/daemon.json bin/kubelet"
    said '^etc/daemon\.json$'
    said '^ +C layer 1 '
    said '^bin/kubelet$'
    [ "$(grep -c '^ *A layer 0 ' "$work/out")" -eq 2 ] || fail "both files should come from layer 0"
    run 'cloudfs images'
    said '^user-defined-kubernetes +v1\.19\.8 '
}

check_extract() {
    title "Copy a part of it out"
    run "cloudfs extract $new:etc etc && ls etc"
    said '^kubeadm\.yml$'
    cmp etc/kubelet.service rootfs/etc/kubelet.service || fail "etc/kubelet.service was not extracted as imported"
}

show_store() {
    title "The store: the second image costs its changes only"
    run 'cloudfs df'
    run "cloudfs tag $new mine:latest"
    run "cloudfs rmi $new mine:latest"
    run 'cloudfs gc'
    run 'cloudfs fsck'
    run "cloudfs cat $old:etc/daemon.json"
    cmp "$work/out" rootfs/etc/daemon.json || fail "gc took something of the old image"
    run_to 1 "cloudfs cat $new:etc/daemon.json"
    said '^cloudfs: '
}

main() {
    local why
    setup
    show_rootfs
    show_import
    show_look_inside
    why=$(why_no_mount)
    if [ -z "$why" ]; then
        mounted=1
        edit_mounted
        commit_mounted
        check_mounted
    else
        title "No mount on this machine: $why"
        note "the rest is shown without one"
        edit_without_mount
    fi
    check_images
    check_extract
    show_store
    printf '\nThe demo is complete.\n'
}

main

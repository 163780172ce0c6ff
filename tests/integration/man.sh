#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every command has a page, every page has every option, no page has a command that is not there,
# the pages are good mdoc, and their examples work.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
man=$top/docs/man

"$CLOUDFS" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 20 ] || fail "--help lists only: $(cat "$work/commands")"

# The options that --help prints, as mdoc has them: -t, --tag is ".It Fl t , -tag".
# has_options PAGE: those of stdin are in it.
has_options() {
    while read -r short long; do
        [ -n "$long" ] || long=$short short=
        grep -qE "^\.It .*Fl (${short:+${short#-} , })?${long#-}( |\$)" "$man/$1" ||
            fail "$1 does not describe $short $long"
    done
}
options() {
    sed -nE 's/^  (-[A-Za-z],|   ) (--[a-z-]+).*/\1 \2/p' | tr -d ,
}

while read -r command; do
    page=cloudfs-$command.1
    [ -f "$man/$page" ] || fail "cloudfs $command has no page"
    "$CLOUDFS" "$command" --help >"$work/help"
    summary=$(sed -n 3p "$work/help")
    [ -n "$summary" ] || fail "cloudfs $command --help has no summary"
    sed '/^Options of all commands:/,$d' "$work/help" | options >"$work/own"
    has_options "$page" <"$work/own"
    sed '1,/^Options of all commands:/d' "$work/help" | options >"$work/common"
    grep -q -e --json "$work/common" || fail "cloudfs $command --help lacks the common options"
    has_options cloudfs.1 <"$work/common"
    grep -q '^\.Xr cloudfs 1' "$man/$page" || fail "$page does not lead to cloudfs(1)"
    grep -q "^\.It Xr cloudfs-$command 1" "$man/cloudfs.1" || fail "cloudfs.1 does not list $command"
    for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES; do
        grep -q "^\.Sh $section" "$man/$page" || fail "$page has no section $section"
    done

    # And the other way round: what the page describes is there.
    sed -nE 's/^\.It Fl //p' "$man/$page" | sed 's/ Ar .*//; s/ ; / , /g; s/Fl //g' | tr ',' '\n' |
        tr -d ' ' | while read -r option; do
        [ -z "$option" ] || options <"$work/help" | tr ' ' '\n' | grep -qxF -e "-$option" ||
            fail "$page describes -$option, which cloudfs $command does not have"
    done
done <"$work/commands"

has_commit=$(grep -cxF commit "$work/commands" || true)
[ "$has_commit" = 1 ] || skip_part "no commit in this build: its page and the examples with it"
for page in "$man"/cloudfs-*.1; do
    name=$(basename "$page" .1)
    [ "$name:$has_commit" != cloudfs-commit:0 ] || continue
    grep -qxF "${name#cloudfs-}" "$work/commands" || fail "$name has a page and is no command"
done

if command -v mandoc >/dev/null 2>&1; then
    mandoc -T lint -W warning "$man"/*.1 >"$work/lint" 2>&1 || true
    [ ! -s "$work/lint" ] || {
        cat "$work/lint"
        fail "mandoc complains"
    }
else
    skip_part "no mandoc here: the pages are not checked by it"
fi

# The examples of each page, in a directory and store of their own that have what they name.
examples() {
    awk '/^\.Sh / {on = $2 == "EXAMPLES"} on && /^\$ / {gsub(/\\e/, "\\"); print substr($0, 3)}' "$1"
}
prepare() {
    mkdir -p "$1/bin" "$1/rootfs/etc" "$1/rootfs/bin" "$1/edits/etc"
    cd "$1"
    ln -s "$CLOUDFS" bin/cloudfs
    printf '{\n  "max-file": "3"\n}\n' >rootfs/etc/daemon.json
    echo 'kind: InitConfiguration' >rootfs/etc/kubeadm.yml
    echo 'kind: ClusterConfiguration' >edits/etc/kubeadm.yml
    head -c 100000 /dev/urandom >rootfs/bin/kubelet
    export CLOUDFS_ROOT="$1/store"
    "$CLOUDFS" import rootfs -t kube:v1 >/dev/null
    "$CLOUDFS" import edits --base kube:v1 -t kube:v2 >/dev/null
    "$CLOUDFS" save -o kube.tar kube:v1
}
count=0
for page in "$man"/*.1; do
    name=$(basename "$page" .1)
    examples "$page" >"$work/examples"
    [ -s "$work/examples" ] || fail "$name has no examples"
    if grep -q 'cloudfs mount' "$work/examples" && ! can_fuse; then
        skip_part "the examples of $name need a mount"
        continue
    fi
    [ "$has_commit" = 1 ] || ! grep -q 'cloudfs commit' "$work/examples" || continue
    if grep -qE 'cloudfs (login|logout|tags|pull|push) ' "$work/examples"; then
        continue # registry-*.sh do that at real registries
    fi
    prepare "$work/$name"
    (
        echo 'set -eu -o pipefail'
        cat "$work/examples"
    ) >"$work/run"
    PATH="$work/$name/bin:$PATH" bash "$work/run" >"$work/said" 2>&1 || {
        cat "$work/run" "$work/said"
        fail "the examples of $name do not work"
    }
    count=$((count + 1))
done
[ "$count" -ge 15 ] || fail "only $count pages were tried"

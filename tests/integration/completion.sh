#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the shells offer: bash by calling the function as readline does, fish by its own `complete
# -C`, zsh as far as its parser goes.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
[ -n "${BASH_VERSION:-}" ] || exec bash "$0"
completion=$top/cli/completion
cd "$work"
mkdir -p bin src/etc/conf.d "src/a b" files/sub
ln -s "$CLOUDFS" bin/cloudfs
PATH=$work/bin:$PATH
echo x >src/etc/daemon.json
echo x >src/etc/conf.d/one
"$CLOUDFS" import src -t kube:v1 >/dev/null
"$CLOUDFS" tag kube:v1 kube:v2 localhost:5000/apps/kube:v1
"$CLOUDFS" --root other import src -t elsewhere:1 >/dev/null

# shellcheck source=/dev/null
. "$completion/cloudfs"
complete -p cloudfs >/dev/null || fail "bash does not complete cloudfs"

# offers LINE WANTED...: exactly these, as bash would insert them.
offers() {
    COMP_LINE=$1 COMP_POINT=${#1}
    shift
    COMPREPLY=()
    _cloudfs
    eq "$COMP_LINE -> $(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')" \
        "$COMP_LINE -> $(printf '%s\n' "$@" | sort | tr '\n' ' ')"
}
has() {
    COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
    _cloudfs
    case " ${COMPREPLY[*]} " in
    *" $2 "*) ;;
    *) fail "$1 -> ${COMPREPLY[*]}, without $2" ;;
    esac
}

mapfile -t commands < <("$CLOUDFS" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
offers 'cloudfs ' "${commands[@]}"
offers 'cloudfs um' umount
offers 'cloudfs -q um' umount
offers 'cloudfs --root other um' umount
offers 'cloudfs help um' umount
for command in "${commands[@]}"; do
    mapfile -t options < <("$CLOUDFS" "$command" --help | sed -nE 's/^  (-., |    )(--[a-z-]+).*/\2/p')
    [ "${#options[@]}" -ge 5 ] || fail "$command --help lists no options"
    offers "cloudfs $command -" "${options[@]}" --help
done
offers 'cloudfs save --fo' --format
offers 'cloudfs save --format ' oci oci-dir docker sealer
offers 'cloudfs save --format d' docker
offers 'cloudfs save --format=d' docker
offers 'cloudfs inspect --format ' json sealer
offers 'cloudfs --progress t' tty
offers 'cloudfs history ' kube:v1 kube:v2 localhost:5000/apps/kube:v1
offers 'cloudfs history kube:v' v1 v2 # bash has the part up to the colon already
offers 'cloudfs history localhost:' 5000/apps/kube:v1
offers 'cloudfs history localhost:5000/apps/kube:' v1
offers 'cloudfs history kube:v1 ' ''
offers 'cloudfs --root other rmi ' elsewhere:1
offers 'cloudfs rmi --root other ' elsewhere:1
offers 'cloudfs rmi --root=other ' elsewhere:1
offers 'cloudfs rmi kube:v1 kube:v2 l' localhost:5000/apps/kube:v1
offers 'cloudfs import src -t ku' kube:v1 kube:v2
offers 'cloudfs import src --base=ku' kube:v1 kube:v2
offers 'cloudfs import -t a:b fi' files
offers 'cloudfs mount kube:v1 fi' files
offers 'cloudfs extract kube:v1 fi' files
offers 'cloudfs load -i fi' files
offers 'cloudfs ls kube:v1:et' etc/
offers 'cloudfs ls kube:v1:etc/' etc/conf.d/ etc/daemon.json
offers 'cloudfs cat kube:v1:/etc/d' /etc/daemon.json
offers 'cloudfs cat localhost:5000/apps/kube:v1:etc/conf.d/' etc/conf.d/one
offers 'cloudfs gc ' ''
offers 'cloudfs images -- -' ''
offers 'cloudfs nothing ' ''
if can_fuse; then
    mkdir mnt
    "$CLOUDFS" mount kube:v1 mnt
    id=$("$CLOUDFS" mount -q)
    has 'cloudfs umount ' "$id"
    has 'cloudfs commit ' "$id"
    offers "cloudfs mount --resume ${id%????}" "$id"
    has 'cloudfs umount m' mnt
    "$CLOUDFS" umount mnt
else
    skip_part "no mounts here: that their IDs are offered"
fi

if command -v fish >/dev/null 2>&1; then
    mkdir -p home
    fish_offers() {
        HOME=$work/home fish --no-config -c "source '$completion/cloudfs.fish'; complete -C '$1'" | cut -f 1 | sort | tr '\n' ' '
    }
    eq "$(fish_offers 'cloudfs um')" 'umount '
    eq "$(fish_offers 'cloudfs history kube:')" 'kube:v1 kube:v2 '
    eq "$(fish_offers 'cloudfs --root other rmi e')" 'elsewhere:1 '
    eq "$(fish_offers 'cloudfs save --fo')" '--format '
    eq "$(fish_offers 'cloudfs save --format d')" 'docker '
    eq "$(fish_offers 'cloudfs cat kube:v1:etc/')" 'kube:v1:etc/conf.d/ kube:v1:etc/daemon.json '
else
    skip_part "no fish here: its completion"
fi
if command -v zsh >/dev/null 2>&1; then
    zsh -n "$completion/_cloudfs" || fail "zsh does not read its completion"
    head -n 1 "$completion/_cloudfs" | grep -qx '#compdef cloudfs' || fail "zsh does not find its completion"
else
    skip_part "no zsh here: its completion"
fi

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wrong usage: status 2, nothing on stdout, what is wrong and the usage line on stderr, and nothing
# happens to any store. Help and version: status 0, on stdout.
. "$(dirname "$0")/../lib/lib.sh"
set -eu

# wrong PATTERN ARGUMENTS...: of the command that the first argument names.
wrong() {
    pattern=$1
    shift
    fails_with 2 "^cloudfs $1: .*$pattern" "$CLOUDFS" "$@"
    eq "$(cat "$work/.stdout")" ""
    eq "$(wc -l <"$work/.stderr")" 2
    usage=$(tail -n 1 "$work/.stderr")
    eq "$usage" "$("$CLOUDFS" "$1" --help | head -n 1)"
}

: >"$work/file"
mkdir "$work/dir"
cd "$work"

wrong 'argument is missing' import
wrong 'argument is missing' import -t a:b
wrong '-t REF is needed' import dir
wrong "too many arguments: 'more'" import dir more -t a:b
wrong '-t needs REF' import dir -t
wrong '--base needs REF' import dir -t a:b --base
wrong "'soon' is not a time" import dir -t a:b --timestamp soon
wrong "'-1' is not a time" import dir -t a:b --timestamp=-1
wrong "'@' is not a time" import dir -t a:b --timestamp @
wrong "'12x' is not a time" import dir -t a:b --timestamp 12x
wrong "'2026-13-01T00:00:00Z' is not a time" import dir -t a:b --timestamp 2026-13-01T00:00:00Z
wrong "'2026-01-31' is not a time" import dir -t a:b --timestamp 2026-01-31
wrong "'99999999999999999999' is not a time" import dir -t a:b --timestamp 99999999999999999999
wrong "--label: 'x' is not KEY=VALUE" import dir -t a:b --label x
wrong "--label: '=x' is not KEY=VALUE" import dir -t a:b --label =x
wrong "--annotation: 'x' is not KEY=VALUE" import dir -t a:b --annotation x
wrong "--platform: 'linux' is not OS/ARCH" import dir -t a:b --platform linux
wrong "--platform: 'linux/' is not OS/ARCH" import dir -t a:b --platform linux/
wrong "--platform: '/amd64' is not OS/ARCH" import dir -t a:b --platform /amd64
wrong '-i FILE is needed' load
wrong "too many arguments: 'x'" load -i file x
wrong '--input needs FILE' load --input
wrong 'argument is missing' save -o out
wrong '-o FILE is needed' save a:b
wrong "--format: 'tar' is none of oci, oci-dir, docker, sealer" save -o out --format tar a:b
for compression in lz4 gzip:0 gzip:10 gzip: gzip:x gzip:1x zstd:0 zstd:23 zstd:-1 none:1 '' gz zstdx; do
    wrong "--compression: '$compression' is none of" save -o out --compression "$compression" a:b
done
wrong "too many arguments: 'b'" images a b
wrong 'arguments are missing' tag a
wrong 'argument is missing' tag
wrong 'argument is missing' rmi
wrong 'argument is missing' history
wrong "too many arguments: 'b'" history a b
wrong 'argument is missing' inspect
wrong "too many arguments: 'b'" inspect a b
wrong "--format: 'yaml' is none of json, sealer" inspect --format yaml a
wrong 'argument is missing' ls
wrong 'argument is missing' cat
wrong 'arguments are missing' extract a
wrong "too many arguments: 'c'" extract a b c
wrong 'argument is missing' diff
wrong "too many arguments: 'c'" diff a b c
wrong 'arguments are missing' blame a
wrong 'do not go together' diff -p --settings a
wrong 'what to change is missing' override a:b
wrong "too many arguments: 'c:d'" override a:b c:d --rm x
wrong "too many arguments: 'b'" kubeadm a b
wrong 'it needs --apply' kubeadm a:b -t c:d
wrong '--tag needs REF' kubeadm a:b --apply --tag
wrong '--set needs FILE:PATH=VALUE' override a:b --set
wrong "there is no rule 'all'" check --ignore all
wrong "--platform: 'amd64' is not OS/ARCH" check --platform amd64
wrong "too many arguments: 'b'" check a b
wrong 'argument is missing' rebase --onto a:b -t c:d
wrong '--onto REF is needed' rebase a:b -t c:d
wrong '-t REF is needed' rebase a:b --onto c:d
wrong 'do not go together' rebase a:b --onto c:d -t e:f --ours --theirs
wrong 'mount point is missing' mount a
wrong "too many arguments: 'c'" mount a b c
wrong 'takes at most a mount point' mount --resume 12 a b
wrong 'which mount' umount
wrong 'which mount' umount --discard
wrong '--all takes no mounts' umount --all dir
if "$CLOUDFS" --help | grep -q '^  commit '; then
    wrong '-t REF is needed' commit
    wrong "too many arguments: 'dir'" commit . dir -t a:b
    wrong "'never' is not a time" commit -t a:b --timestamp never
else
    skip_part "no commit in this build: its wrong uses"
fi
for command in gc fsck version; do
    wrong "too many arguments: 'x'" "$command" x
done

# What is wrong in the same way everywhere.
"$CLOUDFS" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' >commands
[ "$(wc -l <commands)" -ge 20 ] || fail "--help lists only: $(cat commands)"
while read -r command; do
    wrong 'unknown option --no-such' "$command" --no-such
    wrong 'unknown option --no-such' "$command" --no-such=1
    wrong 'unknown option -Z' "$command" -Z
    wrong 'unknown option --jso' "$command" --jso
    wrong '--json takes no value' "$command" --json=1
    wrong '--root needs DIR' "$command" --root
done <commands

wrong "--progress: 'much' is none of" images --progress much

fails_with 2 '^cloudfs: no command' "$CLOUDFS"
fails_with 2 '^usage: cloudfs ' "$CLOUDFS"
fails_with 2 '^usage: cloudfs ' "$CLOUDFS" --quiet
fails_with 2 "^cloudfs: there is no command 'mont'" "$CLOUDFS" mont kube:v1 dir
fails_with 2 '^usage: cloudfs ' "$CLOUDFS" mont
fails_with 2 "^cloudfs: there is no command 'mont'" "$CLOUDFS" help mont
fails_with 2 '^cloudfs: unknown option --no-such' "$CLOUDFS" --no-such images
fails_with 2 '^cloudfs: --root needs DIR' "$CLOUDFS" --root

# None of this has made a store, or anything else.
[ ! -e "$CLOUDFS_ROOT" ] || fail "wrong usage made a store"
eq "$(ls)" "$(printf 'commands\ndir\nfile')"

# Help is on stdout, whatever else is wrong with the line behind it.
while read -r command; do
    for line in "$command --help" "$command -h" "help $command" "--quiet $command --help"; do
        # shellcheck disable=SC2086 # words
        "$CLOUDFS" $line >help 2>err || fail "cloudfs $line ends with $?"
        [ ! -s err ] || fail "cloudfs $line says on stderr: $(cat err)"
        grep -q "^usage: cloudfs $command \[OPTIONS\]" help || fail "cloudfs $line prints no usage"
        grep -q '^Options of all commands:' help || fail "cloudfs $line lacks the common options"
    done
done <commands
"$CLOUDFS" --help >help
"$CLOUDFS" help | cmp - help
"$CLOUDFS" -h | cmp - help
grep -q '^usage: cloudfs ' help
[ ! -e "$CLOUDFS_ROOT" ] || fail "help made a store"

version=$("$CLOUDFS" version)
expr "$version" : 'cloudfs [0-9][0-9.]*$' >/dev/null || fail "version prints $version"
eq "$("$CLOUDFS" --version)" "$version"
[ ! -e "$CLOUDFS_ROOT" ] || fail "version made a store"

# Options of all commands stand in front and behind, with = and without; -- ends options.
mkdir odd
printf x >odd/-l
"$CLOUDFS" --root "$work/s" import odd -t odd:1 -q >id
"$CLOUDFS" --root="$work/s" images -q | cmp - id
"$CLOUDFS" images -q --root "$work/s" | cmp - id
"$CLOUDFS" -q --root "$work/s" images | cmp - id
CLOUDFS_ROOT=$work/s "$CLOUDFS" images -q | cmp - id
eq "$("$CLOUDFS" --root "$work/s" ls -- odd:1)" -l
fails_with 1 "no such image.*'-l'" "$CLOUDFS" --root "$work/s" ls -- -l
[ ! -e "$CLOUDFS_ROOT" ] || fail "--root does not replace CLOUDFS_ROOT"

# The default store of a user.
as_user "$CLOUDFS" images >/dev/null
as_user test -d "$work/user/.local/share/cloudfs" || fail "XDG_DATA_HOME is not used"
as_user env -u XDG_DATA_HOME HOME="$work/user/run" "$CLOUDFS" images >/dev/null
as_user test -d "$work/user/run/.local/share/cloudfs" || fail "the home directory is not used"

# A store that is none, or cannot be.
fails_with 1 "^cloudfs: .*$work/odd" "$CLOUDFS" --root "$work/odd" images
fails_with 1 "^cloudfs: .*$work/file" "$CLOUDFS" --root "$work/file" images
fails_with 1 '^cloudfs: ' "$CLOUDFS" --root '' images
fails_with 1 '^cloudfs: .*permission' as_user sh -c 'umask 777; mkdir "$HOME/shut"; "$1" --root "$HOME/shut/s" images 2>&1 | sed "s/Permission/permission/" >&2; exit 1' sh "$CLOUDFS"
eq "$(ls -A "$work/odd")" -l

# What cannot be written is a failure.
if [ -c /dev/full ]; then
    for line in version 'version --json' info 'info --json' df 'df --json' images 'images --json' \
        'images -q' 'images --names' 'ls odd:1' 'ls -lR odd:1' 'ls --json odd:1' 'cat odd:1:-l' \
        'history odd:1' 'history --json odd:1' 'inspect odd:1' 'inspect --format sealer odd:1' \
        'blame odd:1 -- -l' 'blame --json odd:1 -- -l' 'gc -n' 'gc --json' fsck 'fsck --json' \
        'import odd -t odd:2' 'import --json odd -t odd:3' 'save -o - odd:1' \
        'save --format docker -o - odd:1' 'rmi odd:2' 'mount --json' --help 'ls --help'; do
        fails_with 1 '^cloudfs: .*No space left' sh -c "\"\$CLOUDFS\" --root s $line >/dev/full"
    done
    for line in 'diff odd:1' 'diff --json odd:1' 'diff -p odd:1'; do
        fails_with 2 '^cloudfs: .*No space left' sh -c "\"\$CLOUDFS\" --root s $line >/dev/full"
    done
else
    skip_part "no /dev/full here: output that cannot be written"
fi

# A reader that goes away is a failure too, and no more than one line.
(trap '' PIPE; sleep 0.3; exec "$CLOUDFS" --root s ls -lR odd:1) 2>err | true
[ "$(wc -l <err)" -le 1 ] || fail "a closed pipe gives: $(cat err)"

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# merge: the layers of all images once, their commands, environment and labels, and what they hide from
# each other.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3
cd "$work"
image() { # REF DIRECTORY LINE...: a build of DIRECTORY
    ref=$1 dir=$2
    shift 2
    printf '%s\n' "$@" >"$dir/Kubefile"
    "$CLOUDFS" -q build --no-cache-images -t "$ref" "$dir" >/dev/null
}
mkdir -p base/etc a/etc b/etc c/etc
for f in one two three; do echo base >"base/etc/$f"; done
echo a >a/etc/one
echo a >a/etc/both
echo b >b/etc/two
echo b >b/etc/both
echo same >a/etc/same
echo same >b/etc/same
echo c >c/etc/three
image base:1 base 'FROM scratch' 'COPY etc .' 'ENV A=base B=base' 'LABEL l=base' 'CMD kubectl apply -f base.yaml'
image a:1 a 'FROM base:1' 'COPY etc .' 'ENV A=a' 'CMD kubectl apply -f a.yaml' 'CNI calico local://etc/one' 'LAUNCH ["calico"]'
image b:1 b 'FROM base:1' 'COPY etc .' 'LABEL l=b m=b' 'CMD kubectl apply -f b.yaml'
image c:1 c 'FROM scratch' 'COPY etc .'

# A common base: only what both have changed is a conflict, once.
"$CLOUDFS" merge a:1 b:1 -t ab:1 >id 2>said
eq "$(cat said)" 'cloudfs: warning: etc/both: b:1 replaces what the images before have'
eq "$("$CLOUDFS" cat ab:1:etc/one ab:1:etc/two ab:1:etc/both ab:1:etc/three | tr '\n' ' ')" 'a b b base '
eq "$("$CLOUDFS" history -q ab:1 | grep -c sha256)" 4
"$CLOUDFS" inspect ab:1 >json
for text in '"A=a"' '"B=base"' '"l": *"b"' '"m": *"b"'; do
    grep -q "$text" json || fail "no $text in $(cat json)"
done
# What b:1 only inherited takes nothing away from a:1, in either order; what it has set does.
image la:1 a 'FROM base:1' 'COPY etc .' 'LABEL l=a'
"$CLOUDFS" merge la:1 a:1 -t lab:1 >/dev/null 2>&1
"$CLOUDFS" inspect lab:1 >lab.json
eq "$(json lab.json 'd["Labels"]["l"], sorted(d["Config"]["Env"])')" "('a', ['A=a', 'B=base'])"
"$CLOUDFS" merge a:1 la:1 -t lab:1 >/dev/null 2>&1
"$CLOUDFS" inspect lab:1 >lab.json
eq "$(json lab.json 'd["Labels"]["l"], sorted(d["Config"]["Env"])')" "('a', ['A=a', 'B=base'])"
image quoted:1 base 'FROM scratch' 'COPY etc .' 'ENV A="b c" B=1' 'ENV B=2'
image own:1 a 'FROM quoted:1' 'COPY etc .' 'ENV A=own B=own'
image other:1 b 'FROM quoted:1' 'COPY etc .' 'ENV B=1'
"$CLOUDFS" merge own:1 other:1 -t env:1 >/dev/null 2>&1
"$CLOUDFS" inspect env:1 >env.json
eq "$(json env.json 'sorted(d["Config"]["Env"])')" "['A=own', 'B=1']"
image base:1 base 'FROM scratch' 'COPY etc .' 'ENV A=base B=base' 'LABEL l=base' 'CMD kubectl apply -f base.yaml'
# Two images that have nothing in common: the last one's counts, inherited or not.
image far:1 c 'FROM scratch' 'COPY etc .' 'ENV A=far'
"$CLOUDFS" merge far:1 b:1 -t env:1 >/dev/null 2>&1
"$CLOUDFS" inspect env:1 >env.json
eq "$(json env.json 'sorted(d["Config"]["Env"])')" "['A=base', 'B=base']"
grep -q 'kubectl apply -f a.yaml && kubectl apply -f b.yaml' json || fail "the commands do not add up"
grep -q 'calico' json || fail "sealer's own words are lost"
"$CLOUDFS" -q merge a:1 b:1 --target-image ab:2 >id2
same_files id id2
"$CLOUDFS" -q merge b:1 a:1 -t ba:1 >id2
eq "$("$CLOUDFS" cat ba:1:etc/both)" a
cmp -s id id2 && fail "the order does not count"

# No common base: all that is hidden. Three at once.
"$CLOUDFS" merge --json a:1 b:1 c:1 -t abc:1 >json
eq "$(python3 -c 'import json
d = json.load(open("json"))
print(d["Name"], [(c["Kind"], c["Path"], c["Image"]) for c in d["Conflicts"]])')" \
    "abc:1 [('C', 'etc/both', 'b:1'), ('C', 'etc/three', 'c:1')]"
eq "$("$CLOUDFS" cat abc:1:etc/three)" c
"$CLOUDFS" merge a:1 a:1 -t aa:1 2>said >/dev/null
[ ! -s said ] || fail "an image is in conflict with itself: $(cat said)"

# The merged image is as any other.
"$CLOUDFS" gc >/dev/null
"$CLOUDFS" fsck -q
image on:1 c 'FROM ab:1' 'COPY etc/three etc/'
eq "$("$CLOUDFS" cat on:1:etc/one on:1:etc/three | tr '\n' ' ')" 'a c '

fails_with 2 'arguments are missing' "$CLOUDFS" merge a:1 -t x:1
fails_with 2 '-t REF' "$CLOUDFS" merge a:1 b:1
fails_with 1 'no such image' "$CLOUDFS" merge a:1 none:1 -t x:1
printf 'FROM scratch\nCOPY etc .\n' >c/Kubefile
"$CLOUDFS" -q build --no-cache-images -t arm:1 --platform linux/arm64 c >/dev/null
fails_with 1 'a:1 is for linux/.*, and arm:1 for linux/arm64' "$CLOUDFS" merge a:1 arm:1 -t x:1
fails_with 1 'no such image' "$CLOUDFS" inspect x:1

#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Charts that mean harm: each ends with one clear line, within 1.5 GB of address space and the 10 s of CPU time
# that a rendering may take.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
[ -n "${BASH_VERSION:-}" ] || exec bash "$0"
need tar gzip
cd "$work"
# A sanitizer's shadow needs more address space than any bound leaves.
nm -D "$CLOUDFS" 2>/dev/null | grep -q __asan || bounded=1

chart() {
    rm -rf c
    mkdir -p c/templates
    printf 'apiVersion: v2\nname: c\nversion: 1.0.0\n' >c/Chart.yaml
}
# ends WHAT ARGS...: the command fails with one line that has WHAT in it.
ends() {
    local what=$1
    shift
    if (
        [ -z "${bounded:-}" ] || ulimit -v 1500000
        exec timeout 120 "$CLOUDFS" chart template "$@"
    ) >out 2>err; then fail "not refused: $what"; fi
    eq "$(wc -l <err)" 1
    grep -q -- "$what" err || fail "$what: $(cut -c 1-500 err)"
    [ ! -s out ] || fail "$what: something was printed"
}
# bomb WHAT TEMPLATE
bomb() {
    chart
    printf '%s' "$2" >c/templates/t.yaml
    ends "$1" c
}

# shellcheck disable=SC2016 # templates
{
bomb 'nested too deeply\|call each other' '{{ define "r" }}{{ include "r" . }}{{ end }}{{ include "r" . }}'
bomb 'nested too deeply\|call each other' '{{ define "a" }}{{ template "b" . }}{{ end }}{{ define "b" }}{{ template "a" . }}{{ end }}{{ template "a" }}'
bomb 'nested too deeply\|call each other' '{{ $t := "{{ tpl .t . }}" }}{{ tpl $t (dict "t" $t) }}'
bomb 'MiB of memory' '{{ repeat 1073741824 "a" }}'
bomb 'MiB of memory' '{{ $s := "aaaaaaaa" }}{{ range until 64 }}{{ $s = print $s $s }}{{ end }}'
bomb 'MiB of memory\|too many steps' '{{ range until 1000000000 }}x{{ end }}'
bomb 'too many steps' '{{ $l := until 10000 }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}'
bomb 'too many steps\|MiB of memory' '{{ seq 1 1000000000 }}'
bomb 'takes too many steps' '{{ regexMatch "(a|aa)+[bc]" (repeat 5000 "a") }}'
bomb 'too many steps\|10 seconds' '{{ $a := repeat 300 "a" }}{{ range until 1000000 }}{{ if regexMatch "(a|aa)+[bc]" "aaaaaaaaaaaaaaaaaaaaaaa" }}{{ end }}{{ end }}'
bomb 'too many steps\|10 seconds' '{{ $s := repeat 30000000 "a" }}{{ range until 10000 }}{{ if contains "b" $s }}{{ end }}{{ end }}'
bomb 'too many steps\|10 seconds' '{{ range until 100000 }}{{ $x := derivePassword 1 "long" "p" "u" "s" }}{{ end }}'
bomb 'MiB of memory' '{{ range until 100000 }}{{ printf "%1000000d" 1 }}{{ end }}'
bomb 'too much' '{{ indent 2000000000 "a" }}'
bomb 'nested too deeply\|MiB of memory' '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}'
bomb 'repeat too much' "{{ fromYaml \"a: &a [x,x,x,x,x,x,x,x,x]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\\ni: [*h,*h,*h,*h,*h,*h,*h,*h,*h]\" | dig \"Error\" \"none\" | fail }}"
bomb 'nested too deeply' "{{ $(head -c 200000 /dev/zero | tr '\0' '(')"
}

# Values and archives.
chart
printf 'x' >c/templates/t.yaml
head -c 300000 /dev/zero | tr '\0' '[' >deep.yaml
ends 'deep' -f deep.yaml c
{ printf 'a: &a [x,x,x,x,x,x,x,x,x,x]\n'; last=a; for name in b c d e f g h i; do
    printf '%s: &%s [*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s,*%s]\n' $name $name $last $last $last $last $last $last $last $last $last $last
    last=$name
done; } >laughs.yaml
ends 'repeat too much' -f laughs.yaml c
ends 'index' --set 'a[999999999]=1' c
mkdir c/files
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    head -c 19000000 /dev/zero >c/files/zero$i
done
tar -czf bomb.tgz c
ends 'MiB' bomb.tgz
ends 'MiB' c
rm -r c/files
mkdir -p c/charts
cp bomb.tgz c/charts/
ends 'MiB' c
chart
i=0 inner=c/charts
while [ $i -lt 40 ]; do
    inner=$inner/c/charts
    mkdir -p "$inner"
    cp c/Chart.yaml "$inner/../"
    i=$((i + 1))
done
ends 'nested too deeply' c

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Helm charts: every reference chart, with its own values and with other ones, gives the bytes that Helm
# gives. CLOUDFS_SHARED: where the reference data lies.
. "$(dirname "$0")/../lib/lib.sh"
set -eu
shared=${CLOUDFS_SHARED:-$top/../shared}
[ -d "$shared/corpus/rendered" ] || skip "no reference charts here (CLOUDFS_SHARED)"
corpus=$(cd "$shared/corpus" && pwd)
cd "$work"
least=1030

for chart in "$corpus"/charts/*; do
    "$CLOUDFS" chart template -o rendered "$chart"
done
for values in "$corpus"/values/*.yaml; do
    name=${values##*/}
    name=${name%.yaml}
    "$CLOUDFS" chart template -o "rendered-values/$name" -f "$values" "$corpus/charts/${name%%@*}"
done

# A bcrypt hash has a salt of chance: it is checked for its form, and all but itself is compared.
salted() {
    while IFS= read -r line; do
        value=${line#*web-config.yaml: }
        [ "$value" = "$line" ] || line=${line%"$value"}$(printf '%s' "$value" | base64 -d)
        printf '%s\n' "$line"
    done <"$1" | sed -E 's|(\$2a\$10\$)[./A-Za-z0-9]{53}|\1|'
}

equal=0 total=0
for tree in rendered rendered-values; do
    (cd "$corpus/$tree" && find . -type f) | sort >want
    (cd "$tree" && find . -type f) | sort >have
    cmp want have || fail "$tree: not the same files"
    count=$(wc -l <want)
    total=$((total + count))
    diff -rq "$corpus/$tree" "$tree" >differ || true
    while read -r _ wanted _ made _; do
        # shellcheck disable=SC2094 # two files
        if [ "$(salted "$wanted")" = "$(salted "$made")" ]; then
            echo "charts: $made: equal but for a random salt"
        else
            echo "charts: $made: differs"
            diff "$wanted" "$made" | head -n 10 || true
            count=$((count - 1))
        fi
    done <differ
    equal=$((equal + count))
done
echo "charts: $equal of $total reference files are equal"
[ "$equal" -ge "$least" ] || fail "less than $least"

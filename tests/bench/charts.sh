#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How fast charts are rendered: each one N times in one process, and all of them once, each by a command of
# its own. usage: charts.sh [-n N] CHART...   (CLOUDFS: the command to measure)
set -eu
count=500
if [ "${1:-}" = -n ]; then
    count=$2
    shift 2
fi
[ $# -gt 0 ] || { echo "usage: ${0##*/} [-n N] CHART..." >&2; exit 2; }
cloudfs=${CLOUDFS:-cloudfs}
echo "| chart | renderings a second |"
echo "|---|---|"
for chart; do
    said=$("$cloudfs" chart template --bench "$count" "$chart")
    echo "| $(basename "$chart") | $(echo "$said" | sed 's/.*, \([0-9]*\) a second/\1/') |"
done
start=$(date +%s%N)
for chart; do
    "$cloudfs" chart template "$chart" >/dev/null
done
end=$(date +%s%N)
echo
echo "$# charts, each by a command of its own: $(((end - start) / 1000000)) ms"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs tests/integration/*.sh (or those named in $T) one after the other. A line each, every
# reason for a skip, the output of what failed, and at the end `N passed, N failed, N skipped`.
# usage: run-integration.sh BUILD
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${1:-build}
export BUILD
limit=${TEST_TIMEOUT:-600}
logs=$BUILD/integration
passed=0 failed=0 skipped=0
mkdir -p "$logs"

for script in tests/integration/*.sh; do
    [ -e "$script" ] || continue
    name=$(basename "$script" .sh)
    case " ${T:-$name} " in
    *" $name "*) ;;
    *) continue ;;
    esac
    log=$logs/$name.log
    timeout -k 20 "$limit" bash "$script" >"$log" 2>&1 </dev/null
    status=$?
    case $status in
    0)
        passed=$((passed + 1))
        echo "PASS $name"
        ;;
    77)
        skipped=$((skipped + 1))
        echo "SKIP $name"
        ;;
    *)
        failed=$((failed + 1))
        echo "FAIL $name (status $status; 124: more than $limit s)"
        tail -n 40 "$log" | sed 's/^/    /'
        ;;
    esac
    sed -n 's/^SKIP: /    skipped: /p' "$log"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

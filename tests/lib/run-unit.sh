#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the given unit test programs, all of them, and ends with failure if one failed. A line for
# each that passes, the whole output of each that does not.
# usage: run-unit.sh PROGRAM...
set -u
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program; do
    name=$(basename "$program")
    if timeout -k 5 "${TEST_TIMEOUT:-120}" "$program" >"$log" 2>&1 </dev/null; then
        echo "PASS $name ($(sed -n 's/^\[  PASSED  \] \([0-9]*\) .*/\1/p' "$log" | head -n 1) tests)"
        sed -n 's/^\[  SKIPPED \] \([a-z].*\)/    skipped: \1/p' "$log"
    else
        echo "FAIL $name (status $?; 124: too slow)"
        sed 's/^/    /' "$log"
        failed=$((failed + 1))
    fi
done
[ "$failed" = 0 ] || echo "$failed unit test programs failed"
[ "$failed" = 0 ]

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: run.sh [-n RUNS] [--only cloudfs|peers] [--doc FILE] [ROW...]     run.sh --list
# Measures cloudfs and its peers side by side; docs/benchmarks.md says how and what. Needs root: the
# peers mount their overlays, and the cold rows drop the caches.
# BENCH_DIR: where data and stores are kept (default build/bench). CLOUDFS: the command to measure.
set -eu
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
export BENCH_DIR=${BENCH_DIR:-$top/build/bench}
export CLOUDFS=${CLOUDFS:-$top/build/cloudfs}
export LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset SOURCE_DATE_EPOCH # the peers do not all know it

case " $* " in
*" --list "* | *" --help "* | *" -h "*)
    mkdir -p "$BENCH_DIR"
    exec python3 "$here/rows.py" "$@"
    ;;
esac

[ "$(id -u)" -eq 0 ] || {
    echo "run.sh: needs root, because the peers' overlay mounts do" >&2
    exit 1
}
for tool in python3 openssl tar gzip time; do
    [ -n "$(type -P "$tool")" ] || {
        echo "run.sh: $tool is missing" >&2
        exit 1
    }
done
"$here/make-rootfs.sh"
exec python3 "$here/rows.py" "$@"

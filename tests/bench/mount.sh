#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: mount.sh [--quick] [-n RUNS] [--only ENGINE]... [--doc FILE] [ROW...]     mount.sh --list
# Measures the mounted filesystem beside kernel overlayfs and fuse-overlayfs; docs/benchmarks.md says how.
# Needs root. What cannot be measured here is told, and the rest goes on.
# BENCH_DIR: where data and stores are kept (default build/bench). CLOUDFS: the command to measure.
set -eu
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
export BENCH_DIR=${BENCH_DIR:-$top/build/bench}
export CLOUDFS=${CLOUDFS:-$top/build/cloudfs}
export BENCH_IO=$BENCH_DIR/io LC_ALL=C PYTHONDONTWRITEBYTECODE=1
unset SOURCE_DATE_EPOCH

mkdir -p "$BENCH_DIR"
case " $* " in
*" --list "* | *" --help "* | *" -h "*) exec python3 "$here/mount_rows.py" "$@" ;;
esac
[ "$(id -u)" -eq 0 ] || {
    echo "mount.sh: needs root, because overlayfs does" >&2
    exit 1
}
# As many descriptors as may be had: fuse-overlayfs wants them.
ulimit -n "$(ulimit -Hn)"
${CC:-cc} -O2 -D_GNU_SOURCE -o "$BENCH_IO" "$here/io.c"
exec python3 "$here/mount_rows.py" "$@"

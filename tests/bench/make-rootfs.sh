#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: make-rootfs.sh
# Makes what `make bench` measures on, once, in BENCH_DIR (default build/bench; about 5 GB):
#
#   layers/1 .. 8      the 8 layers of a CloudRootfs of 1.3 GB: scripts and small files; 12 binaries
#                      of 30 to 109 MB (700 MB, made of the programs of this machine); cri/; etc/;
#                      registry/ in three parts (600 MB that do not compress); charts and manifests
#   layers/2-v2        the binaries with 68 KiB changed in bin/kubelet
#   rootfs/            all of them as one directory (hard links: read only)
#   small/1, small/120 3,000 small files and etc/, in 1 and in 120 layers
#   oci/v1 oci/v2      OCI layouts of the 8 layers, gzip; v2 has layers/2-v2
#   oci/v2-rebuilt     v2 with the times of another day in every layer; not compressed
#   oci/l1 oci/l120    OCI layouts of small/
#   gigabyte/          10 files of 100 MB that do not compress
#   thousand/          1,000 small files
#
# Each comes out the same whenever it is made on one machine. A folder that is there is kept.
set -eu
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=${BENCH_DIR:-$here/../../build/bench}
version=1 # of what is made; raise it when gen.py makes something else

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
if [ "$(cat "$dir/data/.complete" 2>/dev/null)" = "$version" ]; then
    exit 0
fi

echo "make-rootfs: making the data in $dir/data; this takes some minutes, once" >&2
rm -rf "$dir/data" "$dir/sample"
"$here/../demo/make-rootfs.sh" "$dir/sample"
mkdir "$dir/data"
PYTHONDONTWRITEBYTECODE=1 nice -n 5 python3 "$here/gen.py" all "$dir/data" "$dir/sample"
rm -rf "$dir/sample"
echo "$version" >"$dir/data/.complete"
du -sh "$dir/data" >&2

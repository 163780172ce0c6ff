#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds libfuse (static) from Debian's signed source package into a folder, where the machine's own is older
# than what Debian's next release has. apt checks the signature, with the keys of the machine's own Debian.
# usage: build-libfuse.sh FOLDER     makes FOLDER/include/fuse3 and FOLDER/lib/libfuse3.a
# Does nothing when that is there. Where it cannot be had, one line says why, and the machine's own is used.
set -eu

least=3.18 # what the machine has to have for us to leave it alone
suite=testing
keys=/usr/share/keyrings/debian-archive-keyring.gpg
target=$1
[ ! -e "$target/lib/libfuse3.a" ] || exit 0
! pkg-config --atleast-version="$least" fuse3 2>/dev/null || exit 0

# The system's libfuse is enough to work with: this never fails.
leave() {
    echo "deps: libfuse $(pkg-config --modversion fuse3 2>/dev/null || true) of this system is used, not $least: $1"
    exit 0
}

for tool in apt-get meson ninja cc xz; do
    command -v "$tool" >/dev/null 2>&1 || leave "no $tool here"
done
[ -r "$keys" ] || leave "no keys of Debian here ($keys)"

mkdir -p "$(dirname "$target")"
work=$(mktemp -d)
made=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work" "$made"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 755 "$work" # for the user that apt drops to
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/source"

# apt, with lists and sources of its own.
apt() {
    apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o Acquire::Languages=none \
        -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@" >>"$work/log" 2>&1
}

# The mirrors that this machine takes its packages from.
mirrors() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sort -u
}

fetch() {
    for mirror in $(mirrors); do
        echo "deb-src [signed-by=$keys] $mirror $suite main" >"$work/sources.list"
        (cd "$work/source" && apt update --error-on=any && apt source --download-only fuse3) && return 0
    done
    return 1
}

build() {
    tar -xzf "$work"/source/fuse3_*.orig.tar.gz -C "$work/source" &&
        cd "$work"/source/fuse-3* &&
        meson setup --buildtype=release --default-library=static --prefix=/ --libdir=lib \
            -Dutils=false -Dexamples=false -Dtests=false -Duseroot=false -Denable-io-uring=false \
            -Ddisable-libc-symbol-version=true \
            -Dinitscriptdir= "$work/build" &&
        ninja -C "$work/build" &&
        DESTDIR="$work/install" meson install -C "$work/build" --no-rebuild
}

echo "deps: building libfuse $least"
fetch || leave "its source package cannot be had ($(grep '^E:' "$work/log" | head -n 1 || true))"
(build) >>"$work/log" 2>&1 || leave "it does not build ($(grep -iE 'error' "$work/log" | head -n 1 || true))"
mkdir "$made/lib" "$made/include"
cp -R "$work/install/include/fuse3" "$made/include/"
cp "$work/install/lib/libfuse3.a" "$made/lib/"
chmod 755 "$made"
# Somebody else may have been quicker; or an attempt of another version left an empty folder.
rmdir "$target" 2>/dev/null || true
mv -T "$made" "$target" 2>/dev/null || [ -e "$target/lib/libfuse3.a" ] || leave "cannot write $target"

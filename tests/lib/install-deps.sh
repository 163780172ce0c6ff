#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build and test cloudfs, on Debian 12, Debian 13 and Ubuntu 24.04.
# usage: install-deps.sh [PACKAGE...]   (test tools to have beside the usual ones)
# Says nothing and takes a moment when nothing is missing. Without a build package it fails; a
# test tool that cannot be had is told, and the tests that need it skip.
set -eu

build='gcc libc6-dev make pkg-config libfuse3-dev fuse3 libcjson-dev libzstd-dev libisal-dev zlib1g-dev
libarchive-dev libcurl4-openssl-dev libssl-dev nettle-dev libyaml-dev libpcre2-dev libcrypt-dev libcmocka-dev'
tools="erofs-utils skopeo umoci buildah attr acl rsync git strace python3 zstd mandoc
docker-registry apache2-utils openssl stress-ng fio $*"

# Prints those of the given packages that are not installed.
missing() {
    have=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
        sed -n 's/ installed$//p') || true
    for package; do
        printf '%s\n' "$have" | grep -qxF -- "$package" || printf '%s ' "$package"
    done
}

# Prints those of the given packages that the distribution offers, as apt's lists know.
offered() {
    known=$(apt-cache policy "$@" 2>/dev/null |
        awk '/^[^ ]/ {name = $1; sub(/:$/, "", name)} /Candidate:/ && $2 != "(none)" {print name}')
    for package; do
        printf '%s\n' "$known" | grep -qxF -- "$package" && printf '%s ' "$package"
    done
    true
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# sudo asks for a password, where it wants one, on the terminal.
may_install() {
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null || sudo -v 2>/dev/null
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 </dev/null
}

# Lists that have grown old name files that are gone.
retry() {
    [ -z "${retried:-}" ] || return 1
    retried=1
    apt update && apt install -y --no-install-recommends "$@"
}

# Words split on purpose: these are lists of package names.
# shellcheck disable=SC2046,SC2086
main() {
    if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
        echo "deps: no apt-get here; install what your system calls these:" $build $tools >&2
        return 0
    fi
    need=$(missing $build)
    want=$(missing $tools)
    [ -n "$need$want" ] || return 0
    if ! may_install; then
        if [ -n "$need" ]; then
            echo "deps: neither root nor sudo; have somebody run: apt-get install $need$want" >&2
            return 1
        fi
        echo "deps: skip $want(not installed, and neither root nor sudo)"
        return 0
    fi

    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # Lists that a fresh machine lacks, or that do not know a package yet, are fetched once.
    if [ -n "$need" ] || [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*Packages*' 2>/dev/null | head -n 1)" ]; then
        apt update || sed 's/^/deps: /' "$log" >&2
    fi
    if [ -n "$need" ]; then
        echo "deps: installing $need"
        if ! apt install -y --no-install-recommends $need; then
            sed 's/^/deps: /' "$log" >&2
            echo "deps: cannot install $need" >&2
            return 1
        fi
    fi
    for package in $want; do
        if [ -z "$(offered $package)" ]; then
            echo "deps: skip $package (this distribution does not have it)"
            continue
        fi
        echo "deps: installing $package"
        apt install -y --no-install-recommends $package || retry $package ||
            echo "deps: skip $package ($(grep '^E:' "$log" | head -n 1))"
    done
}
main

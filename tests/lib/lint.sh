#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The rules of the house that a program can check. usage: lint.sh BUILD  (after `make lib cli`)
# CC and CFLAGS: how the sources are compiled. Tells everything that is wrong, then fails.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${1:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/wrong"

wrong() {
    echo "lint: $*" | tee -a "$work/wrong" >&2
}

# Every line of stdin is something wrong.
wrong_lines() {
    while IFS= read -r line; do
        wrong "$line"
    done
}

# Tracked files and new ones that are not ignored; all files where there is no git. The sample
# CloudRootfs of the demo is data: people's scripts look like that.
git ls-files -co --exclude-standard 2>/dev/null | while IFS= read -r file; do
    [ ! -f "$file" ] || printf '%s\n' "$file"
done >"$work/all"
[ -s "$work/all" ] || find . -type f ! -path './build*' ! -path './.git/*' | sed 's|^\./||' >"$work/all"
sed -i '/^tests\/demo\/rootfs\//d' "$work/all"
grep -E '\.[ch]$' "$work/all" >"$work/c"
grep -E '\.sh$' "$work/all" >"$work/sh"

check_licences() {
    grep -E '\.([ch]|sh|py|mk|map)$|(^|/)Makefile$' "$work/all" | while IFS= read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' ||
            echo "$file: no SPDX line within the first three"
    done | wrong_lines
}

# The format puts the braces of a function, and nothing else, into the first column.
check_sizes() {
    while IFS= read -r file; do
        awk -v file="$file" '
            /^\{/ {start = NR}
            /^\}/ && start {
                if (NR - start - 1 > 100)
                    printf "%s:%d: a function of %d lines (limit 100)\n", file, start, NR - start - 1
                start = 0
            }
            END {if (NR > 800) printf "%s: %d lines (limit 800)\n", file, NR}' "$file"
    done <"$work/c" | wrong_lines
}

# Who may use whom, by folder: the symbols that an object needs say what a source really uses.
check_folders() {
    find "$BUILD/fs" "$BUILD/builder" "$BUILD/cli" -name '*.o' 2>/dev/null | while IFS= read -r o; do
        source=${o#"$BUILD"/}
        [ -f "${source%.o}.c" ] && nm -A "$o"
    done | sed "s|^$BUILD/||" | awk '
        function rank(folder) {
            if (folder == "fs/base") return 1
            if (folder == "fs/tree") return 2
            if (folder == "fs/store") return 3
            if (folder == "fs/union") return 4
            if (folder ~ "^fs/") return 5
            return folder ~ "^builder" ? 6 : 7
        }
        {
            split($1, part, ":")
            file = part[1]
            folder = file
            sub("/[^/]*$", "", folder)
            name = $NF
            if (name !~ /^cf_/) next
            if ($(NF - 1) == "U") need[file " " name] = folder
            else if ($(NF - 1) ~ /^[TDBR]$/) home[name] = folder
        }
        END {
            for (use in need) {
                split(use, part, " ")
                from = need[use]
                to = home[part[2]]
                if (to == "" || to == from) continue
                source = part[1]
                sub(/\.o$/, ".c", source)
                if (rank(to) > rank(from))
                    printf "%s: %s may not use %s of %s\n", source, from, part[2], to
                if (from ~ "^builder" && to == "fs/fuse")
                    printf "%s: builder may not know FUSE (%s)\n", source, part[2]
            }
        }' | sort | wrong_lines
}

# only_in PATTERN FILES-PATTERN WHY: includes that have one door.
# shellcheck disable=SC2046 # our file names have no spaces
only_in() {
    grep -nE "^#include *[<\"]$1" /dev/null $(grep -E '^(fs|builder|cli|include)/' "$work/c") |
        grep -vE "^($2):" | sed "s|\$|  -- $3|" | wrong_lines
}

# shellcheck disable=SC2046 # our file names have no spaces
check_includes() {
    only_in 'cjson/' 'fs/base/json\.c' 'libcjson has one door, fs/base/json.c'
    only_in 'openssl/' '(fs/base/digest|builder/chart/crypto)\.c' \
        'libcrypto has two doors: digests in fs/base/digest.c, keys and certificates in builder/chart/crypto.c'
    only_in 'crypt\.h' 'builder/chart/crypto\.c' 'libcrypt has one door, builder/chart/crypto.c'
    only_in 'pcre2' 'builder/chart/regex\.c' 'libpcre2 has one door, builder/chart/regex.c'
    only_in 'fuse' 'fs/(fuse|mount)/[^:]*' 'only fs/fuse and fs/mount know libfuse'
    only_in 'archive' 'builder/[^:]*' 'fs/ and cli/ know no archives'
    only_in 'yaml\.h' 'builder/yaml/yaml\.c' 'libyaml has one door, builder/yaml/yaml.c'
    only_in 'curl/' 'builder/[^:]*' 'fs/ and cli/ know no network'
    only_in '[^<>"]*\.\./' 'none' 'no include climbs out of its folder'
    grep -nE '^#include "[^"]*/' /dev/null $(cat "$work/c") |
        sed 's|$|  -- what crosses folders is included as <cloudfs/...>|' | wrong_lines
}

# shellcheck disable=SC2086 # CFLAGS are words
check_headers() {
    grep '\.h$' "$work/c" | while IFS= read -r header; do
        printf '#include "%s"\n' "$header" >"$work/one.c"
        ${CC:-cc} ${CFLAGS:--std=gnu11 -D_GNU_SOURCE -Iinclude} -I. -fsyntax-only "$work/one.c" \
            2>"$work/errors" || {
            echo "$header does not compile alone:"
            head -n 5 "$work/errors"
        }
    done | wrong_lines
}

# Every version of clang-format lays out a little differently; ours is 14.
check_format() {
    format=
    for candidate in clang-format-14 clang-format; do
        "$candidate" --version 2>/dev/null | grep -q 'version 14\.' && format=$candidate && break
    done
    if [ -z "$format" ]; then
        echo "lint: skipped the format of the code (there is no clang-format 14 here)"
        return
    fi
    xargs "$format" --dry-run <"$work/c" 2>&1 | grep -E ' (warning|error): ' | cut -d: -f1 | uniq -c |
        sed 's|^ *\([0-9]*\) \(.*\)|\2: \1 places are not in the format of the house (make format)|' |
        wrong_lines
}

check_shell() {
    if ! command -v shellcheck >/dev/null 2>&1; then
        echo "lint: skipped the shell scripts (there is no shellcheck here)"
        return
    fi
    xargs -r shellcheck -S warning -e SC2154 -f gcc <"$work/sh" 2>&1 | wrong_lines
}

check_licences
check_sizes
check_folders
check_includes
check_headers
check_format
check_shell
count=$(wc -l <"$work/wrong")
[ "$count" = 0 ] || echo "lint: $count things are wrong" >&2
[ "$count" = 0 ]

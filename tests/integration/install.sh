#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `make install` puts everything where a compiler, pkg-config and a shell find it.
. "$(dirname "$0")/../lib/lib.sh"
need make cc pkg-config

make -s -C "$top" BUILD="$BUILD" install DESTDIR="$work/dest" PREFIX=/opt/cf
root=$work/dest/opt/cf
eq "$(readlink "$root/lib/libcloudfs.so")" libcloudfs.so.0
[ -f "$root/lib/libcloudfs.so.0" ] || fail "the soname link leads nowhere"
[ ! -e "$CLOUDFS" ] || cmp "$CLOUDFS" "$root/bin/cloudfs"
eq "$(ls "$root/include/cloudfs")" "$(cd "$top/include/cloudfs" && ls ./*.h | sed 's|^\./||')"
[ -z "$(find "$work/dest" ! -type l -perm /022)" ] || fail "others may write what was installed"

cat >"$work/use.c" <<'EOF'
#include <stdio.h>
#include <cloudfs/digest.h>

int main(void)
{
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE];
    cf_digest_of("abc", 3, &digest);
    cf_digest_text(&digest, text);
    puts(text);
    return 0;
}
EOF
want=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
export PKG_CONFIG_PATH="$root/lib/pkgconfig"
flags="--define-variable=prefix=$root --define-variable=libdir=$root/lib --define-variable=includedir=$root/include"
# A build with sanitizers can only be linked by who has them too.
san=
case $BUILD in
*-san) san=-fsanitize=address,undefined ;;
*-tsan) san=-fsanitize=thread ;;
esac
# shellcheck disable=SC2046,SC2086 # words
cc $san -o "$work/shared" "$work/use.c" $(pkg-config $flags --cflags --libs cloudfs)
eq "$(LD_LIBRARY_PATH="$root/lib" "$work/shared")" "$want"
readelf -d "$work/shared" | grep -q 'NEEDED.*\[libcloudfs.so.0\]' || fail "not linked by soname"
# shellcheck disable=SC2046,SC2086
cc $san -o "$work/static" "$work/use.c" $(pkg-config $flags --cflags cloudfs) \
    "$root/lib/libcloudfs.a" $(pkg-config --libs fuse3 libcjson libzstd libisal zlib nettle) -pthread
eq "$("$work/static")" "$want"

foreign=$(nm -D --defined-only "$root/lib/libcloudfs.so" | awk '{print $NF}' | grep -v '^cf_' || true)
[ -n "$san" ] || eq "$foreign" ""

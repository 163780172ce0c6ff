/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive, loaded when it is first needed: it brings a dozen libraries along, whose relocations
 * would cost every start of the command some milliseconds, and few imports need it.
 */
#ifndef CF_LIBARCHIVE_H
#define CF_LIBARCHIVE_H

#include <archive.h>

#include <cloudfs/error.h>
#include <cloudfs/library.h>

#define CF_LIBARCHIVE_SYMBOLS(X)            \
    X(archive_error_string)                 \
    X(archive_read_data_block)              \
    X(archive_read_free)                    \
    X(archive_read_new)                     \
    X(archive_read_next_header)             \
    X(archive_read_open)                    \
    X(archive_read_support_filter_bzip2)    \
    X(archive_read_support_filter_compress) \
    X(archive_read_support_filter_lz4)      \
    X(archive_read_support_filter_lzip)     \
    X(archive_read_support_filter_lzma)     \
    X(archive_read_support_filter_xz)       \
    X(archive_read_support_format_empty)    \
    X(archive_read_support_format_raw)      \
    X(archive_set_error)

struct cf_libarchive {
    CF_LIBARCHIVE_SYMBOLS(CF_LIBRARY_MEMBER)
};

/* The library's functions, for good; NULL with err set (-ENOTSUP) where it is not installed. */
const struct cf_libarchive *cf_libarchive(struct cf_error *err);

#endif

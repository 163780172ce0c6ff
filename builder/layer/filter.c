/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed forms that only archives of users have (bzip2, xz, lzma, lzip, lz4, compress), by
 * libarchive's filters. The only door to it. No filter that would run another program is enabled.
 */
#include "codec.h"
#include "libarchive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct filter {
    const struct cf_libarchive *lib;
    struct archive *archive;
    struct cf_error *err; /* of the call at hand, for the input's failure */
    int input_status;
    bool opened;
    const char *block; /* what libarchive handed out and is not read yet */
    size_t block_len;
};

bool cf_filter_detect(const void *data, size_t len)
{
    static const struct {
        const char *bytes;
        size_t len;
    } magics[] = {
        {"BZh", 3},
        {"\xfd"
         "7zXZ\0",
         6},
        {"LZIP", 4},
        {"\x04\x22\x4d\x18", 4},
        {"\x1f\x9d", 2},
        {"\x5d\0\0", 3},
    };
    if (len >= 262 && memcmp((const char *)data + 257, "ustar", 5) == 0)
        return false; /* a tar whose first name looks like a magic */
    for (size_t i = 0; i < CF_COUNT(magics); i++)
        if (len >= magics[i].len && memcmp(data, magics[i].bytes, magics[i].len) == 0)
            return true;
    return false;
}

static ssize_t feed(struct archive *archive, void *context, const void **ret_data)
{
    struct cf_decoder *decoder = context;
    struct filter *filter = decoder->state;
    size_t len = 0;
    int r = decoder->input(decoder->input_context, ret_data, &len, filter->err);
    if (r < 0) {
        filter->input_status = r;
        filter->lib->archive_set_error(archive, -r, "input");
        return -1;
    }
    return r == 0 ? 0 : (ssize_t)len;
}

void cf_filter_close(struct cf_decoder *decoder)
{
    struct filter *filter = decoder->state;
    if (filter && filter->archive)
        (void)filter->lib->archive_read_free(filter->archive);
    free(filter);
}

int cf_decoder_new_filter(cf_input_fn *input, void *input_context, struct cf_decoder **ret_decoder,
                          struct cf_error *err)
{
    struct cf_decoder *decoder cf_cleanup(cf_decoder_free_ptr) = calloc(1, sizeof *decoder);
    struct filter *filter = decoder ? calloc(1, sizeof *filter) : NULL;
    if (!filter)
        return cf_fail(err, -ENOMEM, "out of memory");
    decoder->state = filter;
    decoder->input = input;
    decoder->input_context = input_context;
    const struct cf_libarchive *lib = filter->lib = cf_libarchive(err);
    if (!lib)
        return -ENOTSUP;
    filter->archive = lib->archive_read_new();
    if (!filter->archive)
        return cf_fail(err, -ENOMEM, "out of memory");
    int (*const enable[])(struct archive *) = {
        lib->archive_read_support_filter_bzip2, lib->archive_read_support_filter_compress,
        lib->archive_read_support_filter_lz4,   lib->archive_read_support_filter_lzip,
        lib->archive_read_support_filter_lzma,  lib->archive_read_support_filter_xz,
        lib->archive_read_support_format_raw,   lib->archive_read_support_format_empty,
    };
    /* ARCHIVE_WARN: libarchive was built without it, and would run a program instead. */
    for (size_t i = 0; i < CF_COUNT(enable); i++)
        if (enable[i](filter->archive) != ARCHIVE_OK)
            return cf_fail(err, -ENOTSUP, "this machine's libarchive lacks a decompressor");
    *ret_decoder = CF_TAKE(decoder);
    return 0;
}

static ssize_t failed(const struct filter *filter, struct cf_error *err)
{
    if (filter->input_status < 0)
        return filter->input_status; /* err is set */
    const char *why = filter->lib->archive_error_string(filter->archive);
    return cf_fail(err, -EINVAL, "the compressed data is damaged or truncated: %s",
                   why ? why : "no reason given");
}

static int open_archive(struct cf_decoder *decoder)
{
    struct filter *filter = decoder->state;
    struct archive_entry *entry;
    filter->opened = true;
    if (filter->lib->archive_read_open(filter->archive, decoder, NULL, feed, NULL) != ARCHIVE_OK)
        return -EINVAL;
    const int r = filter->lib->archive_read_next_header(filter->archive, &entry);
    decoder->over = r == ARCHIVE_EOF;
    return r == ARCHIVE_OK || r == ARCHIVE_EOF ? 0 : -EINVAL;
}

ssize_t cf_filter_read(struct cf_decoder *decoder, void *data, size_t len, struct cf_error *err)
{
    struct filter *filter = decoder->state;
    size_t done = 0;
    filter->err = err;
    if (!filter->opened && open_archive(decoder) < 0)
        return failed(filter, err);
    while (done < len && !decoder->over) {
        if (filter->block_len == 0) {
            la_int64_t offset;
            const void *block;
            const int r = filter->lib->archive_read_data_block(filter->archive, &block,
                                                               &filter->block_len, &offset);
            decoder->over = r == ARCHIVE_EOF;
            if (r != ARCHIVE_OK && r != ARCHIVE_EOF)
                return failed(filter, err);
            filter->block = block;
            if (decoder->over)
                break;
        }
        const size_t n = filter->block_len < len - done ? filter->block_len : len - done;
        memcpy((char *)data + done, filter->block, n);
        filter->block += n;
        filter->block_len -= n;
        done += n;
    }
    return (ssize_t)done;
}

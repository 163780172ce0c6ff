/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by zlib, whose output for a level has not changed in many years. The only door to it. */
#include "codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

enum { OUT_SIZE = 64 << 10, GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8, OS_UNKNOWN = 255 };

struct deflate {
    z_stream z;
    gz_header header;
    unsigned char out[OUT_SIZE];
};

static void *deflate_open(int level)
{
    struct deflate *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    if (deflateInit2(&d->z, level ? level : 6, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(d);
        return NULL;
    }
    d->header.os = OS_UNKNOWN; /* no name, no time */
    (void)deflateSetHeader(&d->z, &d->header);
    return d;
}

static void deflate_close(void *state)
{
    struct deflate *d = state;
    (void)deflateEnd(&d->z);
    free(d);
}

static int deflate_run(void *state, const void *in, size_t len, bool last, cf_sink_fn *sink,
                       void *sink_context, struct cf_error *err)
{
    struct deflate *d = state;
    d->z.next_in = (Bytef *)(uintptr_t)in; /* only read */
    do {
        const size_t part = len < UINT_MAX ? len : UINT_MAX;
        d->z.avail_in = (uInt)part;
        len -= part;
        do {
            d->z.next_out = d->out;
            d->z.avail_out = OUT_SIZE;
            (void)deflate(&d->z, last && len == 0 ? Z_FINISH : Z_NO_FLUSH);
            const size_t made = OUT_SIZE - d->z.avail_out;
            int r = made > 0 ? sink(sink_context, d->out, made, err) : 0;
            if (r < 0)
                return r;
        } while (d->z.avail_out == 0 || d->z.avail_in > 0);
    } while (len > 0);
    return 0;
}

const struct cf_deflater cf_gzip_deflater = {deflate_open, deflate_close, deflate_run};

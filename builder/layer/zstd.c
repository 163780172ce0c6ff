/* SPDX-License-Identifier: Apache-2.0 */
/* zstd in both directions. The only door to libzstd for streams of layers. */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>

#include <zstd.h>

/* Memory that a frame may ask for: zstd --ultra -22 and --long=27 stay within it. */
enum { WINDOW_LOG_MAX = 27, OUT_SIZE = 128 << 10, DEFAULT_LEVEL = 3 };

/* ---- reading: any number of frames, skippable ones between them ---- */

struct unzstd {
    ZSTD_DCtx *context;
    bool inside; /* of a frame */
    bool any;
};

static void unzstd_close(void *state)
{
    struct unzstd *z = state;
    (void)ZSTD_freeDCtx(z->context);
    free(z);
}

static void *unzstd_open(void)
{
    struct unzstd *z = calloc(1, sizeof *z);
    if (!z)
        return NULL;
    z->context = ZSTD_createDCtx();
    if (!z->context ||
        ZSTD_isError(ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        unzstd_close(z);
        return NULL;
    }
    return z;
}

static int unzstd_run(void *state, struct cf_codec_io *io, struct cf_error *err)
{
    struct unzstd *z = state;
    size_t before;
    do {
        if (io->in_len == 0 && !z->inside)
            return 0; /* asking for output here would begin another frame */
        ZSTD_inBuffer in = {io->in, io->in_len, 0};
        ZSTD_outBuffer out = {io->out, io->out_len, 0};
        before = io->in_len + io->out_len;
        const size_t r = ZSTD_decompressStream(z->context, &out, &in);
        if (ZSTD_isError(r))
            return cf_fail(err, -EINVAL, "the zstd data is damaged: %s", ZSTD_getErrorName(r));
        z->inside = r != 0;
        z->any = true;
        io->in += in.pos;
        io->in_len -= in.pos;
        io->out += out.pos;
        io->out_len -= out.pos;
    } while (io->out_len > 0 && io->in_len + io->out_len < before);
    return 0;
}

static int unzstd_end(void *state, struct cf_error *err)
{
    const struct unzstd *z = state;
    if (z->inside || !z->any)
        return cf_fail(err, -EINVAL, "the zstd data is truncated");
    return 0;
}

const struct cf_codec cf_unzstd_codec = {unzstd_open, unzstd_close, unzstd_run, unzstd_end};

/* ---- writing: one frame ---- */

struct zstd {
    ZSTD_CCtx *context;
    unsigned char out[OUT_SIZE];
};

static void zstd_close(void *state)
{
    struct zstd *z = state;
    (void)ZSTD_freeCCtx(z->context);
    free(z);
}

static bool level_is_good(int level)
{
    const ZSTD_bounds bounds = ZSTD_cParam_getBounds(ZSTD_c_compressionLevel);
    return level <= bounds.upperBound && level >= bounds.lowerBound;
}

static void *zstd_open(int level)
{
    struct zstd *z = level_is_good(level) ? calloc(1, sizeof *z) : NULL;
    if (!z)
        return NULL;
    z->context = ZSTD_createCCtx();
    if (!z->context || ZSTD_isError(ZSTD_CCtx_setParameter(z->context, ZSTD_c_compressionLevel,
                                                           level ? level : DEFAULT_LEVEL))) {
        zstd_close(z);
        return NULL;
    }
    return z;
}

static int zstd_run(void *state, const void *data, size_t len, bool last, cf_sink_fn *sink,
                    void *sink_context, struct cf_error *err)
{
    struct zstd *z = state;
    ZSTD_inBuffer in = {data, len, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {z->out, OUT_SIZE, 0};
        left = ZSTD_compressStream2(z->context, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return cf_fail(err, -EIO, "zstd: %s", ZSTD_getErrorName(left));
        int r = out.pos > 0 ? sink(sink_context, z->out, out.pos, err) : 0;
        if (r < 0)
            return r;
    } while (last ? left > 0 : in.pos < in.size);
    return 0;
}

const struct cf_deflater cf_zstd_deflater = {zstd_open, zstd_close, zstd_run};

/* ---- writing: frames ---- */

static void *frame_open(int level)
{
    ZSTD_CCtx *context = level_is_good(level) ? ZSTD_createCCtx() : NULL;
    if (context && ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel,
                                                       level ? level : DEFAULT_LEVEL))) {
        (void)ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

static void frame_close(void *state)
{
    (void)ZSTD_freeCCtx(state);
}

static size_t frame_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

static ssize_t frame(void *state, const void *in, size_t len, void *out, size_t room)
{
    const size_t n = ZSTD_compress2(state, out, room, in, len);
    return ZSTD_isError(n) ? -EIO : (ssize_t)n;
}

const struct cf_framer cf_zstd_framer = {frame_open, frame_close, frame_bound, frame, NULL};

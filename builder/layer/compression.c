/* SPDX-License-Identifier: Apache-2.0 */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"

enum cf_compression cf_compression_detect(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    if (len >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8)
        return CF_GZIP;
    if (len >= 4 && memcmp(bytes, "\x28\xb5\x2f\xfd", 4) == 0)
        return CF_ZSTD;
    /* A skippable frame in front: 0x184D2A50 to 0x184D2A5F, little endian. */
    if (len >= 4 && (bytes[0] & 0xf0) == 0x50 && memcmp(bytes + 1, "\x2a\x4d\x18", 3) == 0)
        return CF_ZSTD;
    return CF_PLAIN;
}

int cf_decoder_new(enum cf_compression kind, cf_input_fn *input, void *input_context,
                   struct cf_decoder **ret_decoder, struct cf_error *err)
{
    struct cf_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return cf_fail(err, -ENOMEM, "out of memory");
    decoder->input = input;
    decoder->input_context = input_context;
    decoder->codec = kind == CF_GZIP ? &cf_inflate_codec : &cf_unzstd_codec;
    decoder->state = decoder->codec->open();
    if (!decoder->state) {
        free(decoder);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    *ret_decoder = decoder;
    return 0;
}

void cf_decoder_free(struct cf_decoder *decoder)
{
    if (!decoder)
        return;
    if (decoder->codec)
        decoder->codec->close(decoder->state);
    else
        cf_filter_close(decoder);
    free(decoder);
}

static int fill(struct cf_decoder *decoder, struct cf_error *err)
{
    const void *data;
    size_t len;
    int r = decoder->input(decoder->input_context, &data, &len, err);
    if (r < 0)
        return r;
    decoder->in_over = r == 0;
    decoder->io.in = r ? data : NULL;
    decoder->io.in_len = r ? len : 0;
    return 0;
}

ssize_t cf_decoder_read(struct cf_decoder *decoder, void *data, size_t len, struct cf_error *err)
{
    if (!decoder->codec)
        return cf_filter_read(decoder, data, len, err);
    struct cf_codec_io *io = &decoder->io;
    io->out = data;
    io->out_len = len;
    while (io->out_len > 0 && !decoder->over) {
        int r = 0;
        if (io->in_len == 0 && !decoder->in_over)
            r = fill(decoder, err);
        if (r < 0)
            return r;
        const size_t before = io->out_len;
        r = decoder->codec->run(decoder->state, io, err);
        if (r < 0)
            return r;
        /* At the end of the input a codec may still hold output that found no room. */
        if (decoder->in_over && io->out_len == before) {
            r = decoder->codec->end(decoder->state, err);
            if (r < 0)
                return r;
            decoder->over = true;
        }
    }
    return (ssize_t)(len - io->out_len);
}

enum { HELD_MAX = 64 << 10 };
enum { BLOCK = 1 << 20 }; /* what is compressed for itself: part of what a layer's digest is */

struct cf_compressor {
    cf_sink_fn *sink;
    void *sink_context;
    const struct cf_deflater *deflater; /* one frame, here; NULL: blocks, or plain */
    void *state;
    struct cf_buf held;       /* of the one frame: what is short is compressed as what it is */
    bool begun;               /* held went to the deflater */
    struct cf_frames *frames; /* NULL: plain */
    bool is_gzip;
    size_t open; /* bytes of the block at hand */
    uint64_t size;
    uint32_t sum;
};

static int take_block(void *context, const struct cf_frame *frame, struct cf_error *err)
{
    struct cf_compressor *compressor = context;
    if (compressor->is_gzip)
        compressor->sum = cf_gzip_sum(compressor->sum, frame->sum, frame->plain);
    return compressor->sink(compressor->sink_context, frame->data, frame->len, err);
}

static struct cf_compressor *new_compressor(cf_sink_fn *sink, void *sink_context)
{
    struct cf_compressor *compressor = calloc(1, sizeof *compressor);
    if (compressor) {
        compressor->sink = sink;
        compressor->sink_context = sink_context;
    }
    return compressor;
}

int cf_compressor_new(enum cf_compression kind, int level, cf_sink_fn *sink, void *sink_context,
                      struct cf_compressor **ret_compressor, struct cf_error *err)
{
    struct cf_compressor *compressor cf_cleanup(cf_compressor_free_ptr) =
        new_compressor(sink, sink_context);
    if (!compressor)
        return cf_fail(err, -ENOMEM, "out of memory");
    compressor->is_gzip = kind == CF_GZIP;
    int r = kind == CF_PLAIN
                ? 0
                : cf_frames_new(kind == CF_GZIP ? &cf_gzip_framer : &cf_zstd_framer, level,
                                take_block, compressor, &compressor->frames, err);
    if (r == 0 && compressor->is_gzip) {
        uint8_t head[CF_GZIP_HEAD];
        cf_gzip_head(head);
        r = sink(sink_context, head, sizeof head, err);
    }
    if (r < 0)
        return r;
    *ret_compressor = CF_TAKE(compressor);
    return 0;
}

int cf_compressor_new_frame(int level, cf_sink_fn *sink, void *sink_context,
                            struct cf_compressor **ret_compressor, struct cf_error *err)
{
    struct cf_compressor *compressor cf_cleanup(cf_compressor_free_ptr) =
        new_compressor(sink, sink_context);
    if (!compressor)
        return cf_fail(err, -ENOMEM, "out of memory");
    compressor->state = cf_zstd_deflater.open(level);
    if (!compressor->state)
        return cf_fail(err, -ENOMEM, "out of memory");
    compressor->deflater = &cf_zstd_deflater;
    *ret_compressor = CF_TAKE(compressor);
    return 0;
}

static int end_block(struct cf_compressor *compressor, struct cf_error *err)
{
    const size_t len = compressor->open;
    compressor->open = 0;
    return cf_frames_cut(compressor->frames, len, 0, false, err);
}

static int deflate(struct cf_compressor *compressor, const void *data, size_t len, bool last,
                   struct cf_error *err)
{
    return compressor->deflater->run(compressor->state, data, len, last, compressor->sink,
                                     compressor->sink_context, err);
}

static int write_frame(struct cf_compressor *compressor, const void *data, size_t len,
                       struct cf_error *err)
{
    struct cf_buf *held = &compressor->held;
    if (!compressor->begun && held->len + len <= HELD_MAX)
        return cf_buf_add(held, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
    int r = compressor->begun ? 0 : deflate(compressor, held->data, held->len, false, err);
    compressor->begun = true;
    return r == 0 ? deflate(compressor, data, len, false, err) : r;
}

int cf_compressor_write(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct cf_compressor *compressor = context;
    const char *at = data;
    int r = 0;
    if (compressor->deflater)
        return write_frame(compressor, data, len, err);
    if (!compressor->frames)
        return compressor->sink(compressor->sink_context, data, len, err);
    compressor->size += len;
    while (len > 0 && r == 0) {
        const size_t room = BLOCK - compressor->open, n = len < room ? len : room;
        r = cf_frames_add(compressor->frames, at, n, err);
        compressor->open += n;
        at += n;
        len -= n;
        if (r == 0 && compressor->open == BLOCK)
            r = end_block(compressor, err);
    }
    return r;
}

int cf_compressor_finish(struct cf_compressor *compressor, struct cf_error *err)
{
    uint8_t tail[CF_GZIP_TAIL];
    if (compressor->deflater)
        return compressor->begun
                   ? deflate(compressor, NULL, 0, true, err)
                   : deflate(compressor, compressor->held.data, compressor->held.len, true, err);
    if (!compressor->frames)
        return 0;
    /* Nothing at all is still one frame. */
    const bool needed = compressor->open > 0 || (compressor->size == 0 && !compressor->is_gzip);
    int r = needed ? cf_frames_add(compressor->frames, "", 0, err) : 0;
    if (r == 0 && needed)
        r = end_block(compressor, err);
    if (r == 0)
        r = cf_frames_flush(compressor->frames, err);
    if (r < 0 || !compressor->is_gzip)
        return r;
    cf_gzip_tail(compressor->sum, compressor->size, tail);
    return compressor->sink(compressor->sink_context, tail, sizeof tail, err);
}

void cf_compressor_free(struct cf_compressor *compressor)
{
    if (!compressor)
        return;
    if (compressor->deflater)
        compressor->deflater->close(compressor->state);
    cf_frames_free(compressor->frames);
    cf_buf_done(&compressor->held);
    free(compressor);
}

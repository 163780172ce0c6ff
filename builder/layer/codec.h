/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression as a stream that is read: gzip, zstd, and what libarchive knows besides. Each
 * library is used by one file only: inflate.c (libisal), deflate.c (zlib), zstd.c, filter.c
 * (libarchive). One thread at a time.
 */
#ifndef CLOUDFS_LAYER_CODEC_H
#define CLOUDFS_LAYER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

/* The next bytes of the compressed form, borrowed until the next call: 1, 0 at the end, -errno. */
typedef int cf_input_fn(void *context, const void **ret_data, size_t *ret_len,
                        struct cf_error *err);

struct cf_decoder;
/* kind is not CF_PLAIN. */
int cf_decoder_new(enum cf_compression kind, cf_input_fn *input, void *input_context,
                   struct cf_decoder **ret_decoder, struct cf_error *err);
/* By libarchive: bzip2, xz, lzma, lzip, lz4 or compress(1). */
int cf_decoder_new_filter(cf_input_fn *input, void *input_context, struct cf_decoder **ret_decoder,
                          struct cf_error *err);
void cf_decoder_free(struct cf_decoder *decoder);
CF_DEFINE_CLEANUP(struct cf_decoder *, cf_decoder_free)
/* Fills data; fewer bytes than len only at the end. -EINVAL: damaged or truncated. */
ssize_t cf_decoder_read(struct cf_decoder *decoder, void *data, size_t len, struct cf_error *err);

/* Whether the first bytes are those of a form for cf_decoder_new_filter. */
bool cf_filter_detect(const void *data, size_t len);

/* ---- for the files that each wrap a library ---- */

struct cf_codec_io {
    const uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
};
struct cf_codec {
    void *(*open)(void); /* NULL: no memory */
    void (*close)(void *state);
    /* Uses input and fills output until one of them is used up. */
    int (*run)(void *state, struct cf_codec_io *io, struct cf_error *err);
    int (*end)(void *state, struct cf_error *err); /* the input is over: is the output whole? */
};
extern const struct cf_codec cf_inflate_codec;
extern const struct cf_codec cf_unzstd_codec;

/* A source of plain bytes, of which filter.c has its own. */
struct cf_decoder {
    cf_input_fn *input;
    void *input_context;
    const struct cf_codec *codec; /* NULL: a filter */
    void *state;
    struct cf_codec_io io;
    bool in_over, over;
};
ssize_t cf_filter_read(struct cf_decoder *decoder, void *data, size_t len, struct cf_error *err);
void cf_filter_close(struct cf_decoder *decoder);

/* Compressors: run consumes all of in, and hands what comes out to the sink; last ends the form. */
struct cf_deflater {
    void *(*open)(int level); /* NULL: no memory */
    void (*close)(void *state);
    int (*run)(void *state, const void *in, size_t len, bool last, cf_sink_fn *sink,
               void *sink_context, struct cf_error *err);
};
extern const struct cf_deflater cf_gzip_deflater;
extern const struct cf_deflater cf_zstd_deflater;

#endif

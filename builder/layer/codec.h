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

#include <cloudfs/decoder.h>

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
extern const struct cf_deflater cf_zstd_deflater;

/* Pieces that are compressed each for itself: the state is for one thread. */
struct cf_framer {
    void *(*open)(int level); /* 0: the usual one. NULL: no memory, or no such level */
    void (*close)(void *state);
    size_t (*bound)(size_t len); /* of what len bytes become */
    /* Its length, or -EIO. */
    ssize_t (*frame)(void *state, const void *in, size_t len, void *out, size_t room);
    uint32_t (*sum)(const void *data, size_t len); /* NULL: none */
};
extern const struct cf_framer cf_zstd_framer; /* frames */
extern const struct cf_framer cf_gzip_framer; /* blocks of deflate; the sum is their CRC-32 */
/* What surrounds gzip's blocks. */
#define CF_GZIP_HEAD 10
#define CF_GZIP_TAIL 10
void cf_gzip_head(uint8_t ret_head[CF_GZIP_HEAD]);
void cf_gzip_tail(uint32_t crc, uint64_t size, uint8_t ret_tail[CF_GZIP_TAIL]);
/* The CRC-32 of two parts together; len: of the second. */
uint32_t cf_gzip_sum(uint32_t first, uint32_t second, size_t len);

/* Go's crc64.ISO, which tar-split has of each file's content; crc: of what lies before, first 0. */
uint64_t cf_crc64_iso(uint64_t crc, const void *data, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zstd:chunked layers: zstd to those who do not know it, and a table of contents (TOC) of files and
 * of chunks inside them to those who do. Written in the dialect of containers/storage (podman);
 * read in that, in stargz-snapshotter's, and as eStargz. Sources: containers/storage,
 * docs/containers-storage-zstd-chunked.md; stargz-snapshotter, docs/estargz.md.
 *
 *   blob   = { frame of headers and padding | frame of a chunk } , TOC , tar-split , footer
 *   TOC, tar-split, footer = skippable frames; the first two hold a zstd frame of JSON
 *
 * tar-split tells the bytes of the tar that are no file's content.
 */
#ifndef CLOUDFS_CHUNKED_H
#define CLOUDFS_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/json.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

/* ---- where content is cut ---- */

#define CF_CHUNK_BITS 17        /* ours: 128 KiB on average */
#define CF_CHUNK_BITS_PODMAN 16 /* containers/storage's */
#define CF_CHUNK_MAX (1u << 20)
#define CF_CHUNK_HOLE 1024u /* so many zeros are a chunk of their own */

/*
 * Cuts a file by its content: behind each byte where the sum of the last 64 has its low bits set,
 * around holes, and at CF_CHUNK_MAX. The sum is bup's (bupsplit.c; also in perkeep,
 * go4.org/rollsum).
 */
struct cf_chunker {
    uint32_t s1, s2, mask;
    uint8_t window[64];
    unsigned at;
    uint64_t len;   /* bytes of the piece so far, zeros that may become a hole included */
    uint64_t zeros; /* at its end */
    bool in_hole;
};
/* A piece is whole: len bytes, the pieces following each other. */
typedef int cf_piece_fn(void *context, bool is_hole, uint64_t len, struct cf_error *err);
void cf_chunker_init(struct cf_chunker *chunker, unsigned bits);
int cf_chunker_add(struct cf_chunker *chunker, const void *data, size_t len, cf_piece_fn *fn,
                   void *context, struct cf_error *err);
int cf_chunker_end(struct cf_chunker *chunker, cf_piece_fn *fn, void *context,
                   struct cf_error *err);

/* ---- writing ---- */

/*
 * A tar's bytes into a zstd:chunked blob, on all cores; the same blob for the same tar on any
 * machine with the same libzstd. -ENOTSUP for a tar that the form cannot tell truly (sparse
 * entries, names that are no UTF-8).
 */
struct cf_chunked_writer;
int cf_chunked_writer_new(int level, cf_sink_fn *sink, void *sink_context,
                          struct cf_chunked_writer **ret_writer, struct cf_error *err);
void cf_chunked_writer_free(struct cf_chunked_writer *writer);
CF_DEFINE_CLEANUP(struct cf_chunked_writer *, cf_chunked_writer_free)
cf_sink_fn cf_chunked_write; /* context: the writer */
/* ret_annotations: for the descriptor of the layer. */
int cf_chunked_finish(struct cf_chunked_writer *writer, struct cf_json **ret_annotations,
                      struct cf_error *err);

/* ---- annotations ---- */

#define CF_CHUNKED_CHECKSUM "io.github.containers.zstd-chunked.manifest-checksum"
#define CF_CHUNKED_POSITION "io.github.containers.zstd-chunked.manifest-position"
#define CF_CHUNKED_TARSPLIT "io.github.containers.zstd-chunked.tarsplit-position"
#define CF_STARGZ_ZSTD_CHECKSUM "io.containers.zstd-chunked.manifest-checksum"
#define CF_STARGZ_ZSTD_POSITION "io.containers.zstd-chunked.manifest-position"
#define CF_ESTARGZ_DIGEST "containerd.io/snapshot/stargz/toc.digest"

#endif

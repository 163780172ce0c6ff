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

#define CF_CHUNK_MAX (1u << 20)
#define CF_CHUNK_HOLE 1024u /* so many zeros are a chunk of their own, with fine cuts */

/*
 * Cuts a file by its content: behind each byte where the sum of the last 64 has its low 16 bits
 * set, around holes, and at CF_CHUNK_MAX. The sum is bup's (bupsplit.c; also in perkeep,
 * go4.org/rollsum), and so are the places podman's; that makes some 60 KiB. Coarse cuts are every
 * other of them, and in large files every fourth, and only 32 KiB of zeros are a
 * hole, which keeps the table of contents short.
 */
struct cf_chunker {
    uint32_t s1, s2;
    uint32_t coarse; /* these bits of s1 must be set too */
    uint32_t hole;   /* so many zeros are a chunk of their own */
    uint8_t window[64];
    unsigned at;
    uint64_t len;   /* bytes of the piece so far, zeros that may become a hole included */
    uint64_t zeros; /* at its end */
    bool in_hole;
};
/* A piece is whole: len bytes, the pieces following each other. */
typedef int cf_piece_fn(void *context, bool is_hole, uint64_t len, struct cf_error *err);
/* size: of the whole file. */
void cf_chunker_init(struct cf_chunker *chunker, bool coarse, uint64_t size);
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

/* ---- reading: only what is missing ---- */

/* A table of contents: files with content, and their chunks. */
struct cf_toc_chunk {
    uint64_t offset, end; /* of its frame in the blob */
    uint64_t file_offset, size;
    bool is_hole;
    struct cf_digest digest;
};
struct cf_toc_file {
    char *name; /* as the tar spells it */
    uint64_t size;
    struct cf_digest digest;
    size_t first, count; /* chunks, in order, which are the file without a gap */
};
struct cf_toc {
    struct cf_toc_file *files; /* ascending by name */
    size_t file_count;
    struct cf_toc_chunk *chunks;
    size_t chunk_count;
    struct cf_digest split; /* of the compressed tar-split */
    bool coarse;            /* how the chunks were cut */
};
/* The JSON of a TOC, for a blob whose frames end before limit. -EINVAL: it contradicts itself, lies
 * about sizes, names a file twice, or lacks a tar-split. */
int cf_toc_parse(const void *text, size_t len, uint64_t limit, struct cf_toc *ret_toc,
                 struct cf_error *err);
void cf_toc_done(struct cf_toc *toc);
const struct cf_toc_file *cf_toc_find(const struct cf_toc *toc, const char *name, size_t len);

struct cf_chunked_source {
    /* len bytes of the blob from offset, to the sink; by several threads. */
    int (*fetch)(void *context, uint64_t offset, uint64_t len, cf_sink_fn *sink, void *sink_context,
                 struct cf_error *err);
    void *context;
    uint64_t blob_size;
    const struct cf_json *annotations; /* of the layer's descriptor */
    const char *what;                  /* for messages */
    const struct cf_digest *diff_id;
    cf_progress_fn *progress;
    void *progress_context;
};
/* Whether the annotations are such that cf_chunked_read may be worth while. */
bool cf_chunked_detect(const struct cf_json *annotations);
/*
 * Makes a layer of what the store has (whole files first, then chunks of the files of the same path
 * in its images) and of what it lacks, which is fetched in few ranges. stargz's forms have headers
 * in one member with the end of a file: there only the other members of large files are left out.
 * The TOC is verified against its annotation, each chunk against the TOC, and the tar that all of
 * it makes against the diff ID. 1: it is not worth while, and the whole blob is to be read instead;
 * nothing was made.
 */
int cf_chunked_read(struct cf_store *store, const struct cf_chunked_source *source,
                    struct cf_error *err);

/*
 * For a blob that is read whole: where its TOC lies in it (-ENOENT: it has none), and what is to be
 * done with these bytes once the layer is there: the lists of chunks are kept for later pulls.
 */
int cf_chunked_toc_place(const struct cf_json *annotations, uint64_t blob_size,
                         uint64_t *ret_offset, uint64_t *ret_len);
int cf_chunked_keep(struct cf_store *store, const struct cf_json *annotations, const char *packed,
                    uint64_t blob_size);

/* ---- annotations ---- */

#define CF_CHUNKED_CHECKSUM "io.github.containers.zstd-chunked.manifest-checksum"
#define CF_CHUNKED_POSITION "io.github.containers.zstd-chunked.manifest-position"
#define CF_CHUNKED_TARSPLIT "io.github.containers.zstd-chunked.tarsplit-position"
#define CF_STARGZ_ZSTD_CHECKSUM "io.containers.zstd-chunked.manifest-checksum"
#define CF_STARGZ_ZSTD_POSITION "io.containers.zstd-chunked.manifest-position"
#define CF_ESTARGZ_DIGEST "containerd.io/snapshot/stargz/toc.digest"

#endif

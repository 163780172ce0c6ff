/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tar's bytes on their way out: gathered in chunks, hashed on another thread, and handed to a
 * sink. The content of a file in it can be hashed too, from the same memory.
 */
#ifndef CLOUDFS_LAYER_OUT_H
#define CLOUDFS_LAYER_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/layer.h>
#include <cloudfs/pipeline.h>

struct cf_out {
    cf_sink_fn *sink; /* NULL: nobody */
    void *sink_context;
    struct cf_async_hasher *hasher; /* of all; NULL: not wanted */
    struct cf_chunk *chunk;
    struct cf_chunk_pool pool;
    uint64_t size; /* bytes so far */
    /* Of one file. */
    bool in_file;
    size_t file_start; /* in chunk, of what its hasher has not seen */
    bool file_large;   /* hashed by file_async rather than by file_hasher */
    struct cf_hasher *file_hasher;
    struct cf_async_hasher *file_async;
};

int cf_out_init(struct cf_out *out, bool hash, cf_sink_fn *sink, void *sink_context,
                struct cf_error *err);
void cf_out_done(struct cf_out *out);
int cf_out_put(struct cf_out *out, const void *data, size_t len, struct cf_error *err);
int cf_out_zeros(struct cf_out *out, uint64_t len, struct cf_error *err);
/* Memory for the next bytes, at least one, to be filled in and then counted by cf_out_filled. */
int cf_out_room(struct cf_out *out, void **ret_data, size_t *ret_len, struct cf_error *err);
void cf_out_filled(struct cf_out *out, size_t len);
/* What is put in between is the content of a file that has size bytes. */
int cf_out_file_begin(struct cf_out *out, uint64_t size, struct cf_error *err);
void cf_out_file_end(struct cf_out *out, struct cf_digest *ret_digest);
/* Hands on what was gathered; ret_digest (where hash was asked for) is that of all. */
int cf_out_finish(struct cf_out *out, struct cf_digest *ret_digest, struct cf_error *err);

/* An object that is kept open from call to call. */
struct cf_object_cache {
    int fd; /* -1: none */
    struct cf_digest digest;
};
void cf_object_cache_done(struct cf_object_cache *cache);
/* Puts a part of an object; -EBADMSG if it is not there, or is shorter. */
int cf_out_object(struct cf_out *out, struct cf_store *store, struct cf_object_cache *cache,
                  const struct cf_digest *digest, uint64_t offset, uint64_t len,
                  struct cf_error *err);

#endif

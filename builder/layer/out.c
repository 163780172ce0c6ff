/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <errno.h>
#include <string.h>
#include <fcntl.h>

#include <cloudfs/io.h>

/* Waiting for another thread costs more than hashing this much. */
enum { CHUNK = 256 << 10, BACKLOG = 3, LARGE_FILE = 512 << 10 };

int cf_out_init(struct cf_out *out, bool hash, cf_sink_fn *sink, void *sink_context,
                struct cf_error *err)
{
    *out = (struct cf_out){.sink = sink, .sink_context = sink_context};
    int r = hash ? cf_async_hasher_start(BACKLOG, &out->hasher) : 0;
    return r < 0 ? cf_fail_errno(err, -r, "cannot start a thread") : 0;
}

void cf_out_done(struct cf_out *out)
{
    cf_async_hasher_free(out->hasher);
    cf_async_hasher_free(out->file_async);
    cf_hasher_free(out->file_hasher);
    cf_chunk_unref(out->chunk);
    cf_chunk_pool_done(&out->pool);
    *out = (struct cf_out){0};
}

/* Gives the file's hasher what the chunk has of it. */
static void hash_file(struct cf_out *out)
{
    const size_t len = out->in_file && out->chunk ? out->chunk->len - out->file_start : 0;
    if (len == 0)
        return;
    if (out->file_large)
        cf_async_hasher_add(out->file_async, out->chunk, out->file_start, len);
    else
        cf_hasher_update(out->file_hasher, out->chunk->data + out->file_start, len);
    out->file_start += len;
}

static int flush(struct cf_out *out, struct cf_error *err)
{
    struct cf_chunk *chunk cf_cleanup(cf_chunk_unref_ptr) = NULL;
    hash_file(out);
    chunk = CF_TAKE(out->chunk);
    out->file_start = 0;
    if (!chunk)
        return 0;
    if (out->hasher)
        cf_async_hasher_add(out->hasher, chunk, 0, chunk->len);
    return out->sink ? out->sink(out->sink_context, chunk->data, chunk->len, err) : 0;
}

int cf_out_room(struct cf_out *out, void **ret_data, size_t *ret_len, struct cf_error *err)
{
    int r = out->chunk && out->chunk->len == out->chunk->room ? flush(out, err) : 0;
    if (r < 0)
        return r;
    if (!out->chunk && cf_chunk_pool_get(&out->pool, CHUNK, &out->chunk) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    *ret_data = out->chunk->data + out->chunk->len;
    *ret_len = out->chunk->room - out->chunk->len;
    return 0;
}

void cf_out_filled(struct cf_out *out, size_t len)
{
    out->chunk->len += len;
    out->size += len;
}

int cf_out_put(struct cf_out *out, const void *data, size_t len, struct cf_error *err)
{
    const char *at = data;
    while (len > 0) {
        void *room = NULL;
        size_t n = 0;
        int r = cf_out_room(out, &room, &n, err);
        if (r < 0)
            return r;
        n = n < len ? n : len;
        memcpy(room, at, n);
        cf_out_filled(out, n);
        at += n;
        len -= n;
    }
    return 0;
}

int cf_out_zeros(struct cf_out *out, uint64_t len, struct cf_error *err)
{
    while (len > 0) {
        void *room = NULL;
        size_t n = 0;
        int r = cf_out_room(out, &room, &n, err);
        if (r < 0)
            return r;
        n = n < len ? n : (size_t)len;
        memset(room, 0, n);
        cf_out_filled(out, n);
        len -= n;
    }
    return 0;
}

int cf_out_file_begin(struct cf_out *out, uint64_t size, struct cf_error *err)
{
    int r = 0;
    out->file_large = size > LARGE_FILE;
    if (out->file_large && !out->file_async)
        r = cf_async_hasher_start(BACKLOG, &out->file_async);
    else if (!out->file_large && !out->file_hasher)
        r = cf_hasher_new(&out->file_hasher);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot hash");
    out->in_file = true;
    out->file_start = out->chunk ? out->chunk->len : 0;
    return 0;
}

void cf_out_file_end(struct cf_out *out, struct cf_digest *ret_digest)
{
    hash_file(out);
    out->in_file = false;
    if (out->file_large)
        cf_async_hasher_final(out->file_async, ret_digest);
    else
        cf_hasher_final(out->file_hasher, ret_digest);
}

int cf_out_finish(struct cf_out *out, struct cf_digest *ret_digest, struct cf_error *err)
{
    int r = flush(out, err);
    if (r == 0 && out->hasher)
        cf_async_hasher_final(out->hasher, ret_digest);
    return r;
}

void cf_object_cache_done(struct cf_object_cache *cache)
{
    cf_close_fd(&cache->fd);
    cache->fd = -1;
}

static int open_object(struct cf_store *store, struct cf_object_cache *cache,
                       const struct cf_digest *digest, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    if (cache->fd >= 0 && cf_digest_equal(&cache->digest, digest))
        return 0;
    cf_object_cache_done(cache);
    const int fd = cf_object_open(store, digest);
    cf_digest_text(digest, text);
    if (fd == -ENOENT)
        return cf_fail(err, -EBADMSG, "object %s is missing from the store", text);
    if (fd < 0)
        return cf_fail_errno(err, -fd, "cannot open object %s", text);
    cache->fd = fd;
    cache->digest = *digest;
    return 0;
}

int cf_out_object(struct cf_out *out, struct cf_store *store, struct cf_object_cache *cache,
                  const struct cf_digest *digest, uint64_t offset, uint64_t len,
                  struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    int r = open_object(store, cache, digest, err);
    cf_digest_text(digest, text);
    while (r == 0 && len > 0) {
        void *room = NULL;
        size_t n = 0;
        r = cf_out_room(out, &room, &n, err);
        if (r < 0)
            return r;
        n = n < len ? n : (size_t)len;
        const ssize_t got = cf_pread_full(cache->fd, room, n, (off_t)offset);
        if (got < 0)
            return cf_fail_errno(err, (int)-got, "cannot read object %s", text);
        if ((size_t)got < n)
            return cf_fail(err, -EBADMSG, "object %s of the store is damaged: too short", text);
        cf_out_filled(out, n);
        offset += n;
        len -= n;
    }
    return r;
}

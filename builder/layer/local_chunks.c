/* SPDX-License-Identifier: Apache-2.0 */
#include "local_chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>

enum { READ_SIZE = 1 << 20, PLACED_MAX = 16 << 20 };

int cf_local_chunks_open(struct cf_local_chunks *local, struct cf_store *store,
                         struct cf_error *err)
{
    memset(local, 0, sizeof *local);
    int r = cf_image_list(store, &local->images, &local->image_count, err);
    for (size_t i = 0;
         r == 0 && i < local->image_count && local->tree_count < CF_COUNT(local->trees); i++) {
        struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
        /* One that is damaged is of no help, and no hindrance. */
        if (cf_image_load(store, &local->images[i].manifest, &image, NULL) == 0 &&
            cf_image_tree(store, image, &local->trees[local->tree_count], NULL, NULL) == 0)
            local->tree_count++;
    }
    return r;
}

void cf_local_chunks_done(struct cf_local_chunks *local)
{
    for (size_t i = 0; i < local->tree_count; i++)
        cf_tree_close(local->trees[i]);
    cf_image_list_free(local->images, local->image_count);
    free(local->chunks);
    free(local->objects);
    memset(local, 0, sizeof *local);
}

static int add_chunk(struct cf_local_chunks *local, const struct cf_local_chunk *chunk)
{
    if (local->count == local->room) {
        const size_t room = local->room ? local->room * 2 : 1024;
        struct cf_local_chunk *grown = realloc(local->chunks, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        local->chunks = grown;
        local->room = room;
    }
    local->chunks[local->count++] = *chunk;
    return 0;
}

/* ---- an object that nobody has cut yet ---- */

struct cutting {
    struct cf_hasher *hasher;
    struct cf_object_chunk *chunks;
    size_t count, room;
    struct cf_buf open; /* bytes from open_at on are of the piece at hand */
    size_t open_at;
    uint64_t at;
};

static void cutting_done(struct cutting *cutting)
{
    cf_hasher_free(cutting->hasher);
    cf_buf_done(&cutting->open);
    free(cutting->chunks);
}

static int take_piece(void *context, bool is_hole, uint64_t len, struct cf_error *err)
{
    struct cutting *cutting = context;
    if (cutting->count == cutting->room) {
        const size_t room = cutting->room ? cutting->room * 2 : 1024;
        struct cf_object_chunk *grown = realloc(cutting->chunks, room * sizeof *grown);
        if (!grown)
            return cf_fail(err, -ENOMEM, "out of memory");
        cutting->chunks = grown;
        cutting->room = room;
    }
    if (!is_hole) {
        struct cf_object_chunk *chunk = &cutting->chunks[cutting->count++];
        chunk->offset = cutting->at;
        cf_hasher_update(cutting->hasher, cutting->open.data + cutting->open_at, (size_t)len);
        cf_hasher_final(cutting->hasher, &chunk->digest);
    }
    cutting->at += len;
    cutting->open_at += (size_t)len;
    return 0;
}

static int cut_object(struct cutting *cutting, int fd, bool coarse, struct cf_error *err)
{
    struct cf_chunker chunker;
    struct stat st;
    struct cf_buf *open = &cutting->open;
    off_t at = 0;
    if (cf_hasher_new(&cutting->hasher) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_chunker_init(&chunker, coarse, fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size);
    for (;;) {
        if (cutting->open_at > 0) {
            open->len -= cutting->open_at;
            memmove(open->data, open->data + cutting->open_at, open->len);
            cutting->open_at = 0;
        }
        if (cf_buf_reserve(open, READ_SIZE) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        const ssize_t n = cf_pread_full(fd, open->data + open->len, READ_SIZE, at);
        if (n < 0)
            return cf_fail_errno(err, (int)-n, "cannot read an object");
        if (n == 0)
            return cf_chunker_end(&chunker, take_piece, cutting, err);
        at += n;
        open->len += (size_t)n;
        int r = cf_chunker_add(&chunker, open->data + open->len - n, (size_t)n, take_piece, cutting,
                               err);
        if (r < 0)
            return r;
    }
}

/* Chunks of the object, of those kept or worked out and kept; none where it is not there. */
static int find_chunks(struct cf_store *store, const struct cf_digest *object, bool coarse,
                       struct cf_object_chunk **ret_chunks, size_t *ret_count, struct cf_error *err)
{
    struct cutting cutting cf_cleanup(cutting_done) = {0};
    *ret_count = 0;
    int r = cf_object_chunks_get(store, object, coarse, ret_chunks, ret_count);
    if (r != -ENOENT)
        return r < 0 ? cf_fail(err, r, "out of memory") : 0;
    int fd cf_autoclose = cf_object_open(store, object);
    if (fd < 0)
        return 0;
    r = cut_object(&cutting, fd, coarse, err);
    if (r < 0)
        return r;
    (void)cf_object_chunks_set(store, object, coarse, cutting.chunks, cutting.count);
    *ret_count = cutting.count;
    *ret_chunks = CF_TAKE(cutting.chunks);
    return 0;
}

static int add_object(struct cf_local_chunks *local, struct cf_store *store,
                      const struct cf_digest *object, bool coarse, struct cf_error *err)
{
    struct cf_object_chunk *chunks cf_autofree = NULL;
    size_t count = 0;
    for (size_t i = 0; i < local->object_count; i++)
        if (cf_digest_equal(&local->objects[i], object))
            return 0;
    struct cf_digest *grown =
        realloc(local->objects, (local->object_count + 1) * sizeof *local->objects);
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    local->objects = grown;
    grown[local->object_count++] = *object;
    int r = find_chunks(store, object, coarse, &chunks, &count, err);
    for (size_t i = 0; i < count && r == 0; i++) {
        const struct cf_local_chunk chunk = {
            .digest = chunks[i].digest, .object = *object, .offset = chunks[i].offset};
        if (add_chunk(local, &chunk) < 0)
            r = cf_fail(err, -ENOMEM, "out of memory");
    }
    return r;
}

int cf_local_chunks_add(struct cf_local_chunks *local, struct cf_store *store, const char *path,
                        bool coarse, struct cf_error *err)
{
    int r = 0;
    for (size_t i = 0; i < local->tree_count && r == 0; i++) {
        struct cf_content content;
        uint64_t nid = 0;
        if (cf_tree_walk(local->trees[i], path, &nid) == 0 &&
            cf_tree_content(local->trees[i], nid, &content) == 0 &&
            content.kind == CF_CONTENT_OBJECT)
            r = add_object(local, store, &content.digest, coarse, err);
    }
    return r;
}

static bool has_chunk(struct cf_store *store, const struct cf_digest *object,
                      const struct cf_toc_chunk *chunk)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    int fd cf_autoclose = cf_object_open(store, object);
    if (fd < 0 || chunk->size > PLACED_MAX || cf_buf_reserve(&text, (size_t)chunk->size) < 0)
        return false;
    const ssize_t n = cf_pread_full(fd, text.data, (size_t)chunk->size, (off_t)chunk->file_offset);
    if (n < 0 || (uint64_t)n != chunk->size)
        return false;
    cf_digest_of(text.data, (size_t)n, &digest);
    return cf_digest_equal(&digest, &chunk->digest);
}

bool cf_local_chunks_at(const struct cf_local_chunks *local, struct cf_store *store,
                        const char *path, const struct cf_toc_chunk *chunk,
                        struct cf_digest *ret_object)
{
    for (size_t i = 0; i < local->tree_count; i++) {
        struct cf_content content;
        uint64_t nid = 0;
        if (cf_tree_walk(local->trees[i], path, &nid) < 0 ||
            cf_tree_content(local->trees[i], nid, &content) < 0 ||
            content.kind != CF_CONTENT_OBJECT || !has_chunk(store, &content.digest, chunk))
            continue;
        *ret_object = content.digest;
        return true;
    }
    return false;
}

static int compare(const void *a, const void *b)
{
    return cf_digest_compare(&((const struct cf_local_chunk *)a)->digest,
                             &((const struct cf_local_chunk *)b)->digest);
}

void cf_local_chunks_sort(struct cf_local_chunks *local)
{
    if (local->count > 1)
        qsort(local->chunks, local->count, sizeof *local->chunks, compare);
}

const struct cf_local_chunk *cf_local_chunks_find(const struct cf_local_chunks *local,
                                                  const struct cf_digest *digest)
{
    const struct cf_local_chunk key = {.digest = *digest};
    return local->count ? bsearch(&key, local->chunks, local->count, sizeof key, compare) : NULL;
}

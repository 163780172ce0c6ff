/* SPDX-License-Identifier: Apache-2.0 */
#include "local_chunks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>

enum { READ_SIZE = 1 << 20 };

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

/* One object being cut. */
struct cutting {
    struct cf_local_chunks *local;
    struct cf_digest object;
    struct cf_hasher *hasher;
    struct cf_buf open; /* bytes of the piece at hand */
    uint64_t at;
};

static int take_piece(void *context, bool is_hole, uint64_t len, struct cf_error *err)
{
    struct cutting *cutting = context;
    struct cf_local_chunks *local = cutting->local;
    if (local->count == local->room) {
        const size_t room = local->room ? local->room * 2 : 1024;
        struct cf_local_chunk *grown = realloc(local->chunks, room * sizeof *grown);
        if (!grown)
            return cf_fail(err, -ENOMEM, "out of memory");
        local->chunks = grown;
        local->room = room;
    }
    if (!is_hole) {
        struct cf_local_chunk *chunk = &local->chunks[local->count++];
        *chunk = (struct cf_local_chunk){.object = cutting->object, .offset = cutting->at};
        cf_hasher_update(cutting->hasher, cutting->open.data, (size_t)len);
        cf_hasher_final(cutting->hasher, &chunk->digest);
    }
    cutting->at += len;
    cutting->open.len -= (size_t)len;
    memmove(cutting->open.data, cutting->open.data + len, cutting->open.len);
    return 0;
}

static int cut_object(struct cutting *cutting, int fd, bool coarse, struct cf_error *err)
{
    struct cf_chunker chunker;
    char *buffer cf_autofree = malloc(READ_SIZE);
    off_t at = 0;
    if (!buffer || cf_hasher_new(&cutting->hasher) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_chunker_init(&chunker, coarse);
    for (;;) {
        const ssize_t n = cf_pread_full(fd, buffer, READ_SIZE, at);
        if (n < 0)
            return cf_fail_errno(err, (int)-n, "cannot read an object");
        if (n == 0)
            return cf_chunker_end(&chunker, take_piece, cutting, err);
        at += n;
        if (cf_buf_add(&cutting->open, buffer, (size_t)n) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        int r = cf_chunker_add(&chunker, buffer, (size_t)n, take_piece, cutting, err);
        if (r < 0)
            return r;
    }
}

static int add_object(struct cf_local_chunks *local, struct cf_store *store,
                      const struct cf_digest *object, bool coarse, struct cf_error *err)
{
    struct cutting cutting = {.local = local, .object = *object};
    for (size_t i = 0; i < local->object_count; i++)
        if (cf_digest_equal(&local->objects[i], object))
            return 0;
    struct cf_digest *grown =
        realloc(local->objects, (local->object_count + 1) * sizeof *local->objects);
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    local->objects = grown;
    grown[local->object_count++] = *object;
    int fd cf_autoclose = cf_object_open(store, object);
    if (fd < 0)
        return 0;
    int r = cut_object(&cutting, fd, coarse, err);
    cf_hasher_free(cutting.hasher);
    cf_buf_done(&cutting.open);
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

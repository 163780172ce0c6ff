/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that the store has inside its objects: worked out for files of given paths. */
#ifndef CLOUDFS_LAYER_LOCAL_CHUNKS_H
#define CLOUDFS_LAYER_LOCAL_CHUNKS_H

#include <cloudfs/chunked.h>

enum { CF_LOCAL_MIN = 256 << 10 }; /* files below this are fetched whole */

struct cf_local_chunk {
    struct cf_digest digest, object;
    uint64_t offset;
};
struct cf_local_chunks {
    struct cf_local_chunk *chunks; /* ascending digests, once sorted */
    size_t count, room;
    struct cf_digest *objects; /* that were looked at */
    size_t object_count;
    struct cf_image_entry *images; /* of the store, newest first */
    size_t image_count;
    struct cf_tree *trees[16]; /* of the newest of them */
    size_t tree_count;
};
int cf_local_chunks_open(struct cf_local_chunks *local, struct cf_store *store,
                         struct cf_error *err);
void cf_local_chunks_done(struct cf_local_chunks *local);
/* Adds the chunks of every object that an image has under that path. */
int cf_local_chunks_add(struct cf_local_chunks *local, struct cf_store *store, const char *path,
                        bool coarse, struct cf_error *err);
/* Whether an object that an image has under that path has that chunk at its place; which. */
bool cf_local_chunks_at(const struct cf_local_chunks *local, struct cf_store *store,
                        const char *path, const struct cf_toc_chunk *chunk,
                        struct cf_digest *ret_object);
void cf_local_chunks_sort(struct cf_local_chunks *local);
const struct cf_local_chunk *cf_local_chunks_find(const struct cf_local_chunks *local,
                                                  const struct cf_digest *digest);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A tar as pieces: bytes of tar-split, parts of objects, holes, and chunks that must be fetched. */
#ifndef CLOUDFS_LAYER_CHUNKED_PLAN_H
#define CLOUDFS_LAYER_CHUNKED_PLAN_H

#include <cloudfs/chunked.h>

#include "local_chunks.h"

enum cf_piece_kind { CF_PIECE_RAW, CF_PIECE_OBJECT, CF_PIECE_HOLE, CF_PIECE_FETCH };
struct cf_piece {
    enum cf_piece_kind kind;
    uint64_t size;
    uint64_t offset; /* in raw, in the object, or (fetch) in the file of what was fetched */
    struct cf_digest object;
    const struct cf_toc_chunk *chunk; /* fetch */
    bool has_tail; /* fetch: more comes out of it than the chunk; size and offset are known then */
};
struct cf_plan {
    struct cf_piece *pieces;
    size_t count, room;
    struct cf_buf raw;
    uint64_t fetch_plain, fetch_packed; /* bytes of what must be fetched */
};
/* split: the JSON of a tar-split, a line an entry. -EINVAL where it and the TOC differ. */
int cf_plan_make(struct cf_store *store, const struct cf_toc *toc, const char *split, size_t len,
                 struct cf_plan *ret_plan, struct cf_error *err);
int cf_plan_add(struct cf_plan *plan, const struct cf_piece *piece, struct cf_error *err);
void cf_plan_done(struct cf_plan *plan);

#endif

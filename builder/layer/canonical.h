/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical tar of what a builder holds (docs/format.md, "The canonical tar"). */
#ifndef CLOUDFS_LAYER_CANONICAL_H
#define CLOUDFS_LAYER_CANONICAL_H

#include <cloudfs/layer.h>

#include "out.h"

struct cf_canonical {
    struct cf_store *store;
    struct cf_builder *builder;
    const struct cf_content_source *content; /* NULL: all from builder and store */
    /* Told each file's digest before content->close; may be NULL. */
    int (*file_done)(void *context, struct cf_node *node, const struct cf_digest *digest,
                     uint64_t size, struct cf_error *err);
    void *file_done_context;
    cf_progress_fn *progress;
    void *progress_context;
    struct cf_out *out; /* not finished here */
    /* What was written. */
    uint64_t entries;
    int64_t newest_sec;
    uint32_t newest_nsec;
    bool has_newest;
};
int cf_canonical_write(struct cf_canonical *canonical, struct cf_error *err);

#endif

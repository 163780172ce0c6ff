/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blobs that images want and neither the rootfs nor the store has: each is fetched once,
 * several at once, from the first of the images' origins that gives it. Not public.
 */
#ifndef CF_CACHE_WANTS_H
#define CF_CACHE_WANTS_H

#include <cloudfs/buf.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>

/* Where an image comes from. Both return -ENOENT without a line for what is not there. */
struct origin {
    /* The document that the reference names (digest NULL), or one of that digest; verified. */
    int (*document)(void *context, const struct cf_digest *digest, struct cf_buf *ret_text,
                    struct cf_error *err);
    /* A blob to a sink; the caller verifies it. */
    int (*blob)(void *context, const struct cf_digest *digest, uint64_t size, cf_sink_fn *sink,
                void *sink_context, struct cf_error *err);
    void *context;
    bool many; /* blobs may be asked for by several threads at once */
};

struct want {
    struct cf_digest digest;
    uint64_t size;
    bool done;           /* it is an object of the store, or small */
    struct cf_buf small; /* its bytes, up to CF_INLINE_MAX of them */
    const struct origin **origins;
    size_t origin_count;
    struct cf_error why; /* it is not done */
};
struct wants {
    struct want *list; /* ascending by digest */
    size_t count, room;
};
void cf_wants_done(struct wants *wants);
/* origin lives as long as wants. -ENOMEM. */
int cf_wants_add(struct wants *wants, const struct cf_digest *digest, uint64_t size,
                 const struct origin *origin);
/* The want of that digest, or NULL. */
const struct want *cf_wants_find(const struct wants *wants, const struct cf_digest *digest);

struct fetching {
    struct cf_store *store;
    unsigned jobs;
    cf_progress_fn *progress;
    void *progress_context;
};
/* Fetches all of them; what cannot be had is told in its want. Fails only where going on is of no
 * use: -ENOMEM, -ENOSPC, -EDQUOT. ret_bytes: that came. */
int cf_wants_fetch(struct wants *wants, const struct fetching *fetching, uint64_t *ret_bytes,
                   struct cf_error *err);
/* Keeps the small blobs as objects too (large ones are), for a next try: until gc. */
int cf_wants_keep(const struct wants *wants, struct cf_store *store, struct cf_error *err);

#endif

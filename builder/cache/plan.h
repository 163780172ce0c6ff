/* SPDX-License-Identifier: Apache-2.0 */
/* The files that registry/ is to get, and where images come from. Not public. */
#ifndef CF_CACHE_PLAN_H
#define CF_CACHE_PLAN_H

#include <cloudfs/buf.h>
#include <cloudfs/cache.h>
#include <cloudfs/json.h>
#include <cloudfs/layer.h>
#include <cloudfs/platform.h>

/* A file: small content is here, the rest is an object of the store. */
struct planned {
    char *path; /* below registry/docker/registry/v2/ */
    uint64_t size;
    bool is_object;
    struct cf_digest digest;
    char *data;
};
struct plan {
    struct planned *files; /* in the order to write them: what a file refers to comes first */
    size_t count, room;
    struct cf_digest *have; /* blobs that are among the files, ascending */
    size_t have_count, have_room;
};
void cf_cache_plan_done(struct plan *plan);
int cf_cache_plan_text(struct plan *plan, const char *data, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int cf_cache_plan_object(struct plan *plan, const struct cf_digest *digest, uint64_t size,
                         const char *path);
/* Whether the blob was not among the files yet; it is now. -ENOMEM. */
int cf_cache_plan_note(struct plan *plan, const struct cf_digest *digest, bool *ret_new);
/* Forgets the files from that count on, with the blobs' notes. */
void cf_cache_plan_cut(struct plan *plan, size_t count);

/* Where an image comes from. Both return -ENOENT without a line for what is not there. */
struct origin {
    /* The document that the reference names (digest NULL), or one of that digest; verified. */
    int (*document)(void *context, const struct cf_digest *digest, struct cf_buf *ret_text,
                    struct cf_error *err);
    /* A blob to a sink; the caller verifies it. */
    int (*blob)(void *context, const struct cf_digest *digest, uint64_t size, cf_sink_fn *sink,
                void *sink_context, struct cf_error *err);
    void *context;
};

struct getting {
    struct cf_store *store;
    struct cf_rootfs *rootfs; /* what it has already is not planned again */
    struct plan *plan;
    const struct cf_platform *platform;
    uint64_t fetched; /* bytes that came from the origin */
};
/* Plans all files of one image: repository and tag ("" for none) as registry/ calls it. */
int cf_cache_get(struct getting *getting, const struct origin *origin, const char *repository,
                 const char *tag, struct cf_digest *ret_digest, struct cf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The files that registry/ is to get, and where images come from. Not public. */
#ifndef CF_CACHE_PLAN_H
#define CF_CACHE_PLAN_H

#include <cloudfs/buf.h>
#include <cloudfs/cache.h>
#include <cloudfs/json.h>
#include <cloudfs/layer.h>
#include <cloudfs/platform.h>

#include "wants.h"

/* A file, or one to be dropped (or a directory, with all that is in it). */
struct planned {
    char *path; /* below registry/docker/registry/v2/ */
    uint64_t size;
    enum { PLANNED_TEXT, PLANNED_BLOB, PLANNED_GONE } kind;
    struct cf_digest digest; /* blobs */
    char *data;              /* texts, and blobs up to CF_INLINE_MAX; else an object of the store */
};
struct plan {
    struct planned *files; /* in the order to write them: what a file refers to comes first */
    size_t count, room;
};
void cf_cache_plan_done(struct plan *plan);
int cf_cache_plan_text(struct plan *plan, const char *data, size_t len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* A blob's file; data NULL: it is an object, or comes with the wants. */
int cf_cache_plan_blob(struct plan *plan, const struct cf_digest *digest, uint64_t size,
                       const char *data);
int cf_cache_plan_gone(struct plan *plan, const char *path, size_t len);
/* Moves the files of another plan to the end of this one, blobs that it has already left out. */
int cf_cache_plan_append(struct plan *plan, struct plan *from);

/* One image to be planned. */
struct getting {
    struct cf_store *store;
    struct cf_rootfs *rootfs; /* what it has already is not planned again */
    struct plan *plan;
    struct wants *wants;
    const struct cf_platform *platforms;
    size_t platform_count;
    bool verify; /* what the rootfs has is read to be believed */
};
/* Plans all files of one image: repository and tag ("" for none) as registry/ calls it. What has to
 * be fetched is among the wants afterwards; the origin must live as long as they do. */
int cf_cache_get(struct getting *getting, const struct origin *origin, const char *repository,
                 const char *tag, struct cf_digest *ret_digest, struct cf_error *err);

#endif

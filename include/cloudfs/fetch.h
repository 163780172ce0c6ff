/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file of the web (http, https) into the store, as an object. Redirects are followed, but never
 * from https to http; proxies come from the environment, and certificates are the system's.
 */
#ifndef CLOUDFS_FETCH_H
#define CLOUDFS_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>

struct cf_fetched {
    bool unchanged; /* the server says that the ETag still holds: nothing else is set */
    struct cf_digest digest;
    uint64_t size;
    char etag[256];   /* "" for none */
    int64_t modified; /* Last-Modified in seconds since the epoch; -1 for none */
};
/* etag: what is at hand already; NULL or "": nothing. -ENOENT (404, 410), -EACCES (401, 403),
 * -EPROTO other answers, and what the network fails with (registry.h). */
int cf_fetch(struct cf_store *store, const char *url, const char *etag, cf_progress_fn *progress,
             void *progress_context, struct cf_fetched *ret_fetched, struct cf_error *err);

#endif

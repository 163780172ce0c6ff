/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/fetch.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http.h"

enum { REDIRECTS_MAX = 10, STALL_SECONDS = 60, PIECE = 128 << 10 };

struct fetching {
    struct cf_store *store;
    const char *url;
    const char *etag;
    cf_progress_fn *progress;
    void *progress_context;
};

static int64_t date_of(const char *text)
{
    struct tm tm = {0};
    if (!text || !strptime(text, "%a, %d %b %Y %H:%M:%S", &tm))
        return -1;
    return (int64_t)timegm(&tm);
}

static int take_body(const struct fetching *fetching, struct cf_http_transfer *transfer,
                     struct cf_fetched *ret_fetched, struct cf_error *err)
{
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    const char *length = cf_http_header(transfer, "Content-Length", 0);
    const char *etag = cf_http_header(transfer, "ETag", 0);
    const uint64_t total = length ? strtoull(length, NULL, 10) : 0;
    char *piece cf_autofree = malloc(PIECE);
    uint64_t done = 0;
    int r = piece ? cf_object_writer_new(fetching->store, 0, &writer, err)
                  : cf_fail(err, -ENOMEM, "out of memory");

    while (r == 0) {
        ssize_t n = cf_http_read(transfer, piece, PIECE, err);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        r = cf_object_writer_add(writer, piece, (size_t)n, err);
        done += (uint64_t)n;
        if (fetching->progress)
            fetching->progress(fetching->progress_context, fetching->url, done, total);
    }
    struct cf_fetched fetched = {.modified = date_of(cf_http_header(transfer, "Last-Modified", 0))};
    if (etag && strlen(etag) < sizeof(fetched.etag))
        strcpy(fetched.etag, etag);
    if (r == 0)
        r = cf_object_writer_finish(writer, &fetched.digest, &fetched.size, err);
    if (r == 0)
        *ret_fetched = fetched;
    return r;
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* 1: url leads elsewhere now. */
static int take_answer(const struct fetching *fetching, struct cf_url *url,
                       struct cf_http_transfer *transfer, struct cf_fetched *ret_fetched,
                       struct cf_error *err)
{
    int status = 0;
    int r = cf_http_wait(transfer, &status, err);

    if (r < 0)
        return r;
    if (status == 304 && fetching->etag && *fetching->etag) {
        ret_fetched->unchanged = true;
        return 0;
    }
    if (is_redirect(status)) {
        struct cf_url next = {0};
        const char *location = cf_http_header(transfer, "Location", 0);
        r = cf_url_resolve(url->whole, location ? location : "", &next, err);
        if (r == 0 && next.is_plain && !url->is_plain)
            r = cf_fail(err, -EACCES, "it leads from https to http");
        if (r < 0) {
            cf_url_done(&next);
            return r;
        }
        cf_url_done(url);
        *url = next;
        return 1;
    }
    if (status != 200)
        return cf_fail(err,
                       status == 404 || status == 410   ? -ENOENT
                       : status == 401 || status == 403 ? -EACCES
                                                        : -EPROTO,
                       "the server answers with status %d", status);
    return take_body(fetching, transfer, ret_fetched, err);
}

int cf_fetch(struct cf_store *store, const char *url, const char *etag, cf_progress_fn *progress,
             void *progress_context, struct cf_fetched *ret_fetched, struct cf_error *err)
{
    const struct fetching fetching = {store, url, etag, progress, progress_context};
    struct cf_http *http cf_cleanup(cf_http_delete_ptr) = NULL;
    struct cf_url at cf_cleanup(cf_url_done) = {0};
    char condition[300];
    const char *const headers[] = {condition, NULL};
    int r = cf_url_resolve(NULL, url, &at, err);

    if (r == 0)
        r = cf_http_new(STALL_SECONDS, &http, err);
    (void)snprintf(condition, sizeof(condition), "If-None-Match: %s", etag ? etag : "");
    for (int i = 0; r == 0 || r == 1; i++) {
        struct cf_http_transfer *transfer cf_cleanup(cf_http_free_ptr) = NULL;
        struct cf_http_request request = {
            .method = "GET", .url = at.whole, .headers = etag && *etag ? headers : NULL};
        if (i > REDIRECTS_MAX)
            return cf_fail(err, -ELOOP, "%s: more than %d redirects", url, REDIRECTS_MAX);
        r = cf_http_start(http, &request, &transfer, err);
        if (r == 0)
            r = take_answer(&fetching, &at, transfer, ret_fetched, err);
        if (r == 0)
            return 0;
    }
    return cf_fail_in(err, r, "%s", url);
}

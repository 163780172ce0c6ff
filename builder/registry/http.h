/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP requests, any number at once on one thread of their own: the only user of libcurl. A
 * transfer is used by one thread at a time, several transfers by several threads. Bodies are read
 * and written as streams; what is not read yet is bounded (CF_HTTP_WINDOW a transfer), and then the
 * peer waits. Knows neither registries, nor credentials, nor redirects: it never follows one.
 * Proxies come from the environment (http_proxy, https_proxy, all_proxy, no_proxy).
 */
#ifndef CF_REGISTRY_HTTP_H
#define CF_REGISTRY_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

#define CF_HTTP_WINDOW (1u << 20)

struct cf_http;
/* stall_seconds: a transfer on which nothing moves for so long fails with -ETIMEDOUT. */
int cf_http_new(unsigned stall_seconds, struct cf_http **ret_http, struct cf_error *err);
/* All transfers must have been freed. */
void cf_http_delete(struct cf_http *http);
CF_DEFINE_CLEANUP(struct cf_http *, cf_http_delete)

struct cf_http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value"; NULL: none. Else ended by NULL */
    const void *body;           /* sent whole; borrowed until the transfer is freed; NULL: none */
    size_t body_len;
    bool is_stream;        /* the body comes by cf_http_write instead */
    int64_t stream_size;   /* of that body; -1: not known yet */
    bool no_verify;        /* certificates are not looked at */
    const char *ca_pem;    /* certificates of further authorities; NULL: the system's alone */
    const char *cert_file; /* of the client; NULL: none */
    const char *key_file;
};

struct cf_http_transfer;
int cf_http_start(struct cf_http *http, const struct cf_http_request *request,
                  struct cf_http_transfer **ret_transfer, struct cf_error *err);
/* Stops it if it still runs. */
void cf_http_free(struct cf_http_transfer *transfer);
CF_DEFINE_CLEANUP(struct cf_http_transfer *, cf_http_free)

/*
 * Waits for the answer's status. -EAGAIN tells of a failure that may pass (no connection, broken
 * off), -ETIMEDOUT of a stall; -EIO, -EPROTO, -EACCES (certificates) are for good.
 */
int cf_http_wait(struct cf_http_transfer *transfer, int *ret_status, struct cf_error *err);
/* The value of a header of the answer, the which-th of that name (from 0); NULL: none. After
 * cf_http_wait; until free. */
const char *cf_http_header(const struct cf_http_transfer *transfer, const char *name,
                           unsigned which);
/* The answer's body: the count, 0 at the end, -errno as of cf_http_wait. */
ssize_t cf_http_read(struct cf_http_transfer *transfer, void *data, size_t len,
                     struct cf_error *err);
/* The whole body, at most max bytes (-EFBIG), appended. */
int cf_http_read_all(struct cf_http_transfer *transfer, size_t max, struct cf_buf *ret_buf,
                     struct cf_error *err);
/* A piece of the request's body. -EPIPE: the peer has answered already. */
int cf_http_write(struct cf_http_transfer *transfer, const void *data, size_t len,
                  struct cf_error *err);
void cf_http_write_end(struct cf_http_transfer *transfer);

/* ---- URLs ---- */

struct cf_url {
    char *whole;   /* without user and password */
    char *origin;  /* "https://host:443" */
    bool is_plain; /* http */
};
/* location, relative to base (NULL: it is absolute). Only http and https: -EINVAL. */
int cf_url_resolve(const char *base, const char *location, struct cf_url *ret_url,
                   struct cf_error *err);
void cf_url_done(struct cf_url *url);

#endif

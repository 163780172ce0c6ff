/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to one server of a registry, with all that HTTP alone does not do: whether it speaks
 * https, who we are there, redirects, pauses and repetitions. Credentials only ever go to the
 * server's own origin and to the realm that it names.
 */
#ifndef CF_REGISTRY_SESSION_H
#define CF_REGISTRY_SESSION_H

#include <pthread.h>

#include <cloudfs/registry.h>

#include "challenge.h"
#include "config.h"
#include "credentials.h"
#include "http.h"

#define CF_TOKEN_SCOPE 1100

struct cf_token {
    struct cf_token *next;
    char scope[CF_TOKEN_SCOPE];
    char *text;
    int64_t expires; /* CLOCK_MONOTONIC seconds */
};

struct cf_host {
    struct cf_host *next;
    char name[256]; /* host[:port], as written */
    bool insecure;
    pthread_mutex_t mutex; /* guards what follows, and is held while it is found out */
    bool known;
    struct cf_url base;          /* https://host[:port]/ */
    struct cf_challenge welcome; /* what /v2/ asks for */
    struct cf_certs certs;
    struct cf_token *tokens;
};

struct cf_registry {
    struct cf_registry_options options; /* with copies of its strings */
    struct cf_registry_config config;
    struct cf_http *http;
    pthread_mutex_t mutex;
    struct cf_host *hosts;      /* mutex */
    uint64_t fetched, requests; /* atomic */
};

/* Found or made; belongs to the registry. */
int cf_session_host(struct cf_registry *registry, const char *name, bool insecure,
                    struct cf_host **ret_host, struct cf_error *err);
void cf_session_host_free(struct cf_host *host);

struct cf_call {
    const char *method;
    const char *url;            /* "/v2/..." or, for uploads, absolute */
    const char *const *headers; /* "Name: value"; NULL: none */
    const void *body;
    size_t body_len;
    bool is_stream; /* body by cf_http_write: the answer is not waited for, nothing is repeated */
    int64_t stream_size;
    bool once;              /* not repeated after failures that may pass */
    const char *repository; /* "" for none: no scope */
    const char *actions;    /* "pull", "pull,push" */
    const char *from;       /* a further repository to pull from; NULL: none */
};
struct cf_answer {
    struct cf_http_transfer *transfer;
    int status; /* 0 for a stream: cf_http_wait tells it */
    char *url;  /* that answered, to which relative Locations refer */
};
/*
 * Sends it and waits for the status. Answers of 401 (after trying to log in), 403, 429 and 5xx
 * (after waiting) are failures; all others are the caller's to judge.
 */
int cf_session_call(struct cf_registry *registry, struct cf_host *host, const struct cf_call *call,
                    struct cf_answer *ret_answer, struct cf_error *err);
void cf_answer_done(struct cf_answer *answer);
/* A failure out of an answer: its status, and what its body says. */
int cf_answer_fail(struct cf_answer *answer, struct cf_error *err);

/* Finds out how the host is to be spoken to, once. */
int cf_session_greet(struct cf_registry *registry, struct cf_host *host, struct cf_error *err);
/* Waits before repetition number tries (from 0); retry_after: of the answer, or NULL. */
void cf_session_pause(unsigned tries, const char *retry_after);
#define CF_SESSION_TRIES 5

/* ---- token.c ---- */

/* The Authorization header for a request, or "" where none is needed. With a challenge (of a 401)
 * what was used before is thrown away. -EACCES. */
int cf_session_authorize(struct cf_registry *registry, struct cf_host *host,
                         const struct cf_call *call, const struct cf_challenge *challenge,
                         struct cf_buf *ret_header, struct cf_error *err);
/* As above, with an account that is not kept anywhere: login. */
int cf_session_try_account(struct cf_registry *registry, struct cf_host *host,
                           const struct cf_account *account, struct cf_error *err);

/* One request without any of the above; bytes and requests are counted. */
int cf_session_send(struct cf_registry *registry, const struct cf_host *host,
                    const struct cf_http_request *request, struct cf_http_transfer **ret_transfer,
                    struct cf_error *err);
/* Reads and counts. */
ssize_t cf_session_read(struct cf_registry *registry, struct cf_http_transfer *transfer, void *data,
                        size_t len, struct cf_error *err);
int cf_session_read_all(struct cf_registry *registry, struct cf_http_transfer *transfer, size_t max,
                        struct cf_buf *ret_buf, struct cf_error *err);

#endif

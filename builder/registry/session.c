/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

enum { REDIRECTS_MAX = 5, HEADERS_MAX = 16, ERROR_MAX = 64 << 10, PAUSE_MAX = 60 };

/* ---- hosts ---- */

void cf_session_host_free(struct cf_host *host)
{
    if (!host)
        return;
    for (struct cf_token *token = host->tokens, *next; token; token = next) {
        next = token->next;
        explicit_bzero(token->text, strlen(token->text));
        free(token->text);
        free(token);
    }
    cf_url_done(&host->base);
    cf_certs_done(&host->certs);
    pthread_mutex_destroy(&host->mutex);
    free(host);
}

int cf_session_host(struct cf_registry *registry, const char *name, bool insecure,
                    struct cf_host **ret_host, struct cf_error *err)
{
    struct cf_host *host;
    insecure = insecure || registry->options.no_tls_verify;
    pthread_mutex_lock(&registry->mutex);
    for (host = registry->hosts; host; host = host->next)
        if (!strcmp(host->name, name) && host->insecure == insecure)
            break;
    int r = 0;
    if (!host) {
        host = calloc(1, sizeof *host);
        r = host ? 0 : cf_fail(err, -ENOMEM, "out of memory");
        if (host) {
            (void)snprintf(host->name, sizeof host->name, "%s", name);
            host->insecure = insecure;
            pthread_mutex_init(&host->mutex, NULL);
            r = cf_certs_find(registry->options.cert_dir, name, &host->certs, err);
            if (r < 0) {
                cf_session_host_free(host);
            } else {
                host->next = registry->hosts;
                registry->hosts = host;
            }
        }
    }
    pthread_mutex_unlock(&registry->mutex);
    if (r == 0)
        *ret_host = host;
    return r;
}

/* ---- one request ---- */

int cf_session_send(struct cf_registry *registry, const struct cf_host *host,
                    const struct cf_http_request *request, struct cf_http_transfer **ret_transfer,
                    struct cf_error *err)
{
    struct cf_http_request complete = *request;
    complete.no_verify = host->insecure;
    complete.ca_pem = host->certs.ca_pem;
    complete.cert_file = host->certs.cert_file;
    complete.key_file = host->certs.key_file;
    __atomic_add_fetch(&registry->requests, 1, __ATOMIC_RELAXED);
    return cf_http_start(registry->http, &complete, ret_transfer, err);
}

ssize_t cf_session_read(struct cf_registry *registry, struct cf_http_transfer *transfer, void *data,
                        size_t len, struct cf_error *err)
{
    const ssize_t n = cf_http_read(transfer, data, len, err);
    if (n > 0)
        __atomic_add_fetch(&registry->fetched, (uint64_t)n, __ATOMIC_RELAXED);
    return n;
}

int cf_session_read_all(struct cf_registry *registry, struct cf_http_transfer *transfer, size_t max,
                        struct cf_buf *ret_buf, struct cf_error *err)
{
    const size_t before = ret_buf->len;
    int r = cf_http_read_all(transfer, max, ret_buf, err);
    __atomic_add_fetch(&registry->fetched, ret_buf->len - before, __ATOMIC_RELAXED);
    return r;
}

/* ---- pauses ---- */

/* Seconds of a Retry-After: a number, or a date; -1: none. */
static long retry_seconds(const char *text)
{
    struct tm tm = {0};
    if (!text)
        return -1;
    if (isdigit((unsigned char)*text))
        return strtol(text, NULL, 10);
    if (!strptime(text, "%a, %d %b %Y %H:%M:%S", &tm))
        return -1;
    const time_t left = timegm(&tm) - time(NULL);
    return left > 0 ? (long)left : 0;
}

void cf_session_pause(unsigned tries, const char *retry_after)
{
    uint16_t dice = 0;
    const long told = retry_seconds(retry_after);
    long ms = 200L << (tries < 6 ? tries : 6);
    (void)!getrandom(&dice, sizeof dice, GRND_NONBLOCK);
    ms = ms / 2 + ms * dice / 65536; /* so that many clients do not come back at once */
    if (told >= 0)
        ms = (told < PAUSE_MAX ? told : PAUSE_MAX) * 1000 + dice % 100;
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* ---- greeting ---- */

/* GET /v2/ over one scheme. */
static int greet(struct cf_registry *registry, struct cf_host *host, const char *scheme,
                 struct cf_error *err)
{
    struct cf_http_transfer *transfer cf_cleanup(cf_http_free_ptr) = NULL;
    char url[300];
    int status = 0;
    /* docker.io is served elsewhere than it is called. */
    const char *server = strcmp(host->name, "docker.io") ? host->name : "registry-1.docker.io";
    (void)snprintf(url, sizeof url, "%s://%s/v2/", scheme, server);
    int r = cf_url_resolve(NULL, url, &host->base, err);
    const struct cf_http_request request = {.method = "GET", .url = url};
    if (r == 0)
        r = cf_session_send(registry, host, &request, &transfer, err);
    if (r == 0)
        r = cf_http_wait(transfer, &status, err);
    if (r < 0) {
        cf_url_done(&host->base);
        return r;
    }
    memset(&host->welcome, 0, sizeof host->welcome);
    for (unsigned i = 0; status == 401; i++) {
        const char *header = cf_http_header(transfer, "WWW-Authenticate", i);
        if (!header)
            break;
        cf_challenge_parse(header, &host->welcome);
    }
    host->known = true;
    return 0;
}

static int greet_patiently(struct cf_registry *registry, struct cf_host *host, const char *scheme,
                           unsigned tries, struct cf_error *err)
{
    int r = 0;
    for (unsigned i = 0; i < tries; i++) {
        r = greet(registry, host, scheme, err);
        if (r != -EAGAIN)
            break;
        if (i + 1 < tries)
            cf_session_pause(i, NULL);
    }
    return r;
}

int cf_session_greet(struct cf_registry *registry, struct cf_host *host, struct cf_error *err)
{
    struct cf_error first = {0};
    pthread_mutex_lock(&host->mutex);
    int r =
        host->known ? 0 : greet_patiently(registry, host, "https", host->insecure ? 1 : 3, &first);
    if ((r == -EPROTO || r == -EAGAIN) && host->insecure)
        r = greet_patiently(registry, host, "http", 3, &first);
    pthread_mutex_unlock(&host->mutex);
    if (r == -EPROTO && !host->insecure)
        return cf_fail(err, r,
                       "registry %s: %s (a registry without TLS needs --tls-verify=false, or "
                       "insecure = true in registries.conf)",
                       host->name, first.text);
    if (r == -EACCES)
        return cf_fail(err, r,
                       "registry %s: %s (its authority's certificate belongs to "
                       "/etc/containers/certs.d/%s/ca.crt)",
                       host->name, first.text, host->name);
    return r < 0 ? cf_fail(err, r, "registry %s: %s", host->name, first.text) : 0;
}

/* ---- answers ---- */

void cf_answer_done(struct cf_answer *answer)
{
    cf_http_free(answer->transfer);
    free(answer->url);
    *answer = (struct cf_answer){0};
}

static int code_of(int status)
{
    switch (status) {
    case 401:
    case 403:
        return -EACCES;
    case 404:
        return -ENOENT;
    case 413:
        return -EFBIG;
    case 416:
        return -ERANGE;
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return -EAGAIN;
    default:
        return -EPROTO;
    }
}

int cf_answer_fail(struct cf_answer *answer, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    char said[200];
    (void)cf_http_read_all(answer->transfer, ERROR_MAX, &text, NULL);
    if (text.len > 0)
        (void)cf_json_parse(text.data, text.len, &json, NULL);
    const struct cf_json *first = cf_json_first(cf_json_get(json, "errors"));
    const char *message = cf_json_get_string(first, "message");
    const char *code = cf_json_get_string(first, "code");
    message = message && *message ? message : code;
    if (!message || !*message)
        return cf_fail(err, code_of(answer->status), "the registry answers %d", answer->status);
    return cf_fail(err, code_of(answer->status), "the registry answers %d: %s", answer->status,
                   cf_escape(message, said, sizeof said));
}

static void tell_warnings(const struct cf_host *host, const struct cf_http_transfer *transfer)
{
    char said[300];
    for (unsigned i = 0; i < 4; i++) {
        const char *text = cf_http_header(transfer, "Warning", i);
        if (text && !strncmp(text, "299 ", 4))
            cf_log(CF_LOG_WARN, "registry %s says: %s", host->name,
                   cf_escape(text + 4 + strspn(text + 4, "- "), said, sizeof said));
    }
}

/* ---- calls ---- */

struct going {
    struct cf_registry *registry;
    struct cf_host *host;
    const struct cf_call *call;
    struct cf_url url;
    struct cf_buf authorization;
    unsigned redirects, logins;
};

static void going_done(struct going *going)
{
    cf_url_done(&going->url);
    if (going->authorization.data)
        explicit_bzero(going->authorization.data, going->authorization.len);
    cf_buf_done(&going->authorization);
}

static int send_once(struct going *going, struct cf_answer *ret_answer, struct cf_error *err)
{
    const struct cf_call *call = going->call;
    const char *headers[HEADERS_MAX] = {0};
    size_t count = 0;
    for (; call->headers && call->headers[count] && count + 2 < HEADERS_MAX; count++)
        headers[count] = call->headers[count];
    const bool own = !strcmp(going->url.origin, going->host->base.origin);
    if (own && going->authorization.len > 0)
        headers[count] = going->authorization.data;
    const struct cf_http_request request = {
        .method = call->method,
        .url = going->url.whole,
        .headers = headers,
        .body = call->body,
        .body_len = call->body_len,
        .is_stream = call->is_stream,
        .stream_size = call->stream_size,
    };
    int r = cf_session_send(going->registry, going->host, &request, &ret_answer->transfer, err);
    if (r == 0 && !call->is_stream)
        r = cf_http_wait(ret_answer->transfer, &ret_answer->status, err);
    return r;
}

/* Where the answer sends us. */
static int redirect(struct going *going, const struct cf_answer *answer, struct cf_error *err)
{
    struct cf_url url = {0};
    const char *location = cf_http_header(answer->transfer, "Location", 0);
    if (!location)
        return cf_fail(err, -EPROTO, "the registry redirects to nowhere");
    if (++going->redirects > REDIRECTS_MAX)
        return cf_fail(err, -ELOOP, "the registry redirects more than %d times", REDIRECTS_MAX);
    int r = cf_url_resolve(going->url.whole, location, &url, err);
    if (r < 0)
        return cf_fail_in(err, r, "the registry redirects");
    if (url.is_plain && !going->url.is_plain && !going->host->insecure) {
        cf_url_done(&url);
        return cf_fail(err, -EPROTO, "the registry redirects from https to http");
    }
    cf_url_done(&going->url);
    going->url = url;
    return 0;
}

static int log_in(struct going *going, const struct cf_answer *answer, struct cf_error *err)
{
    struct cf_challenge challenge = {0};
    for (unsigned i = 0;; i++) {
        const char *header = cf_http_header(answer->transfer, "WWW-Authenticate", i);
        if (!header)
            break;
        cf_challenge_parse(header, &challenge);
    }
    if (!challenge.basic && !challenge.bearer) /* some servers tell only at /v2/ */
        challenge = going->host->welcome;
    cf_buf_clear(&going->authorization);
    return cf_session_authorize(going->registry, going->host, going->call, &challenge,
                                &going->authorization, err);
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_passing(int status)
{
    return status >= 300 && code_of(status) == -EAGAIN;
}

/* 1: go on with another request; 0: the answer is it. */
static int judge(struct going *going, struct cf_answer *answer, unsigned *tries,
                 struct cf_error *err)
{
    const struct cf_call *call = going->call;
    const bool reads = !strcmp(call->method, "GET") || !strcmp(call->method, "HEAD");
    const bool own = !strcmp(going->url.origin, going->host->base.origin);
    int r = 0;
    if (is_redirect(answer->status) && reads) {
        r = redirect(going, answer, err);
    } else if (answer->status == 401 && own && going->logins++ < 2) {
        r = log_in(going, answer, err);
    } else if (answer->status == 401 || answer->status == 403) {
        struct cf_error why = {0};
        r = cf_answer_fail(answer, &why);
        return cf_fail(err, r, "%s (log in with: cloudfs login %s)", why.text, going->host->name);
    } else if (is_passing(answer->status)) {
        if (call->once || ++*tries >= CF_SESSION_TRIES)
            return cf_answer_fail(answer, err);
        cf_session_pause(*tries - 1, cf_http_header(answer->transfer, "Retry-After", 0));
    } else {
        tell_warnings(going->host, answer->transfer);
        return 0;
    }
    return r < 0 ? r : 1;
}

static int go(struct going *going, struct cf_answer *ret_answer, struct cf_error *err)
{
    unsigned tries = 0;
    for (;;) {
        struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
        int r = send_once(going, &answer, err);
        if (r == 0 && !going->call->is_stream)
            r = judge(going, &answer, &tries, err);
        else if ((r == -EAGAIN || (r == -ETIMEDOUT && tries == 0)) && !going->call->once &&
                 !going->call->is_stream && ++tries < CF_SESSION_TRIES) {
            cf_session_pause(tries - 1, NULL);
            r = 1;
        }
        if (r < 0)
            return r;
        if (r > 0)
            continue;
        answer.url = strdup(going->url.whole);
        if (!answer.url)
            return cf_fail(err, -ENOMEM, "out of memory");
        *ret_answer = answer;
        answer = (struct cf_answer){0};
        return 0;
    }
}

int cf_session_call(struct cf_registry *registry, struct cf_host *host, const struct cf_call *call,
                    struct cf_answer *ret_answer, struct cf_error *err)
{
    struct going going cf_cleanup(going_done) = {registry, host, call};
    struct cf_error own = {0};
    int r = cf_session_greet(registry, host, err);
    if (r < 0)
        return r;
    r = cf_url_resolve(host->base.whole, call->url, &going.url, &own);
    if (r == 0)
        r = cf_session_authorize(registry, host, call, NULL, &going.authorization, &own);
    if (r == 0)
        r = go(&going, ret_answer, &own);
    return r < 0 ? cf_fail(err, r, "registry %s: %s", host->name, own.text) : 0;
}

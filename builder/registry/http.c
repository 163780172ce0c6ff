/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, the engine, owns curl's handles and does all of the work in curl_multi_perform().
 * The callers' threads share a struct cf_http_transfer with it, under the transfer's mutex; they
 * hand it over and take it back through the lists of struct cf_http, and wake the engine up.
 */
#include "http.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>

#include "libcurl.h"
#include "ring.h"

enum { POLL_MS = 500, CONNECT_SECONDS = 20, HEADERS_MAX = 256 << 10, CURL_BUFFER = 512 << 10 };

struct cf_http {
    const struct cf_libcurl *curl;
    unsigned stall_seconds;
    CURLM *multi;
    pthread_t engine;
    pthread_mutex_t mutex;
    struct cf_http_transfer *fresh; /* mutex: to be added */
    bool stop;                      /* mutex */
    struct cf_http_transfer *all;   /* the engine's: what runs */
};

struct cf_http_transfer {
    struct cf_http *http;
    struct cf_http_transfer *next; /* in fresh, then in all */
    /* The engine's, once it was handed over. */
    CURL *easy;
    struct curl_slist *headers_out;
    char error_text[CURL_ERROR_SIZE];
    const unsigned char *body;
    size_t body_len, body_at;
    bool is_stream;
    struct timespec moved; /* when something last did */

    pthread_mutex_t mutex;
    pthread_cond_t cond;
    /* Guarded by mutex. */
    struct cf_buf headers; /* lines of the answer, each ended by NUL */
    int status;
    bool has_status, over; /* over: the engine has let go of it */
    bool cancel;
    bool in_paused, out_paused; /* by the engine */
    bool out_end;
    int failure; /* when over */
    struct cf_ring in, out;
};

/* ---- what curl calls, in the engine ---- */

static void touch(struct cf_http_transfer *transfer)
{
    clock_gettime(CLOCK_MONOTONIC, &transfer->moved);
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_transfer *transfer = context;
    size_t len = size * count, bytes = len;
    touch(transfer);
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    pthread_mutex_lock(&transfer->mutex);
    int r = 0;
    if (len > 5 && !strncmp(data, "HTTP/", 5)) { /* of a further answer, after 100 Continue */
        const char *space = memchr(data, ' ', len);
        cf_buf_clear(&transfer->headers);
        transfer->status = space ? atoi(space + 1) : 0;
    } else if (len > 0) {
        r = transfer->headers.len + len > HEADERS_MAX ? -EFBIG
                                                      : cf_buf_add(&transfer->headers, data, len);
        if (r == 0)
            r = cf_buf_add_char(&transfer->headers, '\0');
    } else if (transfer->status >= 200) {
        transfer->has_status = true;
        pthread_cond_broadcast(&transfer->cond);
    }
    pthread_mutex_unlock(&transfer->mutex);
    return r < 0 ? 0 : bytes;
}

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_transfer *transfer = context;
    const size_t len = size * count;
    touch(transfer);
    pthread_mutex_lock(&transfer->mutex);
    size_t taken = len;
    if (cf_ring_room(&transfer->in) < len) {
        transfer->in_paused = true;
        taken = CURL_WRITEFUNC_PAUSE;
    } else if (cf_ring_put(&transfer->in, data, len) < 0) {
        taken = 0;
    }
    pthread_cond_broadcast(&transfer->cond);
    pthread_mutex_unlock(&transfer->mutex);
    return taken;
}

static size_t on_send(char *data, size_t size, size_t count, void *context)
{
    struct cf_http_transfer *transfer = context;
    size_t len = size * count;
    touch(transfer);
    if (!transfer->is_stream) {
        if (len > transfer->body_len - transfer->body_at)
            len = transfer->body_len - transfer->body_at;
        memcpy(data, transfer->body + transfer->body_at, len);
        transfer->body_at += len;
        return len;
    }
    pthread_mutex_lock(&transfer->mutex);
    size_t n = cf_ring_get(&transfer->out, data, len);
    if (n == 0 && !transfer->out_end) {
        transfer->out_paused = true;
        n = CURL_READFUNC_PAUSE;
    }
    pthread_cond_broadcast(&transfer->cond);
    pthread_mutex_unlock(&transfer->mutex);
    return n;
}

/* curl asks for it where it must begin a request's body anew. */
static int on_seek(void *context, curl_off_t offset, int origin)
{
    struct cf_http_transfer *transfer = context;
    if (transfer->is_stream || origin != SEEK_SET || offset < 0 ||
        (uint64_t)offset > transfer->body_len)
        return CURL_SEEKFUNC_CANTSEEK;
    transfer->body_at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* ---- the engine ---- */

static int failure_of(CURLcode code)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
        return -EACCES;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return -EHOSTUNREACH;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_WEIRD_SERVER_REPLY:
        return -EPROTO;
    case CURLE_OUT_OF_MEMORY:
        return -ENOMEM;
    case CURLE_WRITE_ERROR:
        return -EIO;
    case CURLE_OPERATION_TIMEDOUT:
        return -ETIMEDOUT;
    default: /* refused, broken off, cut short */
        return -EAGAIN;
    }
}

static void let_go(struct cf_http_transfer *transfer, int failure)
{
    struct cf_http *http = transfer->http;
    for (struct cf_http_transfer **at = &http->all; *at; at = &(*at)->next)
        if (*at == transfer) {
            *at = transfer->next;
            break;
        }
    (void)http->curl->curl_multi_remove_handle(http->multi, transfer->easy);
    pthread_mutex_lock(&transfer->mutex);
    transfer->failure = failure;
    transfer->over = true;
    pthread_cond_broadcast(&transfer->cond);
    pthread_mutex_unlock(&transfer->mutex);
}

/* Takes what the callers hand over; true: the engine is to end. */
static bool take_fresh(struct cf_http *http)
{
    pthread_mutex_lock(&http->mutex);
    struct cf_http_transfer *fresh = http->fresh;
    const bool stop = http->stop;
    http->fresh = NULL;
    pthread_mutex_unlock(&http->mutex);
    while (fresh) {
        struct cf_http_transfer *transfer = fresh;
        fresh = transfer->next;
        transfer->next = http->all;
        http->all = transfer;
        touch(transfer);
        if (http->curl->curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
            let_go(transfer, -ENOMEM);
    }
    return stop;
}

static bool is_stalled(const struct cf_http_transfer *transfer, const struct timespec *now)
{
    return now->tv_sec - transfer->moved.tv_sec > (time_t)transfer->http->stall_seconds;
}

/* What the callers have changed meanwhile, and what stands still. */
static void look_after(struct cf_http *http)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (struct cf_http_transfer *transfer = http->all, *next; transfer; transfer = next) {
        next = transfer->next;
        pthread_mutex_lock(&transfer->mutex);
        const bool cancel = transfer->cancel;
        const bool in = transfer->in_paused && cf_ring_room(&transfer->in) >= CURL_BUFFER;
        const bool out =
            transfer->out_paused && (cf_ring_used(&transfer->out) > 0 || transfer->out_end);
        if (in)
            transfer->in_paused = false;
        if (out)
            transfer->out_paused = false;
        const bool waits = transfer->in_paused || transfer->out_paused;
        pthread_mutex_unlock(&transfer->mutex);
        if (cancel) {
            let_go(transfer, -ECANCELED);
        } else if (in || out) {
            touch(transfer);
            (void)http->curl->curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
        } else if (waits) { /* for us, not for the peer */
            touch(transfer);
        } else if (is_stalled(transfer, &now)) {
            (void)snprintf(transfer->error_text, sizeof transfer->error_text,
                           "nothing came for %u seconds", http->stall_seconds);
            let_go(transfer, -ETIMEDOUT);
        }
    }
}

static void collect(struct cf_http *http)
{
    const CURLMsg *message;
    int left;
    while ((message = http->curl->curl_multi_info_read(http->multi, &left))) {
        struct cf_http_transfer *transfer = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        const CURLcode code = message->data.result;
        (void)http->curl->curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
                                            (char **)&transfer);
        if (code != CURLE_OK && !transfer->error_text[0])
            (void)snprintf(transfer->error_text, sizeof transfer->error_text, "%s",
                           http->curl->curl_easy_strerror(code));
        let_go(transfer, failure_of(code));
    }
}

static void *run_engine(void *arg)
{
    struct cf_http *http = arg;
    while (!take_fresh(http)) {
        int running;
        look_after(http);
        (void)http->curl->curl_multi_perform(http->multi, &running);
        collect(http);
        (void)http->curl->curl_multi_poll(http->multi, NULL, 0, POLL_MS, NULL);
    }
    return NULL;
}

int cf_http_new(unsigned stall_seconds, struct cf_http **ret_http, struct cf_error *err)
{
    struct cf_http *http = calloc(1, sizeof *http);
    if (!http)
        return cf_fail(err, -ENOMEM, "out of memory");
    http->stall_seconds = stall_seconds;
    http->curl = cf_libcurl(err);
    if (!http->curl) {
        free(http);
        return -ENOTSUP;
    }
    http->multi = http->curl->curl_multi_init();
    pthread_mutex_init(&http->mutex, NULL);
    int r = http->multi ? cf_thread_start(&http->engine, run_engine, http) : -ENOMEM;
    if (r < 0) {
        if (http->multi)
            (void)http->curl->curl_multi_cleanup(http->multi);
        pthread_mutex_destroy(&http->mutex);
        free(http);
        return cf_fail_errno(err, -r, "cannot start a thread for the network");
    }
    *ret_http = http;
    return 0;
}

void cf_http_delete(struct cf_http *http)
{
    if (!http)
        return;
    pthread_mutex_lock(&http->mutex);
    http->stop = true;
    pthread_mutex_unlock(&http->mutex);
    (void)http->curl->curl_multi_wakeup(http->multi);
    (void)pthread_join(http->engine, NULL);
    (void)http->curl->curl_multi_cleanup(http->multi);
    pthread_mutex_destroy(&http->mutex);
    free(http);
}

/* ---- a transfer, on the caller's side ---- */

static void wake(const struct cf_http *http)
{
    (void)http->curl->curl_multi_wakeup(http->multi);
}

static void transfer_delete(struct cf_http_transfer *transfer)
{
    const struct cf_libcurl *curl = transfer->http->curl;
    if (transfer->easy)
        curl->curl_easy_cleanup(transfer->easy);
    curl->curl_slist_free_all(transfer->headers_out);
    cf_buf_done(&transfer->headers);
    cf_ring_done(&transfer->in);
    cf_ring_done(&transfer->out);
    pthread_mutex_destroy(&transfer->mutex);
    pthread_cond_destroy(&transfer->cond);
    free(transfer);
}

static int add_headers(struct cf_http_transfer *transfer, const struct cf_http_request *request)
{
    /* curl would wait a second for a server that does not know this one. */
    static const char *const no_expect[] = {"Expect:", NULL};
    const char *const *lists[] = {no_expect, request->headers};
    for (size_t i = 0; i < CF_COUNT(lists); i++)
        for (const char *const *line = lists[i]; line && *line; line++) {
            struct curl_slist *grown =
                transfer->http->curl->curl_slist_append(transfer->headers_out, *line);
            if (!grown)
                return -ENOMEM;
            transfer->headers_out = grown;
        }
    return 0;
}

static void set_tls(CURL *easy, const struct cf_libcurl *curl,
                    const struct cf_http_request *request)
{
    if (request->no_verify) {
        (void)curl->curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl->curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->ca_pem) {
        struct curl_blob blob = {.data = (void *)(uintptr_t)request->ca_pem, /* only read */
                                 .len = strlen(request->ca_pem),
                                 .flags = CURL_BLOB_COPY};
        (void)curl->curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (request->cert_file)
        (void)curl->curl_easy_setopt(easy, CURLOPT_SSLCERT, request->cert_file);
    if (request->key_file)
        (void)curl->curl_easy_setopt(easy, CURLOPT_SSLKEY, request->key_file);
}

static void set_body(CURL *easy, const struct cf_libcurl *curl,
                     const struct cf_http_request *request)
{
    if (!strcmp(request->method, "HEAD"))
        (void)curl->curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (request->body || request->is_stream) {
        const int64_t size = request->is_stream ? request->stream_size : (int64_t)request->body_len;
        (void)curl->curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
        if (size >= 0)
            (void)curl->curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
    } else if (!strcmp(request->method, "POST") || !strcmp(request->method, "PUT") ||
               !strcmp(request->method, "PATCH")) {
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
        (void)curl->curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    }
    (void)curl->curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static int set_up(struct cf_http_transfer *transfer, const struct cf_http_request *request)
{
    const struct cf_libcurl *curl = transfer->http->curl;
    CURL *easy = transfer->easy = curl->curl_easy_init();
    if (!easy || add_headers(transfer, request) < 0)
        return -ENOMEM;
    if (curl->curl_easy_setopt(easy, CURLOPT_URL, request->url) != CURLE_OK)
        return -ENOMEM;
    (void)curl->curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl->curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl->curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    (void)curl->curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)CURL_BUFFER);
    (void)curl->curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)CURL_BUFFER);
    (void)curl->curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
    (void)curl->curl_easy_setopt(easy, CURLOPT_USERAGENT, "cloudfs/" CF_VERSION);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers_out);
    (void)curl->curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error_text);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl->curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    (void)curl->curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl->curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
    (void)curl->curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
    (void)curl->curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    (void)curl->curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
    set_tls(easy, curl, request);
    set_body(easy, curl, request);
    return 0;
}

int cf_http_start(struct cf_http *http, const struct cf_http_request *request,
                  struct cf_http_transfer **ret_transfer, struct cf_error *err)
{
    struct cf_http_transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return cf_fail(err, -ENOMEM, "out of memory");
    transfer->http = http;
    transfer->body = request->body;
    transfer->body_len = request->body_len;
    transfer->is_stream = request->is_stream;
    pthread_mutex_init(&transfer->mutex, NULL);
    pthread_cond_init(&transfer->cond, NULL);
    cf_ring_init(&transfer->in, CF_HTTP_WINDOW);
    cf_ring_init(&transfer->out, CF_HTTP_WINDOW);
    int r = set_up(transfer, request);
    if (r < 0) {
        transfer_delete(transfer);
        return cf_fail(err, r, "out of memory");
    }
    pthread_mutex_lock(&http->mutex);
    transfer->next = http->fresh;
    http->fresh = transfer;
    pthread_mutex_unlock(&http->mutex);
    wake(http);
    *ret_transfer = transfer;
    return 0;
}

void cf_http_free(struct cf_http_transfer *transfer)
{
    if (!transfer)
        return;
    pthread_mutex_lock(&transfer->mutex);
    transfer->cancel = true;
    if (!transfer->over)
        wake(transfer->http);
    while (!transfer->over)
        pthread_cond_wait(&transfer->cond, &transfer->mutex);
    pthread_mutex_unlock(&transfer->mutex);
    transfer_delete(transfer);
}

/* The transfer is over, and failed. */
static int failed(const struct cf_http_transfer *transfer, struct cf_error *err)
{
    return cf_fail(err, transfer->failure, "%s",
                   transfer->error_text[0] ? transfer->error_text : strerror(-transfer->failure));
}

int cf_http_wait(struct cf_http_transfer *transfer, int *ret_status, struct cf_error *err)
{
    pthread_mutex_lock(&transfer->mutex);
    while (!transfer->has_status && !transfer->over)
        pthread_cond_wait(&transfer->cond, &transfer->mutex);
    const bool has_status = transfer->has_status;
    pthread_mutex_unlock(&transfer->mutex);
    if (!has_status)
        return transfer->failure < 0 ? failed(transfer, err)
                                     : cf_fail(err, -EPROTO, "the answer has no status");
    *ret_status = transfer->status;
    return 0;
}

const char *cf_http_header(const struct cf_http_transfer *transfer, const char *name,
                           unsigned which)
{
    const size_t len = strlen(name);
    const char *line = transfer->headers.data, *end = line + transfer->headers.len;
    for (; line && line < end; line += strlen(line) + 1) {
        if (strncasecmp(line, name, len) != 0 || line[len] != ':' || which-- > 0)
            continue;
        return line + len + 1 + strspn(line + len + 1, " \t");
    }
    return NULL;
}

ssize_t cf_http_read(struct cf_http_transfer *transfer, void *data, size_t len,
                     struct cf_error *err)
{
    pthread_mutex_lock(&transfer->mutex);
    while (cf_ring_used(&transfer->in) == 0 && !transfer->over)
        pthread_cond_wait(&transfer->cond, &transfer->mutex);
    const size_t n = cf_ring_get(&transfer->in, data, len);
    const bool resume = transfer->in_paused && cf_ring_room(&transfer->in) >= CURL_BUFFER;
    pthread_mutex_unlock(&transfer->mutex);
    if (resume)
        wake(transfer->http);
    if (n == 0 && transfer->failure < 0)
        return failed(transfer, err);
    return (ssize_t)n;
}

int cf_http_read_all(struct cf_http_transfer *transfer, size_t max, struct cf_buf *ret_buf,
                     struct cf_error *err)
{
    size_t done = 0;
    for (;;) {
        int r = cf_buf_reserve(ret_buf, 16 << 10);
        if (r < 0)
            return cf_fail(err, r, "out of memory");
        const ssize_t n = cf_http_read(transfer, ret_buf->data + ret_buf->len, 16 << 10, err);
        if (n <= 0)
            return (int)n;
        done += (size_t)n;
        ret_buf->len += (size_t)n;
        ret_buf->data[ret_buf->len] = '\0';
        if (done > max)
            return cf_fail(err, -EFBIG, "the answer is larger than %zu bytes, the limit", max);
    }
}

int cf_http_write(struct cf_http_transfer *transfer, const void *data, size_t len,
                  struct cf_error *err)
{
    const unsigned char *at = data;
    int r = 0;
    while (len > 0 && r == 0) {
        pthread_mutex_lock(&transfer->mutex);
        while (cf_ring_room(&transfer->out) == 0 && !transfer->over)
            pthread_cond_wait(&transfer->cond, &transfer->mutex);
        const size_t room = cf_ring_room(&transfer->out), n = len < room ? len : room;
        if (transfer->over)
            r = -EPIPE;
        else
            r = cf_ring_put(&transfer->out, at, n);
        const bool resume = transfer->out_paused;
        pthread_mutex_unlock(&transfer->mutex);
        if (resume)
            wake(transfer->http);
        at += n;
        len -= n;
    }
    if (r == -EPIPE && transfer->failure < 0)
        return failed(transfer, err);
    return r < 0 ? cf_fail_errno(err, -r, "cannot send") : 0;
}

void cf_http_write_end(struct cf_http_transfer *transfer)
{
    pthread_mutex_lock(&transfer->mutex);
    transfer->out_end = true;
    pthread_mutex_unlock(&transfer->mutex);
    wake(transfer->http);
}

/* ---- URLs ---- */

void cf_url_done(struct cf_url *url)
{
    free(url->whole);
    free(url->origin);
    *url = (struct cf_url){0};
}

static int split(const struct cf_libcurl *curl, CURLU *handle, struct cf_url *ret_url)
{
    char *scheme = NULL, *host = NULL, *port = NULL, *whole = NULL;
    struct cf_buf origin cf_autobuf = CF_BUF_INIT;
    int r = -EINVAL;
    if (curl->curl_url_set(handle, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
        curl->curl_url_set(handle, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
        curl->curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK &&
        curl->curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl->curl_url_get(handle, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl->curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl->curl_url_get(handle, CURLUPART_URL, &whole, 0) == CURLUE_OK &&
        (!strcmp(scheme, "http") || !strcmp(scheme, "https"))) {
        r = cf_buf_printf(&origin, "%s://%s:%s", scheme, host, port);
        struct cf_url url = {.whole = strdup(whole), .is_plain = !strcmp(scheme, "http")};
        url.origin = r == 0 ? cf_buf_take(&origin) : NULL;
        for (char *c = url.origin; c && *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        if (!url.whole || !url.origin) {
            r = -ENOMEM;
            cf_url_done(&url);
        } else {
            *ret_url = url;
        }
    }
    curl->curl_free(scheme);
    curl->curl_free(host);
    curl->curl_free(port);
    curl->curl_free(whole);
    return r;
}

int cf_url_resolve(const char *base, const char *location, struct cf_url *ret_url,
                   struct cf_error *err)
{
    const struct cf_libcurl *curl = cf_libcurl(err);
    CURLU *handle = curl ? curl->curl_url() : NULL;
    if (!curl)
        return -ENOTSUP;
    if (!handle)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = !base || curl->curl_url_set(handle, CURLUPART_URL, base, 0) == CURLUE_OK ? 0 : -EINVAL;
    if (r == 0 && curl->curl_url_set(handle, CURLUPART_URL, location, 0) != CURLUE_OK)
        r = -EINVAL;
    if (r == 0)
        r = split(curl, handle, ret_url);
    curl->curl_url_cleanup(handle);
    if (r == -EINVAL)
        return cf_fail(err, r, "%s is no URL of http or https", CF_QUOTE(location));
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs as streams that are taken up again where they break off. */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROGRESS = 1 << 20, SKIP_SIZE = 64 << 10 };

struct cf_stream {
    struct cf_remote *remote;
    struct cf_digest digest;
    uint64_t size;    /* of the blob */
    uint64_t at, end; /* of the part */
    bool is_part;     /* a server that gives no parts is of no use */
    struct cf_answer answer;
    unsigned tries;
    uint64_t tried_at;
};

int cf_stream_open(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   uint64_t offset, uint64_t len, struct cf_stream **ret_stream,
                   struct cf_error *err)
{
    struct cf_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return cf_fail(err, -ENOMEM, "out of memory");
    *stream = (struct cf_stream){.remote = remote,
                                 .digest = *digest,
                                 .size = size,
                                 .at = offset,
                                 .end = offset + len,
                                 .is_part = offset + len < size};
    *ret_stream = stream;
    return 0;
}

void cf_stream_close(struct cf_stream *stream)
{
    if (!stream)
        return;
    cf_answer_done(&stream->answer);
    free(stream);
}

/* Content-Range: bytes FIRST-LAST/SIZE */
static bool range_fits(const struct cf_stream *stream)
{
    const char *text = cf_http_header(stream->answer.transfer, "Content-Range", 0);
    unsigned long long first, last;
    return text && sscanf(text, "bytes %llu-%llu", &first, &last) == 2 && first == stream->at &&
           last >= first && last < stream->end;
}

/* Reads what lies before the place where we are, from a server that sends everything. */
static int skip(struct cf_stream *stream, struct cf_error *err)
{
    char *waste cf_autofree = malloc(SKIP_SIZE);
    uint64_t left = stream->at;
    if (!waste)
        return cf_fail(err, -ENOMEM, "out of memory");
    while (left > 0) {
        const size_t want = left < SKIP_SIZE ? (size_t)left : SKIP_SIZE;
        const ssize_t n =
            cf_session_read(stream->remote->registry, stream->answer.transfer, waste, want, err);
        if (n < 0)
            return (int)n;
        if (n == 0)
            return cf_fail(err, -EAGAIN, "the blob ends too early");
        left -= (uint64_t)n;
    }
    return 0;
}

static int connect_stream(struct cf_stream *stream, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE], rest[100], range[80];
    const char *headers[] = {range, NULL};
    const bool ranged = stream->at > 0 || stream->is_part;
    const struct cf_call call = {.method = "GET", .headers = ranged ? headers : NULL};
    cf_digest_text(&stream->digest, text);
    (void)snprintf(rest, sizeof rest, "blobs/%s", text);
    (void)snprintf(range, sizeof range, "Range: bytes=%llu-%llu", (unsigned long long)stream->at,
                   (unsigned long long)stream->end - 1);
    int r = cf_remote_call(stream->remote, &call, rest, &stream->answer, err);
    if (r < 0) { /* it has tried more than once already */
        stream->tries = CF_SESSION_TRIES;
        return r;
    }
    if (ranged && stream->answer.status == 206) {
        if (!range_fits(stream))
            return cf_fail(err, -EPROTO, "blob %s: the registry sends another part than asked for",
                           text);
        return 0;
    }
    r = cf_remote_want(&stream->answer, 200, text, err);
    if (r == 0 && stream->is_part)
        return cf_fail(err, -ENOTSUP, "blob %s: the registry sends no parts", text);
    return r == 0 && ranged ? skip(stream, err) : r;
}

static bool may_pass(int code)
{
    return code == -EAGAIN || code == -ETIMEDOUT;
}

static int again(struct cf_stream *stream, int code, struct cf_error *err)
{
    if (stream->at - stream->tried_at >= PROGRESS && stream->tries < CF_SESSION_TRIES)
        stream->tries = 0;
    stream->tried_at = stream->at;
    cf_answer_done(&stream->answer);
    if (!may_pass(code) || ++stream->tries >= CF_SESSION_TRIES)
        return code;
    cf_session_pause(stream->tries - 1, NULL);
    if (err)
        err->code = 0;
    return 0;
}

ssize_t cf_stream_read(struct cf_stream *stream, void *data, size_t len, struct cf_error *err)
{
    for (;;) {
        int r = 0;
        ssize_t n = 0;
        if (stream->at == stream->end)
            return 0;
        if (len > stream->end - stream->at)
            len = (size_t)(stream->end - stream->at);
        if (!stream->answer.transfer)
            r = connect_stream(stream, err);
        if (r == 0) {
            n = cf_session_read(stream->remote->registry, stream->answer.transfer, data, len, err);
            if (n > 0) {
                stream->at += (uint64_t)n;
                return n;
            }
            r = n < 0 ? (int)n : cf_fail(err, -EAGAIN, "the blob ends too early");
        }
        r = again(stream, r, err);
        if (r < 0)
            return cf_fail_in(err, r, "%s", stream->remote->full);
    }
}

int cf_remote_copy(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   uint64_t offset, struct cf_hasher *hasher, cf_sink_fn *sink, void *sink_context,
                   struct cf_error *err)
{
    enum { COPY_SIZE = 256 << 10 };
    struct cf_hasher *own cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_stream *stream cf_cleanup(cf_stream_close_ptr) = NULL;
    char *buffer cf_autofree = malloc(COPY_SIZE);
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest found;
    if (!buffer || (!hasher && cf_hasher_new(&own) < 0))
        return cf_fail(err, -ENOMEM, "out of memory");
    hasher = hasher ? hasher : own;
    int r = cf_stream_open(remote, digest, size, offset, size - offset, &stream, err);
    while (r == 0) {
        const ssize_t n = cf_stream_read(stream, buffer, COPY_SIZE, err);
        if (n <= 0) {
            r = (int)n;
            break;
        }
        cf_hasher_update(hasher, buffer, (size_t)n);
        r = sink(sink_context, buffer, (size_t)n, err);
    }
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &found);
    cf_digest_text(digest, text);
    if (!cf_digest_equal(&found, digest))
        return cf_fail(err, -EBADMSG, "%s: blob %s: what came does not match its digest",
                       remote->full, text);
    return 0;
}

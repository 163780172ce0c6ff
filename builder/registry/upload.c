/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending: POST begins an upload and tells where it goes; one PATCH takes it as a stream, or
 * several take it in pieces; PUT with the digest ends it. Source: OCI distribution-spec, "Pushing
 * blobs".
 */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 8 << 20 };

struct cf_upload {
    struct cf_remote *remote;
    size_t which; /* endpoint */
    bool in_pieces;
    char *url;               /* where it goes next */
    struct cf_answer answer; /* of the PATCH that streams */
    struct cf_buf piece;
    uint64_t sent;
};

static struct cf_call call_for(const struct cf_remote *remote, const char *method)
{
    return (struct cf_call){.method = method,
                            .repository = remote->endpoints[0].repository,
                            .actions = remote->actions,
                            .stream_size = -1};
}

static int send(struct cf_remote *remote, const struct cf_call *call, struct cf_answer *ret_answer,
                struct cf_error *err)
{
    return cf_session_call(remote->registry, remote->hosts[0], call, ret_answer, err);
}

/* The Location of an answer, whole. */
static int take_location(const struct cf_answer *answer, char **url, struct cf_error *err)
{
    struct cf_url next = {0};
    const char *location = cf_http_header(answer->transfer, "Location", 0);
    if (!location)
        return cf_fail(err, -EPROTO, "the registry does not say where the upload goes");
    int r = cf_url_resolve(answer->url, location, &next, err);
    if (r < 0)
        return r;
    free(*url);
    *url = CF_TAKE(next.whole);
    cf_url_done(&next);
    return 0;
}

int cf_remote_has_blob(struct cf_remote *remote, const struct cf_digest *digest, bool *ret_has,
                       struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    const struct cf_call call = {.method = "HEAD"};
    char text[CF_DIGEST_TEXT_SIZE], rest[100];
    cf_digest_text(digest, text);
    (void)snprintf(rest, sizeof rest, "blobs/%s", text);
    int r = cf_remote_call(remote, &call, rest, &answer, err);
    if (r == 0 && answer.status != 404)
        r = cf_remote_want(&answer, 200, remote->full, err);
    if (r == 0)
        *ret_has = answer.status == 200;
    return r;
}

int cf_remote_has_tag(struct cf_remote *remote, const struct cf_digest *digest, bool *ret_has,
                      struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    const char *headers[] = {"Accept: */*", NULL};
    const struct cf_call call = {.method = "HEAD", .headers = headers};
    char text[CF_DIGEST_TEXT_SIZE], rest[200];
    cf_digest_text(digest, text);
    (void)snprintf(rest, sizeof rest, "manifests/%s", remote->reference.tag);
    int r = cf_remote_call(remote, &call, rest, &answer, err);
    if (r < 0)
        return r;
    const char *found = cf_http_header(answer.transfer, "Docker-Content-Digest", 0);
    *ret_has = answer.status == 200 && found && !strcmp(found, text);
    return 0;
}

/* POST uploads/ with a query; 201: it is there already, 202: send it to *ret_url. */
static int begin(struct cf_remote *remote, const char *query, const char *from, int *ret_status,
                 char **ret_url, struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    struct cf_buf path cf_autobuf = CF_BUF_INIT, rest cf_autobuf = CF_BUF_INIT;
    struct cf_call call = call_for(remote, "POST");
    if (cf_buf_printf(&rest, "blobs/uploads/%s", query) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = cf_remote_path(remote, 0, rest.data, &path, err);
    if (r < 0)
        return r;
    call.url = path.data;
    call.from = from;
    r = send(remote, &call, &answer, err);
    if (r == 0 && answer.status != 201)
        r = cf_remote_want(&answer, 202, remote->full, err);
    if (r == 0 && answer.status == 202)
        r = take_location(&answer, ret_url, err);
    if (r == 0)
        *ret_status = answer.status;
    return r;
}

/* Gives up an upload; that it may not work is the server's own loss. */
static void give_up(struct cf_remote *remote, const char *url)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    struct cf_call call = call_for(remote, "DELETE");
    call.url = url;
    call.once = true;
    (void)send(remote, &call, &answer, NULL);
}

int cf_remote_mount(struct cf_remote *remote, const struct cf_digest *digest, const char *from,
                    bool *ret_mounted, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_buf query cf_autobuf = CF_BUF_INIT;
    char *url cf_autofree = NULL;
    const size_t host = strcspn(remote->repository, "/");
    int status = 0;
    *ret_mounted = false;
    if (strncmp(from, remote->repository, host + 1) != 0 || !strcmp(from, remote->repository))
        return 0; /* another registry, or the very same repository */
    from += host + 1;
    cf_digest_text(digest, text);
    if (cf_buf_printf(&query, "?mount=%s&from=%s", text, from) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = begin(remote, query.data, from, &status, &url, err);
    if (r == -EACCES || r == -ENOENT) /* the other repository is not for us, or not there */
        return 0;
    if (r == 0 && status == 202)
        give_up(remote, url);
    *ret_mounted = r == 0 && status == 201;
    return r;
}

/* PUT url?digest=... with a body or without. */
static int finish(struct cf_remote *remote, const char *url, const void *data, size_t len,
                  const struct cf_digest *digest, struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    struct cf_buf whole cf_autobuf = CF_BUF_INIT;
    const char *headers[] = {"Content-Type: application/octet-stream", NULL};
    char text[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(digest, text);
    if (cf_buf_printf(&whole, "%s%cdigest=%s", url, strchr(url, '?') ? '&' : '?', text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    struct cf_call call = call_for(remote, "PUT");
    call.url = whole.data;
    call.headers = headers;
    call.body = data;
    call.body_len = len;
    int r = send(remote, &call, &answer, err);
    return r == 0 ? cf_remote_want(&answer, 201, remote->full, err) : r;
}

int cf_remote_put_blob(struct cf_remote *remote, const void *data, size_t len,
                       const struct cf_digest *digest, struct cf_error *err)
{
    char *url cf_autofree = NULL;
    int status = 0;
    int r = begin(remote, "", NULL, &status, &url, err);
    return r == 0 ? finish(remote, url, data, len, digest, err) : r;
}

/* ---- as it comes ---- */

static int start_stream(struct cf_upload *upload, struct cf_error *err)
{
    static const char *const headers[] = {"Content-Type: application/octet-stream", NULL};
    struct cf_call call = call_for(upload->remote, "PATCH");
    call.url = upload->url;
    call.headers = headers;
    call.is_stream = true;
    return send(upload->remote, &call, &upload->answer, err);
}

int cf_upload_open(struct cf_remote *remote, bool in_pieces, struct cf_upload **ret_upload,
                   struct cf_error *err)
{
    struct cf_upload *upload cf_cleanup(cf_upload_free_ptr) = calloc(1, sizeof *upload);
    int status = 0;
    if (!upload)
        return cf_fail(err, -ENOMEM, "out of memory");
    upload->remote = remote;
    upload->in_pieces = in_pieces;
    int r = begin(remote, "", NULL, &status, &upload->url, err);
    if (r == 0 && !upload->url)
        r = cf_fail(err, -EPROTO, "%s: the registry begins no upload", remote->full);
    if (r == 0 && !in_pieces)
        r = start_stream(upload, err);
    if (r < 0)
        return r;
    *ret_upload = CF_TAKE(upload);
    return 0;
}

void cf_upload_free(struct cf_upload *upload)
{
    if (!upload)
        return;
    cf_answer_done(&upload->answer);
    if (upload->url)
        give_up(upload->remote, upload->url);
    free(upload->url);
    cf_buf_done(&upload->piece);
    free(upload);
}

static int send_piece(struct cf_upload *upload, struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    char range[80];
    const char *headers[] = {"Content-Type: application/octet-stream", range, NULL};
    struct cf_call call = call_for(upload->remote, "PATCH");
    (void)snprintf(range, sizeof range, "Content-Range: %llu-%llu",
                   (unsigned long long)upload->sent,
                   (unsigned long long)(upload->sent + upload->piece.len - 1));
    call.url = upload->url;
    call.headers = headers;
    call.body = upload->piece.data;
    call.body_len = upload->piece.len;
    int r = send(upload->remote, &call, &answer, err);
    if (r == 0)
        r = cf_remote_want(&answer, 202, upload->remote->full, err);
    if (r == 0)
        r = take_location(&answer, &upload->url, err);
    upload->sent += upload->piece.len;
    cf_buf_clear(&upload->piece);
    return r;
}

/* What the server says of a stream that it does not want. */
static int stream_failed(struct cf_upload *upload, int code, struct cf_error *err)
{
    struct cf_answer *answer = &upload->answer;
    struct cf_error why = {0};
    if (cf_http_wait(answer->transfer, &answer->status, &why) < 0 || answer->status < 300)
        return cf_fail(err, code, "%s: the upload broke off%s%s", upload->remote->full,
                       why.text[0] ? ": " : "", why.text);
    return cf_remote_want(answer, 202, upload->remote->full, err);
}

int cf_upload_write(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct cf_upload *upload = context;
    if (!upload->in_pieces) {
        int r = cf_http_write(upload->answer.transfer, data, len, NULL);
        upload->sent += len;
        return r < 0 ? stream_failed(upload, r, err) : 0;
    }
    const char *at = data;
    while (len > 0) {
        const size_t room = PIECE - upload->piece.len, n = len < room ? len : room;
        int r = cf_buf_add(&upload->piece, at, n) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
        if (r == 0 && upload->piece.len == PIECE)
            r = send_piece(upload, err);
        if (r < 0)
            return r;
        at += n;
        len -= n;
    }
    return 0;
}

int cf_upload_finish(struct cf_upload *upload, const struct cf_digest *digest, struct cf_error *err)
{
    struct cf_answer *answer = &upload->answer;
    int r = 0;
    if (upload->in_pieces) {
        r = upload->piece.len > 0 ? send_piece(upload, err) : 0;
    } else {
        cf_http_write_end(answer->transfer);
        if (cf_http_wait(answer->transfer, &answer->status, NULL) < 0)
            return stream_failed(upload, -EAGAIN, err);
        if (answer->status != 204) /* some say so */
            r = cf_remote_want(answer, 202, upload->remote->full, err);
        if (r == 0)
            r = take_location(answer, &upload->url, err);
    }
    if (r == 0)
        r = finish(upload->remote, upload->url, NULL, 0, digest, err);
    if (r == 0)
        free(CF_TAKE(upload->url));
    return r;
}

int cf_remote_put_manifest(struct cf_remote *remote, const char *tag, const char *media_type,
                           const void *data, size_t len, struct cf_error *err)
{
    struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE], rest[300], type[200];
    const char *headers[] = {type, NULL};
    struct cf_call call = call_for(remote, "PUT");
    cf_digest_of(data, len, &digest);
    cf_digest_text(&digest, text);
    (void)snprintf(rest, sizeof rest, "manifests/%s", tag ? tag : text);
    (void)snprintf(type, sizeof type, "Content-Type: %s", media_type);
    int r = cf_remote_path(remote, 0, rest, &path, err);
    call.url = path.data;
    call.headers = headers;
    call.body = data;
    call.body_len = len;
    if (r == 0)
        r = send(remote, &call, &answer, err);
    return r == 0 ? cf_remote_want(&answer, 201, remote->full, err) : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/log.h>
#include <cloudfs/store.h>

#define ACCEPT_MANIFEST                                                        \
    "Accept: " CF_MEDIA_INDEX ", " CF_MEDIA_MANIFEST ", " CF_MEDIA_DOCKER_LIST \
    ", " CF_MEDIA_DOCKER_MANIFEST

void cf_remote_close(struct cf_remote *remote)
{
    free(remote);
}

const char *cf_remote_name(const struct cf_remote *remote)
{
    return remote->full;
}

const char *cf_remote_repository(const struct cf_remote *remote)
{
    return remote->repository;
}

const char *cf_remote_tag(const struct cf_remote *remote)
{
    return remote->reference.tag;
}

int cf_remote_open(struct cf_registry *registry, const char *reference, enum cf_names names,
                   unsigned flags, struct cf_remote **ret_remote, struct cf_error *err)
{
    struct cf_remote *remote cf_cleanup(cf_remote_close_ptr) = calloc(1, sizeof *remote);
    char digest[CF_DIGEST_TEXT_SIZE + 1] = "";
    if (!remote)
        return cf_fail(err, -ENOMEM, "out of memory");
    struct cf_reference *parsed = &remote->reference;
    remote->registry = registry;
    remote->actions = flags & CF_REMOTE_PUSH ? "pull,push" : "pull";
    int r = cf_reference_parse(reference, parsed, err);
    if (r == 0)
        r = cf_registry_full_name(&registry->config, parsed->name, names, remote->repository, err);
    if (r < 0)
        return r;
    if (!parsed->tag[0] && !parsed->has_digest)
        memcpy(parsed->tag, "latest", sizeof "latest");
    if (parsed->has_digest) {
        digest[0] = '@';
        cf_digest_text(&parsed->digest, digest + 1);
    }
    (void)snprintf(remote->full, sizeof remote->full, "%s%s%s%s", remote->repository,
                   parsed->tag[0] ? ":" : "", parsed->tag, digest);
    r = cf_registry_endpoints(&registry->config, remote->repository, flags & CF_REMOTE_PUSH,
                              parsed->has_digest, remote->endpoints, &remote->count, err);
    for (size_t i = 0; i < remote->count && r == 0; i++)
        r = cf_session_host(registry, remote->endpoints[i].host, remote->endpoints[i].insecure,
                            &remote->hosts[i], err);
    if (r < 0)
        return r;
    *ret_remote = CF_TAKE(remote);
    return 0;
}

int cf_remote_path(const struct cf_remote *remote, size_t which, const char *rest,
                   struct cf_buf *ret_path, struct cf_error *err)
{
    cf_buf_clear(ret_path);
    if (cf_buf_printf(ret_path, "/v2/%s/%s", remote->endpoints[which].repository, rest) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

int cf_remote_call(struct cf_remote *remote, const struct cf_call *call, const char *rest,
                   struct cf_answer *ret_answer, struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    const size_t current = __atomic_load_n(&remote->current, __ATOMIC_RELAXED);
    int r = -ENOENT;
    for (size_t i = 0; i < remote->count; i++) {
        const size_t which = (current + i) % remote->count;
        const bool last = i + 1 == remote->count;
        struct cf_call own = *call;
        r = cf_remote_path(remote, which, rest, &path, err);
        if (r < 0)
            return r;
        own.url = path.data;
        own.repository = remote->endpoints[which].repository;
        own.actions = own.actions ? own.actions : remote->actions;
        r = cf_session_call(remote->registry, remote->hosts[which], &own, ret_answer, err);
        if (r == 0 && (last || ret_answer->status < 400)) {
            __atomic_store_n(&remote->current, which, __ATOMIC_RELAXED);
            return 0;
        }
        if (r == 0)
            cf_answer_done(ret_answer);
        else if (r == -ENOMEM || last)
            return r;
    }
    return r;
}

int cf_remote_want(struct cf_answer *answer, int wanted, const char *what, struct cf_error *err)
{
    struct cf_error why = {0};
    if (answer->status == wanted)
        return 0;
    if (answer->status >= 200 && answer->status < 300)
        return cf_fail(err, -EPROTO, "%s: the registry answers %d instead of %d", what,
                       answer->status, wanted);
    int r = cf_answer_fail(answer, &why);
    return cf_fail(err, r, "%s: %s", what, why.text);
}

/* ---- documents ---- */

static int mismatch(const char *what, const struct cf_digest *digest, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(digest, text);
    return cf_fail(err, -EBADMSG, "%s: what came does not match its digest %s", what, text);
}

/* What the registry says that it sends is what came. */
static int check_said(const struct cf_remote *remote, const struct cf_answer *answer,
                      const struct cf_buf *text, struct cf_error *err)
{
    const char *said = cf_http_header(answer->transfer, "Docker-Content-Digest", 0);
    struct cf_digest wanted, found;
    if (!said || cf_digest_parse(said, &wanted) < 0)
        return 0;
    cf_digest_of(text->data ? text->data : "", text->len, &found);
    return cf_digest_equal(&wanted, &found) ? 0 : mismatch(remote->full, &wanted, err);
}

/* The whole answer to a GET; broken off ones are asked for again. */
static int get_all(struct cf_remote *remote, const char *rest, const char *accept, size_t max,
                   struct cf_remote_document *ret_document, struct cf_error *err)
{
    const char *headers[] = {accept, NULL};
    const struct cf_call call = {.method = "GET", .headers = accept ? headers : NULL};
    for (unsigned tries = 0;; tries++) {
        struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
        int r = cf_remote_call(remote, &call, rest, &answer, err);
        if (r == 0)
            r = cf_remote_want(&answer, 200, remote->full, err);
        if (r < 0)
            return r;
        cf_buf_clear(&ret_document->text);
        r = cf_session_read_all(remote->registry, answer.transfer, max, &ret_document->text, err);
        const char *type = cf_http_header(answer.transfer, "Content-Type", 0);
        const size_t len = type ? strcspn(type, "; \t") : 0;
        if (len > 0 && len < sizeof ret_document->media_type) {
            memcpy(ret_document->media_type, type, len);
            ret_document->media_type[len] = '\0';
        }
        if (r == 0)
            return check_said(remote, &answer, &ret_document->text, err);
        if ((r != -EAGAIN && r != -ETIMEDOUT) || tries + 1 >= CF_SESSION_TRIES)
            return cf_fail_in(err, r, "%s", remote->full);
        cf_session_pause(tries, NULL);
    }
}

/* What the document says of itself wins over a header that says nothing. */
static void find_type(struct cf_remote_document *document)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    if (strstr(document->media_type, "vnd."))
        return;
    document->media_type[0] = '\0';
    if (cf_json_parse(document->text.data ? document->text.data : "", document->text.len, &json,
                      NULL) < 0)
        return;
    const char *type = cf_json_get_string(json, "mediaType");
    if (type && strlen(type) < sizeof document->media_type)
        memcpy(document->media_type, type, strlen(type) + 1);
}

int cf_remote_manifest(struct cf_remote *remote, const struct cf_digest *digest,
                       struct cf_remote_document *ret_document, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE], rest[300];
    if (!digest && remote->reference.has_digest)
        digest = &remote->reference.digest;
    if (digest)
        cf_digest_text(digest, text);
    (void)snprintf(rest, sizeof rest, "manifests/%s", digest ? text : remote->reference.tag);
    int r = get_all(remote, rest, ACCEPT_MANIFEST, CF_BLOB_MAX, ret_document, err);
    if (r < 0)
        return r;
    cf_digest_of(ret_document->text.data ? ret_document->text.data : "", ret_document->text.len,
                 &ret_document->digest);
    if (digest && !cf_digest_equal(digest, &ret_document->digest))
        return mismatch(remote->full, digest, err);
    find_type(ret_document);
    return 0;
}

int cf_remote_blob(struct cf_remote *remote, const struct cf_digest *digest, uint64_t size,
                   struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_remote_document document = CF_REMOTE_DOCUMENT_INIT;
    char text[CF_DIGEST_TEXT_SIZE], rest[300];
    struct cf_digest found;
    cf_digest_text(digest, text);
    (void)snprintf(rest, sizeof rest, "blobs/%s", text);
    if (size > CF_BLOB_MAX)
        return cf_fail(err, -EFBIG, "%s: a blob of %llu bytes is larger than %u, the limit",
                       remote->full, (unsigned long long)size, CF_BLOB_MAX);
    int r = get_all(remote, rest, NULL, (size_t)size, &document, err);
    if (r == 0) {
        cf_digest_of(document.text.data ? document.text.data : "", document.text.len, &found);
        if (document.text.len != size || !cf_digest_equal(&found, digest))
            r = mismatch(remote->full, digest, err);
    } else if (r == -EFBIG) {
        r = mismatch(remote->full, digest, err);
    }
    if (r == 0 &&
        cf_buf_add(ret_text, document.text.data ? document.text.data : "", document.text.len) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    cf_buf_done(&document.text);
    return r;
}

/* ---- tags ---- */

/* The path of a Link header that leads to the next page, relative to the host: <...>; rel="next" */
static int next_page(const struct cf_answer *answer, struct cf_buf *ret_url)
{
    cf_buf_clear(ret_url);
    for (unsigned i = 0;; i++) {
        const char *link = cf_http_header(answer->transfer, "Link", i);
        const char *open = link ? strchr(link, '<') : NULL;
        const char *end = open ? strchr(open, '>') : NULL;
        struct cf_url url = {0};
        if (!link)
            return 0;
        if (!end || !strstr(end, "next"))
            continue;
        char *target cf_autofree = strndup(open + 1, (size_t)(end - open - 1));
        if (!target)
            return -ENOMEM;
        int r = cf_url_resolve(answer->url, target, &url, NULL);
        if (r == 0)
            r = cf_buf_add_str(ret_url, url.whole);
        cf_url_done(&url);
        return r;
    }
}

static int tell_tags(const struct cf_buf *text, cf_tag_fn *fn, void *context, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_json_parse(text->data ? text->data : "", text->len, &json, err);
    const struct cf_json *tags = cf_json_get(json, "tags");
    for (const struct cf_json *item = cf_json_first(tags); item && r == 0;
         item = cf_json_next(item))
        if (cf_json_string(item))
            r = fn(cf_json_string(item), context);
    return r;
}

int cf_remote_tags(struct cf_remote *remote, cf_tag_fn *fn, void *context, struct cf_error *err)
{
    enum { PAGES_MAX = 100000, PAGE_MAX = 16 << 20 };
    struct cf_buf url cf_autobuf = CF_BUF_INIT, last cf_autobuf = CF_BUF_INIT;
    for (unsigned page = 0; page < PAGES_MAX; page++) {
        struct cf_answer answer cf_cleanup(cf_answer_done) = {0};
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        const size_t which = __atomic_load_n(&remote->current, __ATOMIC_RELAXED);
        const struct cf_call call = {.method = "GET",
                                     .url = url.data,
                                     .repository = remote->endpoints[which].repository,
                                     .actions = remote->actions};
        int r = page == 0
                    ? cf_remote_call(remote, &call, "tags/list?n=1000", &answer, err)
                    : cf_session_call(remote->registry, remote->hosts[which], &call, &answer, err);
        if (r == 0)
            r = cf_remote_want(&answer, 200, remote->repository, err);
        if (r == 0)
            r = cf_session_read_all(remote->registry, answer.transfer, PAGE_MAX, &text, err);
        if (r == 0)
            r = tell_tags(&text, fn, context, err);
        if (r != 0)
            return r;
        cf_buf_clear(&last);
        if (cf_buf_add(&last, url.data ? url.data : "", url.len) < 0 ||
            next_page(&answer, &url) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        if (url.len == 0)
            return 0;
        if (last.len == url.len && !memcmp(last.data, url.data, url.len))
            break;
    }
    return cf_fail(err, -ELOOP, "%s: the list of tags does not end", remote->repository);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image from an origin into its plan: the index byte for byte, with the images of the wanted
 * platforms only. Links are 71 bytes without a newline (distribution, paths.go).
 */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>

#define BLOB_SIZE_MAX (1ull << 40)

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

static int add_link(struct getting *getting, const struct cf_digest *digest, const char *repository,
                    const char *kind, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(digest, text);
    if (cf_cache_plan_text(getting->plan, text, strlen(text), "repositories/%s/%s/sha256/%s/link",
                           repository, kind, text + strlen("sha256:")) < 0)
        return no_memory(err);
    return 0;
}

/* The file that is a blob, unless the rootfs has it. */
static int add_blob(struct getting *getting, const struct origin *origin,
                    const struct cf_digest *digest, uint64_t size, struct cf_error *err)
{
    if (cf_registry_blob_is_there(getting->rootfs, digest, size, getting->verify))
        return 0;
    struct cf_buf small cf_autobuf = CF_BUF_INIT;
    bool there = cf_object_exists(getting->store, digest);
    if (there && size <= CF_INLINE_MAX) { /* a try that failed has left it */
        int fd cf_autoclose = cf_object_open(getting->store, digest);
        there = fd >= 0 && cf_read_fd(fd, CF_INLINE_MAX, &small) >= 0 && small.len == size;
    }
    if ((!there && cf_wants_add(getting->wants, digest, size, origin) < 0) ||
        cf_cache_plan_blob(getting->plan, digest, size, there ? small.data : NULL) < 0)
        return no_memory(err);
    return 0;
}

static int add_described(struct getting *getting, const struct origin *origin,
                         const struct cf_json *descriptor, const char *repository,
                         struct cf_error *err)
{
    const char *text = cf_json_get_string(descriptor, "digest");
    struct cf_digest digest;
    int64_t size = -1;

    if (!text || cf_digest_parse(text, &digest) < 0 ||
        !cf_json_int(cf_json_get(descriptor, "size"), &size) || size < 0 ||
        (uint64_t)size > BLOB_SIZE_MAX)
        return cf_fail(err, -EINVAL, "its manifest has a descriptor without digest or size");
    int r = add_blob(getting, origin, &digest, (uint64_t)size, err);
    return r < 0 ? r : add_link(getting, &digest, repository, "_layers", err);
}

/* A manifest or index itself: a blob with a revision. */
static int add_document(struct getting *getting, const struct cf_buf *text,
                        const struct cf_digest *digest, const char *repository,
                        struct cf_error *err)
{
    bool small = text->len <= CF_INLINE_MAX;
    struct cf_digest stored;
    int r = small ? 0 : cf_object_put(getting->store, text->data, text->len, &stored, err);

    if (r < 0)
        return r;
    if (cf_cache_plan_blob(getting->plan, digest, text->len, small ? text->data : NULL) < 0)
        return no_memory(err);
    return add_link(getting, digest, repository, "_manifests/revisions", err);
}

static int add_manifest(struct getting *getting, const struct origin *origin,
                        const struct cf_buf *text, const struct cf_json *document,
                        const char *repository, struct cf_error *err)
{
    const struct cf_json *config = cf_json_get(document, "config");
    struct cf_digest digest;
    int r = 0;

    if (!config || !cf_json_is_array(cf_json_get(document, "layers")))
        return cf_fail(err, -ENOTSUP, "its manifest is none of an image (config and layers)");
    cf_digest_of(text->data, text->len, &digest);
    r = add_described(getting, origin, config, repository, err);
    for (const struct cf_json *layer = cf_json_first(cf_json_get(document, "layers"));
         layer && r == 0; layer = cf_json_next(layer))
        r = add_described(getting, origin, layer, repository, err);
    return r < 0 ? r : add_document(getting, text, &digest, repository, err);
}

/* The image of an index for one platform. */
static int add_platform(struct getting *getting, const struct origin *origin,
                        const struct cf_json *index, const struct cf_platform *wanted,
                        const char *repository, struct cf_error *err)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf manifest cf_autobuf = CF_BUF_INIT;
    char platform[CF_PLATFORM_TEXT_SIZE];
    struct cf_digest digest;
    const char *text = cf_json_get_string(cf_platform_choose(index, wanted), "digest");

    cf_platform_text(wanted, platform);
    if (!text || cf_digest_parse(text, &digest) < 0)
        return cf_fail(err, -ENOENT, "there is no image for %s in it", platform);
    int r = origin->document(origin->context, &digest, &manifest, err);
    if (r == -ENOENT)
        return cf_fail(err, r, "its image for %s is missing", platform);
    if (r == 0)
        r = cf_json_parse(manifest.data, manifest.len, &document, err);
    return r < 0 ? r : add_manifest(getting, origin, &manifest, document, repository, err);
}

/* The images of an index that are wanted, and the index itself behind them. */
static int add_index(struct getting *getting, const struct origin *origin,
                     const struct cf_buf *text, const struct cf_json *index, const char *repository,
                     struct cf_error *err)
{
    struct cf_digest digest;
    int r = 0;

    for (size_t i = 0; i < getting->platform_count && r == 0; i++)
        r = add_platform(getting, origin, index, &getting->platforms[i], repository, err);
    if (r < 0)
        return r;
    cf_digest_of(text->data, text->len, &digest);
    return add_document(getting, text, &digest, repository, err);
}

int cf_cache_get(struct getting *getting, const struct origin *origin, const char *repository,
                 const char *tag, struct cf_digest *ret_digest, struct cf_error *err)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char link[CF_DIGEST_TEXT_SIZE];
    int r = origin->document(origin->context, NULL, &text, err);

    if (r < 0)
        return r;
    r = cf_json_parse(text.data, text.len, &document, err);
    if (r == 0 && cf_json_is_array(cf_json_get(document, "manifests")))
        r = add_index(getting, origin, &text, document, repository, err);
    else if (r == 0)
        r = add_manifest(getting, origin, &text, document, repository, err);
    cf_digest_of(text.data, text.len, ret_digest);
    cf_digest_text(ret_digest, link);
    if (r == 0 && *tag &&
        (cf_cache_plan_text(getting->plan, link, strlen(link),
                            "repositories/%s/_manifests/tags/%s/index/sha256/%s/link", repository,
                            tag, link + strlen("sha256:")) < 0 ||
         cf_cache_plan_text(getting->plan, link, strlen(link),
                            "repositories/%s/_manifests/tags/%s/current/link", repository,
                            tag) < 0))
        r = no_memory(err);
    return r;
}

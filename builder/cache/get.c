/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image from an origin into the plan: each blob once, the index byte for byte with the image of
 * the wanted platform only. Links are 71 bytes without a newline (distribution, paths.go).
 */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/log.h>

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

/* A blob as it comes: small ones into memory, others into an object. */
struct taking {
    struct cf_object_writer *writer;
    struct cf_buf *small;
    uint64_t left;
};

static int take(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct taking *taking = context;

    if (len > taking->left)
        return cf_fail(err, -EBADMSG, "more bytes came than the manifest says");
    taking->left -= len;
    if (taking->writer)
        return cf_object_writer_add(taking->writer, data, len, err);
    return cf_buf_add(taking->small, data, len) < 0 ? no_memory(err) : 0;
}

static int fetch(struct getting *getting, const struct origin *origin,
                 const struct cf_digest *digest, uint64_t size, struct cf_buf *small,
                 struct cf_error *err)
{
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest found;
    int r = size > CF_INLINE_MAX ? cf_object_writer_new(getting->store, size, &writer, err) : 0;

    if (r < 0)
        return r;
    struct taking taking = {.writer = writer, .small = small, .left = size};
    cf_digest_text(digest, text);
    r = origin->blob(origin->context, digest, size, take, &taking, err);
    if (r == -ENOENT)
        return cf_fail(err, r, "the blob %s is missing", text);
    if (r == 0 && writer)
        r = cf_object_writer_finish(writer, &found, &size, err);
    else if (r == 0)
        cf_digest_of(small->data ? small->data : "", small->len, &found);
    if (r == 0 && (taking.left > 0 || !cf_digest_equal(&found, digest)))
        r = cf_fail(err, -EBADMSG, "the blob %s does not match its digest", text);
    getting->fetched += r == 0 ? size : 0;
    return r;
}

/* The file that is a blob, unless the rootfs or the plan has it. */
static int add_blob(struct getting *getting, const struct origin *origin,
                    const struct cf_digest *digest, uint64_t size, struct cf_error *err)
{
    struct cf_buf small cf_autobuf = CF_BUF_INIT;
    char path[CF_REGISTRY_PATH_SIZE];
    bool is_new = false;
    int r = 0;

    if (cf_cache_plan_note(getting->plan, digest, &is_new) < 0)
        return no_memory(err);
    cf_registry_blob_path(digest, path);
    if (!is_new || cf_registry_blob_is_there(getting->rootfs, digest, size))
        return 0;
    if (size <= CF_INLINE_MAX || !cf_object_exists(getting->store, digest))
        r = fetch(getting, origin, digest, size, &small, err);
    if (r < 0)
        return r;
    const char *below = path + strlen(CF_REGISTRY_V2 "/");
    if (size > CF_INLINE_MAX)
        r = cf_cache_plan_object(getting->plan, digest, size, below);
    else
        r = cf_cache_plan_text(getting->plan, small.data ? small.data : "", small.len, "%s", below);
    return r < 0 ? no_memory(err) : 0;
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
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_digest stored;
    bool is_new = false;
    int r = cf_cache_plan_note(getting->plan, digest, &is_new);

    cf_registry_blob_path(digest, path);
    const char *below = path + strlen(CF_REGISTRY_V2 "/");
    if (r == 0 && is_new && text->len > CF_INLINE_MAX) {
        r = cf_object_put(getting->store, text->data, text->len, &stored, err);
        if (r < 0)
            return r;
        r = cf_cache_plan_object(getting->plan, digest, text->len, below);
    } else if (r == 0 && is_new) {
        r = cf_cache_plan_text(getting->plan, text->data, text->len, "%s", below);
    }
    if (r < 0)
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

/* The image of an index that is wanted, and the index itself behind it. */
static int add_index(struct getting *getting, const struct origin *origin,
                     const struct cf_buf *text, const struct cf_json *index, const char *repository,
                     struct cf_error *err)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf manifest cf_autobuf = CF_BUF_INIT;
    char platform[CF_PLATFORM_TEXT_SIZE];
    struct cf_digest digest;
    const struct cf_json *item = cf_platform_choose(index, getting->platform);
    const char *wanted = cf_json_get_string(item, "digest");

    cf_platform_text(getting->platform, platform);
    if (!wanted || cf_digest_parse(wanted, &digest) < 0)
        return cf_fail(err, -ENOENT, "there is no image for %s in it", platform);
    int r = origin->document(origin->context, &digest, &manifest, err);
    if (r == -ENOENT)
        return cf_fail(err, r, "its image for %s is missing", platform);
    if (r == 0)
        r = cf_json_parse(manifest.data, manifest.len, &document, err);
    if (r == 0)
        r = add_manifest(getting, origin, &manifest, document, repository, err);
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
    size_t before = getting->plan->count;
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
    if (r < 0)
        cf_cache_plan_cut(getting->plan, before);
    return r;
}

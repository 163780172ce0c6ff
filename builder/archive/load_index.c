/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes on their way into the store: one of their images, or several that stay together. */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

#define ANNOTATION_NAME "io.containerd.image.name"
#define ANNOTATION_REF "org.opencontainers.image.ref.name"

/* "linux/arm64, linux/s390x": what an index has instead. */
static void list_platforms(const struct cf_json *index, struct cf_buf *ret_buf)
{
    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests")); item;
         item = cf_json_next(item)) {
        const struct cf_json *platform = cf_json_get(item, "platform");
        const char *os = cf_json_get_string(platform, "os");
        const char *architecture = cf_json_get_string(platform, "architecture");
        const char *variant = cf_json_get_string(platform, "variant");
        if (os && architecture && strcmp(os, "unknown") != 0)
            (void)cf_buf_printf(ret_buf, "%s%s/%s%s%s", ret_buf->len ? ", " : "", os, architecture,
                                variant ? "/" : "", variant ? variant : "");
    }
}

static int choose(struct bundle *bundle, const struct cf_json *index,
                  const struct cf_platform *platform, const struct cf_json **ret_item,
                  struct cf_error *err)
{
    struct cf_buf have cf_autobuf = CF_BUF_INIT;
    char text[CF_PLATFORM_TEXT_SIZE];
    const struct cf_json *list = cf_json_get(index, "manifests");
    const struct cf_json *item = cf_platform_choose(index, platform);

    if (!item && cf_json_count(list) == 1 && !cf_json_get(cf_json_first(list), "platform"))
        item = cf_json_first(list); /* says nothing of platforms, and there is no choice */
    if (!item) {
        cf_platform_text(platform, text);
        list_platforms(index, &have);
        return cf_fail(err, -ENOENT, "%s: there is no image for %s in it, only for %s",
                       cf_source_name(bundle->source), text,
                       have.len ? have.data : "platforms that it does not name");
    }
    *ret_item = item;
    return 0;
}

static int add_one(struct bundle *bundle, const struct cf_json *index, const char *name, int depth,
                   struct cf_error *err)
{
    const struct cf_json *item = NULL;
    struct cf_platform platform;

    cf_platform_host(&platform);
    if (bundle->platform_count)
        platform = bundle->platforms[0];
    int r = choose(bundle, index, &platform, &item, err);
    return r == 0 ? cf_bundle_add_described(bundle, item, name, depth + 1, err) : r;
}

/* ---- several ---- */

/* Signatures and attestations are no images, though they stand beside them. */
static bool is_image(const struct cf_json *item)
{
    const char *os = cf_json_get_string(cf_json_get(item, "platform"), "os");
    return (!os || strcmp(os, "unknown") != 0) &&
           !cf_json_get(cf_json_get(item, "annotations"), "vnd.docker.reference.type");
}

/* An archive may hold some of an index's images only. */
static bool is_here(struct bundle *bundle, const struct cf_json *item)
{
    struct cf_buf name cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    char hex[CF_DIGEST_HEX_SIZE];
    const char *text = cf_json_get_string(item, "digest");

    if (bundle->remote || !text || cf_digest_parse(text, &digest) < 0)
        return true; /* what is wrong is told when it is read */
    cf_digest_hex(&digest, hex);
    if (cf_buf_printf(&name, "%s%s", bundle->blob_prefix, hex) < 0)
        return true;
    if (cf_source_has(bundle->source, name.data))
        return true;
    return !*bundle->blob_prefix && cf_buf_add_str(&name, ".manifest.json") == 0 &&
           cf_source_has(bundle->source, name.data);
}

/* A copy of the descriptor at the end of the list, without the names that a layout gives. */
static int keep(struct cf_json *list, const struct cf_json *item)
{
    struct cf_json *copy = cf_json_copy(item);
    struct cf_json *annotations = copy ? cf_json_edit(copy, "annotations") : NULL;

    if (annotations) {
        cf_json_remove(annotations, ANNOTATION_NAME);
        cf_json_remove(annotations, ANNOTATION_REF);
        if (cf_json_count(annotations) == 0)
            cf_json_remove(copy, "annotations");
    }
    return copy ? cf_json_append(list, copy) : -ENOMEM;
}

/* The descriptors of all images, of nested indexes too. *whole: they are the index's own list. */
static int gather(struct bundle *bundle, const struct cf_json *index, int depth,
                  struct cf_json *list, bool *whole, struct cf_error *err)
{
    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests")); item;
         item = cf_json_next(item)) {
        struct cf_json *nested cf_cleanup(cf_json_free_ptr) = NULL;
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        const char *type = cf_json_get_string(item, "mediaType");
        int r = 0;
        if (!is_image(item) || !is_here(bundle, item)) {
            *whole = false;
            continue;
        }
        if (!type || !strcmp(type, CF_MEDIA_INDEX) || !strcmp(type, CF_MEDIA_DOCKER_LIST))
            r = cf_bundle_document(bundle, item, &text, &nested, err);
        if (r < 0)
            return r;
        if (nested && depth >= CF_INDEX_NEST_MAX)
            return cf_fail(err, -EINVAL, "%s: indexes lie in each other more than %d deep",
                           cf_source_name(bundle->source), CF_INDEX_NEST_MAX);
        *whole = *whole && !nested;
        r = nested ? gather(bundle, nested, depth + 1, list, whole, err) : keep(list, item);
        if (r < 0)
            return r == -ENOMEM ? cf_fail(err, r, "out of memory") : r;
    }
    return 0;
}

/* Whether the list says before end (NULL: all of it) what item says: one image for two platforms.
 */
static bool is_listed(const struct cf_json *list, const struct cf_json *item,
                      const struct cf_json *end)
{
    const char *digest = cf_json_get_string(item, "digest");
    for (const struct cf_json *one = cf_json_first(list); one != end; one = cf_json_next(one)) {
        const char *other = cf_json_get_string(one, "digest");
        if (digest && other && !strcmp(digest, other))
            return true;
    }
    return false;
}

/* Those for the platforms that were asked for. */
static int pick(struct bundle *bundle, struct cf_json *index, bool *whole, struct cf_error *err)
{
    struct cf_json *picked = cf_json_array();
    const size_t before = cf_json_count(cf_json_get(index, "manifests"));
    int r = picked ? 0 : cf_fail(err, -ENOMEM, "out of memory");

    for (size_t i = 0; i < bundle->platform_count && r == 0; i++) {
        const struct cf_json *item = NULL;
        r = choose(bundle, index, &bundle->platforms[i], &item, err);
        if (r == 0 && !is_listed(picked, item, NULL) && (r = keep(picked, item)) < 0)
            r = cf_fail(err, r, "out of memory");
    }
    if (r < 0) {
        cf_json_free(picked);
        return r;
    }
    *whole = *whole && cf_json_count(picked) == before;
    return cf_json_set(index, "manifests", picked) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

/* The document as it will be kept: the very bytes where all of it is wanted. */
static int take_text(const struct cf_json *wanted, const struct cf_json *index,
                     const struct cf_buf *text, struct cf_buf *ret_text)
{
    struct cf_json *copy cf_cleanup(cf_json_free_ptr) = NULL;
    if (text)
        return cf_buf_add(ret_text, text->data, text->len);
    copy = cf_json_copy(index);
    if (!copy || cf_json_set(copy, "manifests", cf_json_copy(cf_json_get(wanted, "manifests"))) < 0)
        return -ENOMEM;
    if (!cf_json_get(copy, "mediaType") &&
        cf_json_set_string(copy, "mediaType", CF_MEDIA_INDEX) < 0)
        return -ENOMEM;
    return cf_json_print(copy, false, ret_text);
}

static int add_images(struct bundle *bundle, const struct cf_json *wanted, const char *name,
                      int depth, struct cf_error *err)
{
    const struct cf_json *list = cf_json_get(wanted, "manifests");
    for (const struct cf_json *item = cf_json_first(list); item; item = cf_json_next(item)) {
        if (is_listed(list, item, item))
            continue;
        int r = cf_bundle_add_described(bundle, item, name, depth + 1, err);
        if (r < 0)
            return r;
        bundle->images[bundle->image_count - 1].index = bundle->index_count;
        name = NULL; /* is the first one's */
    }
    return 0;
}

/* An image that is left of several stands for itself. */
static int add_several(struct bundle *bundle, const struct cf_json *index,
                       const struct cf_buf *text, const char *name, int depth, struct cf_error *err)
{
    struct cf_json *wanted cf_cleanup(cf_json_free_ptr) = cf_json_object();
    bool whole = text != NULL;
    int r = !wanted || cf_json_set(wanted, "manifests", cf_json_array()) < 0
                ? cf_fail(err, -ENOMEM, "out of memory")
                : gather(bundle, index, depth, cf_json_edit(wanted, "manifests"), &whole, err);

    if (r == 0 && bundle->platform_count)
        r = pick(bundle, wanted, &whole, err);
    const struct cf_json *list = cf_json_get(wanted, "manifests");
    if (r == 0 && cf_json_count(list) == 0)
        r = cf_fail(err, -ENOENT, "%s: none of the images of its index is there",
                    cf_source_name(bundle->source));
    if (r < 0)
        return r;
    if (!whole && cf_json_count(list) == 1)
        return cf_bundle_add_described(bundle, cf_json_first(list), name, depth + 1, err);
    struct pending_index *grown =
        realloc(bundle->indexes, (bundle->index_count + 1) * sizeof(*bundle->indexes));
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    bundle->indexes = grown;
    struct pending_index *added = &grown[bundle->index_count++];
    *added = (struct pending_index){.first = bundle->image_count};
    if (take_text(wanted, index, whole ? text : NULL, &added->text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return add_images(bundle, wanted, name, depth, err);
}

int cf_bundle_add_index(struct bundle *bundle, const struct cf_json *index,
                        const struct cf_buf *text, const char *name, int depth,
                        struct cf_error *err)
{
    const bool several = bundle->platform_count > 1 ||
                         (bundle->platform_count == 0 && bundle->options->all_platforms);

    if (depth >= CF_INDEX_NEST_MAX)
        return cf_fail(err, -EINVAL, "%s: indexes lie in each other more than %d deep",
                       cf_source_name(bundle->source), CF_INDEX_NEST_MAX);
    return several ? add_several(bundle, index, text, name, depth, err)
                   : add_one(bundle, index, name, depth, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes: what lists one image for each of several platforms. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>
#include <cloudfs/platform.h>
#include <cloudfs/store.h>

#include "image_parse.h"

static const struct cf_json *manifests_of(const struct cf_json *json)
{
    const struct cf_json *list = cf_json_get(json, "manifests");
    return cf_json_is_array(list) ? list : NULL;
}

bool cf_index_parse(const void *data, size_t len, struct cf_json **ret_json)
{
    if (!memmem(data, len, "\"manifests\"", 11) || cf_json_parse(data, len, ret_json, NULL) < 0)
        return false;
    if (manifests_of(*ret_json) && !cf_json_get(*ret_json, "layers") &&
        !cf_json_get(*ret_json, "config"))
        return true;
    cf_json_free(CF_TAKE(*ret_json));
    return false;
}

int cf_index_list(struct cf_store *store, const struct cf_digest *digest,
                  struct cf_digest **ret_manifests, size_t *ret_count, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_digest *list = NULL;
    size_t count = 0;
    int r = cf_blob_get(store, digest, &text, err);

    *ret_manifests = NULL;
    *ret_count = 0;
    if (r < 0 || !cf_index_parse(text.data, text.len, &json))
        return r;
    const struct cf_json *manifests = manifests_of(json);
    list = calloc(cf_json_count(manifests) + 1, sizeof(*list));
    if (!list)
        return cf_fail_errno(err, ENOMEM, "read an index");
    for (const struct cf_json *item = cf_json_first(manifests); item; item = cf_json_next(item)) {
        const char *one = cf_json_get_string(item, "digest");
        if (one && cf_digest_parse(one, &list[count]) == 0 && cf_blob_exists(store, &list[count]))
            count++;
    }
    *ret_manifests = list;
    *ret_count = count;
    return 0;
}

/* "linux/amd64, linux/arm64" */
static void add_platforms(const struct cf_json *index, struct cf_buf *text)
{
    for (const struct cf_json *item = cf_json_first(manifests_of(index)); item;
         item = cf_json_next(item)) {
        const struct cf_json *platform = cf_json_get(item, "platform");
        const char *os = cf_json_get_string(platform, "os");
        const char *architecture = cf_json_get_string(platform, "architecture");
        const char *variant = cf_json_get_string(platform, "variant");
        (void)cf_buf_printf(text, "%s%s/%s%s%s", text->len ? ", " : "", os ? os : "?",
                            architecture ? architecture : "?", variant ? "/" : "",
                            variant ? variant : "");
    }
}

int cf_index_choose(const struct cf_json *index, const struct cf_platform *platform,
                    struct cf_digest *ret_manifest, struct cf_error *err)
{
    struct cf_buf has cf_autobuf = CF_BUF_INIT;
    struct cf_platform wanted;
    char text[CF_PLATFORM_TEXT_SIZE];

    if (platform)
        wanted = *platform;
    else
        cf_platform_host(&wanted);
    const struct cf_json *item = cf_platform_choose(index, &wanted);
    if (!item && !platform && cf_json_count(manifests_of(index)) == 1)
        item = cf_json_first(manifests_of(index));
    const char *digest = cf_json_get_string(item, "digest");
    if (digest && cf_digest_parse(digest, ret_manifest) == 0)
        return 0;
    cf_platform_text(&wanted, text);
    add_platforms(index, &has);
    return cf_fail(err, -ENOENT,
                   "there is no image for %s in it, only for %s (`cloudfs images` tells their IDs)",
                   text, has.len ? has.data : "none");
}

static int set_platform(struct cf_json *entry, const struct cf_image *image)
{
    static const char *const keys[] = {"architecture", "os", "variant"};
    struct cf_json *platform = cf_json_object();
    int r = platform ? 0 : -ENOMEM;

    for (size_t i = 0; i < CF_COUNT(keys) && r == 0; i++) {
        const char *value = cf_json_get_string(image->config_json, keys[i]);
        if (value && *value)
            r = cf_json_set_string(platform, keys[i], value);
    }
    if (r < 0) {
        cf_json_free(platform);
        return r;
    }
    return cf_json_set(entry, "platform", platform);
}

static bool same_text(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

static bool same_platform(const struct cf_image *a, const struct cf_image *b)
{
    static const char *const keys[] = {"architecture", "os", "variant"};
    for (size_t i = 0; i < CF_COUNT(keys); i++)
        if (!same_text(cf_json_get_string(a->config_json, keys[i]),
                       cf_json_get_string(b->config_json, keys[i])))
            return false;
    return true;
}

static int add_image(struct cf_store *store, struct cf_json *list, const struct cf_image *image,
                     struct cf_error *err)
{
    struct cf_json *entry = cf_json_object();
    struct cf_buf manifest cf_autobuf = CF_BUF_INIT;
    const char *type = cf_json_get_string(image->manifest_json, "mediaType");
    char digest[CF_DIGEST_TEXT_SIZE];
    int r = entry ? cf_blob_get(store, &image->manifest, &manifest, err) : -ENOMEM;

    cf_digest_text(&image->manifest, digest);
    if (r == 0)
        r = cf_json_set_string(entry, "mediaType", type ? type : CF_MEDIA_MANIFEST);
    if (r == 0)
        r = cf_json_set_string(entry, "digest", digest);
    if (r == 0)
        r = cf_json_set_int(entry, "size", (int64_t)manifest.len);
    if (r == 0)
        r = set_platform(entry, image);
    if (r < 0) {
        cf_json_free(entry);
        return r;
    }
    return cf_json_append(list, entry);
}

int cf_index_put(struct cf_store *store, const struct cf_image *const *images, size_t count,
                 struct cf_digest *ret_digest, struct cf_error *err)
{
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *list = cf_json_array();
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = index && list ? cf_json_set_int(index, "schemaVersion", 2) : -ENOMEM;

    if (r == 0)
        r = cf_json_set_string(index, "mediaType", CF_MEDIA_INDEX);
    for (size_t i = 0; i < count && r == 0; i++) {
        bool known = false;
        for (size_t k = 0; k < i; k++)
            known |= same_platform(images[k], images[i]);
        if (!known)
            r = add_image(store, list, images[i], err);
    }
    if (r < 0)
        cf_json_free(list);
    else
        r = cf_json_set(index, "manifests", list);
    if (r == 0)
        r = cf_json_print(index, false, &text);
    if (r == -ENOMEM)
        return cf_fail_errno(err, ENOMEM, "make an index");
    return r < 0 ? r : cf_blob_put(store, text.data, text.len, ret_digest, err);
}

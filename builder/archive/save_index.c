/* SPDX-License-Identifier: Apache-2.0 */
/* What is saved or sent under one name: an image, or an index with its images. */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/platform.h>

#define ANNOTATION_ZSTD "io.github.containers.compression.zstd"

bool cf_saving_is_top(const struct saving *saving, size_t image)
{
    const size_t index = saving->images[image].index;
    return !index || saving->indexes[index - 1].first == image;
}

/* ---- which images ---- */

struct wish {
    struct cf_platform *platforms;
    size_t count; /* 0: all */
};

static void wish_done(struct wish *wish)
{
    free(wish->platforms);
}

/* Whether the descriptor is one of those that are chosen for the platforms. */
static bool is_wanted(const struct wish *wish, const struct cf_json *index,
                      const struct cf_json *item)
{
    for (size_t i = 0; i < wish->count; i++)
        if (cf_platform_choose(index, &wish->platforms[i]) == item)
            return true;
    return wish->count == 0;
}

static int check_platforms(struct saving *saving, const struct wish *wish, const char *text,
                           struct cf_error *err)
{
    int r = 0;
    for (size_t i = 0; i < wish->count && r == 0; i++) {
        struct cf_image *image = NULL;
        r = cf_image_find_platform(saving->store, text, &wish->platforms[i], &image, err);
        cf_image_free(r == 0 ? image : NULL);
    }
    return r;
}

/* The descriptors that are wanted, in the index's order; those of images that the store does not
 * have are left out. */
static int list_wanted(struct saving *saving, const struct wish *wish, const struct cf_json *index,
                       struct cf_json *ret_list, struct cf_error *err)
{
    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests")); item;
         item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest digest;
        if (!text || cf_digest_parse(text, &digest) < 0 ||
            !cf_blob_exists(saving->store, &digest) || !is_wanted(wish, index, item))
            continue;
        if (cf_json_append(ret_list, cf_json_copy(item)) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int add_listed(struct saving *saving, const struct cf_json *list, const char *name,
                      struct cf_error *err)
{
    int r = 0;
    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item)) {
        struct cf_digest digest;
        (void)cf_digest_parse(cf_json_get_string(item, "digest"),
                              &digest); /* it was parsed before */
        r = cf_saving_add_image(saving, &digest, name, err);
        if (r == 0)
            saving->images[saving->image_count - 1].index = saving->index_count;
        name = "";
    }
    return r;
}

/* The index as it is, or what is left of it. */
static int add_index(struct saving *saving, const struct wish *wish, struct cf_buf *text,
                     const char *name, struct cf_error *err)
{
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    int r = list ? cf_json_parse(text->data, text->len, &index, err)
                 : cf_fail(err, -ENOMEM, "out of memory");

    if (r == 0)
        r = list_wanted(saving, wish, index, list, err);
    if (r < 0)
        return r;
    const size_t count = cf_json_count(list);
    const bool whole = count == cf_json_count(cf_json_get(index, "manifests"));
    if (count == 0)
        return cf_fail(err, -ENOENT, "the store has none of the images of index %s", name);
    if (count == 1 && !whole) /* stands for itself */
        return add_listed(saving, list, name, err);
    struct saved_index *grown =
        realloc(saving->indexes, (saving->index_count + 1) * sizeof(*saving->indexes));
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    saving->indexes = grown;
    struct saved_index *added = &grown[saving->index_count++];
    *added = (struct saved_index){.first = saving->image_count, .count = count};
    if (whole) {
        added->text = *text;
        *text = (struct cf_buf)CF_BUF_INIT;
    }
    r = add_listed(saving, list, name, err);
    if (r == 0 && cf_json_set(index, "manifests", CF_TAKE(list)) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    added->json = CF_TAKE(index);
    return r;
}

int cf_saving_add(struct saving *saving, const char *text, const char *platforms,
                  struct cf_error *err)
{
    struct wish wish cf_cleanup(wish_done) = {0};
    struct cf_digest *list cf_autofree = NULL;
    struct cf_buf document cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest, named;
    char name[CF_TAGGED_SIZE];
    size_t count = 0;
    int r = cf_platforms_parse(platforms, &wish.platforms, &wish.count, err);

    if (r == 0)
        r = cf_image_digest(saving->store, text, &digest, err);
    if (r == 0)
        r = check_platforms(saving, &wish, text, err);
    if (r == 0)
        r = cf_index_list(saving->store, &digest, &list, &count, err);
    if (r < 0)
        return r;
    if (cf_reference_tagged(text, name, NULL) < 0 || cf_name_get(saving->store, name, &named) < 0)
        name[0] = '\0';
    if (!list)
        return cf_saving_add_image(saving, &digest, name, err);
    r = cf_blob_get(saving->store, &digest, &document, err);
    return r < 0 ? r : add_index(saving, &wish, &document, name, err);
}

/* ---- the documents ---- */

/* Makes the descriptor say what the manifest is now. 1: it did not before. */
static int describe(struct cf_json *item, const struct saved_image *saved)
{
    const char *type = cf_json_get_string(item, "mediaType");
    const char *digest = cf_json_get_string(item, "digest");
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(&saved->manifest_digest, text);
    if (digest && !strcmp(digest, text) && (!type || !strcmp(type, saved->media_type)))
        return 0;
    if (cf_json_set_string(item, "mediaType", saved->media_type) < 0 ||
        cf_json_set_string(item, "digest", text) < 0 ||
        cf_json_set_int(item, "size", (int64_t)saved->manifest.len) < 0)
        return -ENOMEM;
    /* Tells of layers as they were. */
    struct cf_json *annotations = cf_json_edit(item, "annotations");
    if (annotations)
        cf_json_remove(annotations, ANNOTATION_ZSTD);
    return 1;
}

static int make_index(struct saving *saving, struct saved_index *index)
{
    struct cf_json *list = cf_json_edit(index->json, "manifests");
    const char *said = cf_json_get_string(index->json, "mediaType");
    bool docker = said && !strcmp(said, CF_MEDIA_DOCKER_LIST), changed = index->text.len == 0;

    for (size_t i = 0; i < index->count; i++) {
        const struct saved_image *saved = &saving->images[index->first + i];
        int r = describe(cf_json_edit_at(list, i), saved);
        if (r < 0)
            return r;
        changed = changed || r > 0;
        if (r > 0 && !strcmp(saved->media_type, CF_MEDIA_MANIFEST))
            docker = false; /* docker's lists have docker's manifests only */
    }
    index->media_type = docker ? CF_MEDIA_DOCKER_LIST : CF_MEDIA_INDEX;
    if (!changed)
        return 0;
    cf_buf_clear(&index->text);
    int r = cf_json_set_string(index->json, "mediaType", index->media_type);
    return r == 0 ? cf_json_print(index->json, false, &index->text) : r;
}

int cf_saving_indexes(struct saving *saving, struct cf_error *err)
{
    for (size_t i = 0; i < saving->index_count; i++) {
        struct saved_index *index = &saving->indexes[i];
        if (make_index(saving, index) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        cf_digest_of(index->text.data, index->text.len, &index->digest);
    }
    return 0;
}

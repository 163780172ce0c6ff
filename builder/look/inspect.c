/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>

#include "find.h"

static int set_digest(struct cf_json *object, const char *key, const struct cf_digest *digest)
{
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(digest, text);
    return cf_json_set_string(object, key, text);
}

/* A string, or "" where there is none: fields are always there. */
static int set_text(struct cf_json *object, const char *key, const char *text)
{
    return cf_json_set_string(object, key, text ? text : "");
}

/* A copy of an object, or {}. */
static int set_copy(struct cf_json *object, const char *key, const struct cf_json *value)
{
    return cf_json_set(object, key,
                       cf_json_is_object(value) ? cf_json_copy(value) : cf_json_object());
}

struct names {
    struct cf_store *store;
    const struct cf_digest *manifest;
    struct cf_json *list;
};

/* The names of the image, and those of indexes that list it. */
static int add_name(const char *name, const struct cf_digest *document, void *context)
{
    struct names *names = context;
    struct cf_digest *listed cf_autofree = NULL;
    size_t count = 0;
    bool has = cf_digest_equal(document, names->manifest);

    if (!has && cf_index_list(names->store, document, &listed, &count, NULL) == -ENOMEM)
        return -ENOMEM;
    for (size_t i = 0; i < count && !has; i++)
        has = cf_digest_equal(&listed[i], names->manifest);
    return has ? cf_json_append(names->list, cf_json_new_string(name)) : 0;
}

static int set_names(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                     struct cf_error *err)
{
    struct names names = {store, &image->manifest, cf_json_array()};
    int r = names.list ? cf_name_each(store, add_name, &names, err)
                       : cf_fail(err, -ENOMEM, "out of memory");

    if (r < 0) {
        cf_json_free(names.list);
        return r;
    }
    return cf_json_set(json, "Names", names.list);
}

/* An image of an index, as its own config says what it is. */
static int add_of_index(struct cf_store *store, const struct cf_digest *manifest,
                        struct cf_json *list, struct cf_error *err)
{
    static const char *const fields[][2] = {
        {"Os", "os"}, {"Architecture", "architecture"}, {"Variant", "variant"}};
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_json *json = cf_json_object();
    int r = cf_image_load(store, manifest, &image, err);

    if (r == 0)
        r = set_digest(json, "Id", &image->config);
    if (r == 0)
        r = set_digest(json, "Digest", manifest);
    for (size_t i = 0; i < CF_COUNT(fields) && r == 0; i++)
        r = set_text(json, fields[i][0], cf_json_get_string(image->config_json, fields[i][1]));
    if (r < 0) {
        cf_json_free(json);
        return r;
    }
    return cf_json_append(list, json);
}

/* The index that was looked for, with all its images. */
static int set_index(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                     struct cf_error *err)
{
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    int r = cf_json_set(json, "Index", cf_json_object());
    struct cf_json *index = r == 0 ? cf_json_edit(json, "Index") : NULL;

    if (r == 0)
        r = cf_index_list(store, &image->index, &list, &count, err);
    if (r == 0)
        r = set_digest(index, "Digest", &image->index);
    if (r == 0)
        r = cf_json_set(index, "Images", cf_json_array());
    for (size_t i = 0; i < count && r == 0; i++)
        r = add_of_index(store, &list[i], cf_json_edit(index, "Images"), err);
    return r;
}

static int add_form(struct cf_json *list, const struct cf_layer_form *form)
{
    struct cf_json *json = cf_json_object();
    int r = json ? set_digest(json, "Digest", &form->digest) : -ENOMEM;

    if (r == 0)
        r = cf_json_set_int(json, "Size", (int64_t)form->size);
    if (r == 0)
        r = cf_json_set_string(json, "MediaType", form->media_type);
    if (r < 0) {
        cf_json_free(json);
        return r;
    }
    return cf_json_append(list, json);
}

static int set_forms(struct cf_store *store, const struct cf_digest *diff_id, struct cf_json *json,
                     struct cf_error *err)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    size_t count = 0;
    int64_t tar_size = 0;
    int r = cf_layer_forms_read(store, diff_id, &forms, &count, err);

    for (size_t i = 0; i < count && r == 0; i++)
        if (cf_digest_equal(&forms[i].digest, diff_id))
            tar_size = (int64_t)forms[i].size;
    if (r == 0)
        r = cf_json_set_int(json, "TarSize", tar_size);
    if (r == 0)
        r = cf_json_set(json, "Forms", cf_json_array());
    for (size_t i = 0; i < count && r == 0; i++)
        r = add_form(cf_json_edit(json, "Forms"), &forms[i]);
    return r;
}

static int fill_layer(struct cf_store *store, const struct cf_image *image, size_t index,
                      const struct cf_json *described, struct cf_json *json, struct cf_error *err)
{
    struct cf_digest chain;
    int r = set_digest(json, "DiffId", &image->diff_ids[index]);

    cf_chain_id(image->diff_ids, index + 1, &chain);
    if (r == 0)
        r = set_digest(json, "ChainId", &chain);
    if (r == 0)
        r = set_text(json, "Digest", cf_json_get_string(described, "digest"));
    if (r == 0)
        r = set_text(json, "MediaType", cf_json_get_string(described, "mediaType"));
    if (r == 0)
        r = cf_json_set_int(json, "Size", (int64_t)image->layer_sizes[index]);
    if (r == 0)
        r = set_text(json, "CreatedBy",
                     cf_json_get_string(cf_history_of_layer(image, index), "created_by"));
    return r == 0 ? set_forms(store, &image->diff_ids[index], json, err) : r;
}

static int set_layers(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                      struct cf_error *err)
{
    const struct cf_json *described = cf_json_first(cf_json_get(image->manifest_json, "layers"));
    int r = cf_json_set(json, "Layers", cf_json_array());

    for (size_t i = 0; i < image->layer_count && r == 0; i++) {
        struct cf_json *layer = cf_json_object();
        r = layer ? fill_layer(store, image, i, described, layer, err) : -ENOMEM;
        if (r < 0) {
            cf_json_free(layer);
            return r;
        }
        r = cf_json_append(cf_json_edit(json, "Layers"), layer);
        described = cf_json_next(described);
    }
    return r;
}

static int add_history(struct cf_json *list, const struct cf_history *entry)
{
    struct cf_json *json = cf_json_object();
    int r = json ? set_text(json, "Created", entry->created) : -ENOMEM;

    if (r == 0)
        r = set_text(json, "CreatedBy", entry->created_by);
    if (r == 0)
        r = set_text(json, "Author", entry->author);
    if (r == 0)
        r = set_text(json, "Comment", entry->comment);
    if (r == 0)
        r = cf_json_set_bool(json, "EmptyLayer", entry->empty_layer);
    if (r == 0 && entry->diff_id)
        r = set_digest(json, "DiffId", entry->diff_id);
    if (r == 0)
        r = cf_json_set_int(json, "Size", (int64_t)entry->size);
    if (r < 0) {
        cf_json_free(json);
        return r;
    }
    return cf_json_append(list, json);
}

static int set_history(const struct cf_image *image, struct cf_json *json, struct cf_error *err)
{
    struct cf_history *entries cf_autofree = NULL;
    size_t count = 0;
    int r = cf_image_history(image, &entries, &count, err);

    if (r == 0)
        r = cf_json_set(json, "History", cf_json_array());
    for (size_t i = 0; i < count && r == 0; i++)
        r = add_history(cf_json_edit(json, "History"), &entries[i]);
    return r;
}

static int set_identity(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                        struct cf_error *err)
{
    static const char *const fields[][2] = {
        {"Created", "created"}, {"Author", "author"},   {"Architecture", "architecture"},
        {"Os", "os"},           {"Variant", "variant"},
    };
    const struct cf_json *config = cf_json_get(image->config_json, "config");
    int r = set_digest(json, "Id", &image->config);

    if (r == 0)
        r = set_digest(json, "Digest", &image->manifest);
    if (r == 0)
        r = set_text(json, "MediaType", cf_json_get_string(image->manifest_json, "mediaType"));
    if (r == 0 && image->has_index)
        r = set_index(store, image, json, err);
    if (r == 0)
        r = set_names(store, image, json, err);
    for (size_t i = 0; i < CF_COUNT(fields) && r == 0; i++)
        r = set_text(json, fields[i][0], cf_json_get_string(image->config_json, fields[i][1]));
    if (r == 0)
        r = set_copy(json, "Config", config);
    if (r == 0)
        r = set_copy(json, "Labels", cf_json_get(config, "Labels"));
    if (r == 0)
        r = set_copy(json, "Annotations", cf_json_get(image->manifest_json, "annotations"));
    return r;
}

/* What all layers together are: bytes of their manifests, and inodes of the merged tree. */
static int set_sums(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                    struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    uint64_t size = 0;
    int r = cf_image_tree(store, image, &tree, NULL, err);

    for (size_t i = 0; i < image->layer_count; i++)
        size += image->layer_sizes[i];
    if (r == 0)
        r = cf_json_set_int(json, "Size", (int64_t)size);
    return r == 0 ? cf_json_set_int(json, "MergedEntries", (int64_t)cf_tree_count(tree)) : r;
}

int cf_inspect(struct cf_store *store, const struct cf_image *image, struct cf_json **ret_json,
               struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_error own = {0};
    struct cf_error *said = err ? err : &own;

    said->code = 0;
    int r = json ? set_identity(store, image, json, said) : -ENOMEM;
    if (r == 0)
        r = set_layers(store, image, json, said);
    if (r == 0)
        r = set_history(image, json, said);
    if (r == 0)
        r = set_sums(store, image, json, said);
    if (r < 0)
        return said->code ? r : cf_fail(err, r, "out of memory");
    *ret_json = CF_TAKE(json);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config and manifest of a new image. Nothing here may depend on anything but its inputs: the
 * bytes that come out decide the image's ID.
 */
#include <cloudfs/commit.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>
#include <cloudfs/platform.h>
#include <cloudfs/reference.h>

#include "moment.h"

int cf_image_options_environment(struct cf_image_options *options, struct cf_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;

    if (options->has_timestamp || !text || !*text)
        return 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return cf_fail(err, -EINVAL, "SOURCE_DATE_EPOCH is %s: a number of seconds is meant",
                       CF_QUOTE(text));
    options->has_timestamp = true;
    options->timestamp = value;
    return 0;
}

/* The moment that an image claims to be made at. */
static void created_text(const struct cf_image *base, const struct cf_new_layer *layers,
                         size_t count, const struct cf_image_options *options,
                         char ret_text[MOMENT_SIZE])
{
    const char *inherited = base ? cf_json_get_string(base->config_json, "created") : NULL;
    int64_t sec = 0;
    uint32_t nsec = 0;
    bool found = false;

    if (options->has_timestamp) {
        cf_moment_text(options->timestamp, 0, ret_text);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct cf_layer_info *info = &layers[i].info;
        if (!info->entries)
            continue;
        if (!found || info->newest_sec > sec ||
            (info->newest_sec == sec && info->newest_nsec > nsec)) {
            sec = info->newest_sec;
            nsec = info->newest_nsec;
        }
        found = true;
    }
    if (!found && inherited && strlen(inherited) < MOMENT_SIZE)
        strcpy(ret_text, inherited);
    else
        cf_moment_text(sec, nsec, ret_text);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct cf_key_value *x = a, *y = b;
    return strcmp(x->key, y->key);
}

/*
 * object[key] with pairs added to what is there, all in ascending order of keys, so that the order
 * in which somebody gave them does not matter. The last of several values of one key counts.
 */
static int add_pairs(struct cf_json *object, const char *key, const struct cf_key_value *pairs,
                     size_t count)
{
    const struct cf_json *old = cf_json_get(object, key);
    size_t room = count + cf_json_count(old), n = 0;
    int r = 0;

    if (count == 0)
        return 0;
    struct cf_json *merged cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *sorted = cf_json_object();
    struct cf_key_value *all cf_autofree = calloc(room, sizeof(*all));
    if (!merged || !sorted || !all)
        r = -ENOMEM;
    for (const struct cf_json *item = cf_json_first(old); item && r == 0; item = cf_json_next(item))
        r = cf_json_set(merged, cf_json_key(item), cf_json_copy(item));
    for (size_t i = 0; i < count && r == 0; i++)
        r = cf_json_set_string(merged, pairs[i].key, pairs[i].value);
    for (const struct cf_json *item = r == 0 ? cf_json_first(merged) : NULL; item;
         item = cf_json_next(item))
        all[n++].key = cf_json_key(item);
    if (n > 1)
        qsort(all, n, sizeof(*all), compare_pairs);
    for (size_t i = 0; i < n && r == 0; i++)
        r = cf_json_set(sorted, all[i].key, cf_json_copy(cf_json_get(merged, all[i].key)));
    if (r < 0) {
        cf_json_free(sorted);
        return r;
    }
    return cf_json_set(object, key, sorted);
}

/* The object at object[key], made if it is absent or something else (null, as Go writes it). */
static struct cf_json *need_object(struct cf_json *object, const char *key)
{
    if (!cf_json_is_object(cf_json_get(object, key)) &&
        cf_json_set(object, key, cf_json_object()) < 0)
        return NULL;
    return cf_json_edit(object, key);
}

static struct cf_json *need_array(struct cf_json *object, const char *key)
{
    if (!cf_json_is_array(cf_json_get(object, key)) &&
        cf_json_set(object, key, cf_json_array()) < 0)
        return NULL;
    return cf_json_edit(object, key);
}

static int history_entry(struct cf_json *history, const char *created, const char *created_by,
                         const struct cf_image_options *options, bool empty)
{
    struct cf_json *entry = cf_json_object();
    int r = entry ? cf_json_set_string(entry, "created", created) : -ENOMEM;

    if (r == 0 && created_by)
        r = cf_json_set_string(entry, "created_by", created_by);
    if (r == 0 && options && options->author)
        r = cf_json_set_string(entry, "author", options->author);
    if (r == 0 && options && options->message)
        r = cf_json_set_string(entry, "comment", options->message);
    if (r == 0 && empty)
        r = cf_json_set_bool(entry, "empty_layer", true);
    if (r < 0) {
        cf_json_free(entry);
        return r;
    }
    return cf_json_append(history, entry);
}

/* Layers that the history so far says nothing of get an entry each, lest ours are taken for theirs.
 */
static int fill_history(struct cf_json *history, const struct cf_image *base, const char *created)
{
    size_t told = 0;

    for (const struct cf_json *item = cf_json_first(history); item; item = cf_json_next(item)) {
        bool empty = false;
        told += !(cf_json_bool(cf_json_get(item, "empty_layer"), &empty) && empty);
    }
    for (; base && told < base->layer_count; told++) {
        int r = history_entry(history, created, "(no history)", NULL, false);
        if (r < 0)
            return r;
    }
    return 0;
}

static int set_platform(struct cf_json *config, const struct cf_image *base,
                        const struct cf_image_options *options)
{
    struct cf_platform host = {0};
    int r = 0;

    if (!base)
        cf_platform_host(&host);
    const char *architecture = options->architecture ? options->architecture
                               : base                ? NULL
                                                     : host.architecture;
    /* A variant belongs to its architecture: another one's is no longer true. */
    const char *variant = options->variant                ? options->variant
                          : base || options->architecture ? NULL
                                                          : host.variant;
    const char *os = options->os ? options->os : base ? NULL : host.os;
    if (architecture)
        r = cf_json_set_string(config, "architecture", architecture);
    if (r == 0 && os)
        r = cf_json_set_string(config, "os", os);
    if (options->architecture && !options->variant)
        cf_json_remove(config, "variant");
    if (r == 0 && variant && *variant)
        r = cf_json_set_string(config, "variant", variant);
    return r;
}

static int set_rootfs(struct cf_json *config, const struct cf_new_layer *layers, size_t count)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_json *rootfs = need_object(config, "rootfs");
    int r = rootfs ? cf_json_set_string(rootfs, "type", "layers") : -ENOMEM;
    struct cf_json *ids = r == 0 ? need_array(rootfs, "diff_ids") : NULL;

    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (layers[i].empty)
            continue;
        cf_digest_text(&layers[i].info.diff_id, text);
        r = cf_json_append(ids, cf_json_new_string(text));
    }
    return r;
}

static int set_history(struct cf_json *config, const struct cf_image *base,
                       const struct cf_new_layer *layers, size_t count,
                       const struct cf_image_options *options, const char *created)
{
    const char *inherited = cf_json_get_string(base ? base->config_json : NULL, "created");
    struct cf_json *history = need_array(config, "history");
    int r = history ? fill_history(history, base, inherited ? inherited : created) : -ENOMEM;

    for (size_t i = 0; i < count && r == 0; i++)
        r = history_entry(history, created,
                          options->created_by ? options->created_by : layers[i].created_by, options,
                          layers[i].empty);
    if (r == 0 && count == 0)
        r = history_entry(history, created,
                          options->created_by ? options->created_by : "cloudfs: metadata", options,
                          true);
    return r;
}

/* Key order of a config from scratch: as listed here. */
static int make_config(const struct cf_image *base, const struct cf_new_layer *layers, size_t count,
                       const struct cf_image_options *options, struct cf_buf *ret_buf)
{
    char created[MOMENT_SIZE];
    struct cf_json *config cf_cleanup(cf_json_free_ptr) =
        base ? cf_json_copy(base->config_json) : cf_json_object();

    created_text(base, layers, count, options, created);
    int r = config ? cf_json_set_string(config, "created", created) : -ENOMEM;
    if (r == 0 && options->author)
        r = cf_json_set_string(config, "author", options->author);
    if (r == 0)
        r = set_platform(config, base, options);
    struct cf_json *run = r == 0 ? need_object(config, "config") : NULL;
    if (r == 0)
        r = run ? add_pairs(run, "Labels", options->labels, options->label_count) : -ENOMEM;
    for (const struct cf_json *item = cf_json_first(options->run); item && r == 0;
         item = cf_json_next(item))
        r = cf_json_set(run, cf_json_key(item), cf_json_copy(item));
    if (r == 0)
        r = set_rootfs(config, layers, count);
    if (r == 0)
        r = set_history(config, base, layers, count, options, created);
    return r == 0 ? cf_json_print(config, false, ret_buf) : r;
}

static int add_descriptor(struct cf_json *array, const struct cf_digest *diff_id, uint64_t size)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_json *layer = cf_json_object();
    int r = layer ? cf_json_set_string(layer, "mediaType", CF_MEDIA_LAYER) : -ENOMEM;

    cf_digest_text(diff_id, text);
    if (r == 0)
        r = cf_json_set_string(layer, "digest", text);
    if (r == 0)
        r = cf_json_set_int(layer, "size", (int64_t)size);
    if (r < 0) {
        cf_json_free(layer);
        return r;
    }
    return cf_json_append(array, layer);
}

int cf_layer_tar_size(struct cf_store *store, const struct cf_digest *diff_id, uint64_t *ret_size,
                      struct cf_error *err)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    size_t count = 0;
    char text[CF_DIGEST_TEXT_SIZE];
    int r = cf_layer_forms_read(store, diff_id, &forms, &count, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        if (cf_digest_equal(&forms[i].digest, diff_id)) {
            *ret_size = forms[i].size;
            return 0;
        }
    cf_digest_text(diff_id, text);
    return cf_fail(err, -EBADMSG, "layer %s: the store does not know the size of its tar", text);
}

static int make_layers(struct cf_store *store, const struct cf_image *base,
                       const struct cf_new_layer *layers, size_t count, struct cf_json *array,
                       struct cf_error *err)
{
    int r = 0;

    for (size_t i = 0; base && i < base->layer_count && r == 0; i++) {
        uint64_t size = 0;
        r = cf_layer_tar_size(store, &base->diff_ids[i], &size, err);
        if (r == 0)
            r = add_descriptor(array, &base->diff_ids[i], size);
    }
    for (size_t i = 0; i < count && r == 0; i++)
        if (!layers[i].empty)
            r = add_descriptor(array, &layers[i].info.diff_id, layers[i].info.tar_size);
    return r;
}

static int make_manifest(struct cf_store *store, const struct cf_image *base,
                         const struct cf_new_layer *layers, size_t count,
                         const struct cf_image_options *options, const struct cf_buf *config,
                         struct cf_buf *ret_buf, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest digest;
    struct cf_json *manifest cf_cleanup(cf_json_free_ptr) = cf_json_object();
    const struct cf_json *inherited = cf_json_get(base ? base->manifest_json : NULL, "annotations");

    cf_digest_of(config->data, config->len, &digest);
    cf_digest_text(&digest, text);
    int r = manifest ? cf_json_set_int(manifest, "schemaVersion", 2) : -ENOMEM;
    if (r == 0)
        r = cf_json_set_string(manifest, "mediaType", CF_MEDIA_MANIFEST);
    struct cf_json *descriptor = r == 0 ? need_object(manifest, "config") : NULL;
    if (r == 0)
        r = descriptor ? cf_json_set_string(descriptor, "mediaType", CF_MEDIA_CONFIG) : -ENOMEM;
    if (r == 0)
        r = cf_json_set_string(descriptor, "digest", text);
    if (r == 0)
        r = cf_json_set_int(descriptor, "size", (int64_t)config->len);
    struct cf_json *array = r == 0 ? need_array(manifest, "layers") : NULL;
    if (r == 0)
        r = array ? make_layers(store, base, layers, count, array, err) : -ENOMEM;
    if (r == 0 && cf_json_count(inherited) > 0)
        r = cf_json_set(manifest, "annotations", cf_json_copy(inherited));
    if (r == 0)
        r = add_pairs(manifest, "annotations", options->annotations, options->annotation_count);
    return r == 0 ? cf_json_print(manifest, false, ret_buf) : r;
}

/* Where only the number is known: memory. */
static int explain(struct cf_error *err, int r)
{
    return r == -ENOMEM && err && err->code == 0 ? cf_fail(err, r, "out of memory") : r;
}

/* Config and manifest, and what they say. */
static int make_documents(struct cf_store *store, const struct cf_image *base,
                          const struct cf_new_layer *layers, size_t count,
                          const struct cf_image_options *options, struct cf_buf *ret_config,
                          struct cf_buf *ret_manifest, struct cf_image **ret_image,
                          struct cf_error *err)
{
    int r = make_config(base, layers, count, options, ret_config);
    if (r == 0)
        r = make_manifest(store, base, layers, count, options, ret_config, ret_manifest, err);
    if (r == 0)
        r = cf_image_parse(ret_manifest->data, ret_manifest->len, ret_config->data, ret_config->len,
                           ret_image, err);
    return explain(err, r);
}

int cf_image_draft(struct cf_store *store, const struct cf_image *base,
                   const struct cf_new_layer *layers, size_t count,
                   const struct cf_image_options *options, struct cf_image **ret_image,
                   struct cf_error *err)
{
    struct cf_buf config cf_autobuf = CF_BUF_INIT, manifest cf_autobuf = CF_BUF_INIT;
    return make_documents(store, base, layers, count, options, &config, &manifest, ret_image, err);
}

int cf_image_create(struct cf_store *store, const struct cf_image *base,
                    const struct cf_new_layer *layers, size_t count,
                    const struct cf_image_options *options, const char *name,
                    struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_buf config cf_autobuf = CF_BUF_INIT, manifest cf_autobuf = CF_BUF_INIT;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    char tagged[CF_TAGGED_SIZE];
    struct cf_digest digest;
    int r = name ? cf_reference_tagged(name, tagged, err) : 0;

    if (r == 0)
        r = make_documents(store, base, layers, count, options, &config, &manifest, &image, err);
    if (r == 0)
        r = cf_blob_put(store, config.data, config.len, &digest, err);
    if (r == 0)
        r = cf_blob_put(store, manifest.data, manifest.len, &digest, err);
    /* A name makes durable what it stands for. */
    if (r == 0 && name)
        r = cf_name_set(store, tagged, &digest, err);
    else if (r == 0 && !options->unsynced)
        r = cf_store_sync(store, err);
    if (r < 0)
        return explain(err, r);
    *ret_image = CF_TAKE(image);
    return 0;
}

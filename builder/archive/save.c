/* SPDX-License-Identifier: Apache-2.0 */
#include "save.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/log.h>

void cf_saving_tell(struct saving *saving, uint64_t len)
{
    saving->done += len;
    if (saving->options->progress)
        saving->options->progress(saving->options->progress_context, "saving", saving->done,
                                  saving->total);
}

void cf_saving_done(struct saving *saving)
{
    for (size_t i = 0; i < saving->image_count; i++) {
        cf_image_free(saving->images[i].image);
        cf_buf_done(&saving->images[i].manifest);
        cf_buf_done(&saving->images[i].config);
    }
    for (size_t i = 0; i < saving->layer_count; i++) {
        cf_close_fd(&saving->layers[i].fd);
        cf_json_free(saving->layers[i].annotations);
    }
    for (size_t i = 0; i < saving->index_count; i++) {
        cf_json_free(saving->indexes[i].json);
        cf_buf_done(&saving->indexes[i].text);
    }
    free(saving->images);
    free(saving->indexes);
    free(saving->layers);
}

int cf_saving_add_image(struct saving *saving, const struct cf_digest *manifest, const char *name,
                        struct cf_error *err)
{
    struct saved_image *saved =
        realloc(saving->images, (saving->image_count + 1) * sizeof(*saving->images));

    if (!saved)
        return cf_fail(err, -ENOMEM, "out of memory");
    saving->images = saved;
    saved = &saving->images[saving->image_count];
    *saved = (struct saved_image){0};
    int r = cf_image_load(saving->store, manifest, &saved->image, err);

    if (r < 0)
        return r;
    saving->image_count++;
    (void)snprintf(saved->name, sizeof(saved->name), "%s", name);
    r = cf_blob_get(saving->store, &saved->image->config, &saved->config, err);
    if (r == 0)
        r = cf_blob_get(saving->store, &saved->image->manifest, &saved->manifest, err);
    return r;
}

/* The tag alone, as the layout's specification has it and umoci wants it, unless two share it. */
static void choose_ref_names(struct saving *saving)
{
    for (size_t i = 0; i < saving->image_count; i++) {
        struct saved_image *saved = &saving->images[i];
        const char *colon = strrchr(saved->name, ':');
        bool shared = false;
        for (size_t k = 0; colon && k < saving->image_count; k++) {
            const char *other = strrchr(saving->images[k].name, ':');
            shared = shared || (k != i && other && !strcmp(other, colon) &&
                                strcmp(saving->images[k].name, saved->name) != 0);
        }
        memcpy(saved->ref_name,
               shared  ? saved->name
               : colon ? colon + 1
                       : "",
               strlen(shared  ? saved->name
                      : colon ? colon + 1
                              : "") +
                   1);
    }
}

/* Whether the stored manifest describes just what will be written. */
static bool manifest_fits(const struct saving *saving, const struct saved_image *saved)
{
    const struct cf_json *manifest = saved->image->manifest_json;
    const char *type = cf_json_get_string(manifest, "mediaType");
    const char *config = cf_json_get_string(cf_json_get(manifest, "config"), "mediaType");
    const struct cf_json *item = cf_json_first(cf_json_get(manifest, "layers"));

    if ((type && strcmp(type, CF_MEDIA_MANIFEST) != 0) || !config ||
        strcmp(config, CF_MEDIA_CONFIG) != 0)
        return false;
    for (size_t i = 0; i < saved->image->layer_count; i++, item = cf_json_next(item)) {
        const struct saved_layer *layer = cf_saving_layer(saving, &saved->image->diff_ids[i]);
        const char *media_type = cf_json_get_string(item, "mediaType");
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest digest;
        if (!layer || !text || !media_type || strcmp(media_type, layer->media_type) != 0 ||
            cf_digest_parse(text, &digest) < 0 || !cf_digest_equal(&digest, &layer->blob))
            return false;
    }
    return true;
}

static struct cf_json *descriptor(const char *media_type, const struct cf_digest *digest,
                                  uint64_t size)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();

    cf_digest_text(digest, text);
    if (json && cf_json_set_string(json, "mediaType", media_type) == 0 &&
        cf_json_set_string(json, "digest", text) == 0 &&
        cf_json_set_int(json, "size", (int64_t)size) == 0)
        return json;
    cf_json_free(json);
    return NULL;
}

/* A manifest that says what will be written; annotations of the image and of each layer stay, but
 * for those that tell of a compressed form that is no longer there. */
static int remake_manifest(const struct saving *saving, struct saved_image *saved)
{
    const struct cf_json *old = saved->image->manifest_json;
    const struct cf_json *annotations = cf_json_get(old, "annotations");
    const struct cf_json *subject = cf_json_get(old, "subject");
    struct cf_json *manifest cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *array = cf_json_array();
    int r = manifest ? cf_json_set_int(manifest, "schemaVersion", 2) : -ENOMEM;

    if (r == 0)
        r = cf_json_set_string(manifest, "mediaType", CF_MEDIA_MANIFEST);
    if (r == 0)
        r = cf_json_set(manifest, "config",
                        descriptor(CF_MEDIA_CONFIG, &saved->image->config, saved->config.len));
    for (size_t i = 0; i < saved->image->layer_count && r == 0 && array; i++) {
        const struct saved_layer *layer = cf_saving_layer(saving, &saved->image->diff_ids[i]);
        struct cf_json *item =
            layer ? descriptor(layer->media_type, &layer->blob, layer->size) : NULL;
        if (item && layer->annotations &&
            cf_json_set(item, "annotations", cf_json_copy(layer->annotations)) < 0) {
            cf_json_free(item);
            item = NULL;
        }
        r = cf_json_append(array, item);
    }
    if (r < 0 || !array) {
        cf_json_free(array);
        return -ENOMEM;
    }
    r = cf_json_set(manifest, "layers", array);
    if (r == 0 && subject)
        r = cf_json_set(manifest, "subject", cf_json_copy(subject));
    if (r == 0 && cf_json_count(annotations) > 0)
        r = cf_json_set(manifest, "annotations", cf_json_copy(annotations));
    cf_buf_clear(&saved->manifest);
    return r == 0 ? cf_json_print(manifest, false, &saved->manifest) : r;
}

int cf_saving_manifest(struct saving *saving, struct saved_image *saved, struct cf_error *err)
{
    int r = manifest_fits(saving, saved) ? 0 : remake_manifest(saving, saved);

    if (r < 0)
        return cf_fail(err, r, "out of memory");
    saved->media_type = CF_MEDIA_MANIFEST;
    cf_digest_of(saved->manifest.data, saved->manifest.len, &saved->manifest_digest);
    return 0;
}

int cf_saving_manifests(struct saving *saving, struct cf_error *err)
{
    int r = 0;
    for (size_t i = 0; i < saving->image_count && r == 0; i++)
        r = cf_saving_manifest(saving, &saving->images[i], err);
    return r;
}

/* What index.json names: the image, or the index that it is the first of. */
static const struct cf_digest *top_digest(const struct saving *saving,
                                          const struct saved_image *saved)
{
    return saved->index ? &saving->indexes[saved->index - 1].digest : &saved->manifest_digest;
}

static int add_index_entry(const struct saving *saving, const struct saved_image *saved,
                           struct cf_json *list)
{
    const struct saved_index *index = saved->index ? &saving->indexes[saved->index - 1] : NULL;
    struct cf_json *entry =
        descriptor(index ? index->media_type : saved->media_type, top_digest(saving, saved),
                   index ? index->text.len : saved->manifest.len);
    int r = entry ? 0 : -ENOMEM;

    if (r == 0 && saved->name[0]) {
        r = cf_json_set(entry, "annotations", cf_json_object());
        struct cf_json *annotations = r == 0 ? cf_json_edit(entry, "annotations") : NULL;
        if (r == 0)
            r = cf_json_set_string(annotations, "io.containerd.image.name", saved->name);
        if (r == 0)
            r = cf_json_set_string(annotations, "org.opencontainers.image.ref.name",
                                   saved->ref_name);
    }
    if (r < 0) {
        cf_json_free(entry);
        return r;
    }
    return cf_json_append(list, entry);
}

/* An entry of the old index that a new one takes the place of: same ref name, or the same manifest
 * where that has no name. */
static bool is_replaced(const struct saving *saving, const struct cf_json *entry)
{
    const char *ref =
        cf_json_get_string(cf_json_get(entry, "annotations"), "org.opencontainers.image.ref.name");
    const char *digest = cf_json_get_string(entry, "digest");
    char text[CF_DIGEST_TEXT_SIZE];

    for (size_t i = 0; i < saving->image_count; i++) {
        const struct saved_image *saved = &saving->images[i];
        if (!cf_saving_is_top(saving, i))
            continue;
        cf_digest_text(top_digest(saving, saved), text);
        if (ref ? !strcmp(ref, saved->ref_name) : digest && !strcmp(digest, text))
            return true;
    }
    return false;
}

int cf_saving_index(const struct saving *saving, const struct cf_json *old, struct cf_buf *ret_buf)
{
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = old ? cf_json_copy(old) : cf_json_object();
    struct cf_json *list = cf_json_array();
    const struct cf_json *entry = cf_json_first(cf_json_get(old, "manifests"));
    int r = index && list ? 0 : -ENOMEM;

    if (r == 0 && !old)
        r = cf_json_set_int(index, "schemaVersion", 2);
    if (r == 0 && !old)
        r = cf_json_set_string(index, "mediaType", CF_MEDIA_INDEX);
    for (; entry && r == 0; entry = cf_json_next(entry))
        if (!is_replaced(saving, entry))
            r = cf_json_append(list, cf_json_copy(entry));
    for (size_t i = 0; i < saving->image_count && r == 0; i++)
        if (cf_saving_is_top(saving, i))
            r = add_index_entry(saving, &saving->images[i], list);
    if (r < 0) {
        cf_json_free(list);
        return r;
    }
    r = cf_json_set(index, "manifests", list);
    return r == 0 ? cf_json_print(index, false, ret_buf) : r;
}

static int add_docker_entry(const struct saving *saving, const struct saved_image *saved,
                            struct cf_json *list)
{
    char hex[CF_DIGEST_HEX_SIZE], path[CF_DIGEST_HEX_SIZE + 16];
    struct cf_json *entry = cf_json_object();
    int r = entry ? cf_json_append(list, entry) : -ENOMEM;

    (void)saving;
    cf_digest_hex(&saved->image->config, hex);
    snprintf(path, sizeof(path), "%s.json", hex);
    if (r == 0)
        r = cf_json_set_string(entry, "Config", path);
    if (r == 0)
        r = cf_json_set(entry, "RepoTags", cf_json_array());
    if (r == 0 && saved->name[0])
        r = cf_json_append(cf_json_edit(entry, "RepoTags"), cf_json_new_string(saved->name));
    if (r == 0)
        r = cf_json_set(entry, "Layers", cf_json_array());
    struct cf_json *layers = r == 0 ? cf_json_edit(entry, "Layers") : NULL;
    for (size_t i = 0; i < saved->image->layer_count && r == 0; i++) {
        cf_digest_hex(&saved->image->diff_ids[i], hex);
        snprintf(path, sizeof(path), "%s/layer.tar", hex);
        r = cf_json_append(layers, cf_json_new_string(path));
    }
    return r;
}

int cf_saving_docker(const struct saving *saving, struct cf_buf *ret_buf)
{
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; i < saving->image_count && r == 0; i++)
        r = add_docker_entry(saving, &saving->images[i], list);
    return r == 0 ? cf_json_print(list, false, ret_buf) : r;
}

int cf_save(struct cf_store *store, const char *path, const char *const *references, size_t count,
            const struct cf_save_options *options, struct cf_error *err)
{
    struct saving saving cf_cleanup(cf_saving_done) = {.store = store, .options = options};
    int r = 0;

    if (count == 0)
        return cf_fail(err, -EINVAL, "no image to save was named");
    const bool plain = options->format == CF_ARCHIVE_DOCKER || options->format == CF_ARCHIVE_SEALER;
    if (plain && options->has_compression && options->compression != CF_PLAIN)
        return cf_fail(err, -EINVAL, "a %s archive holds plain layers: no compression then",
                       options->format == CF_ARCHIVE_DOCKER ? "docker" : "sealer");
    if (options->format == CF_ARCHIVE_OCI_DIR && !strcmp(path, "-"))
        return cf_fail(err, -EINVAL, "a directory cannot be written to standard output");
    for (size_t i = 0; i < count && r == 0; i++)
        r = cf_saving_add(&saving, references[i], options->platform, err);
    if (r == 0 && plain && saving.index_count)
        return cf_fail(
            err, -EINVAL,
            "a %s archive has one image for a name, and %s is an index of %zu: choose one "
            "with --platform, or --format oci",
            options->format == CF_ARCHIVE_DOCKER ? "docker" : "sealer",
            saving.images[saving.indexes[0].first].name, saving.indexes[0].count);
    choose_ref_names(&saving);
    if (r == 0)
        r = cf_saving_layers(&saving, err);
    if (r == 0)
        r = cf_saving_manifests(&saving, err);
    if (r == 0)
        r = cf_saving_indexes(&saving, err);
    if (r == 0)
        r = options->format == CF_ARCHIVE_OCI_DIR ? cf_saving_write_dir(&saving, path, err)
                                                  : cf_saving_write_tar(&saving, path, err);
    return r;
}

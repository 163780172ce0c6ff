/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The archive that sealer v0.8 saves: "Metadata" is {name: {"manifests": [{"id", "platform"}]}},
 * ID.yaml the Image object, and each layer a directory. The tars that gave the layers their digests
 * are not in it, so they get the canonical form, and a digest of that.
 */
#include "bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>
#include <cloudfs/yaml.h>

#include "sealer_tar.h"

/* What directories of the archive have become. */
struct known {
    struct cf_digest named, diff_id;
};
struct sealer {
    struct bundle *bundle;
    struct known *known;
    size_t count;
};

static int read_layer(struct sealer *sealer, const struct cf_digest *named, struct cf_digest *ret,
                      struct cf_error *err)
{
    struct bundle *bundle = sealer->bundle;
    struct cf_sealer_reader *reader cf_cleanup(cf_sealer_reader_free_ptr) = NULL;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_layer_info info;
    for (size_t i = 0; i < sealer->count; i++)
        if (cf_digest_equal(&sealer->known[i].named, named)) {
            *ret = sealer->known[i].diff_id;
            return 0;
        }
    struct known *grown = realloc(sealer->known, (sealer->count + 1) * sizeof *grown);
    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    sealer->known = grown;
    cf_digest_hex(named, hex);
    int r = cf_sealer_reader_new(cf_source_tar_fd(bundle->source), hex, &reader, err);
    const struct cf_layer_read_options options = {
        .source = cf_sealer_read,
        .source_context = reader,
        .what = hex,
        .canonical = true,
        .progress = bundle->options->progress,
        .progress_context = bundle->options->progress_context,
    };
    if (r == 0)
        r = cf_layer_read(bundle->store, &options, &info, err);
    if (r == 0 && info.entries == 0)
        r = cf_fail(err, -EINVAL, "layer %s is not in the archive", hex);
    if (r < 0)
        return cf_fail_in(err, r, "%s", cf_source_name(bundle->source));
    sealer->known[sealer->count++] = (struct known){*named, info.diff_id};
    *ret = info.diff_id;
    return 0;
}

/* ---- the config: the Image object, and what OCI wants to know besides ---- */

static int add_history(struct cf_json *history, const char *created, const struct cf_json *layer,
                       bool is_empty)
{
    const char *type = cf_json_get_string(layer, "type");
    const char *value = cf_json_get_string(layer, "value");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *entry = cf_json_object();
    int r = cf_buf_printf(&text, "%s %s", type ? type : "COPY", value ? value : "");
    if (r == 0 && created)
        r = cf_json_set_string(entry, "created", created);
    if (r == 0)
        r = cf_json_set_string(entry, "created_by", text.data);
    if (r == 0 && is_empty)
        r = cf_json_set_bool(entry, "empty_layer", true);
    if (r < 0) {
        cf_json_free(entry);
        return r;
    }
    return cf_json_append(history, entry);
}

static int add_layer(struct sealer *sealer, struct pending *pending, struct cf_json *layer,
                     struct cf_json *ids, struct cf_error *err)
{
    const char *id = cf_json_get_string(layer, "id");
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest named;
    struct pending_layer *fresh = &pending->layers[pending->layer_count];
    if (!id || !*id)
        return 0;
    if (cf_digest_parse(id, &named) < 0)
        return cf_fail(err, -EINVAL, "%s: %s is no layer's id",
                       cf_source_name(sealer->bundle->source), CF_QUOTE(id));
    int r = read_layer(sealer, &named, &fresh->diff_id, err);
    if (r < 0)
        return r;
    pending->layer_count++;
    cf_digest_text(&fresh->diff_id, text);
    if (cf_json_set_string(layer, "id", text) < 0 ||
        cf_json_append(ids, cf_json_new_string(text)) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 1;
}

static int add_layers(struct sealer *sealer, struct pending *pending, struct cf_json *image,
                      const char *created, struct cf_error *err)
{
    struct cf_json *layers = cf_json_edit(cf_json_edit(image, "spec"), "layers");
    struct cf_json *rootfs = cf_json_object();
    if (cf_json_set_string(rootfs, "type", "layers") < 0 ||
        cf_json_set(rootfs, "diff_ids", cf_json_array()) < 0 ||
        cf_json_set(image, "history", cf_json_array()) < 0) {
        cf_json_free(rootfs);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    if (cf_json_set(image, "rootfs", rootfs) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    struct cf_json *ids = cf_json_edit(cf_json_edit(image, "rootfs"), "diff_ids");
    pending->layers = calloc(cf_json_count(layers) + 1, sizeof *pending->layers);
    if (!pending->layers)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < cf_json_count(layers); i++) {
        struct cf_json *layer = cf_json_edit_at(layers, i);
        int r = add_layer(sealer, pending, layer, ids, err);
        if (r < 0)
            return r;
        if (add_history(cf_json_edit(image, "history"), created, layer, r == 0) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int add_platform(struct cf_json *image)
{
    static const char *const fields[] = {"architecture", "os", "variant"};
    const struct cf_json *platform = cf_json_get(cf_json_get(image, "spec"), "platform");
    int r = 0;
    for (size_t i = 0; i < CF_COUNT(fields) && r == 0; i++) {
        const char *value = cf_json_get_string(platform, fields[i]);
        if (value && *value)
            r = cf_json_set_string(image, fields[i], value);
    }
    return r;
}

static int add_image(struct sealer *sealer, const char *name, const struct cf_json *entry,
                     struct cf_error *err)
{
    struct bundle *bundle = sealer->bundle;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *image cf_cleanup(cf_json_free_ptr) = NULL;
    const char *id = cf_json_get_string(entry, "id"), *source = cf_source_name(bundle->source);
    const char *created = cf_json_get_string(entry, "created");
    char file[80], tagged[CF_TAGGED_SIZE];
    struct cf_digest digest;
    if (!id || cf_digest_parse_hex(id, &digest) < 0)
        return cf_fail(err, -EINVAL, "%s: Metadata: the image %s has no id of 64 hex digits",
                       source, CF_QUOTE(name));
    (void)snprintf(file, sizeof file, "%s.yaml", id);
    int r = cf_source_read(bundle->source, file, CF_BLOB_MAX, &text, err);
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s: %s is not in the archive", source, file);
    if (r == 0)
        r = cf_yaml_json(text.data, text.len, &image, err);
    if (r == 0 && !cf_json_is_array(cf_json_get(cf_json_get(image, "spec"), "layers")))
        r = cf_fail(err, -EINVAL, "it has no spec.layers");
    if (r < 0)
        return cf_fail_in(err, r, "%s: %s", source, file);
    struct pending *pending = cf_bundle_add(bundle, err);
    if (!pending)
        return -ENOMEM;
    r = bundle->options->name ? 0 : cf_reference_tagged(name, tagged, err);
    if (r == 0 && !bundle->options->name)
        r = cf_pending_add_name(pending, tagged, err);
    if (r == 0)
        r = add_layers(sealer, pending, image, created, err);
    if (r < 0)
        return r;
    if (add_platform(image) < 0 || (created && cf_json_set_string(image, "created", created) < 0) ||
        cf_json_print(image, false, &pending->config) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

int cf_bundle_read_sealer(struct bundle *bundle, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = NULL;
    struct sealer sealer = {.bundle = bundle};
    char platform[CF_PLATFORM_TEXT_SIZE];
    struct cf_platform wanted;
    if (bundle->platform_count > 1)
        return cf_fail(err, -EINVAL, "%s: sealer's archives are loaded for one platform at a time",
                       cf_source_name(bundle->source));
    cf_platform_host(&wanted);
    if (bundle->platform_count == 1)
        wanted = bundle->platforms[0];
    if (cf_source_tar_fd(bundle->source) < 0)
        return cf_fail(err, -EINVAL, "%s is a directory: sealer's archives are read as tar files",
                       cf_source_name(bundle->source));
    int r = cf_source_read(bundle->source, CF_SEALER_INDEX, CF_BLOB_MAX, &text, err);
    if (r == 0)
        r = cf_json_parse(text.data, text.len, &index, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s: Metadata", cf_source_name(bundle->source));
    cf_platform_text(&wanted, platform);
    for (const struct cf_json *item = cf_json_first(index); item && r == 0;
         item = cf_json_next(item)) {
        const struct cf_json *entry = cf_platform_choose(item, &wanted);
        r = entry ? add_image(&sealer, cf_json_key(item), entry, err)
                  : cf_fail(err, -ENOENT, "%s: %s has no image for %s",
                            cf_source_name(bundle->source), CF_QUOTE(cf_json_key(item)), platform);
    }
    free(sealer.known);
    if (r == 0 && bundle->image_count == 0)
        r = cf_fail(err, -EINVAL, "%s: Metadata lists no images", cf_source_name(bundle->source));
    return r;
}

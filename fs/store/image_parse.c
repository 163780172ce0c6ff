/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and configs: strict reading, each checked against the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>

#include "image_parse.h"

static const char *const layer_types[] = {
    CF_MEDIA_LAYER,
    CF_MEDIA_LAYER_GZIP,
    CF_MEDIA_LAYER_ZSTD,
    CF_MEDIA_DOCKER_LAYER,
    CF_MEDIA_DOCKER_LAYER_GZIP,
    CF_MEDIA_DOCKER_LAYER ".zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

static bool is_layer_type(const char *type)
{
    for (size_t i = 0; i < CF_COUNT(layer_types); i++)
        if (!strcmp(type, layer_types[i]))
            return true;
    return false;
}

/* digest, size and mediaType of a descriptor; media_type borrowed from the document. */
static int descriptor(const struct cf_json *json, const char *what, struct cf_digest *ret_digest,
                      uint64_t *ret_size, const char **ret_type, struct cf_error *err)
{
    const char *digest = cf_json_get_string(json, "digest");
    const char *type = cf_json_get_string(json, "mediaType");
    int64_t size = -1;

    if (!digest || cf_digest_parse(digest, ret_digest) < 0)
        return cf_fail(err, -EINVAL, "the digest of %s is '%s', not \"sha256:\" and 64 hex digits",
                       what, digest ? digest : "");
    if (!cf_json_int(cf_json_get(json, "size"), &size) || size < 0)
        return cf_fail(err, -EINVAL, "the size of %s is missing or wrong", what);
    if (!type)
        return cf_fail(err, -EINVAL, "the mediaType of %s is missing", what);
    *ret_size = (uint64_t)size;
    *ret_type = type;
    return 0;
}

/* What kind of document this is, before anything in it is believed (CVE-2021-41190). */
static int check_kind(const struct cf_json *json, struct cf_error *err)
{
    const char *type = cf_json_get_string(json, "mediaType");
    int64_t version = 0;

    if (!cf_json_is_object(json))
        return cf_fail(err, -EINVAL, "the manifest is no JSON object");
    if (!cf_json_int(cf_json_get(json, "schemaVersion"), &version) || version != 2)
        return cf_fail(err, -EINVAL, "the manifest's schemaVersion is not 2");
    bool image = cf_json_get(json, "config") || cf_json_get(json, "layers");
    bool index = cf_json_get(json, "manifests") != NULL;
    if (image && (index || cf_json_get(json, "fsLayers")))
        return cf_fail(err, -EINVAL, "the manifest claims to be an image and an index at once");
    if (cf_json_get(json, "mediaType") && !type)
        return cf_fail(err, -EINVAL, "the manifest's mediaType is no string");
    if (type && (index ? strcmp(type, CF_MEDIA_INDEX) && strcmp(type, CF_MEDIA_DOCKER_LIST)
                       : strcmp(type, CF_MEDIA_MANIFEST) && strcmp(type, CF_MEDIA_DOCKER_MANIFEST)))
        return cf_fail(err, -EINVAL, "the manifest's mediaType '%s' does not fit its content",
                       type);
    if (index)
        return cf_fail(err, -EINVAL, "this is an index of images, not an image's manifest");
    return 0;
}

static int parse_layers(struct cf_image *image, struct cf_error *err)
{
    const struct cf_json *layers = cf_json_get(image->manifest_json, "layers");
    const struct cf_json *layer = cf_json_first(layers);
    struct cf_digest digest;
    const char *type;

    if (!cf_json_is_array(layers))
        return cf_fail(err, -EINVAL, "the manifest has no list of layers");
    image->layer_count = cf_json_count(layers);
    image->layer_sizes = calloc(image->layer_count + 1, sizeof(*image->layer_sizes));
    image->diff_ids = calloc(image->layer_count + 1, sizeof(*image->diff_ids));
    if (!image->layer_sizes || !image->diff_ids)
        return cf_fail_errno(err, ENOMEM, "read a manifest");
    for (size_t i = 0; i < image->layer_count; i++, layer = cf_json_next(layer)) {
        int r = descriptor(layer, "a layer", &digest, &image->layer_sizes[i], &type, err);
        if (r < 0)
            return r;
        if (!is_layer_type(type))
            return cf_fail(err, -EINVAL, "mediaType '%s' is no layer: this is no container image",
                           type);
    }
    return 0;
}

int cf_manifest_parse(const void *data, size_t len, struct cf_image **ret_image,
                      struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    const struct cf_json *config;
    const char *type;
    uint64_t size;

    if (len > CF_BLOB_MAX)
        return cf_fail(err, -EFBIG, "a manifest of %zu bytes is larger than the limit of %u", len,
                       CF_BLOB_MAX);
    image = calloc(1, sizeof(*image));
    if (!image)
        return cf_fail_errno(err, ENOMEM, "read a manifest");
    cf_digest_of(data, len, &image->manifest);
    int r = cf_json_parse(data, len, &image->manifest_json, err);
    if (r < 0)
        return cf_fail_in(err, r, "manifest");
    r = check_kind(image->manifest_json, err);
    if (r < 0)
        return r;
    config = cf_json_get(image->manifest_json, "config");
    r = descriptor(config, "the config", &image->config, &size, &type, err);
    if (r < 0)
        return r;
    if (strcmp(type, CF_MEDIA_CONFIG) && strcmp(type, CF_MEDIA_DOCKER_CONFIG))
        return cf_fail(err, -EINVAL, "config of mediaType '%s': this is no container image", type);
    r = parse_layers(image, err);
    if (r < 0)
        return r;
    *ret_image = CF_TAKE(image);
    return 0;
}

/* sealer v0.8 has its own object as config: the layers that are not empty have an id, the diff ID.
 */
static int parse_sealer_ids(struct cf_image *image, struct cf_error *err)
{
    const struct cf_json *list = cf_json_get(cf_json_get(image->config_json, "spec"), "layers");
    size_t count = 0;

    for (const struct cf_json *item = cf_json_first(list); item; item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "id");
        if (!text || !*text)
            continue;
        if (count == image->layer_count || cf_digest_parse(text, &image->diff_ids[count++]) < 0)
            return cf_fail(err, -EINVAL, "the config's spec.layers do not fit the manifest");
    }
    if (count != image->layer_count)
        return cf_fail(err, -EINVAL, "the config names %zu layers, the manifest %zu", count,
                       image->layer_count);
    return 0;
}

static int parse_diff_ids(struct cf_image *image, struct cf_error *err)
{
    if (!cf_json_get(image->config_json, "rootfs") &&
        cf_json_is_array(cf_json_get(cf_json_get(image->config_json, "spec"), "layers")))
        return parse_sealer_ids(image, err);
    const struct cf_json *ids = cf_json_get(cf_json_get(image->config_json, "rootfs"), "diff_ids");
    const struct cf_json *id = cf_json_first(ids);

    /* An image without layers may leave them out. */
    if (!cf_json_is_array(ids) && (ids || image->layer_count > 0))
        return cf_fail(err, -EINVAL, "the config has no list rootfs.diff_ids");
    if (cf_json_count(ids) != image->layer_count)
        return cf_fail(err, -EINVAL, "the config names %zu diff_ids, the manifest %zu layers",
                       cf_json_count(ids), image->layer_count);
    for (size_t i = 0; i < image->layer_count; i++, id = cf_json_next(id)) {
        const char *text = cf_json_string(id);
        if (!text || cf_digest_parse(text, &image->diff_ids[i]) < 0)
            return cf_fail(err, -EINVAL,
                           "diff_id '%s' of the config is not \"sha256:\" and 64 hex digits",
                           text ? text : "");
    }
    return 0;
}

int cf_config_parse(struct cf_image *image, const void *data, size_t len, struct cf_error *err)
{
    struct cf_digest digest;
    int64_t size = 0;

    cf_digest_of(data, len, &digest);
    if (!cf_digest_equal(&digest, &image->config))
        return cf_fail(err, -EINVAL, "the config does not match the digest in the manifest");
    const struct cf_json *descriptor_json = cf_json_get(image->manifest_json, "config");
    if (!cf_json_int(cf_json_get(descriptor_json, "size"), &size) || (uint64_t)size != len)
        return cf_fail(err, -EINVAL, "the config has %zu bytes, the manifest says %lld", len,
                       (long long)size);
    int r = cf_json_parse(data, len, &image->config_json, err);
    if (r < 0)
        return cf_fail_in(err, r, "config");
    if (!cf_json_is_object(image->config_json))
        return cf_fail(err, -EINVAL, "the config is no JSON object");
    return parse_diff_ids(image, err);
}

int cf_image_parse(const void *manifest, size_t manifest_len, const void *config, size_t config_len,
                   struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;

    if (config_len > CF_BLOB_MAX)
        return cf_fail(err, -EFBIG, "a config of %zu bytes is larger than the limit of %u",
                       config_len, CF_BLOB_MAX);
    int r = cf_manifest_parse(manifest, manifest_len, &image, err);
    if (r == 0)
        r = cf_config_parse(image, config, config_len, err);
    if (r < 0)
        return r;
    *ret_image = CF_TAKE(image);
    return 0;
}

void cf_image_free(struct cf_image *image)
{
    if (!image)
        return;
    cf_json_free(image->manifest_json);
    cf_json_free(image->config_json);
    free(image->diff_ids);
    free(image->layer_sizes);
    free(image);
}

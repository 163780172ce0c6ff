/* SPDX-License-Identifier: Apache-2.0 */
/* The documents of OCI layouts and of skopeo's dir: form. */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>
#include <cloudfs/reference.h>

#define LAYER_SIZE_MAX (1ull << 50)

#define ANNOTATION_NAME "io.containerd.image.name"
#define ANNOTATION_REF "org.opencontainers.image.ref.name"

struct descriptor {
    const char *media_type; /* "" where none is said */
    struct cf_digest digest;
    uint64_t size;
};

static int read_descriptor(const struct bundle *bundle, const struct cf_json *json,
                           const char *what, struct descriptor *ret, struct cf_error *err)
{
    const char *digest = cf_json_get_string(json, "digest");
    const char *media_type = cf_json_get_string(json, "mediaType");
    int64_t size = -1;

    if (!digest || cf_digest_parse(digest, &ret->digest) < 0)
        return cf_fail(err, -EINVAL, "%s: the digest of %s is %s, which is no sha256 digest",
                       cf_source_name(bundle->source), what, digest ? CF_QUOTE(digest) : "missing");
    if (!cf_json_int(cf_json_get(json, "size"), &size) || size < 0)
        return cf_fail(err, -EINVAL, "%s: the size of %s is missing or no number",
                       cf_source_name(bundle->source), what);
    ret->media_type = media_type ? media_type : "";
    ret->size = (uint64_t)size;
    return 0;
}

static int blob_member(const struct bundle *bundle, const struct cf_digest *digest,
                       struct cf_buf *ret_name, struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    if (cf_buf_printf(ret_name, "%s%s", bundle->blob_prefix, hex) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* A document of the archive, checked against its descriptor. */
static int read_blob(struct bundle *bundle, const struct descriptor *descriptor, const char *what,
                     struct cf_buf *ret_buf, struct cf_error *err)
{
    struct cf_buf name cf_autobuf = CF_BUF_INIT;
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest found;

    if (bundle->remote)
        return bundle->remote->document(bundle->remote->context, !strcmp(what, "manifest"),
                                        &descriptor->digest, descriptor->size, ret_buf, err);
    cf_digest_text(&descriptor->digest, text);
    int r = blob_member(bundle, &descriptor->digest, &name, err);
    if (r < 0)
        return r;
    r = cf_source_read(bundle->source, name.data, CF_BLOB_MAX, ret_buf, err);
    if (r == -ENOENT && !*bundle->blob_prefix) { /* dir: names the manifests of an index so */
        if (cf_buf_add_str(&name, ".manifest.json") < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        r = cf_source_read(bundle->source, name.data, CF_BLOB_MAX, ret_buf, err);
    }
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s: %s %s is not in the archive",
                       cf_source_name(bundle->source), what, text);
    if (r < 0)
        return r;
    cf_digest_of(ret_buf->data, ret_buf->len, &found);
    if (ret_buf->len != descriptor->size || !cf_digest_equal(&found, &descriptor->digest))
        return cf_fail(err, -EBADMSG, "%s: %s %s does not match its digest",
                       cf_source_name(bundle->source), what, text);
    return 0;
}

static bool is_index(const char *media_type, const struct cf_json *document)
{
    if (!strcmp(media_type, CF_MEDIA_INDEX) || !strcmp(media_type, CF_MEDIA_DOCKER_LIST))
        return true;
    return !*media_type && cf_json_is_array(cf_json_get(document, "manifests"));
}

static bool is_manifest(const char *media_type)
{
    return !*media_type || !strcmp(media_type, CF_MEDIA_MANIFEST) ||
           !strcmp(media_type, CF_MEDIA_DOCKER_MANIFEST);
}

static int add_layers(struct bundle *bundle, struct pending *pending, struct cf_error *err)
{
    const struct cf_json *layers = cf_json_get(pending->image->manifest_json, "layers");
    size_t count = pending->image->layer_count;
    const struct cf_json *item = cf_json_first(layers);

    pending->layers = calloc(count + 1, sizeof(*pending->layers));
    if (!pending->layers)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (; item && pending->layer_count < count; item = cf_json_next(item)) {
        struct pending_layer *layer = &pending->layers[pending->layer_count];
        struct descriptor descriptor;
        struct cf_buf name cf_autobuf = CF_BUF_INIT;
        int r = read_descriptor(bundle, item, "a layer", &descriptor, err);
        if (r == 0)
            r = blob_member(bundle, &descriptor.digest, &name, err);
        if (r < 0)
            return r;
        if (descriptor.size > LAYER_SIZE_MAX)
            return cf_fail(err, -EFBIG, "%s: a layer of %llu bytes is too large",
                           cf_source_name(bundle->source), (unsigned long long)descriptor.size);
        layer->diff_id = pending->image->diff_ids[pending->layer_count];
        layer->has_blob = true;
        layer->blob = descriptor.digest;
        layer->blob_size = descriptor.size;
        layer->descriptor = item;
        pending->layer_count++;
        layer->member = cf_buf_take(&name);
        layer->media_type = *descriptor.media_type ? strdup(descriptor.media_type) : NULL;
        if (!layer->member || (*descriptor.media_type && !layer->media_type))
            return cf_fail(err, -ENOMEM, "out of memory");
    }
    return 0;
}

/* What is wrong with a manifest that no parser of images would say so plainly; NULL: nothing. */
static const char *not_an_image(const struct cf_json *manifest)
{
    const struct cf_json *config = cf_json_get(manifest, "config");
    const char *type = cf_json_get_string(config, "mediaType");

    if (cf_json_get(manifest, "manifests") && (config || cf_json_get(manifest, "layers")))
        return "is an index and a manifest at once";
    if (cf_json_get(manifest, "fsLayers"))
        return "is a docker manifest of schema 1, which has no layer digests of its own";
    if (!config)
        return "has no config";
    if (type && strcmp(type, CF_MEDIA_CONFIG) != 0 && strcmp(type, CF_MEDIA_DOCKER_CONFIG) != 0)
        return "is an artifact of another kind, not an image";
    return NULL;
}

/* The manifest whose bytes and digest are checked already. */
static int add_manifest(struct bundle *bundle, struct cf_buf *text, const char *media_type,
                        const char *name, struct cf_error *err)
{
    struct cf_json *manifest cf_cleanup(cf_json_free_ptr) = NULL;
    struct descriptor config;
    int r = cf_json_parse(text->data, text->len, &manifest, err);

    if (r < 0)
        return cf_fail_in(err, r, "%s: manifest", cf_source_name(bundle->source));
    const char *problem = not_an_image(manifest);
    if (problem)
        return cf_fail(err, -EINVAL, "%s: the manifest %s", cf_source_name(bundle->source),
                       problem);
    const char *said = cf_json_get_string(manifest, "mediaType");
    if (said && *media_type && strcmp(said, media_type) != 0)
        return cf_fail(err, -EINVAL, "%s: a manifest is announced as %s, and says that it is %s",
                       cf_source_name(bundle->source), CF_QUOTE(media_type), CF_QUOTE(said));
    r = read_descriptor(bundle, cf_json_get(manifest, "config"), "the config", &config, err);
    if (r < 0)
        return r;
    struct pending *pending = cf_bundle_add(bundle, err);
    if (!pending)
        return -ENOMEM;
    r = read_blob(bundle, &config, "config", &pending->config, err);
    if (r < 0)
        return r;
    pending->manifest = *text;
    *text = (struct cf_buf)CF_BUF_INIT;
    r = cf_image_parse(pending->manifest.data, pending->manifest.len, pending->config.data,
                       pending->config.len, &pending->image, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", cf_source_name(bundle->source));
    if (name)
        r = cf_pending_add_name(pending, name, err);
    return r == 0 ? add_layers(bundle, pending, err) : r;
}

int cf_bundle_document(struct bundle *bundle, const struct cf_json *item, struct cf_buf *ret_text,
                       struct cf_json **ret_index, struct cf_error *err)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    struct descriptor descriptor;
    int r = read_descriptor(bundle, item, "a manifest", &descriptor, err);

    if (r == 0)
        r = read_blob(bundle, &descriptor, "manifest", ret_text, err);
    if (r == 0)
        r = cf_json_parse(ret_text->data, ret_text->len, &document, err);
    if (r < 0)
        return r;
    *ret_index = NULL;
    if (!is_index(descriptor.media_type, document)) {
        if (is_manifest(descriptor.media_type))
            return 0;
        return cf_fail(err, -EINVAL, "%s: media type %s is no image",
                       cf_source_name(bundle->source), CF_QUOTE(descriptor.media_type));
    }
    if (cf_json_get(document, "layers") || cf_json_get(document, "config"))
        return cf_fail(err, -EINVAL, "%s: a document is an index and a manifest at once",
                       cf_source_name(bundle->source));
    *ret_index = CF_TAKE(document);
    return 0;
}

int cf_bundle_add_described(struct bundle *bundle, const struct cf_json *item, const char *name,
                            int depth, struct cf_error *err)
{
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    const char *media_type = cf_json_get_string(item, "mediaType");
    int r = cf_bundle_document(bundle, item, &text, &index, err);

    if (r < 0)
        return r;
    if (index)
        return cf_bundle_add_index(bundle, index, &text, name, depth, err);
    return add_manifest(bundle, &text, media_type ? media_type : "", name, err);
}

void cf_oci_entry_name(const struct cf_json *item, char ret_name[CF_TAGGED_SIZE])
{
    const struct cf_json *annotations = cf_json_get(item, "annotations");
    const char *names[] = {cf_json_get_string(annotations, ANNOTATION_NAME),
                           cf_json_get_string(annotations, ANNOTATION_REF)};

    for (size_t i = 0; i < CF_COUNT(names); i++)
        if (names[i] && cf_reference_tagged(names[i], ret_name, NULL) == 0)
            return;
    ret_name[0] = '\0';
}

/* Whether the entries of index.json are one image for several platforms: all have a platform, and
 * none has a name of its own. */
static bool is_one_image(const struct cf_json *index)
{
    char first[CF_TAGGED_SIZE], name[CF_TAGGED_SIZE];
    const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests"));

    if (!item || !cf_json_next(item))
        return false;
    cf_oci_entry_name(item, first);
    for (; item; item = cf_json_next(item)) {
        cf_oci_entry_name(item, name);
        if (!cf_json_get(item, "platform") || strcmp(first, name) != 0)
            return false;
    }
    return true;
}

/* With --platform, an image of another one is no answer. */
static int check_platform(const struct bundle *bundle, const struct pending *pending,
                          struct cf_error *err)
{
    char text[CF_PLATFORM_TEXT_SIZE];
    const char *os = cf_json_get_string(pending->image->config_json, "os");
    const char *architecture = cf_json_get_string(pending->image->config_json, "architecture");

    for (size_t i = 0; i < bundle->platform_count; i++) {
        if (pending->index || cf_platform_serves(&bundle->platforms[i], os, architecture))
            continue;
        cf_platform_text(&bundle->platforms[i], text);
        return cf_fail(err, -ENOENT, "%s: there is no image for %s in it, only for %s/%s",
                       cf_source_name(bundle->source), text, os, architecture);
    }
    return 0;
}

static int add_entry(struct bundle *bundle, const struct cf_json *item, struct cf_error *err)
{
    char name[CF_TAGGED_SIZE];
    size_t before = bundle->image_count;

    cf_oci_entry_name(item, name);
    int r = cf_bundle_add_described(bundle, item, name[0] ? name : NULL, 0, err);
    if (r == 0 && bundle->image_count > before)
        r = check_platform(bundle, &bundle->images[bundle->image_count - 1], err);
    return r;
}

int cf_bundle_read_oci(struct bundle *bundle, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *index cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_source_read(bundle->source, "index.json", CF_BLOB_MAX, &text, err);

    if (r == 0) {
        r = cf_json_parse(text.data, text.len, &index, err);
        if (r < 0)
            return cf_fail_in(err, r, "%s: index.json", cf_source_name(bundle->source));
    }
    if (r < 0)
        return r;
    const struct cf_json *list = cf_json_get(index, "manifests");
    if (!cf_json_is_array(list) || cf_json_count(list) == 0)
        return cf_fail(err, -EINVAL, "%s: index.json lists no images",
                       cf_source_name(bundle->source));
    if (is_one_image(index)) {
        char name[CF_TAGGED_SIZE];
        cf_oci_entry_name(cf_json_first(list), name);
        return cf_bundle_add_index(bundle, index, NULL, name[0] ? name : NULL, 0, err);
    }
    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item))
        r = add_entry(bundle, item, err);
    return r;
}

int cf_bundle_read_document(struct bundle *bundle, struct cf_buf *text, const char *media_type,
                            struct cf_error *err)
{
    struct cf_json *document cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_json_parse(text->data ? text->data : "", text->len, &document, err);

    if (r < 0)
        return cf_fail_in(err, r, "%s: manifest", cf_source_name(bundle->source));
    const char *said = cf_json_get_string(document, "mediaType");
    if (!*media_type && said)
        media_type = said;
    if (said && strcmp(said, media_type) != 0)
        return cf_fail(err, -EINVAL, "%s: a manifest is announced as %s, and says that it is %s",
                       cf_source_name(bundle->source), CF_QUOTE(media_type), CF_QUOTE(said));
    if (is_index(media_type, document)) {
        if (cf_json_get(document, "layers") || cf_json_get(document, "config"))
            return cf_fail(err, -EINVAL, "%s: a document is an index and a manifest at once",
                           cf_source_name(bundle->source));
        return cf_bundle_add_index(bundle, document, text, NULL, 0, err);
    }
    if (!is_manifest(media_type))
        return cf_fail(err, -EINVAL, "%s: media type %s is no image",
                       cf_source_name(bundle->source), CF_QUOTE(media_type));
    r = add_manifest(bundle, text, media_type, NULL, err);
    return r == 0 ? check_platform(bundle, &bundle->images[bundle->image_count - 1], err) : r;
}

int cf_bundle_read_dir(struct bundle *bundle, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_source_read(bundle->source, "manifest.json", CF_BLOB_MAX, &text, err);

    bundle->blob_prefix = "";
    return r == 0 ? cf_bundle_read_document(bundle, &text, "", err) : r;
}

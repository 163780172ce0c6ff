/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The documents of `docker save`: manifest.json is [{"Config", "RepoTags", "Layers"}, ...]. There
 * is no manifest of an image in it, and a layer's digest is told by the config alone.
 */
#include "bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/log.h>
#include <cloudfs/reference.h>

static int read_config(struct bundle *bundle, const struct cf_json *item, struct pending *pending,
                       struct cf_error *err)
{
    const char *name = cf_json_get_string(item, "Config");
    struct cf_digest said, found;

    if (!name)
        return cf_fail(err, -EINVAL, "%s: an image of manifest.json has no Config",
                       cf_source_name(bundle->source));
    int r = cf_source_read(bundle->source, name, CF_BLOB_MAX, &pending->config, err);
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s: the config %s is not in the archive",
                       cf_source_name(bundle->source), CF_QUOTE(name));
    if (r < 0)
        return r;
    /* Named by its digest, with ".json" or not; other names say nothing. */
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    char hex[CF_DIGEST_HEX_SIZE];
    size_t len = strcspn(base, ".");
    if (len != CF_DIGEST_HEX_SIZE - 1)
        return 0;
    memcpy(hex, base, len);
    hex[len] = '\0';
    if (cf_digest_parse_hex(hex, &said) < 0)
        return 0;
    cf_digest_of(pending->config.data, pending->config.len, &found);
    if (!cf_digest_equal(&said, &found))
        return cf_fail(err, -EBADMSG, "%s: the config %s does not match its digest",
                       cf_source_name(bundle->source), CF_QUOTE(name));
    return 0;
}

static int add_layers(struct bundle *bundle, const struct cf_json *item, struct pending *pending,
                      struct cf_error *err)
{
    struct cf_json *config cf_cleanup(cf_json_free_ptr) = NULL;
    const struct cf_json *layers = cf_json_get(item, "Layers");
    size_t count = cf_json_count(layers);
    int r = cf_json_parse(pending->config.data, pending->config.len, &config, err);

    if (r < 0)
        return cf_fail_in(err, r, "%s: config", cf_source_name(bundle->source));
    const struct cf_json *ids = cf_json_get(cf_json_get(config, "rootfs"), "diff_ids");
    if (!cf_json_is_array(layers) || !cf_json_is_array(ids) || cf_json_count(ids) != count)
        return cf_fail(err, -EINVAL, "%s: manifest.json lists %zu layers, and the config %zu",
                       cf_source_name(bundle->source), count, cf_json_count(ids));
    pending->layers = calloc(count + 1, sizeof(*pending->layers));
    if (!pending->layers)
        return cf_fail(err, -ENOMEM, "out of memory");
    const struct cf_json *id = cf_json_first(ids);
    for (const struct cf_json *name = cf_json_first(layers); name;
         name = cf_json_next(name), id = cf_json_next(id)) {
        struct pending_layer *layer = &pending->layers[pending->layer_count];
        const char *digest = cf_json_string(id);
        if (!digest || cf_digest_parse(digest, &layer->diff_id) < 0 || !cf_json_string(name))
            return cf_fail(err, -EINVAL, "%s: layer %zu has no name or no diff ID",
                           cf_source_name(bundle->source), pending->layer_count + 1);
        layer->member = strdup(cf_json_string(name));
        if (!layer->member)
            return cf_fail(err, -ENOMEM, "out of memory");
        pending->layer_count++;
    }
    return 0;
}

static int add_names(const struct bundle *bundle, const struct cf_json *item,
                     struct pending *pending, struct cf_error *err)
{
    char tagged[CF_TAGGED_SIZE];

    for (const struct cf_json *tag = cf_json_first(cf_json_get(item, "RepoTags")); tag;
         tag = cf_json_next(tag)) {
        const char *text = cf_json_string(tag);
        if (!text || bundle->options->name) /* which replaces them anyhow */
            continue;
        int r = cf_reference_tagged(text, tagged, err);
        if (r == 0)
            r = cf_pending_add_name(pending, tagged, err);
        if (r < 0)
            return cf_fail_in(err, r, "%s: manifest.json", cf_source_name(bundle->source));
    }
    return 0;
}

int cf_bundle_read_docker(struct bundle *bundle, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_source_read(bundle->source, "manifest.json", CF_BLOB_MAX, &text, err);

    if (r == 0) {
        r = cf_json_parse(text.data, text.len, &list, err);
        if (r < 0)
            return cf_fail_in(err, r, "%s: manifest.json", cf_source_name(bundle->source));
    }
    if (r == 0 && (!cf_json_is_array(list) || cf_json_count(list) == 0))
        return cf_fail(err, -EINVAL, "%s: manifest.json lists no images",
                       cf_source_name(bundle->source));
    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item)) {
        struct pending *pending = cf_bundle_add(bundle, err);
        r = pending ? read_config(bundle, item, pending, err) : -ENOMEM;
        if (r == 0)
            r = add_layers(bundle, item, pending, err);
        if (r == 0)
            r = add_names(bundle, item, pending, err);
    }
    return r;
}

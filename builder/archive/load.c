/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/archive.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/commit.h>
#include <cloudfs/log.h>
#include <cloudfs/reference.h>

#include "bundle.h"
#include "sealer_tar.h"

struct pending *cf_bundle_add(struct bundle *bundle, struct cf_error *err)
{
    struct pending *grown =
        realloc(bundle->images, (bundle->image_count + 1) * sizeof(*bundle->images));

    if (!grown) {
        (void)cf_fail(err, -ENOMEM, "out of memory");
        return NULL;
    }
    bundle->images = grown;
    grown[bundle->image_count] = (struct pending){0};
    return &grown[bundle->image_count++];
}

int cf_pending_add_name(struct pending *pending, const char *name, struct cf_error *err)
{
    char **grown = realloc(pending->names, (pending->name_count + 1) * sizeof(*grown));

    if (!grown)
        return cf_fail(err, -ENOMEM, "out of memory");
    pending->names = grown;
    grown[pending->name_count] = strdup(name);
    if (!grown[pending->name_count])
        return cf_fail(err, -ENOMEM, "out of memory");
    pending->name_count++;
    return 0;
}

static void pending_done(struct pending *pending)
{
    cf_buf_done(&pending->manifest);
    cf_buf_done(&pending->config);
    cf_image_free(pending->image);
    for (size_t i = 0; i < pending->name_count; i++)
        free(pending->names[i]);
    free(pending->names);
    for (size_t i = 0; i < pending->layer_count; i++) {
        free(pending->layers[i].media_type);
        free(pending->layers[i].member);
    }
    free(pending->layers);
}

void cf_bundle_done(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->image_count; i++)
        pending_done(&bundle->images[i]);
    for (size_t i = 0; i < bundle->index_count; i++)
        cf_buf_done(&bundle->indexes[i].text);
    free(bundle->images);
    free(bundle->indexes);
    free(bundle->platforms);
    cf_source_close(bundle->source);
}

int cf_bundle_platforms(struct bundle *bundle, struct cf_error *err)
{
    return cf_platforms_parse(bundle->options->platform, &bundle->platforms,
                              &bundle->platform_count, err);
}

bool cf_bundle_is_top(const struct bundle *bundle, size_t image)
{
    const size_t index = bundle->images[image].index;
    return !index || bundle->indexes[index - 1].first == image;
}

static size_t count_tops(const struct bundle *bundle)
{
    size_t count = 0;
    for (size_t i = 0; i < bundle->image_count; i++)
        count += cf_bundle_is_top(bundle, i);
    return count;
}

static int read_documents(struct bundle *bundle, struct cf_error *err)
{
    struct source *source = bundle->source;

    if (cf_source_has(source, "index.json"))
        return cf_bundle_read_oci(bundle, err);
    if (!cf_source_has(source, "manifest.json"))
        return cf_source_has(source, CF_SEALER_INDEX)
                   ? cf_bundle_read_sealer(bundle, err)
                   : cf_fail(err, -EINVAL,
                             "%s is no image archive: it has neither index.json (an OCI layout) "
                             "nor manifest.json (docker save, skopeo's dir:) nor Metadata (sealer)",
                             cf_source_name(source));
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_source_read(source, "manifest.json", CF_BLOB_MAX, &text, err);
    if (r < 0)
        return r;
    const char *first = text.data + strspn(text.data, " \t\r\n");
    return *first == '[' ? cf_bundle_read_docker(bundle, err) : cf_bundle_read_dir(bundle, err);
}

int cf_bundle_name(struct bundle *bundle, const char *name, struct cf_error *err)
{
    char tagged[CF_TAGGED_SIZE];
    int r = cf_reference_tagged(name, tagged, err);

    if (r < 0)
        return r;
    if (count_tops(bundle) != 1)
        return cf_fail(err, -EINVAL, "%s holds %zu images, so one name (%s) cannot be given to it",
                       cf_source_name(bundle->source), count_tops(bundle), tagged);
    struct pending *pending = &bundle->images[0];
    for (size_t i = 0; i < pending->name_count; i++)
        free(pending->names[i]);
    pending->name_count = 0;
    return cf_pending_add_name(pending, tagged, err);
}

/* An image that came without a manifest: ours describes the layers as plain tars. */
static int publish_local(struct bundle *bundle, struct pending *pending,
                         struct cf_digest *ret_manifest, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest config;
    struct cf_buf printed cf_autobuf = CF_BUF_INIT;
    struct cf_json *manifest cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *array = cf_json_array(), *descriptor = cf_json_object();
    int r = cf_blob_put(bundle->store, pending->config.data, pending->config.len, &config, err);

    cf_digest_text(&config, text);
    if (r == 0 &&
        (!manifest || !descriptor || !array || cf_json_set_int(manifest, "schemaVersion", 2) < 0 ||
         cf_json_set_string(manifest, "mediaType", CF_MEDIA_MANIFEST) < 0 ||
         cf_json_set_string(descriptor, "mediaType", CF_MEDIA_CONFIG) < 0 ||
         cf_json_set_string(descriptor, "digest", text) < 0 ||
         cf_json_set_int(descriptor, "size", (int64_t)pending->config.len) < 0))
        r = cf_fail(err, -ENOMEM, "out of memory");
    if (r < 0) {
        cf_json_free(array);
        cf_json_free(descriptor);
        return r;
    }
    r = cf_json_set(manifest, "config", descriptor);
    if (cf_json_set(manifest, "layers", array) < 0)
        r = -ENOMEM;
    for (size_t i = 0; i < pending->layer_count && r == 0; i++) {
        struct cf_json *layer = cf_json_object();
        cf_digest_text(&pending->layers[i].diff_id, text);
        if (!layer || cf_json_set_string(layer, "mediaType", CF_MEDIA_LAYER) < 0 ||
            cf_json_set_string(layer, "digest", text) < 0 ||
            cf_json_set_int(layer, "size", (int64_t)pending->layers[i].blob_size) < 0)
            r = -ENOMEM;
        if (cf_json_append(array, layer) < 0)
            r = -ENOMEM;
    }
    if (r == 0)
        r = cf_json_print(manifest, false, &printed);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    return cf_blob_put(bundle->store, printed.data, printed.len, ret_manifest, err);
}

static int publish_blobs(struct bundle *bundle, struct pending *pending,
                         struct cf_digest *ret_manifest, struct cf_error *err)
{
    struct cf_digest config;

    if (!pending->image)
        return publish_local(bundle, pending, ret_manifest, err);
    int r = cf_blob_put(bundle->store, pending->config.data, pending->config.len, &config, err);
    if (r == 0)
        r = cf_blob_put(bundle->store, pending->manifest.data, pending->manifest.len, ret_manifest,
                        err);
    return r;
}

/* One image, or one index: an entry for each of its names. */
static int hand_out_one(struct bundle *bundle, size_t image, const struct cf_digest *manifest,
                        struct cf_loaded *loaded, size_t *n, struct cf_error *err)
{
    struct pending *pending = &bundle->images[image];
    const size_t names = pending->name_count ? pending->name_count : 1;
    struct cf_digest document = *manifest;
    int r = 0;

    if (pending->index) {
        const struct cf_buf *text = &bundle->indexes[pending->index - 1].text;
        r = cf_blob_put(bundle->store, text->data, text->len, &document, err);
    }
    for (size_t k = 0; k < names && r == 0; k++) {
        r = cf_image_load_any(bundle->store, &document, &loaded[*n].image, err);
        if (r == 0 && pending->name_count) {
            loaded[*n].name = CF_TAKE(pending->names[k]);
            r = cf_name_set(bundle->store, loaded[*n].name, &document, err);
        }
        (*n)++;
    }
    return r;
}

static int hand_out(struct bundle *bundle, const struct cf_digest *manifests,
                    struct cf_loaded **ret_loaded, size_t *ret_count, struct cf_error *err)
{
    size_t room = 0, n = 0;
    int r = 0;

    for (size_t i = 0; i < bundle->image_count; i++)
        room += bundle->images[i].name_count ? bundle->images[i].name_count : 1;
    struct cf_loaded *loaded = calloc(room ? room : 1, sizeof(*loaded));
    if (!loaded)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < bundle->image_count && r == 0; i++)
        if (cf_bundle_is_top(bundle, i))
            r = hand_out_one(bundle, i, &manifests[i], loaded, &n, err);
    if (r < 0) {
        cf_loaded_free(loaded, n);
        return r;
    }
    *ret_loaded = loaded;
    *ret_count = n;
    return 0;
}

/* "load and import make merged trees at once": the first mount is then as fast as all others. */
static int make_tree(struct bundle *bundle, const struct pending *pending, struct cf_error *err)
{
    struct cf_tree *tree = NULL;
    struct cf_digest *ids cf_autofree = calloc(pending->layer_count + 1, sizeof(*ids));

    if (!ids)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (pending->layer_count == 0)
        return 0;
    for (size_t i = 0; i < pending->layer_count; i++)
        ids[i] = pending->layers[i].diff_id;
    int r = cf_store_merged_tree(bundle->store, ids, pending->layer_count, &tree, NULL, err);
    if (r == 0)
        cf_tree_close(tree);
    return r;
}

int cf_bundle_publish(struct bundle *bundle, struct cf_loaded **ret_loaded, size_t *ret_count,
                      struct cf_error *err)
{
    struct cf_digest *manifests cf_autofree = calloc(bundle->image_count + 1, sizeof(*manifests));
    int r = manifests ? 0 : cf_fail(err, -ENOMEM, "out of memory");

    for (size_t i = 0; i < bundle->image_count && r == 0; i++) {
        r = make_tree(bundle, &bundle->images[i], err);
        if (r == 0)
            r = publish_blobs(bundle, &bundle->images[i], &manifests[i], err);
    }
    if (r == 0)
        r = cf_store_sync(bundle->store, err);
    if (r == 0)
        r = hand_out(bundle, manifests, ret_loaded, ret_count, err);
    return r;
}

int cf_load(struct cf_store *store, const char *path, const struct cf_load_options *options,
            struct cf_loaded **ret_loaded, size_t *ret_count, struct cf_error *err)
{
    struct bundle bundle cf_cleanup(cf_bundle_done) = {
        .store = store, .options = options, .blob_prefix = "blobs/sha256/"};
    int r = cf_bundle_platforms(&bundle, err);

    if (r == 0)
        r = cf_source_open(store, path, options->progress, options->progress_context,
                           &bundle.source, err);
    if (r == 0)
        r = read_documents(&bundle, err);
    if (r == 0)
        r = options->name ? cf_bundle_name(&bundle, options->name, err) : 0;
    if (r == 0)
        r = cf_bundle_read_layers(&bundle, err);
    if (r == 0)
        r = cf_bundle_publish(&bundle, ret_loaded, ret_count, err);
    return r;
}

void cf_loaded_free(struct cf_loaded *loaded, size_t count)
{
    for (size_t i = 0; loaded && i < count; i++) {
        free(loaded[i].name);
        cf_image_free(loaded[i].image);
    }
    free(loaded);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing: layers by several threads (first it is asked for all of them, then the rest is sent),
 * then the configs and manifests, and an index last. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/pipeline.h>

#include "push_layer.h"

enum {
    ASKING = 6,
    SENDING = 2, /* one waits while another sends; compression has threads of its own */
};

static void *work(void *arg)
{
    struct pushing *pushing = arg;
    for (;;) {
        struct cf_error err = {0};
        pthread_mutex_lock(&pushing->mutex);
        struct saved_layer *layer =
            pushing->status == 0 && pushing->next < pushing->saving->layer_count
                ? &pushing->saving->layers[pushing->next++]
                : NULL;
        pthread_mutex_unlock(&pushing->mutex);
        if (!layer)
            return NULL;
        int r = pushing->step(pushing, layer, &err);
        pthread_mutex_lock(&pushing->mutex);
        if (r < 0 && pushing->status == 0) {
            pushing->status = r;
            pushing->err = err;
        }
        pthread_mutex_unlock(&pushing->mutex);
    }
}

/* The same step for each layer. */
static int each_layer(struct pushing *pushing, push_step_fn *step, size_t jobs,
                      struct cf_error *err)
{
    pthread_t threads[ASKING];
    size_t started = 0;
    pushing->step = step;
    pushing->next = 0;
    while (started + 1 < jobs && started + 1 < pushing->saving->layer_count &&
           cf_thread_start(&threads[started], work, pushing) == 0)
        started++;
    (void)work(pushing);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (pushing->status < 0 && err)
        *err = pushing->err;
    return pushing->status;
}

static int push_config(struct pushing *pushing, const struct saved_image *saved,
                       struct cf_error *err)
{
    bool has = false;
    /* With a layer that was not there it is a config that was not there. */
    int r = pushing->pushed.blobs_sent > 0
                ? 0
                : cf_remote_has_blob(pushing->remote, &saved->image->config, &has, err);
    if (r == 0 && has)
        pushing->pushed.blobs_reused++;
    if (r < 0 || has)
        return r;
    r = cf_remote_put_blob(pushing->remote, saved->config.data, saved->config.len,
                           &saved->image->config, err);
    if (r == 0) {
        pushing->pushed.blobs_sent++;
        pushing->pushed.sent += saved->config.len;
    }
    return r;
}

/* Whether the image's own manifest names the very blobs that the registry has now. */
static bool own_manifest_fits(const struct pushing *pushing, const struct saved_image *saved)
{
    const struct cf_json *item = cf_json_first(cf_json_get(saved->image->manifest_json, "layers"));
    for (size_t i = 0; i < saved->image->layer_count; i++, item = cf_json_next(item)) {
        const struct saved_layer *layer =
            cf_saving_layer(pushing->saving, &saved->image->diff_ids[i]);
        const char *text = cf_json_get_string(item, "digest");
        struct cf_digest digest;
        if (!layer || !text || cf_digest_parse(text, &digest) < 0 ||
            !cf_digest_equal(&digest, &layer->blob))
            return false;
    }
    return true;
}

/* Under the tag, or (NULL) its digest alone. */
static int put_document(struct pushing *pushing, const char *tag, const char *media_type,
                        const struct cf_buf *text, const struct cf_digest *digest,
                        struct cf_error *err)
{
    int r = cf_remote_put_manifest(pushing->remote, tag, media_type, text->data, text->len, err);
    pushing->pushed.sent += text->len;
    pushing->pushed.manifest = *digest;
    return r;
}

static int push_manifest(struct pushing *pushing, struct saved_image *saved, const char *tag,
                         struct cf_error *err)
{
    const char *own = cf_json_get_string(saved->image->manifest_json, "mediaType");
    int r = 0;
    if (own_manifest_fits(pushing, saved)) {
        saved->media_type = own ? own : CF_MEDIA_MANIFEST;
        cf_digest_of(saved->manifest.data, saved->manifest.len, &saved->manifest_digest);
    } else {
        r = cf_saving_manifest(pushing->saving, saved, err);
    }
    return r < 0 ? r
                 : put_document(pushing, tag, saved->media_type, &saved->manifest,
                                &saved->manifest_digest, err);
}

/* Of two images that are the same one goes. */
static bool is_repeated(const struct saving *saving, size_t image)
{
    for (size_t i = 0; i < image; i++)
        if (cf_digest_equal(&saving->images[i].image->manifest,
                            &saving->images[image].image->manifest)) {
            saving->images[image].media_type = saving->images[i].media_type;
            saving->images[image].manifest_digest = saving->images[i].manifest_digest;
            return true;
        }
    return false;
}

static int push_documents(struct pushing *pushing, struct cf_error *err)
{
    struct saving *saving = pushing->saving;
    const char *tag = cf_remote_tag(pushing->remote);
    int r = 0;

    tag = *tag ? tag : NULL;
    for (size_t i = 0; i < saving->image_count && r == 0; i++) {
        if (is_repeated(saving, i))
            continue;
        r = push_config(pushing, &saving->images[i], err);
        if (r == 0)
            r = push_manifest(pushing, &saving->images[i], saving->index_count ? NULL : tag, err);
    }
    if (r < 0 || !saving->index_count)
        return r;
    const struct saved_index *index = &saving->indexes[0];
    r = cf_saving_indexes(saving, err);
    return r < 0 ? r
                 : put_document(pushing, tag, index->media_type, &index->text, &index->digest, err);
}

int cf_push(struct cf_store *store, struct cf_registry *registry, const char *image,
            const char *destination, const struct cf_push_options *options,
            struct cf_pushed *ret_pushed, struct cf_error *err)
{
    struct cf_remote *remote cf_cleanup(cf_remote_close_ptr) = NULL;
    const struct cf_save_options save = {.format = CF_ARCHIVE_OCI};
    struct saving saving cf_cleanup(cf_saving_done) = {.store = store, .options = &save};
    const uint64_t requests = cf_registry_requests(registry);
    int r = cf_saving_add(&saving, image, options->platform, err);
    if (r == 0)
        r = cf_remote_open(registry, destination, CF_NAMES_CLOUD, CF_REMOTE_PUSH, &remote, err);
    if (r == 0)
        r = cf_saving_collect(&saving, err);
    if (r < 0)
        return r;
    struct pushing pushing = {
        .store = store, .remote = remote, .options = options, .saving = &saving};
    pthread_mutex_init(&pushing.mutex, NULL);
    r = each_layer(&pushing, cf_push_find, ASKING, err);
    if (r == 0)
        r = each_layer(&pushing, cf_push_send, SENDING, err);
    if (r == 0)
        r = push_documents(&pushing, err);
    pthread_mutex_destroy(&pushing.mutex);
    pushing.pushed.requests = cf_registry_requests(registry) - requests;
    if (r == 0)
        *ret_pushed = pushing.pushed;
    return r;
}

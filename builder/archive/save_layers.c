/* SPDX-License-Identifier: Apache-2.0 */
/* The forms of layers that an archive will hold: plain tars from the store, or compressed ones. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>

#include "save.h"
#include "source.h"

#define JOBS 2 /* one reads while another waits; compression has threads of its own */
#define COPY_SIZE (256u << 10)

static int compare_layers(const void *a, const void *b)
{
    const struct saved_layer *x = a, *y = b;
    return cf_digest_compare(&x->diff_id, &y->diff_id);
}

const struct saved_layer *cf_saving_layer(const struct saving *saving,
                                          const struct cf_digest *diff_id)
{
    struct saved_layer key = {.diff_id = *diff_id};
    return saving->layer_count
               ? bsearch(&key, saving->layers, saving->layer_count, sizeof(key), compare_layers)
               : NULL;
}

static int plain_form(struct saving *saving, struct saved_layer *layer, struct cf_error *err)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    size_t count = 0;
    char text[CF_DIGEST_TEXT_SIZE];
    int r = cf_layer_forms_read(saving->store, &layer->diff_id, &forms, &count, err);

    if (r < 0)
        return r;
    layer->blob = layer->diff_id;
    layer->media_type = CF_MEDIA_LAYER;
    for (size_t i = 0; i < count; i++)
        if (cf_digest_equal(&forms[i].digest, &layer->diff_id)) {
            layer->size = forms[i].size;
            return 0;
        }
    cf_digest_text(&layer->diff_id, text);
    return cf_fail(err, -EBADMSG, "layer %s: the store does not know the size of its tar", text);
}

int cf_saving_collect(struct saving *saving, struct cf_error *err)
{
    size_t room = 0, kept = 0;
    int r = 0;

    for (size_t i = 0; i < saving->image_count; i++)
        room += saving->images[i].image->layer_count;
    saving->layers = calloc(room + 1, sizeof(*saving->layers));
    if (!saving->layers)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < saving->image_count; i++)
        for (size_t k = 0; k < saving->images[i].image->layer_count; k++)
            saving->layers[saving->layer_count++] =
                (struct saved_layer){.diff_id = saving->images[i].image->diff_ids[k], .fd = -1};
    if (saving->layer_count > 1)
        qsort(saving->layers, saving->layer_count, sizeof(*saving->layers), compare_layers);
    for (size_t i = 0; i < saving->layer_count; i++)
        if (kept == 0 || compare_layers(&saving->layers[kept - 1], &saving->layers[i]) != 0)
            saving->layers[kept++] = saving->layers[i];
    saving->layer_count = kept;
    for (size_t i = 0; i < kept && r == 0; i++) {
        r = plain_form(saving, &saving->layers[i], err);
        saving->total += saving->layers[i].size;
    }
    return r;
}

/* ---- compression, several layers at once ---- */

struct crew {
    struct saving *saving;
    pthread_mutex_t mutex;
    size_t next;         /* mutex */
    int status;          /* mutex: the first failure */
    struct cf_error err; /* mutex: its line */
};

/* Where the compressed bytes go: hashed and kept. */
struct keeping {
    struct cf_hasher *hasher;
    int fd;
    uint64_t size;
};

static int keep(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct keeping *keeping = context;
    int r = cf_write_full(keeping->fd, data, len);

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot keep a compressed layer in the store's tmp/");
    cf_hasher_update(keeping->hasher, data, len);
    keeping->size += len;
    return 0;
}

static int compress_one(struct saving *saving, struct saved_layer *layer, struct cf_error *err)
{
    const struct cf_save_options *options = saving->options;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_compressor *compressor cf_cleanup(cf_compressor_free_ptr) = NULL;
    struct keeping keeping = {.fd = -1};
    int r = cf_hasher_new(&hasher);

    if (r < 0)
        return cf_fail(err, r, "out of memory");
    layer->fd = cf_spool_open(saving->store, err);
    if (layer->fd < 0)
        return layer->fd;
    keeping = (struct keeping){.fd = layer->fd, .hasher = hasher};
    r = cf_compressor_new(options->compression, options->level, keep, &keeping, &compressor, err);
    if (r == 0)
        r = cf_layer_write(saving->store, &layer->diff_id, cf_compressor_write, compressor, err);
    if (r == 0)
        r = cf_compressor_finish(compressor, err);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &layer->blob);
    layer->size = keeping.size;
    layer->media_type = options->compression == CF_GZIP ? CF_MEDIA_LAYER_GZIP : CF_MEDIA_LAYER_ZSTD;
    return 0;
}

static void *work(void *arg)
{
    struct crew *crew = arg;
    struct cf_error err;

    for (;;) {
        pthread_mutex_lock(&crew->mutex);
        struct saved_layer *layer = crew->status == 0 && crew->next < crew->saving->layer_count
                                        ? &crew->saving->layers[crew->next++]
                                        : NULL;
        pthread_mutex_unlock(&crew->mutex);
        if (!layer)
            return NULL;
        uint64_t plain = layer->size;
        err.code = 0;
        int r = compress_one(crew->saving, layer, &err);
        pthread_mutex_lock(&crew->mutex);
        if (r < 0 && crew->status == 0) {
            crew->status = r;
            crew->err = err;
        }
        if (r == 0)
            cf_saving_tell(crew->saving, plain);
        pthread_mutex_unlock(&crew->mutex);
    }
}

static int compress_all(struct saving *saving, struct cf_error *err)
{
    pthread_t threads[JOBS];
    size_t started = 0;
    struct crew crew = {.saving = saving};

    pthread_mutex_init(&crew.mutex, NULL);
    while (started + 1 < JOBS && started + 1 < saving->layer_count &&
           cf_thread_start(&threads[started], work, &crew) == 0)
        started++;
    (void)work(&crew);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crew.mutex);
    if (crew.status < 0 && err)
        *err = crew.err;
    return crew.status;
}

int cf_saving_layers(struct saving *saving, struct cf_error *err)
{
    const struct cf_save_options *options = saving->options;
    int r = cf_saving_collect(saving, err);

    if (r == 0 && options->has_compression && options->compression != CF_PLAIN) {
        saving->total *= 2; /* compressing is the other half of the work */
        r = compress_all(saving, err);
    }
    return r;
}

struct telling {
    struct saving *saving;
    cf_sink_fn *sink;
    void *sink_context;
};

static int tell_and_send(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct telling *telling = context;

    cf_saving_tell(telling->saving, len);
    return telling->sink(telling->sink_context, data, len, err);
}

int cf_saving_send(struct saving *saving, const struct saved_layer *layer, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err)
{
    struct telling telling = {saving, sink, sink_context};

    if (layer->fd < 0)
        return cf_layer_write(saving->store, &layer->diff_id, tell_and_send, &telling, err);
    char *buffer cf_autofree = malloc(COPY_SIZE);
    uint64_t at = 0;
    int r = buffer ? 0 : cf_fail(err, -ENOMEM, "out of memory");
    while (r == 0 && at < layer->size) {
        size_t len = layer->size - at < COPY_SIZE ? (size_t)(layer->size - at) : COPY_SIZE;
        ssize_t n = cf_pread_full(layer->fd, buffer, len, (off_t)at);
        if (n != (ssize_t)len)
            return cf_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read a compressed layer");
        r = sink(sink_context, buffer, len, err);
        at += len;
    }
    return r;
}

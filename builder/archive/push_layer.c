/* SPDX-License-Identifier: Apache-2.0 */
#include "push_layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/chunked.h>
#include <cloudfs/log.h>

enum {
    SMALL = 4 << 20
}; /* tars up to this are compressed in memory: two requests instead of three */

void cf_push_notes(const char *made, const char *source, const struct cf_json *annotations,
                   char ret_notes[1024])
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    ret_notes[0] = '\0';
    if (!json || (made && cf_json_set_string(json, "made", made) < 0) ||
        cf_json_set_string(json, "source", source) < 0 ||
        (annotations && cf_json_set(json, "annotations", cf_json_copy(annotations)) < 0) ||
        cf_json_print(json, false, &text) < 0 || text.len >= 1024)
        return;
    memcpy(ret_notes, text.data, text.len + 1);
}

/* ---- forms that are known ---- */

static const char *const form_names[] = {
    [CF_PUSH_CHUNKED] = "zstd:chunked", [CF_PUSH_ZSTD] = "zstd", [CF_PUSH_GZIP] = "gzip"};

static void made_text(enum cf_push_form form, int level, char ret_text[40])
{
    const int standard = form == CF_PUSH_GZIP ? 6 : 3;
    (void)snprintf(ret_text, 40, "%s:%d", form_names[form], level ? level : standard);
}

static bool is_compressed(const char *media_type)
{
    return !strcmp(media_type, CF_MEDIA_LAYER_GZIP) || !strcmp(media_type, CF_MEDIA_LAYER_ZSTD) ||
           !strcmp(media_type, CF_MEDIA_DOCKER_LAYER_GZIP);
}

/* Whether a known form will do; with a form asked for, only one that was made so. */
static bool will_do(const struct pushing *pushing, const struct cf_layer_form *form,
                    const struct cf_json *notes)
{
    char made[40];
    const char *said = cf_json_get_string(notes, "made");
    made_text(pushing->options->form, pushing->options->level, made);
    if (!is_compressed(form->media_type))
        return false;
    return !pushing->options->has_form || (said && !strcmp(said, made));
}

static const char *oci_type(const char *media_type)
{
    return !strcmp(media_type, CF_MEDIA_LAYER_ZSTD) ? CF_MEDIA_LAYER_ZSTD : CF_MEDIA_LAYER_GZIP;
}

static int take_form(struct saved_layer *layer, const struct cf_layer_form *form,
                     const struct cf_json *notes, struct cf_error *err)
{
    const struct cf_json *annotations = cf_json_get(notes, "annotations");
    layer->blob = form->digest;
    layer->size = form->size;
    layer->media_type = oci_type(form->media_type);
    layer->annotations = annotations ? cf_json_copy(annotations) : NULL;
    return annotations && !layer->annotations ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

static void count(struct pushing *pushing, uint64_t *counter, uint64_t by)
{
    pthread_mutex_lock(&pushing->mutex);
    *counter += by;
    pthread_mutex_unlock(&pushing->mutex);
}

/* 1: the registry has that form in the repository, by now at least. */
static int find_form(struct pushing *pushing, struct saved_layer *layer,
                     const struct cf_layer_form *form, struct cf_error *err)
{
    struct cf_json *notes cf_cleanup(cf_json_free_ptr) = NULL;
    bool has = false;
    if (form->notes[0])
        (void)cf_json_parse(form->notes, strlen(form->notes), &notes, NULL);
    if (!will_do(pushing, form, notes))
        return 0;
    int r = cf_remote_has_blob(pushing->remote, &form->digest, &has, err);
    if (r < 0)
        return r;
    if (has)
        count(pushing, &pushing->pushed.blobs_reused, 1);
    const char *source = cf_json_get_string(notes, "source");
    if (!has && source) {
        r = cf_remote_mount(pushing->remote, &form->digest, source, &has, err);
        if (r < 0)
            return r;
        if (has)
            count(pushing, &pushing->pushed.blobs_mounted, 1);
    }
    if (!has)
        return 0;
    r = take_form(layer, form, notes, err);
    return r < 0 ? r : 1;
}

/* The form that the image's manifest names: whole blobs that were pulled are known in blobs.json,
 * those that were put together of parts only there. */
static int manifest_form_of(const struct pushing *pushing, const struct cf_image *image,
                            const struct saved_layer *layer, struct cf_layer_form *ret_form)
{
    const struct cf_json *item = cf_json_first(cf_json_get(image->manifest_json, "layers"));
    for (size_t i = 0; i < image->layer_count; i++, item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        const char *type = cf_json_get_string(item, "mediaType");
        if (!cf_digest_equal(&image->diff_ids[i], &layer->diff_id) || !text || !type ||
            cf_digest_parse(text, &ret_form->digest) < 0)
            continue;
        ret_form->size = image->layer_sizes[i];
        (void)snprintf(ret_form->media_type, sizeof ret_form->media_type, "%s", type);
        cf_push_notes(NULL, cf_remote_repository(pushing->remote), cf_json_get(item, "annotations"),
                      ret_form->notes);
        return 1;
    }
    return 0;
}

static int manifest_form(const struct pushing *pushing, const struct saved_layer *layer,
                         struct cf_layer_form *ret_form)
{
    for (size_t i = 0; i < pushing->saving->image_count; i++)
        if (manifest_form_of(pushing, pushing->saving->images[i].image, layer, ret_form))
            return 1;
    return 0;
}

/* ---- compressing ---- */

struct sending {
    struct pushing *pushing;
    struct cf_hasher *hasher;
    uint64_t size;
    struct cf_upload *upload; /* NULL: kept in small */
    struct cf_buf small;
};

static int send(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct sending *sending = context;
    cf_hasher_update(sending->hasher, data, len);
    sending->size += len;
    if (sending->upload)
        return cf_upload_write(sending->upload, data, len, err);
    return cf_buf_add(&sending->small, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

struct telling {
    struct pushing *pushing;
    cf_sink_fn *sink;
    void *sink_context;
};

/* The plain tar on its way to the compressor. */
static int tell(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct telling *telling = context;
    struct pushing *pushing = telling->pushing;
    const struct cf_push_options *options = pushing->options;
    pthread_mutex_lock(&pushing->mutex);
    pushing->saving->done += len;
    if (options->progress)
        options->progress(options->progress_context, "layers", pushing->saving->done,
                          pushing->saving->total);
    const int status = pushing->status;
    pthread_mutex_unlock(&pushing->mutex);
    if (status < 0)
        return cf_fail(err, -ECANCELED, "another layer failed");
    return telling->sink(telling->sink_context, data, len, err);
}

static int compress_plainly(struct pushing *pushing, const struct saved_layer *layer,
                            enum cf_push_form form, struct sending *sending, struct cf_error *err)
{
    struct cf_compressor *compressor cf_cleanup(cf_compressor_free_ptr) = NULL;
    const struct cf_push_options *options = pushing->options;
    int r = cf_compressor_new(form == CF_PUSH_GZIP ? CF_GZIP : CF_ZSTD, options->level, send,
                              sending, &compressor, err);
    struct telling telling = {pushing, cf_compressor_write, compressor};
    if (r == 0)
        r = cf_layer_write(pushing->store, &layer->diff_id, tell, &telling, err);
    return r == 0 ? cf_compressor_finish(compressor, err) : r;
}

static int compress_chunked(struct pushing *pushing, struct saved_layer *layer,
                            struct sending *sending, struct cf_error *err)
{
    struct cf_chunked_writer *writer cf_cleanup(cf_chunked_writer_free_ptr) = NULL;
    int r = cf_chunked_writer_new(pushing->options->level, send, sending, &writer, err);
    struct telling telling = {pushing, cf_chunked_write, writer};
    if (r == 0)
        r = cf_layer_write(pushing->store, &layer->diff_id, tell, &telling, err);
    if (r == 0)
        r = cf_chunked_finish(writer, &layer->annotations, err);
    return r;
}

static int compress_and_send(struct pushing *pushing, struct saved_layer *layer,
                             enum cf_push_form form, bool in_pieces, struct cf_error *err)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_upload *upload cf_cleanup(cf_upload_free_ptr) = NULL;
    struct sending sending = {.pushing = pushing};
    int r = cf_hasher_new(&hasher) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
    if (r == 0 && layer->size > SMALL)
        r = cf_upload_open(pushing->remote, in_pieces, &upload, err);
    sending.hasher = hasher;
    sending.upload = upload;
    if (r == 0)
        r = form == CF_PUSH_CHUNKED ? compress_chunked(pushing, layer, &sending, err)
                                    : compress_plainly(pushing, layer, form, &sending, err);
    if (r == 0) {
        cf_hasher_final(hasher, &layer->blob);
        r = upload ? cf_upload_finish(upload, &layer->blob, err)
                   : cf_remote_put_blob(pushing->remote, sending.small.data, sending.small.len,
                                        &layer->blob, err);
    }
    cf_buf_done(&sending.small);
    if (r < 0) {
        cf_json_free(layer->annotations);
        layer->annotations = NULL;
        return r;
    }
    layer->size = sending.size;
    layer->media_type = form == CF_PUSH_GZIP ? CF_MEDIA_LAYER_GZIP : CF_MEDIA_LAYER_ZSTD;
    return 0;
}

static int remember(struct pushing *pushing, const struct saved_layer *layer,
                    enum cf_push_form form_made, struct cf_error *err)
{
    struct cf_layer_form form = {.digest = layer->blob, .size = layer->size};
    char made[40];
    made_text(form_made, pushing->options->level, made);
    (void)snprintf(form.media_type, sizeof form.media_type, "%s", layer->media_type);
    cf_push_notes(made, cf_remote_repository(pushing->remote), layer->annotations, form.notes);
    return cf_layer_form_add(pushing->store, &layer->diff_id, &form, err);
}

/* Where it was pushed to, or pulled from. */
static bool is_from_here(const struct pushing *pushing, const struct cf_layer_form *form)
{
    struct cf_json *notes cf_cleanup(cf_json_free_ptr) = NULL;
    if (form->notes[0])
        (void)cf_json_parse(form->notes, strlen(form->notes), &notes, NULL);
    const char *source = cf_json_get_string(notes, "source");
    return source && !strcmp(source, cf_remote_repository(pushing->remote));
}

/* The forms that this repository is known to have come first. */
static int find_among(struct pushing *pushing, struct saved_layer *layer,
                      const struct cf_layer_form *forms, size_t count, bool from_here,
                      struct cf_error *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        if (is_from_here(pushing, &forms[i]) == from_here)
            r = find_form(pushing, layer, &forms[i], err);
    return r;
}

int cf_push_find(struct pushing *pushing, struct saved_layer *layer, struct cf_error *err)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    struct cf_layer_form own = {0};
    size_t count = 0;
    bool known = false;
    int r = cf_layer_forms_read(pushing->store, &layer->diff_id, &forms, &count, err);
    if (r == 0)
        r = find_among(pushing, layer, forms, count, true, err);
    if (r == 0 && manifest_form(pushing, layer, &own)) {
        for (size_t i = 0; i < count && !known; i++)
            known =
                cf_digest_equal(&forms[i].digest, &own.digest) && is_from_here(pushing, &forms[i]);
        r = known ? 0 : find_form(pushing, layer, &own, err);
    }
    for (size_t i = 0; i < count; i++) /* it was asked for */
        if (cf_digest_equal(&forms[i].digest, &own.digest))
            forms[i].media_type[0] = '\0';
    if (r == 0)
        r = find_among(pushing, layer, forms, count, false, err);
    layer->is_there = r > 0;
    return r < 0 ? r : 0;
}

int cf_push_send(struct pushing *pushing, struct saved_layer *layer, struct cf_error *err)
{
    if (layer->is_there)
        return 0;
    enum cf_push_form form = pushing->options->form;
    int r = compress_and_send(pushing, layer, form, false, err);
    if (r == -ENOTSUP && form == CF_PUSH_CHUNKED) { /* a tar that it cannot tell */
        form = CF_PUSH_ZSTD;
        r = compress_and_send(pushing, layer, form, false, err);
    }
    if (layer->size > SMALL && (r == -EPROTO || r == -EFBIG || r == -EAGAIN || r == -ETIMEDOUT)) {
        cf_log(CF_LOG_INFO, "%s: it takes no stream; the layer is sent again in pieces",
               cf_remote_repository(pushing->remote));
        r = compress_and_send(pushing, layer, form, true, err);
    }
    if (r < 0)
        return r;
    pthread_mutex_lock(&pushing->mutex);
    pushing->pushed.blobs_sent++;
    pushing->pushed.sent += layer->size;
    pthread_mutex_unlock(&pushing->mutex);
    return remember(pushing, layer, form, err);
}

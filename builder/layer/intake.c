/* SPDX-License-Identifier: Apache-2.0 */
#include "intake.h"

#include <errno.h>
#include <stdlib.h>

#include "codec.h"

/* Chunks that may wait between two threads. */
enum { RAW_QUEUE = 2, PLAIN_QUEUE = 3 };

struct cf_intake {
    const struct cf_layer_read_options *options;
    enum cf_compression kind;
    bool filter; /* by libarchive */
    struct cf_queue *raw, *plain;
    struct cf_chunk_pool raw_pool, plain_pool; /* of the reading and the decompressing thread */
    struct cf_chunk *first;                    /* until the reading thread took it */
    struct cf_decoder *decoder;
    struct cf_chunk *decoding; /* of raw, at hand */

    pthread_t reader, inflater;
    bool reading, inflating;               /* the thread is there to be joined */
    struct cf_error read_err, inflate_err; /* each of its thread, until that is joined */
    struct cf_hasher *hasher;              /* so are these two; NULL: nothing is hashed */
    struct cf_digest blob;
    uint64_t blob_size; /* atomic */
};

/* ---- the reading thread ---- */

/* A full chunk, or what is left; 0 at the end. */
static int read_chunk(struct cf_intake *intake, struct cf_chunk **ret_chunk, struct cf_error *err)
{
    const struct cf_layer_read_options *options = intake->options;
    struct cf_chunk *chunk cf_cleanup(cf_chunk_unref_ptr) = NULL;
    if (cf_chunk_pool_get(&intake->raw_pool, CF_INTAKE_CHUNK, &chunk) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    while (chunk->len < chunk->room) {
        const ssize_t n = options->source(options->source_context, chunk->data + chunk->len,
                                          chunk->room - chunk->len, err);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        chunk->len += (size_t)n;
    }
    if (chunk->len == 0)
        return 0;
    if (intake->hasher)
        cf_hasher_update(intake->hasher, chunk->data, chunk->len);
    const uint64_t size = __atomic_add_fetch(&intake->blob_size, chunk->len, __ATOMIC_RELAXED);
    if (options->expected_blob && size > options->expected_blob_size)
        return cf_fail(err, -EBADMSG, "it is larger than its descriptor says (%llu bytes)",
                       (unsigned long long)options->expected_blob_size);
    *ret_chunk = CF_TAKE(chunk);
    return 1;
}

static void *run_reader(void *arg)
{
    struct cf_intake *intake = arg;
    struct cf_queue *out = intake->raw ? intake->raw : intake->plain;
    struct cf_chunk *chunk = CF_TAKE(intake->first);
    int r = chunk ? cf_queue_push(out, chunk) : 0;
    while (r == 0) {
        r = read_chunk(intake, &chunk, &intake->read_err);
        if (r <= 0)
            break;
        r = cf_queue_push(out, chunk);
    }
    if (intake->hasher)
        cf_hasher_final(intake->hasher, &intake->blob);
    cf_queue_close(out, r);
    return NULL;
}

/* ---- the decompressing thread ---- */

static int next_raw(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct cf_intake *intake = context;
    (void)err; /* the reading thread has its own */
    cf_chunk_unref(CF_TAKE(intake->decoding));
    int r = cf_queue_pop(intake->raw, &intake->decoding);
    if (r == 1) {
        *ret_data = intake->decoding->data;
        *ret_len = intake->decoding->len;
    }
    return r;
}

static int inflate_chunk(struct cf_intake *intake, struct cf_chunk **ret_chunk,
                         struct cf_error *err)
{
    struct cf_chunk *chunk cf_cleanup(cf_chunk_unref_ptr) = NULL;
    if (cf_chunk_pool_get(&intake->plain_pool, CF_INTAKE_CHUNK, &chunk) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    const ssize_t n = cf_decoder_read(intake->decoder, chunk->data, chunk->room, err);
    if (n <= 0)
        return (int)n;
    chunk->len = (size_t)n;
    *ret_chunk = CF_TAKE(chunk);
    return 1;
}

static void *run_inflater(void *arg)
{
    struct cf_intake *intake = arg;
    struct cf_chunk *chunk = NULL;
    int r = 0;
    while (r == 0) {
        r = inflate_chunk(intake, &chunk, &intake->inflate_err);
        if (r <= 0)
            break;
        r = cf_queue_push(intake->plain, chunk);
    }
    cf_queue_close(intake->raw, r);
    cf_queue_close(intake->plain, r);
    return NULL;
}

/* ---- the side of the user ---- */

static int start_threads(struct cf_intake *intake, struct cf_error *err)
{
    const bool plain = intake->kind == CF_PLAIN && !intake->filter;
    int r = cf_queue_new(PLAIN_QUEUE, &intake->plain);
    if (r == 0 && !plain)
        r = cf_queue_new(RAW_QUEUE, &intake->raw);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    if (!plain)
        r = intake->filter ? cf_decoder_new_filter(next_raw, intake, &intake->decoder, err)
                           : cf_decoder_new(intake->kind, next_raw, intake, &intake->decoder, err);
    if (r < 0)
        return r;
    r = cf_thread_start(&intake->reader, run_reader, intake);
    intake->reading = r == 0;
    if (r == 0 && !plain) {
        r = cf_thread_start(&intake->inflater, run_inflater, intake);
        intake->inflating = r == 0;
    }
    return r < 0 ? cf_fail_errno(err, -r, "cannot start a thread") : 0;
}

int cf_intake_start(const struct cf_layer_read_options *options, struct cf_intake **ret_intake,
                    struct cf_error *err)
{
    struct cf_intake *intake cf_cleanup(cf_intake_free_ptr) = calloc(1, sizeof *intake);
    if (!intake)
        return cf_fail(err, -ENOMEM, "out of memory");
    intake->options = options;
    if (cf_hasher_new(&intake->hasher) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = read_chunk(intake, &intake->first, err);
    if (r < 0)
        return r;
    const void *data = intake->first ? intake->first->data : NULL;
    const size_t len = intake->first ? intake->first->len : 0;
    intake->kind = cf_compression_detect(data, len);
    intake->filter =
        options->any_compression && intake->kind == CF_PLAIN && cf_filter_detect(data, len);
    if (cf_intake_is_plain(intake)) {
        cf_hasher_free(intake->hasher);
        intake->hasher = NULL;
    }
    r = start_threads(intake, err);
    if (r < 0)
        return r;
    *ret_intake = CF_TAKE(intake);
    return 0;
}

static void stop(struct cf_intake *intake)
{
    const int status = -ECANCELED; /* after an end without failure it changes nothing */
    if (intake->raw)
        cf_queue_close(intake->raw, status);
    if (intake->plain)
        cf_queue_close(intake->plain, status);
    if (intake->reading)
        (void)pthread_join(intake->reader, NULL);
    if (intake->inflating)
        (void)pthread_join(intake->inflater, NULL);
    intake->reading = intake->inflating = false;
}

void cf_intake_free(struct cf_intake *intake)
{
    if (!intake)
        return;
    stop(intake);
    cf_decoder_free(intake->decoder);
    cf_chunk_unref(intake->decoding);
    cf_chunk_unref(intake->first);
    cf_queue_free(intake->raw);
    cf_queue_free(intake->plain);
    cf_chunk_pool_done(&intake->raw_pool);
    cf_chunk_pool_done(&intake->plain_pool);
    cf_hasher_free(intake->hasher);
    free(intake);
}

int cf_intake_next(struct cf_intake *intake, struct cf_chunk **ret_chunk, struct cf_error *err)
{
    int r = cf_queue_pop(intake->plain, ret_chunk);
    if (r >= 0)
        return r;
    stop(intake);
    const struct cf_error *cause =
        intake->read_err.code < 0 ? &intake->read_err : &intake->inflate_err;
    if (cause->code == 0)
        return cf_fail_errno(err, -r, "it cannot be read");
    return cf_fail(err, cause->code, "%s", cause->text);
}

void cf_intake_info(struct cf_intake *intake, struct cf_intake_info *ret_info)
{
    static const char *const types[] = {
        [CF_PLAIN] = "application/vnd.oci.image.layer.v1.tar",
        [CF_GZIP] = "application/vnd.oci.image.layer.v1.tar+gzip",
        [CF_ZSTD] = "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    if (intake->reading)
        (void)pthread_join(intake->reader, NULL);
    intake->reading = false;
    *ret_info = (struct cf_intake_info){
        .blob = intake->blob,
        .blob_size = cf_intake_place(intake),
        .media_type = intake->filter ? NULL : types[intake->kind],
    };
}

bool cf_intake_is_plain(const struct cf_intake *intake)
{
    return intake->kind == CF_PLAIN && !intake->filter;
}

uint64_t cf_intake_place(struct cf_intake *intake)
{
    return __atomic_load_n(&intake->blob_size, __ATOMIC_RELAXED);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling: a registry as a source of images, for the loader. */
#include <cloudfs/transfer.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/chunked.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/reference.h>

#include "bundle.h"
#include "push_layer.h"

enum {
    PARTIAL_MIN = 4 << 20, /* smaller blobs are not worth a file */
    PARTS_MIN = 256 << 10, /* nor these several requests */
};

struct pulling {
    struct cf_store *store;
    struct cf_remote *remote;
    const struct cf_pull_options *options;
    pthread_mutex_t mutex;
    uint64_t layers_fetched; /* mutex */
    uint64_t blob_bytes;     /* mutex: of these layers */
};

/* ---- one layer as a stream: first what an earlier pull has left, then the rest ---- */

struct incoming {
    struct pulling *pulling;
    const struct pending_layer *layer;
    cf_told_fn *told;
    void *told_context;
    char what[40];
    int fd; /* what came so far, in tmp/; -1: it is not kept */
    char name[CF_DIGEST_HEX_SIZE + 16];
    uint64_t kept; /* bytes in it that are still to be read */
    uint64_t at;
    bool began;
    struct cf_stream *stream;
    uint64_t toc_offset,
        toc_len; /* of the table of contents that passes by; len 0: there is none */
    struct cf_buf toc;
};

static void incoming_done(struct incoming *incoming)
{
    cf_stream_close(incoming->stream);
    cf_close_fd(&incoming->fd);
    cf_buf_done(&incoming->toc);
}

/* Another process that has it open is at work on the same bytes for another layer. */
static void open_partial(struct incoming *incoming)
{
    struct stat st;
    const int tmp = cf_store_tmp_fd(incoming->pulling->store);
    if (incoming->layer->blob_size < PARTIAL_MIN)
        return;
    const int fd = openat(tmp, incoming->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0) {
        close(fd);
        return;
    }
    incoming->fd = fd;
    incoming->kept = (uint64_t)st.st_size;
    if (incoming->kept > incoming->layer->blob_size)
        incoming->kept = 0;
}

static void drop_partial(struct incoming *incoming)
{
    (void)unlinkat(cf_store_tmp_fd(incoming->pulling->store), incoming->name, 0);
}

/* Is not called before cf_layer_read holds the layer's lock, nor when the layer is there by then.
 */
static int begin(struct incoming *incoming, struct cf_error *err)
{
    const struct pending_layer *layer = incoming->layer;
    struct pulling *pulling = incoming->pulling;
    open_partial(incoming);
    incoming->began = true;
    pthread_mutex_lock(&pulling->mutex);
    pulling->layers_fetched++;
    pulling->blob_bytes += layer->blob_size - incoming->kept;
    pthread_mutex_unlock(&pulling->mutex);
    return cf_stream_open(pulling->remote, &layer->blob, layer->blob_size, incoming->kept,
                          layer->blob_size - incoming->kept, &incoming->stream, err);
}

/* Keeping is help for later: where the disk is full, the pull itself finds out. */
static void keep(struct incoming *incoming, const void *data, size_t len)
{
    if (incoming->fd >= 0 && cf_pwrite_full(incoming->fd, data, len, (off_t)incoming->at) < 0) {
        drop_partial(incoming);
        cf_close_fd(&incoming->fd);
        incoming->fd = -1;
    }
}

/* The table of contents, for later pulls of what is like this layer; without it they only cost
 * more. */
static void watch_for_toc(struct incoming *incoming, const char *data, size_t len)
{
    const uint64_t begin = incoming->toc_offset + incoming->toc.len;
    const uint64_t end = incoming->toc_offset + incoming->toc_len;
    if (begin < incoming->at || begin >= incoming->at + len || begin >= end)
        return;
    const size_t skip = (size_t)(begin - incoming->at);
    const size_t n = end - begin < len - skip ? (size_t)(end - begin) : len - skip;
    if (cf_buf_add(&incoming->toc, data + skip, n) < 0)
        incoming->toc_len = 0;
}

static ssize_t read_incoming(void *context, void *data, size_t len, struct cf_error *err)
{
    struct incoming *incoming = context;
    const struct cf_pull_options *options = incoming->pulling->options;
    int r = incoming->began ? 0 : begin(incoming, err);
    ssize_t n = 0;
    if (r < 0)
        return r;
    if (incoming->at < incoming->kept) {
        const uint64_t left = incoming->kept - incoming->at;
        n = cf_pread_full(incoming->fd, data, left < len ? (size_t)left : len, (off_t)incoming->at);
        if (n <= 0)
            return cf_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read what was kept of it");
    } else {
        n = cf_stream_read(incoming->stream, data, len, err);
        if (n > 0)
            keep(incoming, data, (size_t)n);
    }
    if (n <= 0)
        return n;
    watch_for_toc(incoming, data, (size_t)n);
    incoming->at += (uint64_t)n;
    if (options->progress)
        options->progress(options->progress_context, incoming->what, incoming->at,
                          incoming->layer->blob_size);
    r = incoming->told(incoming->told_context, (uint64_t)n, err);
    return r < 0 ? r : n;
}

/* Where the blob is to be had, for a push that may mount it from there. */
static int remember(struct pulling *pulling, const struct pending_layer *layer,
                    struct cf_error *err)
{
    struct cf_layer_form form = {.digest = layer->blob, .size = layer->blob_size};
    if (!layer->media_type || cf_digest_equal(&layer->blob, &layer->diff_id))
        return 0;
    (void)snprintf(form.media_type, sizeof form.media_type, "%s", layer->media_type);
    cf_push_notes(NULL, cf_remote_repository(pulling->remote),
                  cf_json_get(layer->descriptor, "annotations"), form.notes);
    return cf_layer_form_add(pulling->store, &layer->diff_id, &form, err);
}

/* *ret_resumed: a part of it was of an earlier pull. */
static int fetch_once(struct pulling *pulling, const struct pending_layer *layer, cf_told_fn *told,
                      void *told_context, bool *ret_resumed, struct cf_error *err)
{
    struct incoming incoming cf_cleanup(incoming_done) = {
        .pulling = pulling, .layer = layer, .told = told, .told_context = told_context, .fd = -1};
    char hex[CF_DIGEST_HEX_SIZE], text[CF_DIGEST_TEXT_SIZE];
    struct cf_layer_info info;
    cf_digest_hex(&layer->blob, hex);
    cf_digest_text(&layer->blob, text);
    (void)snprintf(incoming.name, sizeof incoming.name, "partial-%s", hex);
    (void)snprintf(incoming.what, sizeof incoming.what, "layer %.12s", hex);
    const struct cf_layer_read_options options = {
        .source = read_incoming,
        .source_context = &incoming,
        .what = text,
        .media_type = layer->media_type,
        .expected_diff_id = &layer->diff_id,
        .expected_blob = &layer->blob,
        .expected_blob_size = layer->blob_size,
    };
    const struct cf_json *annotations = cf_json_get(layer->descriptor, "annotations");
    (void)cf_chunked_toc_place(annotations, layer->blob_size, &incoming.toc_offset,
                               &incoming.toc_len);
    int r = cf_layer_read(pulling->store, &options, &info, err);
    if (r == 0 && incoming.began)
        r = remember(pulling, layer, err);
    if (r == 0 && incoming.toc_len > 0 && incoming.toc.len == incoming.toc_len)
        (void)cf_chunked_keep(pulling->store, annotations, incoming.toc.data, layer->blob_size);
    *ret_resumed = incoming.kept > 0;
    /* What is wrong is of no use to anybody; what is only not whole yet is, unless it fills the
     * disk. */
    if (incoming.fd >= 0 &&
        (r == 0 || r == -EBADMSG || r == -EINVAL || r == -EFBIG || r == -ENOSPC || r == -EDQUOT))
        drop_partial(&incoming);
    return r;
}

/* ---- one layer as parts ---- */

struct parts {
    struct pulling *pulling;
    const struct pending_layer *layer;
    cf_told_fn *told;
    void *told_context;
    char what[40];
    uint64_t fetched; /* atomic */
};

static int fetch_part(void *context, uint64_t offset, uint64_t len, cf_sink_fn *sink,
                      void *sink_context, struct cf_error *err)
{
    enum { SIZE = 64 << 10 };
    struct parts *parts = context;
    const struct cf_pull_options *options = parts->pulling->options;
    struct cf_stream *stream cf_cleanup(cf_stream_close_ptr) = NULL;
    char *buffer cf_autofree = malloc(SIZE);
    int r = buffer ? cf_stream_open(parts->pulling->remote, &parts->layer->blob,
                                    parts->layer->blob_size, offset, len, &stream, err)
                   : cf_fail(err, -ENOMEM, "out of memory");
    while (r == 0) {
        const ssize_t n = cf_stream_read(stream, buffer, SIZE, err);
        if (n <= 0)
            return (int)n;
        const uint64_t done = __atomic_add_fetch(&parts->fetched, (uint64_t)n, __ATOMIC_RELAXED);
        if (options->progress)
            options->progress(options->progress_context, parts->what, done, 0);
        r = parts->told(parts->told_context, (uint64_t)n, err);
        if (r == 0)
            r = sink(sink_context, buffer, (size_t)n, err);
    }
    return r;
}

/* 1: all of the blob is to be read. */
static int fetch_parts(struct pulling *pulling, const struct pending_layer *layer, cf_told_fn *told,
                       void *told_context, struct cf_error *err)
{
    const struct cf_json *annotations = cf_json_get(layer->descriptor, "annotations");
    struct parts parts = {
        .pulling = pulling, .layer = layer, .told = told, .told_context = told_context};
    char hex[CF_DIGEST_HEX_SIZE], text[CF_DIGEST_TEXT_SIZE];
    if (layer->blob_size < PARTS_MIN || !cf_chunked_detect(annotations))
        return 1;
    cf_digest_hex(&layer->blob, hex);
    cf_digest_text(&layer->blob, text);
    (void)snprintf(parts.what, sizeof parts.what, "layer %.12s", hex);
    const struct cf_chunked_source source = {.fetch = fetch_part,
                                             .context = &parts,
                                             .blob_size = layer->blob_size,
                                             .annotations = annotations,
                                             .what = text,
                                             .diff_id = &layer->diff_id};
    int r = cf_chunked_read(pulling->store, &source, err);
    if (r == 0 && parts.fetched > 0) {
        pthread_mutex_lock(&pulling->mutex);
        pulling->layers_fetched++;
        pulling->blob_bytes += parts.fetched;
        pthread_mutex_unlock(&pulling->mutex);
    }
    return r;
}

static bool has_partial(struct pulling *pulling, const struct pending_layer *layer)
{
    char hex[CF_DIGEST_HEX_SIZE], name[CF_DIGEST_HEX_SIZE + 16];
    cf_digest_hex(&layer->blob, hex);
    (void)snprintf(name, sizeof name, "partial-%s", hex);
    return faccessat(cf_store_tmp_fd(pulling->store), name, F_OK, 0) == 0;
}

static int fetch_layer(void *context, const struct pending_layer *layer, cf_told_fn *told,
                       void *told_context, struct cf_error *err)
{
    struct pulling *pulling = context;
    bool resumed = false;
    int r = has_partial(pulling, layer) ? 1 : fetch_parts(pulling, layer, told, told_context, err);
    if (r <= 0)
        return r < 0 ? cf_fail_in(err, r, "%s", cf_remote_name(pulling->remote)) : 0;
    r = fetch_once(pulling, layer, told, told_context, &resumed, err);
    if (resumed && (r == -EBADMSG || r == -EINVAL)) /* what was kept was not good */
        r = fetch_once(pulling, layer, told, told_context, &resumed, err);
    return r < 0 ? cf_fail_in(err, r, "%s", cf_remote_name(pulling->remote)) : 0;
}

/* ---- documents ---- */

static int fetch_document(void *context, bool is_manifest, const struct cf_digest *digest,
                          uint64_t size, struct cf_buf *ret_text, struct cf_error *err)
{
    struct pulling *pulling = context;
    struct cf_remote_document document = CF_REMOTE_DOCUMENT_INIT;
    if (cf_blob_get(pulling->store, digest, ret_text, NULL) == 0)
        return 0;
    cf_buf_clear(ret_text);
    if (!is_manifest)
        return cf_remote_blob(pulling->remote, digest, size, ret_text, err);
    int r = cf_remote_manifest(pulling->remote, digest, &document, err);
    /* Its size is not held against it: sealer's lists give that of the whole image. */
    if (r == 0) {
        cf_buf_done(ret_text);
        *ret_text = document.text;
    } else {
        cf_buf_done(&document.text);
    }
    return r;
}

/* ---- all of it ---- */

/* The name that the image gets; "" for none. */
static int find_name(const char *reference, const struct cf_pull_options *options,
                     char ret_name[CF_TAGGED_SIZE], struct cf_error *err)
{
    struct cf_reference parsed;
    ret_name[0] = '\0';
    if (options->name)
        return cf_reference_tagged(options->name, ret_name, err);
    int r = cf_reference_parse(reference, &parsed, err);
    if (r == 0 && (parsed.tag[0] || !parsed.has_digest))
        (void)snprintf(ret_name, CF_TAGGED_SIZE, "%s:%s", parsed.name,
                       parsed.tag[0] ? parsed.tag : "latest");
    return r;
}

static int read_top(struct bundle *bundle, struct pulling *pulling, struct cf_error *err)
{
    struct cf_remote_document document = CF_REMOTE_DOCUMENT_INIT;
    int r = cf_remote_manifest(pulling->remote, NULL, &document, err);
    if (r == 0)
        r = cf_bundle_read_document(bundle, &document.text, document.media_type, err);
    cf_buf_done(&document.text);
    return r;
}

static void count_up(const struct pulling *pulling, const struct bundle *bundle,
                     struct cf_pulled *pulled)
{
    uint64_t bytes = 0, count = 0;
    for (size_t i = 0; i < bundle->image_count; i++)
        for (size_t k = 0; k < bundle->images[i].layer_count; k++) {
            bytes += bundle->images[i].layers[k].blob_size;
            count++;
        }
    pulled->layers_fetched = pulling->layers_fetched;
    pulled->layers_reused =
        count - (count < pulling->layers_fetched ? count : pulling->layers_fetched);
    pulled->reused = bytes > pulling->blob_bytes ? bytes - pulling->blob_bytes : 0;
}

static int pull(struct pulling *pulling, struct bundle *bundle, const char *name,
                struct cf_pulled *pulled, struct cf_error *err)
{
    struct cf_loaded *loaded = NULL;
    size_t count = 0;
    int r = read_top(bundle, pulling, err);
    if (r == 0 && *name)
        r = cf_bundle_name(bundle, name, err);
    if (r == 0)
        r = cf_bundle_read_layers(bundle, err);
    if (r < 0)
        return r;
    count_up(pulling, bundle, pulled);
    r = cf_bundle_publish(bundle, &loaded, &count, err);
    if (r < 0)
        return r;
    pulled->image = CF_TAKE(loaded[0].image);
    pulled->name = CF_TAKE(loaded[0].name);
    cf_loaded_free(loaded, count);
    return 0;
}

int cf_pull(struct cf_store *store, struct cf_registry *registry, const char *reference,
            const struct cf_pull_options *options, struct cf_pulled *ret_pulled,
            struct cf_error *err)
{
    struct cf_remote *remote cf_cleanup(cf_remote_close_ptr) = NULL;
    struct cf_pulled pulled = {0};
    char name[CF_TAGGED_SIZE];
    const uint64_t fetched = cf_registry_fetched(registry);
    const uint64_t requests = cf_registry_requests(registry);
    int r = find_name(reference, options, name, err);
    if (r == 0)
        r = cf_remote_open(registry, reference, CF_NAMES_CLOUD, 0, &remote, err);
    if (r < 0)
        return r;
    struct pulling pulling = {.store = store, .remote = remote, .options = options};
    const struct bundle_remote source = {&pulling, fetch_document, fetch_layer};
    const struct cf_load_options load = {.platform = options->platform,
                                         .all_platforms = options->all_platforms,
                                         .jobs = options->jobs};
    struct bundle bundle cf_cleanup(cf_bundle_done) = {
        .store = store, .options = &load, .remote = &source, .blob_prefix = ""};
    r = cf_bundle_platforms(&bundle, err);
    if (r == 0)
        r = cf_source_named(cf_remote_name(remote), &bundle.source, err);
    if (r < 0)
        return r;
    pthread_mutex_init(&pulling.mutex, NULL);
    r = pull(&pulling, &bundle, name, &pulled, err);
    pthread_mutex_destroy(&pulling.mutex);
    if (r < 0)
        return r;
    pulled.fetched = cf_registry_fetched(registry) - fetched;
    pulled.requests = cf_registry_requests(registry) - requests;
    *ret_pulled = pulled;
    return 0;
}

void cf_pulled_done(struct cf_pulled *pulled)
{
    cf_image_free(pulled->image);
    free(pulled->name);
    *pulled = (struct cf_pulled){0};
}

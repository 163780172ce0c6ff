/* SPDX-License-Identifier: Apache-2.0 */
/* The layers of an archive into the store, several at once, the largest first. */
#include "bundle.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>

#define JOBS_MAX 8 /* each takes its own memory: see cf_layer_read */

struct job {
    struct pending_layer *layer;
    struct source_member member; /* fd -1: the store has the layer */
};

struct crew {
    struct bundle *bundle;
    struct job *jobs;
    size_t count;
    uint64_t total;
    pthread_mutex_t mutex;
    size_t next;         /* mutex */
    uint64_t done;       /* mutex */
    int status;          /* mutex: the first failure */
    struct cf_error err; /* mutex: its line */
};

/* Bytes of one member. */
struct reading {
    struct crew *crew;
    struct job *job;
    uint64_t at;
};

static int told(void *context, uint64_t len, struct cf_error *err)
{
    struct reading *reading = context;
    struct crew *crew = reading->crew;
    const struct cf_load_options *options = crew->bundle->options;

    reading->at += len;
    pthread_mutex_lock(&crew->mutex);
    crew->done += len;
    int status = crew->status;
    if (options->progress && status == 0)
        options->progress(options->progress_context, "layers", crew->done, crew->total);
    pthread_mutex_unlock(&crew->mutex);
    return status < 0 ? cf_fail(err, -ECANCELED, "another layer failed") : 0;
}

static ssize_t read_member(void *context, void *data, size_t len, struct cf_error *err)
{
    struct reading *reading = context;
    struct crew *crew = reading->crew;
    const struct source_member *member = &reading->job->member;
    uint64_t left = member->size - reading->at;

    if (len > left)
        len = (size_t)left;
    ssize_t n =
        len ? cf_pread_full(member->fd, data, len, (off_t)(member->offset + reading->at)) : 0;
    if (n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read %s", cf_source_name(crew->bundle->source));
    if ((size_t)n < len)
        return cf_fail(err, -EINVAL, "%s became shorter while it was read",
                       cf_source_name(crew->bundle->source));
    int r = told(reading, (uint64_t)n, err);
    return r < 0 ? r : n;
}

static int read_one(struct crew *crew, struct job *job, struct cf_error *err)
{
    struct reading reading = {.crew = crew, .job = job};
    struct pending_layer *layer = job->layer;
    struct cf_layer_info info;
    const struct bundle_remote *remote = crew->bundle->remote;
    if (remote)
        return remote->layer(remote->context, layer, told, &reading, err);
    struct cf_layer_read_options options = {
        .source = read_member,
        .source_context = &reading,
        .what = layer->member,
        .media_type = layer->media_type,
        .expected_diff_id = &layer->diff_id,
        .expected_blob = layer->has_blob ? &layer->blob : NULL,
        .expected_blob_size = layer->blob_size,
    };
    int r = cf_layer_read(crew->bundle->store, &options, &info, err);

    if (r < 0)
        return cf_fail_in(err, r, "%s", cf_source_name(crew->bundle->source));
    return 0;
}

static void *work(void *arg)
{
    struct crew *crew = arg;
    struct cf_error err;

    for (;;) {
        pthread_mutex_lock(&crew->mutex);
        struct job *job =
            crew->status == 0 && crew->next < crew->count ? &crew->jobs[crew->next++] : NULL;
        pthread_mutex_unlock(&crew->mutex);
        if (!job)
            return NULL;
        err.code = 0;
        int r = read_one(crew, job, &err);
        pthread_mutex_lock(&crew->mutex);
        if (r < 0 && crew->status == 0) {
            crew->status = r;
            crew->err = err;
        }
        pthread_mutex_unlock(&crew->mutex);
    }
}

static int compare_jobs(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    if (x->member.size != y->member.size)
        return x->member.size > y->member.size ? -1 : 1;
    return cf_digest_compare(&x->layer->diff_id, &y->layer->diff_id);
}

static bool is_queued(const struct crew *crew, const struct cf_digest *diff_id)
{
    for (size_t i = 0; i < crew->count; i++)
        if (cf_digest_equal(&crew->jobs[i].layer->diff_id, diff_id))
            return true;
    return false;
}

/* Opens the layer's member where the store lacks the layer; a hole in the archive shows up here,
 * before anything is read. */
static int add_job(struct crew *crew, struct pending_layer *layer, struct cf_error *err)
{
    struct bundle *bundle = crew->bundle;
    struct job *job = &crew->jobs[crew->count];

    if (cf_layer_exists(bundle->store, &layer->diff_id) || is_queued(crew, &layer->diff_id))
        return 0;
    *job = (struct job){.layer = layer, .member.fd = -1};
    if (bundle->remote) {
        job->member.size = layer->blob_size;
        crew->total += layer->blob_size;
        crew->count++;
        return 0;
    }
    int r = cf_source_member(bundle->source, layer->member, &job->member, err);
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s: the layer %s is not in the archive",
                       cf_source_name(bundle->source), CF_QUOTE(layer->member));
    if (r < 0)
        return r;
    crew->count++;
    crew->total += job->member.size;
    if (layer->has_blob && job->member.size != layer->blob_size)
        return cf_fail(err, -EBADMSG, "%s: the layer %s has %llu bytes, and its manifest says %llu",
                       cf_source_name(bundle->source), CF_QUOTE(layer->member),
                       (unsigned long long)job->member.size, (unsigned long long)layer->blob_size);
    return 0;
}

static int run(struct crew *crew, unsigned jobs, struct cf_error *err)
{
    pthread_t threads[JOBS_MAX];
    unsigned started = 0;

    if (jobs > crew->count)
        jobs = (unsigned)crew->count;
    /* This thread is one of them; where no other can be had, it is the only one. */
    while (started + 1 < jobs && cf_thread_start(&threads[started], work, crew) == 0)
        started++;
    (void)work(crew);
    for (unsigned i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (crew->status < 0 && err)
        *err = crew->err;
    return crew->status;
}

/* Sizes of the plain tars, which a manifest of our own will name. */
static int find_sizes(struct bundle *bundle, struct pending *pending, struct cf_error *err)
{
    for (size_t i = 0; i < pending->layer_count && !pending->image; i++) {
        struct cf_layer_form *forms cf_autofree = NULL;
        size_t count = 0;
        struct pending_layer *layer = &pending->layers[i];
        int r = cf_layer_forms_read(bundle->store, &layer->diff_id, &forms, &count, err);
        if (r < 0)
            return r;
        for (size_t k = 0; k < count; k++)
            if (cf_digest_equal(&forms[k].digest, &layer->diff_id))
                layer->blob_size = forms[k].size;
    }
    return 0;
}

int cf_bundle_read_layers(struct bundle *bundle, struct cf_error *err)
{
    size_t room = 1;
    int r = 0;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs = bundle->options->jobs ? bundle->options->jobs : cores > 1 ? 2 : 1;

    for (size_t i = 0; i < bundle->image_count; i++)
        room += bundle->images[i].layer_count;
    struct crew crew = {.bundle = bundle, .jobs = calloc(room, sizeof(struct job))};
    if (!crew.jobs)
        return cf_fail(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&crew.mutex, NULL);
    for (size_t i = 0; i < bundle->image_count; i++)
        for (size_t k = 0; k < bundle->images[i].layer_count && r == 0; k++)
            r = add_job(&crew, &bundle->images[i].layers[k], err);
    if (crew.count > 1)
        qsort(crew.jobs, crew.count, sizeof(*crew.jobs), compare_jobs);
    if (r == 0 && crew.count > 0)
        r = run(&crew, jobs > JOBS_MAX ? JOBS_MAX : jobs, err);
    for (size_t i = 0; i < crew.count; i++)
        cf_close_fd(&crew.jobs[i].member.fd);
    free(crew.jobs);
    pthread_mutex_destroy(&crew.mutex);
    for (size_t i = 0; i < bundle->image_count && r == 0; i++)
        r = find_sizes(bundle, &bundle->images[i], err);
    return r;
}

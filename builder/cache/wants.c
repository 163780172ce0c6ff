/* SPDX-License-Identifier: Apache-2.0 */
#include "wants.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/pipeline.h>

#define JOBS 6 /* as other clients: what one registry gives without complaint */
#define JOBS_MAX 32

void cf_wants_done(struct wants *wants)
{
    for (size_t i = 0; i < wants->count; i++) {
        cf_buf_done(&wants->list[i].small);
        free(wants->list[i].origins);
    }
    free(wants->list);
    *wants = (struct wants){0};
}

static size_t place_of(const struct wants *wants, const struct cf_digest *digest, bool *ret_there)
{
    size_t low = 0, high = wants->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cf_digest_compare(&wants->list[middle].digest, digest) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_there = low < wants->count && cf_digest_equal(&wants->list[low].digest, digest);
    return low;
}

const struct want *cf_wants_find(const struct wants *wants, const struct cf_digest *digest)
{
    bool there;
    size_t place = place_of(wants, digest, &there);
    return there ? &wants->list[place] : NULL;
}

static int insert(struct wants *wants, size_t place, const struct cf_digest *digest, uint64_t size)
{
    if (wants->count == wants->room) {
        size_t room = wants->room ? wants->room * 2 : 64;
        struct want *grown = realloc(wants->list, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        wants->list = grown;
        wants->room = room;
    }
    memmove(wants->list + place + 1, wants->list + place,
            (wants->count - place) * sizeof(*wants->list));
    wants->list[place] = (struct want){.digest = *digest, .size = size, .small = CF_BUF_INIT};
    wants->count++;
    return 0;
}

int cf_wants_add(struct wants *wants, const struct cf_digest *digest, uint64_t size,
                 const struct origin *origin)
{
    bool there;
    size_t place = place_of(wants, digest, &there);
    int r = there ? 0 : insert(wants, place, digest, size);

    if (r < 0)
        return r;
    struct want *want = &wants->list[place];
    if (want->origin_count && want->origins[want->origin_count - 1] == origin)
        return 0;
    void *grown = realloc(want->origins, (want->origin_count + 1) * sizeof(origin));
    if (!grown)
        return -ENOMEM;
    want->origins = grown;
    want->origins[want->origin_count++] = origin;
    return 0;
}

/* The work that the threads share. */
struct pool {
    struct wants *wants;
    const struct fetching *fetching;
    pthread_mutex_t lock; /* of what follows, and of progress */
    size_t next, finished;
    uint64_t bytes;
    struct cf_error failed; /* of them all */
    pthread_mutex_t one;    /* held while an origin is asked that cannot bear two */
};

/* A blob as it comes: small ones into memory, others into an object. */
struct taking {
    struct cf_object_writer *writer;
    struct cf_buf *small;
    uint64_t left;
};

static int take(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct taking *taking = context;

    if (len > taking->left)
        return cf_fail(err, -EBADMSG, "more bytes came than the manifest says");
    taking->left -= len;
    if (taking->writer)
        return cf_object_writer_add(taking->writer, data, len, err);
    return cf_buf_add(taking->small, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

static int ask(struct pool *pool, const struct origin *origin, const struct want *want,
               struct taking *taking, struct cf_error *err)
{
    if (!origin->many)
        (void)pthread_mutex_lock(&pool->one);
    int r = origin->blob(origin->context, &want->digest, want->size, take, taking, err);
    if (!origin->many)
        (void)pthread_mutex_unlock(&pool->one);
    return r;
}

static int fetch_from(struct pool *pool, const struct origin *origin, struct want *want,
                      struct cf_error *err)
{
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest found;
    uint64_t size = want->size;
    int r =
        size > CF_INLINE_MAX ? cf_object_writer_new(pool->fetching->store, size, &writer, err) : 0;

    if (r < 0)
        return r;
    cf_buf_clear(&want->small);
    struct taking taking = {.writer = writer, .small = &want->small, .left = size};
    cf_digest_text(&want->digest, text);
    r = ask(pool, origin, want, &taking, err);
    if (r == -ENOENT)
        return cf_fail(err, r, "the blob %s is missing", text);
    if (r == 0 && writer)
        r = cf_object_writer_finish(writer, &found, &size, err);
    else if (r == 0)
        cf_digest_of(want->small.data ? want->small.data : "", want->small.len, &found);
    if (r == 0 && (taking.left > 0 || !cf_digest_equal(&found, &want->digest)))
        r = cf_fail(err, -EBADMSG, "the blob %s does not match its digest", text);
    return r;
}

static bool is_hopeless(int code)
{
    return code == -ENOMEM || code == -ENOSPC || code == -EDQUOT;
}

static void fetch(struct pool *pool, struct want *want)
{
    int r = -ENOENT;

    for (size_t i = 0; i < want->origin_count && r < 0 && !is_hopeless(r); i++)
        r = fetch_from(pool, want->origins[i], want, &want->why);
    want->done = r == 0;
    (void)pthread_mutex_lock(&pool->lock);
    pool->finished++;
    pool->bytes += want->done ? want->size : 0;
    if (is_hopeless(r) && pool->failed.code == 0)
        pool->failed = want->why;
    if (pool->fetching->progress)
        pool->fetching->progress(pool->fetching->progress_context, "blobs", pool->finished,
                                 pool->wants->count);
    (void)pthread_mutex_unlock(&pool->lock);
}

static void *work(void *context)
{
    struct pool *pool = context;

    for (;;) {
        (void)pthread_mutex_lock(&pool->lock);
        bool over = pool->next == pool->wants->count || pool->failed.code < 0;
        struct want *want = over ? NULL : &pool->wants->list[pool->next++];
        (void)pthread_mutex_unlock(&pool->lock);
        if (over)
            return NULL;
        if (!want->done)
            fetch(pool, want);
    }
}

int cf_wants_fetch(struct wants *wants, const struct fetching *fetching, uint64_t *ret_bytes,
                   struct cf_error *err)
{
    struct pool pool = {.wants = wants,
                        .fetching = fetching,
                        .lock = PTHREAD_MUTEX_INITIALIZER,
                        .one = PTHREAD_MUTEX_INITIALIZER};
    size_t jobs = fetching->jobs ? fetching->jobs : JOBS, count = 0;
    pthread_t threads[JOBS_MAX];

    jobs = jobs > JOBS_MAX ? JOBS_MAX : jobs > wants->count ? wants->count : jobs;
    while (count + 1 < jobs && cf_thread_start(&threads[count], work, &pool) == 0)
        count++;
    (void)work(&pool); /* this thread is one of them */
    while (count > 0)
        (void)pthread_join(threads[--count], NULL);
    *ret_bytes = pool.bytes;
    if (pool.failed.code < 0 && err)
        *err = pool.failed;
    return pool.failed.code;
}

int cf_wants_keep(const struct wants *wants, struct cf_store *store, struct cf_error *err)
{
    struct cf_digest digest;
    int r = 0;

    for (size_t i = 0; i < wants->count && r == 0; i++) {
        const struct want *want = &wants->list[i];
        if (want->done && want->size > 0 && want->size <= CF_INLINE_MAX)
            r = cf_object_put(store, want->small.data, want->small.len, &digest, err);
    }
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/pipeline.h>

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

int cf_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    int r = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r != 0)
        return -r;
    r = pthread_create(ret_thread, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

enum { ALIGNMENT = 64 };

int cf_chunk_new(size_t room, struct cf_chunk **ret_chunk)
{
    const size_t head = (sizeof(struct cf_chunk) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *memory;
    if (room > SIZE_MAX / 2 || posix_memalign(&memory, ALIGNMENT, head + room) != 0)
        return -ENOMEM;
    struct cf_chunk *chunk = memory;
    *chunk = (struct cf_chunk){.room = room, .refs = 1, .data = (unsigned char *)memory + head};
    *ret_chunk = chunk;
    return 0;
}

struct cf_chunk *cf_chunk_ref(struct cf_chunk *chunk)
{
    (void)__atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
    return chunk;
}

void cf_chunk_unref(struct cf_chunk *chunk)
{
    if (chunk && __atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(chunk);
}

int cf_chunk_pool_get(struct cf_chunk_pool *pool, size_t room, struct cf_chunk **ret_chunk)
{
    struct cf_chunk **free_place = NULL;
    for (size_t i = 0; i < CF_CHUNK_POOL_MAX; i++) {
        struct cf_chunk *chunk = pool->chunks[i];
        if (!chunk) {
            free_place = &pool->chunks[i];
        } else if (__atomic_load_n(&chunk->refs, __ATOMIC_ACQUIRE) == 1) {
            /* The pool's own reference: nobody reads it any more. */
            assert(chunk->room == room);
            chunk->len = 0;
            *ret_chunk = cf_chunk_ref(chunk);
            return 0;
        }
    }
    int r = cf_chunk_new(room, ret_chunk);
    if (r == 0 && free_place)
        *free_place = cf_chunk_ref(*ret_chunk);
    return r;
}

void cf_chunk_pool_done(struct cf_chunk_pool *pool)
{
    for (size_t i = 0; i < CF_CHUNK_POOL_MAX; i++) {
        cf_chunk_unref(pool->chunks[i]);
        pool->chunks[i] = NULL;
    }
}

struct cf_queue {
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t not_full, not_empty;
    bool closed;
    int status; /* what it was closed with */
    size_t max, first, count;
    struct cf_chunk *ring[];
};

int cf_queue_new(size_t max, struct cf_queue **ret_queue)
{
    assert(max > 0);
    struct cf_queue *queue = NULL;
    if (max < SIZE_MAX / sizeof(queue->ring[0]) / 2)
        queue = calloc(1, sizeof(*queue) + max * sizeof(queue->ring[0]));
    if (!queue)
        return -ENOMEM;
    queue->max = max;
    /* With default attributes these three cannot fail on Linux. */
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->not_full, NULL);
    (void)pthread_cond_init(&queue->not_empty, NULL);
    *ret_queue = queue;
    return 0;
}

/* With the lock held, or nobody else left. */
static struct cf_chunk *take_first(struct cf_queue *queue)
{
    struct cf_chunk *chunk = queue->ring[queue->first];
    queue->first = (queue->first + 1) % queue->max;
    queue->count--;
    return chunk;
}

void cf_queue_free(struct cf_queue *queue)
{
    if (!queue)
        return;
    while (queue->count > 0)
        cf_chunk_unref(take_first(queue));
    (void)pthread_cond_destroy(&queue->not_empty);
    (void)pthread_cond_destroy(&queue->not_full);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue);
}

int cf_queue_push(struct cf_queue *queue, struct cf_chunk *chunk)
{
    int r = 0;
    (void)pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == queue->max)
        (void)pthread_cond_wait(&queue->not_full, &queue->lock);
    if (queue->closed) {
        r = queue->status < 0 ? queue->status : -EPIPE;
    } else {
        queue->ring[(queue->first + queue->count) % queue->max] = chunk;
        queue->count++;
        (void)pthread_cond_signal(&queue->not_empty);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    if (r < 0)
        cf_chunk_unref(chunk);
    return r;
}

int cf_queue_pop(struct cf_queue *queue, struct cf_chunk **ret_chunk)
{
    int r;
    (void)pthread_mutex_lock(&queue->lock);
    while (!queue->closed && queue->count == 0)
        (void)pthread_cond_wait(&queue->not_empty, &queue->lock);
    if (queue->status < 0) {
        r = queue->status;
    } else if (queue->count == 0) {
        r = 0;
    } else {
        *ret_chunk = take_first(queue);
        (void)pthread_cond_signal(&queue->not_full);
        r = 1;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return r;
}

void cf_queue_close(struct cf_queue *queue, int status)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    if (queue->status == 0)
        queue->status = status;
    (void)pthread_cond_broadcast(&queue->not_full);
    (void)pthread_cond_broadcast(&queue->not_empty);
    (void)pthread_mutex_unlock(&queue->lock);
}

struct piece {
    struct cf_chunk *chunk;
    size_t offset, len;
};

struct cf_async_hasher {
    pthread_t thread;
    struct cf_hasher *hasher; /* the thread's while count > 0, else the caller's */
    pthread_mutex_t lock;     /* guards all that follows */
    pthread_cond_t changed;   /* the one caller and the one thread never wait both at once */
    bool end;
    size_t max, first, count; /* a piece leaves the ring when it has been hashed */
    struct piece ring[];
};

/* Waits for the next piece and gives it; false when the hasher ends. */
static bool next_piece(struct cf_async_hasher *h, struct piece *ret_piece)
{
    (void)pthread_mutex_lock(&h->lock);
    while (!h->end && h->count == 0)
        (void)pthread_cond_wait(&h->changed, &h->lock);
    bool go_on = !h->end;
    if (go_on)
        *ret_piece = h->ring[h->first];
    (void)pthread_mutex_unlock(&h->lock);
    return go_on;
}

static void drop_piece(struct cf_async_hasher *h)
{
    struct cf_chunk *chunk;
    (void)pthread_mutex_lock(&h->lock);
    chunk = h->ring[h->first].chunk;
    h->first = (h->first + 1) % h->max;
    h->count--;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
    cf_chunk_unref(chunk);
}

static void *hash_pieces(void *arg)
{
    struct cf_async_hasher *h = arg;
    struct piece piece;
    while (next_piece(h, &piece)) {
        cf_hasher_update(h->hasher, piece.chunk->data + piece.offset, piece.len);
        drop_piece(h);
    }
    return NULL;
}

static void release(struct cf_async_hasher *h)
{
    while (h->count > 0)
        drop_piece(h);
    (void)pthread_cond_destroy(&h->changed);
    (void)pthread_mutex_destroy(&h->lock);
    cf_hasher_free(h->hasher);
    free(h);
}

int cf_async_hasher_start(size_t backlog, struct cf_async_hasher **ret_hasher)
{
    assert(backlog > 0);
    struct cf_async_hasher *h = NULL;
    if (backlog < SIZE_MAX / sizeof(h->ring[0]) / 2)
        h = calloc(1, sizeof(*h) + backlog * sizeof(h->ring[0]));
    if (!h)
        return -ENOMEM;
    h->max = backlog;
    (void)pthread_mutex_init(&h->lock, NULL);
    (void)pthread_cond_init(&h->changed, NULL);
    int r = cf_hasher_new(&h->hasher);
    if (r == 0)
        r = cf_thread_start(&h->thread, hash_pieces, h);
    if (r < 0) {
        release(h);
        return r;
    }
    *ret_hasher = h;
    return 0;
}

void cf_async_hasher_free(struct cf_async_hasher *hasher)
{
    if (!hasher)
        return;
    (void)pthread_mutex_lock(&hasher->lock);
    hasher->end = true;
    (void)pthread_cond_signal(&hasher->changed);
    (void)pthread_mutex_unlock(&hasher->lock);
    (void)pthread_join(hasher->thread, NULL);
    release(hasher);
}

void cf_async_hasher_add(struct cf_async_hasher *hasher, struct cf_chunk *chunk, size_t offset,
                         size_t len)
{
    assert(offset <= chunk->len && len <= chunk->len - offset);
    (void)pthread_mutex_lock(&hasher->lock);
    while (hasher->count == hasher->max)
        (void)pthread_cond_wait(&hasher->changed, &hasher->lock);
    hasher->ring[(hasher->first + hasher->count) % hasher->max] =
        (struct piece){cf_chunk_ref(chunk), offset, len};
    hasher->count++;
    (void)pthread_cond_signal(&hasher->changed);
    (void)pthread_mutex_unlock(&hasher->lock);
}

void cf_async_hasher_final(struct cf_async_hasher *hasher, struct cf_digest *ret_digest)
{
    (void)pthread_mutex_lock(&hasher->lock);
    while (hasher->count > 0)
        (void)pthread_cond_wait(&hasher->changed, &hasher->lock);
    cf_hasher_final(hasher->hasher, ret_digest);
    (void)pthread_mutex_unlock(&hasher->lock);
}

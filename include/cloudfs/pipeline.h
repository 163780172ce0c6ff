/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What several threads need to work on one stream at once (read, inflate, hash, store): chunks of
 * memory with a count of references, bounded queues of them, and a SHA-256 on a thread of its own.
 * All of it is thread safe unless said otherwise. Nothing here waits for ever after a failure:
 * whoever fails closes the queues on both of its sides with its error, and everybody who waits
 * on them, or comes later, gets that error.
 */
#ifndef CLOUDFS_PIPELINE_H
#define CLOUDFS_PIPELINE_H

#include <pthread.h>
#include <stddef.h>

#include <cloudfs/digest.h>
#include <cloudfs/scope.h>

/*
 * pthread_create with every signal blocked in the new thread, so that signals go to the program's
 * own threads; 0 or -errno (-EAGAIN).
 */
int cf_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg);

/*
 * Memory that is filled by one thread and afterwards only read, by any number of them. Handing it
 * through a queue (or an async hasher) orders the writes before the reads.
 */
struct cf_chunk {
    size_t len;          /* bytes that are filled */
    size_t room;         /* bytes that there are */
    unsigned int refs;   /* by cf_chunk_ref and cf_chunk_unref only */
    unsigned char *data; /* aligned for any use; part of the same allocation */
};

int cf_chunk_new(size_t room, struct cf_chunk **ret_chunk); /* one reference, len 0; -ENOMEM */
struct cf_chunk *cf_chunk_ref(struct cf_chunk *chunk);      /* returns chunk */
void cf_chunk_unref(struct cf_chunk *chunk);                /* the last one frees; NULL allowed */
CF_DEFINE_CLEANUP(struct cf_chunk *, cf_chunk_unref)

/*
 * Chunks that are used again and again: fresh memory would cost a page fault for every 4 KiB that
 * goes through. For one thread; its chunks may be dropped by any.
 */
#define CF_CHUNK_POOL_MAX 8
struct cf_chunk_pool {
    struct cf_chunk *chunks[CF_CHUNK_POOL_MAX]; /* zeroed to begin with */
};
/* As cf_chunk_new; all chunks of one pool have the same room. */
int cf_chunk_pool_get(struct cf_chunk_pool *pool, size_t room, struct cf_chunk **ret_chunk);
void cf_chunk_pool_done(struct cf_chunk_pool *pool); /* chunks in use live on */

/* A first-in first-out queue of at most max chunks, for any number of threads on either side. */
struct cf_queue;
int cf_queue_new(size_t max, struct cf_queue **ret_queue); /* max at least 1; -ENOMEM */
/* Drops what is queued. Nobody may use the queue any more: join the threads first. */
void cf_queue_free(struct cf_queue *queue);
CF_DEFINE_CLEANUP(struct cf_queue *, cf_queue_free)

/*
 * Waits while the queue is full. Takes over the caller's reference to chunk, also on failure:
 * the status that the queue was closed with, or -EPIPE when it was closed with 0.
 */
int cf_queue_push(struct cf_queue *queue, struct cf_chunk *chunk);
/*
 * Waits while the queue is empty and open. 1: *ret_chunk is the caller's; 0: closed with 0, and
 * everything was popped; else the status that the queue was closed with (what is queued is lost).
 */
int cf_queue_pop(struct cf_queue *queue, struct cf_chunk **ret_chunk);
/*
 * Ends the queue: status 0 means "that was all", a negative errno a failure. May be called by any
 * side, more than once; the first failure stays, whatever follows.
 */
void cf_queue_close(struct cf_queue *queue, int status);

/*
 * A SHA-256 that runs on a thread of its own beside the caller. Use start, add, final and free
 * from one thread at a time.
 */
struct cf_async_hasher;
/* backlog: pieces that may wait to be hashed, at least 1. -ENOMEM, -EAGAIN. */
int cf_async_hasher_start(size_t backlog, struct cf_async_hasher **ret_hasher);
/* Ends the thread, forgetting what is not hashed yet; NULL allowed. */
void cf_async_hasher_free(struct cf_async_hasher *hasher);
CF_DEFINE_CLEANUP(struct cf_async_hasher *, cf_async_hasher_free)
/*
 * Adds len bytes of chunk from offset. Takes a reference of its own, so the chunk must not be
 * changed until final returned. Waits while the backlog is full; cannot fail.
 */
void cf_async_hasher_add(struct cf_async_hasher *hasher, struct cf_chunk *chunk, size_t offset,
                         size_t len);
/* Waits until all is hashed; the digest of it. The hasher starts anew. */
void cf_async_hasher_final(struct cf_async_hasher *hasher, struct cf_digest *ret_digest);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/pipeline.h>

#include "codec.h"

enum { JOB_SIZE = 512 << 10, PIECES = 256, THREADS_MAX = 16 };

struct piece {
    uint64_t tag;
    size_t len, frame_len;
    uint32_t sum;
    bool hash;
    struct cf_digest digest;
};

/* Some pieces that one thread compresses one after the other. */
struct job {
    struct cf_buf in, out;
    struct piece pieces[PIECES];
    size_t count;
    bool done;  /* mutex */
    int status; /* once done */
};

struct cf_frames {
    const struct cf_framer *framer;
    int level;
    cf_frame_fn *fn;
    void *context;
    struct job *jobs; /* a ring */
    size_t slots;
    struct cf_buf open; /* bytes from open_at on belong to no piece yet */
    size_t open_at;
    size_t filling; /* the job being filled: jobs between out and it are with the threads */
    size_t next_out;
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    size_t next_work; /* mutex */
    size_t submitted; /* mutex: jobs before this are to be done */
    bool stop;        /* mutex */
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
};

static int compress_job(const struct cf_framer *framer, struct job *job, void *state,
                        struct cf_hasher *hasher)
{
    const char *at = job->in.data;
    cf_buf_clear(&job->out);
    for (size_t i = 0; i < job->count; i++) {
        struct piece *piece = &job->pieces[i];
        const size_t room = framer->bound(piece->len);
        if (cf_buf_reserve(&job->out, room) < 0)
            return -ENOMEM;
        const ssize_t n = framer->frame(state, at, piece->len, job->out.data + job->out.len, room);
        if (n < 0)
            return (int)n;
        piece->frame_len = (size_t)n;
        job->out.len += (size_t)n;
        piece->sum = framer->sum ? framer->sum(at, piece->len) : 0;
        if (piece->hash) {
            cf_hasher_update(hasher, at, piece->len);
            cf_hasher_final(hasher, &piece->digest);
        }
        at += piece->len;
    }
    return 0;
}

static void *run(void *arg)
{
    struct cf_frames *frames = arg;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    const struct cf_framer *framer = frames->framer;
    void *state = framer->open(frames->level);
    const int start = cf_hasher_new(&hasher) < 0 || !state ? -ENOMEM : 0;
    pthread_mutex_lock(&frames->mutex);
    while (!frames->stop) {
        if (frames->next_work == frames->submitted) {
            pthread_cond_wait(&frames->work, &frames->mutex);
            continue;
        }
        struct job *job = &frames->jobs[frames->next_work++ % frames->slots];
        pthread_mutex_unlock(&frames->mutex);
        const int status = start < 0 ? start : compress_job(framer, job, state, hasher);
        pthread_mutex_lock(&frames->mutex);
        job->status = status;
        job->done = true;
        pthread_cond_signal(&frames->finished);
    }
    pthread_mutex_unlock(&frames->mutex);
    if (state)
        framer->close(state);
    return NULL;
}

int cf_frames_new(const struct cf_framer *framer, int level, cf_frame_fn *fn, void *context,
                  struct cf_frames **ret_frames, struct cf_error *err)
{
    struct cf_frames *frames cf_cleanup(cf_frames_free_ptr) = calloc(1, sizeof *frames);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores;
    if (!frames)
        return cf_fail(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&frames->mutex, NULL);
    pthread_cond_init(&frames->work, NULL);
    pthread_cond_init(&frames->finished, NULL);
    void *state = framer->open(level);
    if (!state)
        return cf_fail(err, -EINVAL, "compression level %d cannot be had", level);
    framer->close(state);
    frames->framer = framer;
    frames->level = level;
    frames->fn = fn;
    frames->context = context;
    frames->slots = threads + 2;
    frames->jobs = calloc(frames->slots, sizeof *frames->jobs);
    if (!frames->jobs)
        return cf_fail(err, -ENOMEM, "out of memory");
    *ret_frames = CF_TAKE(frames);
    return 0;
}

static int start_threads(struct cf_frames *frames, struct cf_error *err)
{
    while (frames->thread_count + 2 < frames->slots) {
        int r = cf_thread_start(&frames->threads[frames->thread_count], run, frames);
        if (r < 0 && frames->thread_count == 0)
            return cf_fail_errno(err, -r, "cannot start a thread");
        if (r < 0)
            break;
        frames->thread_count++;
    }
    return 0;
}

void cf_frames_free(struct cf_frames *frames)
{
    if (!frames)
        return;
    pthread_mutex_lock(&frames->mutex);
    frames->stop = true;
    pthread_cond_broadcast(&frames->work);
    pthread_mutex_unlock(&frames->mutex);
    for (size_t i = 0; i < frames->thread_count; i++)
        (void)pthread_join(frames->threads[i], NULL);
    for (size_t i = 0; frames->jobs && i < frames->slots; i++) {
        cf_buf_done(&frames->jobs[i].in);
        cf_buf_done(&frames->jobs[i].out);
    }
    free(frames->jobs);
    cf_buf_done(&frames->open);
    pthread_mutex_destroy(&frames->mutex);
    pthread_cond_destroy(&frames->work);
    pthread_cond_destroy(&frames->finished);
    free(frames);
}

/* Waits for the oldest job, and hands its frames out. */
static int take_out(struct cf_frames *frames, struct cf_error *err)
{
    struct job *job = &frames->jobs[frames->next_out++ % frames->slots];
    pthread_mutex_lock(&frames->mutex);
    while (!job->done)
        pthread_cond_wait(&frames->finished, &frames->mutex);
    pthread_mutex_unlock(&frames->mutex);
    int r = job->status < 0 ? cf_fail_errno(err, -job->status, "cannot compress") : 0;
    const char *at = job->out.data;
    for (size_t i = 0; i < job->count && r == 0; i++) {
        const struct piece *piece = &job->pieces[i];
        const struct cf_frame frame = {.tag = piece->tag,
                                       .data = at,
                                       .len = piece->frame_len,
                                       .plain = piece->len,
                                       .sum = piece->sum,
                                       .digest = piece->hash ? &piece->digest : NULL};
        r = frames->fn(frames->context, &frame, err);
        at += piece->frame_len;
    }
    job->count = 0;
    job->done = false;
    cf_buf_clear(&job->in);
    return r;
}

static int submit(struct cf_frames *frames, struct cf_error *err)
{
    int r = frames->thread_count == 0 ? start_threads(frames, err) : 0;
    if (r < 0)
        return r;
    pthread_mutex_lock(&frames->mutex);
    frames->submitted++;
    pthread_cond_signal(&frames->work);
    pthread_mutex_unlock(&frames->mutex);
    frames->filling++;
    return frames->filling - frames->next_out == frames->slots ? take_out(frames, err) : 0;
}

int cf_frames_add(struct cf_frames *frames, const void *data, size_t len, struct cf_error *err)
{
    struct cf_buf *open = &frames->open;
    if (frames->open_at > 0) {
        open->len -= frames->open_at;
        memmove(open->data, open->data + frames->open_at, open->len);
        frames->open_at = 0;
    }
    return cf_buf_add(open, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

int cf_frames_cut(struct cf_frames *frames, size_t len, uint64_t tag, bool hash,
                  struct cf_error *err)
{
    struct job *job = &frames->jobs[frames->filling % frames->slots];
    if (cf_buf_add(&job->in, frames->open.data + frames->open_at, len) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    frames->open_at += len;
    job->pieces[job->count++] = (struct piece){.tag = tag, .len = len, .hash = hash};
    return job->in.len >= JOB_SIZE || job->count == PIECES ? submit(frames, err) : 0;
}

/* The only job there is: no threads for it. */
static int compress_here(struct cf_frames *frames, struct cf_error *err)
{
    const struct cf_framer *framer = frames->framer;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct job *job = &frames->jobs[frames->filling++ % frames->slots];
    void *state = framer->open(frames->level);
    int r = state && cf_hasher_new(&hasher) == 0 ? 0 : -ENOMEM;
    job->status = r == 0 ? compress_job(framer, job, state, hasher) : r;
    job->done = true;
    if (state)
        framer->close(state);
    return take_out(frames, err);
}

int cf_frames_flush(struct cf_frames *frames, struct cf_error *err)
{
    int r = 0;
    if (frames->jobs[frames->filling % frames->slots].count > 0)
        r = frames->thread_count == 0 ? compress_here(frames, err) : submit(frames, err);
    while (r == 0 && frames->next_out < frames->filling)
        r = take_out(frames, err);
    return r;
}

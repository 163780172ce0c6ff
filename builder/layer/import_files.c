/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of regular files on its way into the store. Hashing and writing it is most of the
 * work of an import, so beyond a few MiB several threads do it, each a file at a time; the tree is
 * touched by the caller's thread alone.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/pipeline.h>

#include "content.h"
#include "import.h"

enum {
    BUFFER = 256 << 10,
    SLOTS = 32,         /* files that are open at once */
    THREADS_MAX = 4,    /* each has an object writer's memory */
    ALONE_MAX = 4 << 20 /* bytes for which no thread is started */
};

enum state { FREE, READY, TAKEN, DONE };

/* One file. The state says whose it is: a thread's while TAKEN, else the caller's. */
struct job {
    enum state state; /* mutex */
    int fd;
    struct stat st;
    struct cf_node *node;
    char *path;
    struct cf_digest digest;
    int r;
    struct cf_error err;
};

/* What one thread reads with. */
struct reader {
    struct cf_import_files *files;
    struct cf_content_sink sink;
    char *buffer;
};

struct cf_import_files {
    struct cf_store *store;
    struct cf_builder *builder;
    const char *what;
    cf_progress_fn *progress;
    void *progress_context;
    struct reader own; /* the caller's */
    struct job jobs[SLOTS];
    pthread_t threads[THREADS_MAX];
    size_t thread_count;
    uint64_t asked; /* bytes of all files so far */
    pthread_mutex_t mutex;
    pthread_cond_t ready, done;
    uint64_t bytes; /* mutex: that were read */
    bool stop;      /* mutex */
};

/* ---- one file ---- */

static int changed(struct cf_error *err)
{
    return cf_fail(err, -EBUSY, "it changed while it was read");
}

bool cf_import_same_state(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Where data goes on from at, in a file that may have holes; size where there is none. */
static off_t next_data(int fd, off_t at, const struct stat *st)
{
    if (st->st_blocks * 512 >= st->st_size)
        return at;
    const off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0)
        return errno == ENXIO ? st->st_size : at;
    return data;
}

static void tell(struct cf_import_files *files, size_t len)
{
    pthread_mutex_lock(&files->mutex);
    files->bytes += len;
    if (files->progress)
        files->progress(files->progress_context, files->what, files->bytes, 0);
    pthread_mutex_unlock(&files->mutex);
}

static bool is_stopped(struct cf_import_files *files)
{
    pthread_mutex_lock(&files->mutex);
    const bool stop = files->stop;
    pthread_mutex_unlock(&files->mutex);
    return stop;
}

static int read_content(struct reader *reader, struct job *job, struct cf_error *err)
{
    const struct stat *st = &job->st;
    struct stat now;
    off_t at = 0;
    int r = cf_content_begin(&reader->sink, job->node, (uint64_t)st->st_size, err);

    while (r == 0 && (at = next_data(job->fd, at, st)) < st->st_size) {
        const off_t left = st->st_size - at;
        const size_t want = left < BUFFER ? (size_t)left : BUFFER;
        if (is_stopped(reader->files))
            return cf_fail(err, -ECANCELED, "another file failed");
        const ssize_t n = cf_pread_full(job->fd, reader->buffer, want, at);
        if (n < 0)
            return cf_fail_errno(err, (int)-n, "cannot read it");
        if ((size_t)n < want)
            return changed(err);
        r = cf_content_put(&reader->sink, (uint64_t)at, reader->buffer, want, err);
        at += n;
        tell(reader->files, (size_t)n);
    }
    if (r == 0)
        r = cf_content_end(&reader->sink, &job->digest, err);
    if (r == 0 && fstat(job->fd, &now) < 0)
        return cf_fail_errno(err, errno, "cannot look at it");
    return r == 0 && !cf_import_same_state(st, &now) ? changed(err) : r;
}

static int reader_init(struct reader *reader, struct cf_import_files *files,
                       struct cf_builder *builder)
{
    reader->files = files;
    cf_content_sink_init(&reader->sink, files->store, builder);
    reader->buffer = malloc(BUFFER);
    return reader->buffer ? 0 : -ENOMEM;
}

static void reader_done(struct reader *reader)
{
    cf_content_sink_done(&reader->sink);
    free(reader->buffer);
}

/* ---- the threads ---- */

/* The next file; NULL: it is over. */
static struct job *take(struct cf_import_files *files)
{
    struct job *job = NULL;

    pthread_mutex_lock(&files->mutex);
    while (!files->stop && !job) {
        for (size_t i = 0; i < SLOTS && !job; i++)
            job = files->jobs[i].state == READY ? &files->jobs[i] : NULL;
        if (!job)
            pthread_cond_wait(&files->ready, &files->mutex);
    }
    if (job)
        job->state = TAKEN;
    pthread_mutex_unlock(&files->mutex);
    return job;
}

static void *work(void *arg)
{
    struct cf_import_files *files = arg;
    struct reader reader = {0};
    const int r = reader_init(&reader, files, NULL);

    for (struct job *job; (job = take(files));) {
        job->r =
            r < 0 ? cf_fail(&job->err, r, "out of memory") : read_content(&reader, job, &job->err);
        pthread_mutex_lock(&files->mutex);
        job->state = DONE;
        pthread_cond_signal(&files->done);
        pthread_mutex_unlock(&files->mutex);
    }
    reader_done(&reader);
    return NULL;
}

/* None at all is no failure: the caller does the work then. */
static void start_threads(struct cf_import_files *files)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t count = cores > THREADS_MAX ? THREADS_MAX : cores > 1 ? (size_t)cores : 0;

    while (files->thread_count < count &&
           cf_thread_start(&files->threads[files->thread_count], work, files) == 0)
        files->thread_count++;
}

/* ---- for the caller ---- */

int cf_import_files_new(struct cf_store *store, struct cf_builder *builder, const char *what,
                        cf_progress_fn *progress, void *progress_context,
                        struct cf_import_files **ret_files, struct cf_error *err)
{
    struct cf_import_files *files = calloc(1, sizeof(*files));

    if (files) {
        files->store = store;
        files->builder = builder;
        files->what = what;
        files->progress = progress;
        files->progress_context = progress_context;
    }
    if (!files || reader_init(&files->own, files, builder) < 0) {
        free(files);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    pthread_mutex_init(&files->mutex, NULL);
    pthread_cond_init(&files->ready, NULL);
    pthread_cond_init(&files->done, NULL);
    *ret_files = files;
    return 0;
}

void cf_import_files_free(struct cf_import_files *files)
{
    if (!files)
        return;
    pthread_mutex_lock(&files->mutex);
    files->stop = true;
    pthread_cond_broadcast(&files->ready);
    pthread_mutex_unlock(&files->mutex);
    for (size_t i = 0; i < files->thread_count; i++)
        pthread_join(files->threads[i], NULL);
    for (size_t i = 0; i < SLOTS; i++)
        if (files->jobs[i].state != FREE) {
            cf_close_fd(&files->jobs[i].fd);
            free(files->jobs[i].path);
        }
    reader_done(&files->own);
    pthread_cond_destroy(&files->done);
    pthread_cond_destroy(&files->ready);
    pthread_mutex_destroy(&files->mutex);
    free(files);
}

/* What came of a file into the tree; the path of one that failed into path. */
static int collect(struct cf_import_files *files, struct job *job, struct cf_buf *path,
                   struct cf_error *err)
{
    int r = job->r;

    if (r < 0 && err)
        *err = job->err;
    if (r == 0 && (r = cf_node_set_object(files->builder, job->node, &job->digest,
                                          (uint64_t)job->st.st_size)) < 0)
        r = cf_fail_errno(err, -r, "its content in the tree");
    if (r < 0) {
        cf_buf_clear(path);
        (void)cf_buf_add_str(path, job->path);
    }
    cf_close_fd(&job->fd);
    free(CF_TAKE(job->path));
    pthread_mutex_lock(&files->mutex);
    job->state = FREE;
    pthread_mutex_unlock(&files->mutex);
    return r;
}

/* Collects what is done. Waits until there is a free slot (*ret_job), or (NULL) until all are. */
static int wait_for(struct cf_import_files *files, struct job **ret_job, struct cf_buf *path,
                    struct cf_error *err)
{
    for (;;) {
        struct job *done = NULL, *empty = NULL;
        size_t busy = 0;
        pthread_mutex_lock(&files->mutex);
        for (size_t i = 0; i < SLOTS; i++) {
            struct job *job = &files->jobs[i];
            done = job->state == DONE ? job : done;
            empty = job->state == FREE ? job : empty;
            busy += job->state != FREE;
        }
        const bool wait = !done && (ret_job ? !empty : busy > 0);
        if (wait)
            pthread_cond_wait(&files->done, &files->mutex);
        pthread_mutex_unlock(&files->mutex);
        int r = done ? collect(files, done, path, err) : 0;
        if (r < 0)
            return r;
        if (done || wait)
            continue;
        if (ret_job)
            *ret_job = empty;
        return 0;
    }
}

int cf_import_files_settle(struct cf_import_files *files, struct cf_buf *path, struct cf_error *err)
{
    return wait_for(files, NULL, path, err);
}

int cf_import_files_add(struct cf_import_files *files, int fd, const struct stat *st,
                        struct cf_node *node, struct cf_buf *path, struct cf_error *err)
{
    struct job alone = {.fd = fd, .st = *st, .node = node}, *job = NULL;
    const bool small = st->st_size <= CF_INLINE_MAX;

    files->asked += (uint64_t)st->st_size;
    if (!small && files->thread_count == 0 && files->asked > ALONE_MAX)
        start_threads(files);
    if (small || files->thread_count == 0) {
        int r = read_content(&files->own, &alone, err);
        cf_close_fd(&alone.fd);
        return r;
    }
    char *copy = strdup(path->data ? path->data : "");
    int r = copy ? wait_for(files, &job, path, err) : cf_fail(err, -ENOMEM, "out of memory");
    if (r < 0) {
        free(copy);
        (void)close(fd);
        return r;
    }
    alone.path = copy;
    alone.state = READY;
    pthread_mutex_lock(&files->mutex);
    *job = alone;
    pthread_cond_signal(&files->ready);
    pthread_mutex_unlock(&files->mutex);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer of what is here and of what is fetched: the plan is made and carried out when
 * cf_layer_read asks for the first bytes of the tar, and so holds the layer's lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/chunked.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>
#include <cloudfs/tar.h>

#include "chunked_plan.h"
#include "chunked_tables.h"
#include "out.h"
#include "stargz_plan.h"

enum {
    SPLIT_PLAIN_MAX = 64 << 20,
    FRAME_MAX = 64 << 20,
    LOOSE_MAX = 80 << 20, /* a chunk, and headers behind it */
    GAP = 64 << 10,       /* bytes that are cheaper to fetch than to leave out */
    RANGES_MAX = 512,
    FETCHERS = 4,
    WORTH_PERCENT = 60,
};

struct run {
    struct cf_store *store;
    const struct cf_chunked_source *source;
    bool declined; /* the whole blob is to be read instead */
    bool began;
    struct cf_toc toc;
    struct cf_plan plan;
    bool is_stargz;
    enum cf_compression kind; /* of the frames */
    int spool;                /* what was fetched, plain */
    uint64_t spool_end;       /* mutex: of what has its place in it */
    size_t at;                /* piece */
    uint64_t done;            /* bytes of it */
    struct cf_object_cache cache;
    pthread_mutex_t mutex;
    struct cf_piece **order; /* fetches by their place in the blob */
    size_t order_count;
    size_t next;           /* mutex: in order */
    uint64_t gap, fetched; /* fetched: mutex */
    int status;            /* mutex */
    struct cf_error err;   /* mutex */
};

/* ---- tables ---- */

static int add_to_buf(void *context, const void *data, size_t len, struct cf_error *err)
{
    return cf_buf_add(context, data, len) < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

/* Both tables lie side by side: one range. */
static int read_tables(struct run *run, struct cf_error *err)
{
    const struct cf_chunked_source *source = run->source;
    const struct cf_json *notes = source->annotations;
    struct cf_buf packed cf_autobuf = CF_BUF_INIT, split cf_autobuf = CF_BUF_INIT;
    struct cf_table_place toc, tar;
    int r =
        cf_table_place(notes, CF_CHUNKED_POSITION, source->blob_size, CF_TOC_PLAIN_MAX, &toc, err);
    if (r == 0)
        r = cf_table_place(notes, CF_CHUNKED_TARSPLIT, source->blob_size, SPLIT_PLAIN_MAX, &tar,
                           err);
    if (r == 0 && (tar.offset < toc.offset + toc.len || tar.offset - toc.offset > CF_TABLE_MAX))
        r = cf_fail(err, -ENOTSUP, "the tables lie apart");
    if (r == 0)
        r = source->fetch(source->context, toc.offset, tar.offset + tar.len - toc.offset,
                          add_to_buf, &packed, err);
    run->fetched = packed.len;
    if (r == 0)
        r = cf_toc_unpack(notes, packed.data, &toc, &run->toc, err);
    if (r == 0)
        r = cf_table_unpack(packed.data + (tar.offset - toc.offset), &tar, &run->toc.split,
                            "tar-split", &split, err);
    return r == 0 ? cf_plan_make(run->store, &run->toc, split.data, split.len, &run->plan, err) : r;
}

/* ---- fetching ---- */

static int compare_places(const void *a, const void *b)
{
    const uint64_t x = (*(struct cf_piece *const *)a)->chunk->offset;
    const uint64_t y = (*(struct cf_piece *const *)b)->chunk->offset;
    return x < y ? -1 : x > y;
}

/* The next fetches that are one range; their number. */
static size_t next_range(const struct run *run, size_t from)
{
    size_t n = 1;
    while (from + n < run->order_count) {
        const struct cf_toc_chunk *last = run->order[from + n - 1]->chunk;
        const struct cf_toc_chunk *next = run->order[from + n]->chunk;
        if (next->offset > last->end + run->gap)
            break;
        n++;
    }
    return n;
}

static size_t count_ranges(const struct run *run)
{
    size_t count = 0;
    for (size_t at = 0; at < run->order_count; at += next_range(run, at))
        count++;
    return count;
}

/* One range on its way: frames are unpacked as they get whole. */
struct range {
    struct run *run;
    size_t at, end;  /* of order */
    uint64_t offset; /* in the blob, of the next byte */
    struct cf_buf frame, plain;
};

static int keep_frame(struct range *range, const struct cf_piece *piece, struct cf_error *err)
{
    int r = cf_pwrite_full(range->run->spool, range->plain.data, range->plain.len,
                           (off_t)piece->offset);
    return r < 0 ? cf_fail_errno(err, -r, "cannot keep what was fetched") : 0;
}

/* A member that holds more than a chunk: its place is found now. */
static int take_loose(struct range *range, struct cf_piece *piece, struct cf_error *err)
{
    struct run *run = range->run;
    const size_t size = (size_t)piece->chunk->size;
    int r = cf_frames_unpack(run->kind, range->frame.data, range->frame.len, LOOSE_MAX,
                             &range->plain, err);
    if (r == 0 && range->plain.len < size)
        r = cf_fail(err, -EINVAL, "a chunk is shorter than is said");
    if (r == 0 && size > 0)
        r = cf_check_digest(range->plain.data, size, &piece->chunk->digest, "a chunk", err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&run->mutex);
    piece->offset = run->spool_end;
    run->spool_end += range->plain.len;
    pthread_mutex_unlock(&run->mutex);
    piece->size = range->plain.len;
    return keep_frame(range, piece, err);
}

static int take_frame(struct range *range, struct cf_error *err)
{
    struct run *run = range->run;
    struct cf_piece *piece = run->order[range->at++];
    const size_t size = (size_t)piece->size;
    int r = 0;
    cf_buf_clear(&range->plain);
    if (piece->has_tail) {
        r = take_loose(range, piece, err);
    } else {
        if (cf_buf_reserve(&range->plain, size) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        r = cf_frame_unpack(run->kind, range->frame.data, range->frame.len, range->plain.data, size,
                            err);
        if (r == 0)
            r = cf_check_digest(range->plain.data, size, &piece->chunk->digest, "a chunk", err);
        range->plain.len = size;
        if (r == 0)
            r = keep_frame(range, piece, err);
    }
    cf_buf_clear(&range->frame);
    return r;
}

static int take_bytes(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct range *range = context;
    struct run *run = range->run;
    const char *at = data;
    pthread_mutex_lock(&run->mutex);
    run->fetched += len;
    const int status = run->status;
    pthread_mutex_unlock(&run->mutex);
    if (status < 0)
        return cf_fail(err, -ECANCELED, "another range failed");
    while (len > 0 && range->at < range->end) {
        const struct cf_toc_chunk *chunk = run->order[range->at]->chunk;
        size_t n = len;
        if (range->offset < chunk->offset) { /* a gap */
            if (n > chunk->offset - range->offset)
                n = (size_t)(chunk->offset - range->offset);
        } else {
            if (n > chunk->end - range->offset)
                n = (size_t)(chunk->end - range->offset);
            if (cf_buf_add(&range->frame, at, n) < 0)
                return cf_fail(err, -ENOMEM, "out of memory");
        }
        range->offset += n;
        at += n;
        len -= n;
        int r = range->offset == chunk->end ? take_frame(range, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

static int fetch_range(struct run *run, size_t from, size_t count, struct cf_error *err)
{
    const struct cf_chunked_source *source = run->source;
    const uint64_t offset = run->order[from]->chunk->offset;
    const uint64_t end = run->order[from + count - 1]->chunk->end;
    struct range range = {.run = run, .at = from, .end = from + count, .offset = offset};
    int r = source->fetch(source->context, offset, end - offset, take_bytes, &range, err);
    if (r == 0 && range.at != range.end)
        r = cf_fail(err, -EBADMSG, "a range came short");
    cf_buf_done(&range.frame);
    cf_buf_done(&range.plain);
    return r;
}

static void *fetch_some(void *arg)
{
    struct run *run = arg;
    for (;;) {
        struct cf_error err = {0};
        pthread_mutex_lock(&run->mutex);
        const size_t from = run->next;
        const bool over = run->status < 0 || from >= run->order_count;
        const size_t count = over ? 0 : next_range(run, from);
        run->next += count;
        pthread_mutex_unlock(&run->mutex);
        if (over)
            return NULL;
        int r = fetch_range(run, from, count, &err);
        pthread_mutex_lock(&run->mutex);
        if (r < 0 && run->status == 0) {
            run->status = r;
            run->err = err;
        }
        pthread_mutex_unlock(&run->mutex);
    }
}

static int fetch_all(struct run *run, struct cf_error *err)
{
    pthread_t threads[FETCHERS];
    size_t started = 0;
    const size_t ranges = count_ranges(run);
    while (started + 1 < FETCHERS && started + 1 < ranges &&
           cf_thread_start(&threads[started], fetch_some, run) == 0)
        started++;
    (void)fetch_some(run);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    return run->status < 0 ? cf_fail(err, run->status, "%s", run->err.text) : 0;
}

static int order_fetches(struct run *run, struct cf_error *err)
{
    struct cf_plan *plan = &run->plan;
    run->order = calloc(plan->count + 1, sizeof(struct cf_piece *));
    if (!run->order)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < plan->count; i++)
        if (plan->pieces[i].kind == CF_PIECE_FETCH) {
            const struct cf_toc_chunk *chunk = plan->pieces[i].chunk;
            if (chunk->end - chunk->offset > FRAME_MAX || chunk->size > FRAME_MAX)
                return cf_fail(err, -EFBIG, "a chunk is too large");
            run->order[run->order_count++] = &plan->pieces[i];
        }
    if (run->order_count > 1)
        qsort(run->order, run->order_count, sizeof(struct cf_piece *), compare_places);
    for (size_t i = 1; i < run->order_count; i++)
        if (run->order[i]->chunk->offset < run->order[i - 1]->chunk->end)
            return cf_fail(err, -EINVAL, "chunks lie on each other");
    for (run->gap = GAP; count_ranges(run) > RANGES_MAX; run->gap *= 2)
        continue;
    return 0;
}

static int begin(struct run *run, struct cf_error *err)
{
    run->began = true;
    int r = run->is_stargz
                ? cf_stargz_tables(run->source, run->store, &run->kind, &run->toc, &run->plan, err)
                : read_tables(run, err);
    run->spool_end = run->plan.fetch_plain;
    if (r == 0)
        r = order_fetches(run, err);
    if (r < 0)
        return r;
    if (run->plan.fetch_packed > run->source->blob_size / 100 * WORTH_PERCENT) {
        run->declined = true;
        return cf_fail(err, -ECANCELED, "most of it is missing");
    }
    /* Objects that others have put a moment ago must not be lost under the new layer. */
    (void)syncfs(cf_store_root_fd(run->store));
    run->spool = openat(cf_store_tmp_fd(run->store), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (run->spool < 0)
        return cf_fail_errno(err, errno, "cannot make a temporary file");
    return run->order_count > 0 ? fetch_all(run, err) : 0;
}

/* ---- the tar ---- */

static int open_object(struct run *run, const struct cf_digest *digest, struct cf_error *err)
{
    if (run->cache.fd >= 0 && cf_digest_equal(&run->cache.digest, digest))
        return 0;
    cf_object_cache_done(&run->cache);
    run->cache.fd = cf_object_open(run->store, digest);
    run->cache.digest = *digest;
    return run->cache.fd < 0 ? cf_fail_errno(err, -run->cache.fd, "cannot open an object") : 0;
}

static ssize_t read_piece(struct run *run, const struct cf_piece *piece, void *data, size_t len,
                          struct cf_error *err)
{
    const uint64_t left = piece->size - run->done;
    const uint64_t offset = piece->offset + run->done;
    ssize_t n = (ssize_t)(left < len ? left : len);
    int r = 0;
    if (piece->kind == CF_PIECE_RAW) {
        memcpy(data, run->plan.raw.data + offset, (size_t)n);
    } else if (piece->kind == CF_PIECE_HOLE) {
        memset(data, 0, (size_t)n);
    } else {
        if (piece->kind == CF_PIECE_OBJECT)
            r = open_object(run, &piece->object, err);
        const int fd = piece->kind == CF_PIECE_OBJECT ? run->cache.fd : run->spool;
        n = r < 0 ? r : cf_pread_full(fd, data, (size_t)n, (off_t)offset);
        if (r == 0 && n <= 0)
            return cf_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read a part of the layer");
    }
    return n;
}

static ssize_t read_tar(void *context, void *data, size_t len, struct cf_error *err)
{
    struct run *run = context;
    int r = run->began ? 0 : begin(run, err);
    if (r < 0)
        return r;
    while (run->at < run->plan.count && run->done == run->plan.pieces[run->at].size) {
        run->at++;
        run->done = 0;
    }
    if (run->at == run->plan.count)
        return 0;
    const ssize_t n = read_piece(run, &run->plan.pieces[run->at], data, len, err);
    if (n > 0)
        run->done += (uint64_t)n;
    return n;
}

/* The tar's bytes of such a file come from read_tar, out of that very object. */
static bool is_known(void *context, const struct cf_tar_entry *entry, struct cf_digest *ret_digest)
{
    const struct run *run = context;
    if (run->is_stargz) /* parts of it were fetched */
        return false;
    const struct cf_toc_file *file = cf_toc_find(&run->toc, entry->path.data, entry->path.len);
    if (!file || file->size != entry->size || entry->type != '0')
        return false;
    *ret_digest = file->digest;
    return true;
}

/* A list of chunks may have lied. */
static void forget_lists(const struct run *run)
{
    for (size_t i = 0; i < run->plan.count; i++)
        if (run->plan.pieces[i].kind == CF_PIECE_OBJECT)
            cf_object_chunks_drop(run->store, &run->plan.pieces[i].object);
}

static void run_done(struct run *run)
{
    cf_toc_done(&run->toc);
    cf_plan_done(&run->plan);
    cf_close_fd(&run->spool);
    cf_object_cache_done(&run->cache);
    free(run->order);
    pthread_mutex_destroy(&run->mutex);
}

int cf_chunked_read(struct cf_store *store, const struct cf_chunked_source *source,
                    struct cf_error *err)
{
    struct run run cf_cleanup(run_done) = {
        .store = store, .source = source, .spool = -1, .kind = CF_ZSTD, .cache = {.fd = -1}};
    const struct cf_layer_read_options options = {
        .source = read_tar,
        .source_context = &run,
        .what = source->what,
        .expected_diff_id = source->diff_id,
        .known = is_known,
        .known_context = &run,
    };
    struct cf_layer_info info;
    struct cf_error why = {0};
    run.is_stargz = !cf_json_get_string(source->annotations, CF_CHUNKED_CHECKSUM);
    pthread_mutex_init(&run.mutex, NULL);
    int r = cf_layer_read(store, &options, &info, &why);
    if (r == 0 && run.began && !run.is_stargz)
        cf_toc_keep(store, &run.toc);
    if (r == 0 || r == -ENOMEM || r == -ENOSPC || r == -EDQUOT)
        return r < 0 ? cf_fail(err, r, "%s", why.text) : 0;
    if (r == -EBADMSG)
        forget_lists(&run);
    if (!run.declined)
        cf_log(CF_LOG_INFO, "%s: it is fetched whole: %s", source->what, why.text);
    return 1;
}

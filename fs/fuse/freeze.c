/* SPDX-License-Identifier: Apache-2.0 */
/* Freezing and thawing, and the requests that wait meanwhile (engine.h says why they are parked).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/log.h>
#include <cloudfs/scope.h>

#include "engine.h"

#define TMPFILE 51 /* FUSE_TMPFILE, younger than the headers of Debian 12 */
/* A freezer that does not come to hold all writers in this time is told so. */
#define HOLD_SECONDS 10

void cf_engine_track(struct cf_engine *engine, struct cf_handle *handle)
{
    if (!handle->mappable)
        return;
    pthread_mutex_lock(&engine->lock);
    handle->next = engine->mappable;
    if (handle->next)
        handle->next->prev = handle;
    engine->mappable = handle;
    pthread_mutex_unlock(&engine->lock);
}

void cf_engine_untrack(struct cf_engine *engine, struct cf_handle *handle)
{
    if (!handle->mappable)
        return;
    pthread_mutex_lock(&engine->lock);
    if (handle->next)
        handle->next->prev = handle->prev;
    if (handle->prev)
        handle->prev->next = handle->next;
    else if (engine->mappable == handle)
        engine->mappable = handle->next;
    pthread_mutex_unlock(&engine->lock);
}

static int mappable_inodes(struct cf_engine *engine, uint64_t **ret_inos, size_t *ret_count)
{
    size_t count = 0, i = 0;
    pthread_mutex_lock(&engine->lock);
    for (struct cf_handle *h = engine->mappable; h; h = h->next)
        count++;
    uint64_t *inos = calloc(count + 1, sizeof(*inos));
    for (struct cf_handle *h = engine->mappable; inos && h; h = h->next)
        inos[i++] = h->ino;
    pthread_mutex_unlock(&engine->lock);
    if (!inos)
        return -ENOMEM;
    *ret_inos = inos;
    *ret_count = count;
    return 0;
}

/*
 * Makes the kernel write out the dirty pages of shared mappings. syncfs(2) does not wait for FUSE's
 * pages; invalidating an inode's pages does, and other workers take the WRITEs meanwhile. A
 * mapping keeps its descriptor open, so only open files can have such pages.
 */
static int flush_mappings(struct cf_engine *engine)
{
    uint64_t *inos cf_autofree = NULL;
    size_t count = 0;
    int r = mappable_inodes(engine, &inos, &count);
    for (size_t i = 0; r == 0 && i < count; i++)
        (void)fuse_lowlevel_notify_inval_inode(engine->session, inos[i], 0, 0);
    return r;
}

static void set_frozen(struct cf_engine *engine, bool frozen)
{
    pthread_mutex_lock(&engine->lock);
    engine->frozen = frozen;
    if (!frozen)
        engine->holding = false;
    pthread_mutex_unlock(&engine->lock);
    if (!frozen)
        cf_passthrough_let_go(engine);
}

/* The oldest parked request, or NULL when there is none, or when all is frozen again. */
static struct cf_parked *next_parked(struct cf_engine *engine)
{
    struct cf_parked *first = NULL;
    pthread_mutex_lock(&engine->lock);
    if (!engine->frozen && !engine->holding && engine->parked) {
        first = engine->parked;
        engine->parked = first->next;
        if (!engine->parked)
            engine->parked_end = &engine->parked;
    }
    pthread_mutex_unlock(&engine->lock);
    return first;
}

/* An answer without libfuse, which has not seen the request. */
static void answer(struct cf_engine *engine, uint64_t unique, int error)
{
    const struct fuse_out_header reply = {.len = sizeof(reply), .error = error, .unique = unique};
    if (write(fuse_session_fd(engine->session), &reply, sizeof(reply)) < 0)
        cf_log(CF_LOG_DEBUG, "cannot answer a request: %s", strerror(errno));
}

static void process_parked(struct cf_engine *engine)
{
    struct cf_parked *parked;
    while ((parked = next_parked(engine))) {
        cf_engine_note_request(engine, &parked->buf);
        if (parked->holds)
            answer(engine, ((const struct fuse_in_header *)parked->buf.mem)->unique, 0);
        else
            fuse_session_process_buf(engine->session, &parked->buf);
        free(parked->buf.mem);
        free(parked);
    }
}

void cf_engine_drop_parked(struct cf_engine *engine)
{
    set_frozen(engine, false);
    struct cf_parked *parked;
    while ((parked = next_parked(engine))) {
        free(parked->buf.mem);
        free(parked);
    }
}

/* Makes fh the freezer in the place of another; false when that is not the freezer now. */
static bool pass_freezer(struct cf_engine *engine, uint64_t from, uint64_t to)
{
    pthread_mutex_lock(&engine->lock);
    bool mine = engine->freezer == from;
    if (mine)
        engine->freezer = to;
    pthread_mutex_unlock(&engine->lock);
    return mine;
}

/* Also when only held. False: fh is not the freezer. */
static bool end_freeze(struct cf_engine *engine, uint64_t fh)
{
    pthread_mutex_lock(&engine->lock);
    bool mine = fh && engine->freezer == fh && (engine->frozen || engine->holding);
    bool frozen = mine && engine->frozen;
    pthread_mutex_unlock(&engine->lock);
    if (!mine)
        return false;
    set_frozen(engine, false);
    if (frozen)
        cf_union_thaw(engine->u);
    (void)pass_freezer(engine, fh, 0);
    process_parked(engine);
    return true;
}

int cf_engine_hold(struct cf_engine *engine, uint64_t fh, uint64_t *ret_inos, size_t max)
{
    pthread_mutex_lock(&engine->lock);
    bool mine = !engine->freezer || (engine->freezer == fh && !engine->frozen);
    bool first = mine && !engine->holding;
    if (first) {
        engine->freezer = fh;
        engine->holding = true;
    }
    pthread_mutex_unlock(&engine->lock);
    if (!mine)
        return -EBUSY;
    if (first) { /* those on their way are counted when this can be had */
        (void)pthread_rwlock_wrlock(&engine->opening);
        (void)pthread_rwlock_unlock(&engine->opening);
    }
    return (int)cf_passthrough_writers(engine, ret_inos, max);
}

int cf_engine_freeze(struct cf_engine *engine, uint64_t fh)
{
    pthread_mutex_lock(&engine->lock);
    bool held = engine->holding && engine->freezer == fh && !engine->frozen;
    pthread_mutex_unlock(&engine->lock);
    if (!held && !pass_freezer(engine, 0, fh))
        return -EBUSY;
    int r = held ? cf_passthrough_wait_held(engine, HOLD_SECONDS) : 0;
    if (r == 0)
        r = flush_mappings(engine);
    if (r == 0) {
        set_frozen(engine, true);
        r = cf_union_freeze(engine->u);
    }
    if (r < 0) {
        set_frozen(engine, false);
        (void)pass_freezer(engine, fh, 0);
        process_parked(engine);
    }
    return r;
}

int cf_engine_thaw(struct cf_engine *engine, uint64_t fh)
{
    return end_freeze(engine, fh) ? 0 : -EPERM;
}

static bool opens_for_writing(const struct fuse_buf *buf)
{
    const struct fuse_in_header *header = buf->mem;
    const struct fuse_open_in *open_in = (const void *)(header + 1);

    if (header->opcode == FUSE_OPEN && buf->size >= sizeof(*header) + sizeof(*open_in))
        return (open_in->flags & (O_ACCMODE | O_TRUNC)) != O_RDONLY;
    return header->opcode == FUSE_CREATE || header->opcode == TMPFILE;
}

static bool changes_something(const struct fuse_buf *buf)
{
    static const uint32_t changing[] = {
        FUSE_SETATTR,     FUSE_SYMLINK, FUSE_MKNOD,     FUSE_MKDIR,           FUSE_UNLINK,
        FUSE_RMDIR,       FUSE_RENAME,  FUSE_LINK,      FUSE_WRITE,           FUSE_SETXATTR,
        FUSE_REMOVEXATTR, FUSE_RENAME2, FUSE_FALLOCATE, FUSE_COPY_FILE_RANGE,
    };
    const struct fuse_in_header *header = buf->mem;

    if (opens_for_writing(buf))
        return true;
    for (size_t i = 0; i < CF_COUNT(changing); i++)
        if (header->opcode == changing[i])
            return true;
    return false;
}

/* Takes the parked request of that number out of the line; NULL when there is none. */
static struct cf_parked *take_parked(struct cf_engine *engine, uint64_t unique)
{
    struct cf_parked *found = NULL;
    pthread_mutex_lock(&engine->lock);
    struct cf_parked **link = &engine->parked;
    while (*link && ((const struct fuse_in_header *)(*link)->buf.mem)->unique != unique)
        link = &(*link)->next;
    if (*link) {
        found = *link;
        *link = found->next;
        if (!*link)
            engine->parked_end = link;
    }
    pthread_mutex_unlock(&engine->lock);
    return found;
}

/*
 * Whoever waits was interrupted or killed: the parked request fails with EINTR. Without this a
 * freezer that is killed while other threads of it wait would never end, and never thaw.
 */
static bool interrupt_parked(struct cf_engine *engine, const struct fuse_buf *buf)
{
    const struct fuse_in_header *header = buf->mem;
    const struct fuse_interrupt_in *interrupt = (const void *)(header + 1);

    if (buf->size < sizeof(*header) + sizeof(*interrupt))
        return false;
    struct cf_parked *parked = take_parked(engine, interrupt->unique);
    if (!parked)
        return false;
    answer(engine, interrupt->unique, -EINTR);
    free(parked->buf.mem);
    free(parked);
    return true;
}

static bool append_parked(struct cf_engine *engine, const struct fuse_buf *buf, bool holds)
{
    struct cf_parked *parked = malloc(sizeof(*parked));
    if (!parked)
        return false; /* waits inside the union instead */
    *parked = (struct cf_parked){.buf = *buf, .holds = holds};
    *engine->parked_end = parked;
    engine->parked_end = &parked->next;
    return true;
}

/*
 * An FSYNC that comes while the freezer holds writers back, on an inode that is written to past us:
 * its caller keeps the kernel's lock of the inode. Anybody's will do; the freezer's own (holds) has
 * nothing to write out.
 */
static bool holds_back(struct cf_engine *engine, const struct fuse_buf *buf, bool *ret_fsync,
                       bool *ret_holds)
{
    const struct fuse_in_header *header = buf->mem;
    const struct fuse_fsync_in *in = (const void *)(header + 1);

    if (header->opcode != FUSE_FSYNC || buf->size < sizeof(*header) + sizeof(*in))
        return false;
    pthread_mutex_lock(&engine->lock);
    bool holding = engine->holding;
    pthread_mutex_unlock(&engine->lock);
    *ret_fsync = holding && cf_passthrough_hold(engine, header->nodeid);
    *ret_holds = *ret_fsync && ((const struct cf_handle *)(uintptr_t)in->fh)->holder;
    return *ret_fsync;
}

bool cf_engine_park(struct cf_engine *engine, struct fuse_buf *buf)
{
    if ((buf->flags & FUSE_BUF_IS_FD) || buf->size < sizeof(struct fuse_in_header))
        return false;
    if (((const struct fuse_in_header *)buf->mem)->opcode == FUSE_INTERRUPT)
        return interrupt_parked(engine, buf);
    if (!engine->frozen && !engine->holding) /* the freezer waits for those that are behind this */
        return false;
    bool changes = changes_something(buf), fsync = false, holds = false;
    if (!changes && !holds_back(engine, buf, &fsync, &holds))
        return false;
    pthread_mutex_lock(&engine->lock);
    bool wait = fsync || engine->frozen || (engine->holding && opens_for_writing(buf));
    bool parked = wait && append_parked(engine, buf, holds);
    pthread_mutex_unlock(&engine->lock);
    if (parked)
        *buf = (struct fuse_buf){0};
    return parked;
}

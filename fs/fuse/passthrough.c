/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FUSE passthrough: the kernel reads and writes a file of the upper by itself. The kernel's rules
 * (fs/fuse/iomode.c, Linux 6.9 and later), which an open that breaks them pays with EIO:
 *   - an inode is cached or passed through, never both at once;
 *   - all that pass through one inode name the same backing file.
 * So what an inode is at is decided by the first open, and kept until the last release. A file
 * whose content is the lower's is cached: a copy-up gives it another file. What was cached before,
 * and written by passthrough since, is thrown away by the cached opens that come next
 * (cf_file_take_stale).
 *
 * A write has to clear setuid and setgid, which the kernel leaves to us (HANDLE_KILLPRIV_V2) and
 * then does not ask for: so such files are cached. One that becomes setuid while it is open is left
 * to the disk: backing files are named without CAP_FSETID, and then any write clears it, root's
 * too.
 *
 * The kernel's documentation: Documentation/filesystems/fuse/fuse-passthrough.rst.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/log.h>
#include <cloudfs/scope.h>

#include "engine.h"

#define BUCKETS 256

/* As in linux/fuse.h, which is older than this on Debian 12. */
struct backing_map {
    int32_t fd;
    uint32_t flags;
    uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)
#define BACKING_CLOSE _IOW(229, 2, uint32_t)

/* An inode that is open; guarded by its bucket's lock. */
struct cf_open_inode {
    struct cf_open_inode *next;
    uint64_t ino;
    uint32_t handles; /* all of one kind */
    uint32_t writers;
    int backing_id; /* 0: cached */
    bool stale;     /* cached, and what was cached before is not right any more */
    bool held;      /* a parked request keeps the kernel's lock of the inode; see freeze.c */
};

struct cf_open_bucket {
    pthread_mutex_t lock; /* taken last; a backing file is named under it */
    struct cf_open_inode *first;
};

static struct cf_open_bucket *bucket_of(struct cf_engine *engine, uint64_t ino)
{
    return &engine->open_inodes[(ino ^ ino >> 8 ^ ino >> 40) % BUCKETS];
}

/* Lock held. */
static struct cf_open_inode *find(const struct cf_open_bucket *bucket, uint64_t ino)
{
    struct cf_open_inode *i = bucket->first;
    while (i && i->ino != ino)
        i = i->next;
    return i;
}

/* Without memory for it nothing is passed through. */
bool cf_passthrough_init(struct cf_engine *engine)
{
    engine->open_inodes = calloc(BUCKETS, sizeof(*engine->open_inodes));
    for (size_t b = 0; engine->open_inodes && b < BUCKETS; b++)
        (void)pthread_mutex_init(&engine->open_inodes[b].lock, NULL);
    return engine->open_inodes;
}

void cf_passthrough_done(struct cf_engine *engine)
{
    for (size_t b = 0; engine->open_inodes && b < BUCKETS; b++) {
        for (struct cf_open_inode *i = engine->open_inodes[b].first, *next; i; i = next) {
            next = i->next;
            free(i);
        }
        (void)pthread_mutex_destroy(&engine->open_inodes[b].lock);
    }
    free(engine->open_inodes);
}

/* Whether the disk takes O_DIRECT, which the kernel hands on to the backing file. */
static bool takes_flags(int fd, int flags)
{
    if (!(flags & O_DIRECT))
        return true;
    int before = fcntl(fd, F_GETFL);
    if (before < 0 || fcntl(fd, F_SETFL, before | O_DIRECT) < 0)
        return false;
    (void)fcntl(fd, F_SETFL, before);
    return true;
}

/* Credentials stay with a backing file, and belong to a thread: without CAP_FSETID meanwhile. */
static int name_backing(struct cf_engine *engine, int fd)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    static __thread struct __user_cap_data_struct with[2], without[2];
    static __thread bool known;
    struct backing_map map = {.fd = fd};

    if (!known && syscall(SYS_capget, &header, with) < 0)
        return -1;
    known = true;
    memcpy(without, with, sizeof(without));
    without[0].effective &= ~(1u << CAP_FSETID);
    if (syscall(SYS_capset, &header, without) < 0)
        return -1;
    int id = ioctl(fuse_session_fd(engine->session), BACKING_OPEN, &map);
    int error = errno;
    if (syscall(SYS_capset, &header, with) < 0)
        cf_log(CF_LOG_ERROR, "cannot take back CAP_FSETID: %s", strerror(errno));
    errno = error;
    return id;
}

/* The id of a backing file, or 0: this one is cached. */
static int open_backing(struct cf_engine *engine, struct cf_file *file, int flags)
{
    bool owned = false;
    int fd = cf_file_backing(file, &owned);
    if (fd < 0)
        return 0;
    int id = takes_flags(fd, flags) ? name_backing(engine, fd) : 0;
    if (id < 0) {
        cf_log(CF_LOG_DEBUG, "a file cannot be passed through: %s", strerror(errno));
        id = 0;
    }
    if (owned)
        (void)close(fd);
    return id;
}

static void close_backing(struct cf_engine *engine, int id)
{
    uint32_t which = (uint32_t)id;
    if (id > 0 && ioctl(fuse_session_fd(engine->session), BACKING_CLOSE, &which) < 0)
        cf_log(CF_LOG_WARN, "cannot close backing file %d: %s", id, strerror(errno));
}

static bool is_writer(const struct cf_handle *handle)
{
    return (handle->flags & O_ACCMODE) != O_RDONLY;
}

/* The open inode of the handle, with one handle more; lock held. */
static struct cf_open_inode *enter(struct cf_engine *engine, struct cf_open_bucket *bucket,
                                   struct cf_handle *handle)
{
    struct cf_open_inode *i = find(bucket, handle->ino);
    if (!i) {
        i = calloc(1, sizeof(*i));
        if (!i)
            return NULL;
        i->ino = handle->ino;
        if (!handle->privileged)
            i->backing_id = open_backing(engine, handle->file, handle->flags);
        i->stale = !i->backing_id && cf_file_take_stale(handle->file);
        i->next = bucket->first;
        bucket->first = i;
    }
    i->handles++;
    i->writers += is_writer(handle);
    return i;
}

int cf_passthrough_open(struct cf_engine *engine, struct cf_handle *handle,
                        struct fuse_file_info *fi)
{
    fi->keep_cache = 1;
    if (!engine->open_inodes)
        return 0;
    struct cf_open_bucket *bucket = bucket_of(engine, handle->ino);
    pthread_mutex_lock(&bucket->lock);
    const struct cf_open_inode *i = enter(engine, bucket, handle);
    int id = i ? i->backing_id : 0;
    fi->keep_cache = i && !id && !i->stale;
    pthread_mutex_unlock(&bucket->lock);
    if (!i)
        return -ENOMEM;
    handle->counted = true;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    fi->backing_id = id;
#endif
    if (id && is_writer(handle))
        cf_file_set_stale(handle->file);
    return 0;
}

/* Whoever waits for writers to be held looks again. */
static void tell_freezer(struct cf_engine *engine)
{
    if (!engine->awaiting)
        return;
    pthread_mutex_lock(&engine->opens);
    pthread_cond_broadcast(&engine->holding_changed);
    pthread_mutex_unlock(&engine->opens);
}

void cf_passthrough_close(struct cf_engine *engine, struct cf_handle *handle)
{
    if (!handle->counted)
        return;
    struct cf_open_bucket *bucket = bucket_of(engine, handle->ino);
    pthread_mutex_lock(&bucket->lock);
    struct cf_open_inode **link = &bucket->first, *i;
    while ((i = *link)->ino != handle->ino)
        link = &i->next;
    i->writers -= is_writer(handle);
    if (--i->handles == 0) {
        *link = i->next;
        close_backing(engine, i->backing_id);
        free(i);
    }
    pthread_mutex_unlock(&bucket->lock);
    tell_freezer(engine);
}

/* ---- for freezing; see freeze.c ---- */

size_t cf_passthrough_writers(struct cf_engine *engine, uint64_t *ret_inos, size_t max)
{
    size_t count = 0;
    for (size_t b = 0; engine->open_inodes && b < BUCKETS; b++) {
        struct cf_open_bucket *bucket = &engine->open_inodes[b];
        pthread_mutex_lock(&bucket->lock);
        for (struct cf_open_inode *i = bucket->first; i; i = i->next)
            if (i->backing_id && i->writers && !i->held && count < max)
                ret_inos[count++] = i->ino;
        pthread_mutex_unlock(&bucket->lock);
    }
    return count;
}

bool cf_passthrough_hold(struct cf_engine *engine, uint64_t ino)
{
    if (!engine->open_inodes)
        return false;
    struct cf_open_bucket *bucket = bucket_of(engine, ino);
    pthread_mutex_lock(&bucket->lock);
    struct cf_open_inode *i = find(bucket, ino);
    bool held = i && i->backing_id && !i->held;
    if (held)
        i->held = true;
    pthread_mutex_unlock(&bucket->lock);
    if (held)
        tell_freezer(engine);
    return held;
}

int cf_passthrough_wait_held(struct cf_engine *engine, int seconds)
{
    uint64_t one;
    struct timespec until;
    int r = 0;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&engine->opens);
    engine->awaiting = true; /* before the first look */
    while (r == 0 && cf_passthrough_writers(engine, &one, 1))
        r = -pthread_cond_timedwait(&engine->holding_changed, &engine->opens, &until);
    engine->awaiting = false;
    pthread_mutex_unlock(&engine->opens);
    return r;
}

void cf_passthrough_let_go(struct cf_engine *engine)
{
    for (size_t b = 0; engine->open_inodes && b < BUCKETS; b++) {
        struct cf_open_bucket *bucket = &engine->open_inodes[b];
        pthread_mutex_lock(&bucket->lock);
        for (struct cf_open_inode *i = bucket->first; i; i = i->next)
            i->held = false;
        pthread_mutex_unlock(&bucket->lock);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on open regular files. fi->fh is a struct cf_handle. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>

#include <cloudfs/scope.h>

#include "engine.h"

/* The file of an open, or NULL and the reply is given: CF_CONTROL_NAME has none. */
static struct cf_file *file_of(fuse_req_t req, const struct fuse_file_info *fi)
{
    struct cf_file *file = cf_engine_handle(fi)->file;
    if (!file)
        cf_engine_reply(req, -EINVAL);
    return file;
}

static struct cf_handle *handle_new(struct cf_engine *engine, uint64_t ino, int flags)
{
    struct cf_handle *handle = calloc(1, sizeof(*handle));
    if (!handle)
        return NULL;
    handle->ino = ino;
    handle->flags = flags;
    handle->mappable = (flags & O_ACCMODE) == O_RDWR;
    handle->holder = engine->holding && (flags & CF_HOLD_FLAGS) == CF_HOLD_FLAGS;
    return handle;
}

static void handle_close(struct cf_engine *engine, struct cf_handle *handle)
{
    cf_engine_untrack(engine, handle);
    cf_passthrough_close(engine, handle);
    cf_file_close(handle->file);
    free(handle);
}

/* This daemon is the only writer, so what the kernel has cached stays right; and close(2) has
 * nothing to report that write(2) has not. */
static int fill_info(struct cf_engine *engine, struct fuse_file_info *fi, struct cf_handle *handle)
{
    fi->fh = (uintptr_t)handle;
    fi->noflush = 1;
    return cf_passthrough_open(engine, handle, fi);
}

/* Setuid and setgid go; the kernel does not look at the mode again by itself. req: not when its
 * caller may keep them. */
static int kill_priv(struct cf_engine *engine, const struct cf_handle *handle, fuse_req_t req)
{
    struct stat attr;
    int r = cf_union_getattr(engine->u, handle->ino, &attr);
    if (r || !(attr.st_mode & (S_ISUID | S_ISGID)) ||
        (req && cf_engine_is_capable(req, CAP_FSETID)))
        return r;
    r = cf_union_setattr(engine->u, handle->ino, handle->file, &attr, CF_SET_KILL_PRIV, &attr);
    cf_engine_drop_attributes(engine, handle->ino);
    return r;
}

static void opening_unlock(struct cf_engine **engine)
{
    (void)pthread_rwlock_unlock(&(*engine)->opening);
}
/* Until the end of the scope, which is behind the reply, a freezer waits for this open. */
#define OPENING(e)                                                  \
    struct cf_engine *cf_opening_ cf_cleanup(opening_unlock) = (e); \
    (void)pthread_rwlock_rdlock(&(e)->opening)

static int open_handle(fuse_req_t req, fuse_ino_t ino, int flags, struct cf_handle **ret_handle)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct cf_handle *handle = handle_new(engine, ino, flags);
    if (!handle)
        return -ENOMEM;
    int r = cf_union_open_file(engine->u, ino, flags, &handle->file);
    if (r == 0 && (flags & O_TRUNC) && cf_engine_kill_priv())
        r = kill_priv(engine, handle, NULL);
    if (r < 0) {
        cf_file_close(handle->file);
        free(handle);
        return r;
    }
    cf_engine_track(engine, handle);
    *ret_handle = handle;
    return 0;
}

/* For ioctls only. */
static void open_control(fuse_req_t req, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct cf_handle *handle = handle_new(engine, CF_CONTROL_INO, fi->flags);
    if (!handle || (fi->flags & O_ACCMODE) != O_RDONLY) {
        cf_engine_reply(req, handle ? -EACCES : -ENOMEM);
        free(handle);
        return;
    }
    handle->control = true;
    fi->fh = (uintptr_t)handle;
    fi->noflush = 1;
    if (fuse_reply_open(req, fi) != 0)
        free(handle);
}

/* Whether the file is to be prefetched. */
static bool open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct cf_handle *handle = NULL;
    OPENING(engine);
    int r = open_handle(req, ino, fi->flags, &handle);
    if (r == 0 && (r = fill_info(engine, fi, handle)) < 0)
        handle_close(engine, handle);
    if (r < 0) {
        cf_engine_reply(req, r);
        return false;
    }
    bool unread = cf_file_is_unread(handle->file);
    if (fuse_reply_open(req, fi) != 0)
        handle_close(engine, handle);
    return unread;
}

/* Who opened it has things to do before it reads: the disk begins meanwhile. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    if (ino == CF_CONTROL_INO)
        open_control(req, fi);
    else if (open_file(req, ino, fi))
        cf_union_prefetch(engine->u, ino);
}

static void reply_created(fuse_req_t req, const struct cf_entry *entry, struct cf_handle *handle,
                          struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct fuse_entry_param param = {.attr_timeout = CF_FUSE_FOREVER,
                                     .entry_timeout = CF_FUSE_FOREVER,
                                     .attr = entry->attr,
                                     .ino = entry->ino};
    handle->ino = entry->ino;
    handle->privileged = entry->attr.st_mode & (S_ISUID | S_ISGID);
    cf_engine_track(engine, handle);
    int r = fill_info(engine, fi, handle);
    if (r < 0)
        cf_engine_reply(req, r);
    if (r < 0 || fuse_reply_create(req, &param, fi) != 0) {
        handle_close(engine, handle);
        cf_union_forget(engine->u, entry->ino, 1);
    }
}

static void op_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct cf_caller caller = cf_engine_caller(req);
    struct cf_handle *handle = handle_new(engine, 0, fi->flags);
    struct cf_entry entry;
    int r = -ENOMEM;
    OPENING(engine);
    if (handle)
        r = cf_union_create(engine->u, dir, name, mode, fi->flags, &caller, &entry, &handle->file);
    if (r < 0) {
        free(handle);
        cf_engine_reply(req, r);
        return;
    }
    reply_created(req, &entry, handle, fi);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
static void op_tmpfile(fuse_req_t req, fuse_ino_t dir, mode_t mode, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct cf_caller caller = cf_engine_caller(req);
    struct cf_handle *handle = handle_new(engine, 0, fi->flags);
    struct cf_entry entry;
    int r = -ENOMEM;
    OPENING(engine);
    if (handle)
        r = cf_union_tmpfile(engine->u, dir, mode, fi->flags, &caller, &entry, &handle->file);
    if (r < 0) {
        free(handle);
        cf_engine_reply(req, r);
        return;
    }
    reply_created(req, &entry, handle, fi);
}
#endif

/* Copied twice, in a buffer that stays in the processor's cache: half the time of a splice, which
 * handles each page by itself. */
static void reply_content(fuse_req_t req, struct cf_file *file, size_t size, off_t offset)
{
    char *data = cf_engine_buffer(size);
    ssize_t n = data ? cf_file_read(file, data, size, offset) : -ENOMEM;
    if (n < 0)
        cf_engine_reply(req, (int)n);
    else
        (void)fuse_reply_buf(req, data, (size_t)n);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    struct cf_file *file = file_of(req, fi);
    const void *data = NULL;
    size_t len = 0;
    int fd = -1;
    (void)ino;
    if (!file)
        return;
    int r = cf_file_data(file, &fd, &data, &len);
    if (r < 0)
        cf_engine_reply(req, r);
    else if (fd >= 0)
        reply_content(req, file, size, offset);
    else if ((size_t)offset >= len)
        (void)fuse_reply_buf(req, NULL, 0);
    else
        (void)fuse_reply_buf(req, (const char *)data + offset,
                             size < len - (size_t)offset ? size : len - (size_t)offset);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    struct cf_file *file = cf_engine_handle(fi)->file;
    (void)ino;
    /* O_APPEND needs nothing here: the kernel knows the file's end, and gives it as offset. */
    ssize_t n = cf_file_write(file, data, size, offset, cf_engine_kill_priv());
    if (n < 0)
        cf_engine_reply(req, (int)n);
    else
        (void)fuse_reply_write(req, (size_t)n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    cf_engine_reply(req, cf_file_flush(cf_engine_handle(fi)->file));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    (void)ino;
    (void)cf_engine_thaw(engine, fi->fh);
    handle_close(engine, cf_engine_handle(fi));
    cf_engine_reply(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct cf_file *file = file_of(req, fi);
    (void)ino;
    if (file)
        cf_engine_reply(req, cf_file_sync(file, datasync != 0));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t len,
                         struct fuse_file_info *fi)
{
    struct cf_handle *handle = cf_engine_handle(fi);
    (void)ino;
    int r = cf_file_allocate(handle->file, mode, offset, len);
    cf_engine_reply(req, r ? r : kill_priv(cf_engine_of(req), handle, req));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
                     struct fuse_file_info *fi)
{
    struct cf_file *file = file_of(req, fi);
    (void)ino;
    if (!file)
        return;
    off_t r = cf_file_seek(file, offset, whence);
    if (r < 0)
        cf_engine_reply(req, (int)r);
    else
        (void)fuse_reply_lseek(req, r);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t in_ino, off_t in_offset,
                               struct fuse_file_info *in, fuse_ino_t out_ino, off_t out_offset,
                               struct fuse_file_info *out, size_t len, int flags)
{
    (void)in_ino;
    (void)out_ino;
    (void)flags;
    struct cf_handle *to = cf_engine_handle(out);
    struct cf_file *from = file_of(req, in);
    if (!from)
        return;
    ssize_t n = cf_file_copy_range(from, in_offset, to->file, out_offset, len);
    int r = n < 0 ? 0 : kill_priv(cf_engine_of(req), to, req);
    if (r < 0)
        n = r;
    if (n < 0)
        cf_engine_reply(req, (int)n);
    else
        (void)fuse_reply_write(req, (size_t)n);
}

void cf_ops_file(struct fuse_lowlevel_ops *ops)
{
    ops->open = op_open;
    ops->create = op_create;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    ops->tmpfile = op_tmpfile;
#endif
    ops->read = op_read;
    ops->write = op_write;
    ops->flush = op_flush;
    ops->release = op_release;
    ops->fsync = op_fsync;
    ops->fallocate = op_fallocate;
    ops->lseek = op_lseek;
    ops->copy_file_range = op_copy_file_range;
}

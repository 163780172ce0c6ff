/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files. Each finds by itself where its content lies: the node's version changes with a
 * copy-up and the union's epoch with a thaw, and then the file looks again. Descriptors that it
 * had stay open until close, for somebody may be reading from them. A lower file that is opened to
 * be read finds its content with the first read: the kernel may have it already.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

/* A kernel's usual read-ahead: who reads on finds its own. */
#define PREFETCH_MAX (128 << 10)

struct cf_file {
    struct cf_union *u;
    struct cf_vnode *node; /* pinned */
    int flags;             /* of open(2) */
    pthread_mutex_t lock;  /* guards what follows */
    bool routed, upper;    /* content is known; it is the upper file itself */
    bool privileged;       /* it was setuid or setgid when the upper file was opened */
    uint32_t version;
    uint64_t epoch;
    int fd; /* -1: content is in memory */
    const void *data;
    uint64_t len;
    int *old_fds;
    size_t old_count;
};

static bool is_writable(const struct cf_file *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

int cf_file_new(struct cf_union *u, struct cf_vnode *node, int flags, int fd,
                struct cf_file **ret_file)
{
    struct cf_file *file = calloc(1, sizeof(*file));
    if (!file) {
        if (fd >= 0)
            (void)close(fd);
        return -ENOMEM;
    }
    file->u = u;
    file->node = node;
    file->flags = flags;
    file->fd = fd;
    file->routed = file->upper = fd >= 0;
    file->version = node->version;
    file->epoch = u->epoch;
    (void)pthread_mutex_init(&file->lock, NULL);
    cf_vnode_pin(u, node);
    *ret_file = file;
    return 0;
}

void cf_file_close(struct cf_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        (void)close(file->fd);
    for (size_t i = 0; i < file->old_count; i++)
        (void)close(file->old_fds[i]);
    free(file->old_fds);
    cf_vnode_put(file->u, file->node);
    (void)pthread_mutex_destroy(&file->lock);
    free(file);
}

/* ---- routing ---- */

/* Takes fd (-1: memory). The descriptor so far is kept until close, unless both are one file. */
static int set_route(struct cf_file *file, int fd, bool upper, const void *data, uint64_t len)
{
    struct stat a, b;
    if (fd >= 0 && file->fd >= 0 && fstat(fd, &a) == 0 && fstat(file->fd, &b) == 0 &&
        a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
        (void)close(fd);
        fd = file->fd;
    } else if (file->fd >= 0) {
        int *fds = realloc(file->old_fds, (file->old_count + 1) * sizeof(*fds));
        if (!fds) {
            if (fd >= 0)
                (void)close(fd);
            return -ENOMEM;
        }
        file->old_fds = fds;
        file->old_fds[file->old_count++] = file->fd;
    }
    file->fd = fd;
    file->upper = upper;
    file->data = data;
    file->len = len;
    return 0;
}

static int route_to_content(struct cf_file *file, const struct cf_upper_entry *entry)
{
    struct cf_data_source content;
    int r = cf_vnode_content(file->u, file->node, entry, &content);
    if (r)
        return r;
    if (content.kind == CF_DATA_MEMORY)
        return set_route(file, -1, false, content.data, content.size);
    int fd = cf_lower_open(file->u, &content);
    if (fd < 0)
        return fd;
    return set_route(file, fd, false, NULL, content.size);
}

static int route_to_upper(struct cf_file *file)
{
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    int r = cf_vnode_place(file->u, file->node, &place);
    if (r)
        return r;
    int flags = file->flags & (O_ACCMODE | O_SYNC | O_DSYNC); /* as in name.c */
    int fd cf_autoclose = cf_at_open(place.fd, place.name, flags);
    if (fd < 0)
        return fd;
    struct cf_upper_entry entry;
    r = cf_upper_read(fd, "", file->u->user, &entry);
    if (r)
        return r;
    file->privileged = entry.attr.st_mode & (S_ISUID | S_ISGID);
    r = entry.metacopy ? route_to_content(file, &entry)
                       : set_route(file, CF_TAKE_FD(fd), true, NULL, 0);
    cf_upper_entry_done(&entry);
    return r;
}

/* Lock held. */
static int route(struct cf_file *file)
{
    struct cf_union *u = file->u;
    uint32_t version = file->node->version;
    uint64_t epoch = u->epoch;
    if (file->routed && file->version == version && file->epoch == epoch)
        return 0;
    CF_NS_SHARED(u);
    int r = file->node->flags & CF_VN_UPPER ? route_to_upper(file) : route_to_content(file, NULL);
    if (r)
        return r;
    file->version = version;
    file->epoch = epoch;
    file->routed = true;
    return 0;
}

static bool is_in_upper(const struct cf_file *file)
{
    CF_NS_SHARED(file->u);
    return file->node->flags & CF_VN_UPPER;
}

/* The descriptor to write to. A file that commit made a stub is filled again. */
static int route_for_write(struct cf_file *file, int *ret_fd)
{
    if (!is_writable(file))
        return -EBADF;
    for (;;) {
        (void)pthread_mutex_lock(&file->lock);
        int r = route(file);
        bool upper = file->upper;
        int fd = file->fd;
        (void)pthread_mutex_unlock(&file->lock);
        if (r == 0 && upper)
            *ret_fd = fd;
        if (r || upper)
            return r;
        CF_STRIPE(file->u, file->node);
        r = cf_copy_up_data(file->u, file->node, INT64_MAX);
        if (r)
            return r;
    }
}

/* ---- opening ---- */

static int prepare_write(struct cf_union *u, struct cf_vnode *node, int flags)
{
    CF_STRIPE(u, node);
    return flags & O_TRUNC ? cf_vnode_truncate(u, node, 0) : cf_copy_up_data(u, node, INT64_MAX);
}

static int open_changing(struct cf_union *u, struct cf_vnode *node, int flags,
                         struct cf_file **ret_file)
{
    CF_CHANGE(u);
    int r = prepare_write(u, node, flags);
    return r ? r : cf_file_new(u, node, flags, -1, ret_file);
}

int cf_union_open_file(struct cf_union *u, uint64_t ino, int flags, struct cf_file **ret_file)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    if (cf_vnode_is_dir(pin.node))
        return -EISDIR;
    if (cf_vnode_type(pin.node) != S_IFREG)
        return cf_vnode_type(pin.node) == S_IFLNK ? -ELOOP : -ENXIO;
    struct cf_file *file = NULL;
    int r;
    if ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC)
        r = open_changing(u, pin.node, flags, &file);
    else
        r = cf_file_new(u, pin.node, flags, -1, &file);
    if (r)
        return r;
    if (is_writable(file) || is_in_upper(file)) {
        (void)pthread_mutex_lock(&file->lock);
        r = route(file);
        (void)pthread_mutex_unlock(&file->lock);
    }
    if (r)
        cf_file_close(file);
    else
        *ret_file = file;
    return r;
}

/* ---- data ---- */

int cf_file_data(struct cf_file *file, int *ret_fd, const void **ret_data, size_t *ret_len)
{
    (void)pthread_mutex_lock(&file->lock);
    int r = route(file);
    if (!r) {
        *ret_fd = file->fd;
        *ret_data = file->data;
        *ret_len = (size_t)file->len;
    }
    (void)pthread_mutex_unlock(&file->lock);
    return r;
}

ssize_t cf_file_read(struct cf_file *file, void *data, size_t len, off_t offset)
{
    int fd;
    const void *memory;
    size_t size;
    if ((file->flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    int r = cf_file_data(file, &fd, &memory, &size);
    if (r)
        return r;
    if (offset < 0)
        return -EINVAL;
    if (fd >= 0)
        return cf_pread_full(fd, data, len, offset);
    if ((uint64_t)offset >= size)
        return 0;
    size_t n = size - (size_t)offset < len ? size - (size_t)offset : len;
    memcpy(data, (const char *)memory + offset, n);
    return (ssize_t)n;
}

static int kill_privileges(struct cf_file *file, int fd)
{
    struct cf_union *u = file->u;
    struct stat disk, want;
    int r = cf_upper_stat(u, fd, "", &want);
    if (r || cf_mode_without_priv(want.st_mode) == want.st_mode)
        return r;
    CF_STRIPE(u, file->node);
    r = cf_upper_stat(u, fd, "", &want);
    if (!r)
        r = cf_at_stat(fd, "", &disk);
    want.st_mode = cf_mode_without_priv(want.st_mode);
    return r ? r : cf_upper_set_owner(u, fd, "", &disk, &want, u->user);
}

ssize_t cf_file_write(struct cf_file *file, const void *data, size_t len, off_t offset,
                      bool kill_priv)
{
    CF_CHANGE(file->u);
    int fd;
    int r = route_for_write(file, &fd);
    if (!r && kill_priv)
        r = kill_privileges(file, fd);
    if (r)
        return r;
    size_t done = 0;
    while (done < len) {
        ssize_t n = pwrite(fd, (const char *)data + done, len - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return done ? (ssize_t)done : -errno;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* ---- passthrough ---- */

int cf_file_backing(struct cf_file *file, bool *ret_owned)
{
    *ret_owned = false;
    if (!is_in_upper(file))
        return -ENOTSUP;
    (void)pthread_mutex_lock(&file->lock);
    int r = route(file);
    if (!r && (!file->upper || file->privileged))
        r = -ENOTSUP;
    if (!r)
        r = is_writable(file) ? file->fd : cf_at_open(file->fd, "", O_RDWR);
    (void)pthread_mutex_unlock(&file->lock);
    *ret_owned = r >= 0 && !is_writable(file);
    return r;
}

void cf_file_set_stale(struct cf_file *file)
{
    file->node->stale = true;
}

bool cf_file_take_stale(struct cf_file *file)
{
    return atomic_exchange(&file->node->stale, false);
}

/* ---- reading ahead ---- */

bool cf_file_is_unread(struct cf_file *file)
{
    return !file->routed && !atomic_exchange(&file->node->fetched, true);
}

void cf_union_prefetch(struct cf_union *u, uint64_t ino)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    struct cf_data_source content;
    if (!pin.node || pin.node->nid == CF_NID_NONE || cf_lower_content(u, pin.node->nid, &content) ||
        content.kind == CF_DATA_MEMORY)
        return;
    int fd cf_autoclose = cf_lower_open(u, &content);
    if (fd >= 0)
        (void)posix_fadvise(fd, 0, PREFETCH_MAX, POSIX_FADV_WILLNEED);
}

int cf_file_sync(struct cf_file *file, bool data_only)
{
    if (file->u->no_sync)
        return 0;
    (void)pthread_mutex_lock(&file->lock);
    int r = route(file);
    int fd = file->upper ? file->fd : -1;
    (void)pthread_mutex_unlock(&file->lock);
    if (r || fd < 0)
        return r;
    return (data_only ? fdatasync(fd) : fsync(fd)) ? -errno : 0;
}

/* Closing a duplicate gives what disks like NFS have to say, and keeps the file open. */
int cf_file_flush(struct cf_file *file)
{
    if (!is_writable(file))
        return 0;
    (void)pthread_mutex_lock(&file->lock);
    int fd = file->upper && file->fd >= 0 ? dup(file->fd) : -1;
    (void)pthread_mutex_unlock(&file->lock);
    return fd >= 0 && close(fd) ? -errno : 0;
}

int cf_file_allocate(struct cf_file *file, int mode, off_t offset, off_t len)
{
    CF_CHANGE(file->u);
    int fd;
    int r = route_for_write(file, &fd);
    if (r)
        return r;
    return fallocate(fd, mode, offset, len) ? -errno : 0;
}

off_t cf_file_seek(struct cf_file *file, off_t offset, int whence)
{
    int fd;
    const void *memory;
    size_t size;
    int r = cf_file_data(file, &fd, &memory, &size);
    if (r)
        return r;
    if (whence != SEEK_DATA && whence != SEEK_HOLE && whence != SEEK_END)
        return -EINVAL;
    if (fd >= 0) {
        off_t at = lseek(fd, offset, whence);
        return at >= 0 ? at : -errno;
    }
    if (whence == SEEK_END)
        return (off_t)size + offset >= 0 ? (off_t)size + offset : -EINVAL;
    if (offset < 0 || (size_t)offset >= size)
        return -ENXIO;
    return whence == SEEK_DATA ? offset : (off_t)size;
}

ssize_t cf_file_copy_range(struct cf_file *in, off_t in_offset, struct cf_file *out,
                           off_t out_offset, size_t len)
{
    int in_fd;
    const void *memory;
    size_t size;
    int r = cf_file_data(in, &in_fd, &memory, &size);
    if (r)
        return r;
    if (in_fd < 0) {
        if (in_offset < 0 || (size_t)in_offset >= size)
            return in_offset < 0 ? -EINVAL : 0;
        size_t rest = size - (size_t)in_offset;
        return cf_file_write(out, (const char *)memory + in_offset, rest < len ? rest : len,
                             out_offset, false);
    }
    CF_CHANGE(out->u);
    int out_fd;
    r = route_for_write(out, &out_fd);
    if (r)
        return r;
    ssize_t n = copy_file_range(in_fd, &in_offset, out_fd, &out_offset, len, 0);
    return n >= 0 ? n : -errno;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping changes out of an upper while it is read. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/log.h>
#include <cloudfs/pipeline.h>

#include "internal.h"

/* ---- holding back who writes past the daemon; see CF_IOC_HOLD ---- */

struct cf_hold {
    struct cf_hold *next;
    pthread_t thread;
    int fd;
};

/* Returns after the thaw; what it returns tells nothing. */
static void *hold(void *arg)
{
    const struct cf_hold *h = arg;
    (void)fsync(h->fd);
    return NULL;
}

/* As FUSE makes handles: FILEID_INO64_GEN, the number's halves, and a generation. */
static int open_inode(int mount_fd, uint64_t ino)
{
    const uint32_t id[3] = {(uint32_t)(ino >> 32), (uint32_t)ino, 0};
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + sizeof(id)];
    } u = {.handle = {.handle_bytes = sizeof(id), .handle_type = 0x81}};

    memcpy(u.handle.f_handle, id, sizeof(id));
    int fd = open_by_handle_at(mount_fd, &u.handle, O_RDONLY | O_CLOEXEC | CF_HOLD_FLAGS);
    return fd >= 0 ? fd : -errno;
}

static int hold_inode(struct cf_freeze *freeze, uint64_t ino)
{
    int fd cf_autoclose = open_inode(freeze->fd, ino);
    if (fd == -ESTALE || fd == -ENOENT) /* gone meanwhile */
        return 0;
    struct cf_hold *h = fd < 0 ? NULL : calloc(1, sizeof(*h));
    if (!h)
        return fd < 0 ? fd : -ENOMEM;
    h->fd = fd;
    int r = cf_thread_start(&h->thread, hold, h);
    if (r < 0) {
        free(h);
        return r;
    }
    (void)CF_TAKE_FD(fd);
    h->next = freeze->holds;
    freeze->holds = h;
    return 0;
}

/* After a thaw, or the threads wait. */
static void let_go(struct cf_freeze *freeze)
{
    for (struct cf_hold *h = freeze->holds, *next; h; h = next) {
        next = h->next;
        (void)pthread_join(h->thread, NULL);
        (void)close(h->fd);
        free(h);
    }
    freeze->holds = NULL;
}

static bool is_held(const uint64_t *known, size_t count, uint64_t ino)
{
    for (size_t i = 0; i < count; i++)
        if (known[i] == ino)
            return true;
    return false;
}

/* An inode stays in the list until its thread has come to wait, so known ones are passed over. */
static int hold_writers(struct cf_freeze *freeze)
{
    struct cf_buf known cf_autobuf = CF_BUF_INIT;
    bool more = true;

    while (more) {
        struct cf_ioctl_hold list = {0};
        if (ioctl(freeze->fd, CF_IOC_HOLD, &list) < 0)
            return -errno;
        more = false;
        for (uint32_t i = 0; i < list.count; i++) {
            if (is_held((const void *)known.data, known.len / sizeof(uint64_t), list.inos[i]))
                continue;
            int r = cf_buf_add(&known, &list.inos[i], sizeof(list.inos[i]));
            if (r == 0)
                r = hold_inode(freeze, list.inos[i]);
            if (r < 0)
                return r;
            more = true;
        }
        if (!more && list.count == CF_COUNT(list.inos)) /* others may stand behind these */
            more = usleep(1000) == 0;
    }
    return 0;
}

static int freeze_by_ioctl(struct cf_freeze *freeze)
{
    int r = hold_writers(freeze);
    if (r == 0 && ioctl(freeze->fd, CF_IOC_FREEZE) < 0)
        r = -errno;
    if (r < 0) {
        (void)ioctl(freeze->fd, CF_IOC_THAW); /* -EPERM where another froze */
        let_go(freeze);
    }
    return r;
}

static int freeze_live(const struct cf_mount *mount, struct cf_freeze *ret_freeze,
                       struct cf_error *err)
{
    struct cf_ioctl_info info = {0};
    int fd cf_autoclose = open(mount->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(mount->mountpoint));
    if (ioctl(fd, CF_IOC_INFO, &info) < 0 || strncmp(info.id, mount->id, sizeof(info.id)) != 0)
        return cf_fail(err, -EBUSY, "%s shows another filesystem than mount %s",
                       CF_QUOTE(mount->mountpoint), mount->id);
    /* Starts the write-back of shared mappings while nobody has to wait yet. */
    (void)syncfs(fd);
    int control_fd cf_autoclose = openat(fd, CF_CONTROL_NAME, O_RDONLY | O_CLOEXEC);
    if (control_fd < 0)
        return cf_fail_errno(err, errno, "cannot freeze mount %s", mount->id);
    struct cf_freeze freeze = {.fd = control_fd, .live = true};
    int r = freeze_by_ioctl(&freeze);
    if (r == -EBUSY)
        return cf_fail(err, r, "mount %s is frozen by another process", mount->id);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot freeze mount %s", mount->id);
    freeze.fd = CF_TAKE_FD(control_fd);
    *ret_freeze = freeze;
    return 0;
}

/*
 * Nothing holds changes back in the kernel: whoever reads the upper has to look whether it changed
 * meanwhile. The lock is shared among readers, and keeps a discard away.
 */
static int freeze_kernel(struct cf_store *store, const struct cf_mount *mount,
                         struct cf_freeze *ret_freeze, struct cf_error *err)
{
    int lock_fd cf_autoclose = cf_mount_lock_open(store, mount->id);
    int r = lock_fd < 0 ? lock_fd : cf_mount_lock_share(lock_fd);

    if (r == -EBUSY)
        return cf_fail(err, r, "mount %s is in use by another process", mount->id);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot lock mount %s", mount->id);
    int fd cf_autoclose = open(mount->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || syncfs(fd) < 0) /* shared mappings too */
        return cf_fail_errno(err, errno, "cannot write back %s", CF_QUOTE(mount->mountpoint));
    *ret_freeze = (struct cf_freeze){.fd = CF_TAKE_FD(lock_fd), .moving = true};
    return 0;
}

static int freeze_idle(struct cf_store *store, const struct cf_mount *mount,
                       struct cf_freeze *ret_freeze, struct cf_error *err)
{
    int fd cf_autoclose = cf_mount_lock_open(store, mount->id);
    int r = fd < 0 ? fd : cf_mount_claim(mount, fd, err);
    if (fd >= 0 && r < 0)
        return r;
    if (r == 0) /* what a killed daemon left there would make the mount look live */
        r = cf_mount_lock_write_pid(fd, 0);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot lock mount %s", mount->id);
    *ret_freeze = (struct cf_freeze){.fd = CF_TAKE_FD(fd), .live = false};
    return 0;
}

int cf_mount_freeze(struct cf_store *store, const struct cf_mount *mount,
                    struct cf_freeze *ret_freeze, struct cf_error *err)
{
    bool live = mount->state == CF_MOUNT_LIVE && cf_mount_is_shown(mount->mountpoint);
    if (live && cf_mount_is_kernel(mount))
        return freeze_kernel(store, mount, ret_freeze, err);
    return live ? freeze_live(mount, ret_freeze, err) : freeze_idle(store, mount, ret_freeze, err);
}

void cf_mount_thaw(struct cf_freeze *freeze)
{
    if (freeze->fd < 0)
        return;
    if (freeze->live)
        (void)ioctl(freeze->fd, CF_IOC_THAW);
    let_go(freeze);
    cf_close_fd(&freeze->fd);
}

int cf_mount_set_image(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                       const struct cf_digest *manifest, struct cf_error *err)
{
    struct cf_mount changed = *mount;

    if (mount->state == CF_MOUNT_LIVE)
        return cf_fail(err, -EBUSY, "mount %s is mounted: unmount it first", mount->id);
    if (mount->upper) {
        int fd cf_autoclose = open(mount->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fd < 0 ? -errno : cf_dir_is_empty(fd);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot look at %s", CF_QUOTE(mount->upper));
        if (r == 0)
            return cf_fail(err, -ENOTEMPTY, "mount %s has changes that are on top of its image",
                           mount->id);
    }
    changed.manifest = *manifest;
    changed.reference = strdup(reference);
    if (!changed.reference)
        return cf_fail_errno(err, ENOMEM, "mount %s", mount->id);
    int r = cf_mount_save(store, &changed, true, err);
    free(changed.reference);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping changes out of an upper while it is read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cloudfs/log.h>

#include "internal.h"

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
    if (ioctl(fd, CF_IOC_FREEZE) < 0) {
        if (errno == EBUSY)
            return cf_fail(err, -EBUSY, "mount %s is frozen by another process", mount->id);
        return cf_fail_errno(err, errno, "cannot freeze mount %s", mount->id);
    }
    *ret_freeze = (struct cf_freeze){.fd = CF_TAKE_FD(fd), .live = true};
    return 0;
}

static int freeze_idle(struct cf_store *store, const struct cf_mount *mount,
                       struct cf_freeze *ret_freeze, struct cf_error *err)
{
    int fd cf_autoclose = cf_mount_lock_open(store, mount->id);
    int r = fd < 0 ? fd : cf_mount_lock_take_soon(fd);
    if (r == -EBUSY)
        return cf_fail(err, r, "mount %s is in use by another process", mount->id);
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
    return live ? freeze_live(mount, ret_freeze, err) : freeze_idle(store, mount, ret_freeze, err);
}

void cf_mount_thaw(struct cf_freeze *freeze)
{
    if (freeze->fd < 0)
        return;
    if (freeze->live)
        (void)ioctl(freeze->fd, CF_IOC_THAW);
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

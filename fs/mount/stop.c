/* SPDX-License-Identifier: Apache-2.0 */
/* Ending a mount: unmount, wait for the daemon, remove what is not wanted any more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/fuse.h>
#include <cloudfs/io.h>
#include <cloudfs/kernel.h>
#include <cloudfs/log.h>

#include "internal.h"

#define PATIENCE_MS 60000 /* for a daemon that writes back and closes */
#define LAZY_PATIENCE_MS                                                    \
    1000 /* others may keep a lazily unmounted one for as long as they like \
          */

/* The topmost mount at the mount point has to be the one that is meant. */
static int check_mounted(const struct cf_mount *mount, struct cf_error *err)
{
    struct cf_mountinfo info = {0};
    int found = cf_mountinfo_at(mount->mountpoint, &info);
    bool ours = info.ours;
    cf_mountinfo_done(&info);
    if (found < 0)
        return cf_fail_errno(err, -found, "cannot read /proc/self/mountinfo");
    if (!found)
        return cf_fail(
            err, -EBUSY,
            "mount %s is still in use, or mounted in another mount namespace (daemon %d)",
            mount->id, (int)mount->pid);
    if (!ours)
        return cf_fail(err, -EBUSY, "something else is mounted over %s: unmount that first",
                       CF_QUOTE(mount->mountpoint));
    return 0;
}

static int stop_live(struct cf_store *store, const struct cf_mount *mount, bool lazy,
                     bool *ret_gone, struct cf_error *err)
{
    int lock_fd cf_autoclose = cf_mount_lock_open(store, mount->id);

    if (lock_fd == -ENOENT) { /* it ended meanwhile, and left nothing */
        *ret_gone = true;
        return 0;
    }
    if (lock_fd < 0)
        return cf_fail_errno(err, -lock_fd, "cannot open the lock of mount %s", mount->id);
    if (!cf_mount_is_shown(mount->mountpoint) &&
        cf_mount_lock_wait(lock_fd, mount->pid, CF_MOUNT_GRACE_MS)) {
        *ret_gone = true; /* unmounted by another, and just about to end */
        return 0;
    }
    int r = check_mounted(mount, err);
    if (r == 0)
        r = cf_fuse_unmount(mount->mountpoint, lazy, err);
    if (r < 0)
        return r;
    *ret_gone = cf_mount_lock_wait(lock_fd, mount->pid, lazy ? LAZY_PATIENCE_MS : PATIENCE_MS);
    if (!*ret_gone && !lazy)
        return cf_fail(err, -EBUSY,
                       "%s is unmounted, but still in use elsewhere: its daemon %d goes on",
                       CF_QUOTE(mount->mountpoint), (int)mount->pid);
    return 0;
}

/* ---- the kernel engine ---- */

/* What a daemon does at its end: a mount without changes leaves nothing behind. */
static int tidy_kernel(struct cf_store *store, const struct cf_mount *mount, struct cf_error *err)
{
    int lock_fd cf_autoclose = cf_mount_lock_open(store, mount->id);

    if (lock_fd < 0 || cf_mount_lock_take(lock_fd) < 0)
        return 0; /* somebody works on it already */
    if (!cf_kernel_left_nothing(store, mount))
        return 0;
    return cf_mount_forget(store, mount->id, err);
}

/* Gives copies of the mount in namespaces that just end a moment; waiting longer each time, for the
 * kernel logs who asks. */
static bool wait_for_kernel(const struct cf_mount *mount, int patience)
{
    int step = 10;

    while (cf_mount_is_in_kernel(mount)) {
        if (patience <= 0)
            return false;
        const struct timespec rest = {.tv_nsec = step * 1000000L};
        (void)nanosleep(&rest, NULL);
        patience -= step;
        step = step < 320 ? step * 2 : step;
    }
    return true;
}

static int stop_kernel(struct cf_store *store, const struct cf_mount *mount, bool discard,
                       bool lazy, bool *ret_gone, struct cf_error *err)
{
    int r = check_mounted(mount, err);
    if (r == 0)
        r = cf_kernel_unmount(mount->mountpoint, lazy, err);
    if (r < 0)
        return r;
    *ret_gone = wait_for_kernel(mount, lazy ? 0 : CF_MOUNT_GRACE_MS);
    if (!*ret_gone && !lazy)
        return cf_fail(err, -EBUSY, "%s is unmounted, but still mounted elsewhere",
                       CF_QUOTE(mount->mountpoint));
    return *ret_gone && !discard ? tidy_kernel(store, mount, err) : 0;
}

/* ---- throwing away ---- */

/* Empties a directory of the caller's choice, which may be a mount point itself; removes it if
 * that can be. */
static int empty_dir(const char *path, struct cf_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int r = 0;

    if (!dir && errno == ENOENT)
        return 0;
    if (!dir) {
        r = cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(path));
        cf_close_fd(&fd);
        return r;
    }
    while (r == 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = cf_remove_tree(dirfd(dir), entry->d_name);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot empty %s", CF_QUOTE(path));
    (void)rmdir(path);
    return 0;
}

static int discard_changes(struct cf_store *store, const struct cf_mount *mount,
                           struct cf_error *err)
{
    int lock_fd cf_autoclose = cf_mount_lock_open(store, mount->id);
    int r = 0;

    if (lock_fd == -ENOENT)
        return 0;
    if (lock_fd < 0)
        return cf_fail_errno(err, -lock_fd, "cannot lock mount %s", mount->id);
    r = cf_mount_claim(mount, lock_fd, err);
    if (r < 0)
        return r;
    if (mount->upper && !cf_mount_owns_upper(store, mount)) {
        r = empty_dir(mount->upper, err);
        if (r == 0)
            r = empty_dir(mount->work, err);
    }
    return r < 0 ? r : cf_mount_forget(store, mount->id, err);
}

/* What is mounted there later must not be taken for this one. */
static int stop_dead(struct cf_store *store, const struct cf_mount *mount, struct cf_error *err)
{
    int r = cf_fuse_unmount(mount->mountpoint, true, err);
    int lock_fd cf_autoclose = r < 0 ? -1 : cf_mount_lock_open(store, mount->id);

    if (lock_fd >= 0 && cf_mount_lock_take(lock_fd) == 0)
        (void)cf_mount_lock_write_pid(lock_fd, 0);
    return r;
}

int cf_mount_stop(struct cf_store *store, const struct cf_mount *mount, bool discard, bool lazy,
                  struct cf_error *err)
{
    bool gone = true;
    int r = 0;

    if (mount->state == CF_MOUNT_LIVE && cf_mount_is_kernel(mount))
        r = stop_kernel(store, mount, discard, lazy, &gone, err);
    else if (mount->state == CF_MOUNT_LIVE)
        r = stop_live(store, mount, lazy, &gone, err);
    else if (mount->state == CF_MOUNT_DEAD)
        r = stop_dead(store, mount, err);
    else if (!discard)
        r = cf_fail(err, -EINVAL, "mount %s is not mounted (--discard removes its changes)",
                    mount->id);
    if (r < 0)
        return r;
    if (discard && !gone)
        return cf_fail(err, -EBUSY, "%s is unmounted, but still in use: discard %s later",
                       CF_QUOTE(mount->mountpoint), mount->id);
    if (discard || (mount->read_only && mount->state == CF_MOUNT_DEAD))
        return discard_changes(store, mount, err);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of the kernel engine. No process lives with them: that one is live is what the kernel's
 * list of mounts says, and that its upper is in use, the kernel's own mark on that directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/kernel.h>
#include <cloudfs/log.h>

#include "internal.h"

#define STUBS "stubs"        /* in mounts/<id>: the tree that stubs lead to */
#define KERNEL_WORK "kernel" /* in work/: overlayfs's own */

bool cf_mount_is_kernel(const struct cf_mount *mount)
{
    return !strcmp(mount->engine, "kernel");
}

bool cf_mount_is_in_kernel(const struct cf_mount *mount)
{
    return mount->upper && cf_mount_is_kernel(mount) && cf_kernel_has_upper(mount->upper);
}

int cf_mount_claim(const struct cf_mount *mount, int lock_fd, struct cf_error *err)
{
    int r = cf_mount_lock_take_soon(lock_fd);

    if (r == -EBUSY)
        return cf_fail(err, r, "mount %s is in use by another process", mount->id);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot lock mount %s", mount->id);
    if (cf_mount_is_in_kernel(mount))
        return cf_fail(err, -EBUSY,
                       "mount %s is in use still: mounted elsewhere, or with files open",
                       mount->id);
    return 0;
}

int cf_kernel_start_check(const struct cf_mount *mount, struct cf_error *err)
{
    if (!cf_mount_is_kernel(mount))
        return 0;
    if (geteuid() != 0)
        return cf_fail(err, -EPERM, "the kernel engine takes root; an ordinary user has fuse");
    if (mount->user_xattrs)
        return cf_fail(
            err, -EPERM,
            "the kernel engine takes root of the machine (CAP_SYS_ADMIN): upper %s is in "
            "the form of an ordinary user, for fuse only",
            CF_QUOTE(mount->upper));
    return 0;
}

/* ---- the upper ---- */

static int add_stub(void *context, const struct cf_digest *object, uint64_t size)
{
    const struct cf_kernel_stub stub = {.object = *object, .size = size};
    return cf_buf_add(context, &stub, sizeof(stub));
}

/* The tree is durable before the upper is said to need nothing else. */
static int write_stubs(const struct cf_start *start, const char *dir, const struct cf_buf *stubs,
                       struct cf_error *err)
{
    int fd cf_autoclose =
        openat(start->dir_fd, STUBS ".new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot make the tree of stubs");
    int r =
        cf_kernel_write_stubs(dir, (struct cf_kernel_stub *)stubs->data,
                              stubs->len / sizeof(struct cf_kernel_stub), start->dir_fd, fd, err);
    if (r < 0)
        return r;
    if (fsync(fd) < 0 || renameat(start->dir_fd, STUBS ".new", start->dir_fd, STUBS) < 0)
        return cf_fail_errno(err, errno, "cannot make the tree of stubs");
    r = cf_sync_dir(start->dir_fd, ".");
    return r < 0 ? cf_fail_errno(err, -r, "cannot make the tree of stubs") : 0;
}

static int settle_upper(const struct cf_start *start, char dir[CF_STUBS_DIR_SIZE],
                        struct cf_error *err)
{
    struct cf_union *u cf_cleanup(cf_union_close_ptr) = NULL;
    struct cf_buf stubs cf_autobuf = CF_BUF_INIT;
    const struct cf_union_options options = {
        .lower = start->tree,
        .objects_fd = start->objects_fd,
        .upper_fd = start->upper_fd,
        .work_fd = start->work_fd,
    };
    int r = cf_union_open(&options, &u, err);

    if (r == 0)
        r = cf_union_settle(u, add_stub, &stubs, dir, err);
    if (r == 0 && *dir)
        r = write_stubs(start, dir, &stubs, err);
    if (r < 0)
        return r;
    r = cf_upper_set_settled(start->upper_fd, dir);
    return r < 0 ? cf_fail_errno(err, -r, "cannot make the upper directory fit for the kernel") : 0;
}

/* *ret_fd: the tree of stubs, or -1. */
static int open_stubs(const struct cf_start *start, int *ret_fd, struct cf_error *err)
{
    char dir[CF_STUBS_DIR_SIZE];
    int r = cf_upper_settled(start->upper_fd, dir);

    if (r < 0 || (*dir && faccessat(start->dir_fd, STUBS, R_OK, 0) < 0))
        r = settle_upper(start, dir, err);
    if (r < 0 || !*dir)
        return r;
    *ret_fd = openat(start->dir_fd, STUBS, O_RDONLY | O_CLOEXEC);
    return *ret_fd < 0 ? cf_fail_errno(err, errno, "cannot open the tree of stubs") : 0;
}

/* ---- mounting ---- */

static int name_parts(const struct cf_start *start, struct cf_buf *source, struct cf_buf *objects,
                      struct cf_buf *work, struct cf_buf *scratch)
{
    const char *root = cf_store_root(start->store), *name = start->settings.fsname;
    const struct cf_mount *mount = start->mount;
    int r =
        name ? cf_buf_add_str(source, name) : cf_buf_printf(source, "cloudfs:%s", mount->reference);

    if (r == 0) /* by which it is known in the list of mounts */
        r = cf_buf_printf(source, "@%s", mount->id);
    if (r == 0)
        r = cf_buf_printf(objects, "%s/objects", root);
    if (r == 0)
        r = cf_buf_printf(scratch, "%s/mounts/%s", root, mount->id);
    return r == 0 && mount->work ? cf_buf_printf(work, "%s/" KERNEL_WORK, mount->work) : r;
}

static int mount_it(const struct cf_start *start, int stubs_fd, struct cf_error *err)
{
    struct cf_buf source cf_autobuf = CF_BUF_INIT, objects cf_autobuf = CF_BUF_INIT,
                         work cf_autobuf = CF_BUF_INIT, scratch cf_autobuf = CF_BUF_INIT;
    int r = name_parts(start, &source, &objects, &work, &scratch);

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot mount");
    if (start->work_fd >= 0 && mkdirat(start->work_fd, KERNEL_WORK, 0700) < 0 && errno != EEXIST)
        return cf_fail_errno(err, errno, "cannot make %s", CF_QUOTE(work.data));
    const struct cf_kernel_mount mount = {
        .mountpoint = start->mount->mountpoint,
        .source = source.data,
        .tree_fd = start->tree_fd,
        .stubs_fd = stubs_fd,
        .objects = objects.data,
        .upper = start->mount->upper,
        .work = work.data,
        .scratch = scratch.data,
        .flags = start->settings.flags,
        .context = start->settings.context,
    };
    return cf_kernel_mount(&mount, err);
}

/* In a process of its own, for nobody waits for the disk. */
static void sync_aside(const struct cf_start *start)
{
    if (cf_fork_orphan() == 0) {
        (void)close_range(0, 2, 0);
        (void)cf_start_sync(start);
        _exit(0);
    }
}

/* The kernel says when its list of mounts changes. */
static int wait_for_end(const struct cf_mount *mount, struct cf_error *err)
{
    struct pollfd fds = {.fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC),
                         .events = POLLPRI};
    int fd cf_autoclose = fds.fd;
    int shown = fd < 0 ? -errno : 1;

    while (shown == 1) {
        struct cf_mountinfo info = {0};
        shown = cf_mountinfo_of_mount(mount->id, &info);
        cf_mountinfo_done(&info);
        if (shown == 1 && poll(&fds, 1, -1) < 0 && errno != EINTR)
            shown = -errno;
    }
    return shown < 0 ? cf_fail_errno(err, -shown, "cannot read /proc/self/mountinfo") : 0;
}

int cf_kernel_start(struct cf_start *start, struct cf_error *err)
{
    int stubs_fd cf_autoclose = -1;
    int r = start->upper_fd < 0 ? 0 : open_stubs(start, &stubs_fd, err);

    if (r == 0)
        r = mount_it(start, stubs_fd, err);
    /* Nobody's number: the mount itself tells that it is live. */
    (void)cf_mount_lock_write_pid(start->lock_fd, 0);
    cf_close_fd(&start->lock_fd);
    if (r < 0)
        return cf_fail_in(err, r, "kernel engine");
    sync_aside(start);
    if (!start->foreground)
        return 0;
    cf_store_unlock(start->store);
    return wait_for_end(start->mount, err);
}

/* ---- after the end ---- */

bool cf_kernel_left_nothing(struct cf_store *store, const struct cf_mount *mount)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_union *u cf_cleanup(cf_union_close_ptr) = NULL;

    if (mount->read_only)
        return true;
    int upper_fd cf_autoclose = open(mount->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int work_fd cf_autoclose = open(mount->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (upper_fd < 0 || work_fd < 0 || cf_dir_is_empty(upper_fd) != 1)
        return false;
    if (cf_image_load(store, &mount->manifest, &image, NULL) < 0 ||
        cf_image_tree(store, image, &tree, NULL, NULL) < 0)
        return false;
    const struct cf_union_options options = {
        .lower = tree,
        .objects_fd = cf_store_objects_fd(store),
        .upper_fd = upper_fd,
        .work_fd = work_fd,
    };
    return cf_union_open(&options, &u, NULL) == 0 &&
           cf_mount_is_unchanged(cf_mount_owns_upper(store, mount), upper_fd, u, tree);
}

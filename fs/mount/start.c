/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a mount: everything that can be refused is checked here, before the fork. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/fuse.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "internal.h"

void cf_start_done(struct cf_start *start)
{
    cf_close_fd(&start->objects_fd);
    cf_close_fd(&start->mounts_fd);
    cf_close_fd(&start->dir_fd);
    cf_close_fd(&start->upper_fd);
    cf_close_fd(&start->work_fd);
    cf_close_fd(&start->lock_fd);
    cf_close_fd(&start->tree_fd);
    cf_tree_close(start->tree);
    cf_stack_close(start->stack);
    cf_mount_free(start->mount);
    cf_mount_free(start->before);
    cf_settings_done(&start->settings);
}

/* ---- the mount point ---- */

static int check_place(const char *path, bool nonempty, struct cf_error *err)
{
    int fd cf_autoclose = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOTCONN)
        return cf_fail(err, -EBUSY, "%s is a mount whose daemon is gone: unmount it first",
                       CF_QUOTE(path));
    if (fd < 0 && errno == ENOENT)
        return cf_fail(err, -ENOENT, "mount point %s does not exist", CF_QUOTE(path));
    if (fd < 0 && errno == ENOTDIR)
        return cf_fail(err, -ENOTDIR, "mount point %s is not a directory", CF_QUOTE(path));
    if (fd < 0)
        return cf_fail_errno(err, errno, "mount point %s", CF_QUOTE(path));
    if (cf_mount_is_shown(path))
        return cf_fail(err, -EBUSY, "%s is a cloudfs mount already", CF_QUOTE(path));
    int r = nonempty ? 1 : cf_dir_is_empty(fd);
    if (r < 0)
        return cf_fail_errno(err, -r, "mount point %s", CF_QUOTE(path));
    return r ? 0
             : cf_fail(err, -ENOTEMPTY, "mount point %s is not empty (-o nonempty mounts over it)",
                       CF_QUOTE(path));
}

int cf_start_place(struct cf_start *start, const char *path, bool nonempty, struct cf_error *err)
{
    char *full cf_autofree = cf_path_resolve(path);
    if (!full)
        return cf_fail_errno(err, ENOMEM, "mount point");
    if (!*path)
        return cf_fail(err, -EINVAL, "the mount point is an empty string");
    int r = check_place(full, nonempty || start->settings.nonempty, err);
    if (r < 0)
        return r;
    free(start->mount->mountpoint);
    start->mount->mountpoint = CF_TAKE(full);
    return 0;
}

/* ---- upper and work ---- */

static int open_dir(const char *path, bool make, int *ret_fd, struct cf_error *err)
{
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
        return cf_fail_errno(err, errno, "cannot make directory %s", CF_QUOTE(path));
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? cf_fail_errno(err, errno, "cannot open directory %s", CF_QUOTE(path)) : 0;
}

int cf_start_open_upper(struct cf_start *start, bool make, struct cf_error *err)
{
    struct stat upper, work;

    if (start->mount->read_only)
        return 0;
    int r = open_dir(start->mount->upper, make, &start->upper_fd, err);
    if (r == 0)
        r = open_dir(start->mount->work, make, &start->work_fd, err);
    if (r < 0)
        return r;
    if (fstat(start->upper_fd, &upper) < 0 || fstat(start->work_fd, &work) < 0)
        return cf_fail_errno(err, errno, "cannot look at %s", CF_QUOTE(start->mount->upper));
    if (upper.st_dev != work.st_dev)
        return cf_fail(err, -EXDEV, "%s and %s are not on one filesystem",
                       CF_QUOTE(start->mount->upper), CF_QUOTE(start->mount->work));
    start->own_upper = start->store && cf_mount_owns_upper(start->store, start->mount);
    return 0;
}

bool cf_start_lacks_trusted(int dirfd)
{
    static const char probe[] = "trusted.overlay.cloudfs.probe";
    if (fsetxattr(dirfd, probe, "", 0, 0) < 0)
        return errno == EPERM;
    (void)fremovexattr(dirfd, probe);
    return false;
}

/* Two mounts on top of different images with one upper would make rubbish of it. */
static int refuse_shared_upper(struct cf_start *start, struct cf_error *err)
{
    char id[CF_MOUNT_ID_SIZE];
    int r = cf_mount_find_upper(start->store, start->mount->upper, id, err);
    if (r == 0)
        return cf_fail(err, -EBUSY, "upper %s belongs to mount %s: resume or discard that",
                       CF_QUOTE(start->mount->upper), id);
    return r == -ENOENT ? 0 : r;
}

static int name_upper(struct cf_start *start, const char *upper, struct cf_error *err)
{
    struct cf_mount *mount = start->mount;
    struct cf_buf beside cf_autobuf = CF_BUF_INIT;
    const char *work = start->settings.work;

    if (mount->read_only)
        return 0;
    if (!upper) {
        mount->upper = cf_mount_path(start->store, mount->id, "upper");
        mount->work = cf_mount_path(start->store, mount->id, "work");
        return mount->upper && mount->work ? 0 : cf_fail_errno(err, ENOMEM, "upper");
    }
    mount->upper = cf_path_resolve(upper);
    if (!mount->upper || (!work && cf_buf_printf(&beside, "%s.work", mount->upper) < 0))
        return cf_fail_errno(err, ENOMEM, "upper");
    mount->work = cf_path_resolve(work ? work : beside.data);
    if (!mount->work)
        return cf_fail_errno(err, ENOMEM, "upper");
    return refuse_shared_upper(start, err);
}

/* ---- a new mount, or one that goes on ---- */

static int open_files(struct cf_start *start, struct cf_error *err)
{
    const char *id = start->mount->id;

    start->mounts_fd =
        openat(cf_store_mounts_fd(start->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    start->objects_fd = fcntl(cf_store_objects_fd(start->store), F_DUPFD_CLOEXEC, 3);
    start->dir_fd = openat(start->mounts_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (start->mounts_fd < 0 || start->objects_fd < 0 || start->dir_fd < 0)
        return cf_fail_errno(err, errno, "cannot open the files of mount %s", id);
    start->lock_fd = cf_mount_lock_open(start->store, id);
    if (start->lock_fd < 0)
        return cf_fail_errno(err, -start->lock_fd, "cannot open the lock of mount %s", id);
    int r = cf_mount_claim(start->mount, start->lock_fd, err);
    if (r < 0)
        return r;
    if (r == 0) /* a name for who starts: until the daemon has written its own */
        r = cf_mount_lock_write_pid(start->lock_fd, getpid());
    return r < 0 ? cf_fail_errno(err, -r, "cannot lock mount %s", id) : 0;
}

static int describe_new(struct cf_start *start, const struct cf_mount_options *options,
                        const struct cf_image *image)
{
    struct cf_mount *mount = start->mount;

    cf_random_name(mount->id);
    mount->manifest = image->manifest;
    mount->read_only = options->read_only || start->settings.read_only;
    mount->created = time(NULL);
    mount->reference = strdup(options->reference);
    mount->engine = strdup(options->engine ? options->engine : "fuse");
    mount->options = strdup(options->options ? options->options : "");
    return mount->reference && mount->engine && mount->options ? 0 : -ENOMEM;
}

static int make_new(struct cf_start *start, const char *upper, struct cf_error *err)
{
    struct cf_mount *mount = start->mount;

    int r = name_upper(start, upper, err);
    if (r < 0)
        return r;
    if (mkdirat(cf_store_mounts_fd(start->store), mount->id, 0700) < 0)
        return cf_fail_errno(err, errno, "cannot make %s/mounts/%s", cf_store_root(start->store),
                             mount->id);
    start->fresh = true;
    r = open_files(start, err);
    if (r == 0)
        r = cf_start_open_upper(start, true, err);
    if (r < 0)
        return r;
    if (!mount->read_only)
        mount->user_xattrs = geteuid() != 0 || cf_start_lacks_trusted(start->upper_fd);
    r = cf_kernel_start_check(mount, err);
    return r < 0 ? r : cf_mount_save(start->store, mount, false, err);
}

static int start_new(struct cf_start *start, const struct cf_mount_options *options,
                     struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    const char *upper = options->upper ? options->upper : start->settings.upper;

    if (!options->reference || !options->mountpoint)
        return cf_fail(err, -EINVAL, "a mount takes an image and a mount point");
    start->mount = calloc(1, sizeof(*start->mount));
    if (!start->mount)
        return cf_fail_errno(err, ENOMEM, "mount");
    int r = cf_image_find(start->store, options->reference, &image, err);
    if (r == 0)
        r = cf_start_place(start, options->mountpoint, options->nonempty, err);
    if (r == 0)
        r = cf_image_tree(start->store, image, &start->tree, &start->tree_fd, err);
    if (r < 0)
        return r;
    r = describe_new(start, options, image);
    if (r < 0)
        return cf_fail_errno(err, -r, "mount");
    return make_new(start, upper, err);
}

/* The options of the last time, where none are given now. */
static int take_options(struct cf_start *start, const struct cf_mount_options *options,
                        struct cf_error *err)
{
    struct cf_mount *mount = start->mount;

    if (!options->options) {
        cf_settings_done(&start->settings);
        return cf_settings_parse(mount->options, geteuid() == 0, &start->settings, err);
    }
    free(mount->options);
    mount->options = strdup(options->options);
    return mount->options ? 0 : cf_fail_errno(err, ENOMEM, "mount options");
}

/* That of the last time, where none is given now. */
static int take_engine(struct cf_mount *mount, const char *engine, struct cf_error *err)
{
    if (engine) {
        free(mount->engine);
        mount->engine = strdup(engine);
    }
    return mount->engine ? cf_kernel_start_check(mount, err) : cf_fail_errno(err, ENOMEM, "mount");
}

static bool is_described(const struct cf_mount *mount, const struct cf_mount *before)
{
    return !strcmp(mount->mountpoint, before->mountpoint) &&
           !strcmp(mount->engine, before->engine) && !strcmp(mount->options, before->options);
}

static int start_again(struct cf_start *start, const struct cf_mount_options *options,
                       struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;

    if (options->upper || start->settings.upper)
        return cf_fail(err, -EINVAL, "a resumed mount has its upper already");
    int r = cf_mount_find(start->store, options->resume, &start->mount, err);
    if (r == 0)
        r = cf_mount_load(start->store, start->mount->id, &start->before, err);
    if (r < 0)
        return r;
    struct cf_mount *mount = start->mount;
    if (mount->state == CF_MOUNT_LIVE && cf_mount_is_shown(mount->mountpoint))
        return cf_fail(err, -EBUSY, "mount %s is mounted on %s", mount->id,
                       CF_QUOTE(mount->mountpoint));
    if (mount->state == CF_MOUNT_DEAD)
        (void)cf_fuse_unmount(mount->mountpoint, true, NULL);
    r = take_options(start, options, err);
    if (r == 0)
        r = cf_start_place(start, options->mountpoint ? options->mountpoint : mount->mountpoint,
                           options->nonempty, err);
    if (r == 0)
        r = cf_image_load(start->store, &mount->manifest, &image, err);
    if (r == 0)
        r = cf_image_tree(start->store, image, &start->tree, &start->tree_fd, err);
    if (r == 0)
        r = open_files(start, err);
    if (r == 0)
        r = cf_start_open_upper(start, true, err);
    if (r == 0)
        r = take_engine(mount, options->engine, err);
    if (r < 0)
        return r;
    return is_described(mount, start->before) ? 0 : cf_mount_save(start->store, mount, true, err);
}

/* A start that failed has not been. */
static void put_back(struct cf_start *start)
{
    if (start->fresh)
        (void)cf_mount_forget(start->store, start->mount->id, NULL);
    else if (start->before && !is_described(start->mount, start->before))
        (void)cf_mount_save(start->store, start->before, true, NULL);
}

int cf_start_sync(const struct cf_start *start)
{
    int fd cf_autoclose = openat(start->dir_fd, "mount.json", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || fsync(start->dir_fd) < 0 || fsync(start->mounts_fd) < 0)
        return -errno;
    return 0;
}

/* ---- the fork ---- */

static int wait_ready(struct cf_start *start, int wait_fd, struct cf_error *err)
{
    struct cf_error told;
    struct statfs st;

    ssize_t n = cf_read_full(wait_fd, &told, sizeof(told));
    if (n != (ssize_t)sizeof(told))
        return cf_fail(err, -EIO, "the mount's daemon ended before it answered");
    told.text[sizeof(told.text) - 1] = '\0';
    if (told.code < 0)
        return cf_fail(err, told.code, "%s", told.text);
    if (statfs(start->mount->mountpoint, &st) < 0)
        return cf_fail_errno(err, errno, "the mount on %s does not answer",
                             CF_QUOTE(start->mount->mountpoint));
    return 0;
}

static int run_in_background(struct cf_start *start, struct cf_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int wait_fd cf_autoclose = ends[0], ready_fd cf_autoclose = ends[1];
    int r = cf_fork_orphan();
    if (r == 0) {
        cf_close_fd(&wait_fd);
        cf_daemon_enter(start, ready_fd);
    }
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot start the mount's daemon");
    cf_close_fd(&ready_fd);
    cf_close_fd(&start->lock_fd); /* the daemon's from here on */
    r = wait_ready(start, wait_fd, err);
    if (r < 0 && cf_mount_is_dead_at(start->mount->mountpoint)) /* it was killed */
        (void)cf_fuse_unmount(start->mount->mountpoint, true, NULL);
    return r;
}

static int run_in_foreground(struct cf_start *start, struct cf_error *err)
{
    int nobody = -1;
    mode_t before = umask(0);
    if (start->store)
        cf_store_unlock(start->store); /* gc would wait for the end of this mount */
    int r = cf_daemon_run(start, &nobody, err);
    (void)umask(before);
    return r;
}

int cf_start_run(struct cf_start *start, bool foreground, struct cf_error *err)
{
    return foreground ? run_in_foreground(start, err) : run_in_background(start, err);
}

static int start_parsed(struct cf_start *start, const struct cf_mount_options *options,
                        struct cf_error *err)
{
    int r = options->resume ? start_again(start, options, err) : start_new(start, options, err);
    if (r < 0)
        return r;
    r = cf_mount_is_kernel(start->mount) ? cf_kernel_start(start, err)
                                         : cf_start_run(start, options->foreground, err);
    return r < 0 ? cf_fail_in(err, r, "mount %s", start->mount->reference) : 0;
}

int cf_mount_start(struct cf_store *store, const struct cf_mount_options *options,
                   char ret_id[CF_MOUNT_ID_SIZE], struct cf_error *err)
{
    struct cf_start start cf_cleanup(cf_start_done) = CF_START_INIT;

    start.store = store;
    start.foreground = options->foreground;
    if (options->engine && strcmp(options->engine, "fuse") && strcmp(options->engine, "kernel"))
        return cf_fail(err, -EINVAL, "there is no engine %s: fuse or kernel",
                       CF_QUOTE(options->engine));
    int r = cf_settings_parse(options->options, geteuid() == 0, &start.settings, err);
    if (r == 0 && start.settings.lower)
        r = cf_fail(err, -EINVAL, "lowerdir= and an image exclude each other");
    if (r == 0)
        r = start_parsed(&start, options, err);
    if (r < 0)
        put_back(&start);
    if (r == 0)
        memcpy(ret_id, start.mount->id, CF_MOUNT_ID_SIZE);
    return r;
}

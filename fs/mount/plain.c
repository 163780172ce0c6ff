/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of plain directories, as overlayfs and fuse-overlayfs make them: no store, no image, no
 * ID; what there is to know is in the options. They end with any kind of unmount.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cloudfs/fuse.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "internal.h"

#define PATIENCE_MS 60000 /* for a daemon that writes back and closes */

bool cf_mount_is_plain(const char *options)
{
    struct cf_settings settings;
    if (cf_settings_parse(options, false, &settings, NULL) < 0)
        return false;
    bool plain = settings.lower;
    cf_settings_done(&settings);
    return plain;
}

/* ---- starting ---- */

/* Whether trusted.* is ours to read: where there is no upper to try it on. */
static bool is_ordinary(void)
{
    struct cf_buf map cf_autobuf = CF_BUF_INIT;
    unsigned inside, outside, count;
    if (geteuid() != 0)
        return true;
    if (cf_read_file(AT_FDCWD, "/proc/self/uid_map", 65536, &map) < 0 || !map.data)
        return false;
    return sscanf(map.data, "%u %u %u", &inside, &outside, &count) != 3 || count != UINT32_MAX;
}

static int describe(struct cf_start *start, const struct cf_mount_options *options)
{
    struct cf_mount *mount = start->mount;
    const struct cf_settings *settings = &start->settings;

    mount->read_only = options->read_only || settings->read_only || !settings->upper;
    mount->reference = strdup(options->reference ? options->reference : "cloudfs");
    if (mount->read_only)
        return mount->reference ? 0 : -ENOMEM;
    struct cf_buf beside cf_autobuf = CF_BUF_INIT;
    mount->upper = cf_path_resolve(settings->upper);
    if (!mount->reference || !mount->upper ||
        (!settings->work && cf_buf_printf(&beside, "%s.work", mount->upper) < 0))
        return -ENOMEM;
    mount->work = cf_path_resolve(settings->work ? settings->work : beside.data);
    return mount->work ? 0 : -ENOMEM;
}

static int open_lower(struct cf_start *start, struct cf_error *err)
{
    char **paths cf_autofree = NULL;
    struct cf_stack_options options = {.user_xattrs = start->mount->user_xattrs};

    int r =
        cf_lower_paths(start->settings.lower, &paths, &options.lower_count, &options.data_count);
    if (r < 0)
        return r == -EINVAL ? cf_fail(err, r, "lowerdir=%s: an empty name, or a ':' behind '::'",
                                      start->settings.lower)
                            : cf_fail_errno(err, -r, "lowerdir=");
    options.paths = (const char *const *)paths;
    return cf_stack_open(&options, &start->stack, err);
}

static int start_plain(struct cf_start *start, const struct cf_mount_options *options,
                       struct cf_error *err)
{
    start->mount = calloc(1, sizeof(*start->mount));
    int r = start->mount ? describe(start, options) : -ENOMEM;
    if (r < 0)
        return cf_fail_errno(err, -r, "mount");
    /* any tool may mount over what is there, as overlayfs lets it */
    r = cf_start_place(start, options->mountpoint, true, err);
    if (r == 0)
        r = cf_start_open_upper(start, !start->settings.work, err);
    if (r < 0)
        return r;
    start->mount->user_xattrs =
        start->settings.user_xattrs ||
        (start->upper_fd >= 0 ? cf_start_lacks_trusted(start->upper_fd) : is_ordinary());
    r = open_lower(start, err);
    return r < 0 ? r : cf_start_run(start, options->foreground, err);
}

int cf_mount_plain(const struct cf_mount_options *options, struct cf_error *err)
{
    struct cf_start start cf_cleanup(cf_start_done) = CF_START_INIT;

    if (options->engine && strcmp(options->engine, "fuse") != 0)
        return cf_fail(err, -ENOTSUP, "plain directories are mounted with the engine fuse");
    if (options->upper || options->resume)
        return cf_fail(err, -EINVAL, "with lowerdir= the changes are in upperdir=");
    int r = cf_settings_parse(options->options, geteuid() == 0, &start.settings, err);
    if (r == 0 && !start.settings.lower)
        r = cf_fail(err, -EINVAL, "lowerdir= is missing");
    return r < 0 ? r : start_plain(&start, options, err);
}

/* ---- ending ---- */

static int ask(const char *path, struct cf_ioctl_info *ret_info)
{
    int fd cf_autoclose = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || ioctl(fd, CF_IOC_INFO, ret_info) < 0 ? -errno : 0;
}

bool cf_mount_is_plain_at(const char *path)
{
    struct cf_ioctl_info info = {0};
    char *full cf_autofree = cf_path_resolve(path);
    if (!full || !cf_mount_is_shown(full))
        return false;
    return cf_mount_is_dead_at(full) ? false : ask(full, &info) == 0 && !info.id[0];
}

/* A descriptor that tells of the daemon's end; -1: not known, or in another PID namespace. */
static int watch_daemon(const char *path)
{
    struct cf_ioctl_info info = {0};
    char comm[64];
    struct cf_buf name cf_autobuf = CF_BUF_INIT;
    if (ask(path, &info) < 0 || info.pid <= 0)
        return -1;
    int pid_fd cf_autoclose = (int)syscall(SYS_pidfd_open, info.pid, 0);
    (void)snprintf(comm, sizeof(comm), "/proc/%d/comm", (int)info.pid);
    if (pid_fd < 0 || cf_read_file(AT_FDCWD, comm, 64, &name) < 0 || !name.data ||
        strncmp(name.data, "cloudfs", 7) != 0)
        return -1;
    return CF_TAKE_FD(pid_fd);
}

int cf_mount_plain_stop(const char *path, bool lazy, struct cf_error *err)
{
    char *full cf_autofree = cf_path_resolve(path);
    if (!full)
        return cf_fail_errno(err, ENOMEM, "unmount");
    if (!cf_mount_is_shown(full))
        return cf_fail(err, -EINVAL, "%s is not the mount point of a cloudfs mount",
                       CF_QUOTE(path));
    int daemon cf_autoclose = cf_mount_is_dead_at(full) ? -1 : watch_daemon(full);
    int r = cf_fuse_unmount(full, lazy, err);
    struct pollfd end = {.fd = daemon, .events = POLLIN};
    if (r < 0 || lazy || daemon < 0)
        return r;
    do
        r = poll(&end, 1, PATIENCE_MS);
    while (r < 0 && errno == EINTR);
    return r == 1 ? 0
                  : cf_fail(err, -EBUSY, "%s is unmounted, but its daemon goes on", CF_QUOTE(path));
}

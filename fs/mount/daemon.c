/* SPDX-License-Identifier: Apache-2.0 */
/* The process that answers a mount, from the fork to the end. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/fuse.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/union.h>

#include "internal.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

struct serving {
    struct cf_start *start;
    int *ready_fd; /* -1 inside: nobody waits (any more) */
};

/* Called with the mount answering. What makes the description durable comes after the message, so
 * that nobody waits for the disk. */
static void tell_ready(void *context)
{
    struct serving *serving = context;
    const struct cf_start *start = serving->start;
    const struct cf_error fine = {0};

    if (*serving->ready_fd >= 0) {
        (void)cf_write_full(*serving->ready_fd, &fine, sizeof(fine));
        cf_close_fd(serving->ready_fd);
    }
    cf_log(CF_LOG_INFO, "mounted %s on %s", start->mount->reference, start->mount->mountpoint);
    if (start->stack)
        return;
    int r = cf_start_sync(start);
    if (r < 0)
        cf_log(CF_LOG_WARN, "cannot make the description durable: %s", strerror(-r));
}

static int mount_it(const struct cf_start *start, int *ret_fd, struct cf_error *err)
{
    struct cf_buf source cf_autobuf = CF_BUF_INIT;
    const struct cf_settings *settings = &start->settings;
    int r = settings->fsname ? cf_buf_add_str(&source, settings->fsname)
            : start->stack   ? cf_buf_add_str(&source, start->mount->reference)
                             : cf_buf_printf(&source, "cloudfs:%s", start->mount->reference);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot mount");
    const struct cf_fuse_mount mount = {
        .mountpoint = start->mount->mountpoint,
        .source = source.data,
        .flags = settings->flags | (start->mount->read_only ? MS_RDONLY : 0),
        .allow_other = settings->allow_other,
        .default_permissions = settings->default_permissions,
        .context = settings->context,
    };
    return cf_fuse_mount(&mount, ret_fd, err);
}

static int serve(struct serving *serving, struct cf_union *u, struct cf_error *err)
{
    const struct cf_start *start = serving->start;
    struct cf_fuse_session session = {
        .mountpoint = start->mount->mountpoint,
        .id = start->mount->id,
        .root = start->stack ? "" : cf_store_root(start->store),
        .unchecked = !start->settings.default_permissions,
        .ready = tell_ready,
        .context = serving,
    };
    int r = mount_it(start, &session.fd, err);
    if (r < 0)
        return r;
    /* Before anybody can see the mount: whoever sees it finds out who answers it. */
    r = start->stack ? 0 : cf_mount_lock_write_pid(start->lock_fd, getpid());
    if (r < 0) {
        cf_close_fd(&session.fd);
        (void)cf_fail_errno(err, -r, "cannot write to the lock of mount %s", start->mount->id);
    } else {
        r = cf_fuse_run(u, &session, err);
    }
    if (r < 0)
        (void)cf_fuse_unmount(start->mount->mountpoint, true, NULL);
    return r;
}

static void tidy_up(const struct cf_start *start, bool unchanged)
{
    if (start->stack)
        return;
    int r = unchanged ? cf_remove_tree(start->mounts_fd, start->mount->id)
                      : cf_mount_lock_write_pid(start->lock_fd, 0);
    if (r < 0)
        cf_log(CF_LOG_WARN, "cannot tidy up: %s", strerror(-r));
}

int cf_daemon_run(struct cf_start *start, int *ready_fd, struct cf_error *err)
{
    struct cf_union *u cf_cleanup(cf_union_close_ptr) = NULL;
    struct serving serving = {.start = start, .ready_fd = ready_fd};
    const struct cf_union_options options = {
        .lower = start->tree,
        .stack = start->stack,
        .patience = start->stack ? CF_MOUNT_GRACE_MS : 0, /* umount(8) does not wait for a daemon */
        .no_sync = start->settings.no_sync,
        .real_owners = start->stack && !start->settings.override_owners,
        .objects_fd = start->objects_fd,
        .upper_fd = start->upper_fd,
        .work_fd = start->work_fd,
        .user_xattrs = start->mount->user_xattrs,
    };

    int r = cf_union_open(&options, &u, err);
    if (r < 0)
        return r;
    r = serve(&serving, u, err);
    if (r < 0)
        return r;
    cf_log(CF_LOG_INFO, "unmounted");
    /* A mount without changes leaves nothing behind: no entry in the upper, and the root's own
     * metadata as it was. */
    bool unchanged =
        start->stack || cf_mount_is_unchanged(start->own_upper, start->upper_fd, u, start->tree);
    cf_union_close(CF_TAKE(u));
    tidy_up(start, unchanged);
    return 0;
}

/* ---- becoming a daemon ---- */

static void write_line(void *data, enum cf_log_level level, const char *line)
{
    const int *fd = data;
    char head[64], stamp[32] = "";
    time_t now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm))
        (void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    int len = snprintf(head, sizeof(head), "%s %s: ", stamp, cf_log_level_name(level));
    struct iovec parts[] = {{head, (size_t)len}, {(char *)line, strlen(line)}, {(char[]){"\n"}, 1}};
    (void)!writev(*fd, parts, CF_COUNT(parts));
}

static int compare_fds(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Closes all descriptors above 2 but the given ones; the array is sorted. Above all the store's
 * lock has to go: gc would wait for this daemon. */
static void keep_only(int *fds, size_t count)
{
    unsigned int next = 3;

    qsort(fds, count, sizeof(*fds), compare_fds);
    for (size_t i = 0; i < count; i++) {
        if (fds[i] < 3)
            continue;
        if ((unsigned int)fds[i] > next)
            (void)close_range(next, (unsigned int)fds[i] - 1, 0);
        next = (unsigned int)fds[i] + 1;
    }
    (void)close_range(next, ~0u, 0);
}

static void keep_own(const struct cf_start *start, int ready_fd, int log_fd)
{
    const int own[] = {start->objects_fd, start->mounts_fd, start->dir_fd, start->upper_fd,
                       start->work_fd,    start->lock_fd,   ready_fd,      log_fd};
    size_t layers = start->stack ? cf_stack_layers(start->stack) : 0;
    int *keep cf_autofree = calloc(CF_COUNT(own) + layers, sizeof(*keep));

    if (!keep)
        return; /* what stays open hinders others, but not the mount */
    memcpy(keep, own, sizeof(own));
    if (layers)
        cf_stack_keep_fds(start->stack, keep + CF_COUNT(own));
    keep_only(keep, CF_COUNT(own) + layers);
}

static void reset_signals(void)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2};
    sigset_t none;

    for (size_t i = 0; i < CF_COUNT(signals); i++)
        (void)signal(signals[i], SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    /* A mount that the kernel kills when memory is short would take its users' edits along. */
    int fd cf_autoclose = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)cf_write_full(fd, "-1000", 5);
    (void)mallopt(M_ARENA_MAX, 2); /* few threads, and they share what they free */
}

static void open_stdio(int log_fd)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return;
    (void)dup2(null_fd, 0);
    (void)dup2(null_fd, 1);
    (void)dup2(log_fd >= 0 ? log_fd : null_fd, 2);
    if (null_fd > 2)
        (void)close(null_fd);
}

void cf_daemon_enter(struct cf_start *start, int ready_fd)
{
    static int log_to;
    struct cf_error err = {0};

    (void)setsid();
    reset_signals();
    raise_limits();
    (void)umask(0);
    (void)!chdir("/");
    int log_fd = start->stack ? -1
                              : openat(start->dir_fd, "log",
                                       O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    open_stdio(log_fd);
    keep_own(start, ready_fd, log_fd);
    log_to = log_fd;
    cf_log_set(CF_LOG_INFO, log_fd >= 0 ? write_line : NULL, &log_to);
    int r = cf_daemon_run(start, &ready_fd, &err);
    if (r < 0)
        cf_log(CF_LOG_ERROR, "%s", err.text);
    if (ready_fd >= 0)
        (void)cf_write_full(ready_fd, &err, sizeof(err));
    cf_tree_close(start->tree);
    cf_stack_close(start->stack);
    start->tree = NULL;
    start->stack = NULL;
#if defined(__SANITIZE_ADDRESS__)
    __lsan_do_leak_check();
#endif
    _exit(r < 0 ? 1 : 0);
}

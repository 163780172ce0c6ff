/* SPDX-License-Identifier: Apache-2.0 */
#include "commit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/io.h>

/* Before Linux 6.13 the clock that gives files their ctime ticks every 10 ms at most. */
#define TICK_NS 10000000

/* What tells one state of an entry from another. */
struct mark {
    uint64_t ino, size, ctime_sec, mtime_sec, rdev, nlink;
    uint32_t ctime_nsec, mtime_nsec, mode, uid, gid, zero;
};

struct trace {
    struct cf_hasher *hasher;
    struct timespec newest; /* ctime */
};

static void add(struct trace *trace, const char *name, const struct stat *st)
{
    const struct mark mark = {
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .ctime_sec = (uint64_t)st->st_ctim.tv_sec,
        .ctime_nsec = (uint32_t)st->st_ctim.tv_nsec,
        .mtime_sec = (uint64_t)st->st_mtim.tv_sec,
        .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
        .rdev = st->st_rdev,
        .nlink = st->st_nlink,
        .mode = st->st_mode,
        .uid = st->st_uid,
        .gid = st->st_gid,
    };
    bool newer = st->st_ctim.tv_sec != trace->newest.tv_sec
                     ? st->st_ctim.tv_sec > trace->newest.tv_sec
                     : st->st_ctim.tv_nsec > trace->newest.tv_nsec;

    cf_hasher_update(trace->hasher, name, strlen(name) + 1);
    cf_hasher_update(trace->hasher, &mark, sizeof(mark));
    if (newer)
        trace->newest = st->st_ctim;
}

/* The names are read before any directory below is entered: a descriptor a level, no more. */
static int read_dir(struct trace *trace, int fd, struct cf_buf *ret_dirs)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        r = -errno;
        cf_close_fd(&copy);
        return r;
    }
    while (r == 0 && (errno = 0, entry = readdir(dir))) {
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
        add(trace, entry->d_name, &st);
        if (S_ISDIR(st.st_mode))
            r = cf_buf_add(ret_dirs, entry->d_name, strlen(entry->d_name) + 1);
    }
    return r ? r : -errno;
}

/* A directory on the way down, and those below it that are still to be entered. */
struct level {
    struct level *above;
    struct cf_buf dirs;
    size_t next;
};

static int enter(struct trace *trace, int *fd, struct level **levels)
{
    struct level *level = calloc(1, sizeof(*level));

    if (!level)
        return -ENOMEM;
    level->above = *levels;
    *levels = level;
    return read_dir(trace, *fd, &level->dirs);
}

static int move_to(int *fd, const char *name)
{
    int next = openat(*fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (next < 0)
        return -errno;
    (void)close(*fd);
    *fd = next;
    return 0;
}

static void leave(struct level **levels)
{
    struct level *level = *levels;

    *levels = level->above;
    cf_buf_done(&level->dirs);
    free(level);
}

static int walk(struct trace *trace, int upper_fd)
{
    struct level *levels = NULL;
    struct stat st;
    int fd cf_autoclose = openat(upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

    if (r == 0) {
        add(trace, "", &st);
        r = enter(trace, &fd, &levels);
    }
    while (r == 0 && levels) {
        if (levels->next < levels->dirs.len) {
            const char *name = levels->dirs.data + levels->next;
            levels->next += strlen(name) + 1;
            r = move_to(&fd, name);
            if (r == 0)
                r = enter(trace, &fd, &levels);
        } else {
            leave(&levels);
            r = levels ? move_to(&fd, "..") : 0;
        }
    }
    while (levels)
        leave(&levels);
    return r;
}

static bool is_young(const struct timespec *newest)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t age =
        (int64_t)(now.tv_sec - newest->tv_sec) * 1000000000 + now.tv_nsec - newest->tv_nsec;
    return age >= 0 && age < 2 * TICK_NS;
}

int cf_upper_trace(int upper_fd, struct cf_digest *ret_trace, struct cf_error *err)
{
    struct trace trace = {0};
    int r = cf_hasher_new(&trace.hasher);

    for (int tries = 0; r == 0; tries++) {
        const struct timespec tick = {.tv_nsec = 2 * TICK_NS};
        r = walk(&trace, upper_fd);
        cf_hasher_final(trace.hasher, ret_trace);
        if (r < 0 || !is_young(&trace.newest) || tries > 0)
            break;
        (void)nanosleep(&tick, NULL);
    }
    cf_hasher_free(trace.hasher);
    return r < 0 ? cf_fail_errno(err, -r, "cannot read the upper directory") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second key of COPY, that reads no content: instead of it what stat(2) tells of each source. A
 * file's content cannot change without its ctime, which nobody can set. So the same key means the
 * same layer; another one means no more than that the sources must be read.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "internal.h"

enum {
    DEPTH_MAX = 200, /* of directories; deeper ones are simply read */
    SETTLED_SEC = 2, /* a change within the same tick of the clock would not show */
};

struct looking {
    const struct cf_context *context;
    struct cf_hasher *hasher;
    struct cf_buf path; /* of the thing at hand, in the context */
    int64_t newest;
};

static void add_stat(struct looking *looking, const char *name, const struct stat *st)
{
    const struct {
        uint64_t dev, ino, size;
        int64_t mtime, mtime_ns, ctime, ctime_ns;
        uint64_t mode;
    } facts = {st->st_dev,          st->st_ino,         (uint64_t)st->st_size, st->st_mtim.tv_sec,
               st->st_mtim.tv_nsec, st->st_ctim.tv_sec, st->st_ctim.tv_nsec,   st->st_mode};

    cf_build_key_add(looking->hasher, name);
    cf_hasher_update(looking->hasher, &facts, sizeof(facts));
    if (st->st_ctim.tv_sec > looking->newest)
        looking->newest = st->st_ctim.tv_sec;
}

static int look_inside(struct looking *looking, int fd, unsigned depth);

/* dirfd/name, and all below it. */
static int look_at(struct looking *looking, int dirfd, const char *name, unsigned depth)
{
    struct stat st;
    size_t len = looking->path.len;
    int r = 0;

    if (len && cf_buf_add_char(&looking->path, '/') < 0)
        return -ENOMEM;
    if (cf_buf_add_str(&looking->path, name) < 0)
        return -ENOMEM;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (cf_context_keep((void *)(uintptr_t)looking->context, looking->path.data,
                        S_ISDIR(st.st_mode)) != CF_KEEP_NOT) {
        add_stat(looking, name, &st);
        if (S_ISDIR(st.st_mode)) {
            int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            r = fd < 0 ? -errno : look_inside(looking, fd, depth + 1);
            cf_build_key_add(looking->hasher, "/");
        }
    }
    looking->path.len = len;
    if (looking->path.data)
        looking->path.data[len] = '\0';
    return r;
}

/* Takes fd over. */
static int look_inside(struct looking *looking, int fd, unsigned depth)
{
    DIR *dir cf_autoclosedir = depth > DEPTH_MAX ? NULL : fdopendir(fd);
    int r = 0;

    if (!dir) {
        (void)close(fd);
        return -EFBIG;
    }
    for (const struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = look_at(looking, dirfd(dir), entry->d_name, depth);
    return r;
}

int cf_quick_source(struct cf_hasher *hasher, const struct cf_context *context, const char *path,
                    bool contents, int64_t *newest)
{
    struct looking looking = {.context = context, .hasher = hasher, .newest = *newest};
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    struct stat st;
    int r = cf_buf_add(&looking.path, path, (size_t)(name - path) - (slash ? 1 : 0));
    int fd = -1;

    cf_build_key_add(hasher, path);
    cf_build_key_add(hasher, contents ? "inside" : "");
    if (r == 0 && !*path) {
        fd = openat(context->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;
        if (r == 0)
            add_stat(&looking, ".", &st);
        if (r == 0)
            r = look_inside(&looking, CF_TAKE_FD(fd), 0);
    } else if (r == 0) {
        fd = cf_open_beneath(context->fd, looking.path.len ? looking.path.data : ".",
                             O_PATH | O_DIRECTORY, 0);
        r = fd < 0 ? fd : look_at(&looking, fd, name, 0);
    }
    if (fd >= 0)
        (void)close(fd);
    cf_buf_done(&looking.path);
    *newest = looking.newest;
    return r;
}

bool cf_quick_settled(int64_t newest)
{
    return newest + SETTLED_SEC <= (int64_t)time(NULL);
}

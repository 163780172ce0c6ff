/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rm -rf. Recursion, with one descriptor a level, goes down to MAX_DEPTH; what is deeper is
 * renamed into the top directory and met again there. So any depth takes bounded stack and
 * descriptors, and no path is ever longer than a name.
 */
#include <cloudfs/io.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <stdbool.h>
#include <unistd.h>

#include <cloudfs/scope.h>

enum {
    MAX_DEPTH = 24,
    MAX_DEPTH_UNMOVABLE = 400, /* where the disk refuses to move directories (overlayfs: EXDEV) */
};

/* Lets the owner look into and empty the directory parent/name. */
static int unlock(int parent, const char *name)
{
    char path[32];
    int fd cf_autoclose = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* chmod(2) through the descriptor: by name it would follow a symlink put there meanwhile. */
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return chmod(path, 0700) < 0 ? -errno : 0;
}

/* Opens directory parent/name for emptying, whatever its mode. */
static int open_dir(int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    int fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES) {
        int r = unlock(parent, name);
        if (r < 0)
            return r;
        fd = openat(parent, name, flags);
    }
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
        (void)fchmod(fd, 0700); /* where it mattered, the next call says so */
    return fd;
}

static int empty_dir(int fd /* taken over */, int top, int depth);

/* Removes directory parent/name; top is -1 when it is the top itself. */
static int remove_dir(int parent, const char *name, int top, int depth)
{
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)
        return -errno;
    int fd cf_autoclose = open_dir(parent, name);
    if (fd < 0)
        return fd;
    if (top >= 0 && depth >= MAX_DEPTH) {
        char moved[17];
        cf_random_name(moved);
        if (renameat(parent, name, top, moved) == 0)
            return 0;
        if (depth >= MAX_DEPTH_UNMOVABLE)
            return -errno;
    }
    int r = empty_dir(CF_TAKE_FD(fd), top, depth + 1);
    if (r < 0)
        return r;
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_entry(int parent, const char *name, bool is_dir, int top, int depth)
{
    if (!is_dir) {
        if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR)
            return -errno;
    }
    return remove_dir(parent, name, top, depth);
}

/* One pass over the directory; *ret_seen counts what was in it. The first failure is returned. */
static int empty_once(DIR *dir, int top, int depth, size_t *ret_seen)
{
    int failed = 0;
    *ret_seen = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return failed < 0 ? failed : -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        ++*ret_seen;
        int r = remove_entry(dirfd(dir), entry->d_name, entry->d_type == DT_DIR, top, depth);
        if (r < 0 && failed == 0)
            failed = r;
    }
}

/*
 * Again until a pass sees nothing: removal while reading may hide entries from readdir on some
 * disks, and the top gains entries while it is read.
 */
static int empty_dir(int fd, int top, int depth)
{
    size_t seen;
    DIR *dir cf_autoclosedir = fdopendir(fd);
    if (!dir) {
        int r = -errno;
        (void)close(fd);
        return r;
    }
    do {
        int r = empty_once(dir, top >= 0 ? top : fd, depth, &seen);
        if (r < 0)
            return r;
        rewinddir(dir);
    } while (seen > 0);
    return 0;
}

int cf_remove_tree(int dirfd, const char *name)
{
    return remove_entry(dirfd, name, false, -1, 0);
}

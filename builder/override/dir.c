/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides in a directory: each changed file is written beside its place and renamed. */
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

/* 1: it is there, and the descriptor is of itself, also of a symlink. */
static int open_itself(int root, const char *path, int *ret_fd, struct stat *ret_st,
                       struct cf_error *err)
{
    int fd = cf_open_beneath(root, path, O_PATH | O_NOFOLLOW, 0);

    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    if (fd < 0)
        return cf_fail_errno(err, -fd, "%s", CF_QUOTE(path));
    *ret_fd = fd;
    return fstat(fd, ret_st) < 0 ? cf_fail_errno(err, errno, "%s", CF_QUOTE(path)) : 1;
}

static int look_in_dir(void *context, const char *path, struct found *ret_found,
                       struct cf_error *err)
{
    const int *root = context;
    struct stat st;
    int fd cf_autoclose = -1;
    int there = open_itself(*root, path, &fd, &st, err);

    if (there <= 0)
        return there;
    ret_found->exists = true;
    ret_found->is_dir = S_ISDIR(st.st_mode);
    ret_found->inode.mode = st.st_mode;
    ret_found->inode.uid = st.st_uid;
    ret_found->inode.gid = st.st_gid;
    if (!S_ISREG(st.st_mode))
        return 0;
    int file cf_autoclose = cf_open_beneath(*root, path, O_RDONLY | O_NOFOLLOW, 0);
    int r = file < 0 ? file : cf_read_fd(file, CF_OVERRIDE_FILE_MAX, &ret_found->text);
    return r < 0 ? cf_fail_errno(err, -r, "%s", CF_QUOTE(path)) : 0;
}

static int read_link_in_dir(void *context, const char *path, struct cf_buf *ret_target,
                            struct cf_error *err)
{
    const int *root = context;
    char target[PATH_MAX];
    struct stat st;
    int fd cf_autoclose = -1;
    int there = open_itself(*root, path, &fd, &st, err);

    if (there <= 0 || !S_ISLNK(st.st_mode))
        return there < 0 ? there : 0;
    ssize_t len = readlinkat(fd, "", target, sizeof(target));
    if (len < 0)
        return cf_fail_errno(err, errno, "%s", CF_QUOTE(path));
    return cf_buf_add(ret_target, target, (size_t)len) < 0 ? cf_fail(err, -ENOMEM, "out of memory")
                                                           : 1;
}

/* What the file has that stays; what this user may not set is left out. */
static void copy_xattrs(int from, int to)
{
    char names[4096], value[65536];
    ssize_t len = flistxattr(from, names, sizeof(names));

    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t size = fgetxattr(from, names + at, value, sizeof(value));
        if (size >= 0)
            (void)fsetxattr(to, names + at, value, (size_t)size, 0);
    }
}

static int fill_file(int fd, const struct file *file, int dirfd, const char *name)
{
    int old cf_autoclose =
        file->was.exists ? openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    int r = cf_write_full(fd, file->now.text.data ? file->now.text.data : "", file->now.text.len);

    if (r < 0)
        return r;
    if (file->was.exists &&
        (file->was.inode.uid != geteuid() || file->was.inode.gid != getegid()) &&
        fchown(fd, file->was.inode.uid, file->was.inode.gid) < 0)
        return -errno;
    if (old >= 0)
        copy_xattrs(old, fd);
    if (fchmod(fd, file->now.inode.mode & 07777) < 0)
        return -errno;
    return fsync(fd) < 0 ? -errno : 0;
}

static int replace_file(const struct file *file, int dirfd, const char *name)
{
    char temporary[32], random[17];

    cf_random_name(random);
    snprintf(temporary, sizeof(temporary), ".new-%s", random);
    int fd cf_autoclose = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fill_file(fd, file, dirfd, name);
    if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(dirfd, temporary, 0);
    return r < 0 ? r : cf_sync_dir(dirfd, ".");
}

static int write_change(int root, const struct file *file)
{
    const char *slash = strrchr(file->path, '/');
    const char *name = slash ? slash + 1 : file->path;
    struct cf_buf dir cf_autobuf = CF_BUF_INIT;
    int r = slash ? cf_buf_add(&dir, file->path, (size_t)(slash - file->path))
                  : cf_buf_add_char(&dir, '.');

    if (r < 0)
        return r;
    int dirfd cf_autoclose = cf_open_beneath(root, dir.data, O_RDONLY | O_DIRECTORY, 0);
    if (dirfd == -ENOENT && file->now.exists && slash) {
        r = cf_mkdir_path(root, dir.data, 0755);
        dirfd = r < 0 ? r : cf_open_beneath(root, dir.data, O_RDONLY | O_DIRECTORY, 0);
    }
    if (dirfd < 0)
        return dirfd;
    if (!file->now.exists)
        return cf_remove_tree(dirfd, name);
    if (file->now.is_dir || !S_ISREG(file->now.inode.mode))
        return fchmodat(dirfd, name, file->now.inode.mode & 07777, 0) < 0 ? -errno : 0;
    return replace_file(file, dirfd, name);
}

int cf_override_dir(const char *path, const struct cf_overrides *overrides, bool dry_run,
                    struct cf_override_result *ret_result, struct cf_error *err)
{
    int root cf_autoclose = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct place place = {look_in_dir, read_link_in_dir, &root};
    struct work work cf_cleanup(cf_work_done) = {.place = &place};

    if (root < 0)
        return cf_fail_errno(err, errno, "%s", CF_QUOTE(path));
    int r = cf_work_apply(&work, overrides, err);
    if (r == 0)
        r = cf_work_finish(&work, ret_result, err);
    for (size_t i = 0; i < work.count && r == 0 && !dry_run; i++) {
        if (!cf_file_changed(work.files[i]))
            continue;
        r = write_change(root, work.files[i]);
        if (r < 0)
            (void)cf_fail_errno(err, -r, "%s/%s", path, work.files[i]->path);
    }
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/io.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cloudfs/scope.h>

/* offset -1: at the descriptor's own offset. */
static ssize_t read_all(int fd, void *data, size_t len, off_t offset)
{
    size_t done = 0;
    while (done < len) {
        char *at = (char *)data + done;
        ssize_t n =
            offset < 0 ? read(fd, at, len - done) : pread(fd, at, len - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int write_all(int fd, const void *data, size_t len, off_t offset)
{
    size_t done = 0;
    while (done < len) {
        const char *at = (const char *)data + done;
        ssize_t n = offset < 0 ? write(fd, at, len - done)
                               : pwrite(fd, at, len - done, offset + (off_t)done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

ssize_t cf_read_full(int fd, void *data, size_t len)
{
    return read_all(fd, data, len, -1);
}

ssize_t cf_pread_full(int fd, void *data, size_t len, off_t offset)
{
    return offset < 0 ? -EINVAL : read_all(fd, data, len, offset);
}

int cf_write_full(int fd, const void *data, size_t len)
{
    return write_all(fd, data, len, -1);
}

int cf_pwrite_full(int fd, const void *data, size_t len, off_t offset)
{
    return offset < 0 ? -EINVAL : write_all(fd, data, len, offset);
}

static int read_rest(int fd, size_t max, struct cf_buf *buf)
{
    size_t start = buf->len, step = 16384;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISREG(st.st_mode) && st.st_size > 0) {
        if ((uintmax_t)st.st_size > max)
            return -EFBIG;
        step = (size_t)st.st_size + 1; /* one more, so that one read sees the end */
    }
    for (;;) {
        int r = cf_buf_reserve(buf, step);
        if (r < 0)
            return r;
        ssize_t n = cf_read_full(fd, buf->data + buf->len, step);
        if (n < 0)
            return (int)n;
        buf->len += (size_t)n;
        if (buf->len - start > max)
            return -EFBIG;
        if ((size_t)n < step)
            return 0;
        step = 65536;
    }
}

int cf_read_fd(int fd, size_t max, struct cf_buf *ret_buf)
{
    size_t start = ret_buf->len;
    int r = read_rest(fd, max, ret_buf);
    if (r < 0)
        ret_buf->len = start;
    if (ret_buf->data)
        ret_buf->data[ret_buf->len] = '\0';
    return r;
}

/* openat(2) with O_CLOEXEC and the error as -errno. */
static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
    int fd;
    do {
        fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int cf_read_file(int dirfd, const char *path, size_t max, struct cf_buf *ret_buf)
{
    int fd cf_autoclose = open_at(dirfd, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    return cf_read_fd(fd, max, ret_buf);
}

static int sync_fd(int fd)
{
    int r;
    do {
        r = fsync(fd);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int cf_sync_dir(int dirfd, const char *path)
{
    int fd cf_autoclose = open_at(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    return sync_fd(fd);
}

static int write_new(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
    int fd cf_autoclose = open_at(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fd;
    int r = cf_write_full(fd, data, len);
    if (r == 0 && fchmod(fd, mode) < 0)
        r = -errno;
    if (r == 0)
        r = sync_fd(fd);
    if (r < 0)
        (void)unlinkat(dirfd, path, 0);
    return r;
}

/* The directory that path names a thing of: everything before the last slash, or ".". */
static int parent_of(const char *path, struct cf_buf *ret_dir)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return cf_buf_add_str(ret_dir, ".");
    return cf_buf_add(ret_dir, path, slash == path ? 1 : (size_t)(slash - path));
}

int cf_replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode)
{
    struct cf_buf dir cf_autobuf = CF_BUF_INIT;
    struct cf_buf temporary cf_autobuf = CF_BUF_INIT;
    char name[17];
    int r = parent_of(path, &dir);
    if (r < 0)
        return r;
    do {
        cf_random_name(name);
        cf_buf_clear(&temporary);
        r = cf_buf_printf(&temporary, "%s/.new-%s", dir.data, name);
        if (r == 0)
            r = write_new(dirfd, temporary.data, data, len, mode);
    } while (r == -EEXIST);
    if (r < 0)
        return r;
    if (renameat(dirfd, temporary.data, dirfd, path) < 0) {
        r = -errno;
        (void)unlinkat(dirfd, temporary.data, 0);
        return r;
    }
    return cf_sync_dir(dirfd, dir.data);
}

/* mkdirat(2) where a directory (or a symlink to one) that exists is fine. */
static int make_dir(int dirfd, const char *path, mode_t mode)
{
    struct stat st;
    if (mkdirat(dirfd, path, mode) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    if (fstatat(dirfd, path, &st, 0) < 0)
        return -errno;
    return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int cf_mkdir_path(int dirfd, const char *path, mode_t mode)
{
    struct cf_buf prefix cf_autobuf = CF_BUF_INIT;
    int r = make_dir(dirfd, path, mode);
    if (r != -ENOENT || !*path)
        return r;
    r = cf_buf_add_str(&prefix, path);
    if (r < 0)
        return r;
    for (char *p = prefix.data + 1; *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        r = make_dir(dirfd, prefix.data, mode);
        if (r < 0)
            return r;
        *p = '/';
    }
    return make_dir(dirfd, path, mode);
}

int cf_open_beneath(int dirfd, const char *path, int flags, mode_t mode)
{
    bool creates = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = creates ? mode & 07777 : 0, /* the kernel refuses a mode that means nothing */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    /* EAGAIN: a rename elsewhere made a ".." uncertain; it passes, but never without end here. */
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
        if (fd >= 0)
            return (int)fd;
        if (errno != EINTR && (errno != EAGAIN || tries >= 100))
            return -errno;
    }
}

void cf_random_name(char ret_name[17])
{
    unsigned char bytes[8];
    size_t done = 0;
    while (done < sizeof(bytes)) {
        ssize_t n = getrandom(bytes + done, sizeof(bytes) - done, 0);
        if (n > 0)
            done += (size_t)n;
    }
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(ret_name + 2 * i, 3, "%02x", bytes[i]);
}

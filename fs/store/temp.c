/* SPDX-License-Identifier: Apache-2.0 */
/* Temporary files, locks by name, and small helpers of the store. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "private.h"

static int open_named(struct cf_store *store, mode_t mode, struct cf_temp *ret_temp)
{
    char random[17];
    char name[32];

    cf_random_name(random);
    snprintf(name, sizeof(name), "file-%s", random);
    int fd = openat(store->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return -errno;
    ret_temp->fd = fd;
    memcpy(ret_temp->name, name, sizeof(name));
    return 0;
}

int cf_temp_open(struct cf_store *store, bool named, mode_t mode, struct cf_temp *ret_temp)
{
    struct cf_temp temp = CF_TEMP_INIT;
    struct stat st;

    if (!named)
        temp.fd = openat(store->tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    if (!named && temp.fd < 0 && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT)
        return -errno;
    if (temp.fd < 0) {
        int r = open_named(store, mode, &temp);
        if (r < 0)
            return r;
    }
    if (fstat(temp.fd, &st) == 0 && (st.st_mode & 07777) != mode && fchmod(temp.fd, mode) < 0) {
        int r = -errno;
        cf_temp_drop(store, &temp);
        return r;
    }
    *ret_temp = temp;
    return 0;
}

int cf_temp_link(struct cf_store *store, struct cf_temp *temp, int dirfd, const char *path)
{
    char self[40];

    if (temp->name[0]) {
        if (linkat(store->tmp_fd, temp->name, dirfd, path, 0) < 0)
            return -errno;
        (void)unlinkat(store->tmp_fd, temp->name, 0);
        temp->name[0] = 0;
        return 0;
    }
    /* AT_EMPTY_PATH would need a capability before Linux 6.10. */
    snprintf(self, sizeof(self), "/proc/self/fd/%d", temp->fd);
    return linkat(AT_FDCWD, self, dirfd, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

int cf_temp_rename(struct cf_store *store, struct cf_temp *temp, int dirfd, const char *path)
{
    if (renameat(store->tmp_fd, temp->name, dirfd, path) < 0)
        return -errno;
    temp->name[0] = 0;
    return 0;
}

void cf_temp_drop(struct cf_store *store, struct cf_temp *temp)
{
    cf_close_fd(&temp->fd);
    temp->fd = -1;
    if (temp->name[0])
        (void)unlinkat(store->tmp_fd, temp->name, 0);
    temp->name[0] = 0;
}

int cf_store_lock_name(struct cf_store *store, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "lock-%s", name);
    int fd = openat(store->tmp_fd, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            int r = -errno;
            close(fd);
            return r;
        }
    return fd;
}

bool cf_is_hex(const char *text, size_t n)
{
    return strspn(text, "0123456789abcdef") == n && text[n] == 0;
}

int cf_each_entry(int dirfd, const char *path, cf_entry_fn *fn, void *context)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir cf_autoclosedir = fdopendir(fd);
    if (!dir) {
        int r = -errno;
        close(fd);
        return r;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return -errno;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        int r = fn(fd, entry->d_name, context);
        if (r)
            return r;
    }
}

int cf_file_digest(int fd, struct cf_digest *ret_digest)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    enum { CHUNK = 256 << 10 };
    char *data cf_autofree = malloc(CHUNK);
    off_t offset = 0;

    int r = cf_hasher_new(&hasher);
    if (r < 0 || !data)
        return -ENOMEM;
    for (;;) {
        ssize_t n = cf_pread_full(fd, data, CHUNK, offset);
        if (n < 0)
            return (int)n;
        cf_hasher_update(hasher, data, (size_t)n);
        offset += n;
        if (n < CHUNK)
            break;
    }
    cf_hasher_final(hasher, ret_digest);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of a mount, and the process ID in it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "internal.h"

int cf_mount_lock_open(struct cf_store *store, const char *id)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/lock", id);
    int fd =
        openat(cf_store_mounts_fd(store), path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 ? -errno : fd;
}

int cf_mount_lock_take(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

bool cf_mount_lock_is_held(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

int cf_mount_lock_write_pid(int fd, pid_t pid)
{
    char text[32];
    int len = pid ? snprintf(text, sizeof(text), "%d\n", (int)pid) : 0;
    int r = cf_pwrite_full(fd, text, (size_t)len, 0);
    if (r < 0)
        return r;
    return ftruncate(fd, len) < 0 ? -errno : 0;
}

pid_t cf_mount_lock_read_pid(int fd)
{
    char text[32];
    ssize_t n = cf_pread_full(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    long pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lock of a mount, and the process ID in it. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
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

static int take(int fd, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 0;
    return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int cf_mount_lock_take(int fd)
{
    return take(fd, F_WRLCK);
}

int cf_mount_lock_share(int fd)
{
    return take(fd, F_RDLCK);
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

/* A descriptor that polls readable when the process is gone; -1 where the kernel has none, or
 * the process is in another PID namespace. */
static int open_pid(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The process's end, which frees the lock, wakes us; without a pidfd we look every few
 * milliseconds. */
bool cf_mount_lock_wait(int lock_fd, pid_t pid, int patience)
{
    int pid_fd cf_autoclose = open_pid(pid);
    struct pollfd fds = {.fd = pid_fd, .events = POLLIN};
    int64_t end = now_ms() + patience;

    while (cf_mount_lock_is_held(lock_fd)) {
        int64_t left = end - now_ms();
        if (left <= 0)
            return false;
        bool gone = fds.revents != 0;
        int step = pid_fd >= 0 && !gone ? (int)left : 5;
        if (poll(&fds, pid_fd >= 0 && !gone ? 1 : 0, step) < 0 && errno != EINTR)
            return false;
    }
    return true;
}

int cf_mount_lock_take_soon(int fd)
{
    int r = cf_mount_lock_take(fd);
    if (r == -EBUSY && cf_mount_lock_wait(fd, cf_mount_lock_read_pid(fd), CF_MOUNT_GRACE_MS))
        r = cf_mount_lock_take(fd);
    return r;
}

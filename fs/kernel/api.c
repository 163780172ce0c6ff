/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cloudfs/log.h>

int cf_fs_open(const char *type, int *ret_fd, struct cf_error *err)
{
    int fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

    if (fd >= 0) {
        *ret_fd = fd;
        return 0;
    }
    if (errno == ENODEV)
        return cf_fail(err, -ENOTSUP, "the kernel has no %s (modprobe %s)", type, type);
    if (errno == ENOSYS)
        return cf_fail(err, -ENOTSUP, "the kernel is too old (no fsopen: Linux 5.2)");
    if (errno == EPERM)
        return cf_fail(err, -EPERM, "it takes root of the machine (CAP_SYS_ADMIN)");
    return cf_fail_errno(err, errno, "fsopen %s", type);
}

static int config(int fd, unsigned int command, const char *key, const void *value, int aux)
{
    return syscall(SYS_fsconfig, fd, command, key, value, aux) < 0 ? -errno : 0;
}

int cf_fs_string(int fd, const char *key, const char *value)
{
    return config(fd, FSCONFIG_SET_STRING, key, value, 0);
}

int cf_fs_flag(int fd, const char *key)
{
    return config(fd, FSCONFIG_SET_FLAG, key, NULL, 0);
}

int cf_fs_fd(int fd, const char *key, int value)
{
    return config(fd, FSCONFIG_SET_FD, key, NULL, value);
}

int cf_fs_create(int fd)
{
    return config(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

/* The descriptor gives one message a read(2): "e overlay: text". The last one is the reason. */
void cf_fs_message(int fd, char *ret_text, size_t size)
{
    char line[512];
    ssize_t n;

    *ret_text = '\0';
    while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
        line[n] = '\0';
        line[strcspn(line, "\n")] = '\0';
        const char *text = n > 2 && line[1] == ' ' ? line + 2 : line;
        size_t len = strlen(text) < size - 1 ? strlen(text) : size - 1;
        memcpy(ret_text, text, len);
        ret_text[len] = '\0';
    }
}

int cf_fs_mount(int fd, unsigned int attr)
{
    int mount_fd = (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC, attr);
    return mount_fd < 0 ? -errno : mount_fd;
}

int cf_fs_move(int mount_fd, const char *to)
{
    return syscall(SYS_move_mount, mount_fd, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno
                                                                                            : 0;
}

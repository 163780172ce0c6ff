/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cloudfs/scope.h>

#include "api.h"

#define LOOP_TRIES 20 /* others take free devices at the same time */

static int try_loop(int control_fd, int tree_fd, int *ret_fd, char path[32])
{
    struct loop_config config = {.fd = (unsigned int)tree_fd, .block_size = 0};
    int number = ioctl(control_fd, LOOP_CTL_GET_FREE);

    if (number < 0)
        return -errno;
    (void)snprintf(path, 32, "/dev/loop%d", number);
    int fd cf_autoclose = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    config.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
    if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
        return -errno;
    *ret_fd = CF_TAKE_FD(fd);
    return 0;
}

/* The device is given back when nobody has it open any more: us, then the mount. */
static int open_loop(int tree_fd, int *ret_fd, char path[32], struct cf_error *err)
{
    int control_fd cf_autoclose = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int r = control_fd < 0 ? -errno : -EBUSY;

    for (int i = 0; i < LOOP_TRIES && r == -EBUSY; i++)
        r = try_loop(control_fd, tree_fd, ret_fd, path);
    return r < 0
               ? cf_fail_errno(err, -r,
                               "EROFS takes no files here (Linux 6.12, not on tmpfs), and there is "
                               "no loop device")
               : 0;
}

/* -ENOTBLK: this kernel, or this disk, wants a block device. */
static int mount_source(const char *source, int *ret_mount_fd, struct cf_error *err)
{
    int fd cf_autoclose = -1;
    char why[256];
    int r = cf_fs_open("erofs", &fd, err);

    if (r < 0)
        return r;
    r = cf_fs_string(fd, "source", source);
    if (r == 0)
        r = cf_fs_flag(fd, "ro");
    if (r == 0)
        r = cf_fs_create(fd);
    if (r == -ENOTBLK)
        return r;
    if (r == -EPERM)
        return cf_fail(err, r, "it takes root of the machine (CAP_SYS_ADMIN)");
    cf_fs_message(fd, why, sizeof(why));
    int mount_fd = r < 0 ? r : cf_fs_mount(fd, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
    if (mount_fd < 0)
        return cf_fail_errno(err, -mount_fd, "cannot mount the image's tree as EROFS%s%s",
                             *why ? ": " : "", why);
    *ret_mount_fd = mount_fd;
    return 0;
}

int cf_erofs_mount(int tree_fd, bool loop, int *ret_mount_fd, struct cf_error *err)
{
    int loop_fd cf_autoclose = -1;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", tree_fd);
    int r = loop ? -ENOTBLK : mount_source(path, ret_mount_fd, err);
    if (r != -ENOTBLK)
        return r;
    r = open_loop(tree_fd, &loop_fd, path, err);
    return r < 0 ? r : mount_source(path, ret_mount_fd, err);
}

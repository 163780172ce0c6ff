/* SPDX-License-Identifier: Apache-2.0 */
/* What a mount's daemon says of how requests reach it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cloudfs/log.h>

#include "internal.h"

int cf_mount_transport(const struct cf_mount *mount, struct cf_ioctl_transport *ret_transport,
                       struct cf_error *err)
{
    struct cf_ioctl_info info = {0};
    if (mount->state != CF_MOUNT_LIVE)
        return cf_fail(err, -ENOTCONN, "mount %s is not mounted", mount->id);
    int fd cf_autoclose = open(mount->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(mount->mountpoint));
    if (ioctl(fd, CF_IOC_INFO, &info) < 0 || strncmp(info.id, mount->id, sizeof(info.id)) != 0)
        return cf_fail(err, -ENOTTY,
                       "%s does not say how it works: another engine, or a daemon of "
                       "another version",
                       CF_QUOTE(mount->mountpoint));
    if (ioctl(fd, CF_IOC_TRANSPORT, ret_transport) < 0)
        return cf_fail_errno(err, errno, "mount %s does not say how it works", mount->id);
    return 0;
}

const char *cf_transport_request_name(unsigned int opcode)
{
    static const char *const names[CF_OPCODES] = {
        [FUSE_LOOKUP] = "LOOKUP",
        [FUSE_FORGET] = "FORGET",
        [FUSE_GETATTR] = "GETATTR",
        [FUSE_SETATTR] = "SETATTR",
        [FUSE_READLINK] = "READLINK",
        [FUSE_SYMLINK] = "SYMLINK",
        [FUSE_MKNOD] = "MKNOD",
        [FUSE_MKDIR] = "MKDIR",
        [FUSE_UNLINK] = "UNLINK",
        [FUSE_RMDIR] = "RMDIR",
        [FUSE_RENAME] = "RENAME",
        [FUSE_LINK] = "LINK",
        [FUSE_OPEN] = "OPEN",
        [FUSE_READ] = "READ",
        [FUSE_WRITE] = "WRITE",
        [FUSE_STATFS] = "STATFS",
        [FUSE_RELEASE] = "RELEASE",
        [FUSE_FSYNC] = "FSYNC",
        [FUSE_SETXATTR] = "SETXATTR",
        [FUSE_GETXATTR] = "GETXATTR",
        [FUSE_LISTXATTR] = "LISTXATTR",
        [FUSE_REMOVEXATTR] = "REMOVEXATTR",
        [FUSE_FLUSH] = "FLUSH",
        [FUSE_INIT] = "INIT",
        [FUSE_OPENDIR] = "OPENDIR",
        [FUSE_READDIR] = "READDIR",
        [FUSE_RELEASEDIR] = "RELEASEDIR",
        [FUSE_FSYNCDIR] = "FSYNCDIR",
        [FUSE_ACCESS] = "ACCESS",
        [FUSE_CREATE] = "CREATE",
        [FUSE_INTERRUPT] = "INTERRUPT",
        [FUSE_IOCTL] = "IOCTL",
        [FUSE_BATCH_FORGET] = "BATCH_FORGET",
        [FUSE_FALLOCATE] = "FALLOCATE",
        [FUSE_READDIRPLUS] = "READDIRPLUS",
        [FUSE_RENAME2] = "RENAME2",
        [FUSE_LSEEK] = "LSEEK",
        [FUSE_COPY_FILE_RANGE] = "COPY_FILE_RANGE",
        [50] = "SYNCFS", /* these are younger than the headers of Debian 12 */
        [51] = "TMPFILE",
        [52] = "STATX",
    };
    return opcode < CF_OPCODES ? names[opcode] : NULL;
}

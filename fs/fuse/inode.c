/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about an inode: attributes, extended attributes, the filesystem's own, ioctls. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/scope.h>

#include "engine.h"

static void reply_attr(fuse_req_t req, int r, const struct stat *attr)
{
    if (r < 0)
        cf_engine_reply(req, r);
    else
        (void)fuse_reply_attr(req, attr, CF_FUSE_FOREVER);
}

void cf_engine_control_attr(struct stat *ret_attr)
{
    *ret_attr = (struct stat){.st_ino = CF_CONTROL_INO,
                              .st_mode = S_IFREG | 0400,
                              .st_nlink = 1,
                              .st_uid = geteuid(),
                              .st_gid = getegid()};
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct stat attr;
    int r = 0;
    (void)fi;
    if (ino == CF_CONTROL_INO)
        cf_engine_control_attr(&attr);
    else
        r = cf_union_getattr(cf_engine_union(req), ino, &attr);
    reply_attr(req, r, &attr);
}

/* Asked of mounts without the kernel's checks only. Whoever stands for root may do everything but
 * run what nobody may run. */
static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
    struct stat attr;
    int r = mask & X_OK ? cf_union_getattr(cf_engine_union(req), ino, &attr) : 0;
    if (r == 0 && mask & X_OK && !S_ISDIR(attr.st_mode) && !(attr.st_mode & 0111))
        r = -EACCES;
    cf_engine_reply(req, r);
}

static unsigned int set_flags(struct stat *attr, int to_set)
{
    static const struct {
        int theirs;
        unsigned int ours;
    } map[] = {
        {FUSE_SET_ATTR_MODE, CF_SET_MODE},   {FUSE_SET_ATTR_UID, CF_SET_UID},
        {FUSE_SET_ATTR_GID, CF_SET_GID},     {FUSE_SET_ATTR_SIZE, CF_SET_SIZE},
        {FUSE_SET_ATTR_ATIME, CF_SET_ATIME}, {FUSE_SET_ATTR_MTIME, CF_SET_MTIME},
        {FUSE_SET_ATTR_CTIME, CF_SET_CTIME}, {FUSE_SET_ATTR_KILL_SUID, CF_SET_KILL_PRIV},
    };
    unsigned int which = 0;

    for (size_t i = 0; i < CF_COUNT(map); i++)
        if (to_set & map[i].theirs)
            which |= map[i].ours;
    if (to_set & FUSE_SET_ATTR_ATIME_NOW) {
        which |= CF_SET_ATIME;
        attr->st_atim.tv_nsec = UTIME_NOW;
    }
    if (to_set & FUSE_SET_ATTR_MTIME_NOW) {
        which |= CF_SET_MTIME;
        attr->st_mtim.tv_nsec = UTIME_NOW;
    }
    return which;
}

/*
 * In a mount without the kernel's checks an ordinary user stands for root: what he owns ships as
 * root's. Giving it to root changes nothing then; if it did, the kernel (which lets only a file's
 * owner set its ACL) would make each `cp -a` and `tar -p` of root's files fail.
 */
static unsigned int keep_own(fuse_req_t req, fuse_ino_t ino, const struct stat *attr,
                             unsigned int which)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct stat now;

    if (!(which & (CF_SET_UID | CF_SET_GID)) || !cf_engine_of(req)->unchecked ||
        cf_union_getattr(cf_engine_union(req), ino, &now) < 0)
        return which;
    if (attr->st_uid == 0 && now.st_uid == ctx->uid)
        which &= ~(unsigned int)CF_SET_UID;
    if (attr->st_gid == 0 && now.st_gid == ctx->gid)
        which &= ~(unsigned int)CF_SET_GID;
    return which;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
                       struct fuse_file_info *fi)
{
    struct cf_file *file = fi ? cf_engine_handle(fi)->file : NULL;
    struct stat result;
    if (ino == CF_CONTROL_INO) {
        cf_engine_reply(req, -EPERM);
        return;
    }
    unsigned int which = keep_own(req, ino, attr, set_flags(attr, to_set));
    int r = cf_union_setattr(cf_engine_union(req), ino, file, attr, which, &result);
    reply_attr(req, r, &result);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct statvfs buf;
    (void)ino;
    int r = cf_union_statfs(cf_engine_union(req), &buf);
    if (r < 0)
        cf_engine_reply(req, r);
    else
        (void)fuse_reply_statfs(req, &buf);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
                        size_t size, int flags)
{
    cf_engine_reply(req, cf_union_setxattr(cf_engine_union(req), ino, name, value, size, flags));
}

/* A value or a list of names: its size when size is 0, else its bytes. */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
    if (n < 0)
        cf_engine_reply(req, (int)n);
    else if (size == 0)
        (void)fuse_reply_xattr(req, (size_t)n);
    else
        (void)fuse_reply_buf(req, buf, (size_t)n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
    char small[256];
    char *big cf_autofree = size > sizeof(small) ? malloc(size) : NULL;
    char *buf = big ? big : small;
    ssize_t n = -ENOMEM;
    if (ino == CF_CONTROL_INO)
        n = -ENODATA;
    else if (big || size <= sizeof(small))
        n = cf_union_getxattr(cf_engine_union(req), ino, name, buf, size);
    reply_xattr(req, n, buf, size);
}

static bool has_trusted(const char *names, ssize_t len)
{
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, "trusted.", 8) == 0)
            return true;
    return false;
}

/* Without those that only root may see; the kernel leaves this to us. */
static ssize_t drop_trusted(char *names, ssize_t len)
{
    ssize_t kept = 0;
    for (ssize_t at = 0, size; at < len; at += size) {
        size = (ssize_t)strlen(names + at) + 1;
        if (strncmp(names + at, "trusted.", 8) == 0)
            continue;
        memmove(names + kept, names + at, (size_t)size);
        kept += size;
    }
    return kept;
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    char small[256];
    char *big cf_autofree = size > sizeof(small) ? malloc(size) : NULL;
    char *buf = big ? big : small;
    ssize_t n = -ENOMEM;
    if (ino == CF_CONTROL_INO)
        n = 0;
    else if (big || size <= sizeof(small))
        n = cf_union_listxattr(cf_engine_union(req), ino, buf, size);
    if (n > 0 && size > 0 && has_trusted(buf, n) && !cf_engine_is_capable(req, CAP_SYS_ADMIN))
        n = drop_trusted(buf, n);
    reply_xattr(req, n, buf, size);
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
    cf_engine_reply(req, cf_union_removexattr(cf_engine_union(req), ino, name));
}

/* Directories have no handle. */
static bool is_control(const struct fuse_file_info *fi)
{
    return fi->fh && cf_engine_handle(fi)->control;
}

void cf_op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned int cmd, void *arg,
                 struct fuse_file_info *fi, unsigned int flags, const void *in_buf, size_t in_size,
                 size_t out_size)
{
    struct cf_engine *engine = cf_engine_of(req);
    int r = -ENOTTY;
    (void)ino, (void)arg, (void)flags, (void)in_buf, (void)in_size;

    if (cmd == CF_IOC_INFO && out_size >= sizeof(engine->info)) {
        (void)fuse_reply_ioctl(req, 0, &engine->info, sizeof(engine->info));
        return;
    }
    if (cmd == CF_IOC_TRANSPORT && out_size >= sizeof(struct cf_ioctl_transport)) {
        struct cf_ioctl_transport transport = engine->transport;
        transport.max_readahead = engine->max_readahead;
        for (size_t i = 0; i < CF_OPCODES; i++)
            transport.requests[i] = engine->requests[i];
        (void)fuse_reply_ioctl(req, 0, &transport, sizeof(transport));
        return;
    }
    if (is_control(fi) && cmd == CF_IOC_HOLD && out_size >= sizeof(struct cf_ioctl_hold)) {
        struct cf_ioctl_hold hold = {0};
        r = cf_engine_hold(engine, fi->fh, hold.inos, CF_COUNT(hold.inos));
        if (r >= 0) {
            hold.count = (uint32_t)r;
            (void)fuse_reply_ioctl(req, 0, &hold, sizeof(hold));
            return;
        }
    }
    if (is_control(fi) && cmd == CF_IOC_FREEZE)
        r = cf_engine_freeze(engine, fi->fh);
    else if (is_control(fi) && cmd == CF_IOC_THAW)
        r = cf_engine_thaw(engine, fi->fh);
    if (r < 0)
        cf_engine_reply(req, r);
    else
        (void)fuse_reply_ioctl(req, 0, NULL, 0);
}

void cf_ops_inode(struct fuse_lowlevel_ops *ops)
{
    ops->getattr = op_getattr;
    ops->access = op_access;
    ops->setattr = op_setattr;
    ops->statfs = op_statfs;
    ops->setxattr = op_setxattr;
    ops->getxattr = op_getxattr;
    ops->listxattr = op_listxattr;
    ops->removexattr = op_removexattr;
    ops->ioctl = cf_op_ioctl;
}

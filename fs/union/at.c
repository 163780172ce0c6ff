/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls on a place: a directory's descriptor and a name in it, or a descriptor and "".
 * None of them follows a symlink.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"

void cf_place_done(struct cf_place *place)
{
    cf_dirfd_put(&place->dir);
}

int cf_vnode_place(struct cf_union *u, struct cf_vnode *node, struct cf_place *ret_place)
{
    if (node == u->root) {
        ret_place->fd = u->upper_fd;
        ret_place->name[0] = 0;
        return 0;
    }
    if (node->flags & CF_VN_DELETED) {
        ret_place->fd = node->extra ? node->extra->fd : -1;
        ret_place->name[0] = 0;
        return ret_place->fd >= 0 ? 0 : -ESTALE;
    }
    if (node->flags & CF_VN_INDEXED) {
        ret_place->fd = u->index_fd;
        cf_index_name(node->nid, ret_place->name);
        return 0;
    }
    if (!node->parent)
        return -ESTALE;
    int r = cf_dirfd_get(u, node->parent, &ret_place->dir);
    if (r)
        return r;
    ret_place->fd = ret_place->dir.fd;
    memcpy(ret_place->name, node->name, node->name_len);
    ret_place->name[node->name_len] = 0;
    return 0;
}

/* The same object as a path. A magic link has to be followed, a name must not. */
struct proc_path {
    char text[sizeof("/proc/self/fd/") + 12 + CF_NAME_MAX + 1];
    bool follow;
};

static void proc_path(int fd, const char *name, struct proc_path *ret)
{
    ret->follow = !*name;
    (void)snprintf(ret->text, sizeof(ret->text), "/proc/self/fd/%d%s%s", fd, *name ? "/" : "",
                   name);
}

int cf_at_stat(int fd, const char *name, struct stat *ret_stat)
{
    return fstatat(fd, name, ret_stat, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -errno : 0;
}

int cf_at_open(int fd, const char *name, int flags)
{
    int new_fd;
    if (*name) {
        new_fd = openat(fd, name, flags | O_NOFOLLOW | O_CLOEXEC);
    } else {
        struct proc_path path;
        proc_path(fd, name, &path);
        new_fd = open(path.text, (flags & ~O_NOFOLLOW) | O_CLOEXEC);
    }
    return new_fd >= 0 ? new_fd : -errno;
}

DIR *cf_at_opendir(int fd)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
    if (!dir && copy >= 0)
        (void)close(copy);
    return dir;
}

/* On a descriptor itself the f-calls are cheaper, but one of O_PATH answers EBADF to them. */

int cf_at_chmod(int fd, const char *name, mode_t mode)
{
    if (*name)
        return fchmodat(fd, name, mode, 0) ? -errno : 0;
    if (fchmod(fd, mode) == 0)
        return 0;
    if (errno != EBADF)
        return -errno;
    struct proc_path path;
    proc_path(fd, name, &path);
    return chmod(path.text, mode) ? -errno : 0;
}

int cf_at_chown(int fd, const char *name, uid_t uid, gid_t gid)
{
    return fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -errno : 0;
}

int cf_at_utimens(int fd, const char *name, const struct timespec times[2])
{
    return utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -errno : 0;
}

int cf_at_link(int fd, const char *name, int new_fd, const char *new_name)
{
    if (*name)
        return linkat(fd, name, new_fd, new_name, 0) ? -errno : 0;
    struct proc_path path;
    proc_path(fd, name, &path);
    return linkat(AT_FDCWD, path.text, new_fd, new_name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

ssize_t cf_at_getxattr(int fd, const char *name, const char *xattr, void *value, size_t size)
{
    if (!*name) {
        ssize_t direct = fgetxattr(fd, xattr, value, size);
        if (direct >= 0 || errno != EBADF)
            return direct >= 0 ? direct : -errno;
    }
    struct proc_path path;
    proc_path(fd, name, &path);
    ssize_t n = path.follow ? getxattr(path.text, xattr, value, size)
                            : lgetxattr(path.text, xattr, value, size);
    return n >= 0 ? n : -errno;
}

ssize_t cf_at_listxattr(int fd, const char *name, char *names, size_t size)
{
    if (!*name) {
        ssize_t direct = flistxattr(fd, names, size);
        if (direct >= 0 || errno != EBADF)
            return direct >= 0 ? direct : -errno;
    }
    struct proc_path path;
    proc_path(fd, name, &path);
    ssize_t n =
        path.follow ? listxattr(path.text, names, size) : llistxattr(path.text, names, size);
    return n >= 0 ? n : -errno;
}

int cf_at_setxattr(int fd, const char *name, const char *xattr, const void *value, size_t size,
                   int flags)
{
    if (!*name) {
        int direct = fsetxattr(fd, xattr, value, size, flags);
        if (direct == 0 || errno != EBADF)
            return direct ? -errno : 0;
    }
    struct proc_path path;
    proc_path(fd, name, &path);
    int r = path.follow ? setxattr(path.text, xattr, value, size, flags)
                        : lsetxattr(path.text, xattr, value, size, flags);
    return r ? -errno : 0;
}

int cf_at_removexattr(int fd, const char *name, const char *xattr)
{
    if (!*name) {
        int direct = fremovexattr(fd, xattr);
        if (direct == 0 || errno != EBADF)
            return direct ? -errno : 0;
    }
    struct proc_path path;
    proc_path(fd, name, &path);
    int r = path.follow ? removexattr(path.text, xattr) : lremovexattr(path.text, xattr);
    return r ? -errno : 0;
}

int cf_at_xattr_names(int fd, const char *name, struct cf_buf *ret_names)
{
    size_t room = 1024;
    for (;;) {
        int r = cf_buf_reserve(ret_names, room);
        if (r)
            return r;
        ssize_t n = cf_at_listxattr(fd, name, ret_names->data + ret_names->len, room);
        if (n == -EOPNOTSUPP)
            return 0;
        if (n == -ERANGE && room < XATTR_LIST_MAX) {
            room = XATTR_LIST_MAX;
            continue;
        }
        if (n < 0)
            return (int)n;
        ret_names->len += (size_t)n;
        ret_names->data[ret_names->len] = 0;
        return 0;
    }
}

int cf_at_xattr_value(int fd, const char *name, const char *xattr, struct cf_buf *ret_value)
{
    int r = cf_buf_reserve(ret_value, CF_XATTR_VALUE_MAX + 1);
    if (r)
        return r;
    ssize_t n =
        cf_at_getxattr(fd, name, xattr, ret_value->data + ret_value->len, CF_XATTR_VALUE_MAX + 1);
    if (n < 0)
        return (int)n;
    ret_value->len += (size_t)n;
    ret_value->data[ret_value->len] = 0;
    return 0;
}

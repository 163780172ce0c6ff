/* SPDX-License-Identifier: Apache-2.0 */
/* unlink and rmdir, and what a rename that replaces something has in common with them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

int cf_vnode_hold(struct cf_union *u, struct cf_vnode *node)
{
    if (!(node->flags & CF_VN_UPPER) || !cf_vnode_is_busy(u, node))
        return 0;
    struct cf_extra *extra;
    int r = cf_vnode_extra(node, &extra);
    if (r || extra->fd >= 0)
        return r;
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    r = cf_vnode_place(u, node, &place);
    if (r)
        return r;
    int fd =
        cf_at_open(place.fd, place.name, cf_vnode_is_dir(node) ? O_RDONLY | O_DIRECTORY : O_PATH);
    if (fd < 0)
        return fd;
    extra->fd = fd;
    return 0;
}

static bool is_last_name(struct cf_union *u, struct cf_vnode *node, const struct cf_vnode *dir,
                         const char *name)
{
    return !(node->extra && node->extra->aliases) &&
           cf_vnode_has_name(u, node, dir, name, strlen(name));
}

int cf_removal_begin(struct cf_union *u, struct cf_vnode *dir, const char *name,
                     struct cf_found *found, struct cf_vnode *node)
{
    int alive = cf_vnode_revive(u, node, dir, name);
    if (alive)
        return alive;
    if (!found->upper && cf_lower_links(u, found->nid) > 1) {
        int r = cf_copy_up(u, node); /* so that the other names know the new count of links */
        cf_found_done(found);
        if (!r)
            r = cf_find(u, dir, name, found);
        if (r)
            return r;
    }
    if (node->flags & CF_VN_INDEXED || !is_last_name(u, node, dir, name))
        return 0;
    return cf_vnode_hold(u, node);
}

void cf_removal_end(struct cf_union *u, struct cf_vnode *dir, const char *name,
                    const struct cf_found *found, struct cf_vnode *node)
{
    bool none = cf_vnode_drop_name(u, node, dir, name, strlen(name));
    if (node->flags & CF_VN_INDEXED) {
        if (!found->here)
            cf_index_drop_lower(u, node);
        cf_index_collect(u, node);
    } else if (none) {
        node->flags |= CF_VN_DELETED;
        cf_dirfd_drop(u, node);
    }
}

int cf_union_unlink(struct cf_union *u, uint64_t dir, const char *name)
{
    CF_CHANGE(u);
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    if (!parent.node)
        return -ESTALE;
    struct cf_pin child cf_autopin = {u, NULL};
    struct cf_found found cf_autofound = {0};
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    CF_NS_EXCLUSIVE(u);
    int r = cf_find(u, parent.node, name, &found);
    if (!r)
        r = cf_found_node(u, parent.node, name, &found, &child.node);
    if (!r && cf_vnode_is_dir(child.node))
        r = -EISDIR;
    if (!r)
        r = cf_copy_up(u, parent.node);
    if (!r)
        r = cf_removal_begin(u, parent.node, name, &found, child.node);
    if (!r)
        r = cf_dirfd_get(u, parent.node, &at);
    if (r)
        return r;
    if (!found.here)
        r = cf_upper_put_whiteout(u, at.fd, name);
    else if (found.has_lower)
        r = cf_upper_replace_by_whiteout(u, at.fd, name);
    else
        r = unlinkat(at.fd, name, 0) ? -errno : 0;
    if (!r)
        cf_removal_end(u, parent.node, name, &found, child.node);
    return r;
}

/* ---- directories ---- */

/* -ENOTEMPTY where the upper directory has anything but whiteouts; remove: takes those away. */
static int check_upper_empty(const struct cf_union *u, int dirfd, bool remove)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    struct dirent *d;
    for (errno = 0; (d = readdir(dir)); errno = 0) {
        struct stat st;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        bool leftover = cf_upper_is_leftover(u, d->d_name);
        if (!leftover && d->d_type != DT_CHR && d->d_type != DT_UNKNOWN)
            return -ENOTEMPTY;
        int r = cf_at_stat(dirfd, d->d_name, &st);
        if (r || !(leftover || cf_upper_is_whiteout(&st)))
            return r ? r : -ENOTEMPTY;
        if (remove && unlinkat(dirfd, d->d_name, 0))
            return -errno;
    }
    return -errno;
}

int cf_dir_check_empty(struct cf_union *u, struct cf_vnode *node)
{
    bool upper = node->flags & CF_VN_UPPER;
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = upper ? cf_dirfd_get(u, node, &at) : 0;
    if (!r && upper)
        r = check_upper_empty(u, at.fd, false);
    if (r || node->nid == CF_NID_NONE)
        return r;
    struct cf_dirent entry = {.next = 0};
    while ((r = cf_lower_readdir(u, node->nid, entry.next, &entry)) > 0) {
        char name[CF_NAME_MAX + 1];
        struct stat st;
        if (!upper || entry.name_len > CF_NAME_MAX)
            return -ENOTEMPTY;
        memcpy(name, entry.name, entry.name_len);
        name[entry.name_len] = 0;
        r = cf_at_stat(at.fd, name, &st); /* what is there is a whiteout: checked above */
        if (r)
            return r == -ENOENT ? -ENOTEMPTY : r;
    }
    return r;
}

int cf_dir_clear_whiteouts(struct cf_union *u, struct cf_vnode *node)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(u, node, &at);
    if (!r && node->nid != CF_NID_NONE)
        r = cf_upper_set_opaque(u, at.fd, "");
    return r ? r : check_upper_empty(u, at.fd, true);
}

/* The directory goes to work/ in one step, with the whiteouts in it, and is removed there. */
static int move_away(struct cf_union *u, int fd, const char *name, bool whiteout)
{
    char temp[24];
    cf_work_name(u, temp);
    int r = whiteout ? cf_upper_put_whiteout(u, u->work_fd, temp) : 0;
    if (!r && renameat2(fd, name, u->work_fd, temp, whiteout ? RENAME_EXCHANGE : 0)) {
        r = -errno;
        if (whiteout)
            (void)unlinkat(u->work_fd, temp, 0);
    }
    if (!r)
        (void)cf_remove_tree(u->work_fd, temp); /* what stays is removed by the next open */
    return r;
}

static int remove_upper_dir(struct cf_union *u, int fd, const char *name, bool has_lower)
{
    if (has_lower)
        return move_away(u, fd, name, true);
    if (unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == EEXIST ? move_away(u, fd, name, false) : -errno;
}

int cf_union_rmdir(struct cf_union *u, uint64_t dir, const char *name)
{
    CF_CHANGE(u);
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    if (!parent.node)
        return -ESTALE;
    struct cf_pin child cf_autopin = {u, NULL};
    struct cf_found found cf_autofound = {0};
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    CF_NS_EXCLUSIVE(u);
    int r = cf_find(u, parent.node, name, &found);
    if (!r)
        r = cf_found_node(u, parent.node, name, &found, &child.node);
    if (!r && !cf_vnode_is_dir(child.node))
        r = -ENOTDIR;
    if (!r)
        r = cf_dir_check_empty(u, child.node);
    if (!r)
        r = cf_copy_up(u, parent.node);
    if (!r)
        r = cf_removal_begin(u, parent.node, name, &found, child.node);
    if (!r)
        r = cf_dirfd_get(u, parent.node, &at);
    if (!r)
        r = found.here ? remove_upper_dir(u, at.fd, name, found.has_lower)
                       : cf_upper_put_whiteout(u, at.fd, name);
    if (!r)
        cf_removal_end(u, parent.node, name, &found, child.node);
    return r;
}

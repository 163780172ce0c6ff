/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: what stat(2) shows, and chmod, chown, utimens, truncate. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

mode_t cf_mode_without_priv(mode_t mode)
{
    if (S_ISDIR(mode))
        return mode;
    mode &= (mode_t)~S_ISUID;
    return mode & S_IXGRP ? mode & (mode_t)~S_ISGID : mode;
}

/* Turns what the disk says of an upper object into what users see. */
static void shown_stat(struct cf_union *u, const struct cf_vnode *node, bool metacopy,
                       int64_t links, struct stat *st)
{
    st->st_ino = cf_vnode_shown_ino(u, node);
    st->st_dev = 0;
    if (metacopy)
        st->st_blocks = (st->st_size + 4095) / 4096 * 8;
    if (node->flags & CF_VN_INDEXED && links >= 0 && !(node->flags & CF_VN_DELETED))
        st->st_nlink = st->st_nlink - 1 + (nlink_t)links;
    if (!S_ISDIR(st->st_mode))
        return;
    st->st_size = 4096;
    if (node->nid != CF_NID_NONE && st->st_nlink)
        st->st_nlink = 1; /* merged: not counted, as find(1) knows from btrfs */
    if (node->flags & CF_VN_DELETED)
        st->st_nlink = 0;
}

static int lower_stat(struct cf_union *u, const struct cf_vnode *node, struct stat *st)
{
    int r = cf_lower_stat(u, node->nid, st);
    st->st_ino = cf_vnode_shown_ino(u, node);
    if (node->flags & CF_VN_DELETED)
        st->st_nlink = 0;
    return r;
}

int cf_vnode_stat(struct cf_union *u, struct cf_vnode *node, struct stat *ret_stat)
{
    if (!(node->flags & CF_VN_UPPER))
        return lower_stat(u, node, ret_stat);
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    struct stat st;
    int r = cf_vnode_place(u, node, &place);
    if (!r)
        r = cf_upper_stat(u, place.fd, place.name, &st);
    if (r)
        return r;
    uint32_t links = 0;
    bool counted =
        node->flags & CF_VN_INDEXED && cf_upper_get_links(u, place.fd, place.name, &links) == 0;
    bool sparse = st.st_blocks * 512 < st.st_size;
    bool metacopy = S_ISREG(st.st_mode) && (sparse || st.st_nlink > 1) &&
                    cf_upper_is_metacopy(u, place.fd, place.name);
    if (metacopy && st.st_nlink > 1)
        (void)cf_upper_get_mtime(u, place.fd, place.name, &st.st_mtim);
    shown_stat(u, node, metacopy, counted ? (int64_t)links : -1, &st);
    *ret_stat = st;
    return 0;
}

int cf_found_stat(struct cf_union *u, const struct cf_found *found, const struct cf_vnode *node,
                  struct stat *ret_stat)
{
    if (!found->upper)
        return lower_stat(u, node, ret_stat);
    *ret_stat = found->entry.attr;
    shown_stat(u, node, found->entry.metacopy, found->entry.links, ret_stat);
    return 0;
}

int cf_vnode_entry(struct cf_union *u, struct cf_vnode *node, struct cf_entry *ret_entry)
{
    struct cf_entry entry = {.ino = node->ino};
    int r = cf_vnode_stat(u, node, &entry.attr);
    if (r)
        return r;
    cf_vnode_ref(u, node);
    *ret_entry = entry;
    return 0;
}

int cf_union_getattr(struct cf_union *u, uint64_t ino, struct stat *ret_attr)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    CF_NS_SHARED(u);
    return cf_vnode_stat(u, pin.node, ret_attr);
}

int cf_union_readlink(struct cf_union *u, uint64_t ino, char *ret_target, size_t size)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    if (cf_vnode_type(pin.node) != S_IFLNK || size == 0)
        return -EINVAL;
    CF_NS_SHARED(u);
    if (!(pin.node->flags & CF_VN_UPPER)) {
        char target[CF_SYMLINK_MAX + 1];
        int r = cf_lower_readlink(u, pin.node->nid, target);
        if (r)
            return r;
        size_t len = strnlen(target, size - 1);
        memcpy(ret_target, target, len);
        ret_target[len] = 0;
        return 0;
    }
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    int r = cf_vnode_place(u, pin.node, &place);
    if (r)
        return r;
    ssize_t n = cf_upper_link_target(place.fd, place.name, u->user, ret_target, size - 1);
    if (n < 0)
        return (int)n;
    ret_target[n] = 0;
    return 0;
}

/* ---- changes ---- */

/* Sets the size of an upper file whose content is already there as far as it stays. */
static int truncate_upper(struct cf_union *u, struct cf_vnode *node, off_t size)
{
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    int fd cf_autoclose = -1;
    {
        CF_NS_SHARED(u);
        int r = cf_vnode_place(u, node, &place);
        if (r)
            return r;
        fd = cf_at_open(place.fd, place.name, O_WRONLY);
    }
    if (fd < 0)
        return fd;
    return ftruncate(fd, size) ? -errno : 0;
}

int cf_vnode_truncate(struct cf_union *u, struct cf_vnode *node, off_t size)
{
    if (cf_vnode_is_dir(node))
        return -EISDIR;
    if (cf_vnode_type(node) != S_IFREG || size < 0)
        return -EINVAL;
    int r = cf_copy_up_data(u, node, size);
    return r ? r : truncate_upper(u, node, size);
}

/* As an ordinary user, a real symlink can have no owner but that user: it becomes a file with
 * override_stat. */
static int convert_symlink(struct cf_union *u, struct cf_place *place, const struct stat *now,
                           const struct stat *want)
{
    char target[CF_SYMLINK_MAX + 1], temp[24];
    ssize_t n = readlinkat(place->fd, place->name, target, sizeof(target) - 1);
    if (n < 0)
        return -errno;
    if (now->st_nlink > 1 || !place->name[0])
        return -EPERM;
    target[n] = 0;
    cf_work_name(u, temp);
    int r = cf_upper_make(u, u->work_fd, temp, want, target, true);
    struct stat made;
    if (!r)
        r = cf_at_stat(u->work_fd, temp, &made);
    if (!r)
        r = cf_upper_set_owner(u, u->work_fd, temp, &made, want, true);
    if (!r)
        r = cf_upper_set_ino(u, u->work_fd, temp, cf_upper_number(place->fd, place->name, now));
    const struct timespec times[2] = {now->st_atim, now->st_mtim};
    if (!r)
        r = cf_at_utimens(u->work_fd, temp, times);
    if (!r && renameat(u->work_fd, temp, place->fd, place->name))
        r = -errno;
    if (r)
        (void)unlinkat(u->work_fd, temp, 0);
    return r;
}

static int change_owner_and_mode(struct cf_union *u, struct cf_place *place,
                                 const struct stat *attr, unsigned which)
{
    struct stat disk, want;
    int r = cf_at_stat(place->fd, place->name, &disk);
    want = disk;
    if (!r && u->user)
        r = cf_upper_stat(u, place->fd, place->name, &want);
    if (r)
        return r;
    const struct stat before = want;
    if (which & CF_SET_KILL_PRIV)
        want.st_mode = cf_mode_without_priv(want.st_mode);
    if (which & CF_SET_MODE)
        want.st_mode = (want.st_mode & S_IFMT) | (attr->st_mode & 07777);
    if (which & CF_SET_UID)
        want.st_uid = attr->st_uid;
    if (which & CF_SET_GID)
        want.st_gid = attr->st_gid;
    if (S_ISLNK(want.st_mode) && want.st_mode != before.st_mode)
        return -EOPNOTSUPP;
    if (u->user && S_ISLNK(disk.st_mode) &&
        (want.st_uid != disk.st_uid || want.st_gid != disk.st_gid))
        return convert_symlink(u, place, &disk, &want);
    bool always = u->user && (which & (CF_SET_UID | CF_SET_GID) ||
                              cf_upper_is_overridden(place->fd, place->name));
    r = cf_upper_set_owner(u, place->fd, place->name, &disk, &want, always);
    if (!r && u->user && which & CF_SET_MODE && !S_ISLNK(disk.st_mode))
        r = cf_acl_follow_mode(place->fd, place->name, want.st_mode);
    if (r || S_ISLNK(disk.st_mode) || !(which & (CF_SET_MODE | CF_SET_UID | CF_SET_GID)))
        return r;
    bool given = !u->user && (want.st_uid != before.st_uid || want.st_gid != before.st_gid);
    if (given || (want.st_mode != before.st_mode && !always))
        return 0;
    if (u->user)
        r = cf_at_stat(place->fd, place->name, &want);
    return r ? r : cf_at_chmod(place->fd, place->name, want.st_mode & 07777); /* moves ctime */
}

static int change_times(const struct cf_place *place, const struct stat *attr, unsigned which)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    if (which & CF_SET_ATIME)
        times[0] = attr->st_atim;
    if (which & CF_SET_MTIME)
        times[1] = attr->st_mtim;
    return cf_at_utimens(place->fd, place->name, times);
}

static int change_attr(struct cf_union *u, struct cf_vnode *node, const struct stat *attr,
                       unsigned which)
{
    CF_NS_SHARED(u);
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    int r = cf_vnode_place(u, node, &place);
    if (!r && which & (CF_SET_MODE | CF_SET_UID | CF_SET_GID | CF_SET_KILL_PRIV))
        r = change_owner_and_mode(u, &place, attr, which);
    if (!r && which & (CF_SET_ATIME | CF_SET_MTIME))
        r = change_times(&place, attr, which);
    return r;
}

static int change(struct cf_union *u, struct cf_vnode *node, const struct stat *attr,
                  unsigned which)
{
    CF_CHANGE(u);
    CF_STRIPE(u, node);
    int r = which & CF_SET_SIZE ? cf_vnode_truncate(u, node, attr->st_size)
                                : cf_copy_up_locked(u, node);
    return r ? r : change_attr(u, node, attr, which);
}

int cf_union_setattr(struct cf_union *u, uint64_t ino, struct cf_file *file,
                     const struct stat *attr, unsigned which, struct stat *ret_attr)
{
    (void)file; /* the node says all: a file that has no name is reached through its descriptor */
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    const unsigned changes = CF_SET_MODE | CF_SET_UID | CF_SET_GID | CF_SET_SIZE | CF_SET_ATIME |
                             CF_SET_MTIME | CF_SET_KILL_PRIV;
    int r = which & changes ? change(u, pin.node, attr, which) : 0;
    if (r || !ret_attr)
        return r;
    CF_NS_SHARED(u);
    return cf_vnode_stat(u, pin.node, ret_attr);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copy-up of objects: made in work/ with all their metadata, and renamed into place. A regular
 * file comes as a metacopy (size and metadata, no content); content.c is for those that are
 * written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

void cf_work_name(struct cf_union *u, char ret_name[24])
{
    (void)snprintf(ret_name, 24, "#%llx", (unsigned long long)u->temp_count++);
}

int cf_copy_xattrs(struct cf_union *u, uint64_t nid, int fd, const char *name)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    int r = cf_lower_xattr_names(u, nid, &names);
    for (const char *n = names.data; !r && n && n < names.data + names.len; n += strlen(n) + 1) {
        char stored[256];
        if (cf_upper_xattr_stored(n, u->user, stored))
            continue;
        struct cf_buf value cf_autobuf = CF_BUF_INIT;
        r = cf_lower_xattr_value(u, nid, n, &value);
        if (!r)
            r = cf_at_setxattr(fd, name, stored, value.data, value.len, 0);
    }
    return r;
}

/* ---- the object without content ---- */

/* Size and mark of a metacopy. */
static int make_sparse(struct cf_union *u, int fd, const char *name, off_t size)
{
    int out cf_autoclose = cf_at_open(fd, name, O_WRONLY);
    if (out < 0)
        return out;
    if (ftruncate(out, size))
        return -errno;
    return cf_upper_set_metacopy(u, out, "");
}

int cf_copy_make(struct cf_union *u, struct cf_vnode *node, const char *temp, bool metacopy)
{
    struct stat want, made;
    char target[CF_SYMLINK_MAX + 1] = "";
    int r = cf_lower_stat(u, node->nid, &want);
    if (!r && S_ISLNK(want.st_mode))
        r = cf_lower_readlink(u, node->nid, target);
    if (!r)
        r = cf_upper_make(u, u->work_fd, temp, &want, target, true);
    if (!r)
        r = cf_at_stat(u->work_fd, temp, &made);
    if (!r && metacopy && S_ISREG(want.st_mode) && want.st_size > 0)
        r = make_sparse(u, u->work_fd, temp, want.st_size);
    if (!r)
        r = cf_upper_set_owner(u, u->work_fd, temp, &made, &want, u->user);
    if (!r && !(u->user && S_ISLNK(made.st_mode)))
        r = cf_copy_xattrs(u, node->nid, u->work_fd, temp);
    if (!r && !(u->user && S_ISLNK(made.st_mode)))
        r = cf_upper_set_ino(u, u->work_fd, temp, node->ino);
    const struct timespec times[2] = {want.st_atim, want.st_mtim};
    return r ? r : cf_at_utimens(u->work_fd, temp, times);
}

void cf_work_drop(struct cf_union *u, const char *temp)
{
    if (unlinkat(u->work_fd, temp, 0) && errno == EISDIR)
        (void)unlinkat(u->work_fd, temp, AT_REMOVEDIR);
}

/* Moves it to the node's name; the times of the directory stay, for users see no change. */
static int publish(struct cf_union *u, struct cf_vnode *node, const char *temp)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    char name[CF_NAME_MAX + 1];
    memcpy(name, node->name, node->name_len);
    name[node->name_len] = 0;
    struct stat dir;
    int r = cf_dirfd_get(u, node->parent, &at);
    if (!r)
        r = cf_at_stat(at.fd, "", &dir);
    if (r)
        return r;
    if (renameat(u->work_fd, temp, at.fd, name))
        return -errno;
    const struct timespec times[2] = {dir.st_atim, dir.st_mtim};
    (void)cf_at_utimens(at.fd, "", times); /* the copy-up is done, whatever this says */
    return 0;
}

/* Of a file whose lower counterpart is in the lower part of its directory: under the name of a
 * relative redirect (the kernel's, of a rename there), else under its own. */
static int lower_file_path(struct cf_union *u, const struct cf_vnode *node, const char *redirect,
                           struct cf_buf *ret_path)
{
    int r = cf_lower_path(u, node->parent->nid, ret_path);
    if (!r)
        r = cf_buf_add_char(ret_path, '/');
    if (r)
        return r;
    return redirect ? cf_buf_add_str(ret_path, redirect)
                    : cf_buf_add(ret_path, node->name, node->name_len);
}

/* The redirect that lets the kernel find the content under any name. */
static int set_origin_path(struct cf_union *u, struct cf_vnode *node, const char *temp)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r = lower_file_path(u, node, NULL, &path);
    return r ? r : cf_upper_set_redirect(u, u->work_fd, temp, path.data);
}

/* The disk's ctime takes the place of the tree's, and the directory above has a new one, too. */
static void tell_changed(struct cf_union *u, const struct cf_vnode *node)
{
    if (!u->changed)
        return;
    u->changed(u->changed_context, node->ino);
    if (node->parent)
        u->changed(u->changed_context, node->parent->ino);
}

static int settle_linked(struct cf_union *u, struct cf_vnode *node, const char *temp, bool metacopy)
{
    uint32_t links = cf_lower_links(u, node->nid);
    char name[17];
    cf_index_name(node->nid, name);
    int r = metacopy ? set_origin_path(u, node, temp) : 0;
    if (!r)
        r = cf_upper_set_links(u, u->work_fd, temp, links);
    u->index_used = true;
    if (!r)
        r = cf_at_link(u->work_fd, temp, u->index_fd, name);
    if (r)
        return r;
    r = publish(u, node, temp);
    if (r) {
        (void)unlinkat(u->index_fd, name, 0);
        return r;
    }
    node->flags |= CF_VN_INDEXED;
    cf_index_drop_lower(u, node);
    return 0;
}

int cf_copy_settle(struct cf_union *u, struct cf_vnode *node, const char *temp, bool metacopy)
{
    int r;
    if (!(node->flags & CF_VN_UPPER) && cf_lower_links(u, node->nid) > 1)
        r = settle_linked(u, node, temp, metacopy && cf_vnode_type(node) == S_IFREG);
    else
        r = publish(u, node, temp);
    if (r)
        return r;
    node->flags |= CF_VN_UPPER;
    node->version++;
    tell_changed(u, node);
    return 0;
}

int cf_vnode_set_redirect(struct cf_union *u, struct cf_vnode *node)
{
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    struct cf_upper_entry entry;
    int r = cf_vnode_place(u, node, &place);
    if (!r)
        r = cf_upper_read(place.fd, place.name, u->user, &entry);
    if (r)
        return r;
    bool wanted = cf_vnode_is_dir(node) ? node->nid != CF_NID_NONE : entry.metacopy && !entry.stub;
    char *redirect cf_autofree = entry.redirect;
    if (!wanted || (redirect && *redirect == '/'))
        return 0;
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    if (cf_vnode_is_dir(node))
        r = cf_lower_path(u, node->nid, &path);
    else if (node->parent && node->parent->nid != CF_NID_NONE)
        r = lower_file_path(u, node, redirect, &path);
    else
        return 0; /* T.cloudfs.ino says it */
    if (!r)
        r = cf_upper_set_redirect(u, place.fd, place.name, path.data);
    /* a path that no xattr can hold: the caller copies instead */
    return r == -ENOSPC || r == -ERANGE || r == -E2BIG ? -EXDEV : r;
}

/* Something that has no name any more but is still open: it lives on a descriptor. */
static int copy_up_orphan(struct cf_union *u, struct cf_vnode *node, const char *temp)
{
    struct cf_extra *extra;
    int r = cf_vnode_extra(node, &extra);
    if (r)
        return r;
    int flags = cf_vnode_is_dir(node) ? O_RDONLY | O_DIRECTORY : O_PATH;
    int fd = cf_at_open(u->work_fd, temp, flags);
    if (fd < 0)
        return fd;
    cf_work_drop(u, temp);
    extra->fd = fd;
    node->flags |= CF_VN_UPPER;
    node->version++;
    return 0;
}

void cf_union_set_changed(struct cf_union *u, cf_union_changed_fn *fn, void *context)
{
    u->changed = fn;
    u->changed_context = context;
}

static int copy_up_one(struct cf_union *u, struct cf_vnode *node)
{
    char temp[24];
    cf_work_name(u, temp);
    int r = cf_copy_make(u, node, temp, true);
    if (r) {
        cf_work_drop(u, temp);
        return r;
    }
    r = node->flags & CF_VN_DELETED ? copy_up_orphan(u, node, temp)
                                    : cf_copy_settle(u, node, temp, true);
    if (r)
        cf_work_drop(u, temp);
    return r;
}

int cf_copy_up(struct cf_union *u, struct cf_vnode *node)
{
    if (node->flags & CF_VN_UPPER)
        return 0;
    size_t depth = 0;
    for (struct cf_vnode *n = node; n && !(n->flags & CF_VN_UPPER); n = n->parent)
        depth++;
    struct cf_vnode **chain cf_autofree = calloc(depth, sizeof(*chain));
    if (!chain)
        return -ENOMEM;
    size_t i = depth;
    for (struct cf_vnode *n = node; i > 0; n = n->parent)
        chain[--i] = n;
    for (i = 0; i < depth; i++) {
        int r = copy_up_one(u, chain[i]);
        if (r)
            return r;
    }
    return 0;
}

int cf_copy_up_locked(struct cf_union *u, struct cf_vnode *node)
{
    {
        CF_NS_SHARED(u);
        if (node->flags & CF_VN_UPPER)
            return 0;
    }
    CF_NS_EXCLUSIVE(u);
    return cf_copy_up(u, node);
}

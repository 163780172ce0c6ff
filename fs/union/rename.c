/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename. One system call on the upper does it: the whiteout that the old place needs comes with
 * RENAME_WHITEOUT, and a directory that goes where a whiteout is is exchanged with that.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"

/* One end: a directory, a name in it, and what is there. */
struct end {
    struct cf_pin dir;
    const char *name;
    struct cf_found found;
    struct cf_pin node; /* node NULL: nothing is there */
    struct cf_dirfd at;
};

static void end_done(struct end *end)
{
    cf_found_done(&end->found);
    cf_dirfd_put(&end->at);
    cf_pin_done(&end->node);
    cf_pin_done(&end->dir);
}

static int end_find(struct cf_union *u, struct end *end)
{
    cf_found_done(&end->found);
    int r = cf_find(u, end->dir.node, end->name, &end->found);
    if (!r && !end->node.node)
        r = cf_found_node(u, end->dir.node, end->name, &end->found, &end->node.node);
    return r ? r : cf_vnode_revive(u, end->node.node, end->dir.node, end->name);
}

static bool is_below(const struct cf_vnode *node, const struct cf_vnode *top)
{
    for (; node; node = node->parent)
        if (node == top)
            return true;
    return false;
}

static int check(struct cf_union *u, const struct end *from, const struct end *to, unsigned flags)
{
    struct cf_vnode *a = from->node.node, *b = to->node.node;
    if (!b && flags & RENAME_EXCHANGE)
        return -ENOENT;
    if (b && flags & RENAME_NOREPLACE)
        return -EEXIST;
    if (a == b)
        return 0;
    if (cf_vnode_is_dir(a) && is_below(to->dir.node, a))
        return -EINVAL;
    if (!b)
        return 0;
    if (cf_vnode_is_dir(b) && is_below(from->dir.node, b))
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (flags & RENAME_EXCHANGE)
        return 0;
    if (cf_vnode_is_dir(a) != cf_vnode_is_dir(b))
        return cf_vnode_is_dir(a) ? -ENOTDIR : -EISDIR;
    return cf_vnode_is_dir(b) ? cf_dir_check_empty(u, b) : 0;
}

/* What moves is in the upper, under its old name, and will find its lower part from the new. */
static int prepare_moving(struct cf_union *u, struct end *end, const struct cf_vnode *new_dir)
{
    struct cf_vnode *node = end->node.node;
    int r = cf_copy_up(u, node);
    if (!r)
        r = end_find(u, end);
    if (r)
        return r;
    if (node->flags & CF_VN_INDEXED) {
        r = end->found.here ? 0 : cf_index_materialise(u, node, end->at.fd, end->name);
        end->found.here = true;
        return r;
    }
    r = cf_vnode_set_redirect(u, node);
    if (!r && cf_vnode_is_dir(node) && node->nid == CF_NID_NONE && new_dir->nid != CF_NID_NONE &&
        !end->found.entry.opaque)
        r = cf_upper_set_opaque(u, end->at.fd, end->name);
    return r;
}

static int prepare_replaced(struct cf_union *u, struct end *to)
{
    struct cf_vnode *node = to->node.node;
    if (!node)
        return 0;
    int r = 0;
    if (cf_vnode_is_dir(node) && to->found.here)
        r = cf_dir_clear_whiteouts(u, node);
    return r ? r : cf_removal_begin(u, to->dir.node, to->name, &to->found, node);
}

static int move(struct cf_union *u, const struct end *from, const struct end *to)
{
    bool whiteout = from->found.has_lower;
    if (cf_vnode_is_dir(from->node.node) && to->found.whiteout) {
        if (renameat2(from->at.fd, from->name, to->at.fd, to->name, RENAME_EXCHANGE))
            return -errno;
        if (!whiteout)
            (void)unlinkat(from->at.fd, from->name, 0);
        return 0;
    }
    if (renameat2(from->at.fd, from->name, to->at.fd, to->name, whiteout ? RENAME_WHITEOUT : 0) ==
        0)
        return 0;
    if (errno != EINVAL || !whiteout)
        return -errno;
    /* a disk without RENAME_WHITEOUT */
    if (renameat(from->at.fd, from->name, to->at.fd, to->name))
        return -errno;
    return cf_upper_put_whiteout(u, from->at.fd, from->name);
}

static int take_name(struct cf_union *u, struct end *from, struct end *to)
{
    struct cf_vnode *node = from->node.node;
    if (node->parent && !cf_vnode_is_dir(node))
        return cf_vnode_add_alias(u, node, to->dir.node, to->name, strlen(to->name));
    return cf_vnode_set_name(u, node, to->dir.node, to->name, strlen(to->name));
}

static void lose_name(struct cf_union *u, struct end *end)
{
    (void)cf_vnode_drop_name(u, end->node.node, end->dir.node, end->name, strlen(end->name));
}

static int exchange(struct cf_union *u, struct end *from, struct end *to)
{
    int r = prepare_moving(u, to, from->dir.node);
    if (r)
        return r;
    if (renameat2(from->at.fd, from->name, to->at.fd, to->name, RENAME_EXCHANGE))
        return -errno;
    lose_name(u, from);
    lose_name(u, to);
    r = take_name(u, from, to);
    return r ? r : take_name(u, to, from);
}

static int replace(struct cf_union *u, struct end *from, struct end *to)
{
    int r = prepare_replaced(u, to);
    if (!r)
        r = move(u, from, to);
    if (r)
        return r;
    if (to->node.node)
        cf_removal_end(u, to->dir.node, to->name, &to->found, to->node.node);
    lose_name(u, from);
    return take_name(u, from, to);
}

static int rename_ends(struct cf_union *u, struct end *from, struct end *to, unsigned flags)
{
    int r = end_find(u, from);
    if (r)
        return r;
    r = end_find(u, to);
    if (r && r != -ENOENT)
        return r;
    if (!*to->name || to->dir.node->flags & CF_VN_DELETED)
        return -ENOENT;
    r = check(u, from, to, flags);
    if (r || from->node.node == to->node.node)
        return r; /* two names of one inode: nothing to do */
    r = cf_copy_up(u, from->dir.node);
    if (!r)
        r = cf_copy_up(u, to->dir.node);
    if (!r)
        r = cf_dirfd_get(u, from->dir.node, &from->at);
    if (!r)
        r = cf_dirfd_get(u, to->dir.node, &to->at);
    if (!r)
        r = prepare_moving(u, from, to->dir.node);
    if (r)
        return r;
    return flags & RENAME_EXCHANGE ? exchange(u, from, to) : replace(u, from, to);
}

int cf_union_rename(struct cf_union *u, uint64_t old_dir, const char *old_name, uint64_t new_dir,
                    const char *new_name, unsigned flags)
{
    if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    CF_CHANGE(u);
    struct end from cf_cleanup(end_done) = {cf_pin_get(u, old_dir), old_name, .at = CF_DIRFD_INIT};
    struct end to cf_cleanup(end_done) = {cf_pin_get(u, new_dir), new_name, .at = CF_DIRFD_INIT};
    from.node.u = to.node.u = u;
    if (!from.dir.node || !to.dir.node)
        return -ESTALE;
    CF_NS_EXCLUSIVE(u);
    return rename_ends(u, &from, &to, flags);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a name of a directory is, from the upper and the lower; nodes for it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "internal.h"

#define INO_FRESH (1ull << 60) /* numbers given where two objects claim one */

int cf_name_check(const char *name)
{
    size_t len = strlen(name);
    if (len > CF_NAME_MAX)
        return -ENAMETOOLONG;
    return len == 0 ? -ENOENT : 0;
}

void cf_found_done(struct cf_found *found)
{
    cf_upper_entry_done(&found->entry);
}

/* The lower counterpart that a redirect names: -ENOENT. */
static int follow_redirect(struct cf_union *u, struct cf_vnode *dir, const char *redirect,
                           uint64_t *ret_nid)
{
    if (redirect[0] == '/')
        return cf_lower_walk(u, redirect, ret_nid);
    if (dir->nid == CF_NID_NONE || strchr(redirect, '/'))
        return -ENOENT;
    return cf_lower_find(u, dir->nid, redirect, strlen(redirect), ret_nid, NULL);
}

/* nid of an upper entry: the lower directory it merges with, the lower file it is a copy of. */
static void find_counterpart(struct cf_union *u, struct cf_vnode *dir, struct cf_found *f)
{
    const struct cf_upper_entry *e = &f->entry;
    bool is_dir = S_ISDIR(e->attr.st_mode);
    if (is_dir ? e->opaque : !e->metacopy)
        return;
    uint64_t nid = CF_NID_NONE;
    if (e->redirect) {
        if (follow_redirect(u, dir, e->redirect, &nid))
            nid = CF_NID_NONE;
    } else if (f->has_lower) {
        nid = f->lower_nid;
    }
    if (nid == CF_NID_NONE && !is_dir && e->has_origin && e->ino < CF_INO_UPPER)
        nid = e->ino;
    mode_t mode;
    if (nid != CF_NID_NONE && cf_lower_mode(u, nid, &mode) == 0 && S_ISDIR(mode) == is_dir)
        f->nid = nid;
}

static void find_upper_ino(struct cf_union *u, struct cf_found *f)
{
    const struct cf_upper_entry *e = &f->entry;
    if (e->has_origin)
        f->ino = e->ino;
    else
        f->ino = f->nid != CF_NID_NONE ? f->nid : e->ino;
    if (e->links < 0 || S_ISDIR(e->attr.st_mode) || f->ino >= CF_INO_UPPER)
        return;
    struct stat st;
    f->indexed = cf_index_stat(u, f->ino, &st) == 0 && st.st_ino == e->attr.st_ino;
    if (f->indexed)
        f->nid = f->ino;
}

/* A lower hard link that was copied up by another of its names. */
static int find_in_index(struct cf_union *u, struct cf_found *f)
{
    if (!u->index_used || cf_lower_links(u, f->nid) < 2)
        return 0;
    char name[17];
    cf_index_name(f->nid, name);
    int r = cf_upper_read(u->index_fd, name, u->user, &f->entry);
    if (r)
        return r == -ENOENT ? 0 : r;
    f->upper = f->indexed = true;
    return 0;
}

static int find_in_upper(struct cf_union *u, struct cf_vnode *dir, const char *name,
                         struct cf_found *f)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(u, dir, &at);
    if (!r)
        r = cf_upper_read(at.fd, name, u->user, &f->entry);
    if (r)
        return r == -ENOENT ? 0 : r;
    f->whiteout = f->entry.kind == CF_UPPER_WHITEOUT;
    f->upper = f->here = !f->whiteout;
    return 0;
}

int cf_find(struct cf_union *u, struct cf_vnode *dir, const char *name, struct cf_found *ret_found)
{
    struct cf_found *f = ret_found;
    *f = (struct cf_found){.nid = CF_NID_NONE};
    if (!cf_vnode_is_dir(dir))
        return -ENOTDIR;
    int r = cf_name_check(name);
    if (r)
        return r;
    if (dir->flags & CF_VN_DELETED || cf_upper_is_leftover(u, name))
        return -ENOENT;
    if (dir->nid != CF_NID_NONE) {
        r = cf_lower_find(u, dir->nid, name, strlen(name), &f->lower_nid, &f->lower_name);
        if (r && r != -ENOENT)
            return r;
        f->has_lower = r == 0;
    }
    if (dir->flags & CF_VN_UPPER) {
        r = find_in_upper(u, dir, name, f);
        if (r)
            return r;
    }
    if (f->upper) {
        find_counterpart(u, dir, f);
        find_upper_ino(u, f);
        return 0;
    }
    if (f->whiteout || !f->has_lower)
        return -ENOENT;
    f->ino = f->nid = f->lower_nid;
    return find_in_index(u, f);
}

/* Whether the node that has this number already is the same object under another name. 1: yes. */
static int same_object(struct cf_union *u, struct cf_vnode *node, const struct cf_found *f)
{
    if (cf_vnode_is_dir(node))
        return 0;
    if (f->indexed || node->flags & CF_VN_INDEXED)
        return f->indexed && node->flags & CF_VN_INDEXED && f->nid == node->nid;
    if (!f->upper || !(node->flags & CF_VN_UPPER))
        return !f->upper && !(node->flags & CF_VN_UPPER) && f->nid == node->nid;
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    struct stat st;
    return cf_vnode_place(u, node, &place) == 0 && cf_at_stat(place.fd, place.name, &st) == 0 &&
           st.st_ino == f->entry.attr.st_ino;
}

/* Two objects with one number: the new one gets another, for good if it is in the upper. */
static int mend_ino(struct cf_union *u, struct cf_vnode *dir, const char *name, struct cf_found *f)
{
    uint64_t fresh;
    if (getrandom(&fresh, sizeof(fresh), 0) != sizeof(fresh))
        return -EIO;
    f->ino = INO_FRESH | (fresh & ((1ull << 48) - 1));
    if (!f->here)
        return 0;
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(u, dir, &at);
    if (!r)
        r = cf_upper_set_ino(u, at.fd, name, f->ino);
    return r == -EPERM ? 0 : r; /* a symlink, as an ordinary user: the number is for this mount */
}

int cf_found_node(struct cf_union *u, struct cf_vnode *dir, const char *name,
                  struct cf_found *found, struct cf_vnode **ret_node)
{
    struct cf_vnode_spec spec = {
        .nid = found->nid,
        .parent = dir,
        .name = found->lower_name ? found->lower_name : name,
        .len = strlen(name),
        .heap = !found->lower_name,
        .flags = (uint8_t)((found->upper ? CF_VN_UPPER : 0) | (found->indexed ? CF_VN_INDEXED : 0)),
    };
    spec.mode = found->entry.attr.st_mode;
    if (!found->upper) {
        int r = cf_lower_mode(u, found->nid, &spec.mode);
        if (r)
            return r;
    }
    for (int tries = 0; tries < 8; tries++) {
        spec.ino = found->ino;
        struct cf_vnode *node = NULL;
        int r = cf_vnode_add(u, &spec, &node);
        if (r == 0)
            *ret_node = node;
        if (r != -EEXIST)
            return r;
        bool same = same_object(u, node, found);
        if (same && found->here && !found->indexed && !(node->flags & CF_VN_DELETED))
            r = cf_vnode_add_alias(u, node, dir, name, strlen(name));
        else
            r = same ? 0 : -EEXIST;
        if (r == 0) {
            *ret_node = node;
            return 0;
        }
        cf_vnode_put(u, node);
        if (r == -EEXIST)
            r = mend_ino(u, dir, name, found);
        if (r)
            return r;
    }
    return -EIO;
}

static int lookup_dots(struct cf_union *u, struct cf_vnode *dir, const char *name,
                       struct cf_entry *ret_entry)
{
    struct cf_vnode *node = dir;
    if (strcmp(name, "..") == 0 && dir != u->root)
        node = dir->parent;
    if (!node)
        return -ENOENT;
    return cf_vnode_entry(u, node, ret_entry);
}

int cf_vnode_revive(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *dir,
                    const char *name)
{
    if (!(node->flags & CF_VN_DELETED))
        return 0;
    int r = cf_vnode_set_name(u, node, dir, name, strlen(name));
    if (r)
        return r;
    node->flags &= (uint8_t)~CF_VN_DELETED;
    if (node->extra && node->extra->fd >= 0)
        (void)close(CF_TAKE_FD(node->extra->fd));
    return 0;
}

/* A name of a hard link that was not known when its last known name was removed. */
static int revive_found(struct cf_union *u, struct cf_vnode *dir, const char *name,
                        struct cf_vnode *node)
{
    struct cf_pin again cf_autopin = {u, NULL};
    struct cf_found found cf_autofound = {0};
    CF_NS_EXCLUSIVE(u);
    int r = cf_find(u, dir, name, &found);
    if (!r)
        r = cf_found_node(u, dir, name, &found, &again.node);
    return r || again.node != node ? r : cf_vnode_revive(u, node, dir, name);
}

static int lookup_name(struct cf_union *u, struct cf_vnode *dir, const char *name,
                       struct cf_vnode **ret_node, bool *ret_revive, struct cf_entry *ret_entry)
{
    struct cf_found found cf_autofound = {0};
    CF_NS_SHARED(u);
    *ret_revive = false;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return lookup_dots(u, dir, name, ret_entry);
    if (!cf_vnode_is_dir(dir))
        return -ENOTDIR;
    int r = cf_find(u, dir, name, &found);
    if (!r)
        r = cf_found_node(u, dir, name, &found, ret_node);
    struct cf_entry entry;
    if (!r)
        r = cf_found_stat(u, &found, *ret_node, &entry.attr);
    if (r)
        return r;
    cf_vnode_ref(u, *ret_node);
    entry.ino = (*ret_node)->ino;
    *ret_revive = (*ret_node)->flags & CF_VN_DELETED;
    *ret_entry = entry;
    return 0;
}

int cf_union_lookup(struct cf_union *u, uint64_t dir, const char *name, struct cf_entry *ret_entry)
{
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    if (!parent.node && strcmp(name, ".") == 0) /* a file handle of long ago */
        parent.node = cf_vnode_again(u, dir);
    if (!parent.node)
        return -ESTALE;
    struct cf_pin child cf_autopin = {u, NULL};
    bool revive = false;
    int r = lookup_name(u, parent.node, name, &child.node, &revive, ret_entry);
    if (!r && revive)
        (void)revive_found(u, parent.node, name, child.node); /* else its descriptor serves on */
    return r;
}

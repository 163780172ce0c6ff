/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that the decisions make of the new base's, and the layer that leads to it. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

/* Extended attributes as users see them, of a tree's inode. */
static int copy_xattrs(const struct cf_tree *tree, uint64_t nid, struct cf_builder *builder,
                       struct cf_node *node)
{
    struct cf_xattr xattr = {0};
    const char *shown = NULL;
    char buffer[256];
    int r;

    while ((r = cf_tree_xattr_list(tree, nid, xattr.next, &xattr)) == 1) {
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = cf_node_set_xattr(builder, node, xattr.name, xattr.value, xattr.value_len);
        if (r < 0)
            return r;
    }
    return r;
}

static int copy_content(const struct cf_tree *tree, const struct cf_inode *inode,
                        struct cf_builder *builder, struct cf_node *node)
{
    struct cf_content content;
    const char *target = NULL;
    size_t len = 0;

    if (S_ISLNK(inode->mode)) {
        int r = cf_tree_readlink(tree, inode->nid, &target, &len);
        return r < 0 ? r : cf_node_set_symlink(builder, node, target, len);
    }
    if (!S_ISREG(inode->mode))
        return 0;
    int r = cf_tree_content(tree, inode->nid, &content);
    if (r < 0)
        return r;
    return content.kind == CF_CONTENT_INLINE
               ? cf_node_set_inline(builder, node, content.data, (size_t)content.size)
               : cf_node_set_object(builder, node, &content.digest, content.size);
}

/* The entry of that name, new or, of a directory that stays one, with its attributes. */
static int copy_entry(struct cf_builder *builder, struct cf_node *dir, const char *name,
                      const struct cf_tree *tree, uint64_t nid)
{
    struct cf_node *node = cf_node_child(builder, dir, name, strlen(name));
    struct cf_inode inode, is = {0};
    int r = cf_tree_inode(tree, nid, &inode);

    if (node)
        cf_node_inode(node, &is);
    if (r == 0 && S_ISDIR(inode.mode) && S_ISDIR(is.mode)) {
        cf_node_set_inode(node, &inode);
        cf_node_clear_xattrs(builder, node);
        return copy_xattrs(tree, nid, builder, node);
    }
    if (r == 0)
        r = cf_node_add(builder, dir, name, strlen(name), &inode, &node);
    if (r == 0)
        r = copy_content(tree, &inode, builder, node);
    return r < 0 ? r : copy_xattrs(tree, nid, builder, node);
}

/* ---- the tree ---- */

/* The directory that a path lies in, made as ours is where the new base has none. */
static int parent_of(struct rebasing *rebasing, struct cf_builder *builder, const char *path,
                     struct cf_node **ret_dir)
{
    struct cf_node *dir = cf_builder_root(builder);
    struct cf_buf so_far cf_autobuf = CF_BUF_INIT;
    const char *slash;
    int r = 0;

    for (const char *at = path; (slash = strchr(at, '/')) && r == 0; at = slash + 1) {
        size_t len = (size_t)(slash - at);
        struct cf_node *child = cf_node_child(builder, dir, at, len);
        struct cf_inode inode = {0};
        uint64_t nid = 0;
        cf_buf_clear(&so_far);
        r = cf_buf_add(&so_far, path, (size_t)(slash - path));
        if (child)
            cf_node_inode(child, &inode);
        if (r == 0 && !S_ISDIR(inode.mode)) {
            r = cf_tree_walk(rebasing->ours, so_far.data, &nid);
            if (r == 0)
                r = cf_tree_inode(rebasing->ours, nid, &inode);
            if (r == 0)
                r = cf_node_add(builder, dir, at, len, &inode, &child);
            if (r == 0)
                r = copy_xattrs(rebasing->ours, nid, builder, child);
        }
        dir = child;
    }
    *ret_dir = dir;
    return r;
}

static int merge_entry(struct rebasing *rebasing, struct cf_builder *builder, struct cf_node *dir,
                       const char *name, const struct decision *decision, int64_t moment)
{
    struct cf_node *node = cf_node_child(builder, dir, name, strlen(name));
    struct cf_inode inode = decision->inode;
    uint64_t nid = 0;
    int r = node ? 0 : -ENOENT;

    if (r == 0 && (decision->our_content || decision->our_xattrs))
        r = cf_tree_walk(rebasing->ours, decision->path, &nid);
    if (r == 0 && decision->our_content) {
        struct cf_inode ours;
        r = cf_tree_inode(rebasing->ours, nid, &ours);
        if (r == 0)
            r = copy_content(rebasing->ours, &ours, builder, node);
        inode.mtime_sec = ours.mtime_sec;
        inode.mtime_nsec = ours.mtime_nsec;
    }
    if (r == 0 && decision->has_text) {
        inode.mtime_sec = moment;
        inode.mtime_nsec = 0;
        r = cf_object_put_node(rebasing->store, builder, node, &decision->text, rebasing->err);
    }
    if (r == 0)
        cf_node_set_inode(node, &inode);
    if (r < 0 || !decision->our_xattrs)
        return r;
    cf_node_clear_xattrs(builder, node);
    return copy_xattrs(rebasing->ours, nid, builder, node);
}

static int carry_out(struct rebasing *rebasing, struct cf_builder *builder,
                     const struct decision *decision, int64_t moment)
{
    const char *slash = strrchr(decision->path, '/');
    const char *name = slash ? slash + 1 : decision->path;
    struct cf_node *dir = NULL;
    uint64_t nid = 0;

    if (!*decision->path) { /* the root: its attributes */
        struct cf_inode root = decision->inode;
        int r = decision->deed == DEED_MERGE
                    ? 0
                    : cf_tree_inode(rebasing->ours, cf_tree_root(rebasing->ours), &root);
        if (r == 0)
            cf_node_set_inode(cf_builder_root(builder), &root);
        return r;
    }
    int r = parent_of(rebasing, builder, decision->path, &dir);
    if (r < 0)
        return r;
    if (decision->deed == DEED_REMOVE) {
        r = cf_node_remove(builder, dir, name, strlen(name));
        return r == -ENOENT ? 0 : r;
    }
    if (decision->deed == DEED_MERGE)
        return merge_entry(rebasing, builder, dir, name, decision, moment);
    r = cf_tree_walk(rebasing->ours, decision->path, &nid);
    return r < 0 ? r : copy_entry(builder, dir, name, rebasing->ours, nid);
}

int cf_rebase_make(struct rebasing *rebasing, int64_t moment)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_error *err = rebasing->err;
    int fd cf_autoclose = memfd_create("cloudfs-rebase", MFD_CLOEXEC);
    int r = fd < 0 ? cf_fail_errno(err, errno, "cannot make room for a tree")
                   : cf_builder_new(cf_store_tmp_fd(rebasing->store), &builder, err);

    if (r == 0)
        r = cf_builder_apply(builder, rebasing->theirs, false, err);
    for (size_t i = 0; i < rebasing->count && r == 0; i++) {
        r = carry_out(rebasing, builder, &rebasing->decisions[i], moment);
        if (r < 0)
            return cf_fail_errno(err, -r, "%s", rebasing->decisions[i].path);
    }
    if (r == 0)
        r = cf_builder_write(builder, &rebasing->onto->manifest, fd, err);
    return r < 0 ? r : cf_tree_open(fd, &rebasing->made, err);
}

/* ---- the layer ---- */

static bool is_time_alone(const struct cf_tree *below, const struct cf_tree *made,
                          const struct cf_change *change)
{
    struct cf_inode a, b;
    uint64_t x = 0, y = 0;

    return change->kind == 'C' && change->meta_only && cf_tree_walk(below, change->path, &x) == 0 &&
           cf_tree_walk(made, change->path, &y) == 0 && cf_tree_inode(below, x, &a) == 0 &&
           cf_tree_inode(made, y, &b) == 0 && a.mode == b.mode && a.uid == b.uid &&
           a.gid == b.gid && cf_tree_same_xattrs(below, x, made, y);
}

static int add_change(struct rebasing *rebasing, struct cf_builder *builder,
                      const struct cf_tree *below, const struct cf_change *change, int64_t moment)
{
    const char *slash = strrchr(change->path, '/');
    const char *name = slash ? slash + 1 : change->path;
    const struct cf_inode whiteout = {.mode = S_IFCHR, .mtime_sec = moment};
    struct cf_node *dir = NULL, *node = NULL;
    uint64_t nid = 0;
    int r = cf_builder_dir(builder, below, change->path, slash ? (size_t)(slash - change->path) : 0,
                           moment, &dir);

    if (r == 0 && !*change->path) { /* the root's own attributes */
        struct cf_inode root;
        r = cf_tree_inode(rebasing->made, cf_tree_root(rebasing->made), &root);
        if (r == 0)
            cf_node_set_inode(cf_builder_root(builder), &root);
        return r;
    }
    if (r < 0)
        return r;
    if (change->kind == 'D')
        return cf_node_add(builder, dir, name, strlen(name), &whiteout, &node);
    r = cf_tree_walk(rebasing->made, change->path, &nid);
    return r < 0 ? r : copy_entry(builder, dir, name, rebasing->made, nid);
}

int cf_rebase_layer(struct rebasing *rebasing, const struct cf_tree *below, int64_t moment,
                    struct cf_layer_info *ret_info)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_changes changes cf_cleanup(cf_changes_done) = {0};
    const struct cf_layer_build_options build = {0};
    size_t count = 0;
    int r = cf_tree_changes(below, rebasing->made, &changes, rebasing->err);

    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(rebasing->store), &builder, rebasing->err);
    for (size_t i = 0; i < changes.count && r == 0; i++) {
        if (is_time_alone(below, rebasing->made, &changes.list[i]))
            continue;
        r = add_change(rebasing, builder, below, &changes.list[i], moment);
        if (r < 0)
            return cf_fail_errno(rebasing->err, -r, "%s", changes.list[i].path);
        count++;
    }
    *ret_info = (struct cf_layer_info){0};
    return r < 0 || !count
               ? r
               : cf_layer_build(rebasing->store, builder, &build, ret_info, rebasing->err);
}

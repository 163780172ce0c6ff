/* SPDX-License-Identifier: Apache-2.0 */
/* Lays a layer over a builder's tree: the union rules of the OCI image spec's layer.md. */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "nodes.h"

struct frame {
    uint64_t nid; /* of the layer's directory */
    uint64_t cookie;
    struct cf_node *node; /* the same directory in the builder */
};

struct apply {
    struct cf_builder *builder;
    const struct cf_tree *layer;
    bool keep;          /* whiteouts and marks */
    struct table links; /* nid of the layer's inodes with several names -> node */
    struct frame *frames;
    size_t depth, room;
    uint64_t dirs; /* seen so far: bounds a damaged tree */
};

static int push(struct apply *apply, uint64_t nid, struct cf_node *node)
{
    if (++apply->dirs > cf_tree_count(apply->layer))
        return -EBADMSG;
    if (apply->depth == apply->room) {
        size_t room = apply->room ? 2 * apply->room : 64;
        struct frame *frames = reallocarray(apply->frames, room, sizeof(*frames));

        if (!frames)
            return -ENOMEM;
        apply->frames = frames;
        apply->room = room;
    }
    apply->frames[apply->depth++] = (struct frame){.nid = nid, .node = node};
    return 0;
}

static bool is_mark(const char *name)
{
    return strcmp(name, CF_XATTR_OPAQUE) == 0 || strcmp(name, CF_XATTR_IMPLICIT) == 0;
}

static bool is_writers(const char *name)
{
    return strcmp(name, XATTR_METACOPY) == 0 || strcmp(name, XATTR_REDIRECT) == 0;
}

static int copy_xattrs(struct apply *apply, uint64_t nid, struct cf_node *node)
{
    struct cf_xattr x = {.next = 0};
    int r;

    while ((r = cf_tree_xattr_list(apply->layer, nid, x.next, &x)) == 1) {
        if (S_ISDIR(node->mode) ? is_mark(x.name) : S_ISREG(node->mode) && is_writers(x.name))
            continue;
        r = cf_node_set_xattr(apply->builder, node, x.name, x.value, x.value_len);
        if (r < 0)
            return r;
    }
    return r;
}

static int copy_content(struct apply *apply, const struct cf_inode *inode, struct cf_node *node)
{
    struct cf_content content;
    const char *target;
    size_t len;
    int r = 0;

    if (S_ISLNK(inode->mode)) {
        if ((r = cf_tree_readlink(apply->layer, inode->nid, &target, &len)) == 0)
            r = cf_node_set_symlink(apply->builder, node, target, len);
    } else if (S_ISREG(inode->mode)) {
        if ((r = cf_tree_content(apply->layer, inode->nid, &content)) < 0)
            return r;
        if (content.kind == CF_CONTENT_OBJECT)
            r = cf_node_set_object(apply->builder, node, &content.digest, content.size);
        else
            r = cf_node_set_inline(apply->builder, node, content.data, content.size);
    }
    /* What a sane tree holds can be set; so it was not sane. */
    return r == -EINVAL || r == -EFBIG || r == -ENAMETOOLONG ? -EBADMSG : r;
}

static int apply_other(struct apply *apply, struct cf_node *parent, const struct cf_dirent *entry,
                       const struct cf_inode *inode)
{
    struct cf_builder *builder = apply->builder;
    uint32_t key = (uint32_t)inode->nid, at = 0, seen = 0;
    struct cf_node *node;
    int r;

    if (inode->nlink > 1)
        seen = table_find(&builder->arena, &apply->links, key, &at);
    if (seen)
        return cf_node_link(builder, parent, entry->name, entry->name_len,
                            arena_at(builder->arena.base, seen));
    r = cf_node_add(builder, parent, entry->name, entry->name_len, inode, &node);
    if (r < 0 || (r = copy_content(apply, inode, node)) < 0 ||
        (r = copy_xattrs(apply, inode->nid, node)) < 0 || inode->nlink < 2)
        return r;
    return table_add(&builder->arena, &builder->pool, &apply->links, key, arena_ref(node));
}

static int apply_whiteout(struct apply *apply, struct cf_node *parent,
                          const struct cf_dirent *entry, const struct cf_inode *inode)
{
    int r;

    if (apply->keep)
        return apply_other(apply, parent, entry, inode);
    r = cf_node_remove(apply->builder, parent, entry->name, entry->name_len);
    return r == -ENOENT ? 0 : r;
}

/* Metadata of a directory that was there before: an implicit one leaves it as it was. */
static int merge_dir(struct apply *apply, const struct cf_inode *inode, struct cf_node *node)
{
    bool opaque = cf_tree_is_opaque(apply->layer, inode->nid), was_opaque;
    const void *value;
    size_t len;
    int r;

    was_opaque = cf_node_xattr_get(node, CF_XATTR_OPAQUE, &value, &len) == 0;
    if (opaque && (r = cf_node_clear(apply->builder, node)) < 0)
        return r;
    if (!cf_tree_is_implicit(apply->layer, inode->nid)) {
        cf_node_set_inode(node, inode);
        cf_node_clear_xattrs(apply->builder, node);
        if ((r = copy_xattrs(apply, inode->nid, node)) < 0)
            return r;
    }
    if (apply->keep && (opaque || was_opaque))
        return cf_node_set_xattr(apply->builder, node, CF_XATTR_OPAQUE, "y", 1);
    return 0;
}

/* hides: it took the place of something else, which hid what lay below; so must this. */
static int fill_dir(struct apply *apply, const struct cf_inode *inode, struct cf_node *node,
                    bool hides)
{
    bool opaque = cf_tree_is_opaque(apply->layer, inode->nid);
    int r = copy_xattrs(apply, inode->nid, node);

    if (r < 0 || !apply->keep)
        return r;
    if (opaque || hides)
        r = cf_node_set_xattr(apply->builder, node, CF_XATTR_OPAQUE, "y", 1);
    if (r == 0 && !hides && cf_tree_is_implicit(apply->layer, inode->nid))
        r = cf_node_set_xattr(apply->builder, node, CF_XATTR_IMPLICIT, "y", 1);
    return r;
}

static int apply_dir(struct apply *apply, const struct frame *frame, const struct cf_dirent *entry,
                     const struct cf_inode *inode)
{
    struct cf_node *node = cf_node_child(apply->builder, frame->node, entry->name, entry->name_len);
    bool hides = node && !S_ISDIR(node->mode);
    uint64_t parent;
    int r = cf_tree_parent(apply->layer, inode->nid, &parent);

    if (r == 0 && parent != frame->nid)
        r = -EBADMSG;
    if (r < 0)
        return r;
    if (node && !hides) {
        r = merge_dir(apply, inode, node);
    } else {
        r = cf_node_add(apply->builder, frame->node, entry->name, entry->name_len, inode, &node);
        if (r == 0)
            r = fill_dir(apply, inode, node, hides);
    }
    return r < 0 ? r : push(apply, inode->nid, node);
}

static int apply_entry(struct apply *apply, const struct frame *frame,
                       const struct cf_dirent *entry)
{
    struct cf_inode inode;
    int r = cf_tree_inode(apply->layer, entry->nid, &inode);

    if (r < 0)
        return r;
    if (S_ISDIR(inode.mode))
        return apply_dir(apply, frame, entry, &inode);
    if (cf_inode_is_whiteout(&inode))
        return apply_whiteout(apply, frame->node, entry, &inode);
    return apply_other(apply, frame->node, entry, &inode);
}

static int apply_all(struct apply *apply)
{
    struct cf_node *root = cf_builder_root(apply->builder);
    struct cf_inode inode;
    struct cf_dirent entry;
    int r = cf_tree_inode(apply->layer, cf_tree_root(apply->layer), &inode);

    if (!apply->keep)
        cf_node_remove_xattr(apply->builder, root, CF_XATTR_IMPLICIT);
    if (r < 0 || (r = merge_dir(apply, &inode, root)) < 0 || (r = push(apply, inode.nid, root)) < 0)
        return r;
    while (apply->depth > 0) {
        struct frame *frame = &apply->frames[apply->depth - 1];
        struct frame copy = *frame;

        r = cf_tree_readdir(apply->layer, copy.nid, copy.cookie, &entry);
        if (r < 0)
            return r;
        if (r == 0) {
            apply->depth--;
            continue;
        }
        frame->cookie = entry.next;
        if ((r = apply_entry(apply, &copy, &entry)) < 0)
            return r;
    }
    return 0;
}

int cf_builder_apply(struct cf_builder *builder, const struct cf_tree *layer, bool keep_whiteouts,
                     struct cf_error *err)
{
    struct apply apply = {.builder = builder, .layer = layer, .keep = keep_whiteouts};
    int r;

    builder->arena.tree = layer;
    r = apply_all(&apply);
    builder->arena.tree = NULL;
    table_drop(&builder->arena, &builder->pool, &apply.links);
    free(apply.frames);
    if (r == -EBADMSG)
        return cf_fail(err, r, "tree of a layer: damaged");
    return r < 0 ? cf_fail_errno(err, -r, "merge trees") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A whole tree put into a directory of a builder: what ADD unpacked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

/* Which node each inode with several names became. */
struct seen {
    uint64_t nid;
    struct cf_node *node;
};

struct graft {
    struct cf_builder *builder;
    const struct cf_tree *tree;
    const struct cf_importer_options *options;
    struct seen *seen;
    size_t seen_count;
    struct cf_error *err;
};

enum { DEPTH_MAX = 1000 };

static int fail(struct graft *graft, int r, const char *name, size_t len)
{
    return cf_fail_errno(graft->err, -r, "'%.*s'", (int)len, name);
}

static int copy_xattrs(struct graft *graft, uint64_t nid, struct cf_node *node)
{
    struct cf_xattr xattr = {0};
    char buffer[256];
    const char *shown = NULL;
    int r;

    while ((r = cf_tree_xattr_list(graft->tree, nid, xattr.next, &xattr)) == 1) {
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = cf_node_set_xattr(graft->builder, node, xattr.name, xattr.value, xattr.value_len);
        if (r < 0)
            return r;
    }
    return r;
}

static int copy_content(struct graft *graft, uint64_t nid, const struct cf_inode *inode,
                        struct cf_node *node)
{
    struct cf_content content;
    const char *target = NULL;
    size_t len = 0;
    int r = 0;

    if (S_ISLNK(inode->mode)) {
        r = cf_tree_readlink(graft->tree, nid, &target, &len);
        return r < 0 ? r : cf_node_set_symlink(graft->builder, node, target, len);
    }
    if (!S_ISREG(inode->mode))
        return 0;
    r = cf_tree_content(graft->tree, nid, &content);
    if (r < 0)
        return r;
    return content.kind == CF_CONTENT_INLINE
               ? cf_node_set_inline(graft->builder, node, content.data, (size_t)content.size)
               : cf_node_set_object(graft->builder, node, &content.digest, content.size);
}

static int add_seen(struct graft *graft, uint64_t nid, struct cf_node *node)
{
    if ((graft->seen_count & (graft->seen_count - 1)) == 0) {
        size_t room = graft->seen_count ? 2 * graft->seen_count : 1;
        struct seen *list = reallocarray(graft->seen, room, sizeof(*list));
        if (!list)
            return -ENOMEM;
        graft->seen = list;
    }
    graft->seen[graft->seen_count++] = (struct seen){nid, node};
    return 0;
}

static void adapt(const struct cf_importer_options *options, struct cf_inode *inode)
{
    if (options->has_owner) {
        inode->uid = options->uid;
        inode->gid = options->gid;
    }
    if (options->has_mode && !S_ISLNK(inode->mode))
        inode->mode = (inode->mode & S_IFMT) | (options->mode & 07777);
    if (options->has_clamp && inode->mtime_sec >= options->clamp_sec) {
        inode->mtime_sec = options->clamp_sec;
        inode->mtime_nsec = 0;
    }
}

/* The entry's node; *ret_dir where its own entries are still to come. */
static int add_entry(struct graft *graft, struct cf_node *dir, const struct cf_dirent *entry,
                     struct cf_node **ret_dir)
{
    struct cf_inode inode;
    struct cf_node *node = cf_node_child(graft->builder, dir, entry->name, entry->name_len);
    int r = cf_tree_inode(graft->tree, entry->nid, &inode);

    if (r < 0)
        return r;
    if (cf_inode_is_whiteout(&inode))
        return 0; /* an archive removes nothing */
    for (size_t i = 0; inode.nlink > 1 && i < graft->seen_count; i++)
        if (!S_ISDIR(inode.mode) && graft->seen[i].nid == entry->nid)
            return cf_node_link(graft->builder, dir, entry->name, entry->name_len,
                                graft->seen[i].node);
    adapt(graft->options, &inode);
    if (node && S_ISDIR(inode.mode)) {
        *ret_dir = node;
        return 0;
    }
    r = cf_node_add(graft->builder, dir, entry->name, entry->name_len, &inode, &node);
    if (r == 0)
        r = copy_content(graft, entry->nid, &inode, node);
    if (r == 0)
        r = copy_xattrs(graft, entry->nid, node);
    if (r == 0 && !S_ISDIR(inode.mode) && inode.nlink > 1)
        r = add_seen(graft, entry->nid, node);
    if (r == 0 && S_ISDIR(inode.mode))
        *ret_dir = node;
    return r;
}

static int add_all(struct graft *graft, struct cf_node *dir, uint64_t nid, unsigned depth)
{
    struct cf_dirent entry = {0};
    int r;

    if (depth > DEPTH_MAX)
        return cf_fail(graft->err, -EFBIG, "directories are nested more than %d deep", DEPTH_MAX);
    while ((r = cf_tree_readdir(graft->tree, nid, entry.next, &entry)) == 1) {
        struct cf_node *below = NULL;
        r = add_entry(graft, dir, &entry, &below);
        if (r < 0)
            return fail(graft, r, entry.name, entry.name_len);
        if (below && (r = add_all(graft, below, entry.nid, depth + 1)) < 0)
            return r;
    }
    return r < 0 ? cf_fail_errno(graft->err, -r, "a directory of the archive") : 0;
}

int cf_graft(struct cf_builder *builder, struct cf_node *dir, const struct cf_tree *tree,
             const struct cf_importer_options *options, struct cf_error *err)
{
    struct graft graft = {.builder = builder, .tree = tree, .options = options, .err = err};
    int r = add_all(&graft, dir, cf_tree_root(tree), 0);
    free(graft.seen);
    return r;
}

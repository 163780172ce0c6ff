/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root directory of a mount shows the upper directory's own metadata, as in overlayfs. The
 * union gives a fresh upper those of the image's root; the mount is changed when they differ.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* Calls fn for each xattr of the image's root that users see, until it returns non-zero. */
typedef int xattr_fn(struct cf_union *u, const char *shown, const struct cf_xattr *xattr);

static int each_xattr(struct cf_union *u, const struct cf_tree *tree, xattr_fn *fn)
{
    struct cf_xattr xattr = {.next = 0};
    uint64_t root = cf_tree_root(tree);
    char buffer[256];
    const char *shown;
    int r;

    while ((r = cf_tree_xattr_list(tree, root, xattr.next, &xattr)) == 1) {
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = fn(u, shown, &xattr);
        if (r != 0)
            break;
    }
    return r;
}

static int inode_attr(const struct cf_tree *tree, struct stat *ret_attr)
{
    struct cf_inode inode;
    int r = cf_tree_inode(tree, cf_tree_root(tree), &inode);
    if (r < 0)
        return r;
    *ret_attr = (struct stat){.st_mode = inode.mode, .st_uid = inode.uid, .st_gid = inode.gid};
    return 0;
}

/* 0: the same value is there; 1: it is not. */
static int compare_xattr(struct cf_union *u, const char *shown, const struct cf_xattr *xattr)
{
    char *value cf_autofree = malloc(xattr->value_len + 1);
    if (!value)
        return -ENOMEM;
    ssize_t n = cf_union_getxattr(u, CF_ROOT_INO, shown, value, xattr->value_len + 1);
    return n < 0 || (size_t)n != xattr->value_len || memcmp(value, xattr->value, (size_t)n) != 0;
}

/* Bytes of the list of names that the image's root has. */
static ssize_t list_size(const struct cf_tree *tree)
{
    struct cf_xattr xattr = {.next = 0};
    char buffer[256];
    const char *shown;
    ssize_t size = 0;
    int r;

    while ((r = cf_tree_xattr_list(tree, cf_tree_root(tree), xattr.next, &xattr)) == 1)
        if (cf_xattr_shown(xattr.name, buffer, &shown))
            size += (ssize_t)strlen(shown) + 1;
    return r < 0 ? r : size;
}

bool cf_root_is_same(struct cf_union *u, const struct cf_tree *tree)
{
    struct stat image, now;

    if (inode_attr(tree, &image) < 0 || cf_union_getattr(u, CF_ROOT_INO, &now) < 0)
        return false;
    if (image.st_mode != now.st_mode || image.st_uid != now.st_uid || image.st_gid != now.st_gid)
        return false;
    return cf_union_listxattr(u, CF_ROOT_INO, NULL, 0) == list_size(tree) &&
           each_xattr(u, tree, compare_xattr) == 0;
}

bool cf_mount_is_unchanged(bool own_upper, int upper_fd, struct cf_union *u,
                           const struct cf_tree *tree)
{
    if (upper_fd < 0)
        return true;
    return own_upper && cf_dir_is_empty(upper_fd) == 1 && cf_root_is_same(u, tree);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of a layer that is laid on an image. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/tree.h>

int cf_builder_dir(struct cf_builder *builder, const struct cf_tree *tree, const char *path,
                   size_t len, int64_t mtime, struct cf_node **ret_dir)
{
    struct cf_node *dir = cf_builder_root(builder);
    struct cf_inode inode = {.mode = S_IFDIR | 0755, .mtime_sec = mtime};
    char part[4096];
    uint64_t nid = 0;

    for (size_t at = 0; at < len;) {
        const char *slash = memchr(path + at, '/', len - at);
        size_t end = slash ? (size_t)(slash - path) : len;
        struct cf_node *child = cf_node_child(builder, dir, path + at, end - at);
        if (!child) {
            int r = cf_node_add(builder, dir, path + at, end - at, &inode, &child);
            if (r < 0 || end >= sizeof(part))
                return r < 0 ? r : -ENAMETOOLONG;
            memcpy(part, path, end);
            part[end] = '\0';
            if (cf_tree_resolve(tree, part, true, &nid) == 0)
                r = cf_node_set_xattr(builder, child, CF_XATTR_IMPLICIT, "y", 1);
            if (r < 0)
                return r;
        }
        dir = child;
        at = end + 1;
    }
    *ret_dir = dir;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which node each inode of the disk became, for those that have several names. */
#ifndef CLOUDFS_LAYER_IMPORT_H
#define CLOUDFS_LAYER_IMPORT_H

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>

#include <cloudfs/layer.h>

struct cf_import_link {
    dev_t dev;
    ino_t ino;
    struct cf_node *node; /* NULL: free */
};
struct cf_import_links { /* zeroed to begin with */
    struct cf_import_link *table;
    size_t count, room; /* room is a power of two, at least twice count */
};
void cf_import_links_done(struct cf_import_links *links);
struct cf_node *cf_import_links_find(const struct cf_import_links *links, const struct stat *st);
int cf_import_links_add(struct cf_import_links *links, const struct stat *st,
                        struct cf_node *node); /* -ENOMEM */

#endif

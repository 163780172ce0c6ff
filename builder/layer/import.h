/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an import: which node each inode of the disk became, for those that have several
 * names; and the content of files. */
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

/* Whether nothing can have been written to the file between the two. */
bool cf_import_same_state(const struct stat *a, const struct stat *b);

/* Content of regular files into the store and the builder; by several threads once it is much. */
struct cf_import_files;
int cf_import_files_new(struct cf_store *store, struct cf_builder *builder, const char *what,
                        cf_progress_fn *progress, void *progress_context,
                        struct cf_import_files **ret_files, struct cf_error *err);
void cf_import_files_free(struct cf_import_files *files); /* gives up what is not done */
/* The file behind fd, which is taken over, becomes the content of node: at once, or by the time of
 * the next settle. path is the file's; after a failure that of the file that failed. -EBUSY: it is
 * not as st says any more. After a failure only free. */
int cf_import_files_add(struct cf_import_files *files, int fd, const struct stat *st,
                        struct cf_node *node, struct cf_buf *path, struct cf_error *err);
/* Waits for all. */
int cf_import_files_settle(struct cf_import_files *files, struct cf_buf *path,
                           struct cf_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the entries of a layer's tar into a builder, one by one: paths, whiteouts, opaque marks,
 * hard links, directories without an entry. The only file that knows how layers spell whiteouts.
 * Source: OCI image-spec layer.md, "Representing Changes" and "Whiteouts".
 */
#ifndef CLOUDFS_LAYER_PLACE_H
#define CLOUDFS_LAYER_PLACE_H

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/tree.h>

#include <cloudfs/tar.h>

#define CF_WHITEOUT_PREFIX ".wh."
#define CF_WHITEOUT_OPAQUE ".wh..wh..opq"

struct cf_placer {
    struct cf_builder *builder;
    const char *what; /* whose entries they are, for warnings */
    bool has_clamp;   /* later times become clamp_sec */
    int64_t clamp_sec;
    int64_t newest_sec; /* the newest time of an entry, as far as any */
    uint32_t newest_nsec;
    bool has_newest;
    unsigned warnings; /* so far */
    /* The directory that the last entry was put into, and its path. */
    struct cf_node *dir;
    struct cf_buf dir_path;
    struct cf_buf path; /* of the entry at hand */
};

void cf_placer_init(struct cf_placer *placer, struct cf_builder *builder, const char *what);
void cf_placer_done(struct cf_placer *placer);
/* Places one entry. *ret_node: the node of a regular file, whose content is to be set; else NULL.
 * -EINVAL and a line without the entry's name; -ENOMEM, -ENOSPC. */
int cf_placer_add(struct cf_placer *placer, const struct cf_tar_entry *entry,
                  struct cf_node **ret_node, struct cf_error *err);
/* Sets an extended attribute that the content names so, or warns that the tree cannot hold it. */
int cf_placer_xattr(struct cf_placer *placer, struct cf_node *node, const char *name,
                    const void *value, size_t len, struct cf_error *err);

#endif

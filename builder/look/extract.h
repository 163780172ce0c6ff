/* SPDX-License-Identifier: Apache-2.0 */
/* What extract.c (the walk) and extract_one.c (one thing) share. Not public. */
#ifndef CF_LOOK_EXTRACT_H
#define CF_LOOK_EXTRACT_H

#include <cloudfs/buf.h>

#include "find.h"

/* The first place of an inode with several names. */
struct extracted_link {
    uint64_t nid; /* 0: a free slot */
    char *path;   /* below dest */
};

struct extraction {
    struct cf_store *store;
    const struct cf_tree *tree;
    const char *dest;
    int root_fd, dir_fd; /* dest, and the directory that is being filled */
    struct cf_buf path;  /* of the thing at hand, below dest */
    bool is_root, is_layer;
    uint64_t skipped;
    struct extracted_link *links; /* open addressing; a power of two of slots */
    size_t link_count, link_room;
};

void cf_extraction_done(struct extraction *extraction);

/* Makes what is no directory under name in dir_fd, in the place of what is there. */
int cf_extract_one(struct extraction *extraction, const struct cf_inode *inode, const char *name,
                   struct cf_error *err);
/* Owner, mode, xattrs and time of an open directory or file. */
int cf_extract_metadata(struct extraction *extraction, int fd, const struct cf_inode *inode,
                        struct cf_error *err);

#endif

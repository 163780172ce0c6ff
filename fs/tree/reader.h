/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the reader share: the mapping, and an inode's place in it after all bounds
 * were checked.
 */
#ifndef CLOUDFS_TREE_READER_H
#define CLOUDFS_TREE_READER_H

#include <cloudfs/tree.h>

#include "erofs.h"

struct cf_tree {
    const uint8_t *map;
    size_t size; /* a whole number of blocks */
    uint64_t root;
    uint64_t count;
};

struct place {
    const uint8_t *inode; /* INODE_SIZE bytes */
    uint64_t body;        /* offset of the xattr body in the file */
    uint32_t body_len;    /* 0: no xattrs */
    unsigned layout;
    uint32_t mode;
    uint64_t size;
};

/* -EBADMSG unless nid is an inode that lies in the file with its xattr body. */
int tree_place(const struct cf_tree *tree, uint64_t nid, struct place *ret_place);

/* Block number block of a directory: -EBADMSG. *ret_len is short for the last one only. */
int tree_dir_block(const struct cf_tree *tree, const struct place *dir, uint64_t block,
                   const uint8_t **ret_data, uint32_t *ret_len);

#endif

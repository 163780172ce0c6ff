/* SPDX-License-Identifier: Apache-2.0 */
/* A directory's entries in EROFS's blocks: measuring them, and writing them out. */
#ifndef CLOUDFS_TREE_PACK_H
#define CLOUDFS_TREE_PACK_H

#include "nodes.h"
#include "stream.h"

/*
 * Sets dir->blocks and dir->tail. The directory is sorted.
 */
void dir_measure(struct arena *arena, struct dir *dir);

/* Writes the full blocks, padded, to blocks, and the tail, not padded, to tail. */
void dir_write(struct arena *arena, struct dir *dir, struct stream *blocks, struct stream *tail);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A set of inode numbers of a tree. One thread at a time; zeros are an empty set. */
#ifndef CLOUDFS_NID_SET_H
#define CLOUDFS_NID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/tree.h>

struct cf_nid_set {
    uint64_t *slots; /* open addressing; UINT64_MAX: free */
    size_t count, room;
};

int cf_nid_set_add(struct cf_nid_set *set, uint64_t nid); /* -ENOMEM */
bool cf_nid_set_has(const struct cf_nid_set *set, uint64_t nid);
void cf_nid_set_done(struct cf_nid_set *set);

/* Adds the directories of a tree that have a name of one of the nids in them or anywhere below.
 * Reads all of the tree, unless there are no nids. */
int cf_tree_find_names(const struct cf_tree *tree, const struct cf_nid_set *nids,
                       struct cf_nid_set *ret_dirs);

#endif

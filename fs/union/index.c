/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lower hard links in the upper. work/index/<nid as 16 hex> is a hard link of the upper inode, so
 * that every lower name, whether it was looked up before the copy-up or after, finds it. Its
 * xattr T.cloudfs.nlink counts the lower names that are neither removed nor in the upper:
 * st_nlink = names in the upper + that count. Order of writing: the count is never too small.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"

void cf_index_name(uint64_t nid, char ret_name[17])
{
    (void)snprintf(ret_name, 17, "%016" PRIx64, nid);
}

int cf_index_stat(struct cf_union *u, uint64_t nid, struct stat *ret_stat)
{
    if (!u->index_used)
        return -ENOENT;
    char name[17];
    cf_index_name(nid, name);
    return cf_at_stat(u->index_fd, name, ret_stat);
}

/* What fails here leaves a count that is too large, or an entry that nobody finds. */

void cf_index_collect(struct cf_union *u, struct cf_vnode *node)
{
    char name[17];
    struct stat st;
    uint32_t links;
    cf_index_name(node->nid, name);
    if (cf_at_stat(u->index_fd, name, &st) || st.st_nlink > 1 ||
        cf_upper_get_links(u, u->index_fd, name, &links) || links > 0)
        return;
    if (cf_vnode_hold(u, node) == 0 && unlinkat(u->index_fd, name, 0) == 0)
        node->flags = (uint8_t)((node->flags & ~CF_VN_INDEXED) | CF_VN_DELETED);
}

void cf_index_drop_lower(struct cf_union *u, struct cf_vnode *node)
{
    char name[17];
    uint32_t links;
    cf_index_name(node->nid, name);
    if (cf_upper_get_links(u, u->index_fd, name, &links) == 0 && links > 0)
        (void)cf_upper_set_links(u, u->index_fd, name, links - 1);
}

int cf_index_materialise(struct cf_union *u, struct cf_vnode *node, int fd, const char *name)
{
    char index[17];
    cf_index_name(node->nid, index);
    int r = cf_at_link(u->index_fd, index, fd, name);
    if (!r)
        cf_index_drop_lower(u, node);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What an object of a stack is: attributes, xattrs, link target, content. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stack.h"

static int find(struct cf_stack *s, uint64_t nid, const struct cf_lnode **ret_node,
                struct cf_lplace *ret_place)
{
    *ret_node = cf_stack_node(s, nid);
    return *ret_node ? cf_stack_place(s, *ret_node, 0, ret_place) : -ESTALE;
}

static const struct cf_layer *layer_of(const struct cf_stack *s, const struct cf_lnode *node)
{
    return &s->layers[node->parts[0].layer];
}

int cf_stack_mode(struct cf_stack *s, uint64_t nid, mode_t *ret_mode)
{
    const struct cf_lnode *node = cf_stack_node(s, nid);
    if (!node)
        return -ESTALE;
    *ret_mode = (mode_t)node->type << 12;
    return 0;
}

int cf_stack_stat(struct cf_stack *s, uint64_t nid, struct stat *ret_stat)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    const struct cf_lnode *node;
    struct stat st, disk;
    int r = find(s, nid, &node, &at);
    if (!r)
        r = cf_at_stat(at.fd, at.name, &st);
    if (r)
        return r;
    disk = st;
    cf_lmarks_override(layer_of(s, node), at.fd, at.name, &st);
    st.st_ino = nid;
    st.st_dev = 0;
    if (S_ISDIR(st.st_mode)) {
        st.st_size = CF_LOWER_DIR_SIZE;
        st.st_nlink = 1;
    } else if (node->part_count > 1) { /* a metacopy has no blocks of its own */
        st.st_blocks = (st.st_size + 4095) / 4096 * 8;
    } else if (S_ISREG(disk.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
        st.st_size = 0;
    }
    *ret_stat = st;
    return 0;
}

int cf_stack_path(struct cf_stack *s, uint64_t nid, struct cf_buf *ret_path)
{
    const struct cf_lnode *node = cf_stack_node(s, nid);
    if (!node)
        return -ESTALE;
    size_t len = 0;
    for (const struct cf_lnode *n = node; n->parent; n = n->parent)
        len += n->name_len + 1u;
    int r = cf_buf_reserve(ret_path, len + 1);
    if (r)
        return r;
    char *end = ret_path->data + ret_path->len + len;
    *end = 0;
    for (const struct cf_lnode *n = node; n->parent; n = n->parent) {
        end -= n->name_len;
        memcpy(end, n->name, n->name_len);
        *--end = '/';
    }
    ret_path->len += len;
    return 0;
}

int cf_stack_readlink(struct cf_stack *s, uint64_t nid, char ret_target[CF_SYMLINK_MAX + 1])
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    const struct cf_lnode *node;
    int r = find(s, nid, &node, &at);
    if (r)
        return r;
    ssize_t n = cf_upper_link_target(at.fd, at.name, layer_of(s, node)->override != NULL,
                                     ret_target, CF_SYMLINK_MAX);
    if (n < 0)
        return (int)n;
    ret_target[n] = 0;
    return 0;
}

/* ---- xattrs ---- */

int cf_stack_xattr_names(struct cf_stack *s, uint64_t nid, struct cf_buf *ret_names)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    struct cf_buf stored cf_autobuf = CF_BUF_INIT;
    const struct cf_lnode *node;
    int r = find(s, nid, &node, &at);
    if (!r)
        r = cf_at_xattr_names(at.fd, at.name, &stored);
    for (const char *n = stored.data; !r && n && n < stored.data + stored.len; n += strlen(n) + 1) {
        char buffer[256];
        const char *shown = cf_lmarks_xattr_shown(s, layer_of(s, node), n, buffer);
        if (shown)
            r = cf_buf_add(ret_names, shown, strlen(shown) + 1);
    }
    return r;
}

int cf_stack_xattr_value(struct cf_stack *s, uint64_t nid, const char *name,
                         struct cf_buf *ret_value)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    const struct cf_lnode *node;
    char stored[256], buffer[256];
    int r = find(s, nid, &node, &at);
    if (r)
        return r;
    r = -ENODATA;
    for (unsigned n = 0; r == -ENODATA || r == -EOPNOTSUPP; n++) {
        int spelling = cf_lmarks_xattr_stored(s, layer_of(s, node), name, n, stored);
        if (spelling)
            return spelling == -ENOENT || spelling == -EPERM ? -ENODATA : spelling;
        if (cf_lmarks_xattr_shown(s, layer_of(s, node), stored, buffer))
            r = cf_at_xattr_value(at.fd, at.name, stored, ret_value);
    }
    return r;
}

/* ---- content ---- */

int cf_stack_open_content(struct cf_stack *s, uint64_t nid)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    const struct cf_lnode *node = cf_stack_node(s, nid);
    if (!node)
        return -ESTALE;
    int r = cf_stack_place(s, node, node->part_count - 1, &at);
    if (r)
        return r == -ENOENT ? -EIO : r;
    int fd = cf_at_open(at.fd, at.name, O_RDONLY | O_NOATIME | O_NONBLOCK);
    if (fd == -EPERM) /* another's file */
        fd = cf_at_open(at.fd, at.name, O_RDONLY | O_NONBLOCK);
    return fd == -ENOENT ? -EIO : fd;
}

int cf_stack_statfs(const struct cf_stack *s, struct statvfs *ret_statfs)
{
    return fstatvfs(s->layers[0].fd, ret_statfs) ? -errno : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "nodes.h"

#define NSEC_MAX 999999999u

void cf_node_inode(const struct cf_node *node, struct cf_inode *ret_inode)
{
    *ret_inode = (struct cf_inode){
        .mode = node->mode,
        .nlink = node->nlink,
        .uid = node->uid,
        .gid = node->gid,
        .mtime_sec = node->mtime_sec,
        .mtime_nsec = node->mtime_nsec,
    };
    if (S_ISREG(node->mode) || S_ISLNK(node->mode))
        ret_inode->size = node->size;
    if (S_ISCHR(node->mode) || S_ISBLK(node->mode)) {
        ret_inode->rdev_major = node->rdev.major;
        ret_inode->rdev_minor = node->rdev.minor;
    }
}

void cf_node_set_inode(struct cf_node *node, const struct cf_inode *inode)
{
    node->mode = (uint16_t)((node->mode & S_IFMT) | (inode->mode & 07777));
    node->uid = inode->uid;
    node->gid = inode->gid;
    node->mtime_sec = inode->mtime_sec;
    node->mtime_nsec = inode->mtime_nsec > NSEC_MAX ? NSEC_MAX : inode->mtime_nsec;
    if (S_ISDIR(node->mode))
        cf_node_remove_xattr(NULL, node, CF_XATTR_IMPLICIT);
}

/* ---- content ---- */

/* len bytes and a NUL behind them. */
static int keep_bytes(struct cf_builder *builder, const void *data, size_t len, uint32_t *ret_ref)
{
    uint32_t ref;
    char *copy;
    int r = arena_alloc(&builder->arena, len + 1, &ref);

    if (r < 0)
        return r;
    copy = arena_at(builder->arena.base, ref);
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    *ret_ref = ref;
    return 0;
}

int cf_node_set_symlink(struct cf_builder *builder, struct cf_node *node, const char *target,
                        size_t len)
{
    int r;

    if (!S_ISLNK(node->mode) || len == 0 || memchr(target, 0, len))
        return -EINVAL;
    if (len > CF_SYMLINK_MAX)
        return -ENAMETOOLONG;
    if ((r = keep_bytes(builder, target, len, &node->data)) == 0)
        node->size = len;
    return r;
}

const char *cf_node_symlink(const struct cf_node *node, size_t *ret_len)
{
    if (!S_ISLNK(node->mode) || !node->data)
        return NULL;
    *ret_len = node->size;
    return arena_at(node, node->data);
}

int cf_node_set_inline(struct cf_builder *builder, struct cf_node *node, const void *data,
                       size_t len)
{
    int r = 0;

    if (!S_ISREG(node->mode))
        return -EINVAL;
    if (len > CF_INLINE_MAX)
        return -EFBIG;
    if (len > 0 && (r = keep_bytes(builder, data, len, &node->data)) < 0)
        return r;
    node->size = len;
    node->flags &= (uint8_t)~NODE_OBJECT;
    return 0;
}

int cf_node_set_object(struct cf_builder *builder, struct cf_node *node,
                       const struct cf_digest *digest, uint64_t size)
{
    uint32_t ref;
    int r;

    if (!S_ISREG(node->mode))
        return -EINVAL;
    if (size == 0)
        return cf_node_set_inline(builder, node, NULL, 0);
    if (size > CF_OBJECT_SIZE_MAX)
        return -EFBIG;
    if ((r = arena_alloc(&builder->arena, sizeof(*digest), &ref)) < 0)
        return r;
    memcpy(arena_at(node, ref), digest, sizeof(*digest));
    node->data = ref;
    node->size = size;
    node->flags |= NODE_OBJECT;
    return 0;
}

int cf_node_content(const struct cf_node *node, struct cf_content *ret_content)
{
    struct cf_content content = {.kind = CF_CONTENT_INLINE, .size = node->size, .data = ""};

    if (!S_ISREG(node->mode))
        return -EINVAL;
    if (node->flags & NODE_OBJECT) {
        content.kind = CF_CONTENT_OBJECT;
        content.data = NULL;
        memcpy(&content.digest, arena_at(node, node->data), sizeof(content.digest));
    } else if (node->size > 0) {
        content.data = arena_at(node, node->data);
    }
    *ret_content = content;
    return 0;
}

/* ---- xattrs ---- */

static uint32_t xattr_len(size_t rest_len, size_t value_len)
{
    return (uint32_t)align_up(XATTR_ENTRY_SIZE + rest_len + value_len, 4);
}

uint32_t node_xattr_len(const struct cf_node *node)
{
    const struct xattr *x = arena_at(node, node->xattrs);
    uint32_t len = 0;

    for (; x; x = arena_at(x, x->next))
        len += xattr_len(strlen(xattr_rest(x)), x->value_len);
    return len;
}

/* The reference (in the node or in an xattr) to the first xattr whose name is not below name. */
static uint32_t *find_xattr(struct cf_node *node, const char *name, bool *ret_same)
{
    uint32_t *ref = &node->xattrs;
    struct xattr *x;
    int order = 1;

    while ((x = arena_at(node, *ref)) && (order = strcmp(x->name, name)) < 0)
        ref = &x->next;
    *ret_same = x && order == 0;
    return ref;
}

/* What the writer adds to objects of its own; the body must hold both. */
#define OBJECT_XATTRS_LEN 128

static int check_xattr(struct cf_node *node, const char *name, size_t rest_len, size_t len)
{
    if (strlen(name) > 255)
        return -ERANGE;
    if (S_ISREG(node->mode) &&
        (strcmp(name, XATTR_METACOPY) == 0 || strcmp(name, XATTR_REDIRECT) == 0))
        return -EINVAL;
    if (len > CF_XATTR_VALUE_MAX ||
        XATTR_HEADER_SIZE + OBJECT_XATTRS_LEN + node_xattr_len(node) + xattr_len(rest_len, len) >
            XATTR_BODY_MAX)
        return -E2BIG;
    return 0;
}

int cf_node_set_xattr(struct cf_builder *builder, struct cf_node *node, const char *name,
                      const void *value, size_t len)
{
    const char *rest;
    unsigned index = erofs_xattr_index(name, &rest);
    size_t name_len = strlen(name);
    uint32_t *place, ref;
    struct xattr *x;
    bool same;
    int r = index ? check_xattr(node, name, strlen(rest), len) : -ENOTSUP;

    arena_tick(&builder->arena);
    if (r < 0 || (r = arena_alloc(&builder->arena, sizeof(*x) + name_len + 1 + len, &ref)) < 0)
        return r;
    x = arena_at(node, ref);
    place = find_xattr(node, name, &same);
    *x = (struct xattr){
        .next = same ? ((struct xattr *)arena_at(node, *place))->next : *place,
        .value_len = (uint16_t)len,
        .index = (uint8_t)index,
        .name_len = (uint8_t)name_len,
    };
    memcpy(x->name, name, name_len + 1);
    if (len > 0)
        memcpy(x->name + name_len + 1, value, len);
    *place = ref;
    return 0;
}

void cf_node_remove_xattr(struct cf_builder *builder, struct cf_node *node, const char *name)
{
    bool same;
    uint32_t *place = find_xattr(node, name, &same);

    (void)builder;
    if (same)
        *place = ((struct xattr *)arena_at(node, *place))->next;
}

void cf_node_clear_xattrs(struct cf_builder *builder, struct cf_node *node)
{
    (void)builder;
    node->xattrs = 0;
}

int cf_node_xattr_get(const struct cf_node *node, const char *name, const void **ret_value,
                      size_t *ret_len)
{
    const struct xattr *x = arena_at(node, node->xattrs);

    while (x && strcmp(x->name, name) != 0)
        x = arena_at(x, x->next);
    if (!x)
        return -ENODATA;
    *ret_value = xattr_value(x);
    *ret_len = x->value_len;
    return 0;
}

/* cookie := reference of the xattr that was given last */
int cf_node_xattr_list(const struct cf_node *node, uint64_t cookie, struct cf_xattr *ret_xattr)
{
    const struct xattr *x = arena_at(node, (uint32_t)cookie);

    x = arena_at(node, x ? x->next : node->xattrs);
    if (!x)
        return 0;
    memcpy(ret_xattr->name, x->name, (size_t)x->name_len + 1);
    ret_xattr->value = xattr_value(x);
    ret_xattr->value_len = x->value_len;
    ret_xattr->next = arena_ref(x);
    return 1;
}

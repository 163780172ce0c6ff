/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "reader.h"

#define ESCAPE "trusted.overlay.overlay."

struct attribute {
    unsigned index;
    const char *name; /* without its prefix, not NUL-terminated */
    size_t name_len;
    const void *value;
    size_t value_len;
    uint64_t next; /* offset in the body of what follows */
};

/* The entry at an offset of the body: 1, 0 at the end, or -EBADMSG. */
static int attribute_at(const struct cf_tree *tree, const struct place *place, uint64_t offset,
                        struct attribute *ret)
{
    const uint8_t *body = tree->map + place->body, *p;
    uint64_t len;

    if (offset < XATTR_HEADER_SIZE)
        offset = XATTR_HEADER_SIZE;
    if (offset >= place->body_len)
        return 0;
    /* The writer never shares entries, so there is nothing but inline ones. */
    if (body[XATTR_O_SHARED_COUNT] != 0 || place->body_len - offset < XATTR_ENTRY_SIZE)
        return -EBADMSG;
    p = body + offset;
    *ret = (struct attribute){
        .index = p[1],
        .name = (const char *)p + XATTR_ENTRY_SIZE,
        .name_len = p[0],
        .value = p + XATTR_ENTRY_SIZE + p[0],
        .value_len = get16(p + 2),
    };
    len = align_up(XATTR_ENTRY_SIZE + ret->name_len + ret->value_len, 4);
    if (len > place->body_len - offset || memchr(ret->name, 0, ret->name_len))
        return -EBADMSG;
    ret->next = offset + len;
    return 1;
}

int cf_tree_xattr_get(const struct cf_tree *tree, uint64_t nid, const char *name,
                      const void **ret_value, size_t *ret_len)
{
    const char *rest;
    struct attribute attribute;
    struct place place;
    unsigned index = erofs_xattr_index(name, &rest);
    uint64_t offset = 0;
    size_t rest_len;
    int r = tree_place(tree, nid, &place);

    if (r < 0)
        return r;
    if (index == 0)
        return -ENODATA;
    rest_len = strlen(rest);
    while ((r = attribute_at(tree, &place, offset, &attribute)) == 1) {
        offset = attribute.next;
        if (attribute.index != index || attribute.name_len != rest_len ||
            memcmp(attribute.name, rest, rest_len) != 0)
            continue;
        *ret_value = attribute.value;
        *ret_len = attribute.value_len;
        return 0;
    }
    return r < 0 ? r : -ENODATA;
}

int cf_tree_xattr_list(const struct cf_tree *tree, uint64_t nid, uint64_t cookie,
                       struct cf_xattr *ret_xattr)
{
    struct attribute attribute;
    struct place place;
    const char *prefix;
    size_t prefix_len;
    int r = tree_place(tree, nid, &place);

    if (r < 0)
        return r;
    if ((r = attribute_at(tree, &place, cookie, &attribute)) <= 0)
        return r;
    prefix = erofs_xattr_prefix(attribute.index);
    prefix_len = prefix ? strlen(prefix) : 0;
    if (!prefix || prefix_len + attribute.name_len >= sizeof(ret_xattr->name))
        return -EBADMSG;
    memcpy(ret_xattr->name, prefix, prefix_len);
    memcpy(ret_xattr->name + prefix_len, attribute.name, attribute.name_len);
    ret_xattr->name[prefix_len + attribute.name_len] = '\0';
    ret_xattr->value = attribute.value;
    ret_xattr->value_len = attribute.value_len;
    ret_xattr->next = attribute.next;
    return 1;
}

bool cf_inode_is_whiteout(const struct cf_inode *inode)
{
    return S_ISCHR(inode->mode) && inode->rdev_major == 0 && inode->rdev_minor == 0;
}

static bool is_marked(const struct cf_tree *tree, uint64_t nid, const char *name)
{
    const void *value;
    size_t len;

    return cf_tree_xattr_get(tree, nid, name, &value, &len) == 0 && len == 1 &&
           *(const char *)value == 'y';
}

bool cf_tree_is_opaque(const struct cf_tree *tree, uint64_t dir)
{
    return is_marked(tree, dir, CF_XATTR_OPAQUE);
}

bool cf_tree_is_implicit(const struct cf_tree *tree, uint64_t dir)
{
    return is_marked(tree, dir, CF_XATTR_IMPLICIT);
}

bool cf_xattr_shown(const char *name, char buffer[256], const char **ret_shown)
{
    if (strncmp(name, CF_XATTR_OVERLAY, strlen(CF_XATTR_OVERLAY)) != 0) {
        *ret_shown = name;
        return true;
    }
    if (strncmp(name, ESCAPE, strlen(ESCAPE)) != 0 || strlen(name) > 255)
        return false;
    (void)snprintf(buffer, 256, CF_XATTR_OVERLAY "%.230s", name + strlen(ESCAPE));
    *ret_shown = buffer;
    return true;
}

int cf_xattr_stored(const char *name, char buffer[256])
{
    int n;

    if (strncmp(name, CF_XATTR_OVERLAY, strlen(CF_XATTR_OVERLAY)) == 0)
        n = snprintf(buffer, 256, ESCAPE "%s", name + strlen(CF_XATTR_OVERLAY));
    else
        n = snprintf(buffer, 256, "%s", name);
    return n < 0 || n > 255 ? -ERANGE : 0;
}

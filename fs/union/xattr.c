/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes under the names that users know. */
#include <errno.h>
#include <sys/xattr.h>

#include "internal.h"

ssize_t cf_xattr_hand_out(const void *value, size_t len, void *ret_value, size_t size)
{
    if (size == 0)
        return (ssize_t)len;
    if (len > size)
        return -ERANGE;
    memcpy(ret_value, value, len);
    return (ssize_t)len;
}

/* A name that is not shown does not exist. */
static bool is_hidden(struct cf_union *u, const char *stored)
{
    char buffer[256];
    const char *shown;
    return !cf_upper_xattr_shown(stored, u->user, buffer, &shown);
}

static ssize_t get_upper(struct cf_union *u, struct cf_vnode *node, const char *name,
                         void *ret_value, size_t size)
{
    char stored[256];
    int r = cf_upper_xattr_stored(name, u->user, stored);
    if (r)
        return r == -EPERM ? -ENODATA : r;
    if (is_hidden(u, stored))
        return -ENODATA;
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    r = cf_vnode_place(u, node, &place);
    return r ? r : cf_at_getxattr(place.fd, place.name, stored, ret_value, size);
}

/* An ACL that is not there can be removed. */
static bool is_acl(const char *name)
{
    return strcmp(name, CF_ACL_ACCESS) == 0 || strcmp(name, CF_ACL_DEFAULT) == 0;
}

ssize_t cf_union_getxattr(struct cf_union *u, uint64_t ino, const char *name, void *ret_value,
                          size_t size)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    /* What the kernel asks of each new file. */
    if (pin.node->plain && (is_acl(name) || strcmp(name, "security.capability") == 0))
        return -ENODATA;
    CF_NS_SHARED(u);
    return pin.node->flags & CF_VN_UPPER
               ? get_upper(u, pin.node, name, ret_value, size)
               : cf_lower_xattr_get(u, pin.node->nid, name, ret_value, size);
}

static int list_upper(struct cf_union *u, struct cf_vnode *node, struct cf_buf *names)
{
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    struct cf_buf stored cf_autobuf = CF_BUF_INIT;
    int r = cf_vnode_place(u, node, &place);
    if (!r)
        r = cf_at_xattr_names(place.fd, place.name, &stored);
    for (const char *n = stored.data; !r && n && n < stored.data + stored.len; n += strlen(n) + 1) {
        char buffer[256];
        const char *shown;
        if (cf_upper_xattr_shown(n, u->user, buffer, &shown))
            r = cf_buf_add(names, shown, strlen(shown) + 1);
    }
    return r;
}

ssize_t cf_union_listxattr(struct cf_union *u, uint64_t ino, char *ret_names, size_t size)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    CF_NS_SHARED(u);
    int r = pin.node->flags & CF_VN_UPPER ? list_upper(u, pin.node, &names)
                                          : cf_lower_xattr_names(u, pin.node->nid, &names);
    if (r || names.len == 0)
        return r;
    return cf_xattr_hand_out(names.data, names.len, ret_names, size);
}

/* The kernel does not expect another mode then. */
static int set_acl_as_user(struct cf_union *u, struct cf_vnode *node, const struct cf_place *place,
                           const void *value, size_t size)
{
    int r = cf_acl_set(u, place->fd, place->name, value, size);
    if (u->changed)
        u->changed(u->changed_context, node->ino);
    return r;
}

static int change(struct cf_union *u, uint64_t ino, const char *name, const void *value,
                  size_t size, int flags, bool remove)
{
    CF_CHANGE(u);
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    char stored[256];
    int r = cf_upper_xattr_stored(name, u->user, stored);
    if (!r && is_hidden(u, stored))
        r = -EPERM;
    if (r)
        return r;
    if (remove && cf_union_getxattr(u, ino, name, NULL, 0) == -ENODATA)
        return is_acl(name) ? 0 : -ENODATA; /* before anything is copied up */
    CF_STRIPE(u, pin.node);
    pin.node->plain = false;
    r = cf_copy_up_locked(u, pin.node);
    if (r)
        return r;
    struct cf_place place cf_autoplace = CF_PLACE_INIT;
    CF_NS_SHARED(u);
    r = cf_vnode_place(u, pin.node, &place);
    if (!r && remove)
        r = cf_at_removexattr(place.fd, place.name, stored);
    else if (!r && u->user && strcmp(name, CF_ACL_ACCESS) == 0)
        r = set_acl_as_user(u, pin.node, &place, value, size);
    else if (!r)
        r = cf_at_setxattr(place.fd, place.name, stored, value, size, flags);
    if (cf_vnode_is_dir(pin.node))
        cf_dirfd_forget_acl(u, pin.node);
    return r;
}

int cf_union_setxattr(struct cf_union *u, uint64_t ino, const char *name, const void *value,
                      size_t size, int flags)
{
    return change(u, ino, name, value, size, flags, false);
}

int cf_union_removexattr(struct cf_union *u, uint64_t ino, const char *name)
{
    return change(u, ino, name, NULL, 0, 0, true);
}

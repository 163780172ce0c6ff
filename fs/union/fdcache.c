/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of upper directories: a bounded cache, refilled through the chain of parents, so
 * that paths of any depth work and the number of descriptors does not grow with the tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void cf_dirfds_init(struct cf_union *u)
{
    for (size_t i = 0; i < CF_DIRFD_MAX; i++)
        u->slots[i].fd = -1;
}

void cf_dirfds_done(struct cf_union *u)
{
    for (size_t i = 0; i < CF_DIRFD_MAX; i++)
        if (u->slots[i].fd >= 0)
            (void)close(u->slots[i].fd);
}

void cf_dirfd_put(struct cf_dirfd *dirfd)
{
    if (!dirfd->u)
        return;
    if (dirfd->slot == -1)
        (void)close(dirfd->fd);
    if (dirfd->slot >= 0) {
        (void)pthread_mutex_lock(&dirfd->u->dirfds);
        dirfd->u->slots[dirfd->slot].pins--;
        (void)pthread_mutex_unlock(&dirfd->u->dirfds);
    }
    *dirfd = (struct cf_dirfd)CF_DIRFD_INIT;
}

static void empty_slot(struct cf_dirslot *slot)
{
    slot->node->slot = 0;
    (void)close(slot->fd);
    *slot = (struct cf_dirslot){.fd = -1};
}

void cf_dirfd_drop(struct cf_union *u, struct cf_vnode *node)
{
    (void)pthread_mutex_lock(&u->dirfds);
    if (node->slot)
        empty_slot(&u->slots[node->slot - 1]);
    (void)pthread_mutex_unlock(&u->dirfds);
}

/* The clock: a slot that was not used since the hand passed it. -1: all are in use just now. */
static int free_slot_locked(struct cf_union *u)
{
    for (unsigned n = 0; n < 2 * CF_DIRFD_MAX; n++) {
        struct cf_dirslot *slot = &u->slots[u->hand];
        int index = (int)u->hand;
        u->hand = (u->hand + 1) % CF_DIRFD_MAX;
        if (!slot->node)
            return index;
        if (slot->pins)
            continue;
        if (slot->used) {
            slot->used = false;
            continue;
        }
        empty_slot(slot);
        return index;
    }
    return -1;
}

static bool cached(struct cf_union *u, struct cf_vnode *node, struct cf_dirfd *ret)
{
    if (node == u->root) {
        *ret = (struct cf_dirfd){u, u->upper_fd, -2};
        return true;
    }
    if (node->flags & CF_VN_DELETED) {
        *ret = (struct cf_dirfd){u, node->extra ? node->extra->fd : -1, -2};
        return true;
    }
    (void)pthread_mutex_lock(&u->dirfds);
    bool have = node->slot != 0;
    if (have) {
        struct cf_dirslot *slot = &u->slots[node->slot - 1];
        slot->pins++;
        slot->used = true;
        *ret = (struct cf_dirfd){u, slot->fd, node->slot - 1};
    }
    (void)pthread_mutex_unlock(&u->dirfds);
    return have;
}

/* Takes fd. */
static void remember(struct cf_union *u, struct cf_vnode *node, int fd, struct cf_dirfd *ret)
{
    (void)pthread_mutex_lock(&u->dirfds);
    int index = node->slot ? node->slot - 1 : free_slot_locked(u);
    if (index < 0) {
        *ret = (struct cf_dirfd){u, fd, -1};
    } else {
        struct cf_dirslot *slot = &u->slots[index];
        if (node->slot) { /* another thread was faster */
            (void)close(fd);
        } else {
            *slot = (struct cf_dirslot){.node = node, .fd = fd};
            node->slot = (uint16_t)(index + 1);
        }
        slot->pins++;
        slot->used = true;
        *ret = (struct cf_dirfd){u, slot->fd, index};
    }
    (void)pthread_mutex_unlock(&u->dirfds);
}

static int open_child(struct cf_union *u, const struct cf_dirfd *parent, struct cf_vnode *node,
                      struct cf_dirfd *ret)
{
    char name[CF_NAME_MAX + 1];
    memcpy(name, node->name, node->name_len);
    name[node->name_len] = 0;
    int fd = openat(parent->fd, name, OPEN_DIR);
    if (fd < 0)
        return -errno;
    remember(u, node, fd, ret);
    return 0;
}

int cf_dirfd_get(struct cf_union *u, struct cf_vnode *node, struct cf_dirfd *ret_dirfd)
{
    if (cached(u, node, ret_dirfd))
        return ret_dirfd->fd >= 0 ? 0 : -ESTALE;
    size_t depth = 1;
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    struct cf_vnode *top = node->parent;
    for (; !cached(u, top, &at); top = top->parent)
        depth++;
    struct cf_vnode **chain cf_autofree = calloc(depth, sizeof(*chain));
    if (!chain)
        return -ENOMEM;
    size_t i = depth;
    for (struct cf_vnode *n = node; n != top; n = n->parent)
        chain[--i] = n;
    for (i = 0; i < depth; i++) {
        struct cf_dirfd next = CF_DIRFD_INIT;
        int r = open_child(u, &at, chain[i], &next);
        if (r)
            return r;
        cf_dirfd_put(&at);
        at = next;
    }
    *ret_dirfd = at;
    at = (struct cf_dirfd)CF_DIRFD_INIT;
    return 0;
}

bool cf_dirfd_has_acl(struct cf_dirfd *dirfd)
{
    uint8_t acl = 0;
    if (dirfd->slot >= 0) {
        (void)pthread_mutex_lock(&dirfd->u->dirfds);
        acl = dirfd->u->slots[dirfd->slot].acl;
        (void)pthread_mutex_unlock(&dirfd->u->dirfds);
    }
    if (acl)
        return acl == 2;
    bool there = dirfd->u->user ? cf_acl_is_default_there(dirfd->fd)
                                : cf_at_getxattr(dirfd->fd, "", CF_ACL_DEFAULT, NULL, 0) > 0;
    acl = there ? 2 : 1;
    if (dirfd->slot >= 0) {
        (void)pthread_mutex_lock(&dirfd->u->dirfds);
        dirfd->u->slots[dirfd->slot].acl = acl;
        (void)pthread_mutex_unlock(&dirfd->u->dirfds);
    }
    return acl == 2;
}

void cf_dirfd_forget_acl(struct cf_union *u, struct cf_vnode *node)
{
    (void)pthread_mutex_lock(&u->dirfds);
    if (node->slot)
        u->slots[node->slot - 1].acl = 0;
    (void)pthread_mutex_unlock(&u->dirfds);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of the directories of a stack: a bounded cache, refilled along the chain of parents.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stack.h"

#define OPEN_DIR (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void cf_lplace_done(struct cf_lplace *place)
{
    if (place->slot == -1)
        (void)close(place->fd);
    if (place->slot >= 0) {
        (void)pthread_mutex_lock(&place->s->lock);
        place->s->slots[place->slot].pins--;
        (void)pthread_mutex_unlock(&place->s->lock);
    }
    place->fd = -1;
    place->slot = -2;
}

static void empty_slot(struct cf_lslot *slot)
{
    (void)close(slot->fd);
    *slot = (struct cf_lslot){0};
}

void cf_stack_drop_slots(struct cf_stack *s, const struct cf_lnode *node)
{
    if (cf_lnode_is_dir(node))
        for (size_t i = 0; i < CF_STACK_SLOTS; i++)
            if (s->slots[i].node == node)
                empty_slot(&s->slots[i]);
}

static const struct cf_part *part_of(const struct cf_lnode *node, uint32_t layer)
{
    for (uint32_t i = 0; i < node->part_count; i++)
        if (node->parts[i].layer == layer)
            return &node->parts[i];
    return NULL;
}

static int find_slot_locked(const struct cf_stack *s, const struct cf_lnode *node, uint32_t layer)
{
    for (int i = 0; i < CF_STACK_SLOTS; i++)
        if (s->slots[i].node == node && s->slots[i].layer == layer)
            return i;
    return -1;
}

/* The clock: a slot that was not used since the hand passed it. -1: all are in use just now. */
static int free_slot_locked(struct cf_stack *s)
{
    for (unsigned n = 0; n < 2 * CF_STACK_SLOTS; n++) {
        struct cf_lslot *slot = &s->slots[s->hand];
        int index = (int)s->hand;
        s->hand = (s->hand + 1) % CF_STACK_SLOTS;
        if (!slot->node)
            return index;
        if (slot->pins)
            continue;
        if (!slot->used) {
            empty_slot(slot);
            return index;
        }
        slot->used = false;
    }
    return -1;
}

static void use_slot_locked(struct cf_stack *s, int index, struct cf_lplace *ret)
{
    s->slots[index].pins++;
    s->slots[index].used = true;
    *ret = (struct cf_lplace){.s = s, .fd = s->slots[index].fd, .slot = index};
}

static bool cached(struct cf_stack *s, const struct cf_lnode *node, uint32_t layer,
                   struct cf_lplace *ret)
{
    if (node == s->root) {
        *ret = (struct cf_lplace){.s = s, .fd = s->layers[layer].fd, .slot = -2};
        return true;
    }
    (void)pthread_mutex_lock(&s->lock);
    int index = find_slot_locked(s, node, layer);
    if (index >= 0)
        use_slot_locked(s, index, ret);
    (void)pthread_mutex_unlock(&s->lock);
    return index >= 0;
}

/* Takes fd. */
static void remember(struct cf_stack *s, const struct cf_lnode *node, uint32_t layer, int fd,
                     struct cf_lplace *ret)
{
    (void)pthread_mutex_lock(&s->lock);
    int index = find_slot_locked(s, node, layer);
    if (index >= 0) { /* another thread was faster */
        (void)close(fd);
        use_slot_locked(s, index, ret);
    } else if ((index = free_slot_locked(s)) >= 0) {
        s->slots[index] = (struct cf_lslot){.node = node, .layer = layer, .fd = fd};
        use_slot_locked(s, index, ret);
    } else {
        *ret = (struct cf_lplace){.s = s, .fd = fd, .slot = -1};
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static int open_part(struct cf_stack *s, int above, const struct cf_lnode *node, uint32_t layer)
{
    const struct cf_part *part = part_of(node, layer);
    const char *name = part->at ? part->at : node->name;
    int fd;
    if (name[0] == '/')
        return cf_open_beneath(s->layers[layer].fd, name + 1, OPEN_DIR, 0);
    fd = openat(above, name, OPEN_DIR);
    return fd >= 0 ? fd : -errno;
}

static bool stands_alone(const struct cf_lnode *node, uint32_t layer)
{
    const struct cf_part *part = part_of(node, layer);
    return !part || (part->at && part->at[0] == '/');
}

int cf_stack_dir(struct cf_stack *s, const struct cf_lnode *node, uint32_t layer,
                 struct cf_lplace *ret_place)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    size_t depth = 0;
    const struct cf_lnode *top = node;
    for (; !cached(s, top, layer, &at); top = top->parent) {
        depth++;
        if (stands_alone(top, layer))
            break;
    }
    const struct cf_lnode **chain cf_autofree = calloc(depth + 1, sizeof(*chain));
    if (!chain)
        return -ENOMEM;
    const struct cf_lnode *n = node;
    for (size_t i = depth; i > 0; i--, n = n->parent)
        chain[i - 1] = n;
    for (size_t i = 0; i < depth; i++) {
        if (!part_of(chain[i], layer))
            return -ENOENT;
        int fd = open_part(s, at.fd, chain[i], layer);
        if (fd < 0)
            return fd;
        cf_lplace_done(&at);
        remember(s, chain[i], layer, fd, &at);
    }
    *ret_place = at;
    at = (struct cf_lplace)CF_LPLACE_INIT;
    return 0;
}

int cf_stack_place(struct cf_stack *s, const struct cf_lnode *node, uint32_t part,
                   struct cf_lplace *ret_place)
{
    const struct cf_part *p = &node->parts[part];
    if (cf_lnode_is_dir(node))
        return cf_stack_dir(s, node, p->layer, ret_place);
    if (p->at && p->at[0] == '/') {
        int fd =
            cf_open_beneath(s->layers[p->layer].fd, p->at + 1, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
        if (fd < 0)
            return fd;
        *ret_place = (struct cf_lplace){.s = s, .fd = fd, .slot = -1};
        return 0;
    }
    int r = cf_stack_dir(s, node->parent, p->layer, ret_place);
    if (!r)
        (void)snprintf(ret_place->name, sizeof(ret_place->name), "%s", p->at ? p->at : node->name);
    return r;
}

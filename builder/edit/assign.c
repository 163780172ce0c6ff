/* SPDX-License-Identifier: Apache-2.0 */
/* One value made another, by as few changes as it takes. */
#include <errno.h>
#include <stdlib.h>

#include "nodes.h"

void cf_address_done(struct address *address)
{
    free(address->list);
    *address = (struct address){0};
}

int cf_address_push(struct address *address, size_t index)
{
    size_t *list = reallocarray(address->list, address->count + 1, sizeof(*list));

    if (!list)
        return -ENOMEM;
    address->list = list;
    list[address->count++] = index;
    return 0;
}

static size_t index_of(const struct cf_edit *edit, const struct cf_edit_node *node)
{
    size_t index = 0;

    if (!node->parent) {
        while (edit->nodes.documents[index] != node)
            index++;
        return index;
    }
    for (const struct cf_edit_node *n = node->parent->first; n != node; n = n->next)
        index++;
    return index;
}

int cf_address_of(const struct cf_edit *edit, const struct cf_edit_node *node,
                  struct address *ret_address)
{
    struct address address = {0};
    int r = 0;

    for (; node && r == 0; node = node->parent)
        r = cf_address_push(&address, index_of(edit, node));
    for (size_t i = 0; i < address.count / 2; i++) {
        size_t other = address.count - 1 - i, index = address.list[i];
        address.list[i] = address.list[other];
        address.list[other] = index;
    }
    if (r < 0)
        cf_address_done(&address);
    else
        *ret_address = address;
    return r;
}

struct cf_edit_node *cf_address_node(const struct cf_edit *edit, const struct address *address)
{
    struct cf_edit_node *node = edit->nodes.documents[address->list[0]];

    for (size_t i = 1; i < address->count; i++) {
        node = node->first;
        for (size_t k = address->list[i]; k > 0; k--)
            node = node->next;
    }
    return node;
}

ptrdiff_t cf_child_index(const struct cf_edit_node *map, const struct cf_edit_node *key)
{
    ptrdiff_t index = 0;

    for (const struct cf_edit_node *n = map->first; n; n = n->next, index++)
        if (n->key && cf_nodes_same(n->key, key))
            return index;
    return -1;
}

static int assign_child(struct cf_edit *edit, struct address *at, size_t index,
                        const struct cf_edit_node *value, struct cf_error *err)
{
    int r = cf_address_push(at, index);

    if (r < 0)
        return cf_fail(err, r, "out of memory");
    r = cf_assign(edit, at, value, err);
    at->count--;
    return r;
}

static struct cf_edit_node *nth(const struct cf_edit_node *node, size_t index)
{
    struct cf_edit_node *child = node->first;

    while (index-- > 0)
        child = child->next;
    return child;
}

static int assign_map(struct cf_edit *edit, struct address *at, const struct cf_edit_node *value,
                      struct cf_error *err)
{
    int changed = 0, r = 0;

    for (const struct cf_edit_node *n = value->first; n && r >= 0; n = n->next) {
        struct cf_edit_node *map = cf_address_node(edit, at);
        ptrdiff_t index = cf_child_index(map, n->key);
        r = index < 0 ? cf_change_insert(edit, map, n->key, n, err)
                      : assign_child(edit, at, (size_t)index, n, err);
        changed |= r > 0;
    }
    for (size_t i = 0; r >= 0 && i < cf_address_node(edit, at)->count;) {
        struct cf_edit_node *child = nth(cf_address_node(edit, at), i);
        if (cf_child_index(value, child->key) >= 0) {
            i++;
            continue;
        }
        r = cf_change_remove(edit, child, err);
        changed = 1;
    }
    return r < 0 ? r : changed;
}

static int assign_list(struct cf_edit *edit, struct address *at, const struct cf_edit_node *value,
                       struct cf_error *err)
{
    const struct cf_edit_node *n = value->first;
    int changed = 0, r = 0;

    for (size_t i = 0; n && r >= 0; n = n->next, i++) {
        struct cf_edit_node *list = cf_address_node(edit, at);
        r = i < list->count ? assign_child(edit, at, i, n, err)
                            : cf_change_insert(edit, list, NULL, n, err);
        changed |= r > 0;
    }
    while (r >= 0 && cf_address_node(edit, at)->count > value->count) {
        struct cf_edit_node *list = cf_address_node(edit, at);
        r = cf_change_remove(edit, nth(list, list->count - 1), err);
        changed = 1;
    }
    return r < 0 ? r : changed;
}

int cf_assign(struct cf_edit *edit, struct address *at, const struct cf_edit_node *value,
              struct cf_error *err)
{
    struct cf_edit_node *old = cf_address_node(edit, at);
    const struct cf_edit_node *meant = cf_edit_follow(edit, old);

    if (meant && cf_edit_equal(meant, value))
        return 0;
    if (old->kind == value->kind && old->kind == CF_EDIT_MAP && old->count && value->count)
        return assign_map(edit, at, value, err);
    if (old->kind == value->kind && old->kind == CF_EDIT_LIST && old->count && value->count)
        return assign_list(edit, at, value, err);
    return cf_change_replace(edit, old, value, err);
}

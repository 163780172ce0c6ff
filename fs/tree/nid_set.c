/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/nid_set.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

static size_t place_of(const uint64_t *slots, size_t room, uint64_t nid)
{
    size_t at = (size_t)(nid * 11400714819323198485u >> 16) & (room - 1);

    while (slots[at] != UINT64_MAX && slots[at] != nid)
        at = (at + 1) & (room - 1);
    return at;
}

bool cf_nid_set_has(const struct cf_nid_set *set, uint64_t nid)
{
    return set->room && set->slots[place_of(set->slots, set->room, nid)] == nid;
}

int cf_nid_set_add(struct cf_nid_set *set, uint64_t nid)
{
    if (set->count * 2 >= set->room) {
        size_t room = set->room ? set->room * 2 : 16;
        uint64_t *grown = malloc(room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        for (size_t i = 0; i < room; i++)
            grown[i] = UINT64_MAX;
        for (size_t i = 0; i < set->room; i++)
            if (set->slots[i] != UINT64_MAX)
                grown[place_of(grown, room, set->slots[i])] = set->slots[i];
        free(set->slots);
        set->slots = grown;
        set->room = room;
    }
    size_t at = place_of(set->slots, set->room, nid);
    if (set->slots[at] == UINT64_MAX)
        set->count++;
    set->slots[at] = nid;
    return 0;
}

void cf_nid_set_done(struct cf_nid_set *set)
{
    free(set->slots);
    *set = (struct cf_nid_set){0};
}

/* ---- where names are ---- */

/* Marks a directory and those above it. */
static int mark_up(const struct cf_tree *tree, uint64_t dir, struct cf_nid_set *dirs)
{
    uint64_t parent = dir;
    int r = 0;

    while (r == 0 && !cf_nid_set_has(dirs, dir)) {
        r = cf_nid_set_add(dirs, dir);
        if (r == 0)
            r = cf_tree_parent(tree, dir, &parent);
        if (dir == parent)
            break;
        dir = parent;
    }
    return r;
}

struct queue {
    uint64_t *list;
    size_t count, room;
};

static int push(struct queue *queue, uint64_t nid)
{
    if (queue->count == queue->room) {
        size_t room = queue->room ? queue->room * 2 : 64;
        uint64_t *grown = realloc(queue->list, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        queue->list = grown;
        queue->room = room;
    }
    queue->list[queue->count++] = nid;
    return 0;
}

int cf_tree_find_names(const struct cf_tree *tree, const struct cf_nid_set *nids,
                       struct cf_nid_set *ret_dirs)
{
    struct queue queue = {0};
    struct cf_dirent entry;
    int r = nids->count ? push(&queue, cf_tree_root(tree)) : 0;

    while (r >= 0 && queue.count > 0) {
        uint64_t dir = queue.list[--queue.count], cookie = 0;
        while (r >= 0 && (r = cf_tree_readdir(tree, dir, cookie, &entry)) > 0) {
            cookie = entry.next;
            if (entry.type == DT_DIR)
                r = push(&queue, entry.nid);
            else if (cf_nid_set_has(nids, entry.nid))
                r = mark_up(tree, dir, ret_dirs);
        }
    }
    free(queue.list);
    return r;
}

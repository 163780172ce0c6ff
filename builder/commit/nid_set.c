/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"

#include <errno.h>
#include <stdlib.h>

static size_t place_of(const uint64_t *slots, size_t room, uint64_t nid)
{
    size_t at = (size_t)(nid * 11400714819323198485u >> 16) & (room - 1);

    while (slots[at] != UINT64_MAX && slots[at] != nid)
        at = (at + 1) & (room - 1);
    return at;
}

bool cf_nid_set_has(const struct nid_set *set, uint64_t nid)
{
    return set->room && set->slots[place_of(set->slots, set->room, nid)] == nid;
}

int cf_nid_set_add(struct nid_set *set, uint64_t nid)
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

void cf_nid_set_done(struct nid_set *set)
{
    free(set->slots);
    *set = (struct nid_set){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorts the entries of a directory: a merge sort of eight bytes of each name at a time, so that
 * comparing touches no entry, and what is sorted already is left alone. The work space lies in
 * the arena.
 */
#include <errno.h>

#include "nodes.h"

struct item {
    uint64_t key; /* eight bytes of the name, the first one highest, padded with 0 */
    uint32_t entry;
    uint32_t unused;
};

struct sorter {
    struct arena *arena;
    struct item *items, *spare; /* count each */
};

static uint64_t key_of(const struct entry *entry, size_t depth)
{
    uint64_t key = 0;

    for (size_t i = depth; i < depth + 8; i++)
        key = key << 8 | (i < entry->len ? (uint8_t)entry->name[i] : 0);
    return key;
}

static void merge_halves(struct sorter *s, size_t low, size_t middle, size_t high)
{
    size_t a = 0, a_end = middle - low, b = middle;

    memcpy(s->spare, s->items + low, a_end * sizeof(struct item));
    for (size_t out = low; a < a_end; out++) {
        if (b < high && s->items[b].key < s->spare[a].key)
            s->items[out] = s->items[b++];
        else
            s->items[out] = s->spare[a++];
        arena_tick(s->arena);
    }
}

static void sort_keys(struct sorter *s, size_t low, size_t high)
{
    size_t middle = low + (high - low) / 2;

    if (high - low < 2)
        return;
    sort_keys(s, low, middle);
    sort_keys(s, middle, high);
    if (s->items[middle - 1].key > s->items[middle].key)
        merge_halves(s, low, middle, high);
}

static void fill_keys(struct sorter *s, size_t low, size_t high, size_t depth)
{
    for (size_t i = low; i < high; i++) {
        struct entry *entry = arena_at(s->arena->base, s->items[i].entry);

        entry_touch(entry);
        s->items[i].key = key_of(entry, depth);
        arena_tick(s->arena);
    }
}

/*
 * Sorts items that agree up to depth, by the keys from there on; those that agree in this key too
 * differ further on.
 */
static void sort_items(struct sorter *s, size_t low, size_t high, size_t depth)
{
    fill_keys(s, low, high, depth);
    sort_keys(s, low, high);
    for (size_t end; low < high; low = end) {
        for (end = low + 1; end < high && s->items[end].key == s->items[low].key;)
            end++;
        if (end - low > 1)
            sort_items(s, low, end, depth + 8);
    }
}

static void relink(struct sorter *s, struct dir *dir)
{
    uint32_t *next = &dir->first;

    for (size_t i = 0; i < dir->count; i++) {
        struct entry *entry = arena_at(dir, s->items[i].entry);

        entry_touch(entry);
        *next = s->items[i].entry;
        next = &entry->next;
        arena_tick(s->arena);
    }
    *next = 0;
    dir->last = s->items[dir->count - 1].entry;
}

/* How many bytes all names begin with; the names fill the items. */
static size_t gather(struct sorter *s, const struct dir *dir)
{
    const struct entry *first = arena_at(dir, dir->first), *entry = first;
    size_t common = first->len;

    for (size_t i = 0; entry; entry = arena_at(dir, entry->next)) {
        size_t n = 0;

        while (n < common && n < entry->len && entry->name[n] == first->name[n])
            n++;
        common = n;
        s->items[i++].entry = arena_ref(entry);
        arena_tick(s->arena);
    }
    return common;
}

int dir_sort(struct cf_builder *builder, struct dir *dir)
{
    struct sorter s = {.arena = &builder->arena};
    uint64_t mark = builder->arena.used;
    uint32_t ref;
    int r;

    if (dir->node.flags & NODE_SORTED)
        return 0;
    r = arena_alloc(&builder->arena, 2 * (size_t)dir->count * sizeof(struct item), &ref);
    if (r < 0)
        return r;
    s.items = arena_at(dir, ref);
    s.spare = s.items + dir->count;
    sort_items(&s, 0, dir->count, gather(&s, dir));
    relink(&s, dir);
    dir->node.flags |= NODE_SORTED;
    builder->arena.used = mark;
    return 0;
}

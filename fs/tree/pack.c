/* SPDX-License-Identifier: Apache-2.0 */
#include "pack.h"

#define DIRENTS_MAX (BLOCK_SIZE / (DIRENT_SIZE + 1))

struct name {
    const char *text;
    uint32_t len;
    const struct cf_node *node;
};

/* All names of a directory in order, "." and ".." among them. */
struct cursor {
    const struct dir *dir;
    struct entry *entry; /* the next that is there */
    struct name dots[2];
    unsigned dot; /* the next of them */
};

/* The names of the block that is being filled. */
struct packer {
    struct name names[DIRENTS_MAX];
    uint32_t count, used;
};

static struct entry *skip_removed(struct entry *entry)
{
    for (; entry; entry = arena_at(entry, entry->next)) {
        entry_touch(entry);
        if (entry->node)
            break;
    }
    return entry;
}

static void cursor_init(struct cursor *cursor, const struct dir *dir)
{
    const struct entry *own = arena_at(dir, dir->node.entry);
    const struct cf_node *parent = arena_at(dir, own->dir);

    *cursor = (struct cursor){
        .dir = dir,
        .entry = skip_removed(arena_at(dir, dir->first)),
        .dots = {{".", 1, &dir->node}, {"..", 2, parent ? parent : &dir->node}},
    };
}

static bool cursor_next(struct cursor *cursor, struct name *ret_name)
{
    const struct name *dot = cursor->dot < 2 ? &cursor->dots[cursor->dot] : NULL;
    struct entry *entry = cursor->entry;

    if (dot && (!entry || name_compare(dot->text, dot->len, entry->name, entry->len) < 0)) {
        cursor->dot++;
        *ret_name = *dot;
        return true;
    }
    if (!entry)
        return false;
    *ret_name = (struct name){entry->name, entry->len, arena_at(entry, entry->node)};
    cursor->entry = skip_removed(arena_at(entry, entry->next));
    return true;
}

static bool packer_has_room(const struct packer *packer, const struct name *name)
{
    return packer->used + DIRENT_SIZE + name->len <= BLOCK_SIZE;
}

static void packer_add(struct packer *packer, const struct name *name)
{
    packer->names[packer->count++] = *name;
    packer->used += DIRENT_SIZE + name->len;
}

void dir_measure(struct arena *arena, struct dir *dir)
{
    struct cursor cursor;
    struct name name;
    uint32_t used = 0;

    dir->blocks = 0;
    cursor_init(&cursor, dir);
    while (cursor_next(&cursor, &name)) {
        if (used + DIRENT_SIZE + name.len > BLOCK_SIZE) {
            dir->blocks++;
            used = 0;
        }
        used += DIRENT_SIZE + name.len;
        arena_tick(arena);
    }
    dir->tail = used % BLOCK_SIZE;
    dir->blocks += used == BLOCK_SIZE;
}

static void packer_flush(struct packer *packer, struct stream *out)
{
    uint32_t nameoff = packer->count * DIRENT_SIZE;
    uint8_t dirent[DIRENT_SIZE] = {0};

    for (uint32_t i = 0; i < packer->count; i++) {
        const struct name *name = &packer->names[i];

        put64(dirent + DIRENT_O_NID, name->node->nid);
        put16(dirent + DIRENT_O_NAMEOFF, (uint16_t)nameoff);
        dirent[DIRENT_O_TYPE] = erofs_type_of_mode(name->node->mode);
        stream_put(out, dirent, sizeof(dirent));
        nameoff += name->len;
    }
    for (uint32_t i = 0; i < packer->count; i++)
        stream_put(out, packer->names[i].text, packer->names[i].len);
    packer->count = packer->used = 0;
}

void dir_write(struct arena *arena, struct dir *dir, struct stream *blocks, struct stream *tail)
{
    struct packer packer;
    struct cursor cursor;
    struct name name;
    uint32_t done = 0;

    packer.count = packer.used = 0;
    cursor_init(&cursor, dir);
    while (cursor_next(&cursor, &name)) {
        if (!packer_has_room(&packer, &name)) {
            uint32_t pad = BLOCK_SIZE - packer.used;

            packer_flush(&packer, blocks);
            stream_put_zeros(blocks, pad);
            done++;
        }
        packer_add(&packer, &name);
        arena_tick(arena);
    }
    packer_flush(&packer, done < dir->blocks ? blocks : tail);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "import.h"

#include <errno.h>
#include <stdlib.h>

void cf_import_links_done(struct cf_import_links *links)
{
    free(links->table);
    *links = (struct cf_import_links){0};
}

/* The place of an inode, or the free one where it would be. */
static struct cf_import_link *place(const struct cf_import_links *links, dev_t dev, ino_t ino)
{
    uint64_t hash = (uint64_t)ino * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)dev;
    size_t i = (size_t)(hash ^ hash >> 32);
    for (;; i++) {
        struct cf_import_link *link = &links->table[i & (links->room - 1)];
        if (!link->node || (link->dev == dev && link->ino == ino))
            return link;
    }
}

struct cf_node *cf_import_links_find(const struct cf_import_links *links, const struct stat *st)
{
    return links->room ? place(links, st->st_dev, st->st_ino)->node : NULL;
}

static int grow(struct cf_import_links *links)
{
    struct cf_import_links more = {.room = links->room ? 2 * links->room : 64};
    more.table = calloc(more.room, sizeof *more.table);
    if (!more.table)
        return -ENOMEM;
    for (size_t i = 0; i < links->room; i++)
        if (links->table[i].node)
            *place(&more, links->table[i].dev, links->table[i].ino) = links->table[i];
    more.count = links->count;
    free(links->table);
    *links = more;
    return 0;
}

int cf_import_links_add(struct cf_import_links *links, const struct stat *st, struct cf_node *node)
{
    int r = 2 * (links->count + 1) > links->room ? grow(links) : 0;
    if (r < 0)
        return r;
    *place(links, st->st_dev, st->st_ino) =
        (struct cf_import_link){.dev = st->st_dev, .ino = st->st_ino, .node = node};
    links->count++;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical order of a builder's entries, without a stack: entries know their directory. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/buf.h>

#include "nodes.h"

/* The first entry from this one on that is there and is, or is not, a whiteout. */
static struct entry *first_of(struct entry *entry, bool white)
{
    for (; entry; entry = arena_at(entry, entry->next)) {
        entry_touch(entry);
        if (entry->node && !!(entry->flags & ENTRY_WHITE) == white)
            break;
    }
    return entry;
}

static struct entry *first_in(struct dir *dir)
{
    struct entry *first = arena_at(dir, dir->first), *found = NULL;

    if (dir->node.flags & NODE_HAS_WHITE)
        found = first_of(first, true);
    return found ? found : first_of(first, false);
}

static struct entry *next_in(struct dir *dir, const struct entry *entry)
{
    bool white = entry->flags & ENTRY_WHITE;
    struct entry *found = first_of(arena_at(entry, entry->next), white);

    return found || !white ? found : first_of(arena_at(dir, dir->first), false);
}

struct entry *entry_next(const struct entry *cur, unsigned *ret_up)
{
    struct entry *found;
    struct dir *dir;

    *ret_up = 0;
    if (cur->flags & ENTRY_DIR) {
        dir = arena_at(cur, cur->node);
        if ((found = first_in(dir)))
            return found;
    }
    for (; (dir = arena_at(cur, cur->dir)); cur = arena_at(cur, dir->node.entry)) {
        ++*ret_up;
        if ((found = next_in(dir, cur)))
            return found;
    }
    return NULL;
}

static int scan_entry(struct cf_builder *builder, const struct entry *entry)
{
    struct cf_node *node = arena_at(entry, entry->node);
    struct dir *parent = arena_at(entry, entry->dir);

    node_touch(node);
    if (node->scan == builder->scans) {
        node->nlink++;
        return 0;
    }
    node->scan = builder->scans;
    node->entry = arena_ref(entry);
    node->nlink = 1;
    builder->count++;
    if (!S_ISDIR(node->mode))
        return 0;
    node->nlink = 2;
    if (parent)
        parent->node.nlink++;
    return dir_sort(builder, (struct dir *)node);
}

int builder_scan(struct cf_builder *builder)
{
    const struct cf_node *root = cf_builder_root(builder);
    const struct entry *entry = arena_at(root, root->entry);
    unsigned up;
    int r;

    builder->scans++;
    builder->count = 0;
    for (; entry; entry = entry_next(entry, &up)) {
        if ((r = scan_entry(builder, entry)) < 0)
            return r;
        arena_tick(&builder->arena);
    }
    return 0;
}

/* ---- walking with paths ---- */

static int push_name(struct cf_buf *path, const struct entry *entry)
{
    if (path->len > 0 && cf_buf_add_char(path, '/') < 0)
        return -ENOMEM;
    return cf_buf_add(path, entry->name, entry->len);
}

static void pop_name(struct cf_buf *path)
{
    const char *slash = memrchr(path->data, '/', path->len);

    path->len = slash ? (size_t)(slash - path->data) : 0;
    path->data[path->len] = '\0';
}

/* The path of an entry, from the entry upwards. */
static int path_of(const struct entry *entry, struct cf_buf *ret_path)
{
    size_t len = 0;
    const struct entry *e;
    const struct dir *dir;
    char *end;
    int r;

    for (e = entry; (dir = arena_at(e, e->dir)); e = arena_at(e, dir->node.entry))
        len += e->len + 1u;
    cf_buf_clear(ret_path);
    if ((r = cf_buf_reserve(ret_path, len)) < 0)
        return r;
    end = ret_path->data + len - 1;
    *end = '\0';
    ret_path->len = len - 1;
    for (e = entry; (dir = arena_at(e, e->dir)); e = arena_at(e, dir->node.entry)) {
        end -= e->len;
        memcpy(end, e->name, e->len);
        if (end > ret_path->data)
            *--end = '/';
    }
    return 0;
}

struct walker {
    struct cf_buf path, first_path;
    cf_walk_fn *fn;
    void *context;
};

static int visit(struct walker *w, const struct entry *entry)
{
    struct cf_node *node = arena_at(entry, entry->node);
    struct cf_walk walk = {
        .node = node,
        .path = w->path.data ? w->path.data : "",
        .path_len = w->path.len,
        .first = node->entry == arena_ref(entry),
    };
    int r = 0;

    walk.first_path = walk.path;
    if (!walk.first) {
        r = path_of(arena_at(entry, node->entry), &w->first_path);
        walk.first_path = w->first_path.data;
    }
    return r < 0 ? r : w->fn(&walk, w->context);
}

static int walk_all(struct cf_builder *builder, struct walker *w)
{
    const struct cf_node *root = cf_builder_root(builder);
    const struct entry *entry = arena_at(root, root->entry);
    unsigned up;
    int r = visit(w, entry);

    while (r == 0 && (entry = entry_next(entry, &up))) {
        for (; up > 0; up--)
            pop_name(&w->path);
        if ((r = push_name(&w->path, entry)) == 0)
            r = visit(w, entry);
        arena_tick(&builder->arena);
    }
    return r;
}

int cf_builder_walk(struct cf_builder *builder, cf_walk_fn *fn, void *context)
{
    struct walker w = {.path = CF_BUF_INIT, .first_path = CF_BUF_INIT, .fn = fn};
    int r = builder_scan(builder);

    w.context = context;
    if (r == 0)
        r = walk_all(builder, &w);
    cf_buf_done(&w.path);
    cf_buf_done(&w.first_path);
    return r;
}

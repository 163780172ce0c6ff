/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "nodes.h"

#define LIST_MAX 8 /* entries that are searched one by one */

static int check_inode(const struct cf_inode *inode)
{
    if (!erofs_type_of_mode(inode->mode) || inode->mtime_nsec >= 1000000000)
        return -EINVAL;
    if ((S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) &&
        (inode->rdev_major > 0xfff || inode->rdev_minor > 0xfffff))
        return -EINVAL;
    return 0;
}

static int check_name(const char *name, size_t len)
{
    if (len > CF_NAME_MAX)
        return -ENAMETOOLONG;
    if (len == 0 || memchr(name, '/', len) || memchr(name, 0, len))
        return -EINVAL;
    return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')) ? -EINVAL : 0;
}

static int new_node(struct cf_builder *builder, const struct cf_inode *inode,
                    struct cf_node **ret_node)
{
    size_t size = S_ISDIR(inode->mode) ? sizeof(struct dir) : sizeof(struct cf_node);
    struct cf_node *node;
    uint32_t ref;
    int r = check_inode(inode);

    if (r < 0 || (r = arena_alloc(&builder->arena, size, &ref)) < 0)
        return r;
    node = arena_at(builder->arena.base, ref);
    memset(node, 0, size);
    node->mode = (uint16_t)inode->mode;
    node->uid = inode->uid;
    node->gid = inode->gid;
    node->mtime_sec = inode->mtime_sec;
    node->mtime_nsec = inode->mtime_nsec;
    node->nlink = S_ISDIR(inode->mode) ? 2 : 1;
    if (S_ISDIR(inode->mode))
        node->flags = NODE_SORTED;
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
        node->rdev.major = inode->rdev_major;
        node->rdev.minor = inode->rdev_minor;
    }
    *ret_node = node;
    return 0;
}

static int new_entry(struct cf_builder *builder, const struct dir *dir, const char *name,
                     size_t len, struct entry **ret_entry)
{
    struct entry *entry;
    uint32_t ref;
    int r = arena_alloc(&builder->arena, sizeof(*entry) + len, &ref);

    if (r < 0)
        return r;
    entry = arena_at(builder->arena.base, ref);
    memset(entry, 0, sizeof(*entry));
    entry->dir = dir ? arena_ref(dir) : 0;
    entry->len = (uint8_t)len;
    memcpy(entry->name, name, len);
    *ret_entry = entry;
    return 0;
}

static void attach(struct entry *entry, struct cf_node *node)
{
    struct dir *dir = arena_at(entry, entry->dir);

    entry->node = arena_ref(node);
    entry->flags = 0;
    if (S_ISDIR(node->mode)) {
        entry->flags = ENTRY_DIR;
        node->entry = arena_ref(entry);
        if (dir)
            dir->node.flags |= NODE_HAS_DIRS;
    }
    if (S_ISCHR(node->mode) && node->rdev.major == 0 && node->rdev.minor == 0) {
        entry->flags = ENTRY_WHITE;
        dir->node.flags |= NODE_HAS_WHITE;
    }
}

static int make_root(struct cf_builder *builder)
{
    const struct cf_inode inode = {.mode = S_IFDIR | 0755};
    struct cf_node *node;
    struct entry *entry;
    int r = new_node(builder, &inode, &node);

    if (r < 0 || (r = new_entry(builder, NULL, "", 0, &entry)) < 0)
        return r;
    attach(entry, node);
    builder->root = arena_ref(node);
    return cf_node_set_xattr(builder, node, CF_XATTR_IMPLICIT, "y", 1);
}

int cf_builder_new(int scratch_fd, struct cf_builder **ret_builder, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = calloc(1, sizeof(*builder));
    int r;

    if (!builder)
        return cf_fail(err, -ENOMEM, "tree: out of memory");
    r = arena_init(&builder->arena, scratch_fd);
    if (r == 0 && getrandom(builder->seed, sizeof(builder->seed), 0) < 0)
        r = -errno;
    if (r == 0)
        r = make_root(builder);
    if (r < 0)
        return cf_fail_errno(err, -r, "tree: memory for building");
    *ret_builder = CF_TAKE(builder);
    return 0;
}

void cf_builder_free(struct cf_builder *builder)
{
    if (!builder)
        return;
    arena_done(&builder->arena);
    free(builder);
}

struct cf_node *cf_builder_root(struct cf_builder *builder)
{
    return arena_at(builder->arena.base, builder->root);
}

uint64_t cf_builder_count(const struct cf_builder *builder)
{
    return builder->count;
}

/* ---- entries ---- */

static struct dir *as_dir(struct cf_node *node)
{
    return S_ISDIR(node->mode) ? (struct dir *)node : NULL;
}

static bool is_named(const struct entry *entry, const char *name, size_t len)
{
    return entry->len == len && memcmp(entry->name, name, len) == 0;
}

/* The entry of that name, removed or not, or NULL. */
static struct entry *find_entry(struct cf_builder *builder, const struct dir *dir, const char *name,
                                size_t len, uint32_t hash)
{
    struct entry *entry;
    uint32_t at = 0;

    if (!dir->table.slots) {
        entry = arena_at(dir, dir->first);
        while (entry && !is_named(entry, name, len))
            entry = arena_at(dir, entry->next);
        return entry;
    }
    do
        entry = arena_at(dir, table_find(&builder->arena, &dir->table, hash, &at));
    while (entry && !is_named(entry, name, len));
    return entry;
}

static uint32_t hash_of(const struct cf_builder *builder, const char *name, size_t len)
{
    return (uint32_t)name_hash(builder->seed, name, len);
}

/* The table comes when the list has become too long to search. */
static int index_entry(struct cf_builder *builder, struct dir *dir, struct entry *entry,
                       uint32_t hash)
{
    struct table table = {0};
    int r;

    if (dir->table.slots)
        return table_add(&builder->arena, &builder->pool, &dir->table, hash, arena_ref(entry));
    if (dir->count < LIST_MAX)
        return 0;
    for (struct entry *e = arena_at(dir, dir->first); e; e = arena_at(dir, e->next)) {
        r = table_add(&builder->arena, &builder->pool, &table, hash_of(builder, e->name, e->len),
                      arena_ref(e));
        if (r < 0)
            return r;
    }
    r = table_add(&builder->arena, &builder->pool, &table, hash, arena_ref(entry));
    if (r == 0)
        dir->table = table;
    return r;
}

static void append(struct dir *dir, struct entry *entry)
{
    struct entry *last = arena_at(dir, dir->last);

    if (last) {
        if (name_compare(last->name, last->len, entry->name, entry->len) > 0)
            dir->node.flags &= (uint8_t)~NODE_SORTED;
        last->next = arena_ref(entry);
    } else {
        dir->first = arena_ref(entry);
    }
    dir->last = arena_ref(entry);
    dir->count++;
}

/* Lets name mean node. */
static int bind_name(struct cf_builder *builder, struct dir *dir, const char *name, size_t len,
                     struct cf_node *node)
{
    uint32_t hash = hash_of(builder, name, len);
    struct entry *entry = find_entry(builder, dir, name, len, hash);
    int r;

    if (!entry) {
        if (dir->count == UINT32_MAX)
            return -ENOSPC;
        if ((r = new_entry(builder, dir, name, len, &entry)) < 0 ||
            (r = index_entry(builder, dir, entry, hash)) < 0)
            return r;
        append(dir, entry);
    }
    attach(entry, node);
    return 0;
}

struct cf_node *cf_node_child(struct cf_builder *builder, struct cf_node *node, const char *name,
                              size_t len)
{
    struct dir *dir = as_dir(node);
    struct entry *entry;

    arena_tick(&builder->arena);
    if (!dir)
        return NULL;
    entry = find_entry(builder, dir, name, len, hash_of(builder, name, len));
    return entry ? arena_at(entry, entry->node) : NULL;
}

int cf_node_add(struct cf_builder *builder, struct cf_node *node, const char *name, size_t len,
                const struct cf_inode *inode, struct cf_node **ret_node)
{
    struct dir *dir = as_dir(node);
    struct cf_node *made;
    int r = dir ? check_name(name, len) : -ENOTDIR;

    arena_tick(&builder->arena);
    if (r < 0 || (r = new_node(builder, inode, &made)) < 0 ||
        (r = bind_name(builder, dir, name, len, made)) < 0)
        return r;
    if (ret_node)
        *ret_node = made;
    return 0;
}

int cf_node_link(struct cf_builder *builder, struct cf_node *node, const char *name, size_t len,
                 struct cf_node *target)
{
    struct dir *dir = as_dir(node);
    int r = dir ? check_name(name, len) : -ENOTDIR;

    arena_tick(&builder->arena);
    if (r < 0)
        return r;
    if (S_ISDIR(target->mode))
        return -EPERM;
    return bind_name(builder, dir, name, len, target);
}

int cf_node_remove(struct cf_builder *builder, struct cf_node *node, const char *name, size_t len)
{
    struct dir *dir = as_dir(node);
    struct entry *entry;

    arena_tick(&builder->arena);
    if (!dir)
        return -ENOTDIR;
    entry = find_entry(builder, dir, name, len, hash_of(builder, name, len));
    if (!entry || !entry->node)
        return -ENOENT;
    entry->node = 0;
    return 0;
}

int cf_node_clear(struct cf_builder *builder, struct cf_node *node)
{
    struct dir *dir = as_dir(node);

    if (!dir)
        return -ENOTDIR;
    table_drop(&builder->arena, &builder->pool, &dir->table);
    dir->first = dir->last = dir->count = 0;
    dir->node.flags = NODE_SORTED;
    return 0;
}

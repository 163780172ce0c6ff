/* SPDX-License-Identifier: Apache-2.0 */
/* The table of cached inodes, keyed by inode number. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define FIRST_BUCKETS 1024

static size_t hash(uint64_t ino)
{
    return (size_t)((ino * 0x9E3779B97F4A7C15ull) >> 20);
}

static struct cf_vnode **bucket_of(struct cf_union *u, uint64_t ino)
{
    return &u->buckets[hash(ino) & (u->bucket_count - 1)];
}

static struct cf_vnode *find_locked(struct cf_union *u, uint64_t ino)
{
    for (struct cf_vnode *n = *bucket_of(u, ino); n; n = n->next)
        if (n->ino == ino)
            return n;
    return NULL;
}

/* A table that cannot grow for want of memory goes on, only slower. */
static void grow_locked(struct cf_union *u)
{
    if (u->node_count < u->bucket_count)
        return;
    size_t count = u->bucket_count * 2;
    struct cf_vnode **buckets = calloc(count, sizeof(*buckets));
    if (!buckets)
        return;
    for (size_t i = 0; i < u->bucket_count; i++) {
        struct cf_vnode *next;
        for (struct cf_vnode *n = u->buckets[i]; n; n = next) {
            next = n->next;
            struct cf_vnode **b = &buckets[hash(n->ino) & (count - 1)];
            n->next = *b;
            *b = n;
        }
    }
    free(u->buckets);
    u->buckets = buckets;
    u->bucket_count = count;
}

static void insert_locked(struct cf_union *u, struct cf_vnode *node)
{
    grow_locked(u);
    struct cf_vnode **b = bucket_of(u, node->ino);
    node->next = *b;
    *b = node;
    u->node_count++;
}

int cf_table_init(struct cf_union *u)
{
    u->buckets = calloc(FIRST_BUCKETS, sizeof(*u->buckets));
    if (!u->buckets)
        return -ENOMEM;
    u->bucket_count = FIRST_BUCKETS;
    struct cf_vnode *root = calloc(1, sizeof(*root));
    if (!root)
        return -ENOMEM;
    root->ino = CF_ROOT_INO;
    root->nid = cf_lower_root(u);
    root->name = "";
    root->type = S_IFDIR >> 12;
    root->pins = 1;
    root->flags = u->read_only ? 0 : CF_VN_UPPER;
    u->root = root;
    insert_locked(u, root);
    return 0;
}

static void free_name(struct cf_vnode *node)
{
    if (node->flags & CF_VN_HEAP_NAME)
        free((void *)node->name);
    node->name = "";
    node->name_len = 0;
    node->flags &= (uint8_t)~CF_VN_HEAP_NAME;
}

static void free_node(struct cf_vnode *node)
{
    struct cf_extra *extra = node->extra;
    if (extra) {
        if (extra->fd >= 0)
            (void)close(extra->fd);
        while (extra->aliases) {
            struct cf_alias *next = extra->aliases->next;
            free(extra->aliases);
            extra->aliases = next;
        }
        free(extra);
    }
    free_name(node);
    free(node);
}

void cf_table_done(struct cf_union *u)
{
    for (size_t i = 0; u->buckets && i < u->bucket_count; i++) {
        while (u->buckets[i]) {
            struct cf_vnode *n = u->buckets[i];
            u->buckets[i] = n->next;
            free_node(n);
        }
    }
    free(u->buckets);
    u->buckets = NULL;
}

void cf_table_each_lower(struct cf_union *u, void (*fn)(struct cf_stack *s, uint64_t nid))
{
    (void)pthread_mutex_lock(&u->table);
    for (size_t i = 0; i < u->bucket_count; i++)
        for (struct cf_vnode *n = u->buckets[i]; n; n = n->next)
            if (n->nid != CF_NID_NONE)
                fn(u->stack, n->nid);
    (void)pthread_mutex_unlock(&u->table);
}

struct cf_vnode *cf_vnode_get(struct cf_union *u, uint64_t ino)
{
    (void)pthread_mutex_lock(&u->table);
    struct cf_vnode *node = find_locked(u, ino);
    if (node)
        node->pins++;
    (void)pthread_mutex_unlock(&u->table);
    return node;
}

void cf_vnode_pin(struct cf_union *u, struct cf_vnode *node)
{
    (void)pthread_mutex_lock(&u->table);
    node->pins++;
    (void)pthread_mutex_unlock(&u->table);
}

void cf_vnode_ref(struct cf_union *u, struct cf_vnode *node)
{
    (void)pthread_mutex_lock(&u->table);
    node->refs++;
    (void)pthread_mutex_unlock(&u->table);
}

bool cf_vnode_is_busy(struct cf_union *u, struct cf_vnode *node)
{
    (void)pthread_mutex_lock(&u->table);
    bool busy = node->refs > 0 || node->pins > 1;
    (void)pthread_mutex_unlock(&u->table);
    return busy;
}

/* Takes the node out of the table if nobody needs it; its parents then perhaps too. Calls itself
 * one level deep only: a directory has no aliases. */
static void release_locked(struct cf_union *u, struct cf_vnode *node, struct cf_vnode **ret_dead)
{
    while (node && node->pins == 0 && node->refs == 0) {
        struct cf_vnode **link = bucket_of(u, node->ino);
        while (*link != node)
            link = &(*link)->next;
        *link = node->next;
        u->node_count--;
        cf_dirfd_drop(u, node);
        if (node->extra)
            for (struct cf_alias *a = node->extra->aliases; a; a = a->next) {
                a->parent->pins--;
                release_locked(u, a->parent, ret_dead);
            }
        struct cf_vnode *parent = node->parent;
        node->next = *ret_dead;
        *ret_dead = node;
        if (parent)
            parent->pins--;
        node = parent;
    }
}

static void free_dead(struct cf_vnode *dead)
{
    while (dead) {
        struct cf_vnode *next = dead->next;
        free_node(dead);
        dead = next;
    }
}

void cf_vnode_put(struct cf_union *u, struct cf_vnode *node)
{
    struct cf_vnode *dead = NULL;
    (void)pthread_mutex_lock(&u->table);
    node->pins--;
    release_locked(u, node, &dead);
    (void)pthread_mutex_unlock(&u->table);
    free_dead(dead);
}

void cf_union_forget(struct cf_union *u, uint64_t ino, uint64_t count)
{
    if (ino == CF_ROOT_INO)
        return;
    struct cf_vnode *dead = NULL;
    (void)pthread_mutex_lock(&u->table);
    struct cf_vnode *node = find_locked(u, ino);
    if (node) {
        node->refs -= count < node->refs ? count : node->refs;
        release_locked(u, node, &dead);
    }
    (void)pthread_mutex_unlock(&u->table);
    free_dead(dead);
}

uint64_t cf_vnode_shown_ino(const struct cf_union *u, const struct cf_vnode *node)
{
    return node == u->root ? cf_lower_root(u) : node->ino;
}

int cf_vnode_extra(struct cf_vnode *node, struct cf_extra **ret_extra)
{
    if (!node->extra) {
        node->extra = calloc(1, sizeof(*node->extra));
        if (!node->extra)
            return -ENOMEM;
        node->extra->fd = -1;
    }
    *ret_extra = node->extra;
    return 0;
}

static bool same_name(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool has_name_locked(const struct cf_vnode *node, const struct cf_vnode *parent,
                            const char *name, size_t len)
{
    if (node->parent == parent && same_name(node->name, node->name_len, name, len))
        return true;
    if (!node->extra)
        return false;
    for (const struct cf_alias *a = node->extra->aliases; a; a = a->next)
        if (a->parent == parent && same_name(a->name, a->len, name, len))
            return true;
    return false;
}

bool cf_vnode_has_name(struct cf_union *u, struct cf_vnode *node, const struct cf_vnode *parent,
                       const char *name, size_t len)
{
    (void)pthread_mutex_lock(&u->table);
    bool has = has_name_locked(node, parent, name, len);
    (void)pthread_mutex_unlock(&u->table);
    return has;
}

static struct cf_vnode *new_node(const struct cf_vnode_spec *spec)
{
    struct cf_vnode *node = calloc(1, sizeof(*node));
    if (!node)
        return NULL;
    node->name = spec->name;
    if (spec->heap && spec->len) {
        node->name = strndup(spec->name, spec->len);
        if (!node->name) {
            free(node);
            return NULL;
        }
    }
    node->ino = spec->ino;
    node->nid = spec->nid;
    node->parent = spec->parent;
    node->name_len = (uint8_t)spec->len;
    node->flags = spec->flags | (spec->heap && spec->len ? CF_VN_HEAP_NAME : 0);
    node->type = (uint8_t)((spec->mode & S_IFMT) >> 12);
    node->pins = 1;
    return node;
}

int cf_vnode_add(struct cf_union *u, const struct cf_vnode_spec *spec, struct cf_vnode **ret_node)
{
    (void)pthread_mutex_lock(&u->table);
    int r = 0;
    struct cf_vnode *node = find_locked(u, spec->ino);
    if (node) {
        node->pins++;
        if (!has_name_locked(node, spec->parent, spec->name, spec->len))
            r = -EEXIST;
    } else {
        node = new_node(spec);
        r = node ? 0 : -ENOMEM;
        if (node) {
            if (spec->parent)
                spec->parent->pins++;
            insert_locked(u, node);
        }
    }
    (void)pthread_mutex_unlock(&u->table);
    if (node)
        *ret_node = node;
    return r;
}

int cf_vnode_add_alias(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *parent,
                       const char *name, size_t len)
{
    struct cf_alias *alias = malloc(sizeof(*alias) + len + 1);
    if (!alias)
        return -ENOMEM;
    alias->parent = parent;
    alias->len = len;
    memcpy(alias->name, name, len);
    alias->name[len] = 0;
    int r = 0;
    (void)pthread_mutex_lock(&u->table);
    struct cf_extra *extra = NULL;
    if (!has_name_locked(node, parent, name, len))
        r = cf_vnode_extra(node, &extra);
    if (extra) {
        alias->next = extra->aliases;
        extra->aliases = alias;
        parent->pins++;
    }
    (void)pthread_mutex_unlock(&u->table);
    if (!extra)
        free(alias);
    return r;
}

/* The main name becomes that of the first alias, or none. Returns the former parent. */
static struct cf_vnode *promote_locked(struct cf_vnode *node)
{
    struct cf_vnode *old = node->parent;
    free_name(node);
    node->parent = NULL;
    struct cf_alias *alias = node->extra ? node->extra->aliases : NULL;
    if (!alias)
        return old;
    char *copy = strndup(alias->name, alias->len);
    if (!copy)
        return old;
    node->extra->aliases = alias->next;
    node->parent = alias->parent;
    node->name = copy;
    node->name_len = (uint8_t)alias->len;
    node->flags |= CF_VN_HEAP_NAME;
    free(alias);
    return old;
}

bool cf_vnode_drop_name(struct cf_union *u, struct cf_vnode *node, const struct cf_vnode *parent,
                        const char *name, size_t len)
{
    struct cf_vnode *unpinned = NULL, *dead = NULL;
    (void)pthread_mutex_lock(&u->table);
    if (node->parent == parent && same_name(node->name, node->name_len, name, len)) {
        unpinned = promote_locked(node);
    } else if (node->extra) {
        for (struct cf_alias **link = &node->extra->aliases; *link; link = &(*link)->next) {
            struct cf_alias *a = *link;
            if (a->parent != parent || !same_name(a->name, a->len, name, len))
                continue;
            *link = a->next;
            unpinned = a->parent;
            free(a);
            break;
        }
    }
    bool none = !node->parent;
    if (unpinned) {
        unpinned->pins--;
        release_locked(u, unpinned, &dead);
    }
    (void)pthread_mutex_unlock(&u->table);
    free_dead(dead);
    return none;
}

int cf_vnode_set_name(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *parent,
                      const char *name, size_t len)
{
    char *copy = strndup(name, len);
    if (!copy)
        return -ENOMEM;
    struct cf_vnode *dead = NULL;
    (void)pthread_mutex_lock(&u->table);
    struct cf_vnode *old = node->parent;
    free_name(node);
    node->name = copy;
    node->name_len = (uint8_t)len;
    node->flags |= CF_VN_HEAP_NAME;
    node->parent = parent;
    parent->pins++;
    if (old) {
        old->pins--;
        release_locked(u, old, &dead);
    }
    (void)pthread_mutex_unlock(&u->table);
    free_dead(dead);
    return 0;
}

void cf_pin_done(struct cf_pin *pin)
{
    if (pin->node)
        cf_vnode_put(pin->u, pin->node);
    pin->node = NULL;
}

struct cf_pin cf_pin_get(struct cf_union *u, uint64_t ino)
{
    return (struct cf_pin){u, cf_vnode_get(u, ino)};
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading directories. Order: ".", "..", the names that the lower has (with the tree's own
 * cookies), then those that only the upper has, by a hash of the name. So a cookie says by itself
 * where to go on, whatever came or went meanwhile, and in another handle too.
 *
 *   0 start   1 behind "."   2 + tree cookie   UPPER_BASE | hash
 *
 * The names of the upper are read once for each pass (from cookie 0), what they are when they are
 * handed out.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

#define UPPER_BASE (1ull << 62)

struct slot {
    uint64_t key;  /* UPPER_BASE | hash of the name; no two are the same */
    size_t name;   /* offset in names */
    bool in_lower; /* the lower has that name too */
};

struct cf_dir {
    struct cf_union *u;
    struct cf_vnode *node; /* pinned */
    pthread_mutex_t lock;  /* guards what follows; taken before ns */
    bool have;             /* slots are read */
    struct slot *slots;    /* by key */
    size_t count, room;
    struct cf_buf names;
};

static uint64_t key_of(const char *name, size_t len)
{
    uint64_t h = 0xcbf29ce484222325ull; /* FNV-1a, then mixed */
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)name[i]) * 0x100000001b3ull;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    h ^= h >> 32;
    return UPPER_BASE | (h & (UPPER_BASE - 1));
}

int cf_union_open_dir(struct cf_union *u, uint64_t ino, struct cf_dir **ret_dir)
{
    struct cf_pin pin cf_autopin = cf_pin_get(u, ino);
    if (!pin.node)
        return -ESTALE;
    if (!cf_vnode_is_dir(pin.node))
        return -ENOTDIR;
    struct cf_dir *dir = calloc(1, sizeof(*dir));
    if (!dir)
        return -ENOMEM;
    dir->u = u;
    dir->node = CF_TAKE(pin.node);
    (void)pthread_mutex_init(&dir->lock, NULL);
    *ret_dir = dir;
    return 0;
}

void cf_dir_close(struct cf_dir *dir)
{
    if (!dir)
        return;
    cf_vnode_put(dir->u, dir->node);
    (void)pthread_mutex_destroy(&dir->lock);
    free(dir->slots);
    cf_buf_done(&dir->names);
    free(dir);
}

/* ---- the upper's names ---- */

static int add_slot(struct cf_dir *dir, const char *name)
{
    size_t len = strlen(name);
    if (dir->count == dir->room) {
        size_t room = dir->room ? dir->room * 2 : 32;
        struct slot *slots = realloc(dir->slots, room * sizeof(*slots));
        if (!slots)
            return -ENOMEM;
        dir->slots = slots;
        dir->room = room;
    }
    uint64_t nid;
    struct slot slot = {.key = key_of(name, len), .name = dir->names.len};
    slot.in_lower = dir->node->nid != CF_NID_NONE &&
                    cf_lower_find(dir->u, dir->node->nid, name, len, &nid, NULL) == 0;
    int r = cf_buf_add(&dir->names, name, len + 1);
    if (!r)
        dir->slots[dir->count++] = slot;
    return r;
}

static int compare_slots(const void *a, const void *b, void *names)
{
    const struct slot *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

static int read_names(struct cf_dir *dir)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(dir->u, dir->node, &at);
    if (r)
        return r;
    int fd = openat(at.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream cf_autoclosedir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    struct dirent *d;
    for (errno = 0; (d = readdir(stream)); errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
            cf_upper_is_leftover(dir->u, d->d_name))
            continue;
        r = add_slot(dir, d->d_name);
        if (r)
            return r;
    }
    if (errno)
        return -errno;
    if (dir->count)
        qsort_r(dir->slots, dir->count, sizeof(*dir->slots), compare_slots, dir->names.data);
    for (size_t i = 1; i < dir->count; i++) /* equal hashes get different keys */
        if (dir->slots[i].key <= dir->slots[i - 1].key)
            dir->slots[i].key = dir->slots[i - 1].key + 1;
    dir->have = true;
    return 0;
}

static void forget_names(struct cf_dir *dir)
{
    dir->have = false;
    dir->count = 0;
    cf_buf_clear(&dir->names);
}

/* First slot whose key is above key. */
static size_t slot_behind(const struct cf_dir *dir, uint64_t key)
{
    size_t low = 0, high = dir->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dir->slots[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool upper_has(const struct cf_dir *dir, const char *name, size_t len)
{
    uint64_t key = key_of(name, len);
    for (size_t i = slot_behind(dir, key - 1); i < dir->count; i++) {
        const char *other = dir->names.data + dir->slots[i].name;
        if (strcmp(other, name) == 0)
            return true;
        if (dir->slots[i].key > key + 8) /* keys moved aside are near */
            return false;
    }
    return false;
}

/* ---- handing out ---- */

struct reader {
    struct cf_dir *dir;
    bool lookup;
    cf_dir_fn *fn;
    void *context;
};

static unsigned dtype(mode_t mode)
{
    return (mode & S_IFMT) >> 12;
}

static int emit_plain(const struct reader *r, const char *name, uint64_t cookie, uint64_t ino,
                      uint64_t shown, unsigned type)
{
    struct cf_entry entry = {.ino = ino};
    entry.attr.st_ino = shown;
    entry.attr.st_mode = type << 12;
    return r->fn(r->context, name, cookie, type, &entry) ? 1 : 0;
}

/* 1: the buffer is full. A name that is gone is passed over. */
static int emit_found(const struct reader *r, const char *name, uint64_t cookie)
{
    struct cf_union *u = r->dir->u;
    struct cf_found found cf_autofound = {0};
    int e = cf_find(u, r->dir->node, name, &found);
    if (e)
        return e == -ENOENT ? 0 : e;
    if (!r->lookup) {
        mode_t mode = found.entry.attr.st_mode;
        if (!found.upper)
            e = cf_lower_mode(u, found.nid, &mode);
        return e ? e : emit_plain(r, name, cookie, found.ino, found.ino, dtype(mode));
    }
    struct cf_pin node cf_autopin = {u, NULL};
    struct cf_entry entry;
    e = cf_found_node(u, r->dir->node, name, &found, &node.node);
    if (!e)
        e = cf_found_stat(u, &found, node.node, &entry.attr);
    if (e)
        return e;
    entry.ino = node.node->ino;
    cf_vnode_ref(u, node.node);
    if (r->fn(r->context, name, cookie, dtype(entry.attr.st_mode), &entry) == 0)
        return 0;
    cf_union_forget(u, entry.ino, 1);
    return 1;
}

static int emit_dots(const struct reader *r, uint64_t *cookie)
{
    struct cf_union *u = r->dir->u;
    struct cf_vnode *node = r->dir->node;
    struct cf_vnode *up = node->parent ? node->parent : node;
    int full = 0;
    if (*cookie == 0) {
        full = emit_plain(r, ".", 1, node->ino, cf_vnode_shown_ino(u, node), DT_DIR);
        *cookie = full ? 0 : 1;
    }
    if (*cookie == 1) {
        full = emit_plain(r, "..", 2, up->ino, cf_vnode_shown_ino(u, up), DT_DIR);
        *cookie = full ? 1 : 2;
    }
    return full;
}

static int emit_lower(const struct reader *r, uint64_t cookie)
{
    struct cf_dir *dir = r->dir;
    struct cf_dirent entry = {.next = cookie - 2};
    int e;
    while ((e = cf_lower_readdir(dir->u, dir->node->nid, entry.next, &entry)) > 0) {
        char name[CF_NAME_MAX + 1];
        if (entry.name_len > CF_NAME_MAX)
            return -EBADMSG;
        memcpy(name, entry.name, entry.name_len);
        name[entry.name_len] = 0;
        if (r->lookup || (dir->have && upper_has(dir, name, entry.name_len)))
            e = emit_found(r, name, entry.next + 2);
        else
            e = emit_plain(r, name, entry.next + 2, entry.nid, entry.nid, entry.type);
        if (e)
            return e;
    }
    return e;
}

static int emit_upper(const struct reader *r, uint64_t cookie)
{
    struct cf_dir *dir = r->dir;
    for (size_t i = slot_behind(dir, cookie); i < dir->count; i++) {
        if (dir->slots[i].in_lower)
            continue;
        int e = emit_found(r, dir->names.data + dir->slots[i].name, dir->slots[i].key);
        if (e)
            return e;
    }
    return 0;
}

static int read_locked(const struct reader *r, uint64_t cookie)
{
    struct cf_dir *dir = r->dir;
    CF_NS_SHARED(dir->u);
    if (dir->node->flags & CF_VN_DELETED)
        return -ENOENT;
    if (cookie == 0)
        forget_names(dir);
    if (!dir->have && dir->node->flags & CF_VN_UPPER) {
        forget_names(dir);
        int e = read_names(dir);
        if (e)
            return e;
    }
    int e = emit_dots(r, &cookie);
    if (!e && cookie < UPPER_BASE && dir->node->nid != CF_NID_NONE)
        e = emit_lower(r, cookie);
    if (!e && dir->have)
        e = emit_upper(r, cookie);
    return e < 0 ? e : 0;
}

int cf_dir_read(struct cf_dir *dir, uint64_t cookie, bool lookup, cf_dir_fn *fn, void *context)
{
    const struct reader reader = {dir, lookup, fn, context};
    (void)pthread_mutex_lock(&dir->lock);
    int r = read_locked(&reader, cookie);
    (void)pthread_mutex_unlock(&dir->lock);
    return r;
}

int cf_dir_sync(struct cf_dir *dir)
{
    CF_NS_SHARED(dir->u);
    if (!(dir->node->flags & CF_VN_UPPER) || dir->u->no_sync)
        return 0;
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(dir->u, dir->node, &at);
    return r ? r : fsync(at.fd) ? -errno : 0;
}

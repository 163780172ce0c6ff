/* SPDX-License-Identifier: Apache-2.0 */
/* A stack of plain directories: opening it, its nodes, and their end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "stack.h"

#define FIRST_BUCKETS 256
#define SWEEP_LEAST 8192
#define DISK_SHIFT 32
#define DISKS_PLAIN 127            /* disks that numbers can name */
#define NUMBER_HASHED (1ull << 39) /* numbers above are hashes; all are below CF_INO_UPPER */

/* ---- opening and closing ---- */

static void free_node(struct cf_lnode *node)
{
    if (node->parts == &node->one)
        free(node->one.at);
    else
        cf_parts_free(node->parts, node->part_count);
    cf_listing_free(node->listing);
    free(node);
}

void cf_stack_close(struct cf_stack *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < CF_STACK_SLOTS; i++)
        if (s->slots[i].node)
            (void)close(s->slots[i].fd);
    for (size_t i = 0; i < s->bucket_count; i++)
        while (s->buckets[i]) {
            struct cf_lnode *node = s->buckets[i];
            s->buckets[i] = node->next;
            free_node(node);
        }
    for (uint32_t i = 0; i < s->layer_count; i++)
        if (s->layers[i].fd >= 0)
            (void)close(s->layers[i].fd);
    free(s->buckets);
    free(s->layers);
    free(s->disks);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

void cf_stack_keep_fds(const struct cf_stack *s, int *ret_fds)
{
    for (uint32_t i = 0; i < s->layer_count; i++)
        ret_fds[i] = s->layers[i].fd;
}

size_t cf_stack_layers(const struct cf_stack *s)
{
    return s->layer_count;
}

/*
 * A mount of its own, where that is allowed: what is mounted in the directory, our own mount point
 * perhaps, is not part of the layer then, as with overlayfs.
 */
static int open_private(const char *path)
{
    struct mount_attr attr = {.propagation = MS_PRIVATE};
    int fd cf_autoclose = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
        return -1;
    return CF_TAKE_FD(fd);
}

static int open_layer(struct cf_layer *layer, const char *path, struct cf_error *err)
{
    struct stat st;
    layer->fd = open_private(path);
    if (layer->fd >= 0 && (fstat(layer->fd, &st) || !S_ISDIR(st.st_mode))) {
        (void)close(layer->fd);
        layer->fd = -1;
    }
    if (layer->fd < 0)
        layer->fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (layer->fd < 0 || fstat(layer->fd, &st))
        return cf_fail_errno(err, errno, "lower directory %s", path);
    layer->dev = st.st_dev;
    layer->override = cf_lmarks_find_override(layer->fd);
    return 0;
}

static int make_root(struct cf_stack *s, struct cf_error *err)
{
    uint32_t count = 0;
    struct stat st;
    struct cf_part *parts = calloc(s->layer_count, sizeof(*parts));
    if (!parts)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (uint32_t i = 0; i < s->layer_count && !s->layers[i].data_only; i++)
        parts[count++].layer = i;
    if (fstat(s->layers[0].fd, &st)) {
        free(parts);
        return cf_fail_errno(err, errno, "the topmost lower directory");
    }
    struct cf_lnode_spec spec = {.name = "",
                                 .dev = st.st_dev,
                                 .ino = st.st_ino,
                                 .mode = S_IFDIR,
                                 .parts = parts,
                                 .part_count = count};
    int r = cf_stack_add(s, &spec, &s->root);
    return r ? cf_fail_errno(err, -r, "lower directories") : 0;
}

int cf_stack_open(const struct cf_stack_options *options, struct cf_stack **ret_stack,
                  struct cf_error *err)
{
    struct cf_stack *s cf_cleanup(cf_stack_close_ptr) = calloc(1, sizeof(*s));
    size_t count = options->lower_count + options->data_count;
    if (!options->lower_count)
        return cf_fail(err, -EINVAL, "no lower directory is given");
    if (!s)
        return cf_fail(err, -ENOMEM, "out of memory");
    (void)pthread_mutex_init(&s->lock, NULL);
    s->user = options->user_xattrs;
    s->sweep_at = SWEEP_LEAST;
    s->layers = calloc(count, sizeof(*s->layers));
    s->buckets = calloc(FIRST_BUCKETS, sizeof(struct cf_lnode *));
    if (!s->layers || !s->buckets)
        return cf_fail(err, -ENOMEM, "out of memory");
    s->bucket_count = FIRST_BUCKETS;
    for (size_t i = 0; i < count; i++) {
        s->layers[i].fd = -1;
        s->layers[i].data_only = i >= options->lower_count;
        s->layer_count++;
        int r = open_layer(&s->layers[i], options->paths[i], err);
        if (r)
            return r;
        (void)cf_stack_number(s, s->layers[i].dev, 0); /* counts the disk */
    }
    int r = make_root(s, err);
    if (!r)
        *ret_stack = CF_TAKE(s);
    return r;
}

/* ---- numbers ---- */

static uint64_t mix(uint64_t h)
{
    h ^= h >> 31;
    h *= 0xd6e8feb86659fd93ull;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ull;
    return h ^ h >> 32;
}

/* A layer's disk has the index of its first appearance; others are met later (mounts in a layer).
 */
static int disk_locked(struct cf_stack *s, dev_t dev, size_t *ret_index)
{
    for (size_t i = 0; i < s->disk_count; i++)
        if (s->disks[i] == dev) {
            *ret_index = i;
            return 0;
        }
    dev_t *more = realloc(s->disks, (s->disk_count + 1) * sizeof(*more));
    if (!more)
        return -ENOMEM;
    s->disks = more;
    s->disks[s->disk_count] = dev;
    *ret_index = s->disk_count++;
    return 0;
}

/* tries: how many numbers belong to others already. Never 0 nor CF_ROOT_INO. */
static uint64_t number(size_t disk, ino_t ino, unsigned tries)
{
    if (tries == 0 && disk < DISKS_PLAIN && ino > CF_ROOT_INO && ino >> DISK_SHIFT == 0)
        return ((uint64_t)disk << DISK_SHIFT) + ino;
    return NUMBER_HASHED | (mix(mix(ino + 1) + mix(disk + 1) + tries) & (NUMBER_HASHED - 1));
}

uint64_t cf_stack_number(struct cf_stack *s, dev_t dev, ino_t ino)
{
    size_t disk = 0;
    (void)pthread_mutex_lock(&s->lock);
    (void)disk_locked(s, dev, &disk);
    (void)pthread_mutex_unlock(&s->lock);
    return number(disk, ino, 0);
}

/* ---- nodes ---- */

static struct cf_lnode **bucket_of(struct cf_stack *s, uint64_t nid)
{
    return &s->buckets[mix(nid) & (s->bucket_count - 1)];
}

static struct cf_lnode *find_locked(struct cf_stack *s, uint64_t nid)
{
    for (struct cf_lnode *n = *bucket_of(s, nid); n; n = n->next)
        if (n->nid == nid)
            return n;
    return NULL;
}

struct cf_lnode *cf_stack_node(struct cf_stack *s, uint64_t nid)
{
    (void)pthread_mutex_lock(&s->lock);
    struct cf_lnode *node = find_locked(s, nid);
    (void)pthread_mutex_unlock(&s->lock);
    return node;
}

static void grow_locked(struct cf_stack *s)
{
    size_t count = s->bucket_count * 2;
    struct cf_lnode **buckets =
        s->node_count < s->bucket_count ? NULL : calloc(count, sizeof(struct cf_lnode *));
    if (!buckets)
        return; /* goes on, only slower */
    for (size_t i = 0; i < s->bucket_count; i++) {
        struct cf_lnode *next;
        for (struct cf_lnode *n = s->buckets[i]; n; n = next) {
            next = n->next;
            struct cf_lnode **b = &buckets[mix(n->nid) & (count - 1)];
            n->next = *b;
            *b = n;
        }
    }
    free(s->buckets);
    s->buckets = buckets;
    s->bucket_count = count;
}

void cf_parts_free(struct cf_part *parts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        free(parts[i].at);
    free(parts);
}

static struct cf_lnode *new_node(struct cf_lnode_spec *spec, uint64_t nid)
{
    struct cf_lnode *node = calloc(1, sizeof(*node) + spec->len + 1);
    if (!node)
        return NULL;
    node->parent = spec->parent;
    node->nid = nid;
    node->dev = spec->dev;
    node->ino = spec->ino;
    node->type = (uint8_t)((spec->mode & S_IFMT) >> 12);
    node->name_len = (uint8_t)spec->len;
    memcpy(node->name, spec->name, spec->len);
    node->part_count = spec->part_count;
    node->parts = CF_TAKE(spec->parts);
    if (node->part_count == 1) {
        node->one = node->parts[0];
        free(node->parts);
        node->parts = &node->one;
    }
    return node;
}

/* A file is one object under all its names; a directory that is seen at two places is two. */
static bool is_same(const struct cf_lnode *node, const struct cf_lnode_spec *spec)
{
    if (node->dev != spec->dev || node->ino != spec->ino ||
        node->type != (spec->mode & S_IFMT) >> 12)
        return false;
    return !cf_lnode_is_dir(node) || (node->parent == spec->parent && node->name_len == spec->len &&
                                      memcmp(node->name, spec->name, spec->len) == 0);
}

static int add_locked(struct cf_stack *s, struct cf_lnode_spec *spec, struct cf_lnode **ret_node)
{
    size_t disk;
    int r = disk_locked(s, spec->dev, &disk);
    if (r)
        return r;
    uint64_t nid;
    struct cf_lnode *node = NULL;
    for (unsigned tries = 0;; tries++) {
        nid = number(disk, spec->ino, tries);
        node = find_locked(s, nid);
        if (!node || is_same(node, spec))
            break;
    }
    if (!node) {
        node = new_node(spec, nid);
        if (!node)
            return -ENOMEM;
        grow_locked(s);
        struct cf_lnode **b = bucket_of(s, nid);
        node->next = *b;
        *b = node;
        s->node_count++;
    }
    *ret_node = node;
    return 0;
}

int cf_stack_add(struct cf_stack *s, struct cf_lnode_spec *spec, struct cf_lnode **ret_node)
{
    (void)pthread_mutex_lock(&s->lock);
    int r = add_locked(s, spec, ret_node);
    (void)pthread_mutex_unlock(&s->lock);
    if (spec->parts)
        cf_parts_free(spec->parts, spec->part_count);
    spec->parts = NULL;
    return r;
}

/* ---- the end of nodes ---- */

uint64_t cf_stack_root(const struct cf_stack *s)
{
    return s->root->nid;
}

bool cf_stack_wants_sweep(struct cf_stack *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool wants = s->node_count >= s->sweep_at;
    (void)pthread_mutex_unlock(&s->lock);
    return wants;
}

void cf_stack_sweep_begin(struct cf_stack *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->generation++;
    s->root->generation = s->generation;
}

void cf_stack_keep(struct cf_stack *s, uint64_t nid)
{
    for (struct cf_lnode *n = find_locked(s, nid); n && n->generation != s->generation;
         n = n->parent)
        n->generation = s->generation;
}

void cf_stack_sweep_end(struct cf_stack *s)
{
    for (size_t i = 0; i < s->bucket_count; i++)
        for (struct cf_lnode **link = &s->buckets[i]; *link;) {
            struct cf_lnode *node = *link;
            if (node->generation == s->generation) {
                link = &node->next;
                continue;
            }
            *link = node->next;
            s->node_count--;
            cf_stack_drop_slots(s, node);
            free_node(node);
        }
    s->sweep_at = s->node_count * 2 > SWEEP_LEAST ? s->node_count * 2 : SWEEP_LEAST;
    (void)pthread_mutex_unlock(&s->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of a directory of a stack, of all its parts, sorted by name and part. A place in this
 * order is a cookie that stays right, for the layers do not change.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stack.h"

struct item {
    size_t name; /* offset in names */
    uint64_t nid;
    uint32_t part;
    uint8_t type; /* DT_REG ... */
    bool hidden;  /* a whiteout: the name ends here */
};

struct cf_listing {
    struct item *items;
    size_t count, room;
    struct cf_buf names;
};

void cf_listing_free(struct cf_listing *listing)
{
    if (!listing)
        return;
    free(listing->items);
    cf_buf_done(&listing->names);
    free(listing);
}
CF_DEFINE_CLEANUP(struct cf_listing *, cf_listing_free)

static const char *name_of(const struct cf_listing *listing, size_t i)
{
    return listing->names.data + listing->items[i].name;
}

static int add(struct cf_listing *listing, const char *name, struct item item)
{
    if (listing->count == listing->room) {
        size_t room = listing->room ? listing->room * 2 : 32;
        struct item *more = realloc(listing->items, room * sizeof(*more));
        if (!more)
            return -ENOMEM;
        listing->items = more;
        listing->room = room;
    }
    item.name = listing->names.len;
    int r = cf_buf_add(&listing->names, name, strlen(name) + 1);
    if (!r)
        listing->items[listing->count++] = item;
    return r;
}

/* ---- reading ---- */

struct reading {
    struct cf_stack *s;
    struct cf_listing *listing;
    uint32_t layer, part;
    int fd;
    dev_t dev;
    bool look_closer; /* regular files may be whiteouts, or something else */
};

static int add_entry(struct reading *reading, const struct dirent *d)
{
    struct item item = {.part = reading->part, .type = d->d_type};
    const char *hides = cf_lmarks_hidden_name(d->d_name);
    struct stat st;
    if (hides && cf_lmarks_is_hidden_file(reading->fd, d->d_name)) {
        item.hidden = true;
        return add(reading->listing, hides, item); /* .wh..wh..opq: a name that nobody has */
    }
    item.nid = cf_stack_number(reading->s, reading->dev, d->d_ino);
    if (d->d_type == DT_UNKNOWN || d->d_type == DT_CHR ||
        (d->d_type == DT_REG && reading->look_closer)) {
        struct cf_lmarks marks;
        int r = cf_at_stat(reading->fd, d->d_name, &st);
        if (!r)
            r = cf_lmarks_read(reading->s, reading->layer, reading->fd, d->d_name, &st, &marks);
        if (r)
            return r == -ENOENT ? 0 : r;
        cf_lmarks_done(&marks);
        item.hidden = marks.whiteout;
        item.type = (uint8_t)((marks.mode & S_IFMT) >> 12);
    }
    return add(reading->listing, d->d_name, item);
}

static int read_part(struct reading *reading)
{
    int fd = openat(reading->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream cf_autoclosedir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!stream) {
        int r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    struct dirent *d;
    int r = 0;
    for (errno = 0; !r && (d = readdir(stream)); errno = 0)
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            r = add_entry(reading, d);
    return r ? r : -errno;
}

static int read_parts(struct cf_stack *s, const struct cf_lnode *node, struct cf_listing *listing)
{
    for (uint32_t i = 0; i < node->part_count; i++) {
        struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
        struct cf_lmarks marks;
        struct stat st;
        int r = cf_stack_place(s, node, i, &at);
        if (!r)
            r = cf_at_stat(at.fd, "", &st);
        dev_t dev = st.st_dev;
        if (!r)
            r = cf_lmarks_read(s, node->parts[i].layer, at.fd, "", &st, &marks);
        if (r)
            return r;
        cf_lmarks_done(&marks);
        struct reading reading = {s, listing, node->parts[i].layer, i, at.fd, dev, false};
        reading.look_closer = marks.xwhiteouts || s->layers[reading.layer].override;
        r = read_part(&reading);
        if (r)
            return r;
    }
    return 0;
}

/* A real entry comes before a .wh. file of the same layer that says it is not there. */
static int compare(const void *a, const void *b, void *names)
{
    const struct item *x = a, *y = b;
    int order = strcmp((const char *)names + x->name, (const char *)names + y->name);
    if (order)
        return order;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return x->hidden - y->hidden;
}

int cf_stack_listing(struct cf_stack *s, struct cf_lnode *node, struct cf_listing **ret_listing)
{
    (void)pthread_mutex_lock(&s->lock);
    *ret_listing = node->listing;
    (void)pthread_mutex_unlock(&s->lock);
    if (*ret_listing)
        return 0;
    struct cf_listing *listing cf_cleanup(cf_listing_free_ptr) = calloc(1, sizeof(*listing));
    if (!listing)
        return -ENOMEM;
    int r = read_parts(s, node, listing);
    if (r)
        return r;
    if (listing->count)
        qsort_r(listing->items, listing->count, sizeof(struct item), compare, listing->names.data);
    (void)pthread_mutex_lock(&s->lock);
    if (!node->listing)
        node->listing = CF_TAKE(listing);
    *ret_listing = node->listing;
    (void)pthread_mutex_unlock(&s->lock);
    return 0;
}

/* ---- asking ---- */

static int compare_name(const struct cf_listing *listing, size_t i, const char *name, size_t len)
{
    const char *other = name_of(listing, i);
    int order = strncmp(other, name, len);
    return order ? order : other[len] ? 1 : 0;
}

bool cf_listing_next(const struct cf_listing *listing, const char *name, size_t len, size_t *at,
                     uint32_t *ret_part, bool *ret_hidden)
{
    size_t i = *at;
    if (i == 0) {
        size_t high = listing->count;
        while (i < high) {
            size_t middle = i + (high - i) / 2;
            if (compare_name(listing, middle, name, len) < 0)
                i = middle + 1;
            else
                high = middle;
        }
    }
    if (i >= listing->count || compare_name(listing, i, name, len) != 0)
        return false;
    *ret_part = listing->items[i].part;
    *ret_hidden = listing->items[i].hidden;
    *at = i + 1;
    return true;
}

/* cookie: 0, or 1 + the place behind the last one handed out. */
int cf_stack_readdir(struct cf_stack *s, uint64_t dir, uint64_t cookie, struct cf_dirent *ret_entry)
{
    struct cf_lnode *node = cf_stack_node(s, dir);
    struct cf_listing *listing;
    if (!node || !cf_lnode_is_dir(node))
        return node ? -ENOTDIR : -ESTALE;
    int r = cf_stack_listing(s, node, &listing);
    if (r)
        return r;
    size_t i = cookie ? (size_t)cookie - 1 : 0;
    while (i < listing->count) {
        size_t first = i;
        while (i < listing->count && strcmp(name_of(listing, i), name_of(listing, first)) == 0)
            i++;
        const struct item *item = &listing->items[first];
        if (item->hidden)
            continue;
        ret_entry->name = name_of(listing, first);
        ret_entry->name_len = strlen(ret_entry->name);
        ret_entry->nid = item->nid;
        ret_entry->type = item->type;
        ret_entry->next = i + 1;
        return 1;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up a name in a stack: from the topmost layer down, until something ends the merge; the
 * rules are overlayfs's. A redirect changes what is looked for in the layers below: a name in the
 * same directory, or with a path in all layers from their roots.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stack.h"

struct search {
    struct cf_stack *s;
    char *sought; /* heap: a name, or a path from the roots */
    bool stop;    /* nothing below the current layer is looked at */
    bool is_dir, metacopy;
    struct stat st; /* of the topmost object, as users see it */
    dev_t dev;      /* the same, as the disk has it */
    ino_t ino;
    struct cf_part *parts;
    uint32_t count;
};

static void search_done(struct search *search)
{
    free(search->sought);
    cf_parts_free(search->parts, search->count);
}

/* Takes at. */
static int add_part(struct search *search, uint32_t layer, char *at)
{
    struct cf_part *more = realloc(search->parts, (search->count + 1) * sizeof(struct cf_part));
    if (!more) {
        free(at);
        return -ENOMEM;
    }
    search->parts = more;
    search->parts[search->count++] = (struct cf_part){layer, at};
    return 0;
}

/*
 * What is sought becomes before + redirect + behind; a redirect that is a path is no more in the
 * directory that the search began with.
 */
static int redirect(struct search *search, const struct cf_lmarks *marks, size_t before,
                    const char *behind)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    if (!marks->redirect)
        return 0;
    if (marks->redirect[0] == '/') {
        search->stop = false;
        before = 0;
    }
    int r = cf_buf_add(&text, search->sought, before);
    if (!r)
        r = cf_buf_printf(&text, "%s%s", marks->redirect, behind);
    if (r)
        return r;
    free(search->sought);
    search->sought = cf_buf_take(&text);
    return search->sought ? 0 : -ENOMEM;
}

/* The object of one layer. 1: it counts; 0: it does not. */
static int weigh(struct search *search, const struct cf_lmarks *marks, bool last)
{
    bool is_dir = S_ISDIR(marks->mode);
    if (marks->whiteout || (last && search->metacopy && !S_ISREG(marks->mode)) ||
        (!is_dir && (!last || search->is_dir))) {
        search->stop = true;
        return 0;
    }
    if (!is_dir) {
        search->metacopy = marks->metacopy;
        search->stop = !marks->metacopy;
    } else {
        search->is_dir = search->is_dir || last;
        search->stop = search->stop || marks->opaque;
    }
    return 1;
}

static int note_top(struct search *search, const struct stat *st, const struct stat *disk)
{
    if (search->count == 0) {
        search->st = *st;
        search->dev = disk->st_dev;
        search->ino = disk->st_ino;
    }
    return 0;
}

/*
 * One name in one directory. last: it is the end of what is sought, else an element of a path, of
 * which before bytes precede it, and behind follows. 1: there, 0: not.
 */
static int look(struct search *search, uint32_t layer, int fd, const char *name, size_t before,
                const char *behind)
{
    struct stat st, disk;
    struct cf_lmarks marks cf_cleanup(cf_lmarks_done) = {0};
    bool last = !*behind;
    int r = cf_at_stat(fd, name, &st);
    if (r)
        return r == -ENOENT || r == -ENAMETOOLONG ? 0 : r;
    if (cf_lmarks_hidden_name(name) && S_ISREG(st.st_mode) && st.st_size == 0)
        return 0;
    disk = st;
    r = cf_lmarks_read(search->s, layer, fd, name, &st, &marks);
    if (r)
        return r;
    r = weigh(search, &marks, last);
    if (r == 0)
        return 0;
    if (last)
        (void)note_top(search, &st, &disk);
    /* of an opaque directory and of whole files, a redirect means nothing */
    bool follows = S_ISDIR(marks.mode) ? !marks.opaque : marks.metacopy;
    r = follows ? redirect(search, &marks, before, behind) : 0;
    return r ? r : 1;
}

/* A .wh. file beside the name ends the merge, too. Only where nothing else was there. */
static void look_for_hidden(struct search *search, int fd, const char *name)
{
    char hidden[CF_NAME_MAX + 1];
    int n = snprintf(hidden, sizeof(hidden), ".wh.%s", name);
    if (n < (int)sizeof(hidden) && cf_lmarks_is_hidden_file(fd, hidden))
        search->stop = true;
}

/* ---- paths ---- */

/* Walks what is sought in one layer. 1: there, 0: not. */
static int look_in_layer(struct search *search, uint32_t layer)
{
    char *path cf_autofree = strdup(search->sought);
    int at cf_autoclose = openat(search->s->layers[layer].fd, ".", O_PATH | O_CLOEXEC);
    if (!path || at < 0)
        return path ? -errno : -ENOMEM;
    /* counted from the end, for what is before changes with redirects */
    for (char *name = path + 1; *name;) {
        size_t len = strcspn(name, "/");
        char *behind = strdup(name + len);
        char *owned cf_autofree = behind;
        if (!behind)
            return -ENOMEM;
        name[len] = 0;
        size_t before = strlen(search->sought) - len - strlen(behind);
        int r = look(search, layer, at, name, before, behind);
        if (r == 0 && !search->stop)
            look_for_hidden(search, at, name);
        if (r <= 0 || !*behind)
            return r;
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return errno == ENOENT ? 0 : -errno;
        (void)close(at);
        at = next;
        name += len + 1;
    }
    return 0;
}

static int look_in_layers(struct search *search, uint32_t first)
{
    for (uint32_t i = first; i < search->s->layer_count && !search->stop; i++) {
        const struct cf_layer *layer = &search->s->layers[i];
        if (layer->data_only && !search->metacopy)
            break;
        char *at = strdup(search->sought);
        if (!at)
            return -ENOMEM;
        int r = look_in_layer(search, i);
        if (r == 1)
            r = add_part(search, i, at);
        else
            free(at);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- a name of a directory ---- */

/* In one part of the directory. 1: there, 0: not. */
static int look_in_part(struct search *search, const struct cf_lnode *dir, uint32_t part,
                        const char *name)
{
    struct cf_lplace at cf_autolplace = CF_LPLACE_INIT;
    uint32_t layer = dir->parts[part].layer;
    int r = cf_stack_dir(search->s, dir, layer, &at);
    if (r)
        return r;
    /* an own name is not kept twice */
    char *other = strcmp(search->sought, name) == 0 ? NULL : strdup(search->sought);
    char *sought cf_autofree = strdup(search->sought);
    if (!sought || (strcmp(search->sought, name) != 0 && !other)) {
        free(other);
        return -ENOMEM;
    }
    r = look(search, layer, at.fd, sought, 0, "");
    if (r != 1) {
        free(other);
        return r;
    }
    return add_part(search, layer, other);
}

/* Asks the listing, which says at once which of many layers have the name. */
static int look_in_parts(struct search *search, struct cf_lnode *dir, const char *name)
{
    struct cf_listing *listing = NULL;
    bool hidden;
    uint32_t part, from = 0;
    int r = dir->part_count > 1 ? cf_stack_listing(search->s, dir, &listing) : 0;
    if (r)
        return r;
    if (!listing)
        return look_in_part(search, dir, 0, name);
    for (size_t at = 0; !search->stop && search->sought[0] != '/';) {
        char sought[CF_NAME_MAX + 1];
        (void)snprintf(sought, sizeof(sought), "%s", search->sought);
        if (!cf_listing_next(listing, sought, strlen(sought), &at, &part, &hidden))
            break;
        if (part < from)
            continue;
        from = part + 1;
        if (hidden) {
            search->stop = true;
            break;
        }
        r = look_in_part(search, dir, part, name);
        if (r < 0)
            return r;
        if (strcmp(sought, search->sought) != 0)
            at = 0; /* redirected: another group of the listing */
    }
    return 0;
}

static int search_name(struct search *search, struct cf_lnode *dir, const char *name)
{
    int r = look_in_parts(search, dir, name);
    if (r < 0 || !search->count || search->stop || search->sought[0] != '/')
        return r;
    return look_in_layers(search, search->parts[search->count - 1].layer + 1);
}

/* A metacopy's parts are itself and the file that has the data: nothing between. */
static int keep_file_parts(struct search *search)
{
    uint32_t last = search->count - 1;
    if (search->is_dir || search->count == 1)
        return 0;
    for (uint32_t i = 1; i < last; i++)
        free(search->parts[i].at);
    search->parts[1] = search->parts[last];
    search->count = 2;
    return 0;
}

int cf_stack_find(struct cf_stack *s, uint64_t dir, const char *name, size_t len, uint64_t *ret_nid)
{
    struct cf_lnode *node = cf_stack_node(s, dir), *found;
    if (!node)
        return -ESTALE;
    if (!cf_lnode_is_dir(node))
        return -ENOTDIR;
    if (len == 0 || len > CF_NAME_MAX)
        return len ? -ENAMETOOLONG : -ENOENT;
    struct search search cf_cleanup(search_done) = {.s = s, .sought = strndup(name, len)};
    char *own cf_autofree = strndup(name, len);
    if (!search.sought || !own)
        return -ENOMEM;
    int r = search_name(&search, node, own);
    if (r)
        return r;
    if (!search.count)
        return -ENOENT;
    (void)keep_file_parts(&search);
    struct cf_lnode_spec spec = {.parent = node,
                                 .name = own,
                                 .len = len,
                                 .dev = search.dev,
                                 .ino = search.ino,
                                 .mode = search.st.st_mode,
                                 .parts = CF_TAKE(search.parts),
                                 .part_count = search.count};
    search.count = 0;
    r = cf_stack_add(s, &spec, &found);
    if (!r)
        *ret_nid = found->nid;
    return r;
}

int cf_stack_walk(struct cf_stack *s, const char *path, uint64_t *ret_nid)
{
    uint64_t nid = s->root->nid;
    for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
        size_t len = strcspn(path, "/");
        int r = cf_stack_find(s, nid, path, len, &nid);
        if (r)
            return r;
        path += len;
    }
    *ret_nid = nid;
    return 0;
}

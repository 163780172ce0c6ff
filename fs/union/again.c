/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object of a number that nobody remembers: a file handle that an NFS server kept for longer
 * than the kernel kept the inode. It is looked for in the whole filesystem: the lower costs some
 * 100 ns an entry, the upper a few system calls; whatever was moved or copied up is found.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

struct search {
    struct cf_union *u;
    uint64_t ino;
    struct cf_vnode *result; /* pinned */
    struct cf_vnode **todo;  /* directories of the upper, pinned */
    size_t count, room;
};

static void search_done(struct search *s)
{
    while (s->count)
        cf_vnode_put(s->u, s->todo[--s->count]);
    free(s->todo);
}

/* Takes dir. */
static int add_todo(struct search *s, struct cf_vnode *dir)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        struct cf_vnode **todo = realloc(s->todo, room * sizeof(struct cf_vnode *));
        if (!todo) {
            cf_vnode_put(s->u, dir);
            return -ENOMEM;
        }
        s->todo = todo;
        s->room = room;
    }
    s->todo[s->count++] = dir;
    return 0;
}

/* What the entry is. 1: what is looked for; a directory of the upper is looked at later. */
static int look_at(struct search *s, struct cf_vnode *dir, const char *name)
{
    struct cf_found found cf_autofound = {0};
    struct cf_pin node cf_autopin = {s->u, NULL};
    int r = cf_find(s->u, dir, name, &found);
    if (r)
        return r == -ENOENT ? 0 : r;
    bool below = found.here && S_ISDIR(found.entry.attr.st_mode);
    if (found.ino != s->ino && !below)
        return 0;
    r = cf_found_node(s->u, dir, name, &found, &node.node);
    if (r)
        return r;
    if (node.node->ino != s->ino)
        return below ? add_todo(s, CF_TAKE(node.node)) : 0;
    s->result = CF_TAKE(node.node);
    return 1;
}

/* ---- below a directory that only the lower has ---- */

struct step {
    uint64_t dir, at; /* at: the cookie of the entry that is looked at */
};

/* The nodes from top down along the entries of the steps. */
static int nodes_along(struct search *s, struct cf_vnode *top, const struct step *steps,
                       size_t depth)
{
    struct cf_pin at cf_autopin = {s->u, top};
    cf_vnode_pin(s->u, top);
    for (size_t i = 0; i < depth; i++) {
        struct cf_dirent entry;
        struct cf_found found cf_autofound = {0};
        struct cf_vnode *child;
        char name[CF_NAME_MAX + 1];
        int r = cf_lower_readdir(s->u, steps[i].dir, steps[i].at, &entry);
        if (r <= 0 || entry.name_len > CF_NAME_MAX)
            return r < 0 ? r : -EIO;
        memcpy(name, entry.name, entry.name_len);
        name[entry.name_len] = 0;
        r = cf_find(s->u, at.node, name, &found);
        if (!r)
            r = cf_found_node(s->u, at.node, name, &found, &child);
        if (r)
            return r;
        cf_vnode_put(s->u, at.node);
        at.node = child;
    }
    if (at.node->ino != s->ino)
        return 0;
    s->result = CF_TAKE(at.node);
    return 1;
}

/* The tree below the entry of top at that cookie. 1: found, 0: not here. */
static int search_lower(struct search *s, struct cf_vnode *top, uint64_t cookie, uint64_t nid)
{
    size_t room = 64, depth = 2;
    struct step *steps cf_autofree = calloc(room, sizeof(*steps));
    if (!steps)
        return -ENOMEM;
    steps[0] = (struct step){top->nid, cookie};
    steps[1] = (struct step){nid, 0};
    while (depth > 1) {
        struct cf_dirent entry;
        int r = cf_lower_readdir(s->u, steps[depth - 1].dir, steps[depth - 1].at, &entry);
        if (r < 0)
            return r;
        if (r > 0 && entry.nid == s->ino)
            return nodes_along(s, top, steps, depth);
        if (r > 0 && !cf_lower_is_dir(s->u, entry.nid)) {
            steps[depth - 1].at = entry.next;
            continue;
        }
        if (r == 0 && --depth > 1) { /* behind the directory that is done with */
            r = cf_lower_readdir(s->u, steps[depth - 1].dir, steps[depth - 1].at, &entry);
            steps[depth - 1].at = entry.next;
        } else if (r > 0) {
            if (depth == room) {
                struct step *more = realloc(steps, 2 * room * sizeof(*steps));
                if (!more)
                    return -ENOMEM;
                steps = more;
                room *= 2;
            }
            steps[depth++] = (struct step){entry.nid, 0};
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- a directory of the upper ---- */

static int search_names_of_upper(struct search *s, struct cf_vnode *dir, int fd)
{
    DIR *stream cf_autoclosedir = cf_at_opendir(fd);
    if (!stream)
        return -errno;
    struct dirent *d;
    for (errno = 0; (d = readdir(stream)); errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        int r = look_at(s, dir, d->d_name);
        if (r)
            return r;
    }
    return -errno;
}

static int search_dir(struct search *s, struct cf_vnode *dir)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    bool upper = dir->flags & CF_VN_UPPER;
    int r = upper ? cf_dirfd_get(s->u, dir, &at) : 0;
    if (!r && upper)
        r = search_names_of_upper(s, dir, at.fd);
    if (r || dir->nid == CF_NID_NONE)
        return r;
    struct cf_dirent entry = {.next = 0};
    for (uint64_t cookie = 0; (r = cf_lower_readdir(s->u, dir->nid, cookie, &entry)) > 0;
         cookie = entry.next) {
        char name[CF_NAME_MAX + 1];
        struct stat st;
        bool is_dir = cf_lower_is_dir(s->u, entry.nid);
        if (entry.name_len > CF_NAME_MAX || (!is_dir && entry.nid != s->ino))
            continue;
        memcpy(name, entry.name, entry.name_len);
        name[entry.name_len] = 0;
        if (upper && cf_at_stat(at.fd, name, &st) == 0)
            continue; /* it is the upper's, and was looked at */
        r = entry.nid == s->ino ? look_at(s, dir, name) : search_lower(s, dir, cookie, entry.nid);
        if (r)
            return r;
    }
    return r;
}

struct cf_vnode *cf_vnode_again(struct cf_union *u, uint64_t ino)
{
    struct search s cf_cleanup(search_done) = {.u = u, .ino = ino};
    CF_NS_SHARED(u);
    cf_vnode_pin(u, u->root);
    int r = add_todo(&s, u->root);
    while (r == 0 && s.count) {
        struct cf_pin dir cf_autopin = {u, s.todo[--s.count]};
        r = search_dir(&s, dir.node);
    }
    return s.result;
}

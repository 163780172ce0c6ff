/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an upper that the union wrote fit for overlayfs in the kernel. What the union keeps beside
 * overlayfs's format becomes part of it: names of lower hard links that lead to work/index are
 * made, stubs get a redirect into a layer of stubs, and a metacopy that only its number leads to
 * its content gets its content. Each step leaves an upper that the union shows as before, so that a
 * kill at any point loses nothing, and the next time goes on.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cloudfs/log.h>
#include <cloudfs/nid_set.h>

#include "internal.h"

#define STUBS_DIR ".cloudfs.objects"
#define STUBS_DIRS 1000 /* so many names are tried */

struct settling {
    struct cf_union *u;
    char *stubs_dir; /* CF_STUBS_DIR_SIZE bytes */
    cf_stub_fn *stub;
    void *context;
    bool stubs;                      /* there are some */
    struct cf_buf queue;             /* numbers of directories, a reference each */
    struct cf_nid_set indexed, dirs; /* lower hard links of the index; where their names are */
};
typedef int dir_fn(struct settling *s, struct cf_vnode *dir, int fd);

static void settling_done(struct settling *s)
{
    cf_buf_done(&s->queue);
    cf_nid_set_done(&s->indexed);
    cf_nid_set_done(&s->dirs);
}

/* ---- walking the directories that the union shows ---- */

static int push(struct settling *s, const struct cf_vnode *dir, const char *name)
{
    struct cf_entry entry;
    int r = cf_union_lookup(s->u, dir->ino, name, &entry);

    if (r)
        return r == -ENOENT ? 0 : r;
    if (S_ISDIR(entry.attr.st_mode))
        return cf_buf_add(&s->queue, &entry.ino, sizeof(entry.ino));
    cf_union_forget(s->u, entry.ino, 1);
    return 0;
}

/* The directory's own descriptor in the upper; -1: it is the lower's alone. */
static int open_upper(struct cf_union *u, struct cf_vnode *dir, int *ret_fd)
{
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    CF_NS_SHARED(u);
    *ret_fd = -1;
    if (!(dir->flags & CF_VN_UPPER))
        return 0;
    int r = cf_dirfd_get(u, dir, &at);
    if (!r)
        *ret_fd = openat(at.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r ? r : *ret_fd < 0 ? -errno : 0;
}

static int visit(struct settling *s, uint64_t ino, dir_fn *fn)
{
    struct cf_pin pin cf_autopin = cf_pin_get(s->u, ino);
    int fd cf_autoclose = -1;

    if (!pin.node)
        return -ESTALE;
    int r = open_upper(s->u, pin.node, &fd);
    return r ? r : fn(s, pin.node, fd);
}

static int walk(struct settling *s, dir_fn *fn)
{
    uint64_t ino = CF_ROOT_INO;
    int r = cf_buf_add(&s->queue, &ino, sizeof(ino));

    while (s->queue.len) {
        s->queue.len -= sizeof(ino);
        memcpy(&ino, s->queue.data + s->queue.len, sizeof(ino));
        if (!r)
            r = visit(s, ino, fn);
        cf_union_forget(s->u, ino, 1);
    }
    return r;
}

static int read_names(int fd, struct cf_buf *ret_names)
{
    int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *d;
    int r = 0;

    if (!dir) {
        r = -errno;
        if (copy >= 0)
            (void)close(copy);
        return r;
    }
    while (!r && (errno = 0, d = readdir(dir)))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            r = cf_buf_add(ret_names, d->d_name, strlen(d->d_name) + 1);
    return r ? r : -errno;
}

#define EACH_NAME(n, names) \
    for (const char *n = (names).data; n && n < (names).data + (names).len; n += strlen(n) + 1)

/* ---- hard links ---- */

/* What is added to a directory here is no change that users made. */
static int keep_times(int fd, const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    return cf_at_utimens(fd, "", times);
}

static int make_name(struct settling *s, struct cf_vnode *dir, const char *name)
{
    struct cf_union *u = s->u;
    struct cf_pin child cf_autopin = {u, NULL};
    struct cf_found found cf_autofound = {0};
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    struct stat st;
    CF_NS_EXCLUSIVE(u);
    int r = cf_find(u, dir, name, &found);
    if (r || !found.indexed || found.here)
        return r == -ENOENT ? 0 : r;
    r = cf_found_node(u, dir, name, &found, &child.node);
    if (!r)
        r = cf_copy_up(u, dir);
    if (!r)
        r = cf_dirfd_get(u, dir, &at);
    if (!r)
        r = cf_at_stat(at.fd, "", &st);
    if (!r)
        r = cf_index_materialise(u, child.node, at.fd, name);
    return r ? r : keep_times(at.fd, &st);
}

static int make_lower_names(struct settling *s, struct cf_vnode *dir, int fd)
{
    struct cf_dirent entry = {.next = 0};
    int r = 0;

    if (dir->nid == CF_NID_NONE || !cf_nid_set_has(&s->dirs, dir->nid))
        return 0;
    while (r >= 0 && (r = cf_lower_readdir(s->u, dir->nid, entry.next, &entry)) > 0) {
        char name[CF_NAME_MAX + 1];
        struct stat st;
        memcpy(name, entry.name, entry.name_len);
        name[entry.name_len] = 0;
        if (entry.type != DT_DIR && cf_nid_set_has(&s->indexed, entry.nid))
            r = make_name(s, dir, name);
        else if (entry.type == DT_DIR && cf_nid_set_has(&s->dirs, entry.nid) &&
                 (fd < 0 || cf_at_stat(fd, name, &st) == -ENOENT))
            r = push(s, dir, name);
    }
    return r;
}

static int make_names(struct settling *s, struct cf_vnode *dir, int fd)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    struct stat st;
    int r = fd < 0 ? 0 : read_names(fd, &names);

    EACH_NAME(name, names)
    {
        if (!r)
            r = cf_at_stat(fd, name, &st);
        if (!r && S_ISDIR(st.st_mode))
            r = push(s, dir, name);
    }
    return r ? r : make_lower_names(s, dir, fd);
}

static int settle_index(struct settling *s)
{
    struct cf_union *u = s->u;
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    int r = read_names(u->index_fd, &names);

    EACH_NAME(name, names)
    if (!r)
        r = cf_nid_set_add(&s->indexed, strtoull(name, NULL, 16));
    if (!r)
        r = cf_tree_find_names(u->lower, &s->indexed, &s->dirs);
    if (!r && s->indexed.count)
        r = walk(s, make_names);
    EACH_NAME(name, names)
    if (!r && unlinkat(u->index_fd, name, 0))
        r = -errno;
    if (!r)
        u->index_used = false;
    return r;
}

/* ---- content ---- */

static int settle_stub(struct settling *s, int fd, const char *name,
                       const struct cf_upper_entry *entry)
{
    char hex[CF_DIGEST_HEX_SIZE], path[CF_STUBS_DIR_SIZE + CF_DIGEST_HEX_SIZE + 3];
    int r = 0;

    cf_digest_hex(&entry->object, hex);
    (void)snprintf(path, sizeof(path), "/%s/%.2s/%s", s->stubs_dir, hex, hex + 2);
    if (!entry->redirect || strcmp(entry->redirect, path) != 0)
        r = cf_upper_set_redirect(s->u, fd, name, path);
    s->stubs = true;
    return r ? r : s->stub(s->context, &entry->object, (uint64_t)entry->attr.st_size);
}

/* Whether overlayfs finds the lower file that the metacopy's content comes from. */
static bool leads_to_content(struct settling *s, const struct cf_vnode *dir, const char *name,
                             const struct cf_upper_entry *entry, uint64_t *ret_nid)
{
    const char *from = entry->redirect ? entry->redirect : name;
    int r = -ENOENT;

    if (*from == '/')
        r = cf_lower_walk(s->u, from, ret_nid);
    else if (dir->nid != CF_NID_NONE && !strchr(from, '/'))
        r = cf_lower_find(s->u, dir->nid, from, strlen(from), ret_nid, NULL);
    return r == 0 && !cf_lower_is_dir(s->u, *ret_nid);
}

static int copy_content(struct settling *s, const struct cf_vnode *dir, const char *name)
{
    struct cf_entry entry;
    struct cf_file *file = NULL;
    int r = cf_union_lookup(s->u, dir->ino, name, &entry);

    if (r)
        return r;
    r = cf_union_open_file(s->u, entry.ino, O_WRONLY, &file);
    cf_file_close(file);
    cf_union_forget(s->u, entry.ino, 1);
    if (r == -EIO) { /* content that is lost already must not keep the rest from being mounted */
        cf_log(CF_LOG_WARN, "the content of %s cannot be read", CF_QUOTE(name));
        r = 0;
    }
    return r;
}

static int settle_metacopy(struct settling *s, struct cf_vnode *dir, int fd, const char *name,
                           const struct cf_upper_entry *entry)
{
    uint64_t nid;
    int r = cf_upper_settle_mtime(s->u, fd, name, entry);

    if (r || entry->stub)
        return r ? r : settle_stub(s, fd, name, entry);
    if (!leads_to_content(s, dir, name, entry, &nid))
        return copy_content(s, dir, name);
    /* One of several lower names is a file of its own to overlayfs when it is copied up. */
    return cf_lower_links(s->u, nid) == 1 ? cf_upper_set_origin(s->u, fd, name, nid) : 0;
}

static int settle_entry(struct settling *s, struct cf_vnode *dir, int fd, const char *name)
{
    struct cf_upper_entry entry;
    int r = cf_upper_read(fd, name, s->u->user, &entry);

    if (r)
        return r;
    if (entry.kind == CF_UPPER_WHITEOUT)
        /* what a crash left where there is nothing to hide: overlayfs would list it */
        r = dir->nid == CF_NID_NONE && unlinkat(fd, name, 0) ? -errno : 0;
    else if (S_ISDIR(entry.attr.st_mode))
        r = push(s, dir, name);
    else if (entry.metacopy)
        r = settle_metacopy(s, dir, fd, name, &entry);
    cf_upper_entry_done(&entry);
    return r;
}

static int settle_dir(struct settling *s, struct cf_vnode *dir, int fd)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    int r = fd < 0 ? 0 : read_names(fd, &names);

    EACH_NAME(name, names)
    if (!r)
        r = settle_entry(s, dir, fd, name);
    return r;
}

/* ---- the layer of stubs ---- */

/* A name in the root that neither the image has nor the user. */
static int choose_dir(struct settling *s)
{
    struct cf_union *u = s->u;
    struct stat st;
    uint64_t nid;

    for (unsigned i = 0; i < STUBS_DIRS; i++) {
        (void)snprintf(s->stubs_dir, CF_STUBS_DIR_SIZE, i ? STUBS_DIR ".%u" : STUBS_DIR, i);
        int r = cf_lower_find(u, cf_lower_root(u), s->stubs_dir, strlen(s->stubs_dir), &nid, NULL);
        if (r == 0)
            continue;
        r = cf_at_stat(u->upper_fd, s->stubs_dir, &st);
        if (r == -ENOENT || (r == 0 && cf_upper_is_whiteout(&st)))
            return 0;
    }
    return -EEXIST;
}

/* Redirects go by it, but nobody shall see it. */
static int hide_dir(struct settling *s)
{
    struct cf_union *u = s->u;
    struct stat root;
    int r = cf_at_stat(u->upper_fd, "", &root);

    if (!r)
        r = cf_upper_put_whiteout(u, u->upper_fd, s->stubs_dir);
    if (r)
        return r == -EEXIST ? 0 : r;
    return keep_times(u->upper_fd, &root);
}

int cf_union_settle(struct cf_union *u, cf_stub_fn *stub, void *context,
                    char ret_stubs_dir[CF_STUBS_DIR_SIZE], struct cf_error *err)
{
    struct settling s cf_cleanup(settling_done) = {
        .u = u, .stubs_dir = ret_stubs_dir, .stub = stub, .context = context};
    int r = choose_dir(&s);

    if (!r && u->index_used)
        r = settle_index(&s);
    if (!r)
        r = walk(&s, settle_dir);
    if (!r && s.stubs)
        r = hide_dir(&s);
    if (!s.stubs)
        *ret_stubs_dir = '\0';
    return r ? cf_fail_errno(err, -r, "make the upper directory fit for the kernel") : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests on open directories. fi->fh is the union's own struct cf_dir. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include <cloudfs/buf.h>
#include <cloudfs/scope.h>

#include "engine.h"

static struct cf_dir *dir_of(const struct fuse_file_info *fi)
{
    return (struct cf_dir *)(uintptr_t)fi->fh;
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cf_dir *dir = NULL;
    int r = cf_union_open_dir(cf_engine_union(req), ino, &dir);
    if (r < 0) {
        cf_engine_reply(req, r);
        return;
    }
    fi->fh = (uintptr_t)dir;
    fi->cache_readdir = 1;
    fi->keep_cache = 1;
    if (fuse_reply_open(req, fi) != 0)
        cf_dir_close(dir);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct cf_engine *engine = cf_engine_of(req);
    (void)ino;
    (void)cf_engine_thaw(engine, fi->fh);
    cf_dir_close(dir_of(fi));
    cf_engine_reply(req, 0);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)ino;
    (void)datasync;
    cf_engine_reply(req, cf_dir_sync(dir_of(fi)));
}

/* A reply in the making. */
struct listing {
    fuse_req_t req;
    char *data;
    size_t size, used;
    bool plus;
    struct cf_buf referenced; /* inode numbers that the reply hands a reference of */
    int error;
};

static int add_plain(void *context, const char *name, uint64_t cookie, unsigned int type,
                     const struct cf_entry *entry)
{
    struct listing *l = context;
    struct stat attr = {.st_ino = entry->attr.st_ino, .st_mode = DTTOIF(type)};
    size_t room = l->size - l->used;
    size_t need = fuse_add_direntry(l->req, l->data + l->used, room, name, &attr, (off_t)cookie);
    if (need > room)
        return 1;
    l->used += need;
    return 0;
}

static int add_plus(void *context, const char *name, uint64_t cookie, unsigned int type,
                    const struct cf_entry *entry)
{
    struct listing *l = context;
    struct fuse_entry_param param = {.attr_timeout = CF_FUSE_FOREVER,
                                     .entry_timeout = CF_FUSE_FOREVER,
                                     .attr = entry->attr,
                                     .ino = entry->ino};
    size_t room = l->size - l->used;

    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) {
        param.ino = 0; /* no lookup, no reference */
        param.attr.st_mode = DTTOIF(type);
    }
    size_t need =
        fuse_add_direntry_plus(l->req, l->data + l->used, room, name, &param, (off_t)cookie);
    if (need > room)
        return 1;
    if (param.ino) {
        l->error = cf_buf_add(&l->referenced, &param.ino, sizeof(param.ino));
        if (l->error)
            return 1;
    }
    l->used += need;
    return 0;
}

static void reply_listing(struct listing *l, int r)
{
    struct cf_union *u = cf_engine_union(l->req);
    const fuse_ino_t *inos = (const void *)l->referenced.data;

    if (r >= 0 && !l->used)
        r = l->error;
    /* What was collected before an error is delivered; the error comes again with the next request.
     */
    if (r < 0 && !l->used)
        cf_engine_reply(l->req, r);
    else if (fuse_reply_buf(l->req, l->data, l->used) != 0)
        for (size_t i = 0; i < l->referenced.len / sizeof(*inos); i++)
            cf_union_forget(u, inos[i], 1);
    cf_buf_done(&l->referenced);
}

static void list(fuse_req_t req, size_t size, off_t offset, struct fuse_file_info *fi, bool plus)
{
    char *data cf_autofree = malloc(size);
    if (!data) {
        cf_engine_reply(req, -ENOMEM);
        return;
    }
    struct listing l = {.req = req, .data = data, .size = size, .plus = plus};
    int r = cf_dir_read(dir_of(fi), (uint64_t)offset, plus, plus ? add_plus : add_plain, &l);
    reply_listing(&l, r);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, fi, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    (void)ino;
    list(req, size, offset, fi, true);
}

void cf_ops_dir(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = op_opendir;
    ops->releasedir = op_releasedir;
    ops->fsyncdir = op_fsyncdir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
}

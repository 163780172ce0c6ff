/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on directories. The kernel does not tell us of opens (ENOSYS to the first OPENDIR): that
 * saves a request each, and what it has of a listing serves all who read. A pass that is not at its
 * end waits for the request that goes on with it; should it be gone by then, cookies are enough to
 * begin another.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/buf.h>
#include <cloudfs/scope.h>

#include "engine.h"

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    if (cf_engine_of(req)->transport.features & CF_TRANSPORT_NO_OPENDIR) {
        cf_engine_reply(req, -ENOSYS);
        return;
    }
    fi->cache_readdir = 1; /* what ENOSYS stands for */
    fi->keep_cache = 1;
    (void)fuse_reply_open(req, fi);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct cf_dir *dir = NULL;
    (void)datasync;
    (void)fi;
    int r = cf_union_open_dir(cf_engine_union(req), ino, &dir);
    if (r == 0)
        r = cf_dir_sync(dir);
    cf_dir_close(dir);
    cf_engine_reply(req, r);
}

/* ---- passes ---- */

/* The pass over ino that has come to cookie; else a new one. */
static int take_pass(struct cf_engine *engine, uint64_t ino, uint64_t cookie, struct cf_dir **ret)
{
    struct cf_dir *dir = NULL;
    pthread_mutex_lock(&engine->passing);
    for (size_t i = 0; cookie && !dir && i < CF_PASSES; i++) {
        struct cf_pass *pass = &engine->passes[i];
        if (!pass->dir || pass->ino != ino || pass->cookie != cookie)
            continue;
        dir = pass->dir;
        memmove(pass, pass + 1, (CF_PASSES - 1 - i) * sizeof(*pass));
        engine->passes[CF_PASSES - 1].dir = NULL;
    }
    pthread_mutex_unlock(&engine->passing);
    if (!dir)
        return cf_union_open_dir(engine->u, ino, ret);
    *ret = dir;
    return 0;
}

/* The newest is the first; the oldest goes. */
static void keep_pass(struct cf_engine *engine, const struct cf_pass *pass)
{
    pthread_mutex_lock(&engine->passing);
    struct cf_dir *oldest = engine->passes[CF_PASSES - 1].dir;
    memmove(engine->passes + 1, engine->passes, (CF_PASSES - 1) * sizeof(*pass));
    engine->passes[0] = *pass;
    pthread_mutex_unlock(&engine->passing);
    cf_dir_close(oldest);
}

void cf_engine_drop_passes(struct cf_engine *engine)
{
    for (size_t i = 0; i < CF_PASSES; i++) {
        cf_dir_close(engine->passes[i].dir);
        engine->passes[i].dir = NULL;
    }
}

/* A reply in the making. */
struct listing {
    fuse_req_t req;
    char *data;
    size_t size, used;
    uint64_t cookie;          /* of the last name in it */
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
    l->cookie = cookie;
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
    l->cookie = cookie;
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

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
    struct cf_engine *engine = cf_engine_of(req);
    struct listing l = {.req = req, .size = size, .data = cf_engine_buffer(size)};
    struct cf_pass pass = {.ino = ino};
    int r = l.data ? take_pass(engine, ino, (uint64_t)offset, &pass.dir) : -ENOMEM;
    if (r == 0)
        r = cf_dir_read(pass.dir, (uint64_t)offset, plus, plus ? add_plus : add_plain, &l);
    pass.cookie = l.cookie;
    if (r == 0 && l.used) /* before the reply, which is what makes the next request */
        keep_pass(engine, &pass);
    else
        cf_dir_close(pass.dir);
    reply_listing(&l, r);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                           struct fuse_file_info *fi)
{
    (void)fi;
    list(req, ino, size, offset, true);
}

void cf_ops_dir(struct fuse_lowlevel_ops *ops)
{
    ops->opendir = op_opendir;
    ops->fsyncdir = op_fsyncdir;
    ops->readdir = op_readdir;
    ops->readdirplus = op_readdirplus;
}

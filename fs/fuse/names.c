/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that look up, make, move and remove names. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "engine.h"

/* Every entry that the kernel learns of counts one reference; when it does not learn of it (the
 * asker was killed meanwhile) the reference is given back. */
static void reply_entry(fuse_req_t req, int r, const struct cf_entry *entry)
{
    struct fuse_entry_param param = {.attr_timeout = CF_FUSE_FOREVER,
                                     .entry_timeout = CF_FUSE_FOREVER};
    if (r < 0) {
        cf_engine_reply(req, r);
        return;
    }
    struct cf_union *u = cf_engine_union(req); /* req is gone after the reply */
    param.ino = entry->ino;
    param.attr = entry->attr;
    if (fuse_reply_entry(req, &param) != 0)
        cf_union_forget(u, entry->ino, 1);
}

/* Not remembered as a name, so that it costs no lookup but its own. */
static void reply_control(fuse_req_t req)
{
    struct fuse_entry_param param = {.ino = CF_CONTROL_INO, .attr_timeout = CF_FUSE_FOREVER};
    cf_engine_control_attr(&param.attr);
    (void)fuse_reply_entry(req, &param);
}

static void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
    struct cf_entry entry;
    if (dir == FUSE_ROOT_ID && strcmp(name, CF_CONTROL_NAME) == 0) {
        reply_control(req);
        return;
    }
    int r = cf_union_lookup(cf_engine_union(req), dir, name, &entry);
    if (r != -ENOENT) {
        reply_entry(req, r, &entry);
        return;
    }
    const struct fuse_entry_param absent = {.entry_timeout = CF_FUSE_FOREVER};
    (void)fuse_reply_entry(req, &absent);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    cf_union_forget(cf_engine_union(req), ino, count);
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
    struct cf_union *u = cf_engine_union(req);
    for (size_t i = 0; i < count; i++)
        cf_union_forget(u, forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(req);
}

static void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev)
{
    struct cf_caller caller = cf_engine_caller(req);
    struct cf_entry entry;
    int r = cf_union_mknod(cf_engine_union(req), dir, name, mode, rdev, &caller, &entry);
    reply_entry(req, r, &entry);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
    struct cf_caller caller = cf_engine_caller(req);
    struct cf_entry entry;
    int r = cf_union_mkdir(cf_engine_union(req), dir, name, mode, &caller, &entry);
    reply_entry(req, r, &entry);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
    struct cf_caller caller = cf_engine_caller(req);
    struct cf_entry entry;
    int r = cf_union_symlink(cf_engine_union(req), target, dir, name, &caller, &entry);
    reply_entry(req, r, &entry);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
    struct cf_entry entry;
    int r = cf_union_link(cf_engine_union(req), ino, dir, name, &entry);
    reply_entry(req, r, &entry);
}

static void op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
    cf_engine_reply(req, cf_union_unlink(cf_engine_union(req), dir, name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
    cf_engine_reply(req, cf_union_rmdir(cf_engine_union(req), dir, name));
}

static void op_rename(fuse_req_t req, fuse_ino_t old_dir, const char *old_name, fuse_ino_t new_dir,
                      const char *new_name, unsigned int flags)
{
    struct cf_union *u = cf_engine_union(req);
    cf_engine_reply(req, cf_union_rename(u, old_dir, old_name, new_dir, new_name, flags));
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
    char target[PATH_MAX];
    int r = cf_union_readlink(cf_engine_union(req), ino, target, sizeof(target));
    if (r < 0)
        cf_engine_reply(req, r);
    else
        (void)fuse_reply_readlink(req, target);
}

void cf_ops_names(struct fuse_lowlevel_ops *ops)
{
    ops->lookup = op_lookup;
    ops->forget = op_forget;
    ops->forget_multi = op_forget_multi;
    ops->mknod = op_mknod;
    ops->mkdir = op_mkdir;
    ops->symlink = op_symlink;
    ops->link = op_link;
    ops->unlink = op_unlink;
    ops->rmdir = op_rmdir;
    ops->rename = op_rename;
    ops->readlink = op_readlink;
}

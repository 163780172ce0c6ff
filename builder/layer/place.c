/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/log.h>

enum { WARNINGS_MAX = 10 };

void cf_placer_init(struct cf_placer *placer, struct cf_builder *builder, const char *what)
{
    *placer = (struct cf_placer){.builder = builder, .what = what};
    placer->dir = cf_builder_root(builder);
}

void cf_placer_done(struct cf_placer *placer)
{
    cf_buf_done(&placer->dir_path);
    cf_buf_done(&placer->path);
}

static int fail_system(int code, struct cf_error *err)
{
    return cf_fail_errno(err, -code, "its place in the tree");
}

static mode_t node_type(const struct cf_node *node)
{
    struct cf_inode inode;
    cf_node_inode(node, &inode);
    return inode.mode & S_IFMT;
}

static bool is_whiteout(const struct cf_node *node)
{
    struct cf_inode inode;
    cf_node_inode(node, &inode);
    return cf_inode_is_whiteout(&inode);
}

static bool has_prefix(const char *text, size_t len, const char *prefix)
{
    const size_t n = strlen(prefix);
    return len >= n && memcmp(text, prefix, n) == 0;
}

static int mark(struct cf_placer *placer, struct cf_node *dir, const char *xattr,
                struct cf_error *err)
{
    int r = cf_node_set_xattr(placer->builder, dir, xattr, "y", 1);
    return r < 0 ? fail_system(r, err) : 0;
}

static bool is_opaque(const struct cf_node *dir)
{
    const void *value;
    size_t len;
    return cf_node_xattr_get(dir, CF_XATTR_OPAQUE, &value, &len) == 0;
}

/* ---- paths ---- */

/* Without "." and empty components, and so without a leading or trailing slash. */
static int normalize(const struct cf_buf *raw, struct cf_buf *ret_path, const char *whose,
                     struct cf_error *err)
{
    const char *at = raw->data, *const end = raw->data + raw->len;
    cf_buf_clear(ret_path);
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        const size_t len = (size_t)((slash ? slash : end) - at);
        const char *name = at;
        at += len + 1;
        if (len == 0 || (len == 1 && name[0] == '.'))
            continue;
        if (len == 2 && name[0] == '.' && name[1] == '.')
            return cf_fail(err, -EINVAL, "%s leads out by '..'", whose);
        if (len > CF_NAME_MAX)
            return cf_fail(err, -EINVAL, "%s has a component of %zu bytes; %d is the most", whose,
                           len, CF_NAME_MAX);
        int r = ret_path->len ? cf_buf_add_char(ret_path, '/') : 0;
        if (r == 0)
            r = cf_buf_add(ret_path, name, len);
        if (r < 0)
            return cf_fail(err, r, "out of memory");
    }
    return 0;
}

static int add_implicit_dir(struct cf_placer *placer, struct cf_node *parent, const char *name,
                            size_t len, struct cf_node **ret_node, struct cf_error *err)
{
    const struct cf_inode inode = {.mode = S_IFDIR | 0755};
    int r = cf_node_add(placer->builder, parent, name, len, &inode, ret_node);
    return r < 0 ? fail_system(r, err) : mark(placer, *ret_node, CF_XATTR_IMPLICIT, err);
}

/* One step down; a directory that is not there yet is made. */
static int enter(struct cf_placer *placer, struct cf_node **dir, const char *name, size_t len,
                 struct cf_error *err)
{
    struct cf_node *child = cf_node_child(placer->builder, *dir, name, len);
    const bool replaces = child && is_whiteout(child);
    int r = 0;
    if (!child || replaces) {
        r = add_implicit_dir(placer, *dir, name, len, &child, err);
        if (r == 0 && replaces)
            r = mark(placer, child, CF_XATTR_OPAQUE, err);
    } else if (node_type(child) != S_IFDIR) {
        r = cf_fail(err, -EINVAL, "it lies below '%.*s', which is %s", (int)len, name,
                    node_type(child) == S_IFLNK ? "a symlink" : "no directory");
    }
    if (r == 0)
        *dir = child;
    return r;
}

/* The directory of the first len bytes of placer->path; 1 instead of 0 for one of AUFS's own. */
static int find_dir(struct cf_placer *placer, size_t len, struct cf_error *err)
{
    const char *path = placer->path.data;
    const struct cf_buf *known = &placer->dir_path;
    struct cf_node *dir = cf_builder_root(placer->builder);
    size_t at = 0;
    if (known->len > 0 && len >= known->len && memcmp(path, known->data, known->len) == 0 &&
        (len == known->len || path[known->len] == '/')) {
        dir = placer->dir;
        at = known->len == len ? len : known->len + 1;
    }
    if (at == len && len == known->len)
        return 0;
    while (at < len) {
        const char *name = path + at;
        const char *slash = memchr(name, '/', len - at);
        const size_t n = slash ? (size_t)(slash - name) : len - at;
        if (has_prefix(name, n, ".wh..wh."))
            return 1;
        if (has_prefix(name, n, CF_WHITEOUT_PREFIX))
            return cf_fail(err, -EINVAL, "it lies below a whiteout");
        int r = enter(placer, &dir, name, n, err);
        if (r < 0)
            return r;
        at += n + 1;
    }
    cf_buf_clear(&placer->dir_path);
    if (cf_buf_add(&placer->dir_path, path ? path : "", len) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    placer->dir = dir;
    return 0;
}

/* ---- what entries make ---- */

int cf_placer_xattr(struct cf_placer *placer, struct cf_node *node, const char *name,
                    const void *value, size_t len, struct cf_error *err)
{
    char stored[256];
    int r = cf_xattr_stored(name, stored);
    if (r == 0)
        r = cf_node_set_xattr(placer->builder, node, stored, value, len);
    if (r == -E2BIG)
        return cf_fail(err, -EINVAL, "its extended attributes are too large");
    if (r == -ENOMEM || r == -ENOSPC || r == -EIO)
        return fail_system(r, err);
    if (r < 0 && placer->warnings++ < WARNINGS_MAX)
        cf_log(CF_LOG_WARN, "%s: '%.400s': extended attribute '%s' cannot be shown in a mount",
               placer->what, placer->path.data ? placer->path.data : "/", name);
    return 0;
}

static int set_xattrs(struct cf_placer *placer, struct cf_node *node,
                      const struct cf_tar_entry *entry, struct cf_error *err)
{
    int r = 0;
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++)
        r = cf_placer_xattr(placer, node, entry->xattrs[i].name, entry->xattrs[i].value,
                            entry->xattrs[i].len, err);
    return r;
}

/* Where a directory is already, what is in it stays, as with tar. */
static int update_dir(struct cf_placer *placer, struct cf_node *node, const struct cf_inode *inode,
                      const struct cf_tar_entry *entry, struct cf_error *err)
{
    const bool opaque = is_opaque(node);
    cf_node_clear_xattrs(placer->builder, node);
    cf_node_set_inode(node, inode);
    int r = opaque ? mark(placer, node, CF_XATTR_OPAQUE, err) : 0;
    return r < 0 ? r : set_xattrs(placer, node, entry, err);
}

static void forget_dir(struct cf_placer *placer)
{
    cf_buf_clear(&placer->dir_path);
    placer->dir = cf_builder_root(placer->builder);
}

static int add_node(struct cf_placer *placer, const char *name, size_t len,
                    const struct cf_inode *inode, const struct cf_tar_entry *entry,
                    struct cf_node **ret_node, struct cf_error *err)
{
    struct cf_node *dir = placer->dir;
    struct cf_node *old = cf_node_child(placer->builder, dir, name, len);
    if (old && S_ISDIR(inode->mode) && node_type(old) == S_IFDIR) {
        *ret_node = old;
        return update_dir(placer, old, inode, entry, err);
    }
    const bool was_whiteout = old && is_whiteout(old);
    int r = cf_node_add(placer->builder, dir, name, len, inode, ret_node);
    if (r == -EINVAL)
        return cf_fail(err, -EINVAL, "its name or device number cannot be stored");
    if (r < 0)
        return fail_system(r, err);
    if (old && node_type(old) == S_IFDIR)
        forget_dir(placer);
    if (was_whiteout && S_ISDIR(inode->mode))
        r = mark(placer, *ret_node, CF_XATTR_OPAQUE, err); /* the old one's content stays hidden */
    return r < 0 ? r : set_xattrs(placer, *ret_node, entry, err);
}

static int add_whiteout(struct cf_placer *placer, const char *name, size_t len,
                        struct cf_error *err)
{
    if (len == strlen(CF_WHITEOUT_OPAQUE) && memcmp(name, CF_WHITEOUT_OPAQUE, len) == 0)
        return mark(placer, placer->dir, CF_XATTR_OPAQUE, err);
    if (has_prefix(name, len, ".wh..wh."))
        return 0; /* AUFS's own records */
    name += strlen(CF_WHITEOUT_PREFIX);
    len -= strlen(CF_WHITEOUT_PREFIX);
    if (len == 0 || (len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
        return cf_fail(err, -EINVAL, "it is a whiteout of no name");
    struct cf_node *old = cf_node_child(placer->builder, placer->dir, name, len);
    if (old && node_type(old) == S_IFDIR)
        return mark(placer, old, CF_XATTR_OPAQUE, err);
    if (old)
        return 0; /* what the layer brings is of the layer, and stays */
    const struct cf_inode inode = {.mode = S_IFCHR};
    int r = cf_node_add(placer->builder, placer->dir, name, len, &inode, &old);
    return r < 0 ? fail_system(r, err) : 0;
}

/* What a hard link names, if it is there. */
static struct cf_node *find_target(struct cf_placer *placer, const struct cf_buf *path)
{
    struct cf_node *node = cf_builder_root(placer->builder);
    for (size_t at = 0; at < path->len && node;) {
        const char *name = path->data + at;
        const char *slash = memchr(name, '/', path->len - at);
        const size_t n = slash ? (size_t)(slash - name) : path->len - at;
        node = node_type(node) == S_IFDIR ? cf_node_child(placer->builder, node, name, n) : NULL;
        at += n + 1;
    }
    return node && is_whiteout(node) ? NULL : node;
}

static int add_link(struct cf_placer *placer, const char *name, size_t len,
                    const struct cf_tar_entry *entry, struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r = normalize(&entry->link, &path, "the target of the hard link", err);
    if (r < 0)
        return r;
    struct cf_node *target = find_target(placer, &path);
    if (!target)
        return cf_fail(err, -EINVAL, "it is a hard link to '%.400s', which the layer has not",
                       entry->link.data);
    if (node_type(target) == S_IFDIR)
        return cf_fail(err, -EINVAL, "it is a hard link to '%.400s', which is a directory",
                       entry->link.data);
    struct cf_node *old = cf_node_child(placer->builder, placer->dir, name, len);
    if (old == target)
        return 0;
    r = cf_node_link(placer->builder, placer->dir, name, len, target);
    if (r < 0)
        return fail_system(r, err);
    if (old && node_type(old) == S_IFDIR)
        forget_dir(placer);
    return 0;
}

static void note_time(struct cf_placer *placer, struct cf_inode *inode)
{
    if (placer->has_clamp && (inode->mtime_sec > placer->clamp_sec ||
                              (inode->mtime_sec == placer->clamp_sec && inode->mtime_nsec > 0))) {
        inode->mtime_sec = placer->clamp_sec;
        inode->mtime_nsec = 0;
    }
    if (!placer->has_newest || inode->mtime_sec > placer->newest_sec ||
        (inode->mtime_sec == placer->newest_sec && inode->mtime_nsec > placer->newest_nsec)) {
        placer->newest_sec = inode->mtime_sec;
        placer->newest_nsec = inode->mtime_nsec;
        placer->has_newest = true;
    }
}

static int make_inode(struct cf_placer *placer, const struct cf_tar_entry *entry,
                      struct cf_inode *ret_inode, struct cf_error *err)
{
    static const mode_t types[] = {
        ['0'] = S_IFREG, ['1'] = S_IFREG, ['2'] = S_IFLNK, ['3'] = S_IFCHR,
        ['4'] = S_IFBLK, ['5'] = S_IFDIR, ['6'] = S_IFIFO,
    };
    *ret_inode = (struct cf_inode){.mode = types[(unsigned char)entry->type] | entry->mode,
                                   .uid = entry->uid,
                                   .gid = entry->gid,
                                   .rdev_major = entry->major,
                                   .rdev_minor = entry->minor,
                                   .mtime_sec = entry->mtime_sec,
                                   .mtime_nsec = entry->mtime_nsec};
    if (cf_inode_is_whiteout(ret_inode))
        return cf_fail(err, -EINVAL, "a character device 0:0 cannot be told from a whiteout");
    if (entry->type == '2' && entry->link.len > CF_SYMLINK_MAX)
        return cf_fail(err, -EINVAL, "the symlink's target has %zu bytes; %d is the most",
                       entry->link.len, CF_SYMLINK_MAX);
    note_time(placer, ret_inode);
    return 0;
}

int cf_placer_add(struct cf_placer *placer, const struct cf_tar_entry *entry,
                  struct cf_node **ret_node, struct cf_error *err)
{
    struct cf_node *node = NULL;
    struct cf_inode inode;
    *ret_node = NULL;
    if (entry->type == 'V')
        return 0;
    int r = normalize(&entry->path, &placer->path, "its path", err);
    if (r < 0)
        return r;
    const struct cf_buf *path = &placer->path;
    const char *slash = path->len ? memrchr(path->data, '/', path->len) : NULL;
    const char *name = slash ? slash + 1 : path->data;
    const size_t len = path->len - (slash ? (size_t)(slash + 1 - path->data) : 0);
    r = find_dir(placer, slash ? (size_t)(slash - path->data) : 0, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (len > 0 && has_prefix(name, len, CF_WHITEOUT_PREFIX))
        return add_whiteout(placer, name, len, err);
    r = make_inode(placer, entry, &inode, err);
    if (r < 0)
        return r;
    if (len == 0)
        return entry->type == '5'
                   ? update_dir(placer, cf_builder_root(placer->builder), &inode, entry, err)
                   : cf_fail(err, -EINVAL, "the root can only be a directory");
    if (entry->type == '1')
        return add_link(placer, name, len, entry, err);
    r = add_node(placer, name, len, &inode, entry, &node, err);
    if (r == 0 && entry->type == '2')
        r = cf_node_set_symlink(placer->builder, node, entry->link.data, entry->link.len) < 0
                ? cf_fail(err, -ENOSPC, "its target cannot be stored")
                : 0;
    if (r == 0 && entry->type == '0')
        *ret_node = node;
    return r;
}

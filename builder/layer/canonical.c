/* SPDX-License-Identifier: Apache-2.0 */
#include "canonical.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "place.h"
#include <cloudfs/tar.h>

enum { WHITEOUT_MODE = 0600 };

struct walker {
    struct cf_canonical *canonical;
    struct cf_error *err;
    struct cf_object_cache cache;
    struct cf_tar_entry entry; /* the memory of its path and link is kept */
    struct cf_buf header;
    struct cf_buf values; /* names of xattrs, NUL-terminated each */
    struct cf_tar_xattr *xattrs;
    size_t xattr_count, xattr_room;
};

static void walker_done(struct walker *w)
{
    cf_object_cache_done(&w->cache);
    cf_buf_done(&w->entry.path);
    cf_buf_done(&w->entry.link);
    cf_buf_done(&w->header);
    cf_buf_done(&w->values);
    free(w->xattrs);
}

static int no_memory(struct walker *w)
{
    return cf_fail(w->err, -ENOMEM, "out of memory");
}

static int set_text(struct walker *w, struct cf_buf *buf, const char *data, size_t len)
{
    cf_buf_clear(buf);
    return cf_buf_add(buf, data, len) < 0 ? no_memory(w) : 0;
}

static int put_header(struct walker *w)
{
    cf_buf_clear(&w->header);
    int r = cf_tar_header_format(&w->entry, &w->header, w->err);
    w->canonical->entries++;
    return r < 0 ? r : cf_out_put(w->canonical->out, w->header.data, w->header.len, w->err);
}

/* ---- whiteouts and opaque marks: nothing in them could differ from machine to machine ---- */

/* An empty file "<dir>/<prefix><name>". */
static int put_mark(struct walker *w, const char *path, size_t dir_len, const char *prefix,
                    const char *name)
{
    struct cf_tar_entry *entry = &w->entry;
    const struct cf_tar_entry mark = {
        .type = '0', .path = entry->path, .link = entry->link, .mode = WHITEOUT_MODE};
    *entry = mark;
    if (set_text(w, &entry->path, path, dir_len) < 0)
        return -ENOMEM;
    int r = dir_len ? cf_buf_add_char(&entry->path, '/') : 0;
    if (r == 0)
        r = cf_buf_add_str(&entry->path, prefix);
    if (r == 0)
        r = cf_buf_add_str(&entry->path, name);
    return r < 0 ? no_memory(w) : put_header(w);
}

static int put_whiteout(struct walker *w, const struct cf_walk *walk)
{
    static const struct cf_inode plain = {.mode = S_IFCHR};
    cf_node_set_inode(walk->node, &plain);
    cf_node_clear_xattrs(w->canonical->builder, walk->node);
    const char *slash = memrchr(walk->path, '/', walk->path_len);
    if (slash)
        return put_mark(w, walk->path, (size_t)(slash - walk->path), CF_WHITEOUT_PREFIX, slash + 1);
    return put_mark(w, walk->path, 0, CF_WHITEOUT_PREFIX, walk->path);
}

/* ---- the entry of a node ---- */

static int grow_xattrs(struct walker *w)
{
    if (w->xattr_count < w->xattr_room)
        return 0;
    const size_t room = w->xattr_room ? 2 * w->xattr_room : 16;
    struct cf_tar_xattr *more = reallocarray(w->xattrs, room, sizeof *more);
    if (!more)
        return no_memory(w);
    w->xattrs = more;
    w->xattr_room = room;
    return 0;
}

static int collect_xattrs(struct walker *w, const struct cf_node *node)
{
    struct cf_xattr xattr = {.next = 0};
    char buffer[256];
    const char *shown;
    int r;
    cf_buf_clear(&w->values);
    w->xattr_count = 0;
    while ((r = cf_node_xattr_list(node, xattr.next, &xattr)) == 1) {
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = grow_xattrs(w);
        if (r < 0)
            return r;
        if (cf_buf_add(&w->values, shown, strlen(shown) + 1) < 0)
            return no_memory(w);
        w->xattrs[w->xattr_count++] =
            (struct cf_tar_xattr){.value = xattr.value, .len = xattr.value_len};
    }
    const char *name = w->values.data; /* does not move any more */
    for (size_t i = 0; i < w->xattr_count; i++, name += strlen(name) + 1)
        w->xattrs[i].name = name;
    w->entry.xattrs = w->xattrs;
    w->entry.xattr_count = w->xattr_count;
    return r < 0 ? cf_fail_errno(w->err, -r, "its extended attributes") : 0;
}

static char type_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return '0';
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFDIR:
        return '5';
    case S_IFIFO:
        return '6';
    default:
        return 0;
    }
}

static void note_time(struct cf_canonical *canonical, const struct cf_inode *inode)
{
    if (canonical->has_newest &&
        (inode->mtime_sec < canonical->newest_sec || (inode->mtime_sec == canonical->newest_sec &&
                                                      inode->mtime_nsec <= canonical->newest_nsec)))
        return;
    canonical->newest_sec = inode->mtime_sec;
    canonical->newest_nsec = inode->mtime_nsec;
    canonical->has_newest = true;
}

static int fill_entry(struct walker *w, const struct cf_walk *walk, const struct cf_inode *inode)
{
    struct cf_tar_entry *entry = &w->entry;
    const struct cf_tar_entry of_inode = {
        .type = type_letter(inode->mode),
        .path = entry->path,
        .link = entry->link,
        .mode = inode->mode & 07777,
        .uid = inode->uid,
        .gid = inode->gid,
        .major = inode->rdev_major,
        .minor = inode->rdev_minor,
        .mtime_sec = inode->mtime_sec,
        .mtime_nsec = inode->mtime_nsec,
    };
    *entry = of_inode;
    if (entry->type == 0)
        return cf_fail(w->err, -EINVAL, "tar has no entries for sockets");
    const char *slash = memrchr(walk->path, '/', walk->path_len);
    const char *name = slash ? slash + 1 : walk->path;
    if (strncmp(name, CF_WHITEOUT_PREFIX, strlen(CF_WHITEOUT_PREFIX)) == 0)
        return cf_fail(w->err, -EINVAL, "names that begin with '%s' mean deletions in layers",
                       CF_WHITEOUT_PREFIX);
    int r = set_text(w, &entry->path, walk->path_len ? walk->path : ".",
                     walk->path_len ? walk->path_len : 1);
    if (r == 0 && !walk->first) {
        entry->type = '1';
        return set_text(w, &entry->link, walk->first_path, strlen(walk->first_path));
    }
    if (r == 0 && entry->type == '2') {
        size_t len;
        const char *target = cf_node_symlink(walk->node, &len);
        r = set_text(w, &entry->link, target, len);
    }
    return r < 0 ? r : collect_xattrs(w, walk->node);
}

/* ---- content ---- */

static int copy_from_source(struct walker *w, struct cf_node *node, uint64_t size)
{
    const struct cf_content_source *source = w->canonical->content;
    struct cf_out *out = w->canonical->out;
    uint64_t left = size;
    while (left > 0) {
        void *room = NULL;
        size_t n = 0;
        int r = cf_out_room(out, &room, &n, w->err);
        if (r < 0)
            return r;
        const ssize_t got =
            source->read(source->context, node, room, n < left ? n : (size_t)left, w->err);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return cf_fail(w->err, -EIO, "the file became shorter while it was read");
        cf_out_filled(out, (size_t)got);
        left -= (uint64_t)got;
    }
    return 0;
}

static int put_from_source(struct walker *w, struct cf_node *node, uint64_t size)
{
    struct cf_canonical *canonical = w->canonical;
    const struct cf_content_source *source = canonical->content;
    struct cf_digest digest;
    int r = source->open ? source->open(source->context, node, w->err) : 0;
    if (r < 0)
        return r;
    r = cf_out_file_begin(canonical->out, size, w->err);
    if (r == 0)
        r = copy_from_source(w, node, size);
    if (r == 0) {
        cf_out_file_end(canonical->out, &digest);
        r = cf_node_set_object(canonical->builder, node, &digest, size);
        if (r < 0)
            r = cf_fail_errno(w->err, -r, "its content in the tree");
    }
    if (r == 0 && canonical->file_done)
        r = canonical->file_done(canonical->file_done_context, node, &digest, size, w->err);
    const int closed =
        source->close ? source->close(source->context, node, r < 0 ? NULL : w->err) : 0;
    return r < 0 ? r : closed;
}

static int put_content(struct walker *w, struct cf_node *node, const struct cf_content *content)
{
    static const struct cf_digest unknown;
    struct cf_canonical *canonical = w->canonical;
    if (content->kind == CF_CONTENT_INLINE)
        return cf_out_put(canonical->out, content->data, content->size, w->err);
    if (!cf_digest_equal(&content->digest, &unknown))
        return cf_out_object(canonical->out, canonical->store, &w->cache, &content->digest, 0,
                             content->size, w->err);
    if (!canonical->content)
        return cf_fail(w->err, -EINVAL, "nobody knows its content");
    return put_from_source(w, node, content->size);
}

static int put_file(struct walker *w, struct cf_node *node)
{
    struct cf_content content;
    int r = cf_node_content(node, &content);
    if (r < 0)
        return cf_fail_errno(w->err, -r, "its content");
    w->entry.size = content.size;
    r = put_header(w);
    if (r == 0)
        r = put_content(w, node, &content);
    return r < 0 ? r : cf_out_zeros(w->canonical->out, cf_tar_padding(content.size), w->err);
}

/* ---- the walk ---- */

static bool has_mark(const struct cf_node *node, const char *xattr)
{
    const void *value;
    size_t len;
    return cf_node_xattr_get(node, xattr, &value, &len) == 0;
}

/* What the tar does not say of a directory without an entry, the tree shall not say either. */
static int clear_implicit(struct walker *w, struct cf_node *node)
{
    static const struct cf_inode plain = {.mode = S_IFDIR | 0755};
    struct cf_builder *builder = w->canonical->builder;
    const bool opaque = has_mark(node, CF_XATTR_OPAQUE);
    cf_node_set_inode(node, &plain);
    cf_node_clear_xattrs(builder, node);
    int r = cf_node_set_xattr(builder, node, CF_XATTR_IMPLICIT, "y", 1);
    if (r == 0 && opaque)
        r = cf_node_set_xattr(builder, node, CF_XATTR_OPAQUE, "y", 1);
    return r < 0 ? cf_fail_errno(w->err, -r, "its extended attributes") : 0;
}

static int put_node(struct walker *w, const struct cf_walk *walk)
{
    struct cf_inode inode;
    cf_node_inode(walk->node, &inode);
    if (cf_inode_is_whiteout(&inode))
        return put_whiteout(w, walk);
    const bool dir = S_ISDIR(inode.mode);
    int r = 0;
    if (dir && has_mark(walk->node, CF_XATTR_IMPLICIT)) {
        r = clear_implicit(w, walk->node);
    } else {
        note_time(w->canonical, &inode);
        r = fill_entry(w, walk, &inode);
        if (r == 0)
            r = w->entry.type == '0' ? put_file(w, walk->node) : put_header(w);
    }
    if (r == 0 && dir && has_mark(walk->node, CF_XATTR_OPAQUE))
        r = put_mark(w, walk->path, walk->path_len, CF_WHITEOUT_OPAQUE, "");
    return r;
}

static int visit(const struct cf_walk *walk, void *context)
{
    struct walker *w = context;
    struct cf_canonical *canonical = w->canonical;
    int r = put_node(w, walk);
    if (r < 0)
        return cf_fail_in(w->err, r, "entry '%.400s'", walk->path_len ? walk->path : "./");
    if (canonical->progress)
        canonical->progress(canonical->progress_context, "layer", canonical->out->size, 0);
    return 0;
}

int cf_canonical_write(struct cf_canonical *canonical, struct cf_error *err)
{
    struct cf_error local = {0};
    struct walker w cf_cleanup(walker_done) = {
        .canonical = canonical, .err = &local, .cache = {.fd = -1}};
    int r = cf_builder_walk(canonical->builder, visit, &w);
    if (r < 0 && local.code == 0)
        return cf_fail_errno(err, -r, "cannot walk the layer's tree");
    if (r < 0)
        return cf_fail(err, r, "%s", local.text);
    return cf_out_zeros(canonical->out, 2 * CF_TAR_BLOCK, err);
}

int cf_layer_write_canonical(struct cf_store *store, struct cf_builder *builder,
                             const struct cf_content_source *content, cf_sink_fn *sink,
                             void *sink_context, struct cf_error *err)
{
    struct cf_out out cf_cleanup(cf_out_done) = {0};
    struct cf_digest none;
    int r = cf_out_init(&out, false, sink, sink_context, err);
    if (r < 0)
        return r;
    struct cf_canonical canonical = {
        .store = store, .builder = builder, .content = content, .out = &out};
    r = cf_canonical_write(&canonical, err);
    return r < 0 ? r : cf_out_finish(&out, &none, err);
}

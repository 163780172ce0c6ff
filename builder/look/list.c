/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/look.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "find.h"

#define COPY_SIZE (256u << 10)

int cf_target_find(const struct cf_target *target, bool follow_last, struct cf_inode *ret_inode,
                   struct cf_error *err)
{
    uint64_t nid = 0;
    size_t len = strlen(target->path);
    /* As everywhere, a slash at the end asks for what a symlink means. */
    bool slash = len > 0 && target->path[len - 1] == '/';
    int r = cf_tree_resolve(target->tree, target->path, follow_last || slash, &nid);

    if (r == 0)
        r = cf_tree_inode(target->tree, nid, ret_inode);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s of the %s", CF_QUOTE(target->path),
                             target->image ? "image" : "layer");
    return 0;
}

struct listing {
    const struct cf_target *target;
    cf_listed_fn *fn;
    void *context;
    struct cf_buf path;
    char symlink[CF_SYMLINK_MAX + 1];
};

static int tell(struct listing *listing, const struct cf_inode *inode, const char *path,
                struct cf_error *err)
{
    const struct cf_tree *tree = listing->target->tree;
    struct cf_listed listed = {.path = path, .inode = *inode};
    const char *text = NULL;
    size_t len = 0;
    int r = 0;

    listed.whiteout = !listing->target->image && cf_inode_is_whiteout(inode);
    if (S_ISDIR(inode->mode))
        listed.opaque = cf_tree_is_opaque(tree, inode->nid);
    if (S_ISLNK(inode->mode)) {
        r = cf_tree_readlink(tree, inode->nid, &text, &len);
        if (r == 0 && len > CF_SYMLINK_MAX)
            r = -EBADMSG;
        if (r == 0) {
            memcpy(listing->symlink, text, len);
            listing->symlink[len] = '\0';
            listed.target = listing->symlink;
        }
    }
    if (S_ISREG(inode->mode))
        r = cf_tree_content(tree, inode->nid, &listed.content);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(path));
    return listing->fn(&listed, listing->context);
}

struct level {
    uint64_t dir;
    uint64_t cookie;
    size_t path_len; /* of the directory's path */
};
struct levels {
    struct level *list;
    size_t count, room;
};

static int push(struct levels *levels, uint64_t dir, size_t path_len)
{
    if (levels->count == levels->room) {
        size_t room = levels->room ? levels->room * 2 : 16;
        struct level *grown = realloc(levels->list, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        levels->list = grown;
        levels->room = room;
    }
    levels->list[levels->count++] = (struct level){.dir = dir, .path_len = path_len};
    return 0;
}

/* One entry of the topmost level. Returns 1 when that level is over. */
static int step(struct listing *listing, struct levels *levels, bool recursive,
                struct cf_error *err)
{
    const struct cf_tree *tree = listing->target->tree;
    struct level *level = &levels->list[levels->count - 1];
    struct cf_dirent entry;
    struct cf_inode inode;

    listing->path.len = level->path_len;
    int r = cf_tree_readdir(tree, level->dir, level->cookie, &entry);
    if (r == 0)
        return 1;
    if (r > 0)
        r = cf_tree_inode(tree, entry.nid, &inode);
    if (r == 0 && listing->path.len > 0)
        r = cf_buf_add_char(&listing->path, '/');
    if (r == 0)
        r = cf_buf_add(&listing->path, entry.name, entry.name_len);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot list a directory of the tree");
    level->cookie = entry.next;
    r = tell(listing, &inode, listing->path.data, err);
    if (r == 0 && recursive && S_ISDIR(inode.mode) &&
        push(levels, inode.nid, listing->path.len) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r > 0 ? -ECANCELED : r;
}

static int list_below(struct listing *listing, uint64_t dir, bool recursive, struct cf_error *err)
{
    struct levels levels = {0};
    int r = push(&levels, dir, 0);

    if (r < 0)
        return cf_fail(err, r, "out of memory");
    while (r >= 0 && levels.count > 0) {
        r = step(listing, &levels, recursive, err);
        if (r > 0)
            levels.count--;
    }
    free(levels.list);
    return r < 0 ? r : 0;
}

int cf_list(struct cf_store *store, const struct cf_target *target, bool recursive, bool itself,
            cf_listed_fn *fn, void *context, struct cf_error *err)
{
    struct listing listing = {.target = target, .fn = fn, .context = context, .path = CF_BUF_INIT};
    struct cf_inode inode;
    int r = cf_target_find(target, false, &inode, err);

    (void)store;
    if (r < 0)
        return r;
    if (S_ISDIR(inode.mode) && !itself) {
        r = list_below(&listing, inode.nid, recursive, err);
        cf_buf_done(&listing.path);
        return r;
    }
    const char *slash = strrchr(target->path, '/');
    const char *name = slash && slash[1] ? slash + 1 : target->path;
    r = tell(&listing, &inode, *name && strcmp(name, "/") != 0 ? name : ".", err);
    return r > 0 ? -ECANCELED : r;
}

static int send_object(struct cf_store *store, const struct cf_content *content, cf_sink_fn *sink,
                       void *sink_context, struct cf_error *err)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char *buffer cf_autofree = malloc(COPY_SIZE);
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest digest;
    ssize_t n = 0;
    int fd cf_autoclose = cf_object_open(store, &content->digest);

    cf_digest_text(&content->digest, text);
    if (fd < 0)
        return cf_fail_errno(err, -fd, "cannot open object %s", text);
    int r = buffer ? cf_hasher_new(&hasher) : -ENOMEM;
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    while (r == 0 && (n = cf_read_full(fd, buffer, COPY_SIZE)) > 0) {
        cf_hasher_update(hasher, buffer, (size_t)n);
        r = sink(sink_context, buffer, (size_t)n, err);
    }
    if (r == 0 && n < 0)
        return cf_fail_errno(err, (int)-n, "cannot read object %s", text);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &digest);
    if (!cf_digest_equal(&digest, &content->digest))
        return cf_fail(err, -EBADMSG,
                       "object %s of the store is damaged: its content does not match its digest "
                       "(cloudfs fsck tells more)",
                       text);
    return 0;
}

int cf_cat(struct cf_store *store, const struct cf_target *target, cf_sink_fn *sink,
           void *sink_context, struct cf_error *err)
{
    struct cf_content content;
    struct cf_inode inode;
    int r = cf_target_find(target, true, &inode, err);

    if (r < 0)
        return r;
    if (S_ISDIR(inode.mode))
        return cf_fail_errno(err, EISDIR, "%s", CF_QUOTE(target->path));
    if (!S_ISREG(inode.mode))
        return cf_fail(err, -EINVAL, "%s is not a regular file", CF_QUOTE(target->path));
    r = cf_tree_content(target->tree, inode.nid, &content);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(target->path));
    if (content.kind == CF_CONTENT_OBJECT)
        return send_object(store, &content, sink, sink_context, err);
    return content.size ? sink(sink_context, content.data, (size_t)content.size, err) : 0;
}

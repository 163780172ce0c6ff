/* SPDX-License-Identifier: Apache-2.0 */
#include "delta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "memo.h"

#define COMPARE_SIZE (256u << 10)

void cf_delta_entry_done(struct delta_entry *entry)
{
    cf_upper_entry_done(&entry->upper);
    cf_buf_done(&entry->xattrs);
    cf_buf_done(&entry->target);
    cf_buf_done(&entry->data);
}

static const char *shown_path(const struct delta *delta)
{
    return delta->path.len ? delta->path.data : ".";
}

static int fail_at(const struct delta *delta, int r, struct cf_error *err)
{
    return cf_fail_errno(err, -r, "cannot read %s of the upper directory",
                         CF_QUOTE(shown_path(delta)));
}

/* ---- xattrs, packed: NUL-terminated name, length of the value, value ---- */

static int pack_xattr(struct cf_buf *xattrs, const char *name, const void *value, size_t len)
{
    uint32_t size = (uint32_t)len;
    int r = cf_buf_add(xattrs, name, strlen(name) + 1);

    if (r == 0)
        r = cf_buf_add(xattrs, &size, sizeof(size));
    return r == 0 ? cf_buf_add(xattrs, value, len) : r;
}

/* The xattr at *at, which moves behind it; false at the end. */
static bool unpack_xattr(const struct cf_buf *xattrs, size_t *at, const char **ret_name,
                         const void **ret_value, uint32_t *ret_len)
{
    if (*at >= xattrs->len)
        return false;
    *ret_name = xattrs->data + *at;
    *at += strlen(*ret_name) + 1;
    memcpy(ret_len, xattrs->data + *at, sizeof(*ret_len));
    *at += sizeof(*ret_len);
    *ret_value = xattrs->data + *at;
    *at += *ret_len;
    return true;
}

/* What the machine sets by itself is no content. */
static bool is_of_the_machine(const char *shown)
{
    return !strcmp(shown, "security.selinux") || !strcmp(shown, "security.ima") ||
           !strcmp(shown, "security.evm");
}

static int add_upper_xattr(const char *path, const char *name, bool user, struct cf_buf *xattrs)
{
    char buffer[256], stored[256];
    const char *shown = NULL;
    ssize_t len = 0, room = 0;

    if (!cf_upper_xattr_shown(name, user, buffer, &shown) || is_of_the_machine(shown))
        return 0;
    if (cf_xattr_stored(shown, stored) < 0)
        return -E2BIG;
    room = lgetxattr(path, name, NULL, 0);
    char *value cf_autofree = room < 0 ? NULL : malloc((size_t)room + 1);
    if (room < 0)
        return errno == ENODATA ? 0 : -errno;
    if (!value)
        return -ENOMEM;
    len = room ? lgetxattr(path, name, value, (size_t)room) : 0;
    return len < 0 ? -errno : pack_xattr(xattrs, stored, value, (size_t)len);
}

static int list_xattrs(const char *path, struct cf_buf *ret_names)
{
    ssize_t n = llistxattr(path, NULL, 0);

    if (n <= 0)
        return n < 0 && errno != ENOTSUP ? -errno : 0;
    int r = cf_buf_reserve(ret_names, (size_t)n);
    if (r < 0)
        return r;
    n = llistxattr(path, ret_names->data, (size_t)n);
    if (n < 0)
        return -errno;
    ret_names->len = (size_t)n;
    return 0;
}

static int read_upper_xattrs(const struct delta *delta, int fd, const char *name,
                             struct cf_buf *xattrs)
{
    char path[64 + CF_NAME_MAX];
    struct cf_buf names cf_autobuf = CF_BUF_INIT;

    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", fd, *name ? name : ".");
    int r = list_xattrs(path, &names);
    for (size_t at = 0; r == 0 && at < names.len; at += strlen(names.data + at) + 1)
        r = add_upper_xattr(path, names.data + at, delta->user, xattrs);
    return r;
}

static bool is_xattr_of_content(const char *stored)
{
    char buffer[256];
    const char *shown = NULL;
    return cf_xattr_shown(stored, buffer, &shown) && !is_of_the_machine(shown);
}

/* Whether the packed ones are those of the image's inode, in any order. */
static int same_xattrs(const struct cf_tree *tree, uint64_t nid, const struct cf_buf *xattrs)
{
    struct cf_xattr theirs;
    const char *name = NULL;
    const void *value = NULL, *their_value = NULL;
    uint32_t len = 0;
    size_t at = 0, their_len = 0, count = 0, their_count = 0;
    uint64_t cookie = 0;
    int r;

    while (unpack_xattr(xattrs, &at, &name, &value, &len)) {
        count++;
        r = cf_tree_xattr_get(tree, nid, name, &their_value, &their_len);
        if (r < 0)
            return r == -ENODATA ? 0 : r;
        if (their_len != len || memcmp(their_value, value, len) != 0)
            return 0;
    }
    while ((r = cf_tree_xattr_list(tree, nid, cookie, &theirs)) > 0) {
        cookie = theirs.next;
        their_count += is_xattr_of_content(theirs.name);
    }
    return r < 0 ? r : count == their_count;
}

/* ---- reading ---- */

/* Things of the user who made the mount are root's, as everywhere in rootless tools. */
static void take_inode(const struct delta *delta, struct delta_entry *entry)
{
    const struct stat *st = &entry->upper.attr;
    bool mine = delta->user && !entry->upper.overridden;

    entry->inode = (struct cf_inode){
        .mode = st->st_mode,
        .uid = mine && st->st_uid == geteuid() ? 0 : st->st_uid,
        .gid = mine && st->st_gid == getegid() ? 0 : st->st_gid,
        .mtime_sec = st->st_mtim.tv_sec,
        .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec,
    };
    if (S_ISREG(st->st_mode))
        entry->inode.size = (uint64_t)st->st_size;
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
        entry->inode.rdev_major = major(st->st_rdev);
        entry->inode.rdev_minor = minor(st->st_rdev);
    }
    if (S_ISLNK(st->st_mode))
        entry->inode.mode = S_IFLNK | 0777;
}

static int take_lower_content(struct delta *delta, uint64_t nid, struct delta_entry *entry)
{
    struct cf_content content;
    int r = cf_tree_content(delta->tree, nid, &content);

    if (r < 0)
        return r;
    entry->inode.size = content.size;
    if (content.kind == CF_CONTENT_INLINE)
        return cf_buf_add(&entry->data, content.data, (size_t)content.size);
    entry->digest = content.digest;
    entry->has_digest = true;
    return 0;
}

/* The image's inode that a metacopy has its content from. */
static int find_origin(struct delta *delta, uint64_t source, const char *shown_name,
                       const char *redirect, uint64_t *ret_nid)
{
    if (redirect && *redirect == '/')
        return cf_tree_walk(delta->tree, redirect, ret_nid);
    if (source == DELTA_NONE)
        return -ENOENT;
    const char *name = redirect ? redirect : shown_name;
    return cf_tree_lookup(delta->tree, source, name, strlen(name), ret_nid, NULL);
}

static int read_small(int fd, const char *name, struct delta_entry *entry)
{
    int file cf_autoclose = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (file < 0)
        return -errno;
    int r = cf_read_fd(file, CF_INLINE_MAX, &entry->data);
    if (r == 0 && entry->data.len != entry->inode.size)
        r = -EBUSY;
    return r == -EFBIG ? -EBUSY : r;
}

static int read_regular(struct delta *delta, int fd, const char *name, uint64_t source,
                        const char *shown_name, struct delta_entry *entry)
{
    if (entry->upper.stub) {
        entry->digest = entry->upper.object;
        entry->has_digest = true;
        if (entry->inode.size > CF_INLINE_MAX)
            return 0;
        /* Small content lies in the tree, wherever it was before. */
        struct cf_content content = {
            .kind = CF_CONTENT_OBJECT, .size = entry->inode.size, .digest = entry->digest};
        entry->has_digest = false;
        return cf_content_read(delta->store, &content, CF_INLINE_MAX, &entry->data, NULL);
    }
    if (entry->upper.metacopy) {
        int r = entry->nid != DELTA_NONE
                    ? 0
                    : find_origin(delta, source, shown_name, entry->upper.redirect, &entry->nid);
        return r == 0 ? take_lower_content(delta, entry->nid, entry) : r;
    }
    return entry->inode.size <= CF_INLINE_MAX ? read_small(fd, name, entry) : 0;
}

static int read_target(struct delta *delta, int fd, const char *name, struct delta_entry *entry)
{
    int r = cf_buf_reserve(&entry->target, CF_SYMLINK_MAX + 1);
    ssize_t n =
        r < 0 ? r
              : cf_upper_link_target(fd, name, delta->user, entry->target.data, CF_SYMLINK_MAX + 1);

    if (n < 0)
        return (int)n;
    if (n == 0 || n > CF_SYMLINK_MAX)
        return -EINVAL;
    entry->target.len = (size_t)n;
    entry->target.data[n] = '\0';
    return 0;
}

int cf_delta_read_upper(struct delta *delta, int fd, const char *name, uint64_t source,
                        const char *shown_name, struct delta_entry *ret_entry, struct cf_error *err)
{
    uint64_t nid = ret_entry->nid;
    int r = delta->memo ? cf_memo_recall(delta->memo, fd, name, ret_entry) : 0;

    if (r == 0)
        r = cf_upper_read(fd, name, delta->user, &ret_entry->upper);
    else if (r > 0) {
        ret_entry->fd = fd;
        ret_entry->name = name;
        return 1;
    }
    if (r < 0)
        return fail_at(delta, r, err);
    ret_entry->fd = fd;
    ret_entry->name = name;
    ret_entry->nid = nid;
    mode_t type = ret_entry->upper.attr.st_mode & S_IFMT;
    if (ret_entry->upper.kind == CF_UPPER_WHITEOUT)
        return 0;
    if (type == S_IFSOCK) {
        cf_log(CF_LOG_WARN, "%s is a socket, which images do not hold",
               CF_QUOTE(shown_path(delta)));
        return 0;
    }
    take_inode(delta, ret_entry);
    if (!(delta->user && type != S_IFREG && type != S_IFDIR))
        r = read_upper_xattrs(delta, fd, name, &ret_entry->xattrs);
    if (r == 0 && type == S_IFREG)
        r = read_regular(delta, fd, name, source, shown_name, ret_entry);
    else if (r == 0 && type == S_IFLNK)
        r = read_target(delta, fd, name, ret_entry);
    return r < 0 ? fail_at(delta, r, err) : 1;
}

int cf_delta_read_lower(struct delta *delta, uint64_t nid, struct delta_entry *ret_entry,
                        struct cf_error *err)
{
    struct cf_xattr xattr;
    const char *target = NULL;
    size_t len = 0;
    uint64_t cookie = 0;
    int r = cf_tree_inode(delta->tree, nid, &ret_entry->inode);

    ret_entry->fd = -1;
    ret_entry->nid = nid;
    while (r == 0 && (r = cf_tree_xattr_list(delta->tree, nid, cookie, &xattr)) > 0) {
        cookie = xattr.next;
        r = is_xattr_of_content(xattr.name)
                ? pack_xattr(&ret_entry->xattrs, xattr.name, xattr.value, xattr.value_len)
                : 0;
    }
    if (r == 0 && S_ISREG(ret_entry->inode.mode))
        r = take_lower_content(delta, nid, ret_entry);
    if (r == 0 && S_ISLNK(ret_entry->inode.mode)) {
        r = cf_tree_readlink(delta->tree, nid, &target, &len);
        if (r == 0)
            r = cf_buf_add(&ret_entry->target, target, len);
    }
    return r < 0 ? cf_fail_errno(err, -r, "cannot read the tree of the mount's image") : 0;
}

/* ---- comparing ---- */

static int compare_fds(int a, int b, uint64_t size)
{
    char *one cf_autofree = malloc(COMPARE_SIZE), *other cf_autofree = malloc(COMPARE_SIZE);

    if (!one || !other)
        return -ENOMEM;
    for (uint64_t at = 0; at < size;) {
        size_t len = size - at < COMPARE_SIZE ? (size_t)(size - at) : COMPARE_SIZE;
        ssize_t n = cf_pread_full(a, one, len, (off_t)at);
        ssize_t m = cf_pread_full(b, other, len, (off_t)at);
        if (n < 0 || m < 0)
            return n < 0 ? (int)n : (int)m;
        if (n != m || (size_t)n != len || memcmp(one, other, len) != 0)
            return 0;
        at += len;
    }
    return 1;
}

/* Content larger than CF_INLINE_MAX, of the same size on both sides: 1 equal, 0 not. */
static int compare_large(struct delta *delta, const struct delta_entry *entry,
                         const struct cf_content *content)
{
    if (entry->has_digest || entry->hashed)
        return cf_digest_equal(&entry->digest, &content->digest);
    int file cf_autoclose =
        openat(entry->fd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0)
        return -errno;
    int object cf_autoclose = cf_object_open(delta->store, &content->digest);
    return object < 0 ? object : compare_fds(file, object, content->size);
}

static int same_content(struct delta *delta, const struct delta_entry *entry,
                        const struct cf_inode *inode, bool look)
{
    struct cf_content content;
    const char *target = NULL;
    size_t len = 0;
    int r;

    if (S_ISLNK(inode->mode)) {
        r = cf_tree_readlink(delta->tree, inode->nid, &target, &len);
        return r < 0 ? r : len == entry->target.len && memcmp(target, entry->target.data, len) == 0;
    }
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
        return inode->rdev_major == entry->inode.rdev_major &&
               inode->rdev_minor == entry->inode.rdev_minor;
    if (!S_ISREG(inode->mode))
        return 1;
    r = cf_tree_content(delta->tree, inode->nid, &content);
    if (r < 0)
        return r;
    if (content.size != entry->inode.size)
        return 0;
    if (content.kind == CF_CONTENT_INLINE)
        return content.size == 0 || memcmp(content.data, entry->data.data, content.size) == 0;
    if (!entry->has_digest && !entry->hashed && !look)
        return -EAGAIN;
    return compare_large(delta, entry, &content);
}

int cf_delta_compare(struct delta *delta, const struct delta_entry *entry, uint64_t nid,
                     bool *ret_same, int *ret_content, struct cf_error *err)
{
    struct cf_inode inode;
    const struct cf_inode *mine = &entry->inode;
    int r = cf_tree_inode(delta->tree, nid, &inode);
    int xattrs = r == 0 ? same_xattrs(delta->tree, nid, &entry->xattrs) : r;

    if (xattrs < 0)
        return cf_fail_errno(err, -xattrs, "cannot read the tree of the mount's image");
    *ret_same = false;
    *ret_content = 0;
    if ((inode.mode & S_IFMT) != (mine->mode & S_IFMT))
        return 0;
    /* A symlink's mode means nothing, and a directory's time only that something in it changed. */
    bool same = xattrs && inode.uid == mine->uid && inode.gid == mine->gid &&
                (S_ISLNK(inode.mode) || inode.mode == mine->mode) &&
                (S_ISDIR(inode.mode) ||
                 (inode.mtime_sec == mine->mtime_sec && inode.mtime_nsec == mine->mtime_nsec));
    int content = same_content(delta, entry, &inode, same || delta->only_changes);
    if (content < 0 && content != -EAGAIN)
        return cf_fail_errno(err, -content, "cannot compare %s with the image's",
                             CF_QUOTE(shown_path(delta)));
    *ret_content = content == -EAGAIN ? -1 : content;
    *ret_same = same && content == 1;
    return 0;
}

/* ---- making ---- */

int cf_delta_dress_node(struct delta *delta, struct cf_node *node, const struct delta_entry *entry,
                        struct cf_error *err)
{
    const char *name = NULL;
    const void *value = NULL;
    uint32_t len = 0;
    size_t at = 0;

    while (unpack_xattr(&entry->xattrs, &at, &name, &value, &len)) {
        int r = cf_node_set_xattr(delta->builder, node, name, value, len);
        if (r == -ENOTSUP || r == -E2BIG)
            cf_log(CF_LOG_WARN, "%s: images cannot hold its extended attribute %s",
                   CF_QUOTE(shown_path(delta)), name);
        else if (r < 0)
            return cf_fail_errno(err, -r, "cannot keep an extended attribute");
    }
    return 0;
}

static struct cf_inode clamped(const struct delta *delta, const struct cf_inode *inode)
{
    struct cf_inode result = *inode;

    result.nid = 0;
    result.nlink = 1;
    if (delta->has_clamp && (result.mtime_sec > delta->clamp_sec ||
                             (result.mtime_sec == delta->clamp_sec && result.mtime_nsec > 0))) {
        result.mtime_sec = delta->clamp_sec;
        result.mtime_nsec = 0;
    }
    return result;
}

int cf_delta_make_node(struct delta *delta, struct cf_node *dir, const char *name,
                       const struct delta_entry *entry, struct cf_node **ret_node,
                       struct cf_error *err)
{
    static const struct cf_digest unknown;
    struct cf_builder *builder = delta->builder;
    struct cf_inode inode = clamped(delta, &entry->inode);
    struct cf_node *node = cf_builder_root(builder);
    int r = 0;

    if (dir) {
        r = cf_node_add(builder, dir, name, strlen(name), &inode, &node);
    } else { /* the root: it has an entry of its own now */
        cf_node_set_inode(node, &inode);
        cf_node_remove_xattr(builder, node, CF_XATTR_IMPLICIT);
    }
    if (r == 0 && S_ISLNK(inode.mode))
        r = cf_node_set_symlink(builder, node, entry->target.data, entry->target.len);
    if (r == 0 && S_ISREG(inode.mode))
        r = inode.size <= CF_INLINE_MAX
                ? cf_node_set_inline(builder, node, entry->data.data, entry->data.len)
                : cf_node_set_object(builder, node, entry->has_digest ? &entry->digest : &unknown,
                                     inode.size);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot keep %s", CF_QUOTE(name));
    *ret_node = node;
    return cf_delta_dress_node(delta, node, entry, err);
}

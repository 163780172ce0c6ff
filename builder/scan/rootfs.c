/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/rootfs.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#define DEPTH_MAX 256

struct cf_rootfs {
    int fd; /* of the directory; -1 for an image */
    struct cf_store *store;
    struct cf_tree *tree;
};

void cf_rootfs_close(struct cf_rootfs *rootfs)
{
    if (!rootfs)
        return;
    if (rootfs->fd >= 0)
        close(rootfs->fd);
    cf_tree_close(rootfs->tree);
    free(rootfs);
}

static struct cf_rootfs *rootfs_new(struct cf_error *err)
{
    struct cf_rootfs *rootfs = calloc(1, sizeof(*rootfs));

    if (rootfs)
        rootfs->fd = -1;
    else
        (void)cf_fail(err, -ENOMEM, "out of memory");
    return rootfs;
}

int cf_rootfs_open_dir(const char *path, struct cf_rootfs **ret_rootfs, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = rootfs_new(err);

    if (!rootfs)
        return -ENOMEM;
    rootfs->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (rootfs->fd < 0)
        return cf_fail_errno(err, errno, "%s", CF_QUOTE(path));
    *ret_rootfs = CF_TAKE(rootfs);
    return 0;
}

int cf_rootfs_open_image(struct cf_store *store, const struct cf_image *image,
                         struct cf_rootfs **ret_rootfs, struct cf_error *err)
{
    return cf_rootfs_open_layers(store, image->diff_ids, image->layer_count, ret_rootfs, err);
}

int cf_rootfs_open_layers(struct cf_store *store, const struct cf_digest *diff_ids, size_t count,
                          struct cf_rootfs **ret_rootfs, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = rootfs_new(err);

    if (!rootfs)
        return -ENOMEM;
    rootfs->store = store;
    int r = cf_store_merged_tree(store, diff_ids, count, &rootfs->tree, NULL, err);
    if (r == 0)
        *ret_rootfs = CF_TAKE(rootfs);
    return r;
}

int cf_rootfs_open_layer(struct cf_store *store, const struct cf_digest *diff_id,
                         struct cf_rootfs **ret_rootfs, struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = rootfs_new(err);

    if (!rootfs)
        return -ENOMEM;
    rootfs->store = store;
    int r = cf_layer_tree(store, diff_id, &rootfs->tree, err);
    if (r == 0)
        *ret_rootfs = CF_TAKE(rootfs);
    return r;
}

struct walking {
    struct cf_rootfs *rootfs;
    cf_rootfs_fn *fn;
    void *context;
    struct cf_buf path;
    struct cf_error *err;
};

static int walk_fail(struct walking *walking, int code)
{
    return cf_fail_errno(walking->err, -code, "cannot list %s",
                         CF_QUOTE(walking->path.len ? walking->path.data : "."));
}

/* Sets the path to dir's (its first dir_len bytes) with name behind it, and tells it. */
static int tell(struct walking *walking, size_t dir_len, const char *name, size_t name_len,
                mode_t mode, uint64_t size)
{
    int r = 0;

    walking->path.len = dir_len;
    if (dir_len > 0)
        r = cf_buf_add_char(&walking->path, '/');
    if (r == 0)
        r = cf_buf_add(&walking->path, name, name_len);
    if (r < 0)
        return cf_fail(walking->err, r, "out of memory");
    struct cf_rootfs_entry entry = {.path = walking->path.data,
                                    .name = walking->path.data + walking->path.len - name_len,
                                    .mode = mode,
                                    .size = size};
    return walking->fn(&entry, walking->context);
}

static int walk_tree(struct walking *walking, uint64_t dir, unsigned depth)
{
    const struct cf_tree *tree = walking->rootfs->tree;
    size_t dir_len = walking->path.len;
    struct cf_dirent entry = {0};
    struct cf_inode inode;
    int r;

    if (depth > DEPTH_MAX)
        return walk_fail(walking, -ELOOP);
    while ((r = cf_tree_readdir(tree, dir, entry.next, &entry)) > 0) {
        r = cf_tree_inode(tree, entry.nid, &inode);
        if (r < 0)
            return walk_fail(walking, r);
        r = tell(walking, dir_len, entry.name, entry.name_len, inode.mode, inode.size);
        if (r == 0 && S_ISDIR(inode.mode))
            r = walk_tree(walking, entry.nid, depth + 1);
        if (r < 0)
            return r;
    }
    walking->path.len = dir_len;
    return r < 0 ? walk_fail(walking, r) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_dir(struct walking *walking, int fd, unsigned depth);

static int walk_entry(struct walking *walking, int fd, const char *name, size_t dir_len,
                      unsigned depth)
{
    struct stat st;

    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : walk_fail(walking, -errno);
    int r = tell(walking, dir_len, name, strlen(name), st.st_mode, (uint64_t)st.st_size);
    if (r != 0 || !S_ISDIR(st.st_mode))
        return r;
    int child cf_autoclose = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (child < 0)
        return walk_fail(walking, -errno);
    return walk_dir(walking, child, depth + 1);
}

static int walk_dir(struct walking *walking, int fd, unsigned depth)
{
    struct dirent **list = NULL;
    size_t dir_len = walking->path.len;
    int r = 0;

    if (depth > DEPTH_MAX)
        return walk_fail(walking, -ELOOP);
    int n = scandirat(fd, ".", &list, NULL, by_name);
    if (n < 0)
        return walk_fail(walking, -errno);
    for (int i = 0; i < n; i++) {
        const char *name = list[i]->d_name;
        if (r >= 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            r = walk_entry(walking, fd, name, dir_len, depth);
        free(list[i]);
    }
    free(list);
    walking->path.len = dir_len;
    return r < 0 ? r : 0;
}

int cf_rootfs_walk(struct cf_rootfs *rootfs, const char *dir, cf_rootfs_fn *fn, void *context,
                   struct cf_error *err)
{
    struct walking walking = {
        .rootfs = rootfs, .fn = fn, .context = context, .path = CF_BUF_INIT, .err = err};
    struct cf_inode inode;
    uint64_t nid = 0;

    int r = cf_buf_add_str(&walking.path, dir);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    if (rootfs->tree) {
        r = cf_tree_resolve(rootfs->tree, dir, true, &nid);
        if (r == 0)
            r = cf_tree_inode(rootfs->tree, nid, &inode);
        if (r == 0 && S_ISDIR(inode.mode))
            r = walk_tree(&walking, nid, 0);
        else if (r == -ENOENT || r == -ENOTDIR)
            r = 0;
        else if (r < 0)
            r = walk_fail(&walking, r);
    } else {
        int fd cf_autoclose =
            cf_open_beneath(rootfs->fd, *dir ? dir : ".", O_RDONLY | O_DIRECTORY, 0);
        if (fd >= 0)
            r = walk_dir(&walking, fd, 0);
        else if (fd != -ENOENT && fd != -ENOTDIR)
            r = walk_fail(&walking, fd);
    }
    cf_buf_done(&walking.path);
    return r;
}

static int open_tree_file(struct cf_rootfs *rootfs, const char *path,
                          struct cf_rootfs_file *ret_file, struct cf_error *err)
{
    struct cf_content content;
    uint64_t nid = 0;
    int r = cf_tree_resolve(rootfs->tree, path, true, &nid);

    if (r == 0)
        r = cf_tree_content(rootfs->tree, nid, &content);
    if (r == -ENOENT || r == -ENOTDIR)
        return -ENOENT;
    if (r < 0)
        return cf_fail(err, r, "%s is not a regular file", CF_QUOTE(path));
    *ret_file = (struct cf_rootfs_file){.fd = -1, .data = content.data, .size = content.size};
    if (content.kind == CF_CONTENT_INLINE)
        return 0;
    ret_file->has_digest = true;
    ret_file->digest = content.digest;
    ret_file->fd = cf_object_open(rootfs->store, &content.digest);
    if (ret_file->fd < 0)
        return cf_fail_errno(err, -ret_file->fd == ENOENT ? EIO : -ret_file->fd,
                             "cannot open the object of %s", CF_QUOTE(path));
    return 0;
}

int cf_rootfs_open_file(struct cf_rootfs *rootfs, const char *path, struct cf_rootfs_file *ret_file,
                        struct cf_error *err)
{
    struct stat st;

    if (rootfs->tree)
        return open_tree_file(rootfs, path, ret_file, err);
    int fd cf_autoclose = cf_open_beneath(rootfs->fd, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd == -ENOENT || fd == -ENOTDIR)
        return -ENOENT;
    if (fd < 0)
        return cf_fail_errno(err, -fd, "cannot open %s", CF_QUOTE(path));
    if (fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(path));
    if (!S_ISREG(st.st_mode))
        return cf_fail(err, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL, "%s is not a regular file",
                       CF_QUOTE(path));
    *ret_file = (struct cf_rootfs_file){.fd = CF_TAKE_FD(fd), .size = (uint64_t)st.st_size};
    return 0;
}

int cf_rootfs_read(struct cf_rootfs *rootfs, const char *path, size_t max, struct cf_buf *ret_buf,
                   struct cf_error *err)
{
    struct cf_rootfs_file file;
    int r = cf_rootfs_open_file(rootfs, path, &file, err);

    if (r < 0)
        return r;
    int fd cf_autoclose = file.fd;
    if (file.size > max)
        return cf_fail(err, -EFBIG, "%s has %llu bytes: the limit is %zu", CF_QUOTE(path),
                       (unsigned long long)file.size, max);
    r = fd < 0 ? cf_buf_add(ret_buf, file.data, (size_t)file.size) : cf_read_fd(fd, max, ret_buf);
    return r < 0 ? cf_fail_errno(err, -r, "cannot read %s", CF_QUOTE(path)) : 0;
}

bool cf_rootfs_has(struct cf_rootfs *rootfs, const char *path)
{
    struct cf_inode inode;
    struct stat st;
    uint64_t nid = 0;

    if (rootfs->tree)
        return cf_tree_resolve(rootfs->tree, path, true, &nid) == 0 &&
               cf_tree_inode(rootfs->tree, nid, &inode) == 0 && S_ISREG(inode.mode);
    int fd cf_autoclose = cf_open_beneath(rootfs->fd, path, O_PATH, 0);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static int look_in_tree(const struct cf_tree *tree, const char *path, mode_t *ret_mode,
                        struct cf_buf *ret_target)
{
    struct cf_inode inode;
    const char *target = NULL;
    uint64_t nid = 0;
    size_t len = 0;
    int r = cf_tree_walk(tree, path, &nid);

    if (r == 0)
        r = cf_tree_inode(tree, nid, &inode);
    if (r < 0)
        return r == -ENOTDIR || r == -ELOOP ? -ENOENT : r;
    *ret_mode = inode.mode;
    if (!S_ISLNK(inode.mode) || !ret_target)
        return 0;
    r = cf_tree_readlink(tree, nid, &target, &len);
    return r < 0 ? r : cf_buf_add(ret_target, target, len);
}

int cf_rootfs_look(struct cf_rootfs *rootfs, const char *path, mode_t *ret_mode,
                   struct cf_buf *ret_target)
{
    char target[CF_SYMLINK_MAX + 1];
    struct stat st;

    if (rootfs->tree)
        return look_in_tree(rootfs->tree, path, ret_mode, ret_target);
    int fd cf_autoclose = cf_open_beneath(rootfs->fd, *path ? path : ".", O_PATH | O_NOFOLLOW, 0);
    if (fd < 0)
        return fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV ? -ENOENT : fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    *ret_mode = st.st_mode;
    if (!S_ISLNK(st.st_mode) || !ret_target)
        return 0;
    ssize_t len = readlinkat(fd, "", target, sizeof(target));
    return len < 0 ? -errno : cf_buf_add(ret_target, target, (size_t)len);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that trees, recipes and uppers name. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "mark.h"

/* ---- trees ---- */

struct tree_level {
    uint64_t dir;
    uint64_t cookie;
};

struct tree_walk {
    const struct cf_tree *tree;
    struct tree_level *levels;
    size_t depth, room;
    uint64_t dirs; /* entered so far */
    cf_object_fn *fn;
    void *context;
};

/* A tree with more directories than inodes goes in circles. */
static int enter(struct tree_walk *walk, uint64_t dir)
{
    if (walk->dirs++ >= cf_tree_count(walk->tree))
        return -EBADMSG;
    if (walk->depth == walk->room) {
        size_t room = walk->room ? walk->room * 2 : 64;
        struct tree_level *levels = reallocarray(walk->levels, room, sizeof(*levels));
        if (!levels)
            return -ENOMEM;
        walk->levels = levels;
        walk->room = room;
    }
    walk->levels[walk->depth++] = (struct tree_level){dir, 0};
    return 0;
}

static int visit(struct tree_walk *walk, uint64_t nid)
{
    struct cf_content content;
    struct cf_inode inode;

    int r = cf_tree_inode(walk->tree, nid, &inode);
    if (r < 0)
        return r;
    if (S_ISDIR(inode.mode))
        return enter(walk, nid);
    if (!S_ISREG(inode.mode))
        return 0;
    r = cf_tree_content(walk->tree, nid, &content);
    if (r < 0 || content.kind != CF_CONTENT_OBJECT)
        return r;
    return walk->fn(&content.digest, true, content.size, walk->context);
}

static int walk_tree(struct tree_walk *walk)
{
    struct cf_dirent entry;

    int r = enter(walk, cf_tree_root(walk->tree));
    while (r == 0 && walk->depth > 0) {
        struct tree_level *level = &walk->levels[walk->depth - 1];
        int more = cf_tree_readdir(walk->tree, level->dir, level->cookie, &entry);
        if (more < 0)
            return more;
        if (more == 0) {
            walk->depth--;
            continue;
        }
        level->cookie = entry.next;
        r = visit(walk, entry.nid);
    }
    return r;
}

int cf_tree_each_object(const struct cf_tree *tree, cf_object_fn *fn, void *context)
{
    struct tree_walk walk = {.tree = tree, .fn = fn, .context = context};

    int r = walk_tree(&walk);
    free(walk.levels);
    return r;
}

/* ---- recipes ---- */

#define RECIPE_MAGIC "CFRECIP1"
#define RECIPE_BATCH 256

static int read_table(int fd, uint64_t count, cf_object_fn *fn, void *context)
{
    struct cf_digest digests[RECIPE_BATCH];
    off_t offset = 16;

    while (count > 0) {
        size_t n = count < RECIPE_BATCH ? (size_t)count : RECIPE_BATCH;
        ssize_t got = cf_pread_full(fd, digests, n * sizeof(*digests), offset);
        if (got < 0)
            return (int)got;
        if ((size_t)got < n * sizeof(*digests))
            return -EBADMSG;
        for (size_t i = 0; i < n; i++) {
            int r = fn(&digests[i], false, 0, context);
            if (r)
                return r;
        }
        offset += got;
        count -= n;
    }
    return 0;
}

int cf_recipe_each_object(int layer_fd, cf_object_fn *fn, void *context)
{
    char header[16];
    uint64_t count;

    int fd cf_autoclose = openat(layer_fd, "recipe", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -EBADMSG : -errno;
    ssize_t n = cf_pread_full(fd, header, sizeof(header), 0);
    if (n <= 0)
        return (int)n;
    if (n < (ssize_t)sizeof(header) || memcmp(header, RECIPE_MAGIC, 8) != 0)
        return -EBADMSG;
    memcpy(&count, header + 8, sizeof(count));
    return read_table(fd, le64toh(count), fn, context);
}

/* ---- uppers ---- */

#define CHUNK_MAX 3000 /* a path of more than PATH_MAX is opened in pieces */

struct upper_walk {
    int root_fd;
    char **dirs; /* paths below the root, still to be read */
    size_t count, room;
    const char *dir; /* being read */
    bool work;       /* where a kernel may have left a directory of mode 0 */
    cf_object_fn *fn;
    void *context;
};

static int push_dir(struct upper_walk *walk, const char *name)
{
    char *path = NULL;

    if (walk->count == walk->room) {
        size_t room = walk->room ? walk->room * 2 : 64;
        char **dirs = reallocarray(walk->dirs, room, sizeof(*dirs));
        if (!dirs)
            return -ENOMEM;
        walk->dirs = dirs;
        walk->room = room;
    }
    if (asprintf(&path, "%s/%s", walk->dir, name) < 0)
        return -ENOMEM;
    walk->dirs[walk->count++] = path;
    return 0;
}

/* The digest in the xattr of a stub; -ENODATA for none. */
static int stub_object(int dirfd, const char *name, struct cf_digest *ret_digest)
{
    static const char *const xattrs[] = {"trusted.overlay.cloudfs.object",
                                         "user.overlay.cloudfs.object"};
    char path[320];
    char hex[CF_DIGEST_HEX_SIZE];

    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
    for (size_t i = 0; i < CF_COUNT(xattrs); i++) {
        ssize_t n = lgetxattr(path, xattrs[i], hex, sizeof(hex) - 1);
        if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP && errno != ENOENT)
            return errno == ERANGE ? -EBADMSG : -errno;
        if (n < 0)
            continue;
        hex[n] = 0;
        return cf_digest_parse_hex(hex, ret_digest) < 0 ? -EBADMSG : 0;
    }
    return -ENODATA;
}

static int visit_upper(int dirfd, const char *name, void *context)
{
    struct upper_walk *walk = context;
    struct cf_digest digest;
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (S_ISDIR(st.st_mode))
        return push_dir(walk, name);
    if (!S_ISREG(st.st_mode))
        return 0;
    int r = stub_object(dirfd, name, &digest);
    if (r == -ENODATA)
        return 0;
    return r < 0 ? r : walk->fn(&digest, false, 0, walk->context);
}

static int open_dir(int root_fd, const char *path)
{
    int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    while (fd >= 0 && *path) {
        char piece[CHUNK_MAX + 1];
        size_t len = strlen(path);
        if (len > CHUNK_MAX)
            for (len = CHUNK_MAX; path[len] != '/';)
                len--;
        snprintf(piece, sizeof(piece), "%.*s", (int)len, path);
        int next = openat(fd, piece, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int code = errno;
        close(fd);
        errno = code;
        fd = next;
        path += len;
        while (*path == '/')
            path++;
    }
    return fd < 0 ? -errno : fd;
}

static int walk_upper(struct upper_walk *walk)
{
    int r = 0;

    walk->dir = ".";
    r = cf_each_entry(walk->root_fd, ".", visit_upper, walk);
    while (r == 0 && walk->count > 0) {
        char *path cf_autofree = walk->dirs[--walk->count];
        int fd cf_autoclose = open_dir(walk->root_fd, path);
        walk->dir = path;
        if (fd == -ENOENT || fd == -ENOTDIR)
            continue; /* removed meanwhile */
        r = fd < 0 ? fd : cf_each_entry(fd, ".", visit_upper, walk);
        if (r == -EACCES && walk->work)
            r = 0;
    }
    while (walk->count > 0)
        free(walk->dirs[--walk->count]);
    free(walk->dirs);
    return r;
}

static int each_object_below(int dirfd, const char *path, bool work, cf_object_fn *fn,
                             void *context)
{
    struct upper_walk walk = {.work = work, .fn = fn, .context = context};
    int fd cf_autoclose = openat(dirfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    walk.root_fd = fd;
    return walk_upper(&walk);
}

int cf_upper_each_object(struct cf_store *store, const struct cf_mount_note *note, cf_object_fn *fn,
                         void *context, struct cf_error *err)
{
    const char *const given[] = {note->upper, note->work};
    const char *const names[] = {"upper", "work"};

    for (size_t i = 0; i < CF_COUNT(names); i++) {
        char path[300];
        snprintf(path, sizeof(path), "%s/%s", note->id, names[i]);
        int r =
            each_object_below(store->mounts_fd, given[i] ? given[i] : path, i == 1, fn, context);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot read the %s directory of mount %s", names[i],
                                 note->id);
        if (r)
            return r;
    }
    return 0;
}

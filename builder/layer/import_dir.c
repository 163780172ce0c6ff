/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Things of the machine into a builder, and a directory as a layer. The walk holds one directory
 * open at a time, and goes back up by "..", checked against where it came from: so any depth will
 * do, and whoever moves things meanwhile leads it nowhere else.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "import.h"
#include "place.h"

enum { BUFFER = CF_SYMLINK_MAX + 1 }; /* of a link's target */

/* A directory on the way from the root to the current one. */
struct frame {
    struct cf_node *node;
    dev_t dev;
    ino_t ino;
    size_t path_len;     /* of the path to it */
    struct cf_buf names; /* of its subdirectories, NUL-terminated each */
    size_t at;           /* in names: the next one */
    bool filled;         /* something below it was taken in */
    bool doubtful;       /* goes again unless filled */
};

struct cf_importer {
    struct cf_importer_options options;
    const char *root;           /* what it is, for messages */
    struct cf_builder *builder; /* borrowed */
    struct cf_placer placer;    /* its path is that of the thing at hand */
    struct cf_import_files *files;
    struct cf_import_links links;
    struct frame *frames;
    size_t depth, room;
    int dir; /* the directory of the last frame */
    bool as_root;
    struct cf_buf value; /* of an xattr */
    char *buffer;
};

void cf_importer_free(struct cf_importer *import)
{
    if (!import)
        return;
    for (size_t i = 0; i < import->depth; i++)
        cf_buf_done(&import->frames[i].names);
    free(import->frames);
    free(import->buffer);
    cf_buf_done(&import->value);
    cf_import_links_done(&import->links);
    cf_import_files_free(import->files);
    cf_placer_done(&import->placer);
    cf_close_fd(&import->dir);
    free(import);
}

static int fail_system(int code, const char *what, struct cf_error *err)
{
    return cf_fail_errno(err, code < 0 ? -code : code, "%s", what);
}

static int changed(struct cf_error *err)
{
    return cf_fail(err, -EBUSY, "it changed while it was read");
}

/* ---- metadata ---- */

static struct cf_inode make_inode(const struct cf_importer *import, const struct stat *st)
{
    struct cf_inode inode = {.mode = st->st_mode,
                             .uid = st->st_uid,
                             .gid = st->st_gid,
                             .rdev_major = major(st->st_rdev),
                             .rdev_minor = minor(st->st_rdev),
                             .mtime_sec = st->st_mtim.tv_sec,
                             .mtime_nsec = (uint32_t)st->st_mtim.tv_nsec};
    const struct cf_importer_options *options = &import->options;
    if (options->has_owner) {
        inode.uid = options->uid;
        inode.gid = options->gid;
    } else if (!import->as_root && st->st_uid == geteuid()) {
        inode.uid = inode.gid = 0;
    }
    if (options->has_mode && !S_ISLNK(st->st_mode))
        inode.mode = (inode.mode & S_IFMT) | (options->mode & 07777);
    if (options->has_clamp && (inode.mtime_sec > options->clamp_sec ||
                               (inode.mtime_sec == options->clamp_sec && inode.mtime_nsec > 0))) {
        inode.mtime_sec = options->clamp_sec;
        inode.mtime_nsec = 0;
    }
    return inode;
}

static bool is_kept(const char *xattr)
{
    static const char *const left_out[] = {"security.selinux", "trusted.overlay.", "user.overlay."};
    for (size_t i = 0; i < CF_COUNT(left_out); i++)
        if (strncmp(xattr, left_out[i], strlen(left_out[i])) == 0)
            return false;
    return true;
}

/* The value into import->value; 1, or 0 when it is gone meanwhile. */
static int get_value(struct cf_importer *import, int fd, const char *path, const char *name,
                     struct cf_error *err)
{
    for (;;) {
        const ssize_t size = path ? lgetxattr(path, name, NULL, 0) : fgetxattr(fd, name, NULL, 0);
        if (size < 0)
            return errno == ENODATA ? 0 : fail_system(errno, "cannot read an xattr", err);
        cf_buf_clear(&import->value);
        if (cf_buf_reserve(&import->value, (size_t)size + 1) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        const ssize_t n = path ? lgetxattr(path, name, import->value.data, (size_t)size)
                               : fgetxattr(fd, name, import->value.data, (size_t)size);
        if (n >= 0) {
            import->value.len = size == 0 ? 0 : (size_t)n;
            return 1;
        }
        if (errno != ERANGE)
            return errno == ENODATA ? 0 : fail_system(errno, "cannot read an xattr", err);
    }
}

/* Of fd, or of path without following it where that is given. */
static int copy_xattrs(struct cf_importer *import, int fd, const char *path, struct cf_node *node,
                       struct cf_error *err)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    ssize_t len;
    do {
        len = path ? llistxattr(path, NULL, 0) : flistxattr(fd, NULL, 0);
        if (len == 0 || (len < 0 && (errno == ENOTSUP || errno == ENOSYS)))
            return 0;
        if (len > 0 && cf_buf_reserve(&names, (size_t)len) < 0)
            return cf_fail(err, -ENOMEM, "out of memory");
        if (len > 0)
            len = path ? llistxattr(path, names.data, (size_t)len)
                       : flistxattr(fd, names.data, (size_t)len);
    } while (len < 0 && errno == ERANGE);
    if (len < 0)
        return fail_system(errno, "cannot list its xattrs", err);
    for (const char *name = names.data; name < names.data + len; name += strlen(name) + 1) {
        int r = is_kept(name) ? get_value(import, fd, path, name, err) : 0;
        if (r == 1)
            r = cf_placer_xattr(&import->placer, node, name, import->value.data, import->value.len,
                                err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- content ---- */

static int fill_file(struct cf_importer *import, const char *name, const struct stat *st,
                     struct cf_node *node, struct cf_error *err)
{
    struct stat now;
    int fd cf_autoclose =
        openat(import->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ELOOP || errno == ENOENT ? changed(err)
                                                 : fail_system(errno, "cannot open it", err);
    if (fstat(fd, &now) < 0)
        return fail_system(errno, "cannot look at it", err);
    if (!cf_import_same_state(st, &now))
        return changed(err);
    int r = copy_xattrs(import, fd, NULL, node, err);
    return r < 0 ? r
                 : cf_import_files_add(import->files, CF_TAKE_FD(fd), st, node,
                                       &import->placer.path, err);
}

static int fill_symlink(struct cf_importer *import, const char *name, struct cf_node *node,
                        struct cf_error *err)
{
    const ssize_t n = readlinkat(import->dir, name, import->buffer, BUFFER);
    if (n < 0)
        return errno == EINVAL ? changed(err) : fail_system(errno, "cannot read it", err);
    int r = n > CF_SYMLINK_MAX
                ? -ENAMETOOLONG
                : cf_node_set_symlink(import->builder, node, import->buffer, (size_t)n);
    return r < 0 ? fail_system(r, "its target", err) : 0;
}

/* ---- one name ---- */

static int fill_node(struct cf_importer *import, const char *name, const struct stat *st,
                     struct cf_node *node, struct cf_error *err)
{
    char path[32 + NAME_MAX];
    if (S_ISREG(st->st_mode))
        return fill_file(import, name, st, node, err);
    int r = S_ISLNK(st->st_mode) ? fill_symlink(import, name, node, err) : 0;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", import->dir, name);
    return r < 0 ? r : copy_xattrs(import, -1, path, node, err);
}

static int refuse(const struct stat *st, const char *name, struct cf_error *err)
{
    if (strncmp(name, CF_WHITEOUT_PREFIX, strlen(CF_WHITEOUT_PREFIX)) == 0)
        return cf_fail(err, -EINVAL, "names that begin with '%s' mean deletions in layers",
                       CF_WHITEOUT_PREFIX);
    if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
        return cf_fail(err, -EINVAL, "a character device 0:0 cannot be told from a whiteout");
    return 0;
}

/* name in the current directory becomes `as` in the tree. */
static int add_other(struct cf_importer *import, const char *name, const char *as,
                     const struct stat *st, struct cf_error *err)
{
    struct cf_node *dir = import->frames[import->depth - 1].node;
    struct cf_node *node = NULL;
    import->frames[import->depth - 1].filled = true;
    if (st->st_nlink > 1 && (node = cf_import_links_find(&import->links, st)) != NULL) {
        int r = cf_node_link(import->builder, dir, as, strlen(as), node);
        return r < 0 ? fail_system(r, "its place in the tree", err) : 0;
    }
    const struct cf_inode inode = make_inode(import, st);
    int r = cf_node_add(import->builder, dir, as, strlen(as), &inode, &node);
    if (r < 0)
        return fail_system(r, "its place in the tree", err);
    r = fill_node(import, name, st, node, err);
    if (r == 0 && st->st_nlink > 1 && cf_import_links_add(&import->links, st, node) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return r;
}

/* The path of name in the current directory. */
static int set_path(struct cf_importer *import, const char *name, struct cf_error *err)
{
    struct cf_buf *path = &import->placer.path;
    path->len = import->frames[import->depth - 1].path_len;
    if ((path->len > 0 && cf_buf_add_char(path, '/') < 0) || cf_buf_add_str(path, name) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

static int keep(const struct cf_importer *import, bool is_dir)
{
    return import->options.keep ? import->options.keep(import->options.keep_context,
                                                       import->placer.path.data, is_dir)
                                : CF_KEEP;
}

/* Takes in what is no directory; of a directory, its name (names NULL: 1 is returned for it). */
static int visit(struct cf_importer *import, const char *name, const char *as, struct cf_buf *names,
                 struct cf_error *err)
{
    struct stat st;
    int r = set_path(import, name, err);
    if (r < 0)
        return r;
    if (fstatat(import->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? changed(err) : fail_system(errno, "cannot look at it", err);
    if (keep(import, S_ISDIR(st.st_mode)) == CF_KEEP_NOT)
        return 0;
    r = refuse(&st, as, err);
    if (r < 0)
        return r;
    if (S_ISDIR(st.st_mode) && !names)
        return 1;
    if (S_ISDIR(st.st_mode))
        return cf_buf_add(names, name, strlen(name) + 1) < 0
                   ? cf_fail(err, -ENOMEM, "out of memory")
                   : 0;
    if (S_ISSOCK(st.st_mode)) {
        cf_log(CF_LOG_WARN, "import %s: '%.400s' is a socket, which images cannot hold; left out",
               import->root, import->placer.path.data);
        return 0;
    }
    return add_other(import, name, as, &st, err);
}

/* ---- directories ---- */

/* Takes in all of the current directory; subdirectories only by name. */
static int scan(struct cf_importer *import, struct cf_error *err)
{
    DIR *dir cf_autoclosedir = NULL;
    const int fd = openat(import->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        const int code = errno;
        if (fd >= 0)
            (void)close(fd);
        return fail_system(code, "cannot open it", err);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? fail_system(errno, "cannot read it", err) : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int r = visit(import, entry->d_name, entry->d_name,
                      &import->frames[import->depth - 1].names, err);
        if (r < 0)
            return r;
    }
}

/* Makes fd the current directory; the path is set. Takes fd over. *ret_st: what it is. */
static int push_frame(struct cf_importer *import, int fd, struct cf_node *node, struct stat *ret_st,
                      struct cf_error *err)
{
    cf_close_fd(&import->dir);
    import->dir = fd;
    if (fstat(fd, ret_st) < 0)
        return fail_system(errno, "cannot look at it", err);
    if (import->depth == import->room) {
        const size_t room = import->room ? 2 * import->room : 64;
        struct frame *frames = reallocarray(import->frames, room, sizeof *frames);
        if (!frames)
            return cf_fail(err, -ENOMEM, "out of memory");
        import->frames = frames;
        import->room = room;
    }
    import->frames[import->depth++] = (struct frame){.node = node,
                                                     .dev = ret_st->st_dev,
                                                     .ino = ret_st->st_ino,
                                                     .path_len = import->placer.path.len,
                                                     .names = CF_BUF_INIT};
    return 0;
}

/* The same, and takes its metadata and all that is in it. */
static int enter(struct cf_importer *import, int fd, struct cf_node *node, struct cf_error *err)
{
    struct stat st;
    int r = push_frame(import, fd, node, &st, err);
    if (r < 0)
        return r;
    const struct cf_inode inode = make_inode(import, &st);
    cf_node_set_inode(node, &inode);
    r = copy_xattrs(import, fd, NULL, node, err);
    return r < 0 ? r : scan(import, err);
}

/* The directory `as` of the tree's current one: what is there already stays in it. */
static int make_dir(struct cf_importer *import, const char *as, struct cf_node **ret_node)
{
    struct cf_node *dir = import->frames[import->depth - 1].node;
    struct cf_inode inode = {.mode = S_IFDIR};
    struct cf_node *node = cf_node_child(import->builder, dir, as, strlen(as));
    if (node) {
        cf_node_inode(node, &inode);
        *ret_node = node;
        if (S_ISDIR(inode.mode))
            return 0;
        inode = (struct cf_inode){.mode = S_IFDIR};
    }
    return cf_node_add(import->builder, dir, as, strlen(as), &inode, ret_node);
}

static int descend(struct cf_importer *import, const char *name, const char *as,
                   struct cf_error *err)
{
    struct cf_node *node;
    int r = set_path(import, name, err);
    if (r < 0)
        return r;
    bool doubtful = keep(import, true) == CF_KEEP_INSIDE;
    const int fd = openat(import->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? changed(err)
                   : fail_system(errno, "cannot open it", err);
    r = make_dir(import, as, &node);
    if (r < 0) {
        (void)close(fd);
        return fail_system(r, "its place in the tree", err);
    }
    if (!doubtful)
        import->frames[import->depth - 1].filled = true;
    size_t depth = import->depth;
    r = enter(import, fd, node, err);
    if (import->depth > depth)
        import->frames[depth].doubtful = doubtful;
    return r;
}

static int ascend(struct cf_importer *import, struct cf_error *err)
{
    const struct frame *left = &import->frames[--import->depth];
    cf_buf_done(&import->frames[import->depth].names);
    if (import->depth == 0)
        return 0;
    struct frame *frame = &import->frames[import->depth - 1];
    struct stat st;
    frame->filled |= left->filled;
    if (left->doubtful && !left->filled) {
        const char *name = import->placer.path.data + frame->path_len;
        name += *name == '/';
        (void)cf_node_remove(import->builder, frame->node, name,
                             left->path_len - (size_t)(name - import->placer.path.data));
    }
    import->placer.path.len = frame->path_len;
    import->placer.path.data[frame->path_len] = '\0';
    const int fd = openat(import->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_system(errno, "cannot leave it", err);
    cf_close_fd(&import->dir);
    import->dir = fd;
    if (fstat(fd, &st) < 0)
        return fail_system(errno, "cannot look at it", err);
    return st.st_dev == frame->dev && st.st_ino == frame->ino ? 0 : changed(err);
}

/* Until all that lies below the frame of that depth is taken in. */
static int walk(struct cf_importer *import, size_t depth, struct cf_error *err)
{
    int r = 0;
    while (r == 0 && import->depth > depth) {
        struct frame *frame = &import->frames[import->depth - 1];
        if (frame->at == frame->names.len) {
            r = ascend(import, err);
            continue;
        }
        const char *name = frame->names.data + frame->at;
        frame->at += strlen(name) + 1;
        r = descend(import, name, name, err);
    }
    return r;
}

static int name_failure(const struct cf_importer *import, int r, struct cf_error *err)
{
    return r < 0 && import->placer.path.len > 0
               ? cf_fail_in(err, r, "'%.400s'", import->placer.path.data)
               : r;
}

int cf_importer_new(struct cf_store *store, struct cf_builder *builder, const char *what,
                    const struct cf_importer_options *options, struct cf_importer **ret_importer,
                    struct cf_error *err)
{
    struct cf_importer *import cf_cleanup(cf_importer_free_ptr) = calloc(1, sizeof(*import));
    if (!import)
        return cf_fail(err, -ENOMEM, "out of memory");
    import->options = *options;
    import->root = what;
    import->builder = builder;
    import->dir = -1;
    import->as_root = geteuid() == 0;
    cf_placer_init(&import->placer, builder, what);
    import->buffer = malloc(BUFFER);
    if (!import->buffer)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = cf_import_files_new(store, builder, what, options->progress, options->progress_context,
                                &import->files, err);
    if (r < 0)
        return r;
    *ret_importer = CF_TAKE(import);
    return 0;
}

static int set_start(struct cf_importer *import, const char *path, struct cf_error *err)
{
    cf_buf_clear(&import->placer.path);
    return cf_buf_add_str(&import->placer.path, path) < 0 ? cf_fail(err, -ENOMEM, "out of memory")
                                                          : 0;
}

int cf_importer_add_inside(struct cf_importer *import, struct cf_node *node, int dirfd,
                           const char *path, bool itself, struct cf_error *err)
{
    struct stat st;
    const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? fail_system(errno, "cannot open it", err) : set_start(import, path, err);
    if (r < 0) {
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    if (itself) {
        r = enter(import, fd, node, err);
    } else {
        r = push_frame(import, fd, node, &st, err);
        if (r == 0)
            r = scan(import, err);
    }
    if (r == 0)
        r = walk(import, 0, err);
    if (r == 0)
        r = cf_import_files_settle(import->files, &import->placer.path, err);
    return name_failure(import, r, err);
}

int cf_importer_add(struct cf_importer *import, struct cf_node *node, const char *as, int dirfd,
                    const char *name, const char *path, struct cf_error *err)
{
    struct stat st;
    const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? fail_system(errno, "cannot open it", err) : set_start(import, path, err);
    if (r < 0) {
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    r = push_frame(import, fd, node, &st, err);
    if (r == 0)
        r = visit(import, name, as, NULL, err);
    if (r == 1)
        r = descend(import, name, as, err);
    if (r == 0)
        r = walk(import, 1, err);
    if (r == 0)
        r = walk(import, 0, err);
    if (r == 0)
        r = cf_import_files_settle(import->files, &import->placer.path, err);
    return name_failure(import, r, err);
}

int cf_layer_import_dir(struct cf_store *store, const char *path,
                        const struct cf_import_dir_options *options, struct cf_layer_info *ret_info,
                        struct cf_error *err)
{
    static const struct cf_import_dir_options defaults;
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_importer *import cf_cleanup(cf_importer_free_ptr) = NULL;
    int fd cf_autoclose = -1;
    options = options ? options : &defaults;
    const struct cf_importer_options all = {
        .has_clamp = options->has_clamp,
        .clamp_sec = options->clamp_sec,
        .progress = options->progress,
        .progress_context = options->progress_context,
    };
    const struct cf_layer_build_options build = {
        .progress = options->progress,
        .progress_context = options->progress_context,
    };
    int r = cf_builder_new(cf_store_tmp_fd(store), &builder, err);
    if (r == 0)
        r = cf_importer_new(store, builder, path, &all, &import, err);
    if (r == 0 && (fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        r = fail_system(errno, "cannot open it", err);
    if (r == 0)
        r = cf_importer_add_inside(import, cf_builder_root(builder), fd, "", true, err);
    if (r == 0)
        r = cf_layer_build(store, builder, &build, ret_info, err);
    return r < 0 ? cf_fail_in(err, r, "import %s", path) : 0;
}
